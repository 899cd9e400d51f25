use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::clients;
use crate::aws::{AwsError, Clients, Observation, SignedCall, SignedRead};
use crate::names::Arn;
use crate::resources::change::{Change, FieldChange, field_changes};
use crate::resources::destroy::{Deletion, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The id of orgtrail's target.
const TARGET: &str = "orgtrail";
/// The events of accounts that join, leave, move or close, by the service that has them.
///
/// Source: Organizations API Reference, `CreateAccount`, `AcceptHandshake`,
/// `RemoveAccountFromOrganization`; Control Tower User Guide, "Lifecycle events".
const EVENTS: [&str; 8] = [
    "AcceptHandshake",
    "AccountDepartedOrganization",
    "AccountJoinedOrganization",
    "CloseAccount",
    "CreateAccountResult",
    "CreateManagedAccount",
    "MoveAccount",
    "RemoveAccountFromOrganization",
];

/// The rule that sends the events of accounts to the queue.
///
/// Source: EventBridge `DescribeRule` and `ListTargetsByRule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountRule {
    /// Which events it sends.
    pub pattern: Value,
    /// `ENABLED`, or another state.
    pub state: String,
    /// Where it sends them, by id.
    pub targets: BTreeMap<String, RuleTarget>,
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleTarget {
    /// Its ARN.
    pub arn: String,
    /// Whether it gets something else than the event.
    pub is_transformed: bool,
}

/// The pattern that the configuration declares.
fn pattern() -> Value {
    json!({
        "source": ["aws.organizations", "aws.controltower"],
        "detail": {
            "eventSource": ["organizations.amazonaws.com", "controltower.amazonaws.com"],
            "eventName": EVENTS,
        },
    })
}

impl AccountRule {
    async fn read(clients: &Clients, desired: &Desired) -> Observation<Self> {
        let Some(name) = &desired.config.new_accounts.queue else { return Observation::Absent };
        Observation::from_result(
            Self::described(clients, name.as_str()).await,
            AwsError::is_not_found,
        )
    }

    async fn described(clients: &Clients, name: &str) -> Result<Self, AwsError> {
        let rule = clients.read(SignedRead::DescribeRule, &json!({ "Name": name })).await?;
        let text = |member: &str| rule.get(member).and_then(Value::as_str).unwrap_or_default();
        let pattern = serde_json::from_str(text("EventPattern")).unwrap_or(Value::Null);
        let mut targets = BTreeMap::new();
        let mut body = json!({ "Rule": name });
        loop {
            const ACTION: &str = "events:ListTargetsByRule";
            let page = clients.read(SignedRead::ListTargetsByRule, &body).await?;
            let listed = page.get("Targets").and_then(Value::as_array);
            for target in listed.ok_or_else(|| clients.malformed(ACTION, "no Targets"))? {
                let text = |member: &str| target.get(member).and_then(Value::as_str);
                let (Some(id), Some(arn)) = (text("Id"), text("Arn")) else { continue };
                let is_transformed = ["Input", "InputPath", "InputTransformer"]
                    .iter()
                    .any(|member| target.get(member).is_some_and(|it| !it.is_null()));
                let target = RuleTarget { arn: arn.to_owned(), is_transformed };
                targets.insert(id.to_owned(), target);
            }
            match page.get("NextToken").and_then(Value::as_str) {
                Some(next) => body["NextToken"] = next.into(),
                None => break,
            }
        }
        Ok(Self { pattern, state: text("State").to_owned(), targets })
    }

    fn is_on(&self) -> bool {
        self.state.starts_with("ENABLED")
    }
}

/// orgtrail's target, as it is declared.
fn target(desired: &Desired) -> RuleTarget {
    let arn = desired.account_queue_arn().as_ref().map(Arn::to_string).unwrap_or_default();
    RuleTarget { arn, is_transformed: false }
}

impl Resource for AccountRule {
    type State = Self;
    const ID: &'static str = "new-accounts-rule";
    const DEPENDS_ON: &'static [&'static str] =
        &["new-accounts-queue", "new-accounts-queue/policy"];
    const ACTIONS: &'static [&'static str] = &[
        "events:DeleteRule",
        "events:DescribeRule",
        "events:ListTargetsByRule",
        "events:PutRule",
        "events:PutTargets",
        "events:RemoveTargets",
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

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let why = "events of accounts that join, leave or move go to the queue";
        let wanted = Self {
            pattern: pattern(),
            state: match found {
                Some(found) if found.is_on() => found.state.clone(),
                _ => "ENABLED".to_owned(),
            },
            targets: [(TARGET.to_owned(), target(desired))].into(),
        };
        let Some(found) = found else {
            let arn = desired.account_rule_arn().map(|arn| arn.to_string());
            let mut fields = vec![FieldChange::new("arn", None::<String>, arn)];
            fields.extend(field_changes(None, &wanted));
            return Change::create(why, fields);
        };
        // Targets that orgtrail did not add stay.
        let others = found.targets.iter().filter(|(id, _)| *id != TARGET);
        let notes: Vec<String> = others
            .map(|(id, target)| format!("an unmanaged target `{id}` is kept: {}", target.arn))
            .collect();
        let mut own = found.clone();
        own.targets.retain(|id, _| id == TARGET);
        Change::update(why, field_changes(Some(&own), &wanted)).with_notes(notes)
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(name) = &desired.config.new_accounts.queue else { return Ok(()) };
        let clients = context.at(desired.management(), &desired.events_region());
        let found = context.observed.account_rule.present();
        let state = found.filter(|found| found.is_on()).map_or("ENABLED", |found| &found.state);
        let rule = json!({
            "Name": name,
            "Description": "orgtrail: accounts that join, leave or move",
            "EventPattern": pattern().to_string(),
            "State": state,
        });
        context.retry(|| clients.send(SignedCall::PutRule, &rule)).await?;
        let queue = target(desired).arn;
        let targets = json!({ "Rule": name, "Targets": [{ "Id": TARGET, "Arn": queue }] });
        context
            .retry(|| async {
                let answer = clients.send(SignedCall::PutTargets, &targets).await?;
                accepted(&clients, "events:PutTargets", &answer)
            })
            .await?;
        Ok(())
    }

    fn deletion(desired: &Desired, _: &Self) -> Option<Deletion> {
        let value = desired.account_rule_arn()?.to_string();
        Some(Deletion { field: "arn", value, why: "it fills a queue that is deleted" })
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let desired = context.desired;
        let Some(name) = &desired.config.new_accounts.queue else { return Ok(()) };
        let Some(found) = context.observed.account_rule.present() else { return Ok(()) };
        let clients = context.at(desired.management(), &desired.events_region());
        let ids: Vec<&String> = found.targets.keys().collect();
        if !ids.is_empty() {
            let body = json!({ "Rule": name, "Ids": ids });
            match clients.send(SignedCall::RemoveTargets, &body).await {
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
                Ok(mut answer) => {
                    forget_missing(&mut answer);
                    accepted(&clients, "events:RemoveTargets", &answer)?;
                }
            }
        }
        ignore_missing(clients.send(SignedCall::DeleteRule, &json!({ "Name": name })).await)
    }
}

/// Leaves out the entries that failed because what they name is removed already, as after a call
/// whose response was lost.
fn forget_missing(answer: &mut Value) {
    let failed = answer.get_mut("FailedEntries").and_then(Value::as_array_mut);
    if let Some(entries) = failed {
        entries.retain(|entry| entry["ErrorCode"] != "ResourceNotFoundException");
    }
}

/// Whether every entry of a call was accepted: the call succeeds also if some were not.
fn accepted(clients: &Clients, action: &str, answer: &Value) -> Result<(), AwsError> {
    let failed = answer.get("FailedEntries").and_then(Value::as_array);
    match failed.and_then(|entries| entries.first()) {
        Some(entry) => Err(clients.malformed(action, &format!("a failed entry: {entry}"))),
        None => Ok(()),
    }
}
