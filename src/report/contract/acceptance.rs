//! The reports of `orgtrail accept`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::consolidation::ObjectFault;
use super::mirror;
use crate::archive::accept::{self, AcceptanceRecord};
use crate::archive::authenticity;

/// A finding that was accepted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// What was accepted.
    #[serde(flatten)]
    pub acceptance: Acceptance,
    /// The key of its record in the archive.
    pub record_key: String,
    /// SHA-256 of the record, in hexadecimal.
    pub record_sha256: String,
    /// The KMS key whose MAC authenticates the record. Without one, the acceptance counts once
    /// the configuration lists `record_sha256` under `records.acceptances`.
    pub mac_key: Option<String>,
    /// Until when Object Lock protects the record; null where it does not.
    pub locked_until: Option<Timestamp>,
}

/// The accepted findings of an archive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct List {
    /// The acceptances, by number.
    pub acceptances: Vec<ListedAcceptance>,
    /// Records that are missing, altered or unexpected.
    pub faults: Vec<ObjectFault>,
}

mirror! {
    /// An accepted object.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Acceptance from accept::Acceptance, without version, previous_sha256 {
        /// The number of the acceptance, from 0.
        number: u64,
        /// The key of the object.
        key: String,
        /// The version of the object; null where the bucket has no versions.
        version_id: Option<String>,
        /// SHA-256 of the object as stored, in hexadecimal.
        sha256: String,
        /// The size of the object.
        size_bytes: u64,
        /// The kinds of the findings.
        findings: Vec<String>,
        /// Whether the object contradicts a digest, and was accepted nevertheless.
        contradicts_digest: bool,
        /// Why it was accepted.
        reason: String,
        /// The ARN of the caller who accepted it.
        accepted_by: String,
        /// When it was accepted.
        accepted_at: Timestamp,
        /// The program and its version.
        program: String = accepted_with,
    }
}

mirror! {
    /// An acceptance with its record.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct ListedAcceptance from accept::AcceptanceRecord {
        /// What was accepted.
        #[serde(flatten)]
        acceptance: Acceptance => into,
        /// The key of its record in the archive.
        record_key: String = record,
        /// SHA-256 of the record, in hexadecimal.
        record_sha256: String,
        /// Whether the record is authenticated.
        authenticity: Authenticity = authenticated => into,
    }
}

mirror! {
    /// Whether a record is authenticated.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    #[serde(tag = "status", rename_all = "snake_case")]
    enum Authenticity from authenticity::Authenticity {
        /// By its MAC.
        Mac {
            /// The ARN of the KMS key.
            mac_key: String,
        },
        /// By its SHA-256 in the configuration, or on the command line.
        Listed,
        /// By nothing: it accepts nothing.
        Unauthenticated {
            /// Why.
            reason: String,
        },
        /// Its MAC could not be checked: it accepts nothing.
        Unknown {
            /// Why.
            reason: String,
        },
    }
}

impl List {
    /// The list of some records, and of what is wrong with others.
    #[must_use]
    pub fn new(records: &[AcceptanceRecord], faults: &[(String, String)]) -> Self {
        Self {
            acceptances: records.iter().map(ListedAcceptance::from).collect(),
            faults: faults.iter().cloned().map(ObjectFault::from).collect(),
        }
    }
}
