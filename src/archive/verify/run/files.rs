//! The log files below one root, and which of them no digest lists.

use std::sync::Arc;

use jiff::Timestamp;

use super::listing::{Listing, listing, next_key};
use super::{Lane, Period, Request};
use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey};
use crate::archive::verify::chain::ChainVerifier;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::period::Periods;
use crate::archive::verify::unlisted::Unclaimed;

/// The log files of a lane, listed a little ahead of the digests.
pub(super) struct LogFiles {
    lane: Arc<Lane>,
    listing: Option<Listing>,
    next: Option<ObjectKey>,
    unclaimed: Unclaimed,
    /// How many were listed, and the first and the newest of them.
    listed: u64,
    span: Option<(Timestamp, Timestamp)>,
    /// Before this, files are not looked at.
    since: Option<Timestamp>,
    request: Arc<Request>,
}

impl LogFiles {
    /// Those of each lane.
    pub(super) fn of_all(request: &Arc<Request>, lanes: &[Arc<Lane>]) -> Vec<Self> {
        lanes.iter().map(|lane| Self::new(request, lane)).collect()
    }

    fn new(request: &Arc<Request>, lane: &Arc<Lane>) -> Self {
        let folder = LogClass::Events.folder();
        // With some trails only, another may have delivered a file.
        let all = request.selection.trails.is_empty();
        Self {
            lane: Arc::clone(lane),
            listing: all.then(|| listing(request, lane, folder, request.window.since)),
            next: None,
            unclaimed: Unclaimed::new((**lane).clone()),
            listed: 0,
            span: None,
            since: request.window.since,
            request: Arc::clone(request),
        }
    }

    /// Strikes a file out that a verified digest lists, and tells whether it was
    /// there.
    pub(super) fn claimed(&mut self, key: &ObjectKey) -> bool {
        self.unclaimed.claimed(key)
    }

    pub(super) async fn read_until(&mut self, horizon: Timestamp, findings: &mut Vec<Finding>) {
        while self.next.is_some() || self.listing.is_some() {
            let next = match (self.next.take(), &mut self.listing) {
                (Some(key), _) => Some(key),
                (None, Some(listing)) => next_key(listing, &self.request, findings).await,
                (None, None) => None,
            };
            let Some(key) = next else {
                self.listing = None;
                return;
            };
            if key.time() > horizon {
                self.next = Some(key);
                return;
            }
            if self.since.is_none_or(|since| key.time() >= since) {
                self.unclaimed.listed(&key);
                if self.request.before_last(key.time()) {
                    self.count(&key);
                }
            }
        }
    }

    pub(super) fn settle(
        &mut self,
        before: Timestamp,
        verifier: &ChainVerifier,
        findings: &mut Vec<Finding>,
    ) {
        let root = &self.lane.root;
        let Some(covered) = verifier.covered(root) else { return };
        findings.extend(self.unclaimed.settle(before, covered, &verifier.ends(root)));
    }

    /// The finding that a lane without a single proven digest is.
    pub(super) async fn nothing_proven(&mut self, findings: &mut Vec<Finding>) -> Option<Finding> {
        let last = self.request.window.last.unwrap_or(Timestamp::MAX);
        while self.next.is_some() || self.listing.is_some() {
            let next = match (self.next.take(), &mut self.listing) {
                (Some(key), _) => Some(key),
                (None, Some(listing)) => next_key(listing, &self.request, findings).await,
                (None, None) => None,
            };
            match next {
                Some(key) if key.time() <= last => {
                    if self.since.is_none_or(|since| key.time() >= since) {
                        self.count(&key);
                    }
                }
                _ => self.listing = None,
            }
        }
        let (files, (from, to)) = (self.listed, self.span?);
        let period = Period { from, to };
        let lane = &self.lane;
        let folder = lane.root.folder(&lane.account, DIGEST_FOLDER, &lane.region);
        Some(Finding {
            objects: files,
            period: Some(period),
            ..Finding::new(FindingKind::NoDigests)
                .at(lane.bucket.as_deref(), folder)
                .because("digests", format!("none that proves anything, and {files} log files"))
        })
    }

    fn count(&mut self, key: &ObjectKey) {
        self.listed += 1;
        let time = key.time();
        let (from, to) = self.span.unwrap_or((time, time));
        self.span = Some((from.min(time), to.max(time)));
    }

    pub(super) fn finish(self, covered: &Periods, ends: &[Timestamp], findings: &mut Vec<Finding>) {
        let window = Period {
            from: self.request.window.since.unwrap_or(Timestamp::MIN),
            to: self.request.window.until.unwrap_or(Timestamp::MAX),
        };
        findings.extend(self.unclaimed.finish(covered, ends, Some(window)));
    }
}
