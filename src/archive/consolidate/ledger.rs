//! The sequence of run records in the archive: reading its end and appending to it.

use jiff::Timestamp;

use super::copy::{Target, WriteTarget};
use super::history::KeyHistories;
use super::record::{FOLDER, Head, RecordError, Row, RowSums, Segment, segment_key, sha256_hex};
use super::trusted::dated_in_the_future;
use crate::archive::authenticity::{Authenticity, MacKey, RecordKind, StoredRecord};
pub use crate::archive::sequence::Tip;
use crate::archive::sequence::{Sequence, SequenceError, Stored, number};
use crate::aws::{At, AwsError};
use crate::words::in_one_line;

/// The maximum number of records to read backwards to find the end of the last finished run:
/// anyone who can write below `orgtrail/` can add any number of records after it.
const MAX_READ_BACK: usize = 64;

/// The run records of one archive.
#[derive(Debug, Clone)]
pub struct Ledger {
    records: Sequence,
    /// The archive's prefix.
    prefix: Option<String>,
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It could not be stored or fetched.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// A record is malformed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The end of the sequence, and the faults of its last records.
#[derive(Debug, Clone, Default)]
pub struct LedgerEnd {
    /// The position of the next segment.
    pub tip: Tip,
    /// The end row of the last finished run; without a MAC key it is not authenticated.
    pub last: Option<Row>,
    /// Skipped records: key and reason.
    pub faults: Vec<(String, String)>,
    /// The record whose MAC could not be checked: key and reason. Earlier records were not read.
    pub unchecked: Option<(String, String)>,
}

/// The last finished run.
struct LastRun {
    /// The record with its end row.
    key: String,
    run_id: String,
    end: Row,
    /// The sums of its records that were read.
    sums: RowSums,
}

/// The fields of a segment that its MAC covers.
pub(crate) fn statement<'a>(key: &'a str, head: &'a Head, sha256: &'a str) -> StoredRecord<'a> {
    StoredRecord {
        kind: RecordKind::RunRecord,
        key,
        number: head.number,
        previous_sha256: head.previous_sha256.as_deref(),
        sha256,
    }
}

/// How a run's end row contradicts its other rows.
fn contradiction(end: &Row, sums: &RowSums) -> Option<String> {
    let Row::End { totals, proven_through, .. } = end else { return None };
    if !sums.has_begin() {
        return Some("not all records of its run could be read to compare its counts".to_owned());
    }
    sums.contradiction(totals, proven_through)
}

impl From<AwsError> for LedgerError {
    fn from(error: AwsError) -> Self {
        Self::Sequence(error.into())
    }
}

impl LedgerError {
    /// Whether the object itself is unreadable: malformed, archived, too large, or encrypted with
    /// a key of its writer.
    pub(super) fn is_of_object(&self) -> bool {
        match self {
            Self::Record(_) => true,
            Self::Sequence(error) => error.is_of_object(),
        }
    }
}

fn place(head: &Head) -> (u64, Option<&str>) {
    (head.number, head.previous_sha256.as_deref())
}

impl Ledger {
    /// The records of the archive `target`.
    #[must_use]
    pub fn new(target: Target, prefix: Option<String>) -> Self {
        let records = Sequence::new(target, prefix.as_deref(), FOLDER, RecordKind::RunRecord, None);
        Self { records, prefix }
    }

    /// Sets the MAC key that authenticates the records.
    #[must_use]
    pub fn authenticated_by(mut self, mac_key: Option<MacKey>) -> Self {
        self.records.mac_key = mac_key;
        self
    }

    /// The MAC key that authenticates the records.
    #[must_use]
    pub fn mac_key(&self) -> Option<&MacKey> {
        self.records.mac_key.as_ref()
    }

    /// Whether a segment's writer is authenticated; `None` if no MAC key is declared.
    pub(super) async fn authenticity(&self, head: &Head, stored: &Stored) -> Option<Authenticity> {
        self.records.authenticity(place(head), stored).await
    }

    /// Checks that KMS computes MACs, before anything is copied that could not be recorded.
    ///
    /// # Errors
    /// It does not.
    pub async fn check_mac_key(&self, head: &Head) -> Result<(), LedgerError> {
        Ok(self.records.check_mac_key(place(head)).await?)
    }

    /// Every segment's number and size, in order.
    ///
    /// # Errors
    /// The listing failed.
    pub async fn numbers(&self) -> Result<Vec<(u64, u64)>, LedgerError> {
        Ok(self.records.numbers().await?)
    }

