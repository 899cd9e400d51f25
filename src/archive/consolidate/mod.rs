//! Bringing legacy logs into the archive, so that nothing is lost, nothing is
//! written twice, nothing is overwritten, and every digest still proves them.
//!
//! ```text
//! source ─► lanes ─► join with the archive ─► days ─► copy ─► records
//! ```

pub mod binding;
pub mod census;
pub mod copy;
pub mod discover;
mod find;
pub mod history;
pub mod inspect;
pub mod join;
pub mod keys;
mod lane;
pub mod ledger;
pub mod locate;
mod multipart;
pub mod outsiders;
pub mod pace;
pub mod pending;
mod progress;
pub mod proof;
pub mod quarantine;
pub mod record;
pub mod remembered;
pub mod restore;
pub mod run;
pub mod server_side;
pub mod source;
mod trusted;
mod vouch;
mod writer;
