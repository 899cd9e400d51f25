use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::finding::EventRef;
use crate::Event;

/// The most pairs of an account and a Region that are remembered.
const MAX_PAIRS: usize = 100_000;

/// Finds the Regions that accounts use for the first time: by an event that changes something,
/// succeeded, and was made by nobody's service.
///
/// Events may come in any order, and from several threads.
#[derive(Debug)]
pub struct FirstUses {
    /// Where the baseline ends, and findings begin.
    since: Timestamp,
    pairs: Mutex<Pairs>,
}

#[derive(Debug, Default)]
struct Pairs {
    /// By account and Region.
    seen: BTreeMap<(String, String), Seen>,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Seen {
    is_in_baseline: bool,
    first: Option<(Timestamp, EventRef)>,
}

/// An account's first event in a Region.
#[derive(Debug, Clone)]
pub struct FirstUse {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The event.
    pub event: EventRef,
}

/// The first uses, and what they are compared with.
#[derive(Debug, Clone, Default)]
pub struct FirstUsesSummary {
    /// The first uses, in the order of their time.
    pub found: Vec<FirstUse>,
    /// Accounts of which the baseline has no event at all, so that nothing can be said.
    pub without_baseline: BTreeSet<String>,
    /// Pairs of an account and a Region in the baseline.
    pub in_baseline: usize,
    /// Events that were left out because there are too many pairs.
    pub left_out: u64,
}

impl FirstUses {
    /// With a baseline of the events before a time.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self { since, pairs: Mutex::default() }
    }

    /// Takes an event of a file.
    pub fn add(&self, event: &Event<'_>, key: &str) {
        if !is_use(event) {
            return;
        }
        let (Some(at), Some(account), Some(region)) =
            (event.at(), event.account(), event.region.as_deref())
        else {
            return;
        };
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (account.to_owned(), region.to_owned());
        if pairs.seen.len() >= MAX_PAIRS && !pairs.seen.contains_key(&pair) {
            pairs.left_out += 1;
            return;
        }
        let seen = pairs.seen.entry(pair).or_default();
        if at < self.since {
            seen.is_in_baseline = true;
        } else if !seen.is_in_baseline && seen.first.as_ref().is_none_or(|(first, _)| at < *first) {
            seen.first = Some((at, EventRef::new(event, key)));
        }
    }

    /// What was found.
    #[must_use]
    pub fn summary(&self) -> FirstUsesSummary {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let known: BTreeSet<&String> = pairs
            .seen
            .iter()
            .filter(|(_, seen)| seen.is_in_baseline)
            .map(|((account, _), _)| account)
            .collect();
        let mut found = Vec::new();
        let mut without_baseline = BTreeSet::new();
        for ((account, region), seen) in &pairs.seen {
            let Some((at, event)) = seen.first.as_ref().filter(|_| !seen.is_in_baseline) else {
                continue;
            };
            if known.contains(account) {
                let event = event.clone();
                let (account, region) = (account.clone(), region.clone());
                found.push((*at, FirstUse { account, region, event }));
            } else {
                without_baseline.insert(account.clone());
            }
        }
        found.sort_by_key(|(at, _)| *at);
        FirstUsesSummary {
            found: found.into_iter().map(|(_, first)| first).collect(),
            without_baseline,
            in_baseline: pairs.seen.values().filter(|seen| seen.is_in_baseline).count(),
            left_out: pairs.left_out,
        }
    }
}

/// Whether an event shows that someone uses a Region. Services read and write in every Region
/// on their own, and consoles and tools read in all of them.
fn is_use(event: &Event<'_>) -> bool {
    event.read_only == Some(false)
        && event.identity.kind.as_deref() != Some("AWSService")
        && event.identity.invoked_by.is_none()
        && event.event_type.as_deref() == Some("AwsApiCall")
        && event.failure().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(day: u32, account: &str, region: &str) -> Value {
        json!({
            "eventID": format!("{day}-{account}-{region}"),
            "eventTime": format!("2026-01-{day:02}T00:00:00Z"),
            "eventType": "AwsApiCall",
            "readOnly": false,
            "recipientAccountId": account,
            "awsRegion": region,
            "userIdentity": { "type": "IAMUser" },
        })
    }

    fn add(uses: &FirstUses, record: &Value) {
        let text = record.to_string();
        uses.add(&Event::parse(&text).unwrap(), "k");
    }

    #[test]
    fn a_region_is_new_to_an_account_that_has_a_baseline_without_it() {
        let uses = FirstUses::new("2026-01-10T00:00:00Z".parse().unwrap());
        add(&uses, &record(12, "1", "eu-west-1"));
        add(&uses, &record(11, "1", "eu-west-1"));
        add(&uses, &record(11, "1", "us-east-1"));
        add(&uses, &record(11, "2", "us-east-1"));
        add(&uses, &record(5, "1", "us-east-1"));
        let summary = uses.summary();
        let found: Vec<&str> =
            summary.found.iter().filter_map(|it| it.event.id.as_deref()).collect();
        assert_eq!(found, ["11-1-eu-west-1"]);
        assert_eq!(summary.without_baseline, ["2".to_owned()].into());
        assert_eq!((summary.in_baseline, summary.left_out), (1, 0));
    }

    #[test]
    fn reads_failures_and_services_are_no_use() {
        let uses = FirstUses::new("2026-01-10T00:00:00Z".parse().unwrap());
        add(&uses, &record(5, "1", "us-east-1"));
        for (member, value) in [
            ("readOnly", json!(true)),
            ("errorCode", json!("AccessDenied")),
            ("userIdentity", json!({ "type": "AWSService" })),
            ("userIdentity", json!({ "type": "AssumedRole", "invokedBy": "config.amazonaws.com" })),
            ("eventType", json!("AwsServiceEvent")),
        ] {
            let mut record = record(11, "1", "eu-west-1");
            record[member] = value;
            add(&uses, &record);
        }
        assert!(uses.summary().found.is_empty());
    }
}
