use serde::Serialize;
use serde_json::{Value, json};

use super::clients;
use crate::aws::{AwsError, Clients, Observation, SignedCall, SignedRead};
use crate::policy::{EVENT_BRIDGE, PolicyDocument, PolicyKind, Statement, merge};
use crate::resources::change::{Change, FieldChange, field_changes};
use crate::resources::destroy::{Deletion, ignore_missing};
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// How long a message is kept that nobody receives. The list of accounts is read every hour
/// anyway, so an older one says nothing new. Units: seconds.
const RETENTION: u32 = 24 * 60 * 60;
/// The attributes that are read.
const ATTRIBUTES: [&str; 4] =
    ["KmsMasterKeyId", "MessageRetentionPeriod", "Policy", "SqsManagedSseEnabled"];

/// The queue of the events of accounts that join, leave or move.
///
/// Source: SQS `GetQueueAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountQueue {
    /// Its URL, which the calls for its messages need. No part of the comparison: it may be of
    /// another endpoint.
    #[serde(skip)]
    pub url: String,
    /// How its messages are encrypted.
    pub encryption: QueueEncryption,
    /// How long it keeps messages. Units: seconds.
    pub retention_seconds: u32,
    /// Its policy.
    pub policy: Option<PolicyDocument>,
}

/// How the messages of a queue are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueEncryption {
    /// They are not.
    None,
    /// With keys of SQS (SSE-SQS).
    Sqs,
    /// With this KMS key.
    Kms(String),
}

/// The queue's policy. It shares its state with the queue.
#[derive(Debug)]
pub(crate) struct AccountQueuePolicy;

/// The URL of the declared queue.
///
/// # Errors
/// There is no such queue, or its URL cannot be read.
pub(crate) async fn queue_url(clients: &Clients, name: &str) -> Result<String, AwsError> {
    let answer = clients.read(SignedRead::GetQueueUrl, &json!({ "QueueName": name })).await?;
    let url = answer.get("QueueUrl").and_then(Value::as_str).map(str::to_owned);
    url.ok_or_else(|| clients.malformed("sqs:GetQueueUrl", "no QueueUrl"))
}

impl AccountQueue {
    async fn read(clients: &Clients, desired: &Desired) -> Observation<Self> {
        let Some(name) = &desired.config.new_accounts.queue else { return Observation::Absent };
        Observation::from_result(
            Self::described(clients, name.as_str()).await,
            AwsError::is_not_found,
        )
    }

    async fn described(clients: &Clients, name: &str) -> Result<Self, AwsError> {
        const ACTION: &str = "sqs:GetQueueAttributes";
        let url = queue_url(clients, name).await?;
        let body = json!({ "QueueUrl": url, "AttributeNames": ATTRIBUTES });
        let answer = clients.read(SignedRead::GetQueueAttributes, &body).await?;
        let text = |name: &str| answer.get("Attributes")?.get(name)?.as_str();
        let policy = text("Policy").filter(|policy| !policy.is_empty()).map(|policy| {
            let malformed = "a policy that is not a policy document";
            policy.parse().map_err(|_| clients.malformed(ACTION, malformed))
        });
        let retention = text("MessageRetentionPeriod").and_then(|seconds| seconds.parse().ok());
        let encryption = match text("KmsMasterKeyId").filter(|key| !key.is_empty()) {
            Some(key) => QueueEncryption::Kms(key.to_owned()),
            None if text("SqsManagedSseEnabled") == Some("true") => QueueEncryption::Sqs,
            None => QueueEncryption::None,
        };
        Ok(Self {
            url,
            encryption,
            retention_seconds: retention
                .ok_or_else(|| clients.malformed(ACTION, "no MessageRetentionPeriod"))?,
            policy: policy.transpose()?,
        })
    }
}

/// What is compared of a queue's settings; a KMS key is as good as SQS's own keys.
#[derive(Serialize)]
struct Settings {
    encryption: QueueEncryption,
    retention_seconds: u32,
}

fn declared_settings(found: Option<&AccountQueue>) -> Settings {
    let key = found.map(|found| &found.encryption);
    let key = key.filter(|encryption| matches!(encryption, QueueEncryption::Kms(_)));
    Settings {
        encryption: key.cloned().unwrap_or(QueueEncryption::Sqs),
        retention_seconds: RETENTION,
    }
}

