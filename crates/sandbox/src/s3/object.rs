//! One object, its versions, and what hangs on them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use orgtrail_base::names::AccountId;
use s3s::dto;
use serde::{Deserialize, Serialize};

use super::acl::Acl;
use super::checksum::Checksum;

/// A version's id: a number inside, AWS's 32 opaque characters outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct VersionId(pub(super) u64);

impl VersionId {
    /// The version of a bucket that never had versions, or has them suspended.
    pub(super) const NULL: Self = Self(0);

    /// Whether this is what `text` names.
    pub(super) fn is(self, text: &str) -> bool {
        if self == Self::NULL { text == "null" } else { self.to_string() == text }
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        if *self == Self::NULL {
            return f.write_str("null");
        }
        let mut bytes = [0_u8; 24];
        for (salt, word) in (1_u64..).zip(bytes.chunks_exact_mut(8)) {
            word.copy_from_slice(&scramble(self.0 ^ (salt << 56)).to_be_bytes());
        }
        let mut text = [0_u8; 32];
        let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).map_err(|_| fmt::Error)?;
        for byte in &mut text[..length] {
            if *byte == b'-' {
                *byte = b'.';
            }
        }
        f.write_str(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

/// The finalizer of `SplitMix64`: a bijection that looks random.
pub(super) fn scramble(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// What an entity tag says: MD5 of the content, or an opaque value under KMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntityTag {
    pub(super) digest: [u8; 16],
    /// The number of parts, for what came in parts.
    pub(super) parts: Option<u16>,
}

impl EntityTag {
    pub(super) fn of(body: &[u8]) -> Self {
        use md5::Digest as _;
        Self { digest: md5::Md5::digest(body).into(), parts: None }
    }

    pub(super) fn dto(self) -> dto::ETag {
        dto::ETag::Strong(self.to_string())
    }

    /// Whether a condition's entity tag, or `*`, is this.
    pub(super) fn meets(self, condition: &dto::ETagCondition) -> bool {
        match condition.as_etag() {
            None => true,
            Some(tag) => tag.value() == self.to_string(),
        }
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0_u8; 32];
        hex::encode_to_slice(self.digest, &mut hex).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&hex).map_err(|_| fmt::Error)?)?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

/// How a version is encrypted at rest, as far as anyone can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Encryption {
    /// SSE-S3.
    S3,
    /// SSE-KMS.
    Kms {
        /// The key's ARN.
        key: Arc<str>,
        bucket_key: bool,
        /// `aws:kms:dsse` rather than `aws:kms`.
        dual_layer: bool,
        /// What the writer bound the data key to, in addition to the object.
        context: Option<Arc<BTreeMap<String, String>>>,
    },
}

/// The content of a version and what describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    #[serde(skip)]
    pub(super) body: Bytes,
    pub(super) etag: EntityTag,
    pub(super) checksum: Checksum,
    pub(super) encryption: Encryption,
    pub(super) content_type: Option<Box<str>>,
    /// What most objects lack.
    pub(super) details: Option<Box<Details>>,
}

/// What most objects lack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) metadata: BTreeMap<Box<str>, Box<str>>,
    pub(super) cache_control: Option<Box<str>>,
    pub(super) content_disposition: Option<Box<str>>,
    pub(super) content_encoding: Option<Box<str>>,
    pub(super) content_language: Option<Box<str>>,
    pub(super) expires: Option<dto::Timestamp>,
    pub(super) website_redirect: Option<Box<str>>,
    /// `None` is STANDARD.
    pub(super) storage_class: Option<Box<str>>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) retention: Option<Retention>,
    pub(super) legal_hold: Option<bool>,
    /// Where it differs from private to the bucket's owner.
    pub(super) acl: Option<Acl>,
    /// The writer, where the bucket leaves objects to their writers.
    pub(super) owner: Option<AccountId>,
    /// Sizes and checksums of the parts of a multipart upload.
    pub(super) parts: Vec<PartSummary>,
    pub(super) restore: Option<Restore>,
    pub(super) replication: Option<Box<str>>,
}

/// One part of a completed multipart upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartSummary {
    pub(super) number: u16,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
}

/// A temporary copy of an archived object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restore {
    pub(super) ready_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// An Object Lock retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retention {
    pub(super) mode: LockMode,
    pub(super) until: Timestamp,
}

