//! What happened, by the events of an archive: one file per command.

pub mod detect;
pub mod export;
mod facts;
pub(super) mod place;
mod proof;
pub mod reconcile;
mod rules;
pub mod search;
pub mod who;

pub use self::place::PlaceRequest;
pub(super) use self::place::bucket_and_prefix;
