//! Run records: what every run did, chained so that nobody can take one away.
//!
//! The archive holds one sequence of segments, `orgtrail/runs/<number>.jsonl.gz`.
//! Each is gzipped JSON lines: a head that names the segment before it and that
//! one's SHA-256, then rows. A run writes one segment or more, each with
//! `If-None-Match: *`, so two runs cannot take the same number: the later one
//! finds the newer head and chains to it. A run that was killed has segments
//! without an end row; they stand as evidence of what it had done.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
};

use aws_lc_rs::digest::{SHA256, digest};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{restore::Archived, server_side::Way};
use crate::archive::units::UnitId;
use crate::names::prefix_folder;
use crate::words::json_fault;

/// The version of the records' format. Since 2 an object may be in quarantine or held
/// back.
pub const FORMAT_VERSION: u32 = 2;

/// The most that a segment may inflate to; more is hostile. Units: bytes.
const MAX_SEGMENT_BYTES: u64 = 128 << 20;

/// The most rows of a segment; more is hostile, since each takes memory. A run writes
/// about 20,000.
const MAX_ROWS: usize = 100_000;

/// The longest row but for a run's end, which names every lane. Units: bytes.
const MAX_ROW_BYTES: usize = 1 << 20;

/// The longest row of a run's end. Units: bytes.
const MAX_END_BYTES: usize = 64 << 20;

/// The last number that a segment can have: its name has twelve digits.
pub(super) const LAST_NUMBER: u64 = 999_999_999_999;

