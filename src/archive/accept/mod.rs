//! Accepted findings: which object (by version and hash), by whom, when and why.
//!
//! The archive has one sequence of records, `orgtrail/accepted/<number>.json`. Each is
//! written once (`If-None-Match: *`), is locked by the bucket's default retention, and
//! names the SHA-256 of the record before it.
//!
//! **Invariant**: a record is about bytes, not about a key: the object must still have the
//! accepted version and SHA-256, so a file that was changed later is not accepted. An
//! accepted finding becomes a notice and is still reported.
//! **Invariant**: only an authenticated record is effective, because anyone who can write
//! below `orgtrail/` can write a record (`authenticity.rs`).

pub mod apply;
mod write;

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::write::{AcceptError, Accepting, Written, accept};
use super::authenticity::{Authenticity, RecordKind, RecordTrust, StoredRecord};
use super::consolidate::quarantine::refused_key;
use super::stored::{self, nullable};
use super::verify::digest::sha256_hex;
use super::verify::source::{FetchedObject, ListedObject, Source};
use crate::names::prefix_folder;

/// The folder of the records, below the archive's prefix.
pub const FOLDER: &str = "orgtrail/accepted/";

/// The version of the records' format.
pub const FORMAT_VERSION: u32 = 1;

/// The largest record that is read. Units: bytes.
const MAX_RECORD_BYTES: u64 = 64 << 10;

/// Records that are read at once.
const RECORDS_AT_ONCE: usize = 16;

/// The key of record `number`.
#[must_use]
pub fn record_key(prefix: Option<&str>, number: u64) -> String {
    let prefix = prefix_folder(prefix);
    format!("{prefix}{FOLDER}{number:012}.json")
}

/// The record number in an object's name.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let is_number = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// One accepted object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "document", rename = "acceptance")]
pub struct Acceptance {
    /// [`FORMAT_VERSION`] when it was written.
    pub version: u32,
    /// The record's place in the sequence, from 0.
    pub number: u64,
    /// SHA-256 of the record before, in hexadecimal; null for the first.
    #[serde(deserialize_with = "nullable")]
    pub previous_sha256: Option<String>,
    /// The object's key: of a log prefix, or in quarantine.
    pub key: String,
    /// The object's version, where the bucket has versions.
    #[serde(deserialize_with = "nullable")]
    pub version_id: Option<String>,
    /// SHA-256 of the object's bytes as stored, in hexadecimal.
    pub sha256: String,
    /// How long the object is. Units: bytes.
    pub size_bytes: u64,
    /// The codes of the accepted findings; empty for an object that only consolidation reports.
    pub findings: Vec<String>,
    /// Whether the acceptance covers findings that contradict a digest.
    pub contradicts_digest: bool,
    /// Why.
    pub reason: String,
    /// Who accepted it: the caller's ARN.
    pub accepted_by: String,
    /// When.
    pub accepted_at: Timestamp,
    /// The program and its version.
    #[serde(rename = "program")]
    pub accepted_with: String,
}

impl Acceptance {
    /// The key that findings refer to: for a quarantined object, its original key.
    #[must_use]
    pub fn subject(&self, prefix: Option<&str>) -> &str {
        refused_key(prefix, &self.key).unwrap_or(&self.key)
    }
}

/// A record, and whether its writer is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptanceRecord {
    /// Its content.
    pub acceptance: Acceptance,
    /// Its own key.
    pub record: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub record_sha256: String,
    /// Whether its writer is authenticated.
    pub authenticated: Authenticity,
}

impl AcceptanceRecord {
    /// Whether it is effective: only authenticated records are.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.authenticated.is_authenticated()
    }
}

/// The intact records of an archive, and the faults of the others.
#[derive(Debug, Clone, Default)]
pub struct Acceptances {
    /// Where the records were read from; `None` if they could not be read.
    records_of: Option<Arc<Source>>,
    /// The archive's prefix.
    prefix: Option<String>,
    /// In their order.
    pub records: Vec<AcceptanceRecord>,
    /// The SHA-256 of the record before the first free number.
    tip_sha256: Option<String>,
    /// The SHA-256 of the record that was read last.
    last_sha256: Option<String>,
    /// The number that the next record takes.
    next: u64,
    /// Faults of missing, altered or malformed records, by key.
    pub faults: Vec<(String, String)>,
    /// What could not be read, and why.
    pub unreadable: Vec<(String, String)>,
}

