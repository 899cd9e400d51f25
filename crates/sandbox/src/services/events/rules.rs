//! Rules of the default event bus, and where they send events.
//!
//! Source: EventBridge API Reference. The sandbox sends to SQS queues, and refuses other
//! targets and schedules.

use std::collections::BTreeMap;

use orgtrail_base::names::{AccountId, Arn, Region};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pattern::Pattern;
use super::{ApiError, Call, Control, Reply, input};

/// The most targets of a rule.
const MOST_TARGETS: usize = 5;

/// A rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) arn: Arn,
    name: String,
    description: Option<String>,
    pub(super) pattern: Pattern,
    pub(super) state: String,
    /// By id.
    pub(super) targets: BTreeMap<String, Target>,
}

/// Where a rule sends events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) arn: Arn,
    pub(super) dead_letters: Option<Arn>,
    retry: Option<Value>,
}

/// The key of a rule.
pub(super) fn key(region: &Region, name: &str) -> String {
    format!("{region}/{name}")
}

impl Rule {
    fn described(&self) -> Value {
        json!({
            "Name": self.name,
            "Arn": self.arn,
            "EventPattern": self.pattern.text(),
            "State": self.state,
            "Description": self.description,
            "EventBusName": "default",
        })
    }
}

impl Target {
    fn described(&self, id: &str) -> Value {
        json!({
            "Id": id,
            "Arn": self.arn,
            "DeadLetterConfig": self.dead_letters.as_ref().map(|arn| json!({ "Arn": arn })),
            "RetryPolicy": self.retry,
        })
    }
}

/// The name of a call's rule, on the default bus, once the caller may do this to it.
fn allowed<'a>(
    control: &Control,
    call: &'a Call<'_>,
    member: &str,
    context: &[(&str, String)],
) -> Result<&'a str, ApiError> {
    let name = call.required(member)?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.len() > 64 || !name.bytes().all(is_plain) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{name}' at '{}' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
            member.to_ascii_lowercase()
        )));
    }
    call.allow_with(control, &call.arn(format!("rule/{name}")).to_string(), context)?;
    if input::text(call.input, "EventBusName").is_some_and(|bus| bus != "default") {
        let message = "the sandbox has rules on the event bus `default` only";
        return Err(ApiError::new("ResourceNotFoundException", message));
    }
    Ok(name)
}

fn no_rule(name: &str) -> ApiError {
    let message = format!("Rule {name} does not exist on EventBus default.");
    ApiError::new("ResourceNotFoundException", message)
}

fn find<'a>(control: &'a Control, call: &Call<'_>, name: &str) -> Result<&'a Rule, ApiError> {
    let rules = &input::account(control, &call.caller.account)?.events.rules;
    rules.get(&key(call.region, name)).ok_or_else(|| no_rule(name))
}

fn find_mut<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    name: &str,
) -> Result<&'a mut Rule, ApiError> {
    let rules = &mut input::account_mut(control, &call.caller.account)?.events.rules;
    rules.get_mut(&key(call.region, name)).ok_or_else(|| no_rule(name))
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "Name", &[])?;
    if input::text(call.input, "ScheduleExpression").is_some() {
        return Err(ApiError::validation("the sandbox has no scheduled rules"));
    }
    let pattern = input::text(call.input, "EventPattern").ok_or_else(|| {
        ApiError::validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    })?;
    let pattern = Pattern::try_from(pattern.to_owned()).map_err(|reason| {
        let message = format!("Event pattern is not valid. Reason: {reason}");
        ApiError::new("InvalidEventPatternException", message)
    })?;
    let state = input::text(call.input, "State").unwrap_or("ENABLED");
    let states = ["ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"];
    if !states.contains(&state) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{state}' at 'state' failed to satisfy \
             constraint: Member must satisfy enum value set: [{}]",
            states.join(", ")
        )));
    }
    let arn = call.arn(format!("rule/{name}"));
    let known = find(control, call, name).ok();
    let rule = Rule {
        arn: arn.clone(),
        name: name.to_owned(),
        description: input::text(call.input, "Description").map(str::to_owned),
        pattern,
        state: state.to_owned(),
        targets: known.map(|rule| rule.targets.clone()).unwrap_or_default(),
    };
    let rules = &mut input::account_mut(control, &call.caller.account)?.events.rules;
    rules.insert(key(call.region, name), rule);
    Ok(json!({ "RuleArn": arn }))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "Name", &[])?;
    let mut answer = find(control, call, name)?.described();
    answer["CreatedBy"] = json!(call.caller.account);
    Ok(answer)
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, &call.arn("rule/*").to_string())?;
    let prefix = input::text(call.input, "NamePrefix").unwrap_or_default();
    let rules = &input::account(control, &call.caller.account)?.events.rules;
    let rules = rules
        .iter()
        .filter(|(_, rule)| rule.arn.region.as_ref() == Some(call.region))
        .filter(|(_, rule)| rule.name.starts_with(prefix))
        .map(|(key, rule)| (key.clone(), rule.described()));
    page(call, "Rules", rules)
}

