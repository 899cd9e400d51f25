//! The proof that a digest needs before it is copied to its key in the archive.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::binding::Binding;
use super::inspect::Refusal;
use super::source::Source;
use crate::archive::key::ObjectKey;
use crate::archive::verify::attest::{Attestation, attest};
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest::{DigestDocument, ListedLog};
use crate::archive::verify::gzip::inflate;
use crate::archive::verify::run::{PublicKeySource, RegionKeys};
use crate::names::{AccountId, BucketName, Region};

/// The largest digest. A listed log file takes about 500 bytes, so this is more than
/// 100,000 files an hour of one account and Region. Units: bytes, inflated.
const MAX_DIGEST_BYTES: u64 = 64 << 20;
/// The same as stored. Units: bytes.
const MAX_STORED_BYTES: usize = 16 << 20;
/// The maximum compression ratio of deflate.
const MAX_RATIO: usize = 1032;

/// The memory for all digests that are inspected concurrently. Units: KiB.
static MEMORY: Semaphore = Semaphore::const_new(MEMORY_KIB);
const MEMORY_KIB: usize = 160 << 10;

/// What verifies a source's digests of one account and Region.
#[derive(Debug)]
pub struct Attester {
    /// The public keys, which are listed when the first digest is checked.
    pub keys: PublicKeySource,
    /// The Region of the digests.
    pub region: Region,
    /// The source's bucket.
    pub bucket: BucketName,
    /// Which unproven digests may be copied.
    pub rights: Rights,
}

/// Which proof a source's digests of one account may lack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// The signature, or a key where AWS's list begins later: only where anyone who
    /// administers the bucket is trusted. An account's own administrator is not: it could
    /// take the keys of digests that are elsewhere.
    pub unproven: bool,
    /// The original address in this bucket: the digests may have been moved there.
    pub moved: bool,
}

/// A claim that an object is the digest for a key.
#[derive(Debug, Clone)]
pub struct DigestClaim {
    /// Its key in its source.
    pub key: ObjectKey,
    /// The public keys of its Region.
    pub keys: RegionKeys,
    /// What verifies it.
    pub attester: Arc<Attester>,
}

impl Attester {
    /// The claim that an object is the digest for a key.
    pub(super) async fn claim(self: &Arc<Self>, key: ObjectKey) -> DigestClaim {
        let keys = self.keys.of(&self.region, Window::default()).await;
        DigestClaim { key, keys, attester: Arc::clone(self) }
    }
}

impl Rights {
    /// Those of a source's digests of an account.
    #[must_use]
    pub fn of(source: &Source, binding: &Binding<'_>, account: &AccountId) -> Self {
        let trusted = binding.is_of_all() || source.policy.copy_unproven;
        let is_own = source.owner.as_ref() == Some(account);
        let by_trail = source.trails.iter().any(|trail| trail.account.as_ref() == Some(account));
        Self { unproven: trusted, moved: trusted || is_own || !by_trail }
    }
}

