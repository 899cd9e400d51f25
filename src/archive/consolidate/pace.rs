//! How many copies run at once: fewer when the servers throttle, more when
//! they do not, and no more than their bodies fit into memory.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The most copies at once that can be asked for: far more than the bodies that may
/// be held allow.
pub const MOST: usize = 1024;

/// Passed copies that win one more place back.
const PASSED_FOR_ONE_MORE: usize = 32;

/// Bodies that are held at once, all copies together. Units: bytes.
const HELD_BYTES: u64 = 64 << 20;

/// What the bound on bodies is counted in. Units: bytes.
const GRAIN_BYTES: u64 = 1 << 10;

/// A bound on concurrent copies that halves when throttled and grows by one
/// with success (additive increase, multiplicative decrease, as TCP does).
#[derive(Debug)]
pub struct Limit {
    turns: Semaphore,
    /// Units: [`GRAIN_BYTES`].
    bodies: Semaphore,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: usize,
    passed: usize,
    /// Turns that were taken away while they were in use.
    debt: usize,
}

/// Leave to run one copy; ends when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    limit: &'a Limit,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Turn<'_> {
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

impl Limit {
    /// At most `most` at once, within 1 and [`MOST`].
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, MOST);
        Self {
            turns: Semaphore::new(most),
            bodies: Semaphore::new(grains(HELD_BYTES) as usize),
            most,
            state: Mutex::new(State { now: most, passed: 0, debt: 0 }),
        }
    }

    /// The upper bound.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Waits for a turn.
    pub async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed, so there is always a permit.
        Turn { limit: self, permit: self.turns.acquire().await.ok() }
    }

    /// Waits until so many bytes of a body may be held; ends when dropped. More
    /// than all are held alone.
    pub async fn hold(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.bodies.acquire_many(grains(bytes.min(HELD_BYTES))).await.ok()
    }

    /// The server throttled: half as many from now on.
    pub fn throttled(&self) {
        let mut state = self.state.lock();
        state.passed = 0;
        let half = (state.now / 2).max(1);
        let less = state.now - half;
        state.debt += less - self.turns.forget_permits(less);
        state.now = half;
    }

    /// A copy passed.
    pub fn passed(&self) {
        let mut state = self.state.lock();
        state.passed += 1;
        if state.passed < PASSED_FOR_ONE_MORE || state.now == self.most {
            return;
        }
        state.passed = 0;
        state.now += 1;
        if state.debt > 0 {
            state.debt -= 1;
        } else {
            self.turns.add_permits(1);
        }
    }
}

/// At least one, so that each body counts.
fn grains(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN_BYTES)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Limit {
        fn now(&self) -> usize {
            self.state.lock().now
        }
    }

    #[test]
    fn throttling_halves_down_to_one_and_success_wins_it_back() {
        let limit = Limit::new(8);
        for expected in [4, 2, 1, 1] {
            limit.throttled();
            assert_eq!(limit.now(), expected);
        }
        for _ in 0..PASSED_FOR_ONE_MORE * 20 {
            limit.passed();
        }
        assert_eq!(limit.now(), 8);
        assert_eq!(limit.turns.available_permits(), 8);
    }

    #[test]
    fn whatever_is_asked_for_is_a_limit() {
        assert_eq!(Limit::new(0).most(), 1);
        assert_eq!(Limit::new(usize::MAX).most(), MOST);
    }

    #[tokio::test]
    async fn turns_in_use_are_taken_away_when_they_end() {
        let limit = Limit::new(4);
        let turns =
            (limit.turn().await, limit.turn().await, limit.turn().await, limit.turn().await);
        limit.throttled();
        assert_eq!((limit.now(), limit.turns.available_permits()), (2, 0));
        drop(turns);
        assert_eq!(limit.turns.available_permits(), 2);
    }

    #[tokio::test]
    async fn bodies_wait_until_they_fit() {
        let limit = Limit::new(4);
        let large = limit.hold(HELD_BYTES - GRAIN_BYTES).await;
        let small = limit.hold(1).await;
        let mut waiting = Box::pin(limit.hold(2));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(large);
        assert!(futures::poll!(&mut waiting).is_ready());
        drop(small);
        // More than all waits for all, and no longer.
        assert!(limit.hold(u64::MAX).await.is_some());
    }
}
