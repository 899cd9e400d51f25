use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::{Earlier, FOLDER, ProofRecord};
use crate::archive::authenticity::{Authenticity, RecordKind, RecordTrust, StoredRecord};
use crate::archive::sequence::{MAX_STORED_BYTES, number};
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::source::{ListedObject, Source};
use crate::names::prefix_folder;

/// The maximum number of records to read backwards: anyone who can write below `orgtrail/` can
/// add any number of records.
const MAX_READ_BACK: usize = 8;

/// How far the clocks of two machines may differ.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// The newest usable proof record of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proofs {
    /// What it says; `None` if there is none.
    pub newest: Option<Earlier>,
    /// Skipped records, and what could not be read: key and reason.
    pub skipped: Vec<(String, String)>,
}

impl Proofs {
    /// Reads it. Where that fails there is none: everything is verified.
    ///
    /// A record that is malformed, of another archive, dated later than `now` or, with a MAC key,
    /// not authentic is skipped. Without a MAC key it is used, as of someone unknown.
    pub async fn read(
        source: &Source,
        bucket: &str,
        prefix: Option<&str>,
        trust: &RecordTrust,
        now: Timestamp,
    ) -> Self {
        let mut proofs = Self::default();
        let folder = format!("{}{FOLDER}", prefix_folder(prefix));
        let listed: Result<Vec<ListedObject>, _> = source.list(&folder, None).try_collect().await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                proofs.skipped.push((folder, error.source.to_string()));
                return proofs;
            }
        };
        let numbered = listed
            .into_iter()
            .rev()
            .filter_map(|object| Some((number(object.key.strip_prefix(&folder)?)?, object)));
        for (number, object) in numbered.take(MAX_READ_BACK) {
            match read(source, bucket, number, &object, trust, now).await {
                Ok(earlier) => {
                    proofs.newest = Some(earlier);
                    break;
                }
                Err(reason) => proofs.skipped.push((object.key, reason)),
            }
        }
        proofs
    }
}

/// Reads a record; returns why it is not used.
async fn read(
    source: &Source,
    bucket: &str,
    number: u64,
    object: &ListedObject,
    trust: &RecordTrust,
    now: Timestamp,
) -> Result<Earlier, String> {
    if object.size_bytes > MAX_STORED_BYTES {
        return Err(format!(
            "it has {} bytes, more than the maximum of {MAX_STORED_BYTES}",
            object.size_bytes
        ));
    }
    let stored = source.fetch(None, &object.key).await.map_err(|error| error.to_string())?;
    let sha256 = sha256_hex(&stored.bytes);
    let (bytes, bucket) = (stored.bytes, bucket.to_owned());
    let decoded = crate::archive::blocking::blocking(move || {
        ProofRecord::decode(number, &bucket, &bytes).map_err(|fault| fault.to_string())
    });
    let record = decoded.await?;
    let written_at = record.head.written_at;
    if written_at.duration_since(now) > CLOCK_TOLERANCE {
        return Err(format!("it is dated {written_at}, in the future"));
    }
    let previous_sha256 = record.head.previous_sha256.clone();
    let as_stored = StoredRecord {
        kind: RecordKind::ProofRecord,
        key: &object.key,
        number,
        previous_sha256: previous_sha256.as_deref(),
        sha256: &sha256,
    };
    let authenticated = trust.of(as_stored, &stored.metadata).await;
    match authenticated.reason() {
        Some(reason) if trust.mac_key.is_some() => return Err(reason.to_owned()),
        // Its MAC could be checked elsewhere, and not here.
        Some(reason) if matches!(authenticated, Authenticity::Unknown { .. }) => {
            return Err(reason.to_owned());
        }
        _ => {}
    }
    Ok(Earlier::new(object.key.clone(), record, authenticated.is_authenticated(), now))
}
