//! What orgtrail does, as functions: no command line, no printing. The command line and
//! the service parse requests, call these, and present the results, which are values.
//!
//! Each operation takes an [`Env`] and a request, and returns its result or an
//! [`OpError`]. An operation that asks before it writes has two parts: the first returns
//! what it found, the second continues from that once the caller has confirmed it.

pub mod accept;
pub mod accounts;
mod adopted;
pub(crate) mod archive;
pub mod bootstrap;
pub mod consolidate;
pub mod cost;
pub mod coverage;
mod discovery;
pub mod doctor;
pub mod drift;
mod env;
mod error;
pub mod events;
pub mod evidence;
mod explain;
mod interrupted;
pub(crate) mod legacy;
mod managed_archive;
mod moment;
pub mod new_accounts;
mod outcome;
mod progress;
pub mod provision;
pub mod records;
pub mod retire;
pub mod role_stacks;
pub mod round;
pub mod shards;
mod sign_in;
pub mod sources;
pub(crate) mod trust;
pub mod verify;

#[cfg(test)]
pub(crate) use adopted::Adopted;
pub(crate) use adopted::Kept;
pub(crate) use discovery::log_group_name;
pub use discovery::{Discovery, FoundBucket, FoundTrail};
pub use env::{Connection, Env, Session};
pub use error::{Explain, OpError};
pub(crate) use explain::config_findings;
pub use interrupted::Interrupted;
pub use moment::{Moment, instant};
pub use outcome::Outcome;
pub use progress::{NoProgress, Phase, Progress};
pub(crate) use sign_in::refuse_taken;
