//! Quarantine: objects that are not what their key indicates are stored in the archive as
//! evidence, separate from the log files.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use tokio::sync::OnceCell;

use super::copy::{CopyError, Origin, Target, WriteTarget, fetch, sha256};
use super::inspect::Refusal;
use crate::archive::contention::{Contention, is_taken, is_write_conflict};
use crate::archive::inventory;
use crate::aws::At;
use crate::names::prefix_folder;

/// The folder of quarantined objects, below the archive's prefix.
pub const QUARANTINE: &str = "orgtrail/quarantine/";

/// The metadata that quarantine adds to an object.
mod metadata {
    /// [`Refusal::code`](super::Refusal::code).
    pub(super) const REASON: &str = "orgtrail-reason";
    /// The same in words.
    pub(super) const DETAIL: &str = "orgtrail-detail";
    /// Its address at the source, percent-encoded.
    pub(super) const ORIGIN: &str = "orgtrail-origin";
}

/// S3's limit for user metadata. Units: bytes, names and values together.
const MAX_METADATA_BYTES: usize = 2 << 10;
/// The longest detail. Units: bytes.
const MAX_DETAIL_BYTES: usize = 300;

/// The maximum number of objects that one source puts into quarantine in a run.
const SOURCE_OBJECTS: u64 = 1_000;
/// Units: bytes.
const SOURCE_BYTES: u64 = 256 << 20;
/// The maximum size of the quarantine: the administrator of a source must not be able to
/// fill the archive.
const ALL_OBJECTS: u64 = 20_000;
/// Units: bytes.
const ALL_BYTES: u64 = 4 << 30;

/// The size of the quarantine, listed before the first object is added.
#[derive(Debug, Default)]
pub(super) struct Contents {
    prefix: Option<String>,
    listed: OnceCell<()>,
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Contents {
    pub(super) fn of(prefix: Option<&str>) -> Self {
        Self { prefix: prefix.map(str::to_owned), ..Self::default() }
    }

    async fn list(&self, target: &Target) -> Result<(), CopyError> {
        self.listed
            .get_or_try_init(|| async {
                let folder = format!("{}{QUARANTINE}", prefix_folder(self.prefix.as_deref()));
                let mut listing = inventory::list(&target.clients, &target.bucket, folder, None);
                while let Some(listed) = listing.next().await {
                    self.add(listed?.size_bytes);
                    if !self.has_room() {
                        break;
                    }
                }
                Ok::<(), CopyError>(())
            })
            .await
            .copied()
    }

    fn add(&self, size_bytes: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size_bytes, Ordering::Relaxed);
    }

    fn has_room(&self) -> bool {
        self.objects.load(Ordering::Relaxed) < ALL_OBJECTS
            && self.bytes.load(Ordering::Relaxed) < ALL_BYTES
    }
}

/// The remaining quarantine budget of one source in this run.
#[derive(Debug)]
pub(super) struct Budget {
    contents: Arc<Contents>,
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Budget {
    pub(super) fn new(contents: Arc<Contents>) -> Self {
        Self { contents, objects: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Reserves space for an object; `false` if the budget is used up.
    pub(super) async fn take(&self, target: &Target, size_bytes: u64) -> Result<bool, CopyError> {
        self.contents.list(target).await?;
        let is_full = self.objects.fetch_add(1, Ordering::Relaxed) >= SOURCE_OBJECTS
            || self.bytes.fetch_add(size_bytes, Ordering::Relaxed) + size_bytes > SOURCE_BYTES
            || !self.contents.has_room();
        if !is_full {
            self.contents.add(size_bytes);
        }
        Ok(!is_full)
    }
}

/// The quarantine key of an object that must not be copied to `key`.
///
/// The key includes the content's hash: equal objects are stored once, different ones
/// separately.
#[must_use]
pub fn quarantine_key(prefix: Option<&str>, sha256_hex: &str, key: &str) -> String {
    let prefix = prefix_folder(prefix);
    format!("{prefix}{QUARANTINE}{sha256_hex}/{key}")
}

/// The original key of a quarantined object; `None` if the key is not a quarantine key.
#[must_use]
pub fn refused_key<'a>(prefix: Option<&str>, key: &'a str) -> Option<&'a str> {
    let below = match prefix {
        Some(prefix) => key.strip_prefix(prefix)?.strip_prefix('/')?,
        None => key,
    };
    let (hash, refused) = below.strip_prefix(QUARANTINE)?.split_once('/')?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && !refused.is_empty()).then_some(refused)
}

/// Copies an object into quarantine, unless it is already there.
///
/// Returns its key there and its SHA-256.
///
/// # Errors
/// It was not copied: it could not be read or written, or changed since it was inspected.
pub(super) async fn keep(
    target: &WriteTarget,
    origin: Origin<'_>,
    prefix: Option<&str>,
    key: &str,
    refusal: &Refusal,
    inspected: &[u8; 32],
) -> Result<String, CopyError> {
    let (object, body) = fetch(origin, None).await?;
    let hash = sha256(&body);
    if hash != *inspected {
        return Err(CopyError::Changed { key: origin.key.to_owned() });
    }
    let kept = quarantine_key(prefix, &hex::encode(hash), key);
    let own = object.metadata.unwrap_or_default();
    let mut contention = Contention::new();
    loop {
        let put = target
            .writer()
            .s3()
            .put_object()
            .bucket(target.bucket.as_str())
            .key(&kept)
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(hash))
            .content_type("application/octet-stream")
            .set_metadata(Some(described(own.clone(), origin, refusal)))
            .storage_class(target.storage_class.clone())
            .body(body.clone().into())
            .send()
            .await
            .at(&target.clients, "s3:PutObject");
        match put {
            Ok(_) => return Ok(kept),
            // The key contains the hash, so the content is equal.
            Err(error) if is_taken(&error) => return Ok(kept),
            Err(error) if is_write_conflict(&error) => contention.wait(&kept).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The object's own metadata, if it fits, and the reason for the quarantine.
fn described(
    mut own: HashMap<String, String>,
    origin: Origin<'_>,
    refusal: &Refusal,
) -> HashMap<String, String> {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let detail: String =
        refusal.to_string().chars().map(printable).take(MAX_DETAIL_BYTES).collect();
    let encoded: String = form_urlencoded::byte_serialize(origin.key.as_bytes()).collect();
    let ours = [
        (metadata::REASON, refusal.code().to_owned()),
        (metadata::DETAIL, detail),
        (metadata::ORIGIN, format!("s3://{}/{}", origin.bucket, encoded.replace("%2F", "/"))),
    ];
    let bytes = |(name, value): (&str, &str)| name.len() + value.len();
    let size: usize = own.iter().map(|(name, value)| bytes((name, value))).sum::<usize>()
        + ours.iter().map(|(name, value)| bytes((name, value))).sum::<usize>();
    if size > MAX_METADATA_BYTES {
        own.clear();
    }
    own.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantined_key_gives_the_refused_one_back() {
        let hash = "0f".repeat(32);
        for prefix in [None, Some("logs/of")] {
            let key = quarantine_key(prefix, &hash, "AWSLogs/o-x/1/a.json.gz");
            assert_eq!(refused_key(prefix, &key), Some("AWSLogs/o-x/1/a.json.gz"));
        }
        for other in ["AWSLogs/1", "orgtrail/quarantine/00/AWSLogs/1", "orgtrail/runs/1"] {
            assert_eq!(refused_key(None, other), None, "{other}");
        }
        assert_eq!(refused_key(Some("logs"), &quarantine_key(None, &hash, "a")), None);
    }
}
