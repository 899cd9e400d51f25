//! The reports of `orgtrail accept`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Document;
use super::consolidation::ObjectFault;
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

impl Document for Report {
    const NAME: &'static str = "acceptance-report";
}

/// The accepted findings of an archive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct List {
    /// The acceptances, by number.
    pub acceptances: Vec<ListedAcceptance>,
    /// Records that are missing, altered or unexpected.
    pub faults: Vec<ObjectFault>,
}

impl Document for List {
    const NAME: &'static str = "acceptance-list";
}

/// An accepted object.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Acceptance {
    /// The number of the acceptance, from 0.
    pub number: u64,
    /// The key of the object.
    pub key: String,
    /// The version of the object; null where the bucket has no versions.
    pub version_id: Option<String>,
    /// SHA-256 of the object as stored, in hexadecimal.
    pub sha256: String,
    /// The size of the object.
    pub size_bytes: u64,
    /// The kinds of the findings.
    pub findings: Vec<String>,
    /// Whether the object contradicts a digest, and was accepted nevertheless.
    pub contradicts_digest: bool,
    /// Why it was accepted.
    pub reason: String,
    /// The ARN of the caller who accepted it.
    pub accepted_by: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The program and its version.
    pub program: String,
}

/// An acceptance with its record.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ListedAcceptance {
    /// What was accepted.
    #[serde(flatten)]
    pub acceptance: Acceptance,
    /// The key of its record in the archive.
    pub record_key: String,
    /// SHA-256 of the record, in hexadecimal.
    pub record_sha256: String,
    /// Whether the record is authenticated.
    pub authenticity: Authenticity,
}

/// Whether a record is authenticated.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Authenticity {
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

impl From<&authenticity::Authenticity> for Authenticity {
    fn from(authenticity: &authenticity::Authenticity) -> Self {
        match authenticity.clone() {
            authenticity::Authenticity::Mac { mac_key } => Self::Mac { mac_key },
            authenticity::Authenticity::Listed => Self::Listed,
            authenticity::Authenticity::Nothing { reason } => Self::Unauthenticated { reason },
            authenticity::Authenticity::Unknown { reason } => Self::Unknown { reason },
        }
    }
}

impl From<&accept::Acceptance> for Acceptance {
    fn from(acceptance: &accept::Acceptance) -> Self {
        let accept::Acceptance {
            version: _,
            number,
            previous_sha256: _,
            key,
            version_id,
            sha256,
            size_bytes,
            findings,
            contradicts_digest,
            reason,
            accepted_by,
            accepted_at,
            accepted_with,
        } = acceptance.clone();
        Self {
            number,
            key,
            version_id,
            sha256,
            size_bytes,
            findings,
            contradicts_digest,
            reason,
            accepted_by,
            accepted_at,
            program: accepted_with,
        }
    }
}

impl From<&AcceptanceRecord> for ListedAcceptance {
    fn from(record: &AcceptanceRecord) -> Self {
        let AcceptanceRecord { acceptance, record, record_sha256, authenticated } = record;
        Self {
            acceptance: acceptance.into(),
            record_key: record.clone(),
            record_sha256: record_sha256.clone(),
            authenticity: authenticated.into(),
        }
    }
}

impl List {
    /// The list of some records, and of what is wrong with others.
    #[must_use]
    pub fn new(records: &[AcceptanceRecord], faults: &[(String, String)]) -> Self {
        let fault = |(key, reason): &(String, String)| ObjectFault {
            key: key.clone(),
            reason: reason.clone(),
        };
        Self {
            acceptances: records.iter().map(ListedAcceptance::from).collect(),
            faults: faults.iter().map(fault).collect(),
        }
    }
}
