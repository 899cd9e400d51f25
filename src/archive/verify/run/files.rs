//! The log files below one root, and those that no digest lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::listing::{Listing, day_of, listing, next_key};
use super::{ChainScope, Request};
use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey};
use crate::archive::verify::chain::ChainVerifier;
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::period::Periods;
use crate::archive::verify::unlisted::{MAX_NAMED, Unclaimed, is_in_window};

/// The log files of one class of a scope, listed slightly ahead of the digests.
pub(super) struct LogFiles {
    /// The index of the scope's root.
    pub(super) place: usize,
    scope: Arc<ChainScope>,
    class: LogClass,
    listing: Option<Listing>,
    next: Option<ObjectKey>,
    unclaimed: Unclaimed,
    /// The number of listed files, the oldest and newest time, and some keys.
    listed: u64,
    span: Option<(Timestamp, Timestamp)>,
    names: Vec<String>,
    request: Arc<Request>,
}

/// Files per step, after the last digest.
const STEP: usize = 10_000;

impl LogFiles {
    /// The log files of each scope and class.
    pub(super) fn of_all(
        request: &Arc<Request>,
        scopes: &[Arc<ChainScope>],
        classes: &BTreeSet<LogClass>,
    ) -> Vec<Self> {
        let of = |(place, scope)| {
            let class = |class: &LogClass| Self::new(request, place, scope, *class);
            classes.iter().map(class).collect::<Vec<_>>()
        };
        scopes.iter().enumerate().flat_map(of).collect()
    }

    fn new(request: &Arc<Request>, place: usize, scope: &Arc<ChainScope>, class: LogClass) -> Self {
        let window = request.window;
        Self {
            place,
            scope: Arc::clone(scope),
            class,
            listing: Some(listing(request, scope, class.folder(), window.since)),
            next: None,
            unclaimed: Unclaimed::new((**scope).clone(), class, window),
            listed: 0,
            span: None,
            names: Vec::new(),
            request: Arc::clone(request),
        }
    }

    /// Removes a file that a verified digest lists; returns whether it was present.
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

    /// Reads at most `most` files up to an instant; returns whether these are all.
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

    pub(super) fn classify_before(
        &mut self,
        before: Timestamp,
        verifier: &ChainVerifier,
        findings: &mut Vec<Finding>,
    ) {
        let root = &self.scope.root;
        let Some(covered) = verifier.covered(root) else { return };
        findings.extend(self.unclaimed.classify_before(before, covered, &verifier.ends(root)));
    }

    /// The finding for a scope without proven digests.
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
        let scope = &self.scope;
        let folder = scope.root.folder(&scope.account, DIGEST_FOLDER, &scope.region);
        let what = match self.class {
            LogClass::Events => "log files".to_owned(),
            other => format!("log files in {}", other.folder()),
        };
        Some(
            Finding::new(FindingKind::NoDigests)
                .at(scope.bucket.as_deref(), folder)
                .with_mismatch("digests", format!("no proven digest, and {files} {what}"))
                .with_period(from, to)
                .with_files(files, std::mem::take(&mut self.names)),
        )
    }

    /// Reads the rest of a day's folder, to find unexpected objects.
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
        if !is_in_window(self.request.window, time) {
            return;
        }
        self.listed += 1;
        let (from, to) = self.span.unwrap_or((time, time));
        self.span = Some((from.min(time), to.max(time)));
        if self.names.len() < MAX_NAMED {
            self.names.push(key.to_string());
        }
    }

    /// Reads up to the window's end and reports files that no digest lists.
    pub(super) async fn finish(
        mut self,
        covered: &Periods,
        ends: &[Timestamp],
        findings: &mut Vec<Finding>,
    ) {
        let last = self.request.window.last.unwrap_or(Timestamp::MAX);
        while !self.read(last, STEP, findings).await {
            findings.extend(self.unclaimed.classify_before(Timestamp::MAX, covered, ends));
        }
        self.read_out_day(last, findings).await;
        findings.extend(self.unclaimed.finish(covered, ends));
    }
}
