//! Amazon EventBridge: events that are put on the default event bus.
//!
//! Source: EventBridge API Reference, `PutEvents` and `PutEventsResultEntry`.

use std::collections::VecDeque;

use orgtrail_base::names::Arn;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, Simulation, input, unknown_operation};

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
}

impl State {
    /// The events as rules would receive them, the oldest first.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.iter().cloned().collect()
    }
}

pub(super) fn call(simulation: &Simulation, control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "PutEvents" => put(simulation, control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn put(simulation: &Simulation, control: &mut Control, call: &Call<'_>) -> Reply {
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
        results.push(match fault(entry) {
            Some((code, message)) => json!({ "ErrorCode": code, "ErrorMessage": message }),
            None => {
                let id = simulation.uuid();
                let event = event(simulation, call, entry, &id);
                // Events for a bus that does not exist match no rule.
                let account = control.accounts.get_mut(&owner);
                if let Some(account) = account.filter(|_| bus.resource_name() == "default") {
                    let received = &mut account.events.received;
                    received.push_back(event);
                    while received.len() > KEPT {
                        received.pop_front();
                    }
                }
                json!({ "EventId": id })
            }
        });
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
    let is_object = serde_json::from_str::<Value>(detail).is_ok_and(|detail| detail.is_object());
    (!is_object).then(|| ("MalformedDetail", "Detail is malformed.".to_owned()))
}

fn event(simulation: &Simulation, call: &Call<'_>, entry: &Value, id: &str) -> Value {
    let detail = input::text(entry, "Detail").unwrap_or_default();
    let given =
        input::number(entry, "Time").and_then(|time| jiff::Timestamp::from_second(time).ok());
    let time = given.unwrap_or_else(|| simulation.clock.now());
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
