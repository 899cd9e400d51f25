use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use jiff::Timestamp;
use serde_json::Value;

use crate::aws::{At as _, AwsError, Clients, Observation};
use crate::events::reconcile::{HistoryEvent, Reason};
use crate::names::Arn;
use crate::resources::EventSelectors;

/// The events that create, start, stop and delete a trail.
const LIFE: [&str; 4] = ["CreateTrail", "DeleteTrail", "StartLogging", "StopLogging"];
/// The events that change what it records.
const CHANGES: [&str; 1] = ["PutEventSelectors"];

/// What decides whether the archive must have an event.
#[derive(Debug, Clone)]
pub(super) struct TrailFacts {
    /// What the trail records; everything if that is unknown.
    selectors: Option<EventSelectors>,
    /// When the trail was started for the first time, if that is within the period.
    started_at: Option<Timestamp>,
}

impl TrailFacts {
    /// Reads the trail in its home Region, and its history since a time. What could not be
    /// read excuses no missing event, and is said in the notes.
    pub(super) async fn read(
        clients: &Clients,
        trail: &Arn,
        since: Timestamp,
    ) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let selectors = match EventSelectors::read(clients, trail).await {
            Observation::Present(selectors) => Some(selectors),
            Observation::Absent => {
                notes.push(format!("the trail {trail} does not exist"));
                None
            }
            Observation::Unreadable(error) => {
                notes.push(format!("what the trail records is unknown: {}", error.in_full()));
                None
            }
        };
        let mut history = BTreeMap::new();
        for name in LIFE.into_iter().chain(CHANGES) {
            match times(clients, trail, name, since).await {
                Ok(times) => {
                    history.insert(name, times);
                }
                Err(error) => {
                    notes.push(format!("changes of the trail are unknown: {}", error.in_full()));
                    return (Self { selectors, started_at: None }, notes);
                }
            }
        }
        (Self { selectors, started_at: first_start(&history) }, notes)
    }

    /// Why the archive need not have an event.
    pub(super) fn expected(
        &self,
        event: &HistoryEvent,
        joined_at: Option<Timestamp>,
    ) -> Option<Reason> {
        if joined_at.is_some_and(|joined| event.at < joined) {
            return Some(Reason::BeforeJoining);
        }
        if self.started_at.is_some_and(|started| event.at < started) {
            return Some(Reason::BeforeTrail);
        }
        let selectors = self.selectors.as_ref()?;
        // An event that does not say whether it only reads may be either.
        let sides: &[bool] = match event.read_only {
            Some(true) => &[true],
            Some(false) => &[false],
            None => &[true, false],
        };
        let is_recorded =
            |read_only: &bool| selectors.record_management(&event.source, &event.name, *read_only);
        (!sides.iter().any(is_recorded)).then_some(Reason::Selectors)
    }
}

/// The first start of a trail that was created within the period: a trail that was stopped or
/// deleted before is no excuse for what it did not record meanwhile.
fn first_start(history: &BTreeMap<&str, Vec<Timestamp>>) -> Option<Timestamp> {
    let first = |name: &str| history.get(name).and_then(|times| times.iter().min().copied());
    let created = first("CreateTrail")?;
    let is_before = |name: &str| first(name).is_some_and(|at| at < created);
    if is_before("DeleteTrail") || is_before("StopLogging") {
        return None;
    }
    let starts = history.get("StartLogging").into_iter().flatten();
    let started = starts.filter(|at| **at >= created).min().copied()?;
    first("StopLogging").is_none_or(|stopped| stopped >= started).then_some(started)
}

/// When an event of some name concerned the trail and succeeded. The most that are read is one
/// page.
async fn times(
    clients: &Clients,
    trail: &Arn,
    name: &str,
    since: Timestamp,
) -> Result<Vec<Timestamp>, AwsError> {
    const ACTION: &str = "cloudtrail:LookupEvents";
    let attribute = LookupAttribute::builder()
        .attribute_key(LookupAttributeKey::EventName)
        .attribute_value(name)
        .build()
        .map_err(|error| clients.malformed(ACTION, &error.to_string()))?;
    let answer = clients
        .cloudtrail()
        .lookup_events()
        .lookup_attributes(attribute)
        .start_time(aws_smithy_types::DateTime::from_secs(since.as_second()))
        .send()
        .await
        .at(clients, ACTION)?;
    let mut times = Vec::new();
    for event in answer.events() {
        let record: Value =
            serde_json::from_str(event.cloud_trail_event().unwrap_or_default()).unwrap_or_default();
        let named = record["requestParameters"]["name"].as_str();
        let is_it =
            named.is_some_and(|named| named == trail.resource_name() || named == trail.to_string());
        let at = event.event_time().and_then(|at| Timestamp::from_second(at.secs()).ok());
        if is_it && record["errorCode"].is_null() {
            times.extend(at);
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u8) -> Timestamp {
        format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn only_a_first_start_excuses_what_is_missing_before_it() {
        let first = |events: &[(&'static str, u8)]| {
            let mut history: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
            for (name, hour) in events {
                history.entry(name).or_default().push(at(*hour));
            }
            first_start(&history)
        };
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[("CreateTrail", 3), ("StartLogging", 4)]), Some(at(4)));
        assert_eq!(first(&[("StopLogging", 2), ("StartLogging", 4)]), None);
        assert_eq!(first(&[("DeleteTrail", 2), ("CreateTrail", 3), ("StartLogging", 4)]), None);
        assert_eq!(
            first(&[
                ("CreateTrail", 3),
                ("StartLogging", 4),
                ("StopLogging", 6),
                ("StartLogging", 9)
            ]),
            Some(at(4))
        );
    }
}
