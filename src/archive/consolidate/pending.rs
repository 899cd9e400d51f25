//! What consolidation has not copied yet, according to its report or the run records: a file
//! that is missing in the archive may still be copied.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::record::{Outcome, Row, Segment};
use crate::archive::batches::LogPrefix;
use crate::archive::key::ObjectKey;
use crate::archive::shard::ShardNumber;
use crate::names::AccountId;

/// What a consolidation left for the next run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unfinished {
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// The processed sources, by name, and whether each is complete in the archive.
    pub sources: BTreeMap<String, bool>,
    /// The sources and log prefixes that it could not complete.
    pub failed: Vec<String>,
    /// The sources that it could not find.
    pub not_found: NotFound,
}

/// Which sources a consolidation could not find.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum NotFound {
    /// Sources of these unreadable accounts.
    OfAccounts(BTreeSet<AccountId>),
    /// Any source, if `true`: the run did not complete.
    Any(bool),
}

impl Default for NotFound {
    fn default() -> Self {
        Self::Any(false)
    }
}

impl NotFound {
    fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::OfAccounts(mut accounts), Self::OfAccounts(more)) => {
                accounts.extend(more);
                Self::OfAccounts(accounts)
            }
            (Self::Any(one), Self::Any(other)) => Self::Any(one || other),
            (Self::Any(true), _) | (_, Self::Any(true)) => Self::Any(true),
            (of, Self::Any(false)) | (Self::Any(false), of) => of,
        }
    }
}

impl Unfinished {
    /// With what another shard of the same run left.
    #[must_use]
    pub fn joined(mut self, shard: Self) -> Self {
        self.stopped |= shard.stopped;
        for (source, is_complete) in shard.sources {
            *self.sources.entry(source).or_insert(true) &= is_complete;
        }
        self.failed.extend(shard.failed);
        self.not_found = self.not_found.joined(shard.not_found);
        self
    }

    /// Whether a file of an account's activity that CloudTrail delivered to a bucket may still
    /// be copied by a later run, because its source is incomplete or was not found.
    #[must_use]
    pub fn may_still_copy(&self, bucket: &str, account: Option<&AccountId>) -> bool {
        let of_bucket = |place: &str| {
            let rest = place.strip_prefix("s3://").and_then(|place| place.strip_prefix(bucket));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.sources.keys().any(|name| of_bucket(name)) {
            return self.stopped
                || self.failed.iter().any(|place| of_bucket(place))
                || self.sources.iter().any(|(name, complete)| of_bucket(name) && !complete);
        }
        match &self.not_found {
            NotFound::OfAccounts(unread) => account.is_some_and(|one| unread.contains(one)),
            NotFound::Any(any) => *any,
        }
    }
}

/// What the run records state about some files.
#[derive(Debug, Default)]
pub struct RecordedFiles {
    /// The files in question, by their keys in the archive.
    asked: BTreeSet<String>,
    /// The files that were in the archive or refused: no later run copies them.
    settled: BTreeSet<String>,
    /// By log prefix id, the last day up to which everything was in the archive.
    proven_through: BTreeMap<String, Date>,
    /// Whether there is any record.
    has_records: bool,
    /// The run whose authenticated records were read last; of a sharded run, all its shards.
    last: LastRuns,
}

/// The last run, or the shards of it that were read.
#[derive(Debug, Default)]
struct LastRuns(Vec<LastRun>);

/// A run, or a shard of one.
#[derive(Debug)]
struct LastRun {
    id: String,
    shard: Option<ShardNumber>,
    unfinished: Unfinished,
}

impl RecordedFiles {
    /// No records yet, for files with these keys in the archive.
    #[must_use]
    pub fn of(asked: BTreeSet<String>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// Adds the next record.
    ///
    /// Anyone may have written a record that is not `authenticated`: it can show that a file was
    /// in the archive (and was deleted since), but not that a file may still be copied.
    pub fn take(&mut self, segment: Segment, authenticated: bool) {
        self.has_records = true;
        let mut last = if authenticated { Some(self.last.run_of(&segment)) } else { None };
        for row in segment.rows {
            match row {
                Row::Object(object) => {
                    let is_settled = matches!(
                        object.outcome,
                        Outcome::Copied
                            | Outcome::AlreadyThere
                            | Outcome::Quarantined
                            | Outcome::Accepted
                    );
                    if is_settled && self.asked.contains(&object.key) {
                        self.settled.insert(object.key);
                    }
                }
                Row::Batch(batch) => {
                    if let Some(last) = &mut last {
                        let source = batch.batch.log_prefix.source();
                        let is_complete = last.sources.entry(source).or_insert(true);
                        *is_complete &= batch.counts.complete();
                    }
                }
                Row::Begin { .. } => {}
                Row::End { complete, proven_through, .. } => {
                    if let Some(last) = &mut last {
                        last.stopped = !complete;
                        last.not_found = NotFound::Any(!complete);
                    }
                    for (log_prefix, day) in proven_through {
                        let through = self.proven_through.entry(log_prefix).or_insert(day);
                        *through = day.max(*through);
                    }
                }
            }
        }
    }

    /// Whether no later run copies a file: a run copied or refused it, or found its whole day in
    /// the archive.
    #[must_use]
    pub fn is_settled(&self, key: &str, origin_bucket: &str, origin_key: &str) -> bool {
        self.settled.contains(key)
            || origin_key.parse().is_ok_and(|origin: ObjectKey| {
                let day = origin.time().to_zoned(jiff::tz::TimeZone::UTC).date();
                let through = self.proven_through.get(&log_prefix_id(origin_bucket, &origin));
                through.is_some_and(|through| day <= *through)
            })
    }

    /// Whether there is any record of a run, authenticated or not.
    #[must_use]
    pub fn has_records(&self) -> bool {
        self.has_records
    }

    /// Whether there is an authenticated record of a run.
    #[must_use]
    pub fn has_runs(&self) -> bool {
        !self.last.0.is_empty()
    }

    /// What the last run, with all its shards, left for the next, according to authenticated
    /// records; empty without any.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        self.last.unfinished()
    }
}

impl LastRuns {
    /// The run, or the shard of it, that a record is of. A run that begins replaces those before
    /// it, except the other shards of the same run.
    fn run_of(&mut self, segment: &Segment) -> &mut Unfinished {
        let id = &segment.head.run_id;
        let known = self.0.iter().position(|run| run.id == *id);
        let at = known.unwrap_or_else(|| {
            let shard = segment.rows.iter().find_map(|row| match row {
                Row::Begin { options } => options.get("shard")?.as_str()?.parse().ok(),
                _ => None,
            });
            self.0.retain(|run| are_of_one_run(run.shard, shard));
            // A run without an end row may have been killed.
            let not_found = NotFound::Any(true);
            let unfinished = Unfinished { stopped: true, not_found, ..Unfinished::default() };
            self.0.push(LastRun { id: id.clone(), shard, unfinished });
            self.0.len() - 1
        });
        &mut self.0[at].unfinished
    }

