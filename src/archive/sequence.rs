//! A sequence of records in the archive: numbered without gaps, each created once, with the
//! SHA-256 of the one before it.

use std::collections::HashMap;

use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;

use super::authenticity::{
    Authenticity, MAC_METADATA, MacKey, RecordKind, RecordTrust, StoredRecord,
};
use super::consolidate::copy::{CopyError, Origin, Target, WriteTarget, fetch, sha256};
use super::contention::{Contended, Contention, is_taken, is_write_conflict};
use super::inventory;
use crate::aws::{At, AwsError, ErrorKind};
use crate::names::prefix_folder;

/// The largest record. Units: bytes, as stored.
pub(crate) const MAX_STORED_BYTES: u64 = 64 << 20;

/// The last number that a record can have: its name has twelve digits.
pub(crate) const LAST_NUMBER: u64 = 999_999_999_999;

/// The records of one kind in an archive.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) target: Target,
    /// The folder of the records, with the archive's prefix.
    folder: String,
    kind: RecordKind,
    /// The MAC key that authenticates the records, if declared.
    pub(crate) mac_key: Option<MacKey>,
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A record could not be fetched.
    #[error("reading a record")]
    Fetch(#[from] CopyError),
    /// KMS did not compute the MAC of a record.
    #[error("authenticating the record")]
    Mac(#[source] AwsError),
    /// A record is larger than any that is written.
    #[error("{size_bytes} bytes, more than the maximum of {MAX_STORED_BYTES}")]
    TooLarge {
        /// Its size. Units: bytes.
        size_bytes: u64,
    },
    /// All numbers are taken.
    #[error(
        "record {LAST_NUMBER} exists, which is the last possible number: no run wrote that many"
    )]
    NoneLeft,
    /// Other runs wrote records at the same time in every attempt.
    #[error(transparent)]
    Contended(#[from] Contended),
    /// The record could not be encoded.
    #[error("encoding a record")]
    Encode(#[from] std::io::Error),
}

/// The end of a sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tip {
    /// The number that the next record takes.
    pub next: u64,
    /// SHA-256 of the last record as stored, in hexadecimal.
    pub sha256: Option<String>,
}

/// A record as stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: bytes::Bytes,
    /// Its object's metadata.
    pub(crate) metadata: HashMap<String, String>,
}

impl SequenceError {
    /// Whether the object itself is unreadable: archived, too large, or encrypted with a key of
    /// its writer.
    pub(crate) fn is_of_object(&self) -> bool {
        match self {
            Self::TooLarge { .. } => true,
            Self::Fetch(CopyError::Aws(error)) => {
                error.is_code("InvalidObjectState") || error.is_code("InvalidRequest")
            }
            _ => false,
        }
    }

    /// Whether a later run may read it, after a retry or with the permission that AWS names. A
    /// record after one that is skipped is not chained, as if the previous one had been altered:
    /// only those are skipped that would stop every later run.
    pub(crate) fn is_retryable(&self) -> bool {
        let Self::Fetch(CopyError::Aws(error)) = self else { return !self.is_of_object() };
        match error.kind() {
            // Anyone who can write a record can encrypt it with a KMS key that nobody may use, or
            // keep it (then AWS names no action).
            ErrorKind::AccessDenied => {
                error.message.as_deref().is_some_and(|message| message.contains("s3:GetObject"))
            }
            // Deleted after it was listed.
            ErrorKind::NotFound => false,
            _ if error.code.as_deref().is_some_and(|code| code.starts_with("KMS.")) => false,
            _ => !self.is_of_object(),
        }
    }
}

/// The key of record `number` below a folder of the archive.
pub(crate) fn record_key(prefix: Option<&str>, folder: &str, number: u64) -> String {
    let prefix = prefix_folder(prefix);
    format!("{prefix}{folder}{number:012}.jsonl.gz")
}

