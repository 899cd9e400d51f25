//! The event history: what happened lately, trail or not.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, State, input, page, time};
use crate::services::input::{account, seconds};

/// How many events an account's history keeps; AWS keeps 90 days of them.
const KEPT: usize = 2_000;
/// How far back the history goes.
const DAYS: i64 = 90;
/// The most events of one answer.
const PAGE: usize = 50;

/// A management event as it stands in the history: its text, a fifth of what it
/// takes as a tree.
#[derive(Debug, Clone)]
pub(crate) struct StoredEvent {
    id: Box<str>,
    text: Box<str>,
}

impl StoredEvent {
    /// A record, and its text where it is there already.
    pub(crate) fn new(record: &Value, text: &str) -> Self {
        Self { id: record["eventID"].as_str().unwrap_or_default().into(), text: text.into() }
    }

    /// The event's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn record(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Serialize for StoredEvent {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.record().serialize(to)
    }
}

impl<'de> Deserialize<'de> for StoredEvent {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let record = Value::deserialize(from)?;
        Ok(Self::new(&record, &record.to_string()))
    }
}

/// Puts a management event into an account's history.
pub(crate) fn remember(state: &mut State, record: StoredEvent) {
    if state.recent.len() >= KEPT {
        state.recent.pop_front();
    }
    state.recent.push_back(record);
}

fn time_of(record: &Value) -> Option<Timestamp> {
    record["eventTime"].as_str()?.parse().ok()
}

pub(super) fn lookup(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let start = time(call, "StartTime");
    let oldest = call.now - SignedDuration::from_hours(24 * DAYS);
    let from = start.unwrap_or(oldest).max(oldest);
    let until = time(call, "EndTime").unwrap_or(call.now);
    if start.is_some_and(|start| start > until) {
        return Err(ApiError::new("InvalidTimeRangeException", "StartTime is after EndTime"));
    }
    let limit = input::limit(call.input, "MaxResults", PAGE, PAGE)
        .ok_or_else(|| ApiError::new("InvalidMaxResultsException", "MaxResults is 1 to 50"))?;
    let attributes = input::list(call.input, "LookupAttributes");
    if attributes.len() > 1 {
        return Err(ApiError::new(
            "InvalidLookupAttributesException",
            "only one lookup attribute is taken",
        ));
    }
    let wanted = match attributes.first() {
        None => None,
        Some(attribute) => Some(attribute_of(attribute)?),
    };
    let history = &account(control, &call.caller.account)?.cloudtrail.recent;
    // Newest first; the place in the history makes the token.
    let newest = history.len();
    let events = history
        .iter()
        .enumerate()
        .rev()
        .map(|(place, record)| (place, record.record()))
        .filter(|(_, record)| record["awsRegion"] == call.region.as_str())
        .filter(|(_, record)| time_of(record).is_some_and(|at| from <= at && at <= until))
        .filter(|(_, record)| wanted.is_none_or(|(key, value)| matches(record, key, value)))
        .map(|(place, record)| (format!("{:08}", newest - place), event(&record)));
    page(call, "Events", events, limit)
}

fn attribute_of(attribute: &Value) -> Result<(&str, &str), ApiError> {
    let invalid = |message: &str| ApiError::new("InvalidLookupAttributesException", message);
    let key = input::text(attribute, "AttributeKey").ok_or_else(|| invalid("no AttributeKey"))?;
    let value =
        input::text(attribute, "AttributeValue").ok_or_else(|| invalid("no AttributeValue"))?;
    let known = matches!(
        key,
        "EventId"
            | "EventName"
            | "ReadOnly"
            | "Username"
            | "ResourceType"
            | "ResourceName"
            | "EventSource"
            | "AccessKeyId"
    );
    if known { Ok((key, value)) } else { Err(invalid("unknown AttributeKey")) }
}

fn user_name(record: &Value) -> &str {
    let identity = &record["userIdentity"];
    identity["userName"]
        .as_str()
        .or_else(|| identity["sessionContext"]["sessionIssuer"]["userName"].as_str())
        .or_else(|| (identity["type"] == "Root").then_some("root"))
        .unwrap_or_default()
}

fn matches(record: &Value, key: &str, value: &str) -> bool {
    match key {
        "EventId" => record["eventID"] == value,
        "EventName" => record["eventName"] == value,
        "ReadOnly" => {
            record["readOnly"].as_bool().map(|flag| flag.to_string()).as_deref() == Some(value)
        }
        "Username" => user_name(record) == value,
        "EventSource" => record["eventSource"] == value,
        "AccessKeyId" => record["userIdentity"]["accessKeyId"] == value,
        "ResourceType" => resources(record).any(|resource| resource["type"] == value),
        _ => resources(record).any(|resource| {
            resource["ARN"]
                .as_str()
                .is_some_and(|arn| arn == value || arn.ends_with(&format!("/{value}")))
        }),
    }
}

fn resources(record: &Value) -> impl Iterator<Item = &Value> {
    record["resources"].as_array().into_iter().flatten()
}

fn event(record: &Value) -> Value {
    let resources: Vec<Value> = resources(record)
        .map(
            |resource| json!({ "ResourceType": resource["type"], "ResourceName": resource["ARN"] }),
        )
        .collect();
    let read_only = record["readOnly"].as_bool().unwrap_or(false).to_string();
    json!({
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": read_only,
        "AccessKeyId": record["userIdentity"]["accessKeyId"].as_str().unwrap_or_default(),
        "EventTime": time_of(record).map(seconds),
        "EventSource": record["eventSource"],
        "Username": user_name(record),
        "Resources": resources,
        "CloudTrailEvent": record.to_string(),
    })
}
