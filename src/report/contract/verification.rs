//! The verification report: `orgtrail verify`, and `report.json` in a bundle.

use std::cmp::Reverse;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{Period, Window, mirror};
use crate::archive::accept::apply;
use crate::archive::verify::chain::ChainSummary;
use crate::archive::verify::finding::{self, FindingKind};
use crate::archive::verify::run::{self, LogTally, ScopeReport, Verification};
use crate::names::{AccountId, Region};
use crate::report::verification::{BundleFacts, KeyUsed, Subject};

/// The result of verifying an archive, a mirror or a bundle.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// What was verified: `s3://bucket/prefix`, or a path.
    pub target: String,
    /// When the report was made.
    pub created_at: Timestamp,
    /// The requested period.
    pub window: Window,
    /// The result.
    pub outcome: Outcome,
    /// The counts.
    pub summary: Summary,
    /// The public keys that digests were verified with.
    pub public_keys: Vec<PublicKey>,
    /// Facts about the bundle; null where the target is not a bundle.
    pub bundle: Option<Bundle>,
    /// Every account and Region, by account, Region, bucket and prefix.
    pub scopes: Vec<Scope>,
    /// Every finding, the most severe first.
    pub findings: Vec<Finding>,
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything in the requested scope is proven.
    Proven,
    /// A part is not proven, and nothing contradicts it.
    Incomplete,
    /// Something is not as CloudTrail wrote it.
    Broken,
}

impl Outcome {
    /// The outcome of a verification.
    #[must_use]
    pub fn of(verification: &Verification) -> Self {
        match verification.severity() {
            Some(finding::Severity::Broken) => Self::Broken,
            Some(finding::Severity::Incomplete) => Self::Incomplete,
            Some(finding::Severity::Notice) | None => Self::Proven,
        }
    }
}

/// The counts of a verification.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// Accounts and Regions.
    pub scopes: usize,
    /// Digest files.
    pub digests: DigestCounts,
    /// Log files.
    pub log_files: LogFiles,
    /// Findings by severity.
    pub findings: FindingCounts,
}

/// Digest files, by result.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct DigestCounts {
    /// Digests that are proven.
    pub valid: u64,
    /// Digests that prove nothing.
    pub invalid: u64,
}

mirror! {
    /// Log files, by result.
    #[derive(Debug, Clone, Default, Serialize, JsonSchema)]
    struct LogFiles from LogTally {
        /// Log files that are proven.
        valid: u64,
        /// Log files that are altered, damaged or missing.
        invalid: u64,
        /// Log files that could not be read.
        unreadable: u64,
        /// The uncompressed size of the proven log files.
        uncompressed_bytes: u64 = inflated_bytes,
    }
}

/// Findings, by severity.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct FindingCounts {
    /// Findings of severity `broken`.
    pub broken: usize,
    /// Findings of severity `incomplete`.
    pub incomplete: usize,
    /// Findings of severity `notice`.
    pub notices: usize,
    /// The notices that would be more severe without their acceptance.
    pub accepted: usize,
}

mirror! {
    /// A public key that digests were verified with.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct PublicKey from KeyUsed {
        /// Where the key comes from.
        origin: KeyOrigin => into,
        /// MD5 of its DER form, in hexadecimal, as AWS lists it.
        fingerprint: String,
    }
}

mirror! {
    /// Where a public key comes from.
    KeyOrigin of crate::report::verification::KeyOrigin {
        /// AWS lists it.
        Aws,
        /// `--public-keys`.
        Given,
        /// It was stored in the target, and proves nothing by itself.
        Saved,
    }
}

mirror! {
    /// What identifies a bundle.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Bundle from BundleFacts {
        /// SHA-256 of its manifest, in hexadecimal.
        manifest_sha256: String,
        /// Its files that are no digest and that no digest in it lists.
        unproven_files: Vec<String> = unproven,
    }
}

/// One account in one Region of a bucket.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The bucket; null for a folder.
    pub bucket: Option<String>,
    /// The part of the keys before the account: the declared one where there are several.
    pub prefix: String,
    /// Every part of the keys before the account.
    pub prefixes: Vec<String>,
    /// The chains of digests.
    pub chains: Vec<Chain>,
    /// The log files.
    pub log_files: LogFiles,
    /// The periods that are proven: digests, and the log files that they list.
    pub proven: Vec<Period>,
    /// The part that was not verified now, since a proof record of the archive says that an
    /// earlier verification proved it; null where everything was verified.
    pub earlier: Option<Earlier>,
}