impl Sequence {
    /// The records below `folder`, such as `orgtrail/runs/`, of an archive.
    pub(crate) fn new(
        target: Target,
        prefix: Option<&str>,
        folder: &str,
        kind: RecordKind,
        mac_key: Option<MacKey>,
    ) -> Self {
        let prefix = prefix_folder(prefix);
        Self { target, folder: format!("{prefix}{folder}"), kind, mac_key }
    }

    /// The folder of the records.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// The key of a record.
    pub(crate) fn key(&self, number: u64) -> String {
        record_key(None, &self.folder, number)
    }

    /// Every record's number and size, in order.
    pub(crate) async fn numbers(&self) -> Result<Vec<(u64, u64)>, SequenceError> {
        let Target { clients, bucket, .. } = &self.target;
        let mut listing = inventory::list(clients, bucket, self.folder.clone(), None);
        let mut numbers = Vec::new();
        while let Some(listed) = listing.next().await {
            let listed = listed?;
            numbers.extend(number(&listed.path).map(|number| (number, listed.size_bytes)));
        }
        Ok(numbers)
    }

    /// A record as stored, with its metadata.
    ///
    /// # Errors
    /// It cannot be read, or is larger than any record that a run writes.
    pub(crate) async fn stored(
        &self,
        number: u64,
        size_bytes: u64,
    ) -> Result<Stored, SequenceError> {
        if size_bytes > MAX_STORED_BYTES {
            return Err(SequenceError::TooLarge { size_bytes });
        }
        let key = self.key(number);
        let origin = Origin {
            clients: &self.target.clients,
            bucket: &self.target.bucket,
            key: &key,
            size_bytes,
            etag: None,
        };
        let (object, bytes) = fetch(origin, None).await?;
        Ok(Stored { bytes, metadata: object.metadata.unwrap_or_default() })
    }

