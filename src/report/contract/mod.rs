//! The contract: every JSON document that orgtrail prints, saves or stores.
//!
//! Only types of this module are serialized for users and other programs. Each command
//! converts its result into one of them, so that domain types can change without changing
//! a document.
//!
//! # Rules
//!
//! - Every document begins with `"document": "<name>"` and `"version": <number>`.
//! - Fields may be added without a new version, so readers ignore fields that they do not
//!   know. The version grows when a field is removed or changes its meaning.
//! - Every field of a version is always present: what is unknown or does not apply is `null`,
//!   an empty list is `[]`. Fields of one variant of a tagged object (`kind`, `status`,
//!   `verdict`, `state`) occur in that variant only.
//! - The same thing has the same name and shape everywhere: `account`, `region`, `bucket`,
//!   `period` with `from` and `to`, `identity`. `key` is the key of an object, `setting` a key
//!   of the configuration.
//! - Times end in `_at`, or are `from` and `to`; sizes end in `_bytes`; counts are plural
//!   nouns; amounts of money name their currency. Values of enumerations are `snake_case`.
//! - Names of AWS ([`crate::names`]) serialize as the strings that AWS uses.
//!
//! # Stored documents
//!
//! Domain modules do not depend on `report`. Documents that `archive` writes into the archive
//! or a bundle and reads back (run records, acceptances, retirements, manifests) are therefore
//! types beside the code that stores them, which contain what is stored and nothing else;
//! names in the document that differ from the fields' are given by `serde(rename)`.
//! `stored` gives them their names and versions. The plan file is a type of this module, which
//! the command line reads and writes.
//!
//! Three more serializations are not documents: the states of resources, which the planner
//! compares field by field and whose values a plan shows; the configuration, which `orgtrail
//! config schema` describes; and what AWS defines, such as IAM policies and templates
//! (`orgtrail config roles ROLE`) and `public-keys.json` in the archive and in bundles.
//!
//! # How to change a document
//!
//! Change the type, run `ORGTRAIL_UPDATE_SCHEMAS=1 cargo test --test it schemas`, and review
//! the difference in `docs/schemas/`. A document's snapshot shows what a reader gets.

pub mod acceptance;
pub mod accounts;
pub mod api;
mod apply;
pub mod attribution;
pub mod bootstrap;
pub mod checks;
pub mod config;
pub mod consolidation;
pub mod cost;
pub mod coverage;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod detections;
pub mod doctor;
mod document;
pub mod drift;
mod emitted;
pub mod event_data_store;
pub mod event_export;
pub mod events;
pub mod evidence;
mod identity;
pub mod live;
mod mirror;
pub mod new_accounts;
pub mod notification;
mod period;
pub mod plan;
pub mod prices;
pub mod records;
pub mod retirement;
pub mod roles;
pub mod round;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod service;
pub mod sources;
#[cfg(test)]
mod tests;
pub mod verification;

pub use self::apply::{ApplyReport, DestroyReport};
pub use self::document::{DOCUMENTS, Document, DocumentKind, ReadError, read};
pub use self::emitted::Emitted;
pub use self::identity::{EnvironmentOverride, Identity, Session};
use self::mirror::mirror;
pub use self::period::{Period, Window};
