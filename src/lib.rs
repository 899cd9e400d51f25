//! orgtrail: is every account's audit trail recorded, kept, unaltered, and can
//! we prove it?

pub mod alarms;
pub mod archive;
pub mod aws;
pub mod checks;
pub mod cli;
pub mod config;
pub mod cost;
pub mod filter_pattern;
mod local_file;
pub mod names;
pub mod org;
mod percent;
pub mod plan;
pub mod policy;
mod printable;
pub mod report;
pub mod resources;
pub mod sandbox;
pub mod stop;
