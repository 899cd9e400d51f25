use std::time::Duration;

use super::{Pacing, Propagation};
use crate::config::Roles;
use crate::names::Region;

/// How orgtrail signs in, and how patient it is.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The Region of the Regional STS endpoint and of calls that name none;
    /// the SDK's own default (`AWS_REGION`, profile) where absent.
    pub home_region: Option<Region>,
    /// The roles to assume in accounts.
    pub roles: Roles,
    /// Whether calls may go unencrypted to an endpoint that is not on this machine.
    pub allow_plain_http: bool,
    /// Whether calls are paced.
    pub pacing: Pacing,
    /// How long anything is waited for.
    pub timeouts: Timeouts,
    /// How often and how slowly calls are tried again.
    pub retries: Retries,
    /// How long `apply` waits for what it created or wrote to be seen everywhere.
    pub propagation: Propagation,
}

/// How long anything is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To reach an endpoint.
    pub connect: Duration,
    /// From a request's turn to the head of its answer.
    pub attempt: Duration,
    /// The same for S3, whose copies and uploads answer late.
    pub s3_attempt: Duration,
    /// A whole call: queueing for its turn, all attempts and the waits between.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(30),
            s3_attempt: Duration::from_mins(5),
            operation: Duration::from_mins(15),
        }
    }
}

/// How calls are tried again that met throttling or a passing fault.
///
/// The wait doubles each time, with jitter, up to 20 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// The longest first wait.
    pub first_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_secs(1) }
    }
}
