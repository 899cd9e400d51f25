//! The report of `orgtrail records`: the runs that the archive's records describe.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::consolidation::ObjectCounts;
use super::mirror;
use crate::archive::consolidate::history;

/// The run records of an archive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// Whether the records are complete, in order and unaltered.
    pub consistent: bool,
    /// Whether every record is authenticated.
    pub authenticated: bool,
    /// Why not.
    pub not_authenticated_reason: Option<String>,
    /// The KMS key whose MACs authenticate the records.
    pub mac_key: Option<String>,
    /// Records that were read.
    pub records: u64,
    /// Records with a valid MAC.
    pub authenticated_records: u64,
    /// Records without a valid MAC that are older than the first with one.
    pub records_before_mac_key: u64,
    /// The runs, in the order of their first records.
    pub runs: Vec<Run>,
    /// Records that are missing, altered or unexpected.
    pub faults: Vec<RecordFault>,
    /// Records whose MACs could not be checked.
    pub unchecked: Vec<RecordFault>,
}

/// A run, as its records describe it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Run {
    /// The id of the run.
    pub run_id: String,
    /// The number of its first record.
    pub first_record: u64,
    /// The number of its last record.
    pub last_record: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// The ARN of its caller.
    pub caller: String,
    /// The program and its version.
    pub program: String,
    /// The options of the run; null where its first record is missing.
    pub options: Option<Value>,
    /// The objects of the run.
    pub counts: ObjectCounts,
    /// Whether everything was in the archive at its end; null where it was killed.
    pub complete: Option<bool>,
    /// Its records that were read.
    pub records: u64,
    /// Its records with a valid MAC.
    pub authenticated_records: u64,
}

mirror! {
    /// What is wrong with records.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct RecordFault from history::Fault {
        /// The number of the first record.
        first_record: u64 = first,
        /// The number of the last record.
        last_record: u64 = last,
        /// What is wrong.
        reason: String,
    }
}

impl From<&history::PastRun> for Run {
    fn from(run: &history::PastRun) -> Self {
        Self {
            run_id: run.run_id.clone(),
            first_record: run.first_record,
            last_record: run.last_record,
            started_at: run.at,
            caller: run.by.clone(),
            program: run.with.clone(),
            options: run.options.clone(),
            counts: run.counts.into(),
            complete: run.complete,
            records: run.records,
            authenticated_records: run.authenticated_records,
        }
    }
}

impl Report {
    /// The report of a history. `not_authenticated_reason` says why not every record is
    /// authenticated, where one is not.
    #[must_use]
    pub fn new(
        history: &history::History,
        mac_key: Option<String>,
        not_authenticated_reason: Option<String>,
    ) -> Self {
        Self {
            consistent: history.faults.is_empty(),
            authenticated: not_authenticated_reason.is_none(),
            not_authenticated_reason,
            mac_key,
            records: history.records,
            authenticated_records: history.authenticated_records,
            records_before_mac_key: history.before_mac_key,
            runs: history.runs.iter().map(Run::from).collect(),
            faults: history.faults.iter().map(RecordFault::from).collect(),
            unchecked: history.unchecked.iter().map(RecordFault::from).collect(),
        }
    }
}
