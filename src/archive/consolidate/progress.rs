//! The progress of a run, and how to stop it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::record::Outcome;
use crate::archive::batches::LogPrefix;
use crate::stop::{GRACE, Stop};

/// The progress of a run for display, and how to stop it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects that were in the archive already.
    pub present: AtomicU64,
    /// Objects that were processed.
    pub done: AtomicU64,
    /// Units: bytes, of the copied.
    pub copied_bytes: AtomicU64,
    /// Copies that were started.
    begun: AtomicU64,
    limit: Option<u64>,
    /// Whether to estimate the number of objects.
    pub(super) forecast: bool,
    sources: Mutex<BTreeMap<String, Arc<SourceProgress>>>,
    stop: AtomicBool,
    /// Whether the limit was reached.
    limited: AtomicBool,
    /// The external stop request.
    halt: OnceLock<Stop>,
}

/// The progress of one source.
#[derive(Debug, Default)]
pub struct SourceProgress {
    /// Objects that were processed or already in the archive.
    pub done: AtomicU64,
    /// The estimated number of objects; it grows as log prefixes are listed.
    pub expected: AtomicU64,
}

impl Progress {
    /// A run that stops after copying `limit` objects.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Also estimates the number of objects: one day of each log prefix is listed during the
    /// run.
    #[must_use]
    pub fn with_forecast(self) -> Self {
        Self { forecast: true, ..self }
    }

    /// Ends on a stop request: no further copy starts, and copies in flight have [`GRACE`] to
    /// finish.
    #[must_use]
    pub fn ending_on(self, stop: Stop) -> Self {
        Self { halt: OnceLock::from(stop), ..self }
    }

    /// Waits for a stop request.
    pub(super) async fn halted(&self) {
        match self.halt.get() {
            Some(stop) => stop.requested().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the grace period after a stop request is over.
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

    /// The progress of a log prefix.
    pub(super) fn of_prefix(self: &Arc<Self>, log_prefix: &LogPrefix) -> PrefixProgress {
        let source = Arc::clone(self.sources.lock().entry(log_prefix.source()).or_default());
        PrefixProgress { run: Arc::clone(self), source }
    }

    /// Starts no further copy; copies in flight are finished and recorded.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether no further copy is to be started.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.interrupted() || self.limited.load(Ordering::Relaxed)
    }

    /// Whether the run is to end immediately, without counting the remaining objects.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.halt.get().is_some_and(Stop::is_requested)
    }

    fn present(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the limit allows one more copy. The last allowed copy stops the run; started
    /// copies continue.
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

/// The progress of a log prefix, added to that of its run and its source.
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

    /// Waits for a stop request.
    pub(super) async fn halted(&self) {
        self.run.halted().await;
    }

    /// Waits until the grace period after a stop request is over.
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
