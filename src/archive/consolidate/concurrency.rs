//! Adaptive limit of concurrent copies: lower after throttling, higher after successes,
//! bounded by the memory for bodies.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The maximum of the configurable concurrency, far more than the memory for bodies allows.
pub const MAX_CONCURRENCY: usize = 1024;

/// Successful copies after which the limit increases by one.
const SUCCESSES_PER_INCREASE: usize = 32;

/// The total size of bodies in memory. Units: bytes.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// The granularity of the memory limit. Units: bytes.
const PERMIT_BYTES: u64 = 1 << 10;

/// A bound on concurrent copies that halves when throttled and grows by one
/// with success (additive increase, multiplicative decrease, as TCP does).
#[derive(Debug)]
pub struct ConcurrencyLimit {
    slots: Semaphore,
    /// Units: [`PERMIT_BYTES`].
    bodies: Semaphore,
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: usize,
    successes: usize,
    /// Slots to remove when they are released.
    debt: usize,
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
    /// A limit of `max`, clamped between 1 and [`MAX_CONCURRENCY`].
    #[must_use]
    pub fn new(max: usize) -> Self {
        let max = max.clamp(1, MAX_CONCURRENCY);
        Self {
            slots: Semaphore::new(max),
            bodies: Semaphore::new(permits(MAX_BODY_BYTES) as usize),
            max,
            state: Mutex::new(State { now: max, successes: 0, debt: 0 }),
        }
    }

    /// The upper bound.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Waits for a slot.
    pub async fn permit(&self) -> CopyPermit<'_> {
        // The semaphore is never closed, so acquiring never fails.
        CopyPermit { limit: self, permit: self.slots.acquire().await.ok() }
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
        let half = (state.now / 2).max(1);
        let less = state.now - half;
        state.debt += less - self.slots.forget_permits(less);
        state.now = half;
    }

    /// Counts a successful copy.
    pub fn on_success(&self) {
        let mut state = self.state.lock();
        state.successes += 1;
        if state.successes < SUCCESSES_PER_INCREASE || state.now == self.max {
            return;
        }
        state.successes = 0;
        state.now += 1;
        if state.debt > 0 {
            state.debt -= 1;
        } else {
            self.slots.add_permits(1);
        }
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
        let limit = ConcurrencyLimit::new(8);
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

    #[test]
    fn any_number_is_clamped_to_a_valid_limit() {
        assert_eq!(ConcurrencyLimit::new(0).max(), 1);
        assert_eq!(ConcurrencyLimit::new(usize::MAX).max(), MAX_CONCURRENCY);
    }

    #[tokio::test]
    async fn slots_in_use_are_removed_when_they_are_released() {
        let limit = ConcurrencyLimit::new(4);
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
        let limit = ConcurrencyLimit::new(4);
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