/// The part of an account and Region that an earlier verification proved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Earlier {
    /// The start of it.
    pub from: Timestamp,
    /// The end of it: from here on, everything was verified now.
    pub before: Timestamp,
    /// The key of the proof record.
    pub record: String,
    /// When the record was written.
    pub recorded_at: Timestamp,
    /// Whether the record's writer is authenticated.
    pub is_authenticated: bool,
    /// When all of it was last verified at once.
    pub whole_at: Timestamp,
    /// The day of it that was verified again, chosen at random.
    pub sample: Option<Sample>,
}

mirror! {
    /// A period that was verified again.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Sample from run::Sample {
        /// The period.
        period: Period => into,
        /// Its digests, all proven.
        digests: u64,
        /// Their log files, all proven.
        log_files: u64,
    }
}

impl From<&run::EarlierPart> for Earlier {
    fn from(earlier: &run::EarlierPart) -> Self {
        let run::EarlierPart { before, recorded, sample } = earlier;
        Self {
            from: recorded.from,
            before: *before,
            record: recorded.record.clone(),
            recorded_at: recorded.written_at,
            is_authenticated: recorded.is_authenticated,
            whole_at: recorded.whole_at,
            sample: sample.map(Into::into),
        }
    }
}

impl From<&ScopeReport> for Scope {
    fn from(report: &ScopeReport) -> Self {
        Self {
            account: report.account.clone(),
            region: report.region.clone(),
            bucket: report.bucket.clone(),
            prefix: report.root.clone(),
            prefixes: report.roots.clone(),
            chains: report.chains.iter().map(Chain::from).collect(),
            log_files: report.logs.into(),
            proven: report.proven.iter().copied().map(Period::from).collect(),
            earlier: report.earlier.as_ref().map(Earlier::from),
        }
    }
}

/// A chain of digests.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Chain {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// The account that owns the trail; null where it is unknown.
    pub owner: Option<AccountId>,
    /// Whether CloudTrail wrote the digests afterwards.
    pub backfill: bool,
    /// The digests.
    pub digests: ChainDigests,
    /// The periods that the proven digests cover.
    pub proven: Vec<Period>,
}

/// The digests of a chain.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChainDigests {
    /// Digests that are proven.
    pub valid: u64,
    /// Digests that prove nothing.
    pub invalid: u64,
    /// Of the valid, those at the keys where consolidation puts them.
    pub relocated: u64,
    /// Of the valid, those that only the signature recorded in the next digest proves.
    pub proven_by_successor: u64,
    /// Of the valid, those that only a public key stored in the target proves.
    pub proven_by_saved_key: u64,
    /// Of the valid, those that are also below another prefix of the bucket.
    pub duplicated: u64,
}

impl From<&ChainSummary> for Chain {
    fn from(chain: &ChainSummary) -> Self {
        Self {
            trail: chain.trail.clone(),
            home_region: chain.home_region.clone(),
            owner: chain.owner.clone(),
            backfill: chain.backfill,
            digests: ChainDigests {
                valid: chain.valid,
                invalid: chain.invalid,
                relocated: chain.relocated,
                proven_by_successor: chain.through_successor,
                proven_by_saved_key: chain.by_saved_key,
                duplicated: chain.copies,
            },
            proven: chain.proven.iter().copied().map(Period::from).collect(),
        }
    }
}

mirror! {
    /// How severe a finding is.
    Severity of finding::Severity {
        /// Worth knowing; the proof is valid.
        Notice,
        /// A part of the requested scope is not proven, and nothing contradicts it.
        Incomplete,
        /// Something is not as CloudTrail wrote it.
        Broken,
    }
}

