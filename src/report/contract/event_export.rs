//! The result of `orgtrail events export`.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::events::{Files, ProofCounts};
use crate::events::export::{Exported, Format};

/// What was exported, and what was read for it. A day is that of one account and Region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The place that was read.
    pub from: String,
    /// The place that was written.
    pub to: String,
    /// The format of the files.
    pub format: FileFormat,
    /// The last day that was closed, and exported. Later days are left to later exports.
    #[schemars(with = "String")]
    pub last_day: Date,
    /// What was written.
    pub days: Days,
    /// The events of all days, with those that are unchanged.
    pub events: u64,
    /// Further copies of them, which are left out.
    pub copies: u64,
    /// Events that were delivered too late for the file of their day, and are in one of their
    /// own.
    pub late_events: u64,
    /// The files that were written.
    pub files: WrittenFiles,
    /// The log files that were read.
    pub log_files: Files,
    /// The records in them.
    pub records: u64,
    /// Records that could not be read.
    pub malformed_records: u64,
    /// Whether it was stopped before the end.
    pub stopped: bool,
    /// How the events are proven; null unless that was asked for.
    pub proof: Option<ProofCounts>,
}

/// The format of files.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// A table.
    Parquet,
    /// Events of OCSF, one a line.
    Ocsf,
    /// Records, one a line.
    Ndjson,
    /// Records for the bulk interface of `OpenSearch`.
    Opensearch,
    /// Tables of OCSF events, one for each class, in the folders of Security Lake.
    SecurityLake,
}

/// Days of an account and Region.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Days {
    /// Those that were written.
    pub written: u64,
    /// Those of them that replaced other files.
    pub replaced: u64,
    /// Those whose files were complete and the same.
    pub unchanged: u64,
    /// Those whose files differ, and were left.
    pub differing: u64,
    /// The folders of the first of them.
    pub first_differing: Vec<String>,
    /// Those that were left out, because a log file of theirs could not be fetched.
    pub held_back: u64,
    /// The folders of the first of them.
    pub first_held_back: Vec<String>,
}

/// Files of an export.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct WrittenFiles {
    /// How many.
    pub files: u64,
    /// Their size.
    pub size_bytes: u64,
}

impl From<Format> for FileFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Parquet => Self::Parquet,
            Format::Ocsf => Self::Ocsf,
            Format::Ndjson => Self::Ndjson,
            Format::OpenSearch => Self::Opensearch,
            Format::SecurityLake => Self::SecurityLake,
        }
    }
}

impl Report {
    /// What was exported.
    #[must_use]
    pub fn new(exported: &Exported) -> Self {
        let (written, coverage) = (&exported.written, &exported.coverage);
        Self {
            from: exported.place.clone(),
            to: exported.to.clone(),
            format: exported.format.into(),
            last_day: exported.last_day,
            days: Days {
                written: written.days,
                replaced: written.replaced,
                unchanged: written.unchanged,
                differing: written.differing,
                first_differing: written.first_differing.clone(),
                held_back: written.held_back,
                first_held_back: written.first_held_back.clone(),
            },
            events: written.rows,
            copies: written.copies,
            late_events: written.late,
            files: WrittenFiles { files: written.files, size_bytes: written.bytes },
            log_files: Files::from(coverage),
            records: coverage.records,
            malformed_records: coverage.malformed,
            stopped: exported.was_stopped,
            proof: exported.proof.as_ref().map(ProofCounts::from),
        }
    }
}
