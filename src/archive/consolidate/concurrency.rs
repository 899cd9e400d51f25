//! Adaptive limit of concurrent copies: higher while that makes them faster, lower after
//! throttling, bounded by the memory for bodies.
//!
//! What limits copies is not known before: the latency of two Regions, S3's rate, this machine's
//! processors. Therefore the limit starts low, and is raised as long as copies wait for it and
//! their rate grows with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The maximum of the configurable concurrency, far more than the memory for bodies allows.
pub const MAX_CONCURRENCY: usize = 1024;

/// The limit at the start.
const FIRST: usize = 64;

/// Successful copies after which the limit increases by one, once it was throttled.
const SUCCESSES_PER_INCREASE: usize = 32;

/// The shortest time over which a rate is measured.
const MEASURED: Duration = Duration::from_millis(200);

/// By how much the rate must grow with the limit, as a factor: a machine that is busy copies no
/// faster.
const WORTHWHILE: f64 = 1.05;

/// After so many measurements without gain, a higher limit is tried again: latencies change.
const HELD: u32 = 16;

/// The total size of bodies in memory. Units: bytes.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// The granularity of the memory limit. Units: bytes.
const PERMIT_BYTES: u64 = 1 << 10;

/// A bound on concurrent copies.
///
/// It grows by half while the rate of copies grows with it. Throttling halves it; from then on it
/// grows by one (additive increase, multiplicative decrease, as TCP does).
#[derive(Debug)]
pub struct ConcurrencyLimit {
    slots: Semaphore,
    /// Units: [`PERMIT_BYTES`].
    bodies: Semaphore,
    max: usize,
    /// Whether a copy waited for a slot since the last measurement.
    has_waited: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: usize,
    successes: usize,
    /// Slots to remove when they are released.
    debt: usize,
    growth: Growth,
    /// When the measurement started.
    since: Instant,
}

/// How the limit grows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Growth {
    /// By half as long as that pays: the rate with the limit before, if there was one. Units:
    /// copies per second.
    Search { before: Option<(usize, f64)> },
    /// Not for so many more measurements: it did not pay.
    Hold(u32),
    /// By one: copies were throttled.
    Careful,
}

/// Permission to run one copy; released on drop.
#[derive(Debug)]
pub struct CopyPermit<'a> {
    limit: &'a ConcurrencyLimit,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for CopyPermit<'_> {
    fn drop(&mut self) {
        let mut state = self.limit.state.lock();
        if state.debt > 0
            && let Some(permit) = self.permit.take()
        {
            state.debt -= 1;
            permit.forget();
        }
    }
}

impl ConcurrencyLimit {
    /// A limit of `max`, clamped between 1 and [`MAX_CONCURRENCY`], until it is throttled.
    #[must_use]
    pub fn fixed(max: usize) -> Self {
        Self::new(max, max, Growth::Careful)
    }

    /// A limit of at most `max`, clamped as of [`Self::fixed`], which is searched for.
    #[must_use]
    pub fn searched(max: usize) -> Self {
        Self::new(max.min(FIRST), max, Growth::Search { before: None })
    }

    fn new(first: usize, max: usize, growth: Growth) -> Self {
        let max = max.clamp(1, MAX_CONCURRENCY);
        let first = first.clamp(1, max);
        Self {
            slots: Semaphore::new(first),
            bodies: Semaphore::new(permits(MAX_BODY_BYTES) as usize),
            max,
            has_waited: AtomicBool::new(false),
            state: Mutex::new(State {
                now: first,
                successes: 0,
                debt: 0,
                growth,
                since: Instant::now(),
            }),
        }
    }

    /// The upper bound.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Waits for a slot.
    pub async fn permit(&self) -> CopyPermit<'_> {
        let permit = if let Ok(permit) = self.slots.try_acquire() {
            Some(permit)
        } else {
            self.has_waited.store(true, Ordering::Relaxed);
            // The semaphore is never closed, so acquiring never fails.
            self.slots.acquire().await.ok()
        };
        CopyPermit { limit: self, permit }
    }

    /// Reserves memory for a body; released on drop. A body larger than the limit reserves all
    /// of it.
    pub async fn reserve(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.bodies.acquire_many(permits(bytes.min(MAX_BODY_BYTES))).await.ok()
    }

    /// Halves the limit after throttling.
    pub fn on_throttled(&self) {
        let mut state = self.state.lock();
        state.successes = 0;
        state.growth = Growth::Careful;
        let half = (state.now / 2).max(1);
        self.set(&mut state, half);
    }

    /// Counts a successful copy.
    pub fn on_success(&self) {
        self.on_success_at(Instant::now());
    }

    fn on_success_at(&self, at: Instant) {
        let mut state = self.state.lock();
        state.successes += 1;
        match state.growth {
            Growth::Careful => {
                if state.successes >= SUCCESSES_PER_INCREASE && state.now < self.max {
                    state.successes = 0;
                    let more = state.now + 1;
                    self.set(&mut state, more);
                }
            }
            Growth::Search { .. } | Growth::Hold(_) => self.measure(&mut state, at),
        }
    }

    /// Raises the limit if that has paid so far, or takes it back.
    fn measure(&self, state: &mut State, at: Instant) {
        let took = at.saturating_duration_since(state.since);
        // Copies that started with the limit before are not counted twice.
        if took < MEASURED || state.successes < 2 * state.now {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = state.successes as f64 / took.as_secs_f64();
        (state.successes, state.since) = (0, at);
        if !self.has_waited.swap(false, Ordering::Relaxed) {
            // Something else limits the copies.
            return;
        }
        match state.growth {
            Growth::Search { before: Some((limit, before)) } if rate < before * WORTHWHILE => {
                state.growth = Growth::Hold(HELD);
                self.set(state, limit);
            }
            Growth::Search { .. } | Growth::Hold(0) if state.now < self.max => {
                state.growth = Growth::Search { before: Some((state.now, rate)) };
                let more = (state.now + state.now.div_ceil(2)).min(self.max);
                self.set(state, more);
            }
            Growth::Hold(left) if left > 0 => state.growth = Growth::Hold(left - 1),
            _ => state.growth = Growth::Hold(HELD),
        }
    }

    /// Changes the limit.
    fn set(&self, state: &mut State, limit: usize) {
        if limit > state.now {
            let more = limit - state.now;
            let paid = more.min(state.debt);
            state.debt -= paid;
            self.slots.add_permits(more - paid);
        } else {
            let less = state.now - limit;
            state.debt += less - self.slots.forget_permits(less);
        }
        state.now = limit;
    }
}