impl DigestClaim {
    /// Reserves memory for a digest.
    pub(super) async fn memory(stored: usize) -> Option<SemaphorePermit<'static>> {
        let most = (MAX_DIGEST_BYTES >> 10) as usize;
        let kib = (stored.saturating_mul(MAX_RATIO) >> 10).clamp(1, most);
        MEMORY.acquire_many(u32::try_from(kib).unwrap_or(u32::MAX)).await.ok()
    }

    /// Checks a stored digest and returns the files that it lists.
    ///
    /// # Errors
    /// It must not be copied to its key.
    pub(super) fn check(
        &self,
        stored: &[u8],
        metadata: &HashMap<String, String>,
    ) -> Result<Vec<ListedLog>, Refusal> {
        let no_digest = |reason: String| Refusal::NoDigest(reason);
        if stored.len() > MAX_STORED_BYTES {
            let bytes = stored.len();
            return Err(no_digest(format!("{bytes} bytes, more than CloudTrail writes")));
        }
        let mut text = Vec::new();
        inflate(stored, MAX_DIGEST_BYTES, &mut Vec::new(), |piece| text.extend_from_slice(piece))
            .map_err(|error| no_digest(error.to_string()))?;
        let Attester { bucket, rights, .. } = &*self.attester;
        let get = |name: &str| metadata.get(name).map(String::as_str);
        // INVARIANT: verified before the list is parsed, so only CloudTrail's digests use time
        // and memory.
        match attest(&self.key, &text, get, &self.keys) {
            Attestation::Signed { bucket: origin } if origin == bucket.as_str() || rights.moved => {
            }
            Attestation::Signed { bucket: origin } => {
                return Err(Refusal::Unproven(format!("CloudTrail wrote it into {origin}")));
            }
            Attestation::Unsigned | Attestation::KeyTooOld(_) if rights.unproven => {}
            Attestation::Unsigned => {
                return Err(Refusal::Unproven("it has no signature".to_owned()));
            }
            Attestation::KeyTooOld(why) => return Err(Refusal::Unproven(why)),
            Attestation::KeyUnknown(why) => return Err(Refusal::Undecided(why)),
            Attestation::OtherDigest(why) => return Err(no_digest(why)),
            Attestation::Forged(why) => return Err(Refusal::Forged(why)),
        }
        let document =
            DigestDocument::parse(&text).map_err(|error| no_digest(error.to_string()))?;
        Ok(document.log_files)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const KEY: &str = "AWSLogs/111111111111/CloudTrail-Digest/us-east-1/2026/01/10/111111111111_CloudTrail-Digest_us-east-1_old_us-east-1_20260110T090000Z.json.gz";

    fn claim(rights: Rights) -> DigestClaim {
        let attester = Attester {
            keys: PublicKeySource::Given(Arc::default()),
            region: "us-east-1".parse().unwrap(),
            bucket: "logs".parse().unwrap(),
            rights,
        };
        DigestClaim {
            key: KEY.parse().unwrap(),
            keys: RegionKeys { listed: Arc::default(), saved: Arc::default(), failed: None },
            attester: Arc::new(attester),
        }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    fn digest(logs: &str) -> String {
        format!(
            r#"{{"digestStartTime":"2026-01-10T08:00:00Z","digestEndTime":"2026-01-10T09:00:00Z","digestS3Bucket":"logs","digestS3Object":"{KEY}","digestPublicKeyFingerprint":"00","previousDigestSignature":null,"logFiles":[{logs}]}}"#
        )
    }

    fn code(claim: &DigestClaim, stored: &[u8]) -> &'static str {
        claim.check(stored, &HashMap::new()).unwrap_err().code()
    }

    #[test]
    fn unproven_digests_are_copied_only_from_trusted_sources() {
        let stored = gzip(&digest(""));
        assert_eq!(code(&claim(Rights::default()), &stored), "unproven-digest");
        let trusted = claim(Rights { unproven: true, moved: true });
        assert_eq!(trusted.check(&stored, &HashMap::new()), Ok(Vec::new()));
        // An invalid digest is refused from every source.
        assert_eq!(code(&trusted, &gzip("{}")), "no-digest");
        assert_eq!(code(&trusted, &gzip(&digest("").replace("T09:00", "T10:00"))), "no-digest");
    }

    #[test]
    fn a_crafted_list_is_not_read_before_its_signature() {
        // Millions of entries that no list of digests could take: they are skipped.
        let entry = r#"{"s3Bucket":"b","s3Object":"o","hashValue":"0"},"#;
        let many = entry.repeat(1 << 20);
        let stored = gzip(&digest(many.trim_end_matches(',')));
        assert_eq!(code(&claim(Rights::default()), &stored), "unproven-digest");
        let more = gzip(&digest(&" ".repeat((64 << 20) + 1)));
        assert!(more.len() < 1 << 20);
        assert_eq!(code(&claim(Rights::default()), &more), "no-digest");
    }

    #[tokio::test]
    async fn digests_wait_for_the_memory_that_they_may_take() {
        let first = DigestClaim::memory(1 << 20).await;
        let second = DigestClaim::memory(1 << 20).await;
        assert!(first.is_some() && second.is_some());
        let mut third = Box::pin(DigestClaim::memory(1 << 20));
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_some());
    }
}