fn page(call: &Call<'_>, member: &str, items: impl Iterator<Item = (String, Value)>) -> Reply {
    let invalid = || ApiError::validation("Invalid Limit or NextToken.");
    let limit = input::limit(call.input, "Limit", 100, 100).ok_or_else(invalid)?;
    let (items, next) =
        input::page(items, input::text(call.input, "NextToken"), limit).ok_or_else(invalid)?;
    Ok(json!({ member: items, "NextToken": next }))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "Name", &[])?;
    // Deleting a missing one succeeds.
    let Ok(rule) = find(control, call, name) else { return Ok(json!({})) };
    if !rule.targets.is_empty() {
        return Err(ApiError::validation("Rule can't be deleted since it has targets."));
    }
    let rules = &mut input::account_mut(control, &call.caller.account)?.events.rules;
    rules.remove(&key(call.region, name));
    Ok(json!({}))
}

pub(super) fn put_targets(control: &mut Control, call: &Call<'_>) -> Reply {
    let targets = input::list(call.input, "Targets");
    let arns = targets.iter().filter_map(|target| input::text(target, "Arn"));
    let context: Vec<(&str, String)> =
        arns.map(|arn| ("events:TargetArn", arn.to_owned())).collect();
    let name = allowed(control, call, "Rule", &context)?.to_owned();
    let account = call.caller.account.clone();
    let rule = find_mut(control, call, &name)?;
    if targets.is_empty() {
        return Err(ApiError::validation(
            "1 validation error detected: Value '[]' at 'targets' failed to satisfy constraint: \
             Member must have length greater than or equal to 1",
        ));
    }
    let mut known = rule.targets.clone();
    for target in targets {
        let (id, target) = read(target, &account, call)?;
        known.insert(id, target);
    }
    if known.len() > MOST_TARGETS {
        let message = "The requested resource exceeds the maximum number allowed.";
        return Err(ApiError::new("LimitExceededException", message));
    }
    rule.targets = known;
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

/// A target of a call.
fn read(
    target: &Value,
    account: &AccountId,
    call: &Call<'_>,
) -> Result<(String, Target), ApiError> {
    const KNOWN: [&str; 4] = ["Id", "Arn", "DeadLetterConfig", "RetryPolicy"];
    let invalid = |message: String| Err(ApiError::validation(message));
    let members = target.as_object().into_iter().flatten();
    if let Some((other, _)) = members.into_iter().find(|(name, _)| !KNOWN.contains(&name.as_str()))
    {
        return invalid(format!("the sandbox does not support {other} of targets"));
    }
    let Some(id) = input::text(target, "Id") else {
        return invalid("1 validation error detected: Value null at 'targets.1.member.id' failed to satisfy constraint: Member must not be null".to_owned());
    };
    let queue = |text: Option<&str>| -> Result<Arn, ApiError> {
        let text = text.unwrap_or_default();
        let arn: Option<Arn> = text.parse().ok();
        let arn = arn.filter(|arn| &*arn.service == "sqs");
        let arn = arn.ok_or_else(|| {
            ApiError::validation(format!(
                "the sandbox sends events to SQS queues only, not to `{text}`"
            ))
        })?;
        let is_near = arn.region.as_ref() == Some(call.region);
        if !is_near || arn.account.as_ref() != Some(account) {
            return Err(ApiError::validation(format!(
                "Provided Arn is not in correct format: {arn} is of another Region or account"
            )));
        }
        Ok(arn)
    };
    let arn = queue(input::text(target, "Arn"))?;
    let dead_letters = match target.get("DeadLetterConfig") {
        Some(config) => Some(queue(input::text(config, "Arn"))?),
        None => None,
    };
    let retry = target.get("RetryPolicy").cloned();
    Ok((id.to_owned(), Target { arn, dead_letters, retry }))
}

pub(super) fn list_targets(control: &Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "Rule", &[])?;
    let targets = find(control, call, name)?.targets.iter();
    page(call, "Targets", targets.map(|(id, target)| (id.clone(), target.described(id))))
}

pub(super) fn remove_targets(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "Rule", &[])?.to_owned();
    let ids = input::texts(call.input, "Ids");
    let rule = find_mut(control, call, &name)?;
    let (mut failed, mut seen) = (Vec::new(), rule.targets.clone());
    for id in ids {
        if seen.remove(&id).is_none() {
            failed.push(json!({
                "TargetId": id,
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": format!("Rule {name} does not have a target with the Id {id}."),
            }));
        }
    }
    rule.targets = seen;
    Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
}