/// Where segment `number` lies, below the archive's prefix.
#[must_use]
pub fn segment_key(prefix: Option<&str>, number: u64) -> String {
    let prefix = prefix_folder(prefix);
    format!("{prefix}orgtrail/runs/{number:012}.jsonl.gz")
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

/// What a segment says, a line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "row", rename_all = "snake_case")]
pub enum Row {
    /// A run begins.
    Begin {
        /// What was asked, as the command line gave it.
        #[serde(rename = "options")]
        asked: serde_json::Value,
    },
    /// An object that the run dealt with.
    Object(ObjectRow),
    /// A unit is done.
    #[serde(rename = "batch")]
    Unit(UnitRow),
    /// A run ends; one that was killed has no such row.
    End {
        /// Sums over all units.
        #[serde(rename = "counts")]
        totals: Counts,
        /// Whether every readable source is in the archive.
        complete: bool,
        /// By lane id, the last closed day up to which all was proven there.
        proven_through: BTreeMap<String, Date>,
        /// When the days that it states complete were last all listed, without trusting
        /// an earlier record; older records do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        full_listing_at: Option<Timestamp>,
    },
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRow {
    /// Its key in the archive.
    pub key: String,
    /// Where it came from.
    #[serde(rename = "source_bucket")]
    pub origin_bucket: String,
    /// Its key there.
    #[serde(rename = "source_key")]
    pub origin_key: String,
    /// Units: bytes.
    pub size_bytes: u64,
    /// SHA-256 of the body as stored, in hex; null where it was not read.
    pub sha256: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was not copied.
    pub reason: Option<String>,
    /// The way that it took, where it was copied; older records do not tell.
    #[serde(rename = "copy_method", default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Set where it must be restored first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<Archived>,
    /// Where it is kept in quarantine.
    #[serde(rename = "quarantine_key", default, skip_serializing_if = "Option::is_none")]
    pub quarantined_as: Option<String>,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Written to the archive by this run.
    Copied,
    /// Another writer was faster, with the same content.
    AlreadyThere,
    /// The key is taken by different content, which was left as it is.
    Conflict,
    /// Not copied, for the reason given.
    Failed,
    /// In a class that must be restored first.
    Archived,
    /// The key is not CloudTrail's: left where it is.
    #[serde(rename = "unexpected")]
    Foreign,
    /// It is not what its key says: kept in quarantine, not under its key.
    Quarantined,
    /// The same, and somebody accepted that.
    Accepted,
    /// A log whose digest is not in the archive: left where it is.
    HeldBack,
}

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitRow {
    /// Which.
    #[serde(rename = "batch")]
    pub unit: UnitId,
    /// How many objects of each kind.
    pub counts: Counts,
}

/// How many objects, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Objects at the source.
    #[serde(rename = "at_source")]
    pub source: u64,
    /// In the archive before, with the same size.
    pub present: u64,
    /// Of these, those that could not be compared, since one side lies archived;
    /// older records do not tell.
    #[serde(default)]
    pub uncompared: u64,
    /// Copied now.
    pub copied: u64,
    /// Units: bytes, of the copied.
    pub copied_bytes: u64,
    /// Of the copied, those that S3 copied by itself; older records do not tell.
    #[serde(default)]
    pub copied_inside_s3: u64,
    /// Keys taken by different content.
    pub conflicts: u64,
    /// Not copied.
    pub failed: u64,
    /// To be restored first.
    pub archived: u64,
    /// Not CloudTrail's.
    #[serde(rename = "unexpected")]
    pub foreign: u64,
    /// Left for a later run, since this one was stopped before them; older records
    /// count them as not copied.
    #[serde(default)]
    pub left: u64,
    /// Not what their keys say, and kept in quarantine.
    #[serde(default)]
    pub quarantined: u64,
    /// The same, and accepted by somebody; among the present.
    #[serde(default)]
    pub accepted: u64,
    /// Logs whose digests are not in the archive, and digests whose public keys could not
    /// be read.
    #[serde(default)]
    pub held_back: u64,
    /// Of the quarantined, the digests.
    #[serde(default)]
    pub quarantined_digests: u64,
    /// Objects of accounts and Regions that their source does not speak for, which nobody
    /// accepted; not among those of the source.
    #[serde(default)]
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
    pub fn add(&mut self, outcome: Outcome, size_bytes: u64, way: Option<Way>) {
        match outcome {
            Outcome::Copied => {
                self.copied += 1;
                // A forged row may state any size.
                self.copied_bytes = self.copied_bytes.saturating_add(size_bytes);
                self.copied_inside_s3 += u64::from(way == Some(Way::Server));
            }
            Outcome::AlreadyThere => self.present += 1,
            Outcome::Conflict => self.conflicts += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Archived => self.archived += 1,
            Outcome::Foreign => self.foreign += 1,
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
        self.foreign += other.foreign;
        self.left += other.left;
        self.quarantined += other.quarantined;
        self.accepted += other.accepted;
        self.held_back += other.held_back;
        self.quarantined_digests += other.quarantined_digests;
        self.unbound += other.unbound;
    }
}

/// What the rows of one run add up to, to compare its end with.
#[derive(Debug, Clone, Default)]
pub struct RowSums {
    counts: Counts,
    has_begin: bool,
    /// By lane id, the first day that the run left incomplete.
    incomplete: BTreeMap<String, Date>,
}

impl RowSums {
    /// Adds a row of the run.
    pub fn take(&mut self, row: &Row) {
        match row {
            Row::Begin { .. } => self.has_begin = true,
            Row::Object(object) => self.counts.add(object.outcome, object.size_bytes, object.way),
            Row::Unit(unit) if !unit.counts.complete() => {
                let day = unit.unit.day;
                let first = self.incomplete.entry(unit.unit.lane.id()).or_insert(day);
                *first = day.min(*first);
            }
            Row::Unit(_) | Row::End { .. } => {}
        }
    }

    /// Whether the run's first row is among them.
    #[must_use]
    pub fn has_begin(&self) -> bool {
        self.has_begin
    }

    /// How the end of a run differs from its rows, all of which were added.
    ///
    /// Objects in quarantine and those that were in the archive are not compared: some
    /// have no row, and some rows are of no lane.
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
                ("unexpected", counts.foreign),
                ("held back", counts.held_back),
            ]
        };
        let differs = of(totals).into_iter().zip(of(&self.counts)).find(|(end, rows)| end != rows);
        if let Some(((what, end), (_, rows))) = differs {
            return Some(format!("its end states {end} {what}, its rows are {rows}"));
        }
        self.incomplete.iter().find_map(|(lane, day)| {
            let through = proven_through.get(lane).filter(|through| *through >= day)?;
            Some(format!("its end states {lane} complete through {through}, its rows not on {day}"))
        })
    }
}

/// A segment, read or to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its head.
    pub head: Head,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no segment.
    #[error("run record {number} cannot be read: {reason}")]
    Unreadable {
        /// The segment.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// The segment does not follow the one before it.
    #[error(
        "run record {number} does not follow the one before it: it names SHA-256 {found}, the record before has {wanted}"
    )]
    BrokenChain {
        /// The segment.
        number: u64,
        /// What its head says.
        found: String,
        /// What the segment before hashes to.
        wanted: String,
    },
    /// No number is left for another segment.
    #[error("run record {LAST_NUMBER} is there, the last that there can be: no run wrote so many")]
    NoneLeft,
    /// A segment is not there.
    #[error("run record {number} is missing")]
    Missing {
        /// The segment.
        number: u64,
    },
}