    /// The version history of each segment, if the bucket keeps versions.
    ///
    /// # Errors
    /// The listing failed or is truncated: it lacks a segment that was `listed` before.
    pub(super) async fn key_histories(
        &self,
        listed: &[(u64, u64)],
    ) -> Result<KeyHistories, LedgerError> {
        let (target, folder) = (&self.records.target, self.records.folder());
        let clients = &target.clients;
        let of = |key: Option<&str>| number(key?.strip_prefix(folder)?);
        let mut past = KeyHistories::new();
        let (mut key, mut version) = (None, None);
        loop {
            let page = clients
                .s3()
                .list_object_versions()
                .bucket(target.bucket.as_str())
                .prefix(folder)
                .set_key_marker(key.take())
                .set_version_id_marker(version.take())
                .send()
                .await
                .at(clients, "s3:ListBucketVersions")?;
            for number in page.versions().iter().filter_map(|found| of(found.key())) {
                past.entry(number).or_default().versions += 1;
            }
            for marker in page.delete_markers().iter().filter(|m| m.is_latest() == Some(true)) {
                if let Some(number) = of(marker.key()) {
                    past.entry(number).or_default().deleted = true;
                }
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
            let is_whole =
                |past: &KeyHistories| listed.iter().all(|(number, _)| past.contains_key(number));
            match page.is_truncated {
                Some(false) if is_whole(&past) => return Ok(past),
                Some(true) if key.is_some() => {}
                _ => {
                    let found = "a truncated listing of versions";
                    return Err(clients.malformed("s3:ListBucketVersions", found).into());
                }
            }
        }
    }

    /// A segment as stored.
    ///
    /// # Errors
    /// It cannot be read, or is larger than any segment that a run writes.
    pub async fn stored(&self, number: u64, size_bytes: u64) -> Result<bytes::Bytes, LedgerError> {
        Ok(self.segment(number, size_bytes).await?.bytes)
    }

    /// A segment as stored, with its metadata.
    ///
    /// # Errors
    /// As of [`Self::stored`].
    pub(super) async fn segment(
        &self,
        number: u64,
        size_bytes: u64,
    ) -> Result<Stored, LedgerError> {
        match self.records.stored(number, size_bytes).await {
            Err(error @ SequenceError::TooLarge { .. }) => {
                let reason = error.to_string();
                Err(RecordError::Unreadable { number, reason }.into())
            }
            stored => Ok(stored?),
        }
    }

    /// The end of the sequence, the end row of the last finished run, and the faults of the
    /// records that were read for it.
    ///
    /// The sequence ends at the first free number, so an object with a high number blocks no
    /// run. A record that is unreadable, dated later than `now` or, with a MAC key, not
    /// authentic is a fault and is skipped. With `compared`, a run whose end row contradicts its
    /// rows is a fault too.
    ///
    /// # Errors
    /// The listing failed, or reading the last record failed temporarily or without permission.
    pub async fn end(&self, now: Timestamp, compared: bool) -> Result<LedgerEnd, LedgerError> {
        let numbers = self.numbers().await?;
        let next = (0..).zip(&numbers).take_while(|(free, (number, _))| free == number).count();
        let mut end = LedgerEnd {
            tip: Tip { next: next as u64, sha256: None },
            last: None,
            faults: Vec::new(),
            unchecked: None,
        };
        if let Some(&(first, _)) = numbers.get(next) {
            let reason = format!("{} records follow a gap in the numbers", numbers.len() - next);
            end.faults.push((segment_key(self.prefix.as_deref(), first), reason));
        }
        let sequence = numbers.get(..next).unwrap_or_default();
        let mut last: Option<LastRun> = None;
        for (at, &(number, size_bytes)) in sequence.iter().rev().take(MAX_READ_BACK).enumerate() {
            let key = segment_key(self.prefix.as_deref(), number);
            let stored = match self.segment(number, size_bytes).await {
                Ok(stored) => stored,
                Err(LedgerError::Sequence(error)) if at == 0 && error.is_retryable() => {
                    return Err(error.into());
                }
                Err(error) => {
                    end.faults.push((key, in_one_line(&error)));
                    continue;
                }
            };
            if at == 0 {
                end.tip.sha256 = Some(sha256_hex(&stored.bytes));
            }
            let segment = match Segment::decode(number, &stored.bytes) {
                Ok(segment) => segment,
                Err(error) => {
                    end.faults.push((key, error.to_string()));
                    continue;
                }
            };
            if let Some(reason) = dated_in_the_future(&segment, now) {
                end.faults.push((key, reason));
                continue;
            }
            match self.authenticity(&segment.head, &stored).await {
                None | Some(Authenticity::Mac { .. } | Authenticity::Listed) => {}
                Some(Authenticity::Unauthenticated { reason }) => {
                    end.faults.push((key, reason));
                    continue;
                }
                Some(Authenticity::Unknown { reason }) => {
                    end.unchecked = Some((key, reason));
                    break;
                }
            }
            let is_of_last = |last: &LastRun| last.run_id == segment.head.run_id;
            if last.is_none() {
                let row = segment.rows.iter().rev().find(|row| matches!(row, Row::End { .. }));
                last = row.map(|row| LastRun {
                    key,
                    run_id: segment.head.run_id.clone(),
                    end: row.clone(),
                    sums: RowSums::default(),
                });
            }
            let Some(last) = last.as_mut().filter(|last| is_of_last(last)) else { continue };
            for row in &segment.rows {
                last.sums.take(row);
            }
            if !compared || last.sums.has_begin() {
                break;
            }
        }
        if let Some(LastRun { key, end: row, sums, .. }) = last {
            match contradiction(&row, &sums).filter(|_| compared) {
                Some(reason) => end.faults.push((key, reason)),
                None => end.last = Some(row),
            }
        }
        Ok(end)
    }

    /// Writes rows as the next segment and advances `tip`.
    ///
    /// If another run took the number, the rows are appended after all existing segments.
    ///
    /// # Errors
    /// Nothing was written, as far as can be determined.
    pub async fn append(
        &self,
        target: &WriteTarget,
        tip: &mut Tip,
        head: Head,
        rows: Vec<Row>,
    ) -> Result<(), LedgerError> {
        let mut segment = Segment { head, rows };
        let encode = |tip: &Tip| {
            segment.head.number = tip.next;
            segment.head.previous_sha256.clone_from(&tip.sha256);
            segment.encode()
        };
        self.records.append(target, tip, encode).await?;
        Ok(())
    }
}
