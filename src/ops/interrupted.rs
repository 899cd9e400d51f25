use std::future::Future;

use super::{Env, Explain, OpError, Outcome};

impl Env {
    /// What requested a stop, if anything did.
    pub(crate) fn stopped_by(&self) -> Option<&'static str> {
        self.stop().is_requested().then(|| self.stop().cause())
    }

    /// The result of work that only reads, or [`Interrupted::Early`] if a stop was
    /// requested first.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, OpError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stop().requested() => Err(Interrupted::Early.into()),
        }
    }

    /// The result of work, or [`Interrupted::AtOnce`] if a second stop was requested first.
    pub(crate) async fn unless_ended<T>(
        &self,
        work: impl Future<Output = Result<T, OpError>>,
    ) -> Result<T, OpError> {
        tokio::select! {
            done = work => done,
            () = self.stop().requested_again() => Err(Interrupted::AtOnce.into()),
        }
    }
}

/// An operation that a signal or a caller ended.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// Nothing was in flight that had to be finished.
    #[error("stopped before anything was written")]
    Early,
    /// What was in flight was not finished either.
    #[error("stopped immediately, before it finished")]
    AtOnce,
}

impl Explain for Interrupted {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Early => None,
            Self::AtOnce => Some(
                "run the same command again: everything written is complete and stays, but the last steps are missing from the report"
                    .to_owned(),
            ),
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}
