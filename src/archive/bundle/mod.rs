//! Evidence in one file: a tar archive, compressed with zstd and sealed.
//!
//! ```text
//! objects/<key>                    each digest and log file, byte for byte
//! objects/<key>.metadata.json      its S3 metadata
//! buckets/<bucket>/<key>           the same for other buckets that chains came from
//! public-keys.json                 the keys that verify the digests
//! report.json, report.txt          the result of verification when it was packed
//! records/<key>                    the run records of consolidation
//! manifest.json                    last: the request, and every file's SHA-256
//! ```
//!
//! A bundle contains nothing else, and all paths are canonical.
//!
//! **Invariant**: every byte of a bundle is covered. The manifest covers the files' content;
//! the tar archive must equal, byte for byte, the result of packing these files in this
//! order; and the seal at the end covers the compressed bytes.

mod read;
mod seal;
mod write;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::read::{Unpacked, is_canonical, unpack};
pub use self::write::BundleWriter;
use super::key::Root;
use super::stored::nullable;
use super::verify::chain::DeclaredTrail;
use super::verify::place::OrgOwner;
use crate::names::{AccountId, BucketName, OrgId, Region, TrailName};
use crate::words::in_one_line;

/// The folder of objects within a bundle.
pub const OBJECTS: &str = "objects";
/// The folder of other buckets' objects within a bundle.
pub const BUCKETS: &str = "buckets";
/// The folder of run records within a bundle.
pub const RECORDS: &str = "records";
/// The file of public keys within a bundle.
pub const PUBLIC_KEYS: &str = "public-keys.json";
/// The report for programs within a bundle.
pub const REPORT_JSON: &str = "report.json";
/// The report for people within a bundle.
pub const REPORT_TEXT: &str = "report.txt";
const MANIFEST: &str = "manifest.json";

/// The manifest of a bundle.
///
/// Shape: JSON, `version` 1. Fields may be added; the version increases when a field changes
/// its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "document", rename = "bundle-manifest")]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// When it was packed.
    pub packed_at: Timestamp,
    /// What it was packed from: `s3://bucket/prefix`, or a path.
    pub source: String,
    /// The start of the complete period.
    pub from: Timestamp,
    /// The end of the complete period.
    pub to: Timestamp,
    /// The root that consolidation relocates to, if known.
    #[serde(rename = "archive_root", deserialize_with = "nullable")]
    pub declared: Option<DeclaredRoot>,
    /// The owner of the organization's trails, if known.
    #[serde(rename = "organization", deserialize_with = "nullable")]
    pub org_owner: Option<OrgOwner>,
    /// The bucket of `objects`; unknown if a folder was packed.
    #[serde(deserialize_with = "nullable")]
    pub bucket: Option<String>,
    /// The other buckets that chains were followed into; the bundle contains their digests.
    #[serde(rename = "followed_buckets")]
    pub followed: BTreeSet<Followed>,
    /// What could not be packed, and why.
    pub omitted: Vec<String>,
    /// The Regions whose public keys could not be listed: some keys are missing.
    pub regions_without_public_keys: BTreeSet<Region>,
    /// Every other file, in the order of the archive.
    pub files: Vec<FileEntry>,
}

/// An account's digests in another bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Followed {
    /// The bucket.
    pub bucket: BucketName,
    /// The account.
    pub account: AccountId,
}

/// The root of the archive's keys, in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeclaredRoot {
    /// All before `AWSLogs`.
    #[serde(deserialize_with = "nullable")]
    pub prefix: Option<String>,
    /// The organization.
    #[serde(rename = "organization", deserialize_with = "nullable")]
    pub org: Option<OrgId>,
    /// The organization's trail that was declared.
    #[serde(deserialize_with = "nullable")]
    pub trail: Option<PackedTrail>,
}

/// A trail in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackedTrail {
    /// Its name.
    pub name: TrailName,
    /// The Region in which it was created.
    pub home_region: Region,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[error("the bundle `{}`", bundle.display())]
pub struct BundleError {
    /// The bundle's file.
    pub bundle: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: BundleFault,
}

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleFault {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(io::Error),
    /// It cannot be decompressed or is no tar archive.
    #[error("it is damaged, or not a bundle: {0}")]
    Damaged(String),
    /// It differs from what was packed.
    #[error("it was changed after it was packed, or packed by an older orgtrail: {0}")]
    Seal(String),
    /// The tar archive differs from what packing its files produces.
    #[error(
        "its tar archive differs from what packing its files produces: headers, padding or the end were changed"
    )]
    Tar,
    /// The manifest is missing or not readable.
    #[error("its manifest cannot be read: {0}")]
    Manifest(String),
    /// A file differs from the manifest, or does not belong in the bundle.
    #[error("`{path}` has {found}, expected {expected}")]
    File {
        /// Its path within the bundle.
        path: String,
        /// What the manifest says.
        expected: String,
        /// The kinds of findings.
        found: String,
    },
}

/// An error of the operating system is not damage.
impl From<io::Error> for BundleFault {
    fn from(error: io::Error) -> Self {
        let is_of_content = error.raw_os_error().is_none()
            && !matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::WriteZero);
        if is_of_content { Self::Damaged(in_one_line(&error)) } else { Self::Io(error) }
    }
}

impl BundleFault {
    fn of(self, bundle: &Path) -> BundleError {
        BundleError { bundle: bundle.to_owned(), fault: self }
    }
}

impl DeclaredRoot {
    /// Adds the organization's trail that delivers below it.
    #[must_use]
    pub fn of_trail(self, trail: Option<&DeclaredTrail>) -> Self {
        let trail = trail.map(|trail| PackedTrail {
            name: trail.name.clone(),
            home_region: trail.home_region.clone(),
        });
        Self { trail, ..self }
    }

    /// The trail that was declared.
    #[must_use]
    pub fn declared_trail(&self) -> Option<DeclaredTrail> {
        let PackedTrail { name, home_region } = self.trail.clone()?;
        Some(DeclaredTrail { name, home_region, org: self.org.clone()? })
    }
}

impl From<&Root> for DeclaredRoot {
    fn from(root: &Root) -> Self {
        Self {
            prefix: root.prefix.as_deref().map(str::to_owned),
            org: root.org.clone(),
            trail: None,
        }
    }
}

impl From<&DeclaredRoot> for Root {
    fn from(root: &DeclaredRoot) -> Self {
        Self { prefix: root.prefix.as_deref().map(Into::into), org: root.org.clone() }
    }
}

#[cfg(test)]
mod tests;
