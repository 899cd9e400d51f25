//! Events in the order in which they happened, each once, with bounded memory.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use jiff::{SignedDuration, Timestamp};

use super::query::FoundEvent;

/// Events wait until all files delivered so much later were read. Nearly all arrive within
/// 15 minutes.
const DELAY: SignedDuration = SignedDuration::from_hours(1);
/// Events that wait take up to so much; then the earliest are given early. Units: bytes.
const HELD: usize = 48 << 20;
/// Ids of given events that are remembered, to leave out copies.
const REMEMBERED: usize = 100_000;

/// Puts events in order.
///
/// Copies of an event, which several trails deliver, are given once. A later copy with an
/// addendum takes the place of an earlier one.
#[derive(Debug, Default)]
pub struct Timeline {
    waiting: BTreeMap<(Option<Timestamp>, Box<str>), FoundEvent>,
    held: usize,
    given: HashSet<u64>,
    order: VecDeque<u64>,
    hasher: RandomState,
    /// Up to when events were given.
    given_up_to: Option<Timestamp>,
    copies: u64,
    late: u64,
    unnamed: u64,
}

impl Timeline {
    /// Adds events, and returns those that cannot wait.
    pub fn add(&mut self, events: Vec<FoundEvent>) -> Vec<FoundEvent> {
        for found in events {
            self.add_one(found);
        }
        let mut early = Vec::new();
        while self.held > HELD {
            let Some((key, found)) = self.waiting.pop_first() else { break };
            early.push(self.give(key, found));
        }
        early
    }

    fn add_one(&mut self, found: FoundEvent) {
        let id = found.id.clone().unwrap_or_else(|| {
            // Without an id there is no telling copies apart.
            self.unnamed += 1;
            format!("#{}", self.unnamed).into()
        });
        if self.given.contains(&self.hasher.hash_one(&id)) {
            self.copies += 1;
            return;
        }
        let key = (found.at, id);
        if key.0.is_some() && key.0 < self.given_up_to {
            self.late += 1;
        }
        let size = size(&found);
        let is_update = found.is_update;
        match self.waiting.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(found);
                self.held += size;
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                self.copies += 1;
                if is_update {
                    let before = known.insert(found);
                    self.held = self.held + size - self::size(&before);
                }
            }
        }
    }

    /// All files delivered before a time were read: returns the events that nothing can
    /// precede any more.
    pub fn read_up_to(&mut self, delivered: Timestamp) -> Vec<FoundEvent> {
        let Ok(until) = delivered.checked_sub(DELAY) else { return Vec::new() };
        let mut ready = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0.is_some_and(|at| at >= until) {
                break;
            }
            let (key, found) = entry.remove_entry();
            ready.push(self.give(key, found));
        }
        self.given_up_to = self.given_up_to.max(Some(until));
        ready
    }

    /// Nothing follows: returns the rest.
    pub fn finish(&mut self) -> Vec<FoundEvent> {
        let mut rest = Vec::new();
        while let Some((key, found)) = self.waiting.pop_first() {
            rest.push(self.give(key, found));
        }
        rest
    }

    fn give(&mut self, (at, id): (Option<Timestamp>, Box<str>), found: FoundEvent) -> FoundEvent {
        self.held = self.held.saturating_sub(size(&found));
        self.given_up_to = self.given_up_to.max(at);
        let id = self.hasher.hash_one(&id);
        if self.given.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.given.remove(&oldest);
        }
        found
    }

    /// The copies that were left out.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.copies
    }

    /// The events that were found after later ones had been given.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }
}

fn size(found: &FoundEvent) -> usize {
    found.raw.len() + 200
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orgtrail_events::Event;
    use proptest::prelude::*;

    use super::*;
    use crate::events::files::LogFile;

    fn event(id: &str, minute: u32, more: &str) -> FoundEvent {
        let time = format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let raw = format!(r#"{{"eventID":"{id}","eventTime":"{time}"{more}}}"#);
        let file = LogFile { key: String::new(), size_bytes: 0, parsed: None };
        FoundEvent::new(&raw, &Event::parse(&raw).unwrap(), &Arc::new(file))
    }

    fn ids(events: &[FoundEvent]) -> Vec<String> {
        let id = |one: &FoundEvent| Event::parse(&one.raw).unwrap().id.unwrap().into_owned();
        events.iter().map(id).collect()
    }

    fn at(minute: u32) -> Timestamp {
        format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60).parse().unwrap()
    }

    #[test]
    fn copies_are_given_once_and_an_update_replaces_what_it_updates() {
        let mut timeline = Timeline::default();
        let update = r#","addendum":{"reason":"UPDATED_DATA"}"#;
        assert!(
            timeline
                .add(vec![event("a", 5, ""), event("a", 5, update), event("a", 5, "")])
                .is_empty()
        );
        assert!(timeline.read_up_to(at(60)).is_empty());
        let given = timeline.read_up_to(at(70));
        assert_eq!(given.len(), 1);
        assert!(given[0].raw.contains("UPDATED_DATA"));
        timeline.add(vec![event("a", 5, ""), event("b", 3, "")]);
        assert_eq!((timeline.copies(), timeline.late()), (3, 1));
        assert_eq!(ids(&timeline.finish()), ["b"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut timeline = Timeline::default();
        let long = format!(r#","x":"{}""#, "x".repeat(1 << 20));
        let mut given = Vec::new();
        for number in 0..100 {
            given.extend(timeline.add(vec![event(&format!("{number:03}"), number, &long)]));
        }
        assert!(timeline.held <= HELD && given.len() > 40);
        given.extend(timeline.finish());
        let found = ids(&given);
        assert_eq!((found.len(), timeline.held), (100, 0));
        assert!(found.is_sorted());
    }

    proptest! {
        #[test]
        fn events_delivered_within_the_delay_come_in_order(
            mut events in prop::collection::vec((0_u32..600, 0_u32..60), 0..60),
        ) {
            events.sort_by_key(|(minute, delay)| minute + delay);
            let (mut timeline, mut given) = (Timeline::default(), Vec::new());
            for (number, (minute, delay)) in events.iter().enumerate() {
                given.extend(timeline.read_up_to(at(minute + delay)));
                given.extend(timeline.add(vec![event(&format!("{minute:03}-{number}"), *minute, "")]));
            }
            given.extend(timeline.finish());
            let found = ids(&given);
            prop_assert_eq!(found.len(), events.len());
            prop_assert!(found.iter().is_sorted_by_key(|id| id[..3].to_owned()));
            prop_assert_eq!(timeline.late(), 0);
        }
    }
}
