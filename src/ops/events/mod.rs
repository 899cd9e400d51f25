//! What happened, by the events of an archive: one file per command.

pub mod detect;
pub mod export;
mod facts;
mod place;
mod proof;
pub mod reconcile;
mod rules;
pub mod search;
pub mod who;

pub use self::place::PlaceRequest;
