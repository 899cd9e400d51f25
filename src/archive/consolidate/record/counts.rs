use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Row};
use crate::archive::consolidate::server_side::CopyMethod;

/// Objects, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Objects at the source.
    #[serde(rename = "at_source")]
    pub source: u64,
    /// Already in the archive, with the same size.
    pub present: u64,
    /// Of these, those that could not be compared, because one side is in an archive class.
    pub uncompared: u64,
    /// Copied by this run.
    pub copied: u64,
    /// Units: bytes, of the copied.
    pub copied_bytes: u64,
    /// Of the copied, those copied inside S3.
    pub copied_inside_s3: u64,
    /// Their keys in the archive have different content.
    pub conflicts: u64,
    /// Could not be copied.
    pub failed: u64,
    /// To be restored first.
    pub archived: u64,
    /// Not CloudTrail's.
    pub unexpected: u64,
    /// Left for a later run, because this one was stopped.
    pub left: u64,
    /// Not what their keys say, and copied into quarantine.
    pub quarantined: u64,
    /// Not what their keys say, and accepted; counted in `present` too.
    pub accepted: u64,
    /// Logs whose digests are not in the archive, and digests whose public keys could not
    /// be read.
    pub held_back: u64,
    /// Of the quarantined, the digests.
    pub quarantined_digests: u64,
    /// Objects of accounts and Regions outside their source's scope, which no one accepted;
    /// not counted in `at_source`.
    pub unbound: u64,
}

impl Counts {
    /// Whether every object of the source is in the archive.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.conflicts == 0
            && self.failed == 0
            && self.archived == 0
            && self.left == 0
            && self.quarantined == 0
            && self.held_back == 0
            && self.unbound == 0
    }

    /// Counts one object.
    pub fn add(&mut self, outcome: Outcome, size_bytes: u64, copy_method: Option<CopyMethod>) {
        match outcome {
            Outcome::Copied => {
                self.copied += 1;
                // A forged row may state any size.
                self.copied_bytes = self.copied_bytes.saturating_add(size_bytes);
                self.copied_inside_s3 += u64::from(copy_method == Some(CopyMethod::Server));
            }
            Outcome::AlreadyThere => self.present += 1,
            Outcome::Conflict => self.conflicts += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Archived => self.archived += 1,
            Outcome::Unexpected => self.unexpected += 1,
            Outcome::Quarantined => self.quarantined += 1,
            Outcome::Accepted => {
                self.present += 1;
                self.accepted += 1;
            }
            Outcome::HeldBack => self.held_back += 1,
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.source += other.source;
        self.present += other.present;
        self.uncompared += other.uncompared;
        self.copied += other.copied;
        self.copied_bytes += other.copied_bytes;
        self.copied_inside_s3 += other.copied_inside_s3;
        self.conflicts += other.conflicts;
        self.failed += other.failed;
        self.archived += other.archived;
        self.unexpected += other.unexpected;
        self.left += other.left;
        self.quarantined += other.quarantined;
        self.accepted += other.accepted;
        self.held_back += other.held_back;
        self.quarantined_digests += other.quarantined_digests;
        self.unbound += other.unbound;
    }
}

/// The sums of the rows of a run, to compare its end with.
#[derive(Debug, Clone, Default)]
pub struct RowSums {
    counts: Counts,
    has_begin: bool,
    /// By log prefix id, the first day that the run left incomplete.
    incomplete: BTreeMap<String, Date>,
}

impl RowSums {
    /// Adds a row of the run.
    pub fn take(&mut self, row: &Row) {
        match row {
            Row::Begin { .. } => self.has_begin = true,
            Row::Object(object) => {
                self.counts.add(object.outcome, object.size_bytes, object.copy_method);
            }
            Row::Batch(batch) if !batch.counts.complete() => {
                let day = batch.batch.day;
                let first = self.incomplete.entry(batch.batch.log_prefix.id()).or_insert(day);
                *first = day.min(*first);
            }
            Row::Batch(_) | Row::End { .. } => {}
        }
    }

    /// Whether the run's first row is among them.
    #[must_use]
    pub fn has_begin(&self) -> bool {
        self.has_begin
    }

    /// How the end of a run contradicts its rows, all of which were added.
    ///
    /// Objects in quarantine and those that were in the archive are not compared: some
    /// have no row, and some rows are of no log prefix.
    #[must_use]
    pub fn contradiction(
        &self,
        totals: &Counts,
        proven_through: &BTreeMap<String, Date>,
    ) -> Option<String> {
        let of = |counts: &Counts| {
            [
                ("copied", counts.copied),
                ("bytes copied", counts.copied_bytes),
                ("copied inside S3", counts.copied_inside_s3),
                ("in conflict", counts.conflicts),
                ("failed", counts.failed),
                ("archived", counts.archived),
                ("unexpected", counts.unexpected),
                ("held back", counts.held_back),
            ]
        };
        let differs = of(totals).into_iter().zip(of(&self.counts)).find(|(end, rows)| end != rows);
        if let Some(((what, end), (_, rows))) = differs {
            return Some(format!("its end states {end} {what}, but its rows add up to {rows}"));
        }
        self.incomplete.iter().find_map(|(log_prefix, day)| {
            let through = proven_through.get(log_prefix).filter(|through| *through >= day)?;
            Some(format!(
                "its end states {log_prefix} complete through {through}, but its rows show {day} incomplete"
            ))
        })
    }
}
