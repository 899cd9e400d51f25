//! Stopping a command early: one signal asks it to finish, a second one ends it.

use std::time::Duration;

use tokio::sync::watch;

/// How long what is in flight may go on after a stop was requested.
///
/// Schedulers send SIGKILL 30 seconds after SIGTERM (Kubernetes, ECS), so what
/// is written after this must fit into the rest.
pub const GRACE: Duration = Duration::from_secs(15);

/// The word for a stop that no signal caused.
const BY_HAND: &str = "a request to stop";

/// A request to stop a command, which it can check and await.
///
/// Cheap to clone; all clones share the request.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Requests>);

/// Requests a stop without a signal.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Requests>);

#[derive(Debug, Clone, Copy, Default)]
struct Requests {
    count: u32,
    /// What the first one was.
    by: Option<&'static str>,
}

impl Stop {
    /// A stop that comes with SIGINT (Ctrl-C) or SIGTERM. From now on neither
    /// ends the process by itself.
    ///
    /// Must be called inside a runtime. Where signals cannot be waited for, they
    /// keep their default effect.
    #[must_use]
    pub fn on_signals() -> Self {
        let (stopper, stop) = Self::by_hand();
        listen(stopper);
        stop
    }

    /// A stop that is requested with the [`Stopper`].
    #[must_use]
    pub fn by_hand() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(Requests::default());
        (Stopper(sender), Self(receiver))
    }

    /// A stop that never comes.
    #[must_use]
    pub fn never() -> Self {
        Self::by_hand().1
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.borrow().count > 0
    }

    /// What requested it: `SIGTERM`, or `Ctrl-C`.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        self.0.borrow().by.unwrap_or(BY_HAND)
    }

    /// Waits for the first request.
    pub async fn requested(&self) {
        self.reached(1).await;
    }

    /// Waits for the second request: the command is to end at once.
    pub async fn requested_again(&self) {
        self.reached(2).await;
    }

    /// Waits until what was in flight at the first request has had so much time.
    pub async fn over(&self, grace: Duration) {
        self.requested().await;
        tokio::time::sleep(grace).await;
    }

    async fn reached(&self, count: u32) {
        let mut requests = self.0.clone();
        if requests.wait_for(|now| now.count >= count).await.is_err() {
            // No stopper is left to request it.
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Requests a stop; the second call demands an end at once.
    pub fn request(&self) {
        self.by(BY_HAND);
    }

    fn by(&self, cause: &'static str) {
        self.0.send_modify(|requests| {
            requests.count = requests.count.saturating_add(1);
            requests.by.get_or_insert(cause);
        });
    }
}

#[cfg(unix)]
fn listen(stopper: Stopper) {
    use tokio::signal::unix::{SignalKind, signal};

    // Registered before the task runs: a signal that comes meanwhile is not lost.
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
            tracing::warn!("cannot listen for signals");
            return std::future::pending().await;
        };
        loop {
            let cause = tokio::select! {
                Some(()) = interrupt.recv() => "Ctrl-C",
                Some(()) = terminate.recv() => "SIGTERM",
            };
            stopper.by(cause);
        }
    });
}

#[cfg(not(unix))]
fn listen(stopper: Stopper) {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stopper.by("Ctrl-C");
        }
    });
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_first_request_asks_to_finish_and_the_second_to_end() {
        let (stopper, stop) = Stop::by_hand();
        assert!(!stop.is_requested());
        assert!(stop.requested().now_or_never().is_none());
        stopper.request();
        assert!(stop.is_requested());
        stop.requested().await;
        assert!(stop.requested_again().now_or_never().is_none());
        stopper.request();
        stop.clone().requested_again().await;
    }

    #[tokio::test]
    async fn a_stop_that_nobody_can_request_never_comes() {
        let stop = Stop::never();
        assert!(!stop.is_requested());
        assert!(stop.requested().now_or_never().is_none());
    }
}
