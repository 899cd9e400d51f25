//! Calls that change something: [`crate::aws::WriteClients`] may make them.

use http::Method;

use super::Form;

/// A call that changes something, and is sent without an SDK client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedCall {
    /// AWS Security Hub: imports and updates findings.
    BatchImportFindings,
    /// Amazon SQS: creates a queue.
    CreateQueue,
    /// Amazon SQS: deletes messages that were received.
    DeleteMessages,
    /// Amazon SQS: deletes a queue.
    DeleteQueue,
    /// Amazon EventBridge: deletes a rule without targets.
    DeleteRule,
    /// Amazon EventBridge: puts events on an event bus.
    PutEvents,
    /// Amazon EventBridge: creates or replaces a rule.
    PutRule,
    /// Amazon EventBridge: adds or replaces targets of a rule.
    PutTargets,
    /// Amazon SQS: receives messages, and hides them from others for a while.
    ReceiveMessages,
    /// Amazon EventBridge: removes targets of a rule.
    RemoveTargets,
    /// Amazon SQS: sets attributes of a queue.
    SetQueueAttributes,
}

impl SignedCall {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::BatchImportFindings,
        Self::CreateQueue,
        Self::DeleteMessages,
        Self::DeleteQueue,
        Self::DeleteRule,
        Self::PutEvents,
        Self::PutRule,
        Self::PutTargets,
        Self::ReceiveMessages,
        Self::RemoveTargets,
        Self::SetQueueAttributes,
    ];

    /// The IAM action that the call needs.
    #[must_use]
    pub fn action(self) -> &'static str {
        self.form().action
    }

    pub(super) fn form(self) -> Form {
        match self {
            // Source: the Smithy model `securityhub` (REST JSON).
            Self::BatchImportFindings => Form::rest(
                "securityhub:BatchImportFindings",
                ("SecurityHub", "securityhub"),
                Method::POST,
                "/findings/import",
            ),
            Self::CreateQueue => Form::sqs("sqs:CreateQueue", "AmazonSQS.CreateQueue"),
            // A batch needs the permission for one.
            Self::DeleteMessages => Form::sqs("sqs:DeleteMessage", "AmazonSQS.DeleteMessageBatch"),
            Self::DeleteQueue => Form::sqs("sqs:DeleteQueue", "AmazonSQS.DeleteQueue"),
            Self::DeleteRule => Form::event_bridge("events:DeleteRule", "AWSEvents.DeleteRule"),
            Self::PutEvents => Form::event_bridge("events:PutEvents", "AWSEvents.PutEvents"),
            Self::PutRule => Form::event_bridge("events:PutRule", "AWSEvents.PutRule"),
            Self::PutTargets => Form::event_bridge("events:PutTargets", "AWSEvents.PutTargets"),
            Self::ReceiveMessages => Form::sqs("sqs:ReceiveMessage", "AmazonSQS.ReceiveMessage"),
            Self::RemoveTargets => {
                Form::event_bridge("events:RemoveTargets", "AWSEvents.RemoveTargets")
            }
            Self::SetQueueAttributes => {
                Form::sqs("sqs:SetQueueAttributes", "AmazonSQS.SetQueueAttributes")
            }
        }
    }
}