impl Acceptances {
    /// No records.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the records of an archive.
    ///
    /// A malformed record is a fault and is ignored. Later records remain effective, since each
    /// is about its own object. `trust` decides which records are effective.
    pub async fn read(source: Arc<Source>, prefix: Option<&str>, trust: &RecordTrust) -> Self {
        let mut all = Self { prefix: prefix.map(str::to_owned), ..Self::default() };
        let folder = record_key(prefix, 0);
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned() + "/";
        let listed: Result<Vec<_>, _> = source.list(&folder, None).try_collect().await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                all.unreadable.push((folder, error.source.to_string()));
                return all;
            }
        };
        let fetched = |object: ListedObject| {
            let (source, folder) = (&source, &folder);
            async move {
                let name = object.key.strip_prefix(folder.as_str());
                let is_read =
                    name.and_then(number).is_some() && object.size_bytes <= MAX_RECORD_BYTES;
                let fetched =
                    if is_read { Some(source.fetch(None, &object.key).await) } else { None };
                (object, fetched)
            }
        };
        let mut records = stream::iter(listed).map(fetched).buffered(RECORDS_AT_ONCE);
        let mut expected = 0;
        while let Some((object, fetched)) = records.next().await {
            let Some(number) = object.key.strip_prefix(&folder).and_then(number) else {
                all.faults.push((object.key, "the name is not that of a record".to_owned()));
                continue;
            };
            let follows = number == expected;
            let is_before_gap = number == all.next;
            if !follows {
                let reason = format!("records {expected} to {} are missing", number - 1);
                all.faults.push((object.key.clone(), reason));
                all.last_sha256 = None;
            }
            // The next record takes the first free number, so a record with a high number blocks
            // nothing.
            expected = number.saturating_add(1);
            if is_before_gap {
                all.next = expected;
                all.tip_sha256 = None;
            }
            let Some(fetched) = fetched else {
                all.last_sha256 = None;
                all.faults.push((
                    object.key,
                    "it is larger than the maximum size of a record".to_owned(),
                ));
                continue;
            };
            match fetched {
                Ok(fetched) => {
                    all.take(object.key, number, follows, &fetched, trust).await;
                    if is_before_gap {
                        all.tip_sha256.clone_from(&all.last_sha256);
                    }
                }
                Err(error) => {
                    all.last_sha256 = None;
                    all.unreadable.push((object.key, error.to_string()));
                }
            }
        }
        drop(records);
        all.records_of = Some(source);
        all
    }

    async fn take(
        &mut self,
        key: String,
        number: u64,
        follows: bool,
        stored: &FetchedObject,
        trust: &RecordTrust,
    ) {
        let record_sha256 = sha256_hex(&stored.bytes);
        let previous = self.last_sha256.replace(record_sha256.clone());
        let record: Acceptance = match stored::read(&stored.bytes, "acceptance", FORMAT_VERSION) {
            Ok(record) => record,
            Err(fault) => return self.faults.push((key, fault.to_string())),
        };
        let fault = if record.number != number {
            Some(format!("its content says that it is number {}", record.number))
        } else if follows
            && record.previous_sha256 != previous
            && (previous.is_some() || number == 0)
        {
            Some("it does not contain the hash of the previous record".to_owned())
        } else {
            None
        };
        if let Some(fault) = fault {
            return self.faults.push((key, fault));
        }
        let as_stored = StoredRecord {
            kind: RecordKind::Acceptance,
            key: &key,
            number,
            previous_sha256: record.previous_sha256.as_deref(),
            sha256: &record_sha256,
        };
        let authenticated = trust.of(as_stored, &stored.metadata).await;
        let record =
            AcceptanceRecord { acceptance: record, record: key, record_sha256, authenticated };
        self.records.push(record);
    }

    /// Whether an object with this content and key was accepted in quarantine.
    #[must_use]
    pub fn has_quarantined(&self, key: &str, sha256: &[u8]) -> bool {
        let sha256 = hex::encode(sha256);
        let mut counting = self.of(key).filter(|record| record.counts());
        counting.any(|record| record.acceptance.key != key && record.acceptance.sha256 == sha256)
    }

    /// Whether an object with this content was accepted at `key` itself.
    #[must_use]
    pub fn has_in_place(&self, key: &str, sha256: &[u8]) -> bool {
        let sha256 = hex::encode(sha256);
        let mut counting = self.of(key).filter(|record| record.counts());
        counting.any(|record| record.acceptance.key == key && record.acceptance.sha256 == sha256)
    }

    /// Whether any object was accepted at `key` itself.
    #[must_use]
    pub fn may_have_in_place(&self, key: &str) -> bool {
        self.of(key).any(|record| record.counts() && record.acceptance.key == key)
    }

    /// Whether any object with this key was accepted in quarantine.
    #[must_use]
    pub fn may_have_quarantined(&self, key: &str) -> bool {
        self.of(key).any(|record| record.counts() && record.acceptance.key != key)
    }

    /// The records for the key that findings refer to, newest first.
    fn of<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a AcceptanceRecord> {
        let prefix = self.prefix.as_deref();
        let records = self.records.iter().rev();
        records.filter(move |record| record.acceptance.subject(prefix) == subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::source::FolderSource;

    fn record(number: u64, previous: Option<&str>) -> Acceptance {
        Acceptance {
            version: 1,
            number,
            previous_sha256: previous.map(str::to_owned),
            key: format!("AWSLogs/{number}"),
            version_id: None,
            sha256: "00".to_owned(),
            size_bytes: 1,
            findings: vec!["log-unlisted".to_owned()],
            contradicts_digest: false,
            reason: "known".to_owned(),
            accepted_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
            accepted_at: Timestamp::UNIX_EPOCH,
            accepted_with: "orgtrail test".to_owned(),
        }
    }

    /// Three records, as stored.
    fn chain() -> Vec<Vec<u8>> {
        let mut stored: Vec<Vec<u8>> = Vec::new();
        for number in 0..3 {
            let previous = stored.last().map(|stored| sha256_hex(stored));
            stored.push(serde_json::to_vec(&record(number, previous.as_deref())).unwrap());
        }
        stored
    }

    async fn read(stored: &[Option<Vec<u8>>]) -> Acceptances {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        for (number, stored) in stored.iter().enumerate() {
            if let Some(stored) = stored {
                std::fs::write(folder.path().join(record_key(None, number as u64)), stored)
                    .unwrap();
            }
        }
        let source = Source::Folder(FolderSource::new(folder.path().to_owned()));
        Acceptances::read(Arc::new(source), None, &RecordTrust::default()).await
    }

    #[tokio::test]
    async fn an_untouched_chain_of_records_counts() {
        let stored: Vec<_> = chain().into_iter().map(Some).collect();
        let all = read(&stored).await;
        assert_eq!((all.records.len(), all.next), (3, 3));
        assert!(all.faults.is_empty() && all.unreadable.is_empty(), "{all:?}");
        assert!(read(&[]).await.records.is_empty());
    }

    #[tokio::test]
    async fn an_altered_record_is_a_fault_and_so_is_the_one_that_names_it() {
        let mut stored = chain();
        let text = String::from_utf8(stored[1].clone()).unwrap().replace("known", "forged");
        stored[1] = text.into_bytes();
        let all = read(&stored.into_iter().map(Some).collect::<Vec<_>>()).await;
        assert_eq!(all.faults.len(), 1, "{all:?}");
        assert!(all.faults[0].0.ends_with("000000000002.json"), "{all:?}");
    }

    #[tokio::test]
    async fn a_record_with_a_high_number_blocks_none() {
        let mut stored: Vec<_> = chain().into_iter().map(Some).collect();
        let last = sha256_hex(stored[2].as_ref().unwrap());
        stored.extend([None, None, Some(b"nothing".to_vec())]);
        let all = read(&stored).await;
        assert_eq!((all.records.len(), all.next), (3, 3));
        assert_eq!(all.tip_sha256, Some(last));
    }

    #[tokio::test]
    async fn missing_and_malformed_records_are_faults_and_the_others_count() {
        let mut stored: Vec<_> = chain().into_iter().map(Some).collect();
        stored[1] = None;
        stored.push(Some(b"nothing".to_vec()));
        let all = read(&stored).await;
        assert_eq!(all.records.len(), 2);
        assert_eq!(all.faults.len(), 2, "{all:?}");
    }

    #[test]
    fn a_quarantined_object_refers_to_its_original_key() {
        let mut accepted = record(0, None);
        accepted.key = format!("orgtrail/quarantine/{}/AWSLogs/x", "00".repeat(32));
        accepted.sha256 = "00".repeat(32);
        assert_eq!(accepted.subject(None), "AWSLogs/x");
        let mut record = AcceptanceRecord {
            acceptance: accepted,
            record: record_key(None, 0),
            record_sha256: "11".repeat(32),
            authenticated: Authenticity::Unauthenticated { reason: String::new() },
        };
        let all = Acceptances { records: vec![record.clone()], ..Acceptances::none() };
        assert!(!all.has_quarantined("AWSLogs/x", &[0; 32]), "nothing authenticates it");
        assert!(!all.may_have_quarantined("AWSLogs/x"));
        record.authenticated = Authenticity::Listed;
        let all = Acceptances { records: vec![record], ..Acceptances::none() };
        assert!(all.has_quarantined("AWSLogs/x", &[0; 32]));
        assert!(!all.has_quarantined("AWSLogs/x", &[1; 32]));
        assert!(all.may_have_quarantined("AWSLogs/x") && !all.may_have_quarantined("AWSLogs/y"));
    }
}
