//! Evidence in one file: a tar archive in a zstd frame.
//!
//! ```text
//! objects/<key>                    each digest and log file, byte for byte
//! objects/<key>.metadata.json      what S3 held beside it
//! buckets/<bucket>/<key>           the same of other buckets that chains came from
//! public-keys.json                 the keys that verify the digests
//! report.json, report.txt          what verification said when it was packed
//! records/<key>                    the run records of consolidation
//! manifest.json                    last: what was asked, and every file's SHA-256
//! ```

mod frame;
mod read;
mod write;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::read::{Unpacked, unpack};
pub use self::write::BundleWriter;
use super::key::Root;
use super::verify::place::OrgOwner;
use crate::names::{AccountId, BucketName, OrgId, Region};

/// The folder of objects within a bundle.
pub const OBJECTS: &str = "objects";
/// The folder of other buckets' objects within a bundle.
pub const BUCKETS: &str = "buckets";
/// The folder of run records within a bundle.
pub const RECORDS: &str = "records";
/// The file of public keys within a bundle.
pub const PUBLIC_KEYS: &str = "public-keys.json";
const MANIFEST: &str = "manifest.json";

/// What a bundle is, and what is in it.
///
/// Shape: JSON, `version` 1. Fields may be added; the version grows when one
/// changes its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// When it was packed.
    pub packed_at: Timestamp,
    /// What it was packed from: `s3://bucket/prefix`, or a path.
    pub source: String,
    /// From when on it is complete.
    pub from: Timestamp,
    /// Up to when it is complete.
    pub to: Timestamp,
    /// The root that consolidation relocates to, where it was known.
    pub declared: Option<DeclaredRoot>,
    /// Whose the trails of the organization are, where it was known.
    pub org_owner: Option<OrgOwner>,
    /// The bucket that `objects` is of; unknown where a folder was packed.
    pub bucket: Option<String>,
    /// Where chains came from, and were followed to: what proves that is in it.
    #[serde(default)]
    pub followed: BTreeSet<Followed>,
    /// What chains came from and is not in the bundle, with the reason.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The Regions whose public keys could not be asked for: some are missing.
    #[serde(default)]
    pub keys_unread: BTreeSet<Region>,
    /// Every other file, in the order of the archive.
    pub files: Vec<FileEntry>,
}

/// An account's digests in another bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Followed {
    /// The bucket.
    pub bucket: BucketName,
    /// The account.
    pub account: AccountId,
}

/// A root as a manifest tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredRoot {
    /// All before `AWSLogs`.
    pub prefix: Option<String>,
    /// The organization.
    pub org: Option<OrgId>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path within the bundle.
    pub path: String,
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Reading or writing failed.
    #[error("the bundle")]
    Io(#[from] std::io::Error),
    /// The manifest is missing or not readable.
    #[error("the bundle's manifest is not readable: {0}")]
    Manifest(String),
    /// A file is not as the manifest says, or should not be there.
    #[error("the bundle holds `{path}` with {found}, expected {expected}")]
    File {
        /// Its path within the bundle.
        path: String,
        /// What the manifest says.
        expected: String,
        /// What there is.
        found: String,
    },
}

impl From<&Root> for DeclaredRoot {
    fn from(root: &Root) -> Self {
        Self { prefix: root.prefix.as_deref().map(str::to_owned), org: root.org.clone() }
    }
}

impl From<&DeclaredRoot> for Root {
    fn from(root: &DeclaredRoot) -> Self {
        Self { prefix: root.prefix.as_deref().map(Into::into), org: root.org.clone() }
    }
}

#[cfg(test)]
mod tests;
