//! Applies acceptances to verification: accepted findings become notices.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Acceptance, AcceptanceRecord, Acceptances};
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::run::Examined;
use crate::archive::verify::source::{FetchError, Source};

/// Who accepted a finding, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedBy {
    /// The record's number.
    pub record: u64,
    /// The caller's ARN.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The finding's severity before it was accepted.
    pub instead_of: Severity,
}

impl AcceptedBy {
    fn new(record: &Acceptance, instead_of: Severity) -> Self {
        Self {
            record: record.number,
            by: record.accepted_by.clone(),
            at: record.accepted_at,
            reason: record.reason.clone(),
            instead_of,
        }
    }
}

/// Whether a record accepts findings of a kind. All kinds that say that no digest lists a
/// file are treated alike.
fn accepts_kind(record: &Acceptance, kind: FindingKind) -> bool {
    let is_named = |kind: FindingKind| record.findings.iter().any(|code| code == kind.code());
    let is_unproven = kind.concerns_unproven_files()
        && FindingKind::ALL.iter().any(|it| it.concerns_unproven_files() && is_named(*it));
    (is_named(kind) || is_unproven) && (record.contradicts_digest || !kind.contradicts_digest())
}

/// The finding for a record that is not authenticated and therefore ignored.
fn unauthenticated_finding(record: &AcceptanceRecord, bucket: Option<&str>) -> Finding {
    let AcceptanceRecord { acceptance, record: key, record_sha256, authenticated } = record;
    let found = format!(
        "record {} in which `{}` claims to accept `{}` ({}); {}",
        acceptance.number,
        acceptance.accepted_by,
        acceptance.key,
        acceptance.reason,
        authenticated.reason().unwrap_or_default(),
    );
    Finding::new(FindingKind::AcceptanceUnauthenticated).at(bucket, key).with_mismatch(
        format!(
            "a valid MAC of `records.mac_key`, or, if the record is yours, \
             `acceptances = [\"{record_sha256}\"]` under `[records]` in the configuration"
        ),
        found,
    )
}

impl FindingKind {
    /// Whether the finding says that no digest lists a file.
    #[must_use]
    pub fn concerns_unproven_files(self) -> bool {
        matches!(
            self,
            Self::LogUnlisted | Self::LogsUnproven | Self::NoDigests | Self::UnexpectedObject
        )
    }

    /// Whether the finding says that an object contradicts a digest, a digest's signature or its
    /// successor.
    #[must_use]
    pub fn contradicts_digest(self) -> bool {
        !self.concerns_unproven_files()
    }
}

/// Unauthenticated records that would accept a finding, by number.
type Unauthenticated = BTreeMap<u64, AcceptanceRecord>;

impl Acceptances {
    /// Turns accepted findings into notices, and adds findings about faulty records.
    ///
    /// An unauthenticated record changes no severity and becomes a finding itself. `source` is
    /// the verified source.
    pub async fn apply(&self, source: &Source, examined: &mut Examined) {
        let bucket = source.bucket().map(str::to_owned);
        let mut unauthenticated = Unauthenticated::new();
        for finding in examined.all_findings_mut() {
            let here = finding.bucket.is_none() || finding.bucket == bucket;
            if here && finding.severity > Severity::Notice && !self.records.is_empty() {
                self.apply_to(source, finding, &mut unauthenticated).await;
            }
        }
        let faults = self.faults.iter().map(|(key, why)| {
            Finding::new(FindingKind::AcceptanceInvalid)
                .at(bucket.as_deref(), key)
                .with_mismatch("a record of an accepted finding, in its chain", why)
        });
        // Without these records no severity is lowered, so nothing is missed.
        let unreadable = self.unreadable.iter().map(|(key, why)| {
            Finding::new(FindingKind::Unreadable)
                .at(bucket.as_deref(), key)
                .with_mismatch("the records of accepted findings", why)
                .with_severity(Severity::Notice)
        });
        let unauthenticated = unauthenticated.values();
        let unauthenticated =
            unauthenticated.map(|it| unauthenticated_finding(it, bucket.as_deref()));
        examined.findings.extend(faults.chain(unreadable).chain(unauthenticated));
    }

    /// Turns a finding about several files into a notice if each file was accepted.
    async fn apply_to_files(
        &self,
        source: &Source,
        finding: &mut Finding,
        unauthenticated: &mut Unauthenticated,
    ) {
        // The finding does not list all its files.
        if finding.files.len() as u64 != finding.objects {
            return;
        }
        let mut newest: Option<&Acceptance> = None;
        let mut is_accepted = true;
        for file in &finding.files {
            let mut accepted = None;
            for record in self.of(file) {
                let acceptance = &record.acceptance;
                if !accepts_kind(acceptance, finding.kind)
                    || !matches!(self.is_current(source, acceptance).await, Ok(true))
                {
                    continue;
                }
                if record.counts() {
                    accepted = Some(acceptance);
                    break;
                }
                unauthenticated.insert(acceptance.number, record.clone());
            }
            is_accepted &= accepted.is_some();
            newest = newest.into_iter().chain(accepted).max_by_key(|it| it.number);
        }
        let Some(record) = newest.filter(|_| is_accepted) else { return };
        finding.accepted = Some(AcceptedBy::new(record, finding.severity));
        finding.severity = Severity::Notice;
    }

    async fn apply_to(
        &self,
        source: &Source,
        finding: &mut Finding,
        unauthenticated: &mut Unauthenticated,
    ) {
        if !finding.files.is_empty() {
            return self.apply_to_files(source, finding, unauthenticated).await;
        }
        let Some(key) = finding.key.clone() else { return };
        // One effective record suffices.
        let mut not_counting = Vec::new();
        for record in self.of(&key) {
            let acceptance = &record.acceptance;
            if !accepts_kind(acceptance, finding.kind) {
                continue;
            }
            match self.is_current(source, acceptance).await {
                Ok(true) if record.counts() => {
                    finding.accepted = Some(AcceptedBy::new(acceptance, finding.severity));
                    finding.severity = Severity::Notice;
                    return;
                }
                Ok(true) => not_counting.push(record),
                Ok(false) => {
                    let found = finding.found.take().unwrap_or_default();
                    let number = acceptance.number;
                    finding.found = Some(format!(
                        "{found}; record {number} accepts a different version or different bytes"
                    ));
                }
                Err(error) => {
                    let found = finding.found.take().unwrap_or_default();
                    finding.found = Some(format!(
                        "{found}; whether record {} accepts it could not be checked: {error}",
                        acceptance.number
                    ));
                }
            }
        }
        unauthenticated
            .extend(not_counting.into_iter().map(|it| (it.acceptance.number, it.clone())));
    }

    /// Whether the object still has the accepted version and bytes.
    async fn is_current(&self, source: &Source, record: &Acceptance) -> Result<bool, FetchError> {
        // In a bundle, objects below `orgtrail/` are stored with the records.
        let is_apart = record.subject(self.prefix.as_deref()) != record.key;
        let source = match &self.records_of {
            Some(records) if is_apart => records,
            _ => source,
        };
        let object = match source.fetch(None, &record.key).await {
            Ok(object) => object,
            Err(FetchError::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        if sha256_hex(&object.bytes) != record.sha256 {
            return Ok(false);
        }
        // Copies of buckets have no versions: compare only the bytes.
        Ok(match (source.version(&record.key).await?, &record.version_id) {
            (Some(found), Some(accepted)) => found == *accepted,
            _ => true,
        })
    }
}
