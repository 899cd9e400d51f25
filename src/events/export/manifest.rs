use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::events::answer::Proof;
use crate::names::{AccountId, Region};

/// The version of the manifest's format.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// What an export of a day contains, and which log files it was made from. It is written last:
/// a day without a manifest is incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "document", rename = "event-export-manifest")]
pub struct ExportManifest {
    /// 1.
    pub version: u32,
    /// The account; null if the records do not say it.
    pub account: Option<AccountId>,
    /// The Region; null if the records do not say it.
    pub region: Option<Region>,
    /// The day of the events, in UTC; null if the records do not say it.
    #[schemars(with = "Option<String>")]
    pub day: Option<Date>,
    /// The day on which late events were delivered; null for the others.
    #[schemars(with = "Option<String>")]
    pub delivered_on: Option<Date>,
    /// `parquet`, `ocsf`, `ndjson`, `opensearch` or `security-lake`.
    pub format: String,
    /// The version of the table's columns.
    pub schema_version: u32,
    /// The events in the files.
    pub rows: u64,
    /// Further copies of them in the log files, which are left out.
    pub copies: u64,
    /// The files, in their order.
    pub files: Vec<ManifestFile>,
    /// The log files that were read for it, in the order of their keys.
    pub sources: Vec<ManifestSource>,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// The class of its events in OCSF, which has a folder of its own; null for a file beside
    /// the manifest.
    pub class_uid: Option<u32>,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// The events in it.
    pub rows: u64,
}

/// A log file that an export was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestSource {
    /// Its key.
    pub key: String,
    /// The SHA-256 of its uncompressed bytes, as digests list it; null if it was not read whole.
    pub sha256: Option<String>,
    /// Its size, as stored.
    pub size_bytes: u64,
    /// The records in it, of all days.
    pub records: u64,
    /// Those that could not be read, and are in no export.
    pub malformed_records: u64,
    /// Those of this day, with copies.
    pub rows: u64,
    /// Whether a verified digest lists it; null if that was not checked.
    pub proof: Option<ProofWord>,
    /// Why it, or the rest of it, could not be read; null if it was.
    pub fault: Option<String>,
}

/// Whether a log file is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofWord {
    /// A verified digest lists it with the hash that it has.
    Proven,
    /// No verified digest lists it.
    Unproven,
    /// A verified digest lists it with another hash.
    Contradicted,
}

impl From<Proof> for ProofWord {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Proven => Self::Proven,
            Proof::Unproven => Self::Unproven,
            Proof::Contradicted => Self::Contradicted,
        }
    }
}
