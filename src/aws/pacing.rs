//! Keeps calls to their documented rates, per account and Region.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

use super::rates;

/// Whether calls are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pacing {
    /// To the rates that AWS documents.
    #[default]
    Documented,
    /// Not at all: for endpoints that have no limits, such as the sandbox.
    Off,
}

/// A clock that only goes forward, and a way to wait on it.
pub(super) trait Monotonic: std::fmt::Debug + Send + Sync {
    /// The time since the clock was made.
    fn now(&self) -> Duration;
    /// Ends after a while.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
}

/// The runtime's own clock.
#[derive(Debug)]
pub(super) struct RuntimeClock(tokio::time::Instant);

impl RuntimeClock {
    pub(super) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Monotonic for RuntimeClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

#[derive(Debug, Clone)]
struct Shared(Arc<dyn Monotonic>);

impl Clock for Shared {
    type Instant = Duration;
    fn now(&self) -> Duration {
        self.0.now()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Shared, NoOpMiddleware<Duration>>;

/// The account, Region and class of operations of a rate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RateKey {
    account: Box<str>,
    region: Box<str>,
    rule: usize,
    /// Empty where the rule's operations share a rate.
    operation: Box<str>,
}

/// The calls that share one rate.
#[derive(Debug)]
struct RateQueue {
    limiter: Limiter,
    /// Locked by the call that waits for its turn; later calls queue in order, so none
    /// starves.
    turn: tokio::sync::Mutex<()>,
}

/// All queues. Shared by all clients of a process.
#[derive(Debug)]
pub(super) struct Pacer {
    pacing: Pacing,
    clock: Shared,
    queues: Mutex<HashMap<RateKey, Arc<RateQueue>>>,
}

impl Pacer {
    pub(super) fn new(pacing: Pacing, clock: Arc<dyn Monotonic>) -> Self {
        Self { pacing, clock: Shared(clock), queues: Mutex::default() }
    }

    /// Waits until the operation may be called by `account` in `region`.
    pub(super) async fn turn(&self, account: &str, region: &str, service: &str, operation: &str) {
        if self.pacing == Pacing::Off {
            return;
        }
        let Some((rule, rate)) = rates::of(service, operation) else { return };
        let Some(quota) = quota(rate) else { return };
        let key = RateKey {
            account: account.into(),
            region: region.into(),
            rule,
            operation: if rate.shared { "".into() } else { operation.into() },
        };
        let queue = Arc::clone(self.queues.lock().entry(key).or_insert_with(|| {
            let limiter = RateLimiter::direct_with_clock(quota, self.clock.clone());
            Arc::new(RateQueue { limiter, turn: tokio::sync::Mutex::new(()) })
        }));
        let _turn = queue.turn.lock().await;
        while let Err(too_early) = queue.limiter.check() {
            let wait = too_early.wait_time_from(self.clock.now());
            self.clock.0.sleep(wait).await;
        }
    }
}

fn quota(rate: rates::Rate) -> Option<Quota> {
    let burst = NonZeroU32::new(rate.burst)?;
    Some(Quota::with_period(Duration::from_secs_f64(1.0 / rate.per_second))?.allow_burst(burst))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A clock that jumps to the end of every wait.
    #[derive(Debug, Default)]
    pub(in super::super) struct JumpingClock(Arc<Mutex<Duration>>);

    impl Monotonic for JumpingClock {
        fn now(&self) -> Duration {
            *self.0.lock()
        }
        fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
            let now = Arc::clone(&self.0);
            Box::pin(async move { *now.lock() += wait })
        }
    }

    fn pacer(pacing: Pacing) -> (Pacer, Arc<JumpingClock>) {
        let clock = Arc::new(JumpingClock::default());
        (Pacer::new(pacing, clock.clone()), clock)
    }

    async fn call(pacer: &Pacer, account: &str, operation: &str, times: usize) {
        let calls = (0..times).map(|_| pacer.turn(account, "us-east-1", "CloudTrail", operation));
        futures::future::join_all(calls).await;
    }

    #[tokio::test]
    async fn fifty_reads_take_four_seconds_after_a_burst_of_ten() {
        let (pacer, clock) = pacer(Pacing::Documented);
        call(&pacer, "1", "GetTrailStatus", 10).await;
        assert_eq!(clock.now(), Duration::ZERO);
        call(&pacer, "1", "DescribeTrails", 40).await;
        assert!((clock.now().as_secs_f64() - 4.0).abs() < 0.01, "{:?}", clock.now());
    }

    #[tokio::test]
    async fn lookup_events_go_two_a_second() {
        let (pacer, clock) = pacer(Pacing::Documented);
        call(&pacer, "1", "LookupEvents", 12).await;
        assert!((clock.now().as_secs_f64() - 5.0).abs() < 0.01, "{:?}", clock.now());
    }

    #[tokio::test]
    async fn accounts_and_regions_do_not_wait_for_each_other() {
        let (pacer, clock) = pacer(Pacing::Documented);
        for account in 0..100 {
            for region in ["us-east-1", "eu-central-1"] {
                pacer.turn(&account.to_string(), region, "CloudTrail", "CreateTrail").await;
            }
        }
        assert_eq!(clock.now(), Duration::ZERO);
    }

    #[tokio::test]
    async fn switched_off_nothing_waits() {
        let (pacer, clock) = pacer(Pacing::Off);
        call(&pacer, "1", "CreateTrail", 100).await;
        assert_eq!(clock.now(), Duration::ZERO);
    }
}
