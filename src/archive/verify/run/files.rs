//! The log files below one root, and which of them no digest lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::listing::{Listing, day_of, listing, next_key};
use super::{Lane, Request};
use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey};
use crate::archive::verify::chain::ChainVerifier;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::period::Periods;
use crate::archive::verify::unlisted::{NAMED, Unclaimed, is_asked};

/// The log files of one class of a lane, listed a little ahead of the digests.
pub(super) struct LogFiles {
    /// The place of the lane among the roots of its bucket.
    pub(super) place: usize,
    lane: Arc<Lane>,
    class: LogClass,
    listing: Option<Listing>,
    next: Option<ObjectKey>,
    unclaimed: Unclaimed,
    /// How many were listed, the first and the newest of them, and the keys of some.
    listed: u64,
    span: Option<(Timestamp, Timestamp)>,
    names: Vec<String>,
    request: Arc<Request>,
}

/// How many files are listed before it is decided which are unproven, once no further
/// digest comes.
const STEP: usize = 10_000;

impl LogFiles {
    /// Those of each lane.
    pub(super) fn of_all(
        request: &Arc<Request>,
        lanes: &[Arc<Lane>],
        classes: &BTreeSet<LogClass>,
    ) -> Vec<Self> {
        let of = |(place, lane)| {
            let class = |class: &LogClass| Self::new(request, place, lane, *class);
            classes.iter().map(class).collect::<Vec<_>>()
        };
        lanes.iter().enumerate().flat_map(of).collect()
    }

    fn new(request: &Arc<Request>, place: usize, lane: &Arc<Lane>, class: LogClass) -> Self {
        let window = request.window;
        Self {
            place,
            lane: Arc::clone(lane),
            class,
            listing: Some(listing(request, lane, class.folder(), window.since)),
            next: None,
            unclaimed: Unclaimed::new((**lane).clone(), class, window),
            listed: 0,
            span: None,
            names: Vec::new(),
            request: Arc::clone(request),
        }
    }

    /// Strikes a file out that a verified digest lists, and tells whether it was
    /// there.
    pub(super) fn claimed(&mut self, key: &ObjectKey) -> bool {
        self.unclaimed.claimed(key)
    }

    async fn next(&mut self, findings: &mut Vec<Finding>) -> Option<ObjectKey> {
        if let Some(key) = self.next.take() {
            return Some(key);
        }
        let next = next_key(self.listing.as_mut()?, &self.request, findings).await;
        if next.is_none() {
            self.listing = None;
        }
        next
    }

    pub(super) async fn read_until(&mut self, horizon: Timestamp, findings: &mut Vec<Finding>) {
        self.read(horizon, usize::MAX, findings).await;
    }

    /// Takes in at most so many files up to an instant, and tells whether that is all.
    async fn read(&mut self, horizon: Timestamp, most: usize, findings: &mut Vec<Finding>) -> bool {
        for _ in 0..most {
            let Some(key) = self.next(findings).await else { return true };
            if key.time() > horizon {
                self.next = Some(key);
                return true;
            }
            let since = self.request.window.since;
            if since.is_none_or(|since| key.time() >= since) {
                self.unclaimed.listed(&key);
                self.count(&key);
            }
        }
        false
    }

    pub(super) fn wait_until_converged(
        &mut self,
        before: Timestamp,
        verifier: &ChainVerifier,
        findings: &mut Vec<Finding>,
    ) {
        let root = &self.lane.root;
        let Some(covered) = verifier.covered(root) else { return };
        findings.extend(self.unclaimed.wait_until_converged(before, covered, &verifier.ends(root)));
    }

    /// The finding that a lane without a single proven digest is.
    pub(super) async fn nothing_proven(&mut self, findings: &mut Vec<Finding>) -> Option<Finding> {
        let last = self.request.window.last.unwrap_or(Timestamp::MAX);
        while let Some(key) = self.next(findings).await {
            if key.time() > last {
                self.next = Some(key);
                break;
            }
            self.count(&key);
        }
        self.read_out_day(last, findings).await;
        let (files, (from, to)) = (self.listed, self.span?);
        let lane = &self.lane;
        let folder = lane.root.folder(&lane.account, DIGEST_FOLDER, &lane.region);
        let what = match self.class {
            LogClass::Events => "log files".to_owned(),
            other => format!("log files in {}", other.folder()),
        };
        Some(
            Finding::new(FindingKind::NoDigests)
                .at(lane.bucket.as_deref(), folder)
                .because("digests", format!("none that proves anything, and {files} {what}"))
                .over(from, to)
                .of_files(files, std::mem::take(&mut self.names)),
        )
    }

    /// Looks at the rest of a day's folder, for what CloudTrail would not have written.
    async fn read_out_day(&mut self, time: Timestamp, findings: &mut Vec<Finding>) {
        while let Some(key) = self.next(findings).await {
            if day_of(key.time()) > day_of(time) {
                break;
            }
        }
        self.listing = None;
    }

    fn count(&mut self, key: &ObjectKey) {
        let time = key.time();
        if !is_asked(self.request.window, time) {
            return;
        }
        self.listed += 1;
        let (from, to) = self.span.unwrap_or((time, time));
        self.span = Some((from.min(time), to.max(time)));
        if self.names.len() < NAMED {
            self.names.push(key.to_string());
        }
    }

    /// Reads to the window's end, and decides about all that no digest claimed.
    pub(super) async fn finish(
        mut self,
        covered: &Periods,
        ends: &[Timestamp],
        findings: &mut Vec<Finding>,
    ) {
        let last = self.request.window.last.unwrap_or(Timestamp::MAX);
        while !self.read(last, STEP, findings).await {
            findings.extend(self.unclaimed.wait_until_converged(Timestamp::MAX, covered, ends));
        }
        self.read_out_day(last, findings).await;
        findings.extend(self.unclaimed.finish(covered, ends));
    }
}
