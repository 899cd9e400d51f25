//! Amazon EventBridge: events that are put on the default event bus or arrive there from
//! CloudTrail, and the rules that send them to queues.
//!
//! Source: EventBridge API Reference, `PutEvents` and `PutEventsResultEntry`.

mod delivery;
mod pattern;
mod rules;

use std::collections::{BTreeMap, VecDeque};

pub(crate) use delivery::arrive_via_cloudtrail;
use orgtrail_base::names::Arn;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

/// The most entries in a call.
const MOST_ENTRIES: usize = 10;
/// The most bytes of all entries. Source: EventBridge User Guide, "Calculating `PutEvents`
/// event entry size".
const MOST_BYTES: usize = 256 << 10;
/// The most events that are kept.
const KEPT: usize = 1_000;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// What was put on the default bus of any Region, the oldest first.
    received: VecDeque<Value>,
    /// By Region and name.
    #[serde(default)]
    rules: BTreeMap<String, rules::Rule>,
}

impl State {
    /// The events as rules would receive them, the oldest first.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.iter().cloned().collect()
    }
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "PutEvents" => put(control, call),
        "PutRule" => rules::put(control, call),
        "DescribeRule" => rules::describe(control, call),
        "ListRules" => rules::list(control, call),
        "DeleteRule" => rules::delete(control, call),
        "PutTargets" => rules::put_targets(control, call),
        "ListTargetsByRule" => rules::list_targets(control, call),
        "RemoveTargets" => rules::remove_targets(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let entries = input::list(call.input, "Entries");
    if !(1..=MOST_ENTRIES).contains(&entries.len()) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: \
             Member must have length between 1 and {MOST_ENTRIES}, inclusive"
        )));
    }
    if entries.iter().map(size).sum::<usize>() > MOST_BYTES {
        return Err(ApiError::validation(
            "Total size of the entries in the request is over the limit.",
        ));
    }
    let mut results = Vec::new();
    for entry in entries {
        let bus = bus(call, entry)?;
        let owner = bus.account.clone().unwrap_or_else(|| call.caller.account.clone());
        call.allow_in(control, &bus.to_string(), &owner, None, &[])?;
        if let Some((code, message)) = fault(entry) {
            results.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
            continue;
        }
        let id = call.simulation.uuid();
        let event = event(call, entry, &id);
        results.push(json!({ "EventId": id }));
        // Events for a bus that does not exist match no rule, nor do those without a detail
        // that rules could match.
        let is_kept = bus.resource_name() == "default" && event["detail"].is_object();
        if let (true, Some(region)) = (is_kept, &bus.region) {
            delivery::arrive(control, call.simulation, &owner, region, &event);
        }
        if let Some(account) = control.accounts.get_mut(&owner).filter(|_| is_kept) {
            let received = &mut account.events.received;
            received.push_back(event);
            while received.len() > KEPT {
                received.pop_front();
            }
        }
    }
    let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
    Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
}

/// The bus of an entry: by name in the caller's account, or by ARN.
fn bus(call: &Call<'_>, entry: &Value) -> Result<Arn, ApiError> {
    let name = input::text(entry, "EventBusName").unwrap_or("default");
    if !name.starts_with("arn:") {
        return Ok(call.arn(format!("event-bus/{name}")));
    }
    let arn: Option<Arn> = name.parse().ok();
    arn.filter(|arn| &*arn.service == "events" && arn.resource_type() == "event-bus").ok_or_else(
        || {
            ApiError::validation(format!(
                "1 validation error detected: Value '{name}' at 'entries.1.member.eventBusName' \
                 failed to satisfy constraint: Member must satisfy regular expression pattern"
            ))
        },
    )
}

/// Source: as above: 14 bytes for a time, and the UTF-8 of source, type, detail, resources.
fn size(entry: &Value) -> usize {
    let text = |name| input::text(entry, name).map_or(0, str::len);
    let time = if entry.get("Time").is_some() { 14 } else { 0 };
    let resources: usize = input::texts(entry, "Resources").iter().map(String::len).sum();
    time + text("Source") + text("DetailType") + text("Detail") + resources
}

/// Why an entry is not accepted, as its result states it.
fn fault(entry: &Value) -> Option<(&'static str, String)> {
    for name in ["Source", "DetailType", "Detail"] {
        if input::text(entry, name).is_none() {
            let message =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            return Some(("InvalidArgument", message));
        }
    }
    if input::text(entry, "Source").is_some_and(|source| source.starts_with("aws.")) {
        return Some(("NotAuthorizedForSourceException", "Not authorized for the source.".into()));
    }
    let detail = input::text(entry, "Detail").unwrap_or_default();
    let is_json = serde_json::from_str::<Value>(detail).is_ok();
    (!is_json).then(|| ("MalformedDetail", "Detail is malformed.".to_owned()))
}

fn event(call: &Call<'_>, entry: &Value, id: &str) -> Value {
    let detail = input::text(entry, "Detail").unwrap_or_default();
    let given =
        input::number(entry, "Time").and_then(|time| jiff::Timestamp::from_second(time).ok());
    let time = given.unwrap_or_else(|| call.simulation.clock.now());
    json!({
        "version": "0",
        "id": id,
        "detail-type": input::text(entry, "DetailType"),
        "source": input::text(entry, "Source"),
        "account": call.caller.account,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": call.region,
        "resources": input::texts(entry, "Resources"),
        "detail": serde_json::from_str::<Value>(detail).unwrap_or_default(),
    })
}
