//! The history of all runs, checked by the numbers and hashes of their records.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ledger::{Ledger, LedgerError};
use super::record::{ChainChecker, Counts, Row, RowSums, Segment};
use super::trusted::dated_in_the_future;
use crate::archive::authenticity::Authenticity;
use crate::words::in_one_line;

/// All runs, and the faults of their records.
#[derive(Debug, Default)]
pub struct History {
    /// Records that were read.
    pub records: u64,
    /// Runs, in the order of their first record.
    pub runs: Vec<PastRun>,
    /// Missing, altered or malformed records.
    pub faults: Vec<Fault>,
    /// How many records have a valid MAC of the declared key.
    pub authenticated_records: u64,
    /// Records without a valid MAC that were written before the first with one.
    pub before_mac_key: u64,
    /// Records whose MACs could not be checked.
    pub unchecked: Vec<Fault>,
    /// The sums of each run's rows, by its id.
    sums: BTreeMap<String, RowSums>,
    /// The runs with records that were not read.
    partly_read: BTreeSet<String>,
}

/// One run, from its records.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// The run's own name.
    pub run_id: String,
    /// The first record that it wrote.
    pub first_record: u64,
    /// The last record that it wrote.
    pub last_record: u64,
    /// When it began.
    pub at: Timestamp,
    /// Who ran it: the caller's ARN.
    pub by: String,
    /// The program and its version.
    pub with: String,
    /// The options, if its first record is available.
    pub options: Option<serde_json::Value>,
    /// Its totals: from its end row, or from its objects if it was killed.
    pub counts: Counts,
    /// Whether everything was in the archive at its end; `None` if the run was killed.
    pub complete: Option<bool>,
    /// How many records it wrote, as far as they were read.
    pub records: u64,
    /// How many of its records have a valid MAC.
    pub authenticated_records: u64,
    /// By log prefix id, the last day that its end row states complete.
    proven_through: BTreeMap<String, jiff::civil::Date>,
}

/// A fault of a record, or of several consecutive ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The first affected record.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// What is wrong.
    pub reason: String,
}

/// Reads every record and checks that they are whole, in order and unaltered.
///
/// Without a MAC key nothing authenticates them: anyone who can write below `orgtrail/` can
/// add a record that passes, unless it is dated later than `now`. With one, a record
/// without a valid MAC is a fault, unless it was written before the first that has one.
///
/// Keeps one record in memory at a time. Deleting the newest record leaves no gap; the
/// delete marker in the versioned bucket shows it.
///
/// # Errors
/// A listing or a read failed: a partial history proves nothing.
pub async fn history(ledger: &Ledger, now: Timestamp) -> Result<History, LedgerError> {
    let mut history = History::default();
    let mut checker = ChainChecker::default();
    let mut next = 0;
    let numbers = ledger.numbers().await?;
    for &(number, size_bytes) in &numbers {
        if number > next {
            history.faults.push(missing(next, number - 1));
            checker.skip_to(number);
        }
        next = number.saturating_add(1);
        let stored = match ledger.segment(number, size_bytes).await {
            Ok(stored) => stored,
            Err(error) if error.is_of_object() => {
                checker.skip_to(next);
                let reason = in_one_line(&error);
                history.faults.push(Fault { first: number, last: number, reason });
                continue;
            }
            Err(error) => return Err(error),
        };
        history.records += 1;
        match checker.check(Some(&stored.bytes)) {
            Ok(segment) => {
                if let Some(reason) = dated_in_the_future(&segment, now) {
                    history.partly_read.insert(segment.head.run_id);
                    history.faults.push(Fault { first: number, last: number, reason });
                    continue;
                }
                let authenticity = ledger.authenticity(&segment.head, &stored).await;
                history.authenticate(number, &segment, authenticity);
            }
            Err(error) => {
                let reason = error.to_string();
                history.faults.push(Fault { first: number, last: number, reason });
            }
        }
    }
    for (number, past) in ledger.key_histories(&numbers).await? {
        if past.deleted && number >= next {
            history.faults.push(missing(number, number));
        }
        if past.versions > 1 {
            let reason = format!("it was overwritten: it has {} versions", past.versions);
            history.faults.push(Fault { first: number, last: number, reason });
        }
    }
    history.compare_counts();
    history.faults.sort_by_key(|fault| (fault.first, fault.last));
    Ok(history)
}