impl Segment {
    /// The segment as stored.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut gzip, &self.head)?;
        gzip.write_all(b"\n")?;
        for row in &self.rows {
            serde_json::to_writer(&mut gzip, row)?;
            gzip.write_all(b"\n")?;
        }
        gzip.finish()
    }

    /// Reads a stored segment, which must be the one numbered `number`.
    pub fn decode(number: u64, stored: &[u8]) -> Result<Self, RecordError> {
        Self::within(number, stored, MAX_SEGMENT_BYTES)
    }

    fn within(number: u64, stored: &[u8], limit: u64) -> Result<Self, RecordError> {
        let refuse = |reason: String| RecordError::Unreadable { number, reason };
        let mut inflated = BufReader::new(GzDecoder::new(stored).take(limit + 1));
        let mut lines = inflated.by_ref().lines();
        let head = lines
            .next()
            .ok_or_else(|| refuse("it is empty".to_owned()))?
            .map_err(|error| refuse(error.to_string()))?;
        let head: Head = serde_json::from_str(&head)
            .map_err(|error| refuse(format!("its head is no head: {}", json_fault(&error))))?;
        if head.version > FORMAT_VERSION {
            return Err(refuse(format!(
                "its format is version {}, this program knows up to {FORMAT_VERSION}",
                head.version
            )));
        }
        if head.number != number {
            return Err(refuse(format!("its head says that it is number {}", head.number)));
        }
        let (mut rows, mut begins) = (Vec::new(), 0);
        for line in lines {
            let line = line.map_err(|error| refuse(error.to_string()))?;
            let limit = if is_end(&line) { MAX_END_BYTES } else { MAX_ROW_BYTES };
            if line.len() > limit {
                return Err(refuse(format!("a row has {} bytes, at most {limit}", line.len())));
            }
            let row: Row = serde_json::from_str(&line)
                .map_err(|error| refuse(format!("a row is no row: {}", json_fault(&error))))?;
            begins += usize::from(matches!(row, Row::Begin { .. }));
            rows.push(row);
            if rows.len() > MAX_ROWS || begins > 1 {
                let reason = format!("it has more than 1 beginning, or than {MAX_ROWS} rows");
                return Err(refuse(reason));
            }
        }
        // Rows that end where the limit cuts them would pass for all.
        let gzip = inflated.into_inner();
        if gzip.limit() == 0 {
            return Err(refuse(format!("it inflates to more than {limit} bytes")));
        }
        if !gzip.into_inner().into_inner().is_empty() {
            return Err(refuse("something follows the end of its gzip stream".to_owned()));
        }
        Ok(Self { head, rows })
    }
}

/// Whether a line is the end of a run, as orgtrail writes it.
fn is_end(line: &str) -> bool {
    line.starts_with("{\"row\":\"end\"")
}

/// The SHA-256 of a segment as stored, in hex.
#[must_use]
pub fn sha256_hex(stored: &[u8]) -> String {
    hex::encode(digest(&SHA256, stored))
}

/// Checks segments one after the other, holding one hash.
#[derive(Debug, Default)]
pub struct ChainChecker {
    next: u64,
    previous_sha256: Option<String>,
}

impl ChainChecker {
    /// Takes the next stored segment, or `None` where it is missing although a
    /// later one is there.
    ///
    /// After a broken or unreadable segment the check goes on from its bytes,
    /// so that one bad segment is one finding.
    pub fn check(&mut self, stored: Option<&[u8]>) -> Result<Segment, RecordError> {
        let number = self.next;
        self.next += 1;
        let Some(stored) = stored else {
            self.previous_sha256 = None;
            return Err(RecordError::Missing { number });
        };
        let previous = self.previous_sha256.replace(sha256_hex(stored));
        let segment = Segment::decode(number, stored)?;
        // After a missing segment there is nothing to compare with.
        let comparable = number == 0 || previous.is_some();
        if comparable && segment.head.previous_sha256 != previous {
            let named = |hash: Option<String>| hash.unwrap_or_else(|| "none".to_owned());
            return Err(RecordError::BrokenChain {
                number,
                found: named(segment.head.previous_sha256),
                wanted: named(previous),
            });
        }
        Ok(segment)
    }

