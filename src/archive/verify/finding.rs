//! The findings of verification: kinds, severities and meanings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::period::Period;
use crate::archive::accept::apply::AcceptedBy;
use crate::names::{AccountId, Region};

/// The severity of a finding; the most severe finding determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// For information; the proof is valid.
    Notice,
    /// Part of the request is not proven, and not contradicted.
    Incomplete,
    /// Something differs from what CloudTrail wrote.
    Broken,
}

/// Declares the kinds with code, severity and meaning in one table.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $code:literal $severity:ident $meaning:literal;)+) => {
        /// The kinds of findings.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum FindingKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code in reports.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The default severity.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }

            /// The meaning, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),+ }
            }
        }
    };
}

kinds! {
    /// A digest that the next digest refers to is missing.
    DigestMissing "digest-missing" Broken
        "digests were deleted: the next digest refers to a digest that is missing, so the hours between are not proven";
    /// The predecessor of the first digest is missing.
    ChainStartMissing "chain-start-missing" Broken
        "the beginning of the chain was deleted, or has expired: the first digest refers to an earlier one that is missing";
    /// A digest is no gzip stream, no JSON, or lacks a field.
    DigestFormat "digest-format" Broken
        "the digest is not what CloudTrail writes; it was altered or damaged";
    /// A digest is not at its original or relocated address.
    DigestMoved "digest-moved" Broken
        "the digest belongs elsewhere: it was moved, or copied to the key of another digest";
    /// No public key has the digest's fingerprint.
    PublicKeyNotFound "public-key-not-found" Broken
        "AWS published no such key for this Region in this time; without it the digest proves nothing";
    /// The keys that were given have none of the digests' Region.
    PublicKeyMissing "public-key-missing" Incomplete
        "no public key of this Region was given: its digests cannot be verified, and nothing is known against them";
    /// Digests verify only with saved keys.
    PublicKeySaved "public-key-saved" Incomplete
        "the digests verify only with public keys saved next to them, which their supplier or anyone with write access could have made: give the keys that AWS lists with `--public-keys`";
    /// A digest's signature does not verify.
    DigestSignature "digest-signature" Broken
        "the digest was altered after CloudTrail signed it, or was never signed by CloudTrail";
    /// A digest has no signature, and no successor records it.
    SignatureMissing "signature-missing" Broken
        "the object lost its signature metadata and no later digest records the signature, so it cannot be proven";
    /// Digests were proven by the signature that their successor records.
    SignatureFromSuccessor "signature-from-successor" Notice
        "objects lost their signature metadata, usually in a copy; the signatures recorded in the digests after them verify";
    /// A digest records a different hash than that of its predecessor.
    LinkHash "link-hash" Broken
        "the previous digest is not the one that this digest was chained to";
    /// A digest records a different signature than that of its predecessor.
    LinkSignature "link-signature" Broken
        "the previous digest has a different signature than this digest records";
    /// A digest records a different address than that of its predecessor.
    LinkAddress "link-address" Broken
        "the previous digest was written to a different address than this digest records";
    /// A chain ended, and a new one started later.
    Gap "gap" Incomplete
        "logging or log file validation was off: a new chain begins, and the time before it is not proven";
    /// A chain ends before the window does.
    EndsEarly "ends-early" Incomplete
        "the chain ends before the window: newer digests were deleted, or logging stopped";
    /// CloudTrail delivered a newer digest than the newest one in the archive.
    NewestDeleted "newest-deleted" Broken
        "CloudTrail reports the delivery of a newer digest than the newest one here: the newest digests were deleted";
    /// Digests of which only delete markers are left.
    DigestsDeleted "digests-deleted" Broken
        "digests were deleted, or have expired: only delete markers are left of the end or the beginning of a chain, or of all of it";
    /// A chain ended, and others cover the time after it.
    ChainEnded "chain-ended" Notice
        "the chain ends before the window, and another chain proves the time after it";
    /// A chain continues in another bucket or folder.
    ContinuesElsewhere "continues-elsewhere" Incomplete
        "the trail changed its bucket or prefix: verify the earlier part of the chain there";
    /// There are log files and no digest.
    NoDigests "no-digests" Incomplete
        "log file validation was off, or all digests were deleted: nothing here is proven";
    /// An account and Region of the organization that the archive lacks.
    AccountMissing "account-missing" Incomplete
        "the archive has nothing of this account and Region, though the organization trail records there: everything was deleted, or never delivered";
    /// A log file that a digest lists is missing.
    LogMissing "log-missing" Broken
        "the log file was deleted: a proven digest lists it";
    /// A log file's hash is not the one that its digest lists.
    LogHash "log-hash" Broken
        "the log file was altered after CloudTrail delivered it";
    /// A log file is not a complete gzip stream.
    LogFormat "log-format" Broken
        "the log file is damaged: it is not the gzip stream that CloudTrail delivered";
    /// Data follows a log file's gzip stream.
    LogTrailingData "log-trailing-data" Broken
        "something was appended to the log file; the part before it may be intact";
    /// A log file that no digest of its time lists.
    LogUnlisted "log-unlisted" Broken
        "no digest lists the file although digests cover its time: CloudTrail did not deliver it here";
    /// Log files of a time that no digest covers.
    LogsUnproven "logs-unproven" Incomplete
        "no digest covers the time of these log files: they are neither proven nor contradicted";
    /// An object with a key that CloudTrail does not write.
    UnexpectedObject "unexpected-object" Broken
        "CloudTrail writes no such key into this folder: the object is unexpected";
    /// A record of an accepted finding is missing, altered or malformed.
    AcceptanceInvalid "acceptance-invalid" Broken
        "a record of an accepted finding was altered or deleted, or was not written by orgtrail: it accepts nothing";
    /// An acceptance that is not authenticated.
    AcceptanceUnauthenticated "acceptance-unauthenticated" Incomplete
        "anyone who can write below `orgtrail/` can write such a record: it accepts nothing until its MAC is valid, or the configuration lists its SHA-256 under `[records]` as one of `acceptances`";
    /// The command was stopped before an account and Region was verified.
    NotVerified "not-verified" Incomplete
        "the command was stopped before this account and Region was verified: run it again";
    /// A missing file that is still in its source.
    NotConsolidated "not-consolidated" Incomplete
        "not consolidated yet: the file is in its source, but no run has copied it; run `orgtrail consolidate`";
    /// A log file that is below another root of the bucket.
    LogElsewhere "log-elsewhere" Notice
        "the log file is below another root of the bucket, with the bytes that its digest lists";
    /// Proven files that are stored without compression.
    StoredInflated "stored-inflated" Notice
        "the files are stored inflated, as browsers and some HTTP clients save them; their bytes are those that CloudTrail signed";
    /// Files that operating systems leave in folders.
    Clutter "clutter" Notice
        "files that operating systems and file managers leave in folders; CloudTrail did not write them, and verification ignores them";
    /// CloudTrail does not report its deliveries.
    DeliveryUnknown "delivery-unknown" Notice
        "the trail's status reports no deliveries, so CloudTrail cannot confirm that the newest digests are here";
    /// Only chains of selected trails were followed.
    UnlistedNotChecked "unlisted-not-checked" Notice
        "only the chains of the chosen trails were verified: accounts and Regions without one were not searched";
    /// Log files that no digest of the chosen trails lists.
    LogsOfOtherTrails "logs-of-other-trails" Incomplete
        "no digest of the chosen trails lists these log files: another trail may have delivered them; verify without `--trail` to find out";
    /// The trail of a chain no longer exists, and no record shows its retirement.
    SourceVanished "source-vanished" Incomplete
        "the trail that wrote these digests no longer exists, so CloudTrail cannot confirm where its chain ends; if it was retired, record that with `orgtrail retire ARN --yes`";
    /// An account and Region has nothing in the window.
    WindowEmpty "window-empty" Incomplete
        "no digest covers any part of the window, so nothing in it is proven";
    /// Digests after the window.
    BeyondWindow "beyond-window" Notice
        "digests end after the window: what they cover is not part of the result";
    /// An entry of a mirror that is no regular file.
    NotAFile "not-a-file" Incomplete
        "links, pipes, sockets, devices and names that are not UTF-8 are never read: copy the files themselves into the mirror";
    /// A bundle's report that differs from verifying the bundle.
    ReportContradicted "report-contradicted" Incomplete
        "the report inside the bundle is not the result of verifying the bundle: do not rely on it";
    /// The accounts of the organization could not be listed.
    AccountsUnknown "accounts-unknown" Notice
        "the accounts of the organization could not be listed, so an account without anything in the archive is not reported";
    /// Object versions could not be listed.
    DeletedUnknown "deleted-unknown" Notice
        "the versions of the bucket could not be listed (s3:ListBucketVersions), so digests that were deleted at the end of a chain are not named";
    /// A bundle's report with findings that only the archive could show.
    ReportNamesMore "report-names-more" Incomplete
        "the report inside the bundle names what was missing in the archive, which no bundle can show: read it there";
    /// An object or a listing could not be read.
    Unreadable "unreadable" Incomplete
        "it could not be read, so it could not be verified";
}

