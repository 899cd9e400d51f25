//! What happened, by the events of an archive: one file per command.

pub mod export;
mod place;
mod proof;
pub mod reconcile;
pub mod search;

pub use self::place::PlaceRequest;
