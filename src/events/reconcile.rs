//! What Event history shows and the archive lacks.
//!
//! Source: CloudTrail User Guide, "Working with CloudTrail event history": 90 days of
//! management events of each account and Region, whether or not a trail records them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::names::{AccountId, Region};
use crate::words::counted;

/// The most missing events of an account and Region that are named.
pub const MAX_NAMED: usize = 20;

/// An event of Event history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// `eventID`
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// `eventName`
    pub name: String,
    /// `eventSource`
    pub source: String,
    /// Whether it changed nothing.
    pub read_only: Option<bool>,
}

/// Why the archive need not have an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The trail's selectors leave it out.
    Selectors,
    /// It happened before the trail was created and started.
    BeforeTrail,
    /// It happened before the account joined the organization.
    BeforeJoining,
}

impl Reason {
    /// The reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Selectors => "left out by the trail's event selectors",
            Self::BeforeTrail => "before the trail was started for the first time",
            Self::BeforeJoining => "before the account joined the organization",
        }
    }
}

/// The comparison for one account and Region.
#[derive(Debug, Clone)]
pub struct Place {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Events of Event history that were looked for.
    pub sampled: u64,
    /// Those that the archive has.
    pub found: u64,
    /// Those that it need not have.
    pub expected: BTreeMap<Reason, u64>,
    /// Those that it lacks.
    pub missing: u64,
    /// The first of them, in order of time.
    pub first_missing: Vec<HistoryEvent>,
    /// When the first and last missing event happened.
    pub missing_between: Option<(Timestamp, Timestamp)>,
    /// When the newest event that the archive has happened.
    pub newest_found: Option<Timestamp>,
    /// Why the comparison is incomplete.
    pub unknown: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
}

impl Place {
    /// Nothing compared yet.
    #[must_use]
    pub fn new(account: AccountId, region: Region) -> Self {
        Self {
            account,
            region,
            sampled: 0,
            found: 0,
            expected: BTreeMap::new(),
            missing: 0,
            first_missing: Vec::new(),
            missing_between: None,
            newest_found: None,
            unknown: None,
            hint: None,
        }
    }

    /// Adds the result for one event.
    pub fn add(&mut self, event: HistoryEvent, is_found: bool, expected: Option<Reason>) {
        self.sampled += 1;
        if is_found {
            self.found += 1;
            self.newest_found = self.newest_found.max(Some(event.at));
        } else if let Some(reason) = expected {
            *self.expected.entry(reason).or_default() += 1;
        } else {
            self.missing += 1;
            let (first, last) = self.missing_between.unwrap_or((event.at, event.at));
            self.missing_between = Some((first.min(event.at), last.max(event.at)));
            let after = self.first_missing.partition_point(|known| known.at <= event.at);
            self.first_missing.insert(after, event);
            self.first_missing.truncate(MAX_NAMED);
        }
    }

    /// What the archive lacks, in words; none if it lacks nothing.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let first = self.first_missing.first().map(|event| (event.name.as_str(), event.at));
        (self.missing > 0).then(|| lacks(self.missing, self.sampled, first))
    }

    /// Whether everything since some time is missing: the Region stopped delivering.
    #[must_use]
    pub fn stopped_delivering(&self) -> Option<Timestamp> {
        let (first, _) = self.missing_between?;
        let is_whole = self.newest_found.is_none_or(|newest| newest < first);
        (is_whole && self.missing > 1).then_some(first)
    }
}

/// What the archive lacks, in words: how many events of how many that were sampled, and the
/// name and time of the first.
#[must_use]
pub fn lacks(missing: u64, sampled: u64, first: Option<(&str, Timestamp)>) -> String {
    let first = first.map(|(name, at)| format!(", the first is {name} at {at}"));
    format!(
        "the archive lacks {missing} of {} of Event history{}",
        counted(sampled, "sampled event"),
        first.unwrap_or_default()
    )
}

/// The comparison of an organization.
#[derive(Debug, Clone)]
pub struct Reconciled {
    /// When it was made.
    pub at: Timestamp,
    /// The earliest time of sampled events.
    pub from: Timestamp,
    /// The latest: younger events may still be on their way.
    pub to: Timestamp,
    /// The accounts and Regions, sorted.
    pub places: Vec<Place>,
    /// What could not be taken into account, in words.
    pub notes: Vec<String>,
    /// Whether it was stopped before its end.
    pub was_stopped: bool,
}

impl Reconciled {
    /// The events that the archive lacks.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.places.iter().map(|place| place.missing).sum()
    }

    /// The accounts and Regions that could not be compared, or only in part.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.places.iter().filter(|place| place.unknown.is_some()).count()
    }

    /// The events that were looked for.
    #[must_use]
    pub fn sampled(&self) -> u64 {
        self.places.iter().map(|place| place.sampled).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(minute: u32) -> HistoryEvent {
        HistoryEvent {
            id: minute.to_string(),
            at: format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60).parse().unwrap(),
            name: "CreateUser".to_owned(),
            source: "iam.amazonaws.com".to_owned(),
            read_only: Some(false),
        }
    }

    #[test]
    fn missing_events_are_named_in_order_and_bounded() {
        let mut place = Place::new("111111111111".parse().unwrap(), "us-east-1".parse().unwrap());
        for minute in (0..100).rev() {
            place.add(event(minute), false, (minute == 50).then_some(Reason::Selectors));
        }
        assert_eq!((place.sampled, place.missing, place.found), (100, 99, 0));
        assert_eq!(place.expected[&Reason::Selectors], 1);
        assert_eq!(place.first_missing.len(), MAX_NAMED);
        assert_eq!(place.first_missing[0], event(0));
        assert_eq!(place.missing_between, Some((event(0).at, event(99).at)));
        assert_eq!(place.stopped_delivering(), Some(event(0).at));
        place.add(event(120), true, None);
        assert_eq!(place.stopped_delivering(), None);
    }
}
