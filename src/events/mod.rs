//! Reads the events of an archive: log files pruned by key, streamed, with bounded memory.
//!
//! What a record says is in `crates/events`; here is which files are read, and what is
//! searched in them.

pub mod answer;
pub mod coverage;
pub mod detections;
pub mod export;
pub mod files;
pub mod ids;
pub mod query;
pub mod read;
pub mod reconcile;
pub mod timeline;
pub mod watch;
pub mod who;

pub use orgtrail_events::*;
