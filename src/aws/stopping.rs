//! Ending calls once a command that only reads is to stop.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::stop::{GRACE, Stop};

/// Refuses new calls after a stop was requested, and cuts those in flight when
/// their time is over: what was not read by then is unreadable, and reported so.
///
/// Open until a [`Stop`] is given to it: commands that write decide by
/// themselves where they stop.
#[derive(Debug)]
pub(super) struct Gate {
    stop: OnceLock<Stop>,
    grace: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        Self { stop: OnceLock::new(), grace: GRACE }
    }
}

/// A call that was not made, or not finished, because of a stop.
#[derive(Debug, thiserror::Error)]
#[error("{cause} stopped the command")]
pub(super) struct Stopped {
    cause: &'static str,
}

impl Gate {
    /// Closes with this stop. The first one stays.
    pub(super) fn close_on(&self, stop: Stop) {
        // Set again by a command that connects twice, to the same.
        let _ = self.stop.set(stop);
    }

    /// Waits for a call's turn, unless a stop comes first.
    pub(super) async fn wait(&self, turn: impl Future<Output = ()>) -> Result<(), ConnectorError> {
        let Some(stop) = self.stop.get() else {
            turn.await;
            return Ok(());
        };
        tokio::select! {
            biased;
            () = stop.requested() => Err(stopped(stop)),
            () = turn => Ok(()),
        }
    }

    /// Finishes a call in flight, unless it takes too long after a stop.
    pub(super) async fn finish<T>(
        &self,
        call: impl Future<Output = T>,
    ) -> Result<T, ConnectorError> {
        let Some(stop) = self.stop.get() else { return Ok(call.await) };
        tokio::select! {
            done = call => Ok(done),
            () = stop.over(self.grace) => Err(stopped(stop)),
        }
    }
}

/// Not worth a retry: an error of the caller's own.
fn stopped(stop: &Stop) -> ConnectorError {
    ConnectorError::user(Stopped { cause: stop.cause() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_stop_every_call_passes() {
        let gate = Gate::default();
        assert!(gate.wait(async {}).await.is_ok());
        assert_eq!(gate.finish(async { 1 }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn after_a_stop_no_call_begins_and_one_in_flight_has_its_grace() {
        let (stopper, stop) = Stop::by_hand();
        let patient = Gate::default();
        patient.close_on(stop.clone());
        assert!(patient.wait(async {}).await.is_ok());
        stopper.request();
        assert!(patient.wait(async {}).await.unwrap_err().is_user());
        assert!(patient.finish(tokio::task::yield_now()).await.is_ok());
        let over = Gate { grace: Duration::ZERO, ..Gate::default() };
        over.close_on(stop);
        assert!(over.finish(std::future::pending::<()>()).await.is_err());
    }
}
