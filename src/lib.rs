//! orgtrail: is every account's audit trail recorded, kept, unaltered, and can
//! we prove it?

pub mod alarms;
pub mod archive;
pub mod aws;
pub mod checks;
pub mod cli;
pub mod compute;
pub mod config;
pub mod cost;
pub mod events;
pub mod filter_pattern;
pub mod ops;
pub mod org;
pub mod plan;
pub mod report;
pub mod resources;
pub mod serve;
pub mod stop;
pub mod store;
mod words;

pub(crate) use orgtrail_base::{local_file, printable};
pub use orgtrail_base::{names, policy};
#[cfg(feature = "sandbox")]
pub use orgtrail_sandbox as sandbox;

// The tests of `src` and of `tests` share their sandbox, by one path.
#[cfg(test)]
extern crate self as orgtrail;
#[cfg(test)]
#[path = "../tests/env/mod.rs"]
mod test_env;
