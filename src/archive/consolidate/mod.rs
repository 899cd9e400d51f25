//! Copies legacy logs to the archive: nothing is lost, written twice or overwritten, and
//! every digest still proves its logs.
//!
//! ```text
//! source ─► log prefixes ─► join with the archive ─► days ─► copy ─► records
//! ```

pub mod binding;
pub mod concurrency;
pub mod copy;
mod digest_index;
pub mod discover;
mod find;
pub mod history;
pub mod inspect;
pub mod join;
pub mod keys;
pub mod ledger;
pub mod locate;
mod multipart;
pub mod pending;
mod prefix_copy;
mod progress;
pub mod proof;
pub mod quarantine;
pub mod record;
mod report;
pub mod restore;
pub mod run;
pub mod server_side;
pub mod source;
pub mod source_stats;
mod trusted;
pub mod unbound;
pub mod vanished;
mod writer;