/// The policy: the rule may send, and nobody else is let in.
///
/// Source: EventBridge User Guide, "Using resource-based policies for Amazon EventBridge",
/// "Amazon SQS permissions".
fn declared_policy(desired: &Desired) -> PolicyDocument {
    let text = |arn: Option<crate::names::Arn>| arn.map(|arn| arn.to_string());
    let send = Statement::allow("OrgTrailEvents")
        .service(EVENT_BRIDGE)
        .actions(["sqs:SendMessage"])
        .resources(text(desired.account_queue_arn()))
        .when("ArnEquals", "aws:SourceArn", text(desired.account_rule_arn()))
        .when("StringEquals", "aws:SourceAccount", [desired.management().to_string()]);
    PolicyDocument::new(vec![send])
}

impl Resource for AccountQueue {
    type State = Self;
    const ID: &'static str = "new-accounts-queue";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:SetQueueAttributes",
    ];
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.events_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.new_accounts.queue.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        Self::read(&clients(context), context.desired).await
    }

    /// Not the policy, which has a step of its own.
    fn compared_json(state: &Self) -> Value {
        json!({ "encryption": state.encryption, "retention_seconds": state.retention_seconds })
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let wanted = declared_settings(found);
        let Some(found) = found else {
            let arn = desired.account_queue_arn().map(|arn| arn.to_string());
            let mut fields = vec![FieldChange::new("arn", None::<String>, arn)];
            fields.extend(field_changes(None, &wanted));
            return Change::create("accounts that join are noticed within minutes", fields);
        };
        let before = Settings {
            encryption: found.encryption.clone(),
            retention_seconds: found.retention_seconds,
        };
        Change::update(
            "messages are encrypted, and kept for as long as they are of use",
            field_changes(Some(&before), &wanted),
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(name) = &desired.config.new_accounts.queue else { return Ok(()) };
        let clients = context.at(desired.management(), &desired.events_region());
        let found = context.observed.account_queue.present();
        let mut attributes = json!({ "MessageRetentionPeriod": RETENTION.to_string() });
        if found.is_none_or(|found| found.encryption == QueueEncryption::None) {
            attributes["SqsManagedSseEnabled"] = "true".into();
        }
        if let Some(found) = found {
            let body = json!({ "QueueUrl": found.url, "Attributes": attributes });
            clients.send(SignedCall::SetQueueAttributes, &body).await?;
            return Ok(());
        }
        let body = json!({ "QueueName": name, "Attributes": attributes });
        // SQS makes the name of a deleted queue wait for a minute.
        context.retry(|| clients.send(SignedCall::CreateQueue, &body)).await?;
        Ok(())
    }

    fn deletion(desired: &Desired, _: &Self) -> Option<Deletion> {
        let value = desired.account_queue_arn()?.to_string();
        Some(Deletion { field: "arn", value, why: "its events only announce accounts" })
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let Some(found) = context.observed.account_queue.present() else { return Ok(()) };
        let desired = context.desired;
        let clients = context.at(desired.management(), &desired.events_region());
        let body = json!({ "QueueUrl": found.url });
        ignore_missing(clients.send(SignedCall::DeleteQueue, &body).await)
    }
}

impl Resource for AccountQueuePolicy {
    type State = AccountQueue;
    const ID: &'static str = "new-accounts-queue/policy";
    const DEPENDS_ON: &'static [&'static str] = &["new-accounts-queue"];
    const ACTIONS: &'static [&'static str] =
        &["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SetQueueAttributes"];

    fn location(desired: &Desired) -> Location {
        desired.events_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.new_accounts.queue.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<AccountQueue> {
        AccountQueue::read(&clients(context), context.desired).await
    }

    fn compared_json(state: &AccountQueue) -> Value {
        json!({ "policy": state.policy })
    }

    fn diff(desired: &Desired, found: Option<&AccountQueue>, _: &Observed) -> Change {
        policy_change(
            found.and_then(|found| found.policy.as_ref()),
            &DeclaredPolicy {
                document: &declared_policy(desired),
                unmanaged: desired.unmanaged,
                kind: PolicyKind::Queue,
                why: "EventBridge sends the events of this rule only",
                context: &desired.service_context(),
            },
        )
    }

    /// Merges the declaration into the policy that the queue has now.
    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(name) = &desired.config.new_accounts.queue else { return Ok(()) };
        let clients = context.at(desired.management(), &desired.events_region());
        // A queue is found a second after it was created.
        let queue = context.retry(|| AccountQueue::described(&clients, name.as_str())).await?;
        let merged = merge(queue.policy.as_ref(), &declared_policy(desired), desired.unmanaged);
        let policy = merged.document.to_json();
        let body = json!({ "QueueUrl": queue.url, "Attributes": { "Policy": policy } });
        clients.send(SignedCall::SetQueueAttributes, &body).await?;
        Ok(())
    }
}
