//! The event history: the management events of the last 90 days, trail or not.

use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, State, input, page, time};
use crate::services::input::{account, seconds, text};
use crate::simulator;

/// How many of an account's calls are kept, for the history and for trails that are yet to
/// deliver them.
const KEPT: usize = 5_000;
/// How far back the history goes.
const DAYS: i64 = 90;
/// The most events of one answer.
const PAGE: usize = 50;

/// The record of a call: its text, a fifth of what it takes as a tree.
#[derive(Debug, Clone)]
pub(crate) struct StoredEvent {
    at: Timestamp,
    region: Box<str>,
    text: Box<str>,
}

impl StoredEvent {
    /// A record, if it has a time.
    pub(crate) fn new(record: &Value) -> Option<Self> {
        let region = record["awsRegion"].as_str()?.into();
        Some(Self { at: time_of(record)?, region, text: record.to_string().into() })
    }

    /// When it happened.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// The Region that recorded it.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn record(&self) -> Value {
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
        Self::new(&record).ok_or_else(|| D::Error::custom("a record without time or Region"))
    }
}

/// Keeps the record of a call. What is dropped neither the history nor a trail has.
pub(crate) fn remember(state: &mut State, record: StoredEvent) {
    let oldest = record.at - SignedDuration::from_hours(24 * DAYS);
    while state.recent.len() >= KEPT || state.recent.front().is_some_and(|one| one.at < oldest) {
        state.recent.pop_front();
    }
    // Calls at the same time may end in another order.
    let later = state.recent.iter().rev().take_while(|one| one.at > record.at).count();
    state.recent.insert(state.recent.len() - later, record);
}

fn time_of(record: &Value) -> Option<Timestamp> {
    record["eventTime"].as_str()?.parse().ok()
}

pub(super) fn lookup(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let start = time(call, "StartTime");
    let owner = account(control, &call.caller.account)?;
    let oldest = call.now - SignedDuration::from_hours(24 * DAYS);
    // Nothing happens in an account before it is there.
    let oldest = owner.created_at.map_or(oldest, |created| oldest.max(created));
    let from = start.unwrap_or(oldest).max(oldest);
    let until = time(call, "EndTime").unwrap_or(call.now).min(call.now);
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
    // Insights events are not made up here.
    match text(call.input, "EventCategory") {
        None => {}
        Some("insight") => return Ok(json!({ "Events": [] })),
        Some(_) => {
            return Err(ApiError::new("InvalidEventCategoryException", "unknown EventCategory"));
        }
    }
    let token = text(call.input, "NextToken");
    // Nothing newer than where the page before ended need be looked at.
    let newest = match token {
        None => until,
        Some(token) => slot_of(token)
            .ok_or_else(|| ApiError::new("InvalidNextTokenException", "the token is not valid"))?
            .min(until),
    };
    let (account, region) = (&call.caller.account, call.region);
    let events =
        simulator::history(call.simulation, control, account, region, (from, newest.max(from)))
            .filter(|(_, _, record)| {
                time_of(record).is_some_and(|at| from <= at && at <= until)
                    && wanted.is_none_or(|(key, value)| matches(record, key, value))
            })
            .map(|(slot, number, record)| (key_of(slot, number), event(&record)));
    page(call, "Events", events, limit)
}

/// Seconds after which no key has a place: keys of later slots come first.
const LAST_SECOND: i64 = 999_999_999_999;

/// What sorts an event in the history, newest first: it says in which slot it is.
fn key_of(slot: Timestamp, number: usize) -> String {
    format!("{:012}-{:08}", LAST_SECOND - slot.as_second(), 99_999_999 - number.min(99_999_999))
}

/// The end of the slot that a token's key is in.
fn slot_of(token: &str) -> Option<Timestamp> {
    let key = input::token_key(token)?;
    let seconds: i64 = key.split_once('-')?.0.parse().ok()?;
    let start = Timestamp::from_second(LAST_SECOND - seconds).ok()?;
    start.checked_add(SignedDuration::from_secs(299)).ok()
}

fn attribute_of(attribute: &Value) -> Result<(&str, &str), ApiError> {
    let invalid = |message: &str| ApiError::new("InvalidLookupAttributesException", message);
    let key = text(attribute, "AttributeKey").ok_or_else(|| invalid("no AttributeKey"))?;
    let value = text(attribute, "AttributeValue").ok_or_else(|| invalid("no AttributeValue"))?;
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
    // A role's session is shown by its name.
    let session = || Some(identity["principalId"].as_str()?.split_once(':')?.1);
    identity["userName"]
        .as_str()
        .or_else(session)
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
