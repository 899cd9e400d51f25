//! The report of a consolidation: `orgtrail consolidate`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prices::{Estimate, PriceList};
use super::sources::{MissingSource, UnreadableRegion};
use super::{Document, mirror};
use crate::archive::consolidate::unbound::UnboundObjects;
use crate::archive::consolidate::{binding, record, restore, run, server_side};
use crate::names::{AccountId, Region};

/// The result of a consolidation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The id of the run, which its records have too.
    pub run_id: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether everything of every source is in the archive.
    pub complete: bool,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// The sources whose buckets were deleted.
    pub missing_sources: Vec<MissingSource>,
    /// The names of the sources that the configuration excludes.
    pub excluded_sources: Vec<String>,
    /// The accounts and Regions that could not be read, and trails that cannot be used.
    pub unreadable_regions: Vec<UnreadableRegion>,
    /// The trails that cannot be used, and that the configuration excludes.
    pub excluded_trails: Vec<UnreadableRegion>,
    /// What the run did.
    #[serde(flatten)]
    pub work: Work,
    /// What the run would need; null unless it was a dry run.
    pub estimate: Option<Estimate>,
    /// The prices of the estimate.
    pub prices: Option<PriceList>,
}

impl Document for Report {
    const NAME: &'static str = "consolidation-report";
}

/// What a run did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Work {
    /// The objects of all sources.
    pub counts: ObjectCounts,
    /// The objects by source, by its name.
    pub by_source: BTreeMap<String, ObjectCounts>,
    /// Prefixes of an account, kind and Region that were compared.
    pub prefixes: u64,
    /// Sources and prefixes that could not be finished.
    pub failures: Vec<Failure>,
    /// Folders that are not CloudTrail's.
    pub unexpected_folders: Vec<String>,
    /// Objects outside CloudTrail's folders.
    pub unexpected_objects: u64,
    /// Objects of accounts and Regions that their source may not contain.
    pub unbound: Vec<Unbound>,
    /// Folders of such accounts that were not listed.
    pub unbound_folders_not_listed: u64,
    /// Objects that must be restored before they can be copied, by storage class.
    pub archived: Vec<ArchivedObjects>,
    /// Objects that were not copied, the most severe first; the run's records name all.
    pub examples: Vec<ObjectExample>,
    /// The Regions of the digests that were read.
    pub digest_regions: BTreeSet<Region>,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// Whether `counts.left` is a lower bound, because not all objects were listed.
    pub left_is_lower_bound: bool,
    /// Objects below `orgtrail/` in the archive that were not used.
    pub record_faults: Vec<ObjectFault>,
    /// Why every day was listed although earlier records are trusted.
    pub full_listing_reason: Option<String>,
    /// The number of the last record of the run.
    pub last_record: Option<u64>,
}

/// Objects, by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectCounts {
    /// Objects at the source.
    pub at_source: u64,
    /// In the archive before.
    pub present: u64,
    /// Of the present, those that could not be compared, because one side is archived.
    pub uncompared: u64,
    /// Copied by this run.
    pub copied: u64,
    /// The size of the copied objects.
    pub copied_bytes: u64,
    /// Of the copied, those that S3 copied itself.
    pub copied_inside_s3: u64,
    /// Not copied, because the key has other content in the archive.
    pub conflicts: u64,
    /// Not copied, because of an error.
    pub failed: u64,
    /// Not copied, because they must be restored first.
    pub archived: u64,
    /// Not copied, because they are not CloudTrail's.
    pub unexpected: u64,
    /// Left for a later run.
    pub left: u64,
    /// In quarantine, because they are not what their keys say.
    pub quarantined: u64,
    /// Of the quarantined, the digests.
    pub quarantined_digests: u64,
    /// In quarantine, and accepted; they also count as present.
    pub accepted: u64,
    /// Held back, because their digests, or the public keys of these, are missing.
    pub held_back: u64,
    /// Objects of accounts and Regions that their source may not contain.
    pub unbound: u64,
}

impl From<record::Counts> for ObjectCounts {
    fn from(counts: record::Counts) -> Self {
        let record::Counts {
            source,
            present,
            uncompared,
            copied,
            copied_bytes,
            copied_inside_s3,
            conflicts,
            failed,
            archived,
            unexpected,
            left,
            quarantined,
            accepted,
            held_back,
            quarantined_digests,
            unbound,
        } = counts;
        Self {
            at_source: source,
            present,
            uncompared,
            copied,
            copied_bytes,
            copied_inside_s3,
            conflicts,
            failed,
            archived,
            unexpected,
            left,
            quarantined,
            quarantined_digests,
            accepted,
            held_back,
            unbound,
        }
    }
}

/// A source or prefix that could not be finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The source or prefix.
    pub place: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An object that was not used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ObjectFault {
    /// Its key.
    pub key: String,
    /// Why.
    pub reason: String,
}

mirror! {
    /// Why a source may not contain an object.
    UnboundCause of binding::Unbound {
        /// The account is not in the organization, and not a former account.
        OutsideOrganization,
        /// The source may not contain objects of the account.
        OtherAccount,
        /// AWS has no such Region.
        UnknownRegion,
    }
}