/// Something that verification found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Finding {
    /// The kind of finding.
    #[schemars(schema_with = "kind_schema")]
    pub kind: &'static str,
    /// How severe it is.
    pub severity: Severity,
    /// What the kind means.
    pub meaning: &'static str,
    /// The account.
    pub account: Option<AccountId>,
    /// The Region.
    pub region: Option<Region>,
    /// The bucket; null for a folder.
    pub bucket: Option<String>,
    /// The key of the object, or of the object that is missing.
    pub key: Option<String>,
    /// Where CloudTrail delivered the missing object, where that is elsewhere.
    pub delivered_to: Option<ObjectAddress>,
    /// What was expected.
    pub expected: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// The period that it concerns.
    pub period: Option<Period>,
    /// How many objects it concerns.
    pub objects: u64,
    /// Where it concerns several objects, the keys of the first ones.
    pub keys: Vec<String>,
    /// The acceptance that makes it a notice.
    pub accepted: Option<AcceptedFinding>,
}

fn kind_schema(_: &mut SchemaGenerator) -> Schema {
    let kinds: Vec<&str> = FindingKind::ALL.iter().map(|kind| kind.code()).collect();
    schemars::json_schema!({ "type": "string", "enum": kinds })
}

mirror! {
    /// The bucket and key of an object.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct ObjectAddress from finding::Origin {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    }
}

mirror! {
    /// Who accepted a finding, and why.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct AcceptedFinding from apply::AcceptedBy {
        /// The number of the acceptance.
        number: u64 = record,
        /// The ARN of the caller who accepted it.
        accepted_by: String = by,
        /// When it was accepted.
        accepted_at: Timestamp = at,
        /// Why.
        reason: String,
        /// The severity without the acceptance.
        original_severity: Severity = instead_of => into,
    }
}

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        let finding::Finding {
            kind,
            severity,
            account,
            region,
            bucket,
            key,
            origin,
            expected,
            found,
            period,
            objects,
            files,
            accepted,
        } = finding.clone();
        Self {
            kind: kind.code(),
            severity: severity.into(),
            meaning: kind.meaning(),
            account,
            region,
            bucket,
            key,
            delivered_to: origin
                .map(|finding::Origin { bucket, key }| ObjectAddress { bucket, key }),
            expected,
            found,
            period: period.map(Period::from),
            objects,
            keys: files,
            accepted: accepted.as_ref().map(AcceptedFinding::from),
        }
    }
}

impl Report {
    /// The report of a verification.
    #[must_use]
    pub fn new(subject: &Subject, verification: &Verification) -> Self {
        let Subject { target, window, at, keys, bundle, overrides: _ } = subject;
        let findings = findings(verification);
        Self {
            target: target.clone(),
            created_at: *at,
            window: (*window).into(),
            outcome: Outcome::of(verification),
            summary: Summary::of(verification, &findings),
            public_keys: keys.iter().map(PublicKey::from).collect(),
            bundle: bundle.as_ref().map(Bundle::from),
            scopes: verification.scopes.iter().map(Scope::from).collect(),
            findings,
        }
    }
}

/// All findings, the most severe first; those of a scope name its account and Region.
fn findings(verification: &Verification) -> Vec<Finding> {
    let of_scope = |scope: &ScopeReport| -> Vec<Finding> {
        let with_place = |finding: &finding::Finding| {
            let mut finding = Finding::from(finding);
            finding.account.get_or_insert_with(|| scope.account.clone());
            finding.region.get_or_insert_with(|| scope.region.clone());
            finding
        };
        scope.findings.iter().map(with_place).collect()
    };
    let of_scopes = verification.scopes.iter().flat_map(of_scope);
    let mut findings: Vec<Finding> =
        verification.findings.iter().map(Finding::from).chain(of_scopes).collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}

impl Summary {
    fn of(verification: &Verification, findings: &[Finding]) -> Self {
        let scopes = &verification.scopes;
        let chains = || scopes.iter().flat_map(|scope| &scope.chains);
        let mut log_files = LogFiles::default();
        for scope in scopes {
            log_files.valid += scope.logs.valid;
            log_files.invalid += scope.logs.invalid;
            log_files.unreadable += scope.logs.unreadable;
            log_files.uncompressed_bytes += scope.logs.inflated_bytes;
        }
        let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
        Self {
            scopes: scopes.len(),
            digests: DigestCounts {
                valid: chains().map(|chain| chain.valid).sum(),
                invalid: chains().map(|chain| chain.invalid).sum(),
            },
            log_files,
            findings: FindingCounts {
                broken: count(Severity::Broken),
                incomplete: count(Severity::Incomplete),
                notices: count(Severity::Notice),
                accepted: findings.iter().filter(|it| it.accepted.is_some()).count(),
            },
        }
    }
}
