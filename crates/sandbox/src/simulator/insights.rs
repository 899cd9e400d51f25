//! Insights events: one unusual hour a day, as its start and its end.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::chain::iso;
use super::events;
use super::record::uuid;
use crate::services::cloudtrail::insights::Insight;

/// The slot of the day in which something unusual begins; it ends an hour later.
const BEGINS: i64 = 10 * 3600;

/// The Insights events of a slot's file.
pub(super) fn slot(
    maker: &events::EventGenerator<'_>,
    kinds: &[Insight],
    end: Timestamp,
) -> Vec<Value> {
    let of_day = end.as_second().rem_euclid(86_400);
    let state = match of_day {
        BEGINS => "Start",
        day if day == BEGINS + 3600 => "End",
        _ => return Vec::new(),
    };
    let began = end - SignedDuration::from_secs(of_day - BEGINS);
    kinds.iter().map(|one| event(maker, &one.kind, state, began, end)).collect()
}

fn event(
    maker: &events::EventGenerator<'_>,
    kind: &str,
    state: &str,
    began: Timestamp,
    at: Timestamp,
) -> Value {
    // Both ends of what is unusual share an id.
    let shared = uuid(&mut maker.random(kind, began));
    let mut random = maker.random(state, at);
    let mut details = json!({
        "state": state,
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "insightType": kind,
        "insightContext": { "statistics": {
            "baseline": { "average": 0.002_020_202 },
            "insight": { "average": 3.4 },
            "insightDuration": 5,
            "baselineDuration": 10_080,
        }},
    });
    if kind == "ApiErrorRateInsight" {
        details["errorCode"] = "Client.UnauthorizedOperation".into();
    }
    json!({
        "eventVersion": "1.09",
        "eventTime": iso(at - SignedDuration::from_mins(1)),
        "awsRegion": maker.region(),
        "eventID": uuid(&mut random),
        "eventType": "AwsCloudTrailInsight",
        "recipientAccountId": maker.account(),
        "sharedEventID": shared,
        "insightDetails": details,
        "eventCategory": "Insight",
    })
}
