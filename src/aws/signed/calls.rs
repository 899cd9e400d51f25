//! Calls that change something: [`crate::aws::WriteClients`] may make them.

use http::Method;

use super::Form;

/// A call that changes something, and is sent without an SDK client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedCall {
    /// AWS Security Hub: imports and updates findings.
    BatchImportFindings,
    /// AWS Glue: creates a database.
    CreateDatabase,
    /// Amazon Athena: saves a query.
    CreateNamedQuery,
    /// Amazon SQS: creates a queue.
    CreateQueue,
    /// AWS Glue: creates a table.
    CreateTable,
    /// Amazon Athena: creates a workgroup.
    CreateWorkGroup,
    /// AWS Glue: deletes a database and its tables.
    DeleteDatabase,
    /// Amazon SQS: deletes messages that were received.
    DeleteMessages,
    /// Amazon Athena: deletes a saved query.
    DeleteNamedQuery,
    /// Amazon SQS: deletes a queue.
    DeleteQueue,
    /// Amazon EventBridge: deletes a rule without targets.
    DeleteRule,
    /// AWS Glue: deletes a table.
    DeleteTable,
    /// Amazon Athena: deletes a workgroup.
    DeleteWorkGroup,
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
    /// Amazon Athena: sets tags.
    TagWorkGroup,
    /// Amazon Athena: changes a saved query.
    UpdateNamedQuery,
    /// AWS Glue: replaces a table's settings.
    UpdateTable,
    /// Amazon Athena: changes a workgroup.
    UpdateWorkGroup,
}

impl SignedCall {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::BatchImportFindings,
        Self::CreateDatabase,
        Self::CreateNamedQuery,
        Self::CreateQueue,
        Self::CreateTable,
        Self::CreateWorkGroup,
        Self::DeleteDatabase,
        Self::DeleteMessages,
        Self::DeleteNamedQuery,
        Self::DeleteQueue,
        Self::DeleteRule,
        Self::DeleteTable,
        Self::DeleteWorkGroup,
        Self::PutEvents,
        Self::PutRule,
        Self::PutTargets,
        Self::ReceiveMessages,
        Self::RemoveTargets,
        Self::SetQueueAttributes,
        Self::TagWorkGroup,
        Self::UpdateNamedQuery,
        Self::UpdateTable,
        Self::UpdateWorkGroup,
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
            Self::CreateDatabase => Form::glue("glue:CreateDatabase", "AWSGlue.CreateDatabase"),
            Self::CreateTable => Form::glue("glue:CreateTable", "AWSGlue.CreateTable"),
            Self::DeleteDatabase => Form::glue("glue:DeleteDatabase", "AWSGlue.DeleteDatabase"),
            Self::DeleteTable => Form::glue("glue:DeleteTable", "AWSGlue.DeleteTable"),
            Self::UpdateTable => Form::glue("glue:UpdateTable", "AWSGlue.UpdateTable"),
            Self::CreateNamedQuery => {
                Form::athena("athena:CreateNamedQuery", "AmazonAthena.CreateNamedQuery")
            }
            Self::CreateWorkGroup => {
                Form::athena("athena:CreateWorkGroup", "AmazonAthena.CreateWorkGroup")
            }
            Self::DeleteNamedQuery => {
                Form::athena("athena:DeleteNamedQuery", "AmazonAthena.DeleteNamedQuery")
            }
            Self::DeleteWorkGroup => {
                Form::athena("athena:DeleteWorkGroup", "AmazonAthena.DeleteWorkGroup")
            }
            Self::TagWorkGroup => Form::athena("athena:TagResource", "AmazonAthena.TagResource"),
            Self::UpdateNamedQuery => {
                Form::athena("athena:UpdateNamedQuery", "AmazonAthena.UpdateNamedQuery")
            }
            Self::UpdateWorkGroup => {
                Form::athena("athena:UpdateWorkGroup", "AmazonAthena.UpdateWorkGroup")
            }
            Self::SetQueueAttributes => {
                Form::sqs("sqs:SetQueueAttributes", "AmazonSQS.SetQueueAttributes")
            }
        }
    }
}