/// At least one, so every body counts.
fn permits(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ConcurrencyLimit {
        fn now(&self) -> usize {
            self.state.lock().now
        }
    }

    #[test]
    fn throttling_halves_the_limit_down_to_one_and_success_raises_it_again() {
        let limit = ConcurrencyLimit::fixed(8);
        for expected in [4, 2, 1, 1] {
            limit.on_throttled();
            assert_eq!(limit.now(), expected);
        }
        for _ in 0..SUCCESSES_PER_INCREASE * 20 {
            limit.on_success();
        }
        assert_eq!(limit.now(), 8);
        assert_eq!(limit.slots.available_permits(), 8);
    }

    /// Where the limit is after some seconds, if a copy takes `latency` and no more than `most`
    /// are done in a second; and the highest that it was.
    fn searched(latency: f64, most: f64, max: usize, seconds: f64) -> (usize, usize) {
        let limit = ConcurrencyLimit::searched(max);
        let start = Instant::now();
        limit.state.lock().since = start;
        let (mut now, mut highest) = (0.0, 0);
        while now < seconds {
            let at_once = f64::from(u32::try_from(limit.now()).unwrap());
            now += 1.0 / most.min(at_once / latency);
            limit.has_waited.store(true, Ordering::Relaxed);
            limit.on_success_at(start + Duration::from_secs_f64(now));
            highest = highest.max(limit.now());
            assert_eq!(limit.slots.available_permits(), limit.now());
        }
        (limit.now(), highest)
    }

    #[test]
    fn the_limit_grows_as_long_as_that_makes_copies_faster() {
        // 20 ms a copy: as many as allowed.
        assert_eq!(searched(0.02, f64::MAX, 512, 5.0), (512, 512));
        // A machine or server that does 4,000 a second needs 80 at once, and gets few more.
        let (now, highest) = searched(0.02, 4_000.0, 512, 20.0);
        assert!((80..=144).contains(&now) && highest <= 216, "{now} {highest}");
        // One that is busy with 64 stays there.
        let (now, highest) = searched(0.02, 2_000.0, 512, 3.0);
        assert!(now <= 96 && highest <= 96, "{now} {highest}");
        assert_eq!(searched(0.02, f64::MAX, 8, 5.0), (8, 8));
    }

    #[test]
    fn a_limit_that_nothing_waits_for_stays() {
        let limit = ConcurrencyLimit::searched(512);
        let start = Instant::now();
        for copy in 0..10_000 {
            limit.on_success_at(start + Duration::from_millis(copy));
        }
        assert_eq!(limit.now(), FIRST);
    }

    #[tokio::test]
    async fn a_copy_that_waits_is_noticed() {
        let limit = ConcurrencyLimit::searched(1);
        let first = limit.permit().await;
        assert!(!limit.has_waited.load(Ordering::Relaxed));
        let mut second = Box::pin(limit.permit());
        assert!(futures::poll!(&mut second).is_pending());
        assert!(limit.has_waited.load(Ordering::Relaxed));
        drop(first);
        assert!(futures::poll!(&mut second).is_ready());
    }

    #[test]
    fn any_number_is_clamped_to_a_valid_limit() {
        assert_eq!(ConcurrencyLimit::fixed(0).max(), 1);
        assert_eq!(ConcurrencyLimit::fixed(usize::MAX).max(), MAX_CONCURRENCY);
    }

    #[tokio::test]
    async fn slots_in_use_are_removed_when_they_are_released() {
        let limit = ConcurrencyLimit::fixed(4);
        let slots = (
            limit.permit().await,
            limit.permit().await,
            limit.permit().await,
            limit.permit().await,
        );
        limit.on_throttled();
        assert_eq!((limit.now(), limit.slots.available_permits()), (2, 0));
        drop(slots);
        assert_eq!(limit.slots.available_permits(), 2);
    }

    #[tokio::test]
    async fn bodies_wait_until_memory_is_free() {
        let limit = ConcurrencyLimit::fixed(4);
        let large = limit.reserve(MAX_BODY_BYTES - PERMIT_BYTES).await;
        let small = limit.reserve(1).await;
        let mut waiting = Box::pin(limit.reserve(2));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(large);
        assert!(futures::poll!(&mut waiting).is_ready());
        drop(small);
        // More than all waits for all, and no longer.
        assert!(limit.reserve(u64::MAX).await.is_some());
    }
}
