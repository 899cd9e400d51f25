use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Format;
use crate::events::answer::ProofSummary;
use crate::events::coverage::Coverage;

/// The most names of days that a result lists.
pub(crate) const MAX_NAMED: usize = 20;

/// The result of an export.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exported {
    /// The place that was read, as people name it.
    pub place: String,
    /// The place that was written, likewise.
    pub to: String,
    /// As what.
    pub format: Format,
    /// The last day that was closed, and exported.
    pub last_day: Date,
    /// What was read.
    pub coverage: Coverage,
    /// What was written.
    pub written: Written,
    /// Whether it was stopped.
    pub was_stopped: bool,
    /// How the events are proven, if that was asked for.
    pub proof: Option<ProofSummary>,
}

impl Exported {
    /// Joins what the shards of one export wrote, in their order; `None` of no shard.
    #[must_use]
    pub fn join(shards: Vec<Self>) -> Option<Self> {
        shards.into_iter().reduce(|mut joined, shard| {
            joined.coverage.join(shard.coverage);
            joined.written.join(shard.written);
            joined.was_stopped |= shard.was_stopped;
            joined.proof = match (joined.proof, shard.proof) {
                (Some(one), Some(other)) => Some(one.joined(other)),
                (one, other) => one.or(other),
            };
            joined
        })
    }
}

impl Written {
    fn join(&mut self, shard: Self) {
        self.days += shard.days;
        self.replaced += shard.replaced;
        self.unchanged += shard.unchanged;
        self.differing += shard.differing;
        self.first_differing.extend(shard.first_differing);
        self.first_differing.truncate(MAX_NAMED);
        self.held_back += shard.held_back;
        self.first_held_back.extend(shard.first_held_back);
        self.first_held_back.truncate(MAX_NAMED);
        self.rows += shard.rows;
        self.copies += shard.copies;
        self.late += shard.late;
        self.files += shard.files;
        self.bytes += shard.bytes;
    }
}

/// What an export wrote. A day is that of one account and Region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Written {
    /// Days that were written.
    pub days: u64,
    /// Days of them that replaced other files.
    pub replaced: u64,
    /// Days whose files were complete and the same.
    pub unchanged: u64,
    /// Days whose files differ, and were left.
    pub differing: u64,
    /// The first of them, by the name of their folder.
    pub first_differing: Vec<String>,
    /// Days that were left out, because a log file of theirs could not be fetched.
    pub held_back: u64,
    /// The first of them.
    pub first_held_back: Vec<String>,
    /// The events of all days, with those that are unchanged.
    pub rows: u64,
    /// Further copies of them, which are left out.
    pub copies: u64,
    /// Events that were delivered too late for the file of their day, and are in one of their
    /// own.
    pub late: u64,
    /// Files that were written.
    pub files: u64,
    /// Their size. Units: bytes.
    pub bytes: u64,
}
