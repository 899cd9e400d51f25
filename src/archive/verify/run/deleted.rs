//! Digests of which only a delete marker is left, where no later digest names them.
//!
//! Inside a chain, the digest after a deleted one names it. At a chain's end, or where all
//! of a chain was deleted, nothing does, and other chains may cover its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Lane, Request};
use crate::archive::key::ObjectKey;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::place::Stem;

/// The time that a digest covers.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The digests of a window below one root, listed and deleted, by chain.
#[derive(Debug, Default)]
pub(super) struct DeletedDigests {
    chains: BTreeMap<Stem, OfChain>,
}

#[derive(Debug, Default)]
struct OfChain {
    /// The first and the last digest that is there.
    listed: Option<(Timestamp, Timestamp)>,
    /// Those deleted before the first that is there.
    before: Option<Stretch>,
    /// Those deleted after the last that is there.
    after: Option<Stretch>,
}

/// Deleted digests that follow one another.
#[derive(Debug, Clone)]
struct Stretch {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// The last one's key.
    key: String,
    /// When the last one was deleted.
    at: Option<Timestamp>,
}

impl DeletedDigests {
    /// Takes a digest that is there. Those of a chain come in the order of their hours.
    pub(super) fn listed(&mut self, request: &Request, key: &ObjectKey) {
        let Some(stem) = chosen(request, key) else { return };
        let chain = self.chains.entry(stem).or_default();
        let after = chain.after.take();
        match &mut chain.listed {
            // The digest after them names the last of them.
            Some((_, last)) => *last = key.time(),
            None => {
                chain.before = after;
                chain.listed = Some((key.time(), key.time()));
            }
        }
    }

    /// Takes a digest that was deleted.
    pub(super) fn deleted(&mut self, request: &Request, key: &ObjectKey, at: Option<Timestamp>) {
        let Some(stem) = chosen(request, key) else { return };
        let chain = self.chains.entry(stem).or_default();
        let time = key.time();
        let before = chain.after.take();
        chain.after = Some(Stretch {
            count: before.as_ref().map_or(1, |before| before.count + 1),
            first: before.map_or(time, |before| before.first),
            last: time,
            key: key.to_string(),
            at,
        });
    }

    /// What was deleted below each of the lanes and lies below no other; with a
    /// `missing_start`, not what was deleted before the first digest of a chain.
    pub(super) fn findings(all: &[Self], lanes: &[Arc<Lane>], missing_start: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (at, (deleted, lane)) in all.iter().zip(lanes).enumerate() {
            let others = || all.iter().enumerate().filter(move |(other, _)| *other != at);
            for (stem, chain) in &deleted.chains {
                let lies_elsewhere = |stretch: &Stretch| {
                    others().any(|(_, other)| {
                        let listed = other.chains.get(stem).and_then(|chain| chain.listed);
                        listed.is_some_and(|(first, last)| {
                            first <= stretch.first && last >= stretch.last
                        })
                    })
                };
                let before = chain.before.as_ref().filter(|_| !missing_start);
                let stretches = before.into_iter().chain(&chain.after);
                for stretch in stretches.filter(|stretch| !lies_elsewhere(stretch)) {
                    findings.push(stretch.finding(stem, lane));
                }
            }
        }
        findings
    }
}

impl Stretch {
    fn finding(&self, stem: &Stem, lane: &Lane) -> Finding {
        let from = self.first.checked_sub(HOUR).unwrap_or(self.first);
        let when = self.at.map(|at| format!(", deleted at {at}")).unwrap_or_default();
        let found = match self.count {
            1 => format!("a delete marker{when}"),
            count => format!("{count} delete markers; this is the last{when}"),
        };
        let finding = Finding::new(FindingKind::DigestsDeleted)
            .at(lane.bucket.as_deref(), &self.key)
            .because(format!("the digests of {stem}"), found)
            .over(from, self.last);
        Finding { objects: self.count, ..finding }
    }
}

/// The chain of a digest, where it was chosen and the digest belongs to the window.
fn chosen(request: &Request, key: &ObjectKey) -> Option<Stem> {
    let (window, trails) = (request.window, &request.selection.trails);
    let time = key.time();
    let is_within = window.since.is_none_or(|since| time > since)
        && window.last.or(window.until).is_none_or(|until| time <= until);
    let stem = Stem::of(key).filter(|_| is_within)?;
    (trails.is_empty() || trails.contains(&stem.trail)).then_some(stem)
}
