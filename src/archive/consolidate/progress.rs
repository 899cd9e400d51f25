//! How far a run is, and the way to stop it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use super::record::Outcome;
use crate::{
    archive::batches::LogPrefix,
    stop::{GRACE, Stop},
};

/// How far a run is, for anyone who shows it, and the way to stop it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects that were in the archive already.
    pub present: AtomicU64,
    /// Objects that were dealt with.
    pub done: AtomicU64,
    /// Units: bytes, of the copied.
    pub copied_bytes: AtomicU64,
    /// Copies that were begun, of the limit.
    begun: AtomicU64,
    limit: Option<u64>,
    /// Whether someone wants to know how many objects are expected.
    pub(super) forecast: bool,
    sources: Mutex<BTreeMap<String, Arc<SourceProgress>>>,
    stop: AtomicBool,
    /// Whether the limit was reached.
    limited: AtomicBool,
    /// What ends the run from outside.
    halt: OnceLock<Stop>,
}

/// How far one source is.
#[derive(Debug, Default)]
pub struct SourceProgress {
    /// Objects that were dealt with, or were in the archive already.
    pub done: AtomicU64,
    /// Objects that it is taken to have; more come as its log prefixes are looked at.
    pub expected: AtomicU64,
}

impl Progress {
    /// Stops the run by itself before more than `limit` objects are copied.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The same, for someone who wants to know how long it takes: one day of
    /// each log prefix is listed next to the run.
    #[must_use]
    pub fn with_forecast(self) -> Self {
        Self { forecast: true, ..self }
    }

    /// The same, until a stop is requested: no further copy begins, and those in
    /// flight have [`GRACE`] to finish.
    #[must_use]
    pub fn ending_on(self, stop: Stop) -> Self {
        Self { halt: OnceLock::from(stop), ..self }
    }

    /// Waits until the run is asked to end from outside.
    pub(super) async fn halted(&self) {
        match self.halt.get() {
            Some(stop) => stop.requested().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until, after that, the time of what is in flight is over.
    async fn over(&self) {
        match self.halt.get() {
            Some(stop) => stop.over(GRACE).await,
            None => std::future::pending().await,
        }
    }

    /// Every source by its name.
    pub fn sources(&self) -> BTreeMap<String, Arc<SourceProgress>> {
        self.sources.lock().clone()
    }

    /// A log prefix's part in it.
    pub(super) fn of_prefix(self: &Arc<Self>, log_prefix: &LogPrefix) -> PrefixProgress {
        let source = Arc::clone(self.sources.lock().entry(log_prefix.source()).or_default());
        PrefixProgress { run: Arc::clone(self), source }
    }

    /// Starts no further copy; what is in flight is finished and recorded.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether no further copy is to be started.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.interrupted() || self.limited.load(Ordering::Relaxed)
    }

    /// Whether the run is to end at once, without counting what it leaves.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.halt.get().is_some_and(Stop::is_requested)
    }

    fn present(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the limit lets one more copy begin. The last that it lets begin stops
    /// the run: what was begun goes on.
    fn begin(&self) -> bool {
        let Some(limit) = self.limit else { return true };
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= limit {
            self.limited.store(true, Ordering::Relaxed);
        }
        before < limit
    }

    fn done(&self, outcome: Outcome, size_bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::Copied {
            self.copied_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        }
    }
}

/// A log prefix's part in the progress of its run and its source.
#[derive(Debug, Clone)]
pub(super) struct PrefixProgress {
    run: Arc<Progress>,
    pub(super) source: Arc<SourceProgress>,
}

impl PrefixProgress {
    pub(super) fn stopped(&self) -> bool {
        self.run.stopped()
    }

    pub(super) fn interrupted(&self) -> bool {
        self.run.interrupted()
    }

    /// Waits until the run is asked to end from outside.
    pub(super) async fn halted(&self) {
        self.run.halted().await;
    }

    /// Waits until, after that, the time of what is in flight is over.
    pub(super) async fn over(&self) {
        self.run.over().await;
    }

    pub(super) fn begin(&self) -> bool {
        self.run.begin()
    }

    pub(super) fn present(&self) {
        self.source.done.fetch_add(1, Ordering::Relaxed);
        self.run.present();
    }

    pub(super) fn done(&self, outcome: Outcome, size_bytes: u64) {
        self.source.done.fetch_add(1, Ordering::Relaxed);
        self.run.done(outcome, size_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_from_outside_lets_no_copy_begin() {
        let (stopper, stop) = Stop::by_hand();
        let progress = Progress::new(None).ending_on(stop);
        assert!(!progress.stopped());
        stopper.request();
        assert!(progress.stopped());
        progress.halted().await;
    }

    #[test]
    fn a_run_stops_itself_at_its_limit() {
        let progress = Progress::new(Some(2));
        assert!(progress.begin() && !progress.stopped());
        assert!(progress.begin() && progress.stopped());
        assert!(!progress.begin());
        assert!(!Progress::new(Some(0)).begin());
        let unlimited = Progress::new(None);
        assert!(unlimited.begin() && !unlimited.stopped());
    }
}