/// How firm a retention is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum LockMode {
    Governance,
    Compliance,
}

impl LockMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "GOVERNANCE" => Some(Self::Governance),
            "COMPLIANCE" => Some(Self::Compliance),
            _ => None,
        }
    }
}

static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl Object {
    pub(super) fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    pub(super) fn size(&self) -> u64 {
        self.body.len() as u64
    }

    pub(super) fn storage_class(&self) -> &str {
        self.details.as_ref().and_then(|d| d.storage_class.as_deref()).unwrap_or("STANDARD")
    }

    pub(super) fn tags(&self) -> &BTreeMap<String, String> {
        self.details.as_ref().map_or(&NO_TAGS, |d| &d.tags)
    }

    /// The retention that has not run out at `now`.
    pub(super) fn retention_at(&self, now: Timestamp) -> Option<Retention> {
        self.details.as_ref().and_then(|d| d.retention).filter(|retention| retention.until > now)
    }

    pub(super) fn legal_hold(&self) -> bool {
        self.details.as_ref().and_then(|d| d.legal_hold).unwrap_or(false)
    }

    /// Whether the content must be restored before it can be read.
    pub(super) fn is_archived_at(&self, now: Timestamp) -> bool {
        if !matches!(self.storage_class(), "GLACIER" | "DEEP_ARCHIVE") {
            return false;
        }
        let restore = self.details.as_ref().and_then(|d| d.restore);
        !restore.is_some_and(|r| r.ready_at <= now && now < r.expires_at)
    }
}

/// One version: an object, or a delete marker.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) id: VersionId,
    pub(super) modified: Timestamp,
    /// `None` is a delete marker.
    pub(super) object: Option<Arc<Object>>,
}

/// All versions of a key; there is always one.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    pub(super) current: Version,
    /// The newest of them last.
    older: Vec<Version>,
}

impl Versions {
    pub(super) fn new(current: Version) -> Self {
        Self { current, older: Vec::new() }
    }

    /// `None` where there is none.
    pub(super) fn from_newest_first(mut versions: Vec<Version>) -> Option<Self> {
        versions.reverse();
        let current = versions.pop()?;
        Some(Self { current, older: versions })
    }

    /// Newest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Version> {
        std::iter::once(&self.current).chain(self.older.iter().rev())
    }

    pub(super) fn len(&self) -> usize {
        1 + self.older.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Version> {
        self.iter().find(|version| version.id.is(id))
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Version> {
        std::iter::once(&mut self.current).chain(&mut self.older).find(|v| v.id.is(id))
    }

    /// Puts a version on top. A null version replaces the null version before.
    pub(super) fn push(&mut self, version: Version) {
        if version.id == VersionId::NULL {
            if self.current.id == VersionId::NULL {
                self.current = version;
                return;
            }
            self.older.retain(|older| older.id != VersionId::NULL);
        }
        self.older.push(std::mem::replace(&mut self.current, version));
    }

    /// Takes a version away; the last one cannot be taken and gives back
    /// itself as an error, for the caller to drop the key.
    pub(super) fn remove(&mut self, id: VersionId) -> Result<Option<Version>, ()> {
        if self.current.id == id {
            let next = self.older.pop().ok_or(())?;
            return Ok(Some(std::mem::replace(&mut self.current, next)));
        }
        let Some(at) = self.older.iter().position(|version| version.id == id) else {
            return Ok(None);
        };
        Ok(Some(self.older.remove(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_look_like_those_of_aws_and_differ() {
        let texts: std::collections::BTreeSet<String> =
            (1..1_000).map(|n| VersionId(n).to_string()).collect();
        assert_eq!(texts.len(), 999);
        assert!(texts.iter().all(|text| text.len() == 32));
        assert_eq!(VersionId::NULL.to_string(), "null");
    }

    #[test]
    fn the_entity_tag_of_content_is_its_md5() {
        assert_eq!(EntityTag::of(b"hello").to_string(), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn a_null_version_replaces_only_the_null_version() {
        let version = |id| Version { id: VersionId(id), modified: Timestamp::MIN, object: None };
        let mut versions = Versions::new(version(0));
        versions.push(version(1));
        versions.push(version(0));
        assert_eq!(versions.iter().map(|v| v.id.0).collect::<Vec<_>>(), [0, 1]);
    }
}
