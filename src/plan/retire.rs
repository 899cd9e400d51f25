//! Ending an older trail, in the account and Region that it belongs to.

use super::WriteAuthority;
use crate::archive::retire::{Condition, Standing};
use crate::aws::{At, AwsError, Clients};
use crate::cli::{Exit, Explain};
use crate::names::Arn;

/// The IAM actions that ending a trail needs.
pub(crate) const ACTIONS: &[&str] = &["cloudtrail:DeleteTrail", "cloudtrail:StopLogging"];

/// Why a trail was not ended.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// A condition does not hold.
    #[error("{trail} stays: {condition} does not hold")]
    Refused {
        /// The trail.
        trail: Arn,
        /// What does not hold.
        condition: &'static str,
    },
    /// CloudTrail refused.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Explain for RetireError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { .. } => None,
            Self::Aws(error) => error.hint(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Refused { .. } => Exit::Refused,
            Self::Aws(_) => Exit::Unexpected,
        }
    }
}

/// Permission to end one trail, for which every condition holds.
#[derive(Debug)]
pub struct Retirement<'a> {
    authority: WriteAuthority,
    /// The owner's, in the trail's home Region.
    clients: &'a Clients,
    trail: &'a Arn,
}

impl<'a> Retirement<'a> {
    /// Permits the end of a trail.
    ///
    /// # Errors
    /// A condition does not hold, or there is none.
    pub fn permit(
        clients: &'a Clients,
        trail: &'a Arn,
        conditions: &[Condition],
    ) -> Result<Self, RetireError> {
        let refuse = |condition| RetireError::Refused { trail: trail.clone(), condition };
        if conditions.is_empty() {
            return Err(refuse("what must hold"));
        }
        match conditions.iter().find(|condition| condition.standing != Standing::Holds) {
            Some(condition) => Err(refuse(condition.name)),
            None => Ok(Self { authority: WriteAuthority::granted(), clients, trail }),
        }
    }

    /// Stops the trail. One that was stopped stays so.
    pub async fn stop(&self) -> Result<(), RetireError> {
        Ok(stop(&self.authority, self.clients, self.trail).await?)
    }

    /// Deletes the trail; its bucket stays.
    pub async fn delete(self) -> Result<(), RetireError> {
        Ok(delete(&self.authority, self.clients, self.trail).await?)
    }
}

async fn stop(_: &WriteAuthority, clients: &Clients, trail: &Arn) -> Result<(), AwsError> {
    let stopped = clients.cloudtrail().stop_logging().name(trail.to_string()).send().await;
    stopped.at(clients, "cloudtrail:StopLogging").map(drop)
}

async fn delete(_: &WriteAuthority, clients: &Clients, trail: &Arn) -> Result<(), AwsError> {
    let deleted = clients.cloudtrail().delete_trail().name(trail.to_string()).send().await;
    match deleted.at(clients, "cloudtrail:DeleteTrail") {
        // An answer that was lost on its way, asked for again.
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}
