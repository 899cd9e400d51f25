//! The sequence of run records in the archive: reading its end and appending to it.

use std::collections::HashMap;

use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use jiff::Timestamp;

use super::copy::{CopyError, Origin, Target, WriteTarget, fetch, sha256};
use super::history::KeyHistories;
use super::record::{
    Head, LAST_NUMBER, RecordError, Row, RowSums, Segment, segment_key, sha256_hex,
};
use super::trusted::dated_in_the_future;
use crate::archive::authenticity::{
    Authenticity, MAC_METADATA, MacKey, RecordKind, RecordTrust, StoredRecord,
};
use crate::archive::contention::{Contended, Contention, is_taken, is_write_conflict};
use crate::archive::inventory;
use crate::aws::{At, AwsError, ErrorKind};
use crate::words::in_one_line;

/// The maximum size of a record. Units: bytes, as stored.
pub(crate) const MAX_STORED_BYTES: u64 = 64 << 20;

/// The maximum number of records to read backwards to find the end of the last finished run:
/// anyone who can write below `orgtrail/` can add any number of records after it.
const MAX_READ_BACK: usize = 64;

/// The run records of one archive.
#[derive(Debug, Clone)]
pub struct Ledger {
    target: Target,
    /// The archive's prefix.
    prefix: Option<String>,
    /// The MAC key that authenticates the records, if declared.
    mac_key: Option<MacKey>,
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A record could not be fetched.
    #[error("reading a run record")]
    Fetch(#[from] CopyError),
    /// KMS did not compute the MAC of a record.
    #[error("authenticating the run record")]
    Mac(#[source] AwsError),
    /// A record is malformed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Other runs wrote records at the same time in every attempt.
    #[error(transparent)]
    Contended(#[from] Contended),
    /// The rows could not be encoded.
    #[error("encoding a run record")]
    Encode(#[from] std::io::Error),
}

/// The end of the sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tip {
    /// The number that the next segment takes.
    pub next: u64,
    /// SHA-256 of the last segment as stored, in hex.
    pub sha256: Option<String>,
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

/// A segment as stored.
#[derive(Debug)]
pub(super) struct StoredSegment {
    pub(super) bytes: bytes::Bytes,
    /// Its object's metadata.
    pub(super) metadata: HashMap<String, String>,
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

impl LedgerError {
    /// Whether the object itself is unreadable: archived, or encrypted with a key of its writer.
    pub(super) fn is_of_object(&self) -> bool {
        match self {
            Self::Record(_) => true,
            Self::Fetch(CopyError::Aws(error)) => {
                error.is_code("InvalidObjectState") || error.is_code("InvalidRequest")
            }
            _ => false,
        }
    }
}

impl LedgerError {
    /// Whether the read may succeed when retried. Without a retry, a record after an unreadable
    /// one could not be chained, as if the previous record had been altered.
    fn is_retryable(&self) -> bool {
        let (Self::Aws(error) | Self::Fetch(CopyError::Aws(error))) = self else {
            let cut = |error: &CopyError| {
                matches!(error, CopyError::Body { .. } | CopyError::Size { .. })
            };
            return matches!(self, Self::Fetch(error) if cut(error));
        };
        match error.kind() {
            ErrorKind::Throttled
            | ErrorKind::Busy
            | ErrorKind::Timeout
            | ErrorKind::Expired
            | ErrorKind::Network
            | ErrorKind::Stopped => true,
            // AWS did not refuse it: the answer was cut off.
            ErrorKind::Other => error.code.is_none(),
            _ => false,
        }
    }
}

impl Ledger {
    /// The records of the archive `target`.
    #[must_use]
    pub fn new(target: Target, prefix: Option<String>) -> Self {
        Self { target, prefix, mac_key: None }
    }

    /// Sets the MAC key that authenticates the records.
    #[must_use]
    pub fn authenticated_by(self, mac_key: Option<MacKey>) -> Self {
        Self { mac_key, ..self }
    }

    /// The MAC key that authenticates the records.
    #[must_use]
    pub fn mac_key(&self) -> Option<&MacKey> {
        self.mac_key.as_ref()
    }

    /// Whether a segment's writer is authenticated; `None` if no MAC key is declared.
    pub(super) async fn authenticity(
        &self,
        head: &Head,
        stored: &StoredSegment,
    ) -> Option<Authenticity> {
        let mac_key = self.mac_key.clone()?;
        let trust = RecordTrust { mac_key: Some(mac_key), ..RecordTrust::default() };
        let key = segment_key(self.prefix.as_deref(), head.number);
        Some(trust.of(statement(&key, head, &sha256_hex(&stored.bytes)), &stored.metadata).await)
    }

    /// Checks that KMS computes MACs, before anything is copied that could not be recorded.
    ///
    /// # Errors
    /// It does not.
    pub async fn check_mac_key(&self, head: &Head) -> Result<(), LedgerError> {
        let Some(mac_key) = &self.mac_key else { return Ok(()) };
        // No record has this key, so the MAC is useless to others.
        let code = mac_key.code(statement("", head, ""));
        code.await.map(drop).map_err(LedgerError::Mac)
    }

    /// Every segment's number and size, in order.
    pub async fn numbers(&self) -> Result<Vec<(u64, u64)>, LedgerError> {
        let folder = self.folder();
        let mut listing = inventory::list(&self.target.clients, &self.target.bucket, folder, None);
        let mut numbers = Vec::new();
        while let Some(listed) = listing.next().await {
            let listed = listed?;
            numbers.extend(number(&listed.path).map(|number| (number, listed.size_bytes)));
        }
        Ok(numbers)
    }

    /// The version history of each segment, if the bucket keeps versions.
    ///
    /// # Errors
    /// The listing failed or is truncated: it lacks a segment that was `listed` before.
    pub(super) async fn key_histories(
        &self,
        listed: &[(u64, u64)],
    ) -> Result<KeyHistories, LedgerError> {
        let (clients, folder) = (&self.target.clients, self.folder());
        let of = |key: Option<&str>| number(key?.strip_prefix(&folder)?);
        let mut past = KeyHistories::new();
        let (mut key, mut version) = (None, None);
        loop {
            let page = clients
                .s3()
                .list_object_versions()
                .bucket(self.target.bucket.as_str())
                .prefix(&folder)
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

    /// The folder of the segments.
    fn folder(&self) -> String {
        let first = segment_key(self.prefix.as_deref(), 0);
        first.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned() + "/"
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
    ) -> Result<StoredSegment, LedgerError> {
        if size_bytes > MAX_STORED_BYTES {
            let reason = format!("{size_bytes} bytes, more than the maximum of {MAX_STORED_BYTES}");
            return Err(RecordError::Unreadable { number, reason }.into());
        }
        let key = segment_key(self.prefix.as_deref(), number);
        let origin = Origin {
            clients: &self.target.clients,
            bucket: &self.target.bucket,
            key: &key,
            size_bytes,
            etag: None,
        };
        let (object, bytes) = fetch(origin, None).await?;
        Ok(StoredSegment { bytes, metadata: object.metadata.unwrap_or_default() })
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
    /// The listing failed, or reading the last record failed temporarily.
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
                Err(error) if at == 0 && error.is_retryable() => return Err(error),
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

    /// The position of the next segment.
    async fn tip(&self) -> Result<Tip, LedgerError> {
        let numbers = self.numbers().await?;
        let next = (0..).zip(&numbers).take_while(|(free, (number, _))| free == number).count();
        let last = next.checked_sub(1).and_then(|last| numbers.get(last));
        let sha256 = match last {
            Some(&(number, size_bytes)) => {
                match self.stored(number, size_bytes).await {
                    Ok(stored) => Some(sha256_hex(&stored)),
                    Err(error) if error.is_retryable() => return Err(error),
                    // An unreadable segment has no known hash.
                    Err(_) => None,
                }
            }
            None => None,
        };
        Ok(Tip { next: next as u64, sha256 })
    }

    /// Whether a segment has this content.
    async fn has_content(&self, number: u64, stored: &[u8]) -> Result<bool, LedgerError> {
        let size_bytes = stored.len() as u64;
        let listed = self.numbers().await?.contains(&(number, size_bytes));
        Ok(listed && self.stored(number, size_bytes).await? == stored)
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
        mut head: Head,
        rows: Vec<Row>,
    ) -> Result<(), LedgerError> {
        let mut segment = Segment { head: head.clone(), rows };
        let mut contention = Contention::new();
        loop {
            if tip.next > LAST_NUMBER {
                return Err(RecordError::NoneLeft.into());
            }
            head.number = tip.next;
            head.previous_sha256.clone_from(&tip.sha256);
            segment.head.clone_from(&head);
            let stored = segment.encode()?;
            let hash = sha256(&stored);
            let key = segment_key(self.prefix.as_deref(), head.number);
            let code = match &self.mac_key {
                Some(mac_key) => {
                    let sha256 = hex::encode(hash);
                    let code = mac_key.code(statement(&key, &head, &sha256));
                    Some(code.await.map_err(LedgerError::Mac)?)
                }
                None => None,
            };
            let put = target
                .writer()
                .s3()
                .put_object()
                .bucket(self.target.bucket.as_str())
                .key(&key)
                .if_none_match("*")
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .checksum_sha256(BASE64_STANDARD.encode(hash))
                .content_type("application/x-ndjson")
                .content_encoding("gzip")
                .set_metadata(code.map(|code| [(MAC_METADATA.to_owned(), code)].into()))
                .body(stored.clone().into())
                .send()
                .await
                .at(&self.target.clients, "s3:PutObject");
            match put {
                Ok(_) => {
                    *tip = Tip { next: head.number + 1, sha256: Some(hex::encode(hash)) };
                    return Ok(());
                }
                Err(error) if is_taken(&error) => {
                    // This may be our write whose response was lost; other segments may follow
                    // it.
                    let is_ours = self.has_content(head.number, &stored).await?;
                    *tip = self.tip().await?;
                    if is_ours {
                        return Ok(());
                    }
                    contention.wait(&key).await?;
                }
                Err(error) if is_write_conflict(&error) => contention.wait(&key).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The segment number in an object's name; `None` if the name is not canonical.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl.gz")?;
    let is_number = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_records_own_name_is_its_number() {
        assert_eq!(number("000000000007.jsonl.gz"), Some(7));
        for name in ["7.jsonl.gz", "0000000000007.jsonl.gz", "+00000000007.jsonl.gz", "a", ""] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
