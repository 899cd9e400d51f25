//! Log files: the claims of verified digests about them, and their verification.

use aws_lc_rs::digest::{Context, SHA256};

use super::chain::VerifiedDigest;
use super::digest::{ListedLog, sha256_hex};
use super::finding::{Finding, FindingKind, Origin};
use super::gzip::{GzipError, inflate};
use super::period::Period;
use super::place::{ChainScope, Placement};
use crate::archive::key::{ObjectKey, Root};

/// The largest log file that is inflated. Units: bytes, inflated.
///
/// CloudTrail's files are at most about 50 MB; the limit stops a decompression bomb.
const LIMIT: u64 = 1 << 30;

/// The claim of a verified digest about one log file.
///
/// Only a [`VerifiedDigest`] creates these.
#[derive(Debug, Clone)]
pub struct LogClaim {
    bucket: Option<Box<str>>,
    key: Box<str>,
    /// The original address, if it was relocated: bucket and key.
    origin: Option<(Box<str>, Box<str>)>,
    sha256: Box<str>,
    hour: Period,
    /// Whether a copy of an already counted digest lists the file.
    is_copy: bool,
}

/// A log file that equals, byte for byte, what CloudTrail delivered.
///
/// Only [`LogClaim::check`] creates these.
#[derive(Debug, Clone)]
pub struct VerifiedLog {
    key: Box<str>,
    inflated_bytes: u64,
    is_stored_inflated: bool,
}

/// How a log file differs from its digest's claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// It is not one complete gzip stream.
    #[error(transparent)]
    Gzip(#[from] GzipError),
    /// Its hash differs.
    #[error("SHA-256 is {found}")]
    Hash {
        /// The hash of its inflated bytes.
        found: String,
    },
}

impl LogClaim {
    pub(super) fn new(digest: &VerifiedDigest, log: &ListedLog) -> Self {
        let scope = digest.scope();
        let key = scope.current_address(digest.placement(), &log.s3_object);
        // In place, the bucket is the one that the digest states.
        let bucket = match (digest.placement(), &scope.bucket) {
            (Placement::InPlace, Some(_)) => Some(log.s3_bucket.as_str().into()),
            (_, bucket) => bucket.clone(),
        };
        let relocated = digest.placement() == Placement::Relocated;
        Self {
            bucket,
            key: key.into(),
            origin: relocated
                .then(|| (log.s3_bucket.as_str().into(), log.s3_object.as_str().into())),
            sha256: log.hash_value.to_ascii_lowercase().into(),
            hour: digest.hour(),
            is_copy: digest.is_copy(),
        }
    }

    /// The same claim for the file at the same key in the scope's own bucket; `None` if that is
    /// the claimed file.
    pub(super) fn here(&self, scope: &ChainScope) -> Option<Self> {
        (self.bucket != scope.bucket).then(|| Self { bucket: scope.bucket.clone(), ..self.clone() })
    }

    /// The same claim for the file below another root of the scope's bucket; `None` if the file
    /// belongs to another bucket.
    pub(super) fn below(&self, root: &Root, scope: &ChainScope) -> Option<Self> {
        if self.bucket != scope.bucket {
            return None;
        }
        let key = self.parsed_key().filter(|key| key.root() != root)?.under(root);
        Some(Self { key: key.to_string().into(), ..self.clone() })
    }

    /// Whether the file was already counted with another copy of its digest.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// The bucket to fetch from; unknown for a folder.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    /// The key to fetch.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The parsed key, if CloudTrail writes such keys.
    #[must_use]
    pub fn parsed_key(&self) -> Option<ObjectKey> {
        self.key.parse().ok()
    }

    /// The hour of the digest that lists the file.
    #[must_use]
    pub fn hour(&self) -> Period {
        self.hour
    }

