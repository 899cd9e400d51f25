//! Deleted digests that no later digest refers to: only their delete markers are left.
//!
//! Inside a chain, the next digest refers to a deleted one. At a chain's end, or if the
//! whole chain was deleted, no digest does, and other chains may cover its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{ChainScope, Request};
use crate::archive::key::ObjectKey;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::place::ChainName;

/// The period that a digest covers.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The existing and deleted digests of a window below one root, by chain.
#[derive(Debug, Default)]
pub(super) struct DeletedDigests {
    chains: BTreeMap<ChainName, ChainDeletions>,
}

#[derive(Debug, Default)]
struct ChainDeletions {
    /// The first and the last existing digest.
    listed: Option<(Timestamp, Timestamp)>,
    /// The deleted digests before the first existing one.
    before: Option<DeletedRange>,
    /// The deleted digests after the last existing one.
    after: Option<DeletedRange>,
}

/// A range of consecutive deleted digests.
#[derive(Debug, Clone)]
struct DeletedRange {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// The last one's key.
    key: String,
    /// When the last one was deleted.
    at: Option<Timestamp>,
}

impl DeletedDigests {
    /// Adds an existing digest. Digests of a chain are added in the order of their hours.
    pub(super) fn listed(&mut self, request: &Request, key: &ObjectKey) {
        let Some(chain_name) = chosen(request, key) else { return };
        let chain = self.chains.entry(chain_name).or_default();
        let after = chain.after.take();
        if let Some((_, last)) = &mut chain.listed {
            // The next digest refers to the last deleted one.
            *last = key.time();
        } else {
            chain.before = after;
            chain.listed = Some((key.time(), key.time()));
        }
    }

    /// Adds a deleted digest.
    pub(super) fn deleted(&mut self, request: &Request, key: &ObjectKey, at: Option<Timestamp>) {
        let Some(chain_name) = chosen(request, key) else { return };
        let chain = self.chains.entry(chain_name).or_default();
        let time = key.time();
        let before = chain.after.take();
        chain.after = Some(DeletedRange {
            count: before.as_ref().map_or(1, |before| before.count + 1),
            first: before.map_or(time, |before| before.first),
            last: time,
            key: key.to_string(),
            at,
        });
    }

    /// The findings for digests that were deleted in a scope and exist in no other; with
    /// `missing_start`, without those before the first digest of a chain.
    pub(super) fn findings(
        all: &[Self],
        scopes: &[Arc<ChainScope>],
        missing_start: bool,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (at, (deleted, scope)) in all.iter().zip(scopes).enumerate() {
            let others = || all.iter().enumerate().filter(move |(other, _)| *other != at);
            for (chain_name, chain) in &deleted.chains {
                let lies_elsewhere = |range: &DeletedRange| {
                    others().any(|(_, other)| {
                        let listed = other.chains.get(chain_name).and_then(|chain| chain.listed);
                        listed
                            .is_some_and(|(first, last)| first <= range.first && last >= range.last)
                    })
                };
                let before = chain.before.as_ref().filter(|_| !missing_start);
                let ranges = before.into_iter().chain(&chain.after);
                for range in ranges.filter(|range| !lies_elsewhere(range)) {
                    findings.push(range.finding(chain_name, scope));
                }
            }
        }
        findings
    }
}

impl DeletedRange {
    fn finding(&self, chain_name: &ChainName, scope: &ChainScope) -> Finding {
        let from = self.first.checked_sub(HOUR).unwrap_or(self.first);
        let when = self.at.map(|at| format!(", deleted at {at}")).unwrap_or_default();
        let found = match self.count {
            1 => format!("a delete marker{when}"),
            count => format!("{count} delete markers; this is the last{when}"),
        };
        let finding = Finding::new(FindingKind::DigestsDeleted)
            .at(scope.bucket.as_deref(), &self.key)
            .with_mismatch(format!("the digests of {chain_name}"), found)
            .with_period(from, self.last);
        Finding { objects: self.count, ..finding }
    }
}

/// The chain of a digest, if it was selected and the digest is in the window.
fn chosen(request: &Request, key: &ObjectKey) -> Option<ChainName> {
    let (window, trails) = (request.window, &request.selection.trails);
    let time = key.time();
    let is_within = window.since.is_none_or(|since| time > since)
        && window.last.or(window.until).is_none_or(|until| time <= until);
    let chain_name = ChainName::of(key).filter(|_| is_within)?;
    (trails.is_empty() || trails.contains(&chain_name.trail)).then_some(chain_name)
}