/// Objects of an account that their source may not contain.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Unbound {
    /// The name of the source.
    pub source: String,
    /// The account that the keys name.
    pub account: AccountId,
    /// The folder.
    pub folder: String,
    /// Why the source may not contain them.
    pub cause: UnboundCause,
    /// Objects that were listed.
    pub objects: u64,
    /// Whether there are more.
    pub truncated: bool,
    /// Of the objects, those in quarantine.
    pub quarantined: u64,
    /// Of the quarantined, those that were accepted.
    pub accepted: u64,
    /// Whether the configuration leaves them at the source.
    pub left_at_source: bool,
}

impl From<&UnboundObjects> for Unbound {
    fn from(unbound: &UnboundObjects) -> Self {
        let UnboundObjects { source, account, folder, why, objects, more, kept, accepted, left } =
            unbound.clone();
        Self {
            source,
            account,
            folder,
            cause: why.into(),
            objects,
            truncated: more,
            quarantined: kept,
            accepted,
            left_at_source: left,
        }
    }
}

/// Objects that must be restored.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ArchivedObjects {
    /// Their storage class.
    pub storage_class: &'static str,
    /// How many.
    pub objects: u64,
    /// Their size.
    pub size_bytes: u64,
    /// Of these, the objects that are being restored.
    pub restoring_objects: u64,
    /// The size of the objects that are being restored.
    pub restoring_bytes: u64,
}

mirror! {
    /// What became of an object.
    ObjectOutcome of record::Outcome {
        /// Copied by this run.
        Copied,
        /// Copied by another run in the meantime.
        AlreadyThere,
        /// The key has other content in the archive.
        Conflict,
        /// Not copied, because of an error.
        Failed,
        /// It must be restored first.
        Archived,
        /// It is not CloudTrail's.
        Unexpected,
        /// It is not what its key says, and in quarantine.
        Quarantined,
        /// The same, and accepted.
        Accepted,
        /// A log file whose digest is not in the archive.
        HeldBack,
    }
}

mirror! {
    /// How an object was copied.
    CopyMethod of server_side::CopyMethod {
        /// By S3 itself.
        #[serde(rename = "inside_s3")]
        Server,
        /// Through the machine of orgtrail.
        #[serde(rename = "through_client")]
        Client,
    }
}

/// An object of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ObjectExample {
    /// Its key in the archive.
    pub key: String,
    /// Its bucket at the source.
    pub source_bucket: String,
    /// Its key at the source.
    pub source_key: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes as stored; null where it was not read.
    pub sha256: Option<String>,
    /// What became of it.
    pub outcome: ObjectOutcome,
    /// Why it was not copied.
    pub reason: Option<String>,
    /// How it was copied.
    pub copy_method: Option<CopyMethod>,
    /// Its key in quarantine.
    pub quarantine_key: Option<String>,
}

impl From<&record::ObjectRow> for ObjectExample {
    fn from(row: &record::ObjectRow) -> Self {
        let record::ObjectRow {
            key,
            origin_bucket,
            origin_key,
            size_bytes,
            sha256,
            outcome,
            reason,
            copy_method,
            archived: _,
            quarantined_as,
        } = row.clone();
        Self {
            key,
            source_bucket: origin_bucket,
            source_key: origin_key,
            size_bytes,
            sha256,
            outcome: outcome.into(),
            reason,
            copy_method: copy_method.map(CopyMethod::from),
            quarantine_key: quarantined_as,
        }
    }
}

impl From<&run::Report> for Work {
    fn from(report: &run::Report) -> Self {
        let run::Report {
            counts,
            by_source,
            log_prefixes,
            failures,
            unexpected_folders,
            stray_objects,
            unbound,
            unbound_not_listed,
            archived,
            examples,
            digest_regions,
            digest_accounts: _,
            stopped,
            left_is_lower_bound,
            record_faults,
            full_listing,
            last_record,
        } = report;
        let failure = |it: &run::Failure| Failure {
            place: it.place.clone(),
            reason: it.reason.clone(),
            hint: it.hint.clone(),
        };
        let of_class = |(class, sum): (&restore::Class, &restore::ArchivedTotal)| ArchivedObjects {
            storage_class: class.as_str(),
            objects: sum.objects,
            size_bytes: sum.bytes,
            restoring_objects: sum.restoring,
            restoring_bytes: sum.restoring_bytes,
        };
        let fault = |(key, reason): &(String, String)| ObjectFault {
            key: key.clone(),
            reason: reason.clone(),
        };
        Self {
            counts: (*counts).into(),
            by_source: by_source.iter().map(|(name, it)| (name.clone(), (*it).into())).collect(),
            prefixes: *log_prefixes,
            failures: failures.iter().map(failure).collect(),
            unexpected_folders: unexpected_folders.clone(),
            unexpected_objects: *stray_objects,
            unbound: unbound.iter().map(Unbound::from).collect(),
            unbound_folders_not_listed: *unbound_not_listed,
            archived: archived.0.iter().map(of_class).collect(),
            examples: examples.iter().map(ObjectExample::from).collect(),
            digest_regions: digest_regions.clone(),
            stopped: *stopped,
            left_is_lower_bound: *left_is_lower_bound,
            record_faults: record_faults.iter().map(fault).collect(),
            full_listing_reason: full_listing.clone(),
            last_record: *last_record,
        }
    }
}