    fn unfinished(&self) -> Unfinished {
        let shards = self.0.first().and_then(|run| run.shard).map_or(1, ShardNumber::count);
        // The others were killed before their first record, or did not begin yet.
        let is_part = !self.0.is_empty() && self.0.len() < shards as usize;
        let not_found = NotFound::Any(is_part);
        let none = Unfinished { stopped: is_part, not_found, ..Unfinished::default() };
        self.0.iter().fold(none, |all, run| all.joined(run.unfinished.clone()))
    }
}

/// Whether two different shards are of the same run.
fn are_of_one_run(one: Option<ShardNumber>, other: Option<ShardNumber>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.count() == other.count() && one != other)
}

fn log_prefix_id(bucket: &str, key: &ObjectKey) -> String {
    let log_prefix = LogPrefix {
        bucket: bucket.to_owned(),
        root: key.root().to_string(),
        account: key.account().clone(),
        folder: key.kind().folder().to_owned(),
        region: key.region().clone(),
    };
    log_prefix.id()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::*;
    use crate::archive::batches::DayBatch;
    use crate::archive::consolidate::record::{BatchRow, Counts, Head, ObjectRow};

    const KEY: &str = "AWSLogs/111111111111/CloudTrail/us-east-1/2026/01/10/111111111111_CloudTrail_us-east-1_20260110T0805Z_aaaaaaaaaaaaaaaa.json.gz";

    fn segment(run: &str, rows: Vec<Row>) -> Segment {
        let head = Head {
            version: 1,
            number: 0,
            previous_sha256: None,
            run_id: run.to_owned(),
            written_at: Timestamp::UNIX_EPOCH,
            written_by: String::new(),
            written_with: String::new(),
        };
        Segment { head, rows }
    }

    fn batch(left: u64) -> Row {
        let origin: ObjectKey = KEY.parse().unwrap();
        let log_prefix = LogPrefix {
            bucket: "old".to_owned(),
            root: "AWSLogs/".to_owned(),
            account: origin.account().clone(),
            folder: "CloudTrail".to_owned(),
            region: origin.region().clone(),
        };
        let batch = DayBatch { log_prefix, day: date(2026, 1, 10) };
        Row::Batch(BatchRow { batch, counts: Counts { left, ..Counts::default() } })
    }

    fn object(outcome: Outcome) -> Row {
        Row::Object(ObjectRow {
            key: "there".to_owned(),
            origin_bucket: "old".to_owned(),
            origin_key: KEY.to_owned(),
            size_bytes: 1,
            sha256: None,
            outcome,
            reason: None,
            copy_method: None,
            archived: None,
            quarantined_as: None,
        })
    }

    fn end(complete: bool, through: Option<Date>) -> Row {
        let origin: ObjectKey = KEY.parse().unwrap();
        let id = log_prefix_id("old", &origin);
        let proven_through = through.into_iter().map(|day| (id.clone(), day)).collect();
        let full_listing_at = Timestamp::UNIX_EPOCH;
        Row::End { totals: Counts::default(), complete, proven_through, full_listing_at }
    }

    fn recorded(runs: Vec<Vec<Row>>) -> RecordedFiles {
        let mut recorded = RecordedFiles::of(["there".to_owned()].into());
        for (at, rows) in runs.into_iter().enumerate() {
            recorded.take(segment(&at.to_string(), rows), true);
        }
        recorded
    }

    #[test]
    fn what_a_run_copied_is_settled_whatever_later_runs_did() {
        let was = |runs| recorded(runs).is_settled("there", "old", KEY);
        assert!(was(vec![vec![object(Outcome::Copied)], vec![end(true, None)]]));
        assert!(was(vec![vec![object(Outcome::AlreadyThere)]]));
        assert!(!was(vec![vec![object(Outcome::Failed)], vec![end(false, None)]]));
        assert!(!was(vec![]));
        // All of its day was, or only of the days before.
        assert!(was(vec![vec![end(true, Some(date(2026, 1, 10)))]]));
        assert!(!was(vec![vec![end(true, Some(date(2026, 1, 9)))]]));
    }

    #[test]
    fn a_run_that_was_stopped_or_killed_left_something() {
        let may = |runs| recorded(runs).unfinished().may_still_copy("old", None);
        assert!(!may(vec![]));
        assert!(!may(vec![vec![batch(0), end(true, None)]]));
        assert!(may(vec![vec![batch(3), end(false, None)]]));
        // Killed: there is no end.
        assert!(may(vec![vec![batch(0)]]));
        // A later run did the rest.
        assert!(!may(vec![vec![batch(3), end(false, None)], vec![batch(0), end(true, None)]]));
        // Of a source that it did not come to.
        let other = recorded(vec![vec![batch(0), end(false, None)]]);
        assert!(other.unfinished().may_still_copy("another", None));
    }

    #[test]
    fn a_sharded_run_left_what_any_of_its_shards_left() {
        let begin = |shard: &str| Row::Begin { options: serde_json::json!({ "shard": shard }) };
        let may = |runs| recorded(runs).unfinished().may_still_copy("old", None);
        let one = || vec![begin("1/2"), batch(0), end(true, None)];
        let two = |left: u64| vec![begin("2/2"), batch(left), end(left == 0, None)];
        assert!(may(vec![one()]));
        assert!(may(vec![one(), two(3)]));
        assert!(may(vec![two(3), one()]));
        assert!(!may(vec![one(), two(0)]));
        // It was killed, and did the rest when it was retried.
        assert!(may(vec![one(), vec![begin("2/2"), batch(0)]]));
        assert!(!may(vec![vec![begin("2/2"), batch(3)], one(), two(0)]));
        // A run of another number of shards, or of none, is another run.
        assert!(may(vec![one(), two(0), vec![begin("1/3"), batch(0), end(true, None)]]));
        assert!(!may(vec![two(3), vec![batch(0), end(true, None)]]));
    }

    #[test]
    fn an_unauthenticated_record_shows_what_was_archived_but_not_what_may_still_be_copied() {
        let of = |rows| {
            let mut recorded = RecordedFiles::of(["there".to_owned()].into());
            recorded.take(segment("forged", rows), false);
            recorded
        };
        let left = of(vec![batch(3), end(false, None)]);
        assert!(!left.unfinished().may_still_copy("old", None));
        assert!(!left.unfinished().may_still_copy("another", None));
        assert!(of(vec![object(Outcome::Copied)]).is_settled("there", "old", KEY));
        let proven = of(vec![end(true, Some(date(2026, 1, 10)))]);
        assert!(proven.is_settled("there", "old", KEY));
    }

    #[test]
    fn a_source_of_an_account_that_could_not_be_read_may_follow() {
        let unread: AccountId = "444444444444".parse().unwrap();
        let other: AccountId = "555555555555".parse().unwrap();
        let unfinished = Unfinished {
            sources: [("s3://whole".to_owned(), true), ("s3://part/p".to_owned(), false)].into(),
            failed: Vec::new(),
            stopped: false,
            not_found: NotFound::OfAccounts([unread.clone()].into()),
        };
        assert!(unfinished.may_still_copy("part", None));
        assert!(!unfinished.may_still_copy("whole", Some(&unread)));
        assert!(unfinished.may_still_copy("who", Some(&unread)));
        assert!(!unfinished.may_still_copy("who", Some(&other)));
        let failed = Unfinished { failed: vec!["s3://whole/p".to_owned()], ..unfinished };
        assert!(failed.may_still_copy("whole", None));
    }
}