impl FindingKind {
    /// Whether the finding is about a missing file.
    #[must_use]
    pub fn concerns_missing_file(self) -> bool {
        matches!(self, Self::LogMissing | Self::DigestMissing | Self::ChainStartMissing)
    }
}

impl std::fmt::Display for FindingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.code())
    }
}

/// The original address of a relocated file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The severity.
    pub severity: Severity,
    /// The account whose activity the object records.
    pub account: Option<AccountId>,
    /// The Region whose activity the object records.
    pub region: Option<Region>,
    /// The bucket; unknown for a folder.
    pub bucket: Option<String>,
    /// The key of the object, or of the missing object.
    pub key: Option<String>,
    /// For a missing object, its original address, if it differs.
    pub origin: Option<Origin>,
    /// The expected value.
    pub expected: Option<String>,
    /// The found value.
    pub found: Option<String>,
    /// The affected period.
    pub period: Option<Period>,
    /// The number of affected objects.
    pub objects: u64,
    /// The keys of the first affected files, if there are several.
    pub files: Vec<String>,
    /// Who accepted it, and why; an accepted finding is a notice.
    pub accepted: Option<AcceptedBy>,
}

impl Finding {
    /// A new finding of a kind.
    #[must_use]
    pub fn new(kind: FindingKind) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            account: None,
            region: None,
            bucket: None,
            key: None,
            origin: None,
            expected: None,
            found: None,
            period: None,
            objects: 1,
            files: Vec::new(),
            accepted: None,
        }
    }

    /// Sets the bucket and key.
    #[must_use]
    pub fn at(self, bucket: Option<&str>, key: impl std::fmt::Display) -> Self {
        Self { bucket: bucket.map(str::to_owned), key: Some(key.to_string()), ..self }
    }

    /// Sets the expected and the found value.
    #[must_use]
    pub fn with_mismatch(
        self,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self { expected: Some(expected.to_string()), found: Some(found.to_string()), ..self }
    }

    /// Sets the affected period.
    #[must_use]
    pub fn with_period(self, from: Timestamp, to: Timestamp) -> Self {
        Self { period: Some(Period { from, to }), ..self }
    }

    /// Sets the affected files, with the names of the first ones.
    ///
    /// A single file becomes the finding's key.
    #[must_use]
    pub fn with_files(self, count: u64, mut names: Vec<String>) -> Self {
        if count == 1 && names.len() == 1 {
            return Self { key: names.pop(), objects: 1, ..self };
        }
        Self { objects: count, files: names, ..self }
    }

    /// As grave as circumstances make it.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_meanings_are_sentences() {
        let codes: std::collections::BTreeSet<_> =
            FindingKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), FindingKind::ALL.len());
        for kind in FindingKind::ALL {
            assert!(kind.meaning().len() > 20, "{kind}");
        }
    }

    #[test]
    fn the_most_severe_sorts_last() {
        assert!(Severity::Notice < Severity::Incomplete && Severity::Incomplete < Severity::Broken);
    }
}
