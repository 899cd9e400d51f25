//! Run records: what every run did, in a chain so that removing one shows.
//!
//! The archive contains one sequence of segments, `orgtrail/runs/<number>.jsonl.gz`.
//! Each is gzipped JSON lines: a head that names the segment before it and its
//! SHA-256, then rows. A run writes one segment or more, each with
//! `If-None-Match: *`, so two runs cannot take the same number: the later one
//! finds the newer head and chains to it. A run that was killed has segments
//! without an end row; they are evidence of what it had done.

mod chain;
mod counts;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::chain::{ChainChecker, sha256_hex};
pub use self::counts::{Counts, RowSums};
pub use self::segment::{RecordError, Segment};
use super::restore::Archived;
use super::server_side::CopyMethod;
use crate::archive::batches::DayBatch;
use crate::archive::sequence::record_key;
use crate::archive::stored::nullable;

/// The version of the records' format.
pub const FORMAT_VERSION: u32 = 1;

/// The folder of the segments, below the archive's prefix.
pub(super) const FOLDER: &str = "orgtrail/runs/";

/// The key of segment `number`, below the archive's prefix.
#[must_use]
pub fn segment_key(prefix: Option<&str>, number: u64) -> String {
    record_key(prefix, FOLDER, number)
}

/// The head of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "document", rename = "run-record")]
pub struct Head {
    /// [`FORMAT_VERSION`] when it was written.
    pub version: u32,
    /// The segment's place in the sequence, from 0.
    pub number: u64,
    /// SHA-256 of the segment before, as stored (gzipped), in hex; null for
    /// the first.
    #[serde(deserialize_with = "nullable")]
    pub previous_sha256: Option<String>,
    /// The run that wrote it.
    pub run_id: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Who wrote it: the caller's ARN.
    pub written_by: String,
    /// The program and its version.
    #[serde(rename = "program")]
    pub written_with: String,
}

/// A line of a segment after its head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "row", rename_all = "snake_case")]
pub enum Row {
    /// The start of a run.
    Begin {
        /// The options of the command line.
        options: serde_json::Value,
    },
    /// An object that the run handled.
    Object(ObjectRow),
    /// The end of a batch.
    Batch(BatchRow),
    /// The end of a run; a run that was killed has no such row.
    End {
        /// The counts of all batches.
        #[serde(rename = "counts")]
        totals: Counts,
        /// Whether every readable source is in the archive.
        complete: bool,
        /// By log prefix id, the last closed day up to which everything is proven.
        proven_through: BTreeMap<String, Date>,
        /// When the days that it states complete were last all listed, without trusting
        /// an earlier record.
        full_listing_at: Timestamp,
    },
}

/// The outcome of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRow {
    /// Its key in the archive.
    pub key: String,
    /// The bucket that it came from.
    #[serde(rename = "source_bucket")]
    pub origin_bucket: String,
    /// Its key in that bucket.
    #[serde(rename = "source_key")]
    pub origin_key: String,
    /// Units: bytes.
    pub size_bytes: u64,
    /// SHA-256 of the body as stored, in hex; null where it was not read.
    #[serde(deserialize_with = "nullable")]
    pub sha256: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// Why it was not copied.
    #[serde(deserialize_with = "nullable")]
    pub reason: Option<String>,
    /// How it was copied; null where it was not.
    #[serde(deserialize_with = "nullable")]
    pub copy_method: Option<CopyMethod>,
    /// Its archive class, where it must be restored first.
    #[serde(deserialize_with = "nullable")]
    pub archived: Option<Archived>,
    /// Its key in quarantine.
    #[serde(rename = "quarantine_key", deserialize_with = "nullable")]
    pub quarantined_as: Option<String>,
}

/// The outcome of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Written to the archive by this run.
    Copied,
    /// Another writer wrote the same content first.
    AlreadyThere,
    /// The key has different content, which was not changed.
    Conflict,
    /// Not copied, for the reason given.
    Failed,
    /// In an archive class: it must be restored first.
    Archived,
    /// The key is not CloudTrail's: not copied.
    Unexpected,
    /// It is not what its key says: copied into quarantine.
    Quarantined,
    /// Quarantined earlier, and accepted.
    Accepted,
    /// A log whose digest is not in the archive: not copied.
    HeldBack,
}

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchRow {
    /// The batch.
    pub batch: DayBatch,
    /// Its objects, by outcome.
    pub counts: Counts,
}