    /// Checks the file's bytes, as stored.
    ///
    /// `buffer` is reusable scratch space.
    pub fn check(&self, stored: &[u8], buffer: &mut Vec<u8>) -> Result<VerifiedLog, LogFault> {
        let fault = match self.inflated(stored, buffer) {
            Ok(log) => return Ok(log),
            Err(fault) => fault,
        };
        // The hash covers the decompressed text, however it is stored.
        if sha256_hex(stored) != *self.sha256 {
            return Err(fault);
        }
        let inflated_bytes = stored.len() as u64;
        Ok(VerifiedLog { key: self.key.clone(), inflated_bytes, is_stored_inflated: true })
    }

    fn inflated(&self, gzip: &[u8], buffer: &mut Vec<u8>) -> Result<VerifiedLog, LogFault> {
        let mut hash = Context::new(&SHA256);
        let inflated_bytes = inflate(gzip, LIMIT, buffer, |piece| hash.update(piece))?;
        let found = hex::encode(hash.finish());
        if found != *self.sha256 {
            return Err(LogFault::Hash { found });
        }
        Ok(VerifiedLog { key: self.key.clone(), inflated_bytes, is_stored_inflated: false })
    }

    /// The finding for a fault.
    #[must_use]
    pub fn fault(&self, fault: &LogFault) -> Finding {
        let kind = match fault {
            // A truncated file has a different hash.
            LogFault::Hash { .. } | LogFault::Gzip(GzipError::Truncated { .. }) => {
                FindingKind::LogHash
            }
            LogFault::Gzip(GzipError::TrailingData { .. } | GzipError::AppendedMember { .. }) => {
                FindingKind::LogTrailingData
            }
            LogFault::Gzip(_) => FindingKind::LogFormat,
        };
        let expected = match fault {
            LogFault::Hash { .. } => format!("SHA-256 {}", self.sha256),
            LogFault::Gzip(_) => "one whole gzip stream".to_owned(),
        };
        self.finding(kind).with_mismatch(expected, fault)
    }

    /// The finding for a missing file.
    #[must_use]
    pub fn missing(&self) -> Finding {
        let expected = format!("a log file with SHA-256 {}", self.sha256);
        let finding = self.finding(FindingKind::LogMissing).with_mismatch(expected, "nothing");
        let origin = self.origin.as_ref();
        let origin =
            origin.map(|(bucket, key)| Origin { bucket: bucket.to_string(), key: key.to_string() });
        Finding { origin, ..finding }
    }

    /// The finding for a file that is below another root.
    #[must_use]
    pub fn elsewhere(&self, key: &str) -> Finding {
        self.finding(FindingKind::LogElsewhere)
            .with_mismatch("the log file here", format!("it lies at {key}"))
    }

    /// The finding for an unreadable file.
    #[must_use]
    pub fn unreadable(&self, why: &str) -> Finding {
        self.finding(FindingKind::Unreadable).with_mismatch("a log file", why)
    }

    fn finding(&self, kind: FindingKind) -> Finding {
        Finding::new(kind).at(self.bucket(), &self.key).with_period(self.hour.from, self.hour.to)
    }
}

impl VerifiedLog {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is stored uncompressed.
    #[must_use]
    pub fn is_stored_inflated(&self) -> bool {
        self.is_stored_inflated
    }

    /// Its size, decompressed. Units: bytes.
    #[must_use]
    pub fn inflated_bytes(&self) -> u64 {
        self.inflated_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_own_bucket_is_checked_like_its_original_in_another_bucket() {
        let scope = ChainScope {
            bucket: Some("new".into()),
            root: Root::default(),
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let claim = |bucket: &str| LogClaim {
            bucket: Some(bucket.into()),
            key: "key".into(),
            origin: None,
            sha256: "00".into(),
            hour: Period { from: at, to: at },
            is_copy: false,
        };
        let here = claim("old").here(&scope).unwrap();
        assert_eq!((here.bucket(), here.key(), &*here.sha256), (Some("new"), "key", "00"));
        assert!(claim("new").here(&scope).is_none());
    }
}