fn missing(first: u64, last: u64) -> Fault {
    Fault { first, last, reason: "missing: it was deleted, or its name was changed".to_owned() }
}

impl History {
    /// Adds a segment unless it is not authentic.
    fn authenticate(&mut self, number: u64, segment: &Segment, found: Option<Authenticity>) {
        let fault = |reason| Fault { first: number, last: number, reason };
        match found {
            None => self.take(segment.clone(), false),
            Some(Authenticity::Mac { .. } | Authenticity::Listed) => {
                self.authenticated_records += 1;
                self.take(segment.clone(), true);
            }
            Some(Authenticity::Unauthenticated { reason }) if self.authenticated_records > 0 => {
                self.partly_read.insert(segment.head.run_id.clone());
                self.faults.push(fault(reason));
            }
            Some(Authenticity::Unauthenticated { .. }) => {
                self.before_mac_key += 1;
                self.take(segment.clone(), false);
            }
            Some(Authenticity::Unknown { reason }) => {
                self.unchecked.push(fault(reason));
                self.take(segment.clone(), false);
            }
        }
    }

    /// Finds runs whose end rows differ from the sums of their rows.
    fn compare_counts(&mut self) {
        let whole = self.runs.iter().filter(|run| !self.partly_read.contains(&run.run_id));
        let has_all = self.faults.is_empty();
        let faults = whole.filter_map(|run| {
            let sums = self.sums.get(&run.run_id)?;
            run.complete?;
            let fault =
                |reason| Some(Fault { first: run.first_record, last: run.last_record, reason });
            if !sums.has_begin() {
                // If no record is missing, the run never had a begin row.
                let reason = "its run has an end record but no begin record".to_owned();
                return if has_all { fault(reason) } else { None };
            }
            let reason = sums.contradiction(&run.counts, &run.proven_through)?;
            fault(reason)
        });
        let faults: Vec<Fault> = faults.collect();
        self.faults.extend(faults);
    }

    fn take(&mut self, segment: Segment, is_authenticated: bool) {
        let Segment { head, rows } = segment;
        let known = self.runs.iter().rposition(|run| run.run_id == head.run_id);
        let at = known.unwrap_or_else(|| {
            self.runs.push(PastRun {
                run_id: head.run_id,
                first_record: head.number,
                last_record: head.number,
                at: head.written_at,
                by: head.written_by,
                with: head.written_with,
                options: None,
                counts: Counts::default(),
                complete: None,
                records: 0,
                authenticated_records: 0,
                proven_through: BTreeMap::new(),
            });
            self.runs.len() - 1
        });
        let Some(run) = self.runs.get_mut(at) else { return };
        run.last_record = head.number;
        run.records += 1;
        run.authenticated_records += u64::from(is_authenticated);
        let sums = self.sums.entry(run.run_id.clone()).or_default();
        for row in &rows {
            sums.take(row);
        }
        for row in rows {
            match row {
                Row::Begin { options } => run.options = Some(options),
                Row::Object(object) => {
                    run.counts.source += 1;
                    run.counts.add(object.outcome, object.size_bytes, object.copy_method);
                }
                Row::Batch(_) => {}
                Row::End { totals, complete, proven_through, .. } => {
                    run.counts = totals;
                    run.complete = Some(complete);
                    run.proven_through = proven_through;
                }
            }
        }
    }
}

/// The version history of each record's key, by its number.
pub(super) type KeyHistories = BTreeMap<u64, KeyHistory>;

/// The version history of a record's key.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KeyHistory {
    /// The number of object versions.
    pub(super) versions: u64,
    /// Whether the newest version is a delete marker.
    pub(super) deleted: bool,
}
