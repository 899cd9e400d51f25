//! Exports of events: each day of an account and Region becomes a file of its own, whose
//! bytes depend on nothing but the log files and the format.

mod days;
mod destination;
mod encode;
mod manifest;
mod result;
mod rows;
mod scratch;
mod sorter;
mod unit;

pub use orgtrail_events::export::*;

pub use self::days::{Days, UnitRows};
pub use self::destination::{Destination, DestinationError, Put};
pub use self::encode::{Encoded, EncodedPart, ProvenEvents, encode};
pub use self::manifest::{ExportManifest, ManifestFile, ManifestSource, ProofWord};
pub(crate) use self::result::MAX_NAMED;
pub use self::result::{Exported, Written};
pub use self::rows::{FoundRow, Rows};
pub use self::scratch::Scratch;
pub use self::sorter::{Row, Sorter};
pub use self::unit::{DayRange, Unit};

/// Why a unit could not be written.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// Sorting the records needs more disk space, or a readable temporary directory.
    #[error("sorting the records in a temporary directory")]
    Sort(#[source] std::io::Error),
    /// The file could not be encoded.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The file could not be stored.
    #[error(transparent)]
    Destination(#[from] DestinationError),
}
