//! Retiring a legacy trail, in the account and Region that it belongs to.

use std::fmt;

use crate::archive::retire::{Condition, ConditionStatus};
use crate::aws::{At, AwsError, Clients, ErrorKind, WriteAuthority, WriteClients};
use crate::names::Arn;

/// Why a trail was not retired.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// A condition is not met.
    #[error("{trail} is not deleted: condition not met: {condition}")]
    Refused {
        /// The trail.
        trail: Arn,
        /// The condition.
        condition: &'static str,
    },
    /// It could not be stopped.
    #[error("{trail} could not be stopped, and nothing was changed")]
    NotStopped {
        /// The trail.
        trail: Arn,
        /// Why not.
        #[source]
        source: AwsError,
    },
    /// It was stopped, and something failed before it was deleted.
    #[error("{trail} is not deleted, and {left}")]
    Left {
        /// The trail.
        trail: Arn,
        /// What state it is in now.
        left: Left,
        /// What failed.
        #[source]
        source: AwsError,
    },
}

/// The state of a trail that could not be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// It records again.
    Started,
    /// It was stopped before, and still is.
    AsItWas,
    /// It does not exist any more.
    Gone,
    /// It was stopped, and could not be started again.
    Stopped {
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("logging was started again"),
            Self::AsItWas => f.write_str("it is stopped, as it was before"),
            Self::Gone => f.write_str("it does not exist any more"),
            Self::Stopped { why } => {
                write!(f, "it is stopped and could not be started again ({why})")
            }
        }
    }
}

/// Permission to retire one trail, for which every condition is met.
#[derive(Debug)]
pub struct Retirement<'a> {
    /// The owner's, in the trail's home Region.
    clients: WriteClients,
    trail: &'a Arn,
    /// Whether it was logging before.
    was_logging: bool,
}

impl<'a> Retirement<'a> {
    /// Permits the retirement of a trail, which is logging or was stopped before.
    ///
    /// # Errors
    /// A condition is not met, or `conditions` is empty.
    pub fn permit(
        clients: &Clients,
        trail: &'a Arn,
        conditions: &[Condition],
        was_logging: bool,
    ) -> Result<Self, RetireError> {
        let refuse = |condition| RetireError::Refused { trail: trail.clone(), condition };
        if conditions.is_empty() {
            return Err(refuse("the condition"));
        }
        if let Some(condition) = conditions.iter().find(|one| one.status != ConditionStatus::Met) {
            return Err(refuse(condition.name));
        }
        let clients = WriteClients::new(clients, &WriteAuthority::granted());
        Ok(Self { clients, trail, was_logging })
    }

    /// Stops the trail. One that was stopped stays so.
    pub async fn stop(&self) -> Result<(), RetireError> {
        let Err(source) = stop(&self.clients, self.trail).await else {
            return Ok(());
        };
        let trail = self.trail.clone();
        if source.kind() == ErrorKind::AccessDenied {
            return Err(RetireError::NotStopped { trail, source });
        }
        // The call may have succeeded although its response was lost.
        Err(RetireError::Left { trail, left: self.put_back().await, source })
    }

    /// Deletes the trail; its bucket stays. If that fails, the trail is returned to the
    /// state that it was found in.
    pub async fn delete(self) -> Result<(), RetireError> {
        match delete(&self.clients, self.trail).await {
            Ok(()) => Ok(()),
            Err(source) => {
                let left = self.put_back().await;
                if left == Left::Gone {
                    return Ok(());
                }
                Err(RetireError::Left { trail: self.trail.clone(), left, source })
            }
        }
    }

    /// Starts a trail again that was stopped by [`Self::stop`].
    pub async fn put_back(&self) -> Left {
        if !self.was_logging {
            return Left::AsItWas;
        }
        match start(&self.clients, self.trail).await {
            Ok(()) => Left::Started,
            // It was deleted, and the response was lost.
            Err(error) if error.is_not_found() => Left::Gone,
            Err(error) => Left::Stopped { why: error.in_full() },
        }
    }
}

async fn start(clients: &WriteClients, trail: &Arn) -> Result<(), AwsError> {
    let started = clients.cloudtrail().start_logging().name(trail.to_string()).send().await;
    started.at(clients, "cloudtrail:StartLogging").map(drop)
}

async fn stop(clients: &WriteClients, trail: &Arn) -> Result<(), AwsError> {
    let stopped = clients.cloudtrail().stop_logging().name(trail.to_string()).send().await;
    stopped.at(clients, "cloudtrail:StopLogging").map(drop)
}

async fn delete(clients: &WriteClients, trail: &Arn) -> Result<(), AwsError> {
    let deleted = clients.cloudtrail().delete_trail().name(trail.to_string()).send().await;
    match deleted.at(clients, "cloudtrail:DeleteTrail") {
        // The response of an earlier attempt was lost.
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}
