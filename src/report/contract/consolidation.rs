//! The report of a consolidation: `orgtrail consolidate`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mirror;
use super::prices::{Estimate, PriceList};
use super::sources::{MissingSource, UnreadableRegion};
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

mirror! {
    /// What a run did.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Work from run::Report, without digest_accounts {
        /// The objects of all sources.
        counts: ObjectCounts => into,
        /// The objects by source, by its name.
        by_source: BTreeMap<String, ObjectCounts> => values,
        /// Prefixes of an account, kind and Region that were compared.
        prefixes: u64 = log_prefixes,
        /// Sources and prefixes that could not be finished.
        failures: Vec<Failure> => each,
        /// Folders that are not CloudTrail's.
        unexpected_folders: Vec<String>,
        /// Objects outside CloudTrail's folders.
        unexpected_objects: u64 = stray_objects,
        /// Objects of accounts and Regions that their source may not contain.
        unbound: Vec<Unbound> => each,
        /// Folders of such accounts that were not listed.
        unbound_folders_not_listed: u64 = unbound_not_listed,
        /// Objects that must be restored before they can be copied, by storage class.
        archived: Vec<ArchivedObjects> => into,
        /// Objects that were not copied, the most severe first; the run's records name all.
        examples: Vec<ObjectExample> => each,
        /// The Regions of the digests that were read.
        digest_regions: BTreeSet<Region>,
        /// Whether the run was stopped before its end.
        stopped: bool,
        /// Whether `counts.left` is a lower bound, because not all objects were listed.
        left_is_lower_bound: bool,
        /// Objects below `orgtrail/` in the archive that were not used.
        record_faults: Vec<ObjectFault> => each,
        /// Why every day was listed although earlier records are trusted.
        full_listing_reason: Option<String> = full_listing,
        /// The number of the last record of the run.
        last_record: Option<u64>,
    }
}

mirror! {
    /// Objects, by outcome.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct ObjectCounts from record::Counts {
        /// Objects at the source.
        at_source: u64 = source,
        /// In the archive before.
        present: u64,
        /// Of the present, those that could not be compared, because one side is archived.
        uncompared: u64,
        /// Copied by this run.
        copied: u64,
        /// The size of the copied objects.
        copied_bytes: u64,
        /// Of the copied, those that S3 copied itself.
        copied_inside_s3: u64,
        /// Not copied, because the key has other content in the archive.
        conflicts: u64,
        /// Not copied, because of an error.
        failed: u64,
        /// Not copied, because they must be restored first.
        archived: u64,
        /// Not copied, because they are not CloudTrail's.
        unexpected: u64,
        /// Left for a later run.
        left: u64,
        /// In quarantine, because they are not what their keys say.
        quarantined: u64,
        /// Of the quarantined, the digests.
        quarantined_digests: u64,
        /// In quarantine, and accepted; they also count as present.
        accepted: u64,
        /// Held back, because their digests, or the public keys of these, are missing.
        held_back: u64,
        /// Objects of accounts and Regions that their source may not contain.
        unbound: u64,
    }
}

mirror! {
    /// A source or prefix that could not be finished.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Failure from run::Failure {
        /// The source or prefix.
        place: String,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    }
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

mirror! {
    /// Objects of an account that their source may not contain.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Unbound from UnboundObjects {
        /// The name of the source.
        source: String,
        /// The account that the keys name.
        account: AccountId,
        /// The folder.
        folder: String,
        /// Why the source may not contain them.
        cause: UnboundCause = why => into,
        /// Objects that were listed.
        objects: u64,
        /// Whether there are more.
        truncated: bool = more,
        /// Of the objects, those in quarantine.
        quarantined: u64 = kept,
        /// Of the quarantined, those that were accepted.
        accepted: u64,
        /// Whether the configuration leaves them at the source.
        left_at_source: bool = left,
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

mirror! {
    /// An object of a run.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct ObjectExample from record::ObjectRow, without archived {
        /// Its key in the archive.
        key: String,
        /// Its bucket at the source.
        source_bucket: String = origin_bucket,
        /// Its key at the source.
        source_key: String = origin_key,
        /// Its size.
        size_bytes: u64,
        /// SHA-256 of its bytes as stored; null where it was not read.
        sha256: Option<String>,
        /// What became of it.
        outcome: ObjectOutcome => into,
        /// Why it was not copied.
        reason: Option<String>,
        /// How it was copied.
        copy_method: Option<CopyMethod> => option,
        /// Its key in quarantine.
        quarantine_key: Option<String> = quarantined_as,
    }
}

impl From<(String, String)> for ObjectFault {
    fn from((key, reason): (String, String)) -> Self {
        Self { key, reason }
    }
}

impl From<restore::ArchivedTotals> for Vec<ArchivedObjects> {
    fn from(totals: restore::ArchivedTotals) -> Self {
        let of_class = |(class, sum): (restore::Class, restore::ArchivedTotal)| ArchivedObjects {
            storage_class: class.as_str(),
            objects: sum.objects,
            size_bytes: sum.bytes,
            restoring_objects: sum.restoring,
            restoring_bytes: sum.restoring_bytes,
        };
        totals.0.into_iter().map(of_class).collect()
    }
}
