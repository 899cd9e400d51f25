//! What the commands do, without arguments and printing: results are values.

mod adopted;
mod discovery;

#[cfg(test)]
pub(crate) use adopted::Adopted;
pub(crate) use adopted::Kept;
pub(crate) use discovery::log_group_name;
pub use discovery::{Discovery, FoundBucket, FoundTrail};