    /// Leaves out all segments before `number`, which are not there.
    pub fn skip_to(&mut self, number: u64) {
        self.next = number;
        self.previous_sha256 = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(length: u64) -> Vec<Vec<u8>> {
        let mut stored: Vec<Vec<u8>> = Vec::new();
        for number in 0..length {
            let segment = Segment {
                head: Head {
                    version: FORMAT_VERSION,
                    number,
                    previous_sha256: stored.last().map(|before| sha256_hex(before)),
                    run_id: "run".to_owned(),
                    written_at: Timestamp::UNIX_EPOCH,
                    written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
                    written_with: "orgtrail test".to_owned(),
                },
                rows: vec![Row::Begin { asked: serde_json::json!({ "number": number }) }],
            };
            stored.push(segment.encode().unwrap());
        }
        stored
    }

    fn findings(stored: &[Option<Vec<u8>>]) -> Vec<Result<Segment, RecordError>> {
        let mut checker = ChainChecker::default();
        stored.iter().map(|segment| checker.check(segment.as_deref())).collect()
    }

    #[test]
    fn an_untouched_chain_holds() {
        let stored: Vec<_> = chain(4).into_iter().map(Some).collect();
        assert!(findings(&stored).iter().all(Result::is_ok));
    }

    #[test]
    fn a_segment_that_the_limit_would_cut_after_a_row_is_refused() {
        let segment = Segment::decode(0, &chain(1)[0]).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        serde_json::to_writer(&mut gzip, &segment.head).unwrap();
        let head = serde_json::to_vec(&segment.head).unwrap().len() as u64;
        let row = br#"{"row":"object","key":"","source_bucket":"","source_key":"","size_bytes":0,"sha256":null,"outcome":"copied","reason":null}"#;
        gzip.write_all(b"\n").unwrap();
        gzip.write_all(row).unwrap();
        gzip.write_all(b"\n").unwrap();
        gzip.write_all(row).unwrap();
        let stored = gzip.finish().unwrap();
        let whole = head + 2 * (1 + row.len() as u64);
        assert!(Segment::within(0, &stored, whole).is_ok());
        // Up to the end of the first row, and with the line feed after it.
        let cut = head + 1 + row.len() as u64;
        assert!(Segment::within(0, &stored, cut + 1).is_err());
        let error = Segment::within(0, &stored, cut).unwrap_err().to_string();
        assert!(error.contains("inflates to more"), "{error}");
    }

    fn object(outcome: Outcome, size_bytes: u64) -> Row {
        Row::Object(ObjectRow {
            key: "k".to_owned(),
            origin_bucket: "b".to_owned(),
            origin_key: "k".to_owned(),
            size_bytes,
            sha256: None,
            outcome,
            reason: None,
            way: None,
            archived: None,
            quarantined_as: None,
        })
    }

    #[test]
    fn a_segment_with_more_than_a_run_writes_is_refused() {
        let segment = Segment::decode(0, &chain(1)[0]).unwrap();
        let refused = |rows: Vec<Row>| {
            let stored = Segment { head: segment.head.clone(), rows }.encode().unwrap();
            Segment::decode(0, &stored).map(|_| ()).map_err(|error| error.to_string())
        };
        let begin = |bytes| Row::Begin { asked: "a".repeat(bytes).into() };
        assert_eq!(refused(vec![begin(1)]), Ok(()));
        assert!(refused(vec![begin(1), begin(1)]).unwrap_err().contains("more than 1 beginning"));
        assert!(refused(vec![begin(MAX_ROW_BYTES)]).unwrap_err().contains("a row has"));
        let end = |lanes: usize| Row::End {
            totals: Counts::default(),
            complete: true,
            proven_through: (0..lanes).map(|lane| (format!("{lane:01000}"), Date::MIN)).collect(),
            full_listing_at: None,
        };
        // An end may be longer than other rows.
        assert_eq!(refused(vec![end(2 * MAX_ROW_BYTES / 1000)]), Ok(()));
        assert!(refused(vec![end(MAX_END_BYTES / 1000)]).unwrap_err().contains("a row has"));
        let many = vec![object(Outcome::Copied, 1); MAX_ROWS + 1];
        assert!(refused(many).unwrap_err().contains("100000 rows"));
    }

    #[test]
    fn an_end_that_its_rows_do_not_add_up_to_is_a_contradiction() {
        let mut sums = RowSums::default();
        let rows = [
            Row::Begin { asked: "".into() },
            object(Outcome::Copied, 10),
            object(Outcome::Copied, 20),
            object(Outcome::Failed, 5),
            object(Outcome::Quarantined, 5),
        ];
        for row in &rows {
            sums.take(row);
        }
        assert!(sums.has_begin());
        let totals = Counts { copied: 2, copied_bytes: 30, failed: 1, ..Counts::default() };
        assert_eq!(sums.contradiction(&totals, &BTreeMap::new()), None);
        // What was in the archive has no rows.
        let more = Counts { present: 7, source: 12, ..totals };
        assert_eq!(sums.contradiction(&more, &BTreeMap::new()), None);
        for wrong in [
            Counts { copied: 3, ..totals },
            Counts { copied_bytes: 31, ..totals },
            Counts { failed: 0, ..totals },
            Counts { conflicts: 1, ..totals },
        ] {
            assert!(sums.contradiction(&wrong, &BTreeMap::new()).is_some(), "{wrong:?}");
        }
        // Nor is a day complete that the rows left incomplete.
        let lane = crate::archive::units::Lane {
            bucket: "old".to_owned(),
            root: "AWSLogs/".to_owned(),
            account: "111111111111".parse().unwrap(),
            folder: "CloudTrail".to_owned(),
            region: "us-east-1".parse().unwrap(),
        };
        let day = jiff::civil::date(2026, 1, 10);
        let id = lane.id();
        let counts = Counts { failed: 1, ..Counts::default() };
        sums.take(&Row::Unit(UnitRow { unit: UnitId { lane, day }, counts }));
        let through = |day: Date| [(id.clone(), day)].into();
        assert_eq!(sums.contradiction(&totals, &through(day.yesterday().unwrap())), None);
        assert!(sums.contradiction(&totals, &through(day)).unwrap().contains("2026-01-10"));
    }

    #[test]
    fn sizes_that_no_object_has_do_not_overflow() {
        let mut sums = RowSums::default();
        let row = object(Outcome::Copied, u64::MAX);
        (0..2).for_each(|_| sums.take(&row));
        let totals = Counts { copied: 2, copied_bytes: u64::MAX, ..Counts::default() };
        assert_eq!(sums.contradiction(&totals, &BTreeMap::new()), None);
    }

    proptest! {
        #[test]
        fn a_segment_that_is_cut_or_goes_on_is_refused(at in any::<prop::sample::Index>(), more in any::<u8>()) {
            let stored = chain(1).remove(0);
            let cut = at.index(stored.len());
            prop_assert!(Segment::decode(0, &stored[..cut]).is_err());
            let longer = [stored.as_slice(), &[more]].concat();
            prop_assert!(Segment::decode(0, &longer).is_err());
        }

        #[test]
        fn any_flipped_bit_shows(number in 0_usize..3, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            // The last segment has none after it to tell on it, except by
            // being unreadable; so only those before it are touched.
            let mut stored = chain(4);
            let at = at.index(stored[number].len());
            stored[number][at] ^= 1 << bit;
            let stored: Vec<_> = stored.into_iter().map(Some).collect();
            prop_assert!(findings(&stored).iter().any(Result::is_err));
        }

        #[test]
        fn a_missing_segment_shows(number in 0_usize..3) {
            let mut stored: Vec<_> = chain(4).into_iter().map(Some).collect();
            stored[number] = None;
            let missing = findings(&stored)
                .into_iter()
                .filter(|finding| matches!(finding, Err(RecordError::Missing { .. })))
                .count();
            prop_assert_eq!(missing, 1);
        }

        #[test]
        fn swapped_segments_show(first in 0_usize..4, second in 0_usize..4) {
            prop_assume!(first != second);
            let mut stored = chain(4);
            stored.swap(first, second);
            let stored: Vec<_> = stored.into_iter().map(Some).collect();
            prop_assert!(findings(&stored).iter().any(Result::is_err));
        }

        #[test]
        fn hostile_bytes_are_an_error_and_no_panic(
            from in any::<prop::sample::Index>(),
            length in 0_usize..20,
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            prop_assert!(Segment::decode(0, &bytes).is_err());
            // Zipped as a segment is, so that the reader of rows meets them too.
            let mut text = Vec::new();
            GzDecoder::new(&chain(1)[0][..]).read_to_end(&mut text).unwrap();
            let from = from.index(text.len());
            let until = text.len().min(from + length);
            text.splice(from..until, bytes);
            let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
            zipped.write_all(&text).unwrap();
            if let Ok(segment) = Segment::decode(0, &zipped.finish().unwrap()) {
                let again = Segment::decode(0, &segment.encode().unwrap()).unwrap();
                prop_assert_eq!(again.encode().unwrap(), segment.encode().unwrap());
            }
        }
    }
}