    /// The fields of a record that its MAC covers.
    fn statement<'a>(
        &self,
        key: &'a str,
        (number, previous_sha256): (u64, Option<&'a str>),
        sha256: &'a str,
    ) -> StoredRecord<'a> {
        StoredRecord { kind: self.kind, key, number, previous_sha256, sha256 }
    }

    /// Whether a record's writer is authenticated; `None` if no MAC key is declared.
    pub(crate) async fn authenticity(
        &self,
        place: (u64, Option<&str>),
        stored: &Stored,
    ) -> Option<Authenticity> {
        let mac_key = self.mac_key.clone()?;
        let trust = RecordTrust { mac_key: Some(mac_key), ..RecordTrust::default() };
        let (key, sha256) = (self.key(place.0), hex::encode(sha256(&stored.bytes)));
        Some(trust.of(self.statement(&key, place, &sha256), &stored.metadata).await)
    }

    /// Checks that KMS computes MACs, before anything is done that could not be recorded.
    ///
    /// # Errors
    /// It does not.
    pub(crate) async fn check_mac_key(
        &self,
        place: (u64, Option<&str>),
    ) -> Result<(), SequenceError> {
        let Some(mac_key) = &self.mac_key else { return Ok(()) };
        // No record has this key, so the MAC is useless to others.
        let code = mac_key.code(self.statement("", place, ""));
        code.await.map(drop).map_err(SequenceError::Mac)
    }

    /// The position of the next record.
    ///
    /// # Errors
    /// The listing failed, or reading the last record failed temporarily or without permission.
    pub(crate) async fn tip(&self) -> Result<Tip, SequenceError> {
        let numbers = self.numbers().await?;
        let next = (0..).zip(&numbers).take_while(|(free, (number, _))| free == number).count();
        let last = next.checked_sub(1).and_then(|last| numbers.get(last));
        let sha256 = match last {
            Some(&(number, size_bytes)) => match self.stored(number, size_bytes).await {
                Ok(stored) => Some(hex::encode(sha256(&stored.bytes))),
                Err(error) if error.is_retryable() => return Err(error),
                // An unreadable record has no known hash.
                Err(_) => None,
            },
            None => None,
        };
        Ok(Tip { next: next as u64, sha256 })
    }

    /// Whether a record has this content.
    async fn has_content(&self, number: u64, stored: &[u8]) -> Result<bool, SequenceError> {
        let size_bytes = stored.len() as u64;
        let listed = self.numbers().await?.contains(&(number, size_bytes));
        Ok(listed && self.stored(number, size_bytes).await?.bytes == stored)
    }

    /// Writes what `encode` makes for a position as the next record, and advances `tip`. Returns
    /// the record's number.
    ///
    /// If another run took the number, it is appended after all existing records.
    ///
    /// # Errors
    /// Nothing was written, as far as can be determined.
    pub(crate) async fn append(
        &self,
        target: &WriteTarget,
        tip: &mut Tip,
        mut encode: impl FnMut(&Tip) -> std::io::Result<Vec<u8>> + Send,
    ) -> Result<u64, SequenceError> {
        let mut contention = Contention::new();
        loop {
            let number = tip.next;
            if number > LAST_NUMBER {
                return Err(SequenceError::NoneLeft);
            }
            let stored = encode(tip)?;
            let hash = sha256(&stored);
            let key = self.key(number);
            let code = match &self.mac_key {
                Some(mac_key) => {
                    let sha256 = hex::encode(hash);
                    let place = (number, tip.sha256.as_deref());
                    let code = mac_key.code(self.statement(&key, place, &sha256));
                    Some(code.await.map_err(SequenceError::Mac)?)
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
                    *tip = Tip { next: number + 1, sha256: Some(hex::encode(hash)) };
                    return Ok(number);
                }
                Err(error) if is_taken(&error) => {
                    // This may be our write whose response was lost; other records may follow it.
                    let is_ours = self.has_content(number, &stored).await?;
                    *tip = self.tip().await?;
                    if is_ours {
                        return Ok(number);
                    }
                    contention.wait(&key).await?;
                }
                Err(error) if is_write_conflict(&error) => contention.wait(&key).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The number in a record's name; `None` if the name is not canonical.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl.gz")?;
    let is_number = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Failure;

    #[test]
    fn only_a_records_own_name_is_its_number() {
        assert_eq!(number("000000000007.jsonl.gz"), Some(7));
        for name in ["7.jsonl.gz", "0000000000007.jsonl.gz", "+00000000007.jsonl.gz", "a", ""] {
            assert_eq!(number(name), None, "{name}");
        }
    }

    fn failed(kind: ErrorKind, code: &str, message: Option<&str>) -> SequenceError {
        let failure = Failure {
            operation: "GetObject".to_owned(),
            service: "s3".to_owned(),
            account: None,
            region: None,
            principal: None,
            kind,
            code: Some(code.to_owned()),
            message: message.map(str::to_owned),
            request_id: None,
            bucket_region: None,
            source: None,
        };
        SequenceError::Fetch(CopyError::Aws(failure.into()))
    }

    #[test]
    fn only_what_would_stop_every_run_is_skipped() {
        let denied = |message| failed(ErrorKind::AccessDenied, "AccessDenied", message);
        let of_reader = "User: x is not authorized to perform: s3:GetObject on resource: y because \
                         no identity-based policy allows the s3:GetObject action";
        assert!(denied(Some(of_reader)).is_retryable());
        let of_object = "User: x is not authorized to perform: kms:Decrypt on resource: y because \
                         no resource-based policy allows the kms:Decrypt action";
        for message in [Some(of_object), Some("Access Denied"), None] {
            assert!(!denied(message).is_retryable(), "{message:?}");
        }
        for code in ["InvalidObjectState", "InvalidRequest", "KMS.DisabledException"] {
            assert!(!failed(ErrorKind::Other, code, None).is_retryable(), "{code}");
        }
        for code in ["InternalError", "SlowDown"] {
            assert!(failed(ErrorKind::Other, code, None).is_retryable(), "{code}");
        }
    }
}
