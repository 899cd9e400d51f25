//! The report of the sources of logs outside the archive: `orgtrail sources`.

use std::collections::BTreeSet;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mirror;
use crate::archive::consolidate::discover::{self, UnusableSource};
use crate::archive::consolidate::{source, source_stats};
use crate::names::{AccountId, Arn, BucketName, KeyPrefix, Region};

/// The trails and buckets outside the archive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The trails that deliver elsewhere than the organization trail.
    pub trails: Vec<LegacyTrail>,
    /// The sources, with what they contain.
    pub sources: Vec<CountedSource>,
    /// The sources whose buckets were deleted.
    pub missing_sources: Vec<MissingSource>,
    /// The sources that the configuration excludes.
    pub excluded_sources: Vec<Source>,
    /// The accounts and Regions that could not be read, and trails that cannot be used.
    pub unreadable_regions: Vec<UnreadableRegion>,
    /// The trails that cannot be used, and that the configuration excludes.
    pub excluded_trails: Vec<UnreadableRegion>,
    /// The names of sources that earlier runs consolidated, and that nothing names any more.
    pub vanished_sources: Vec<String>,
}

mirror! {
    /// A trail that delivers elsewhere than the organization trail.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct LegacyTrail from discover::LegacyTrail {
        /// Its ARN.
        arn: Arn,
        /// The account that owns it.
        account: AccountId,
        /// The Region in which it was created.
        home_region: Region,
        /// Whether it records every Region.
        multi_region: bool,
        /// Whether it records every account of the organization.
        organization_trail: bool = organization,
        /// Whether log file validation is on.
        log_file_validation: bool,
        /// The bucket that it delivers to.
        bucket: BucketName,
        /// The part of its keys before `AWSLogs/`.
        prefix: Option<KeyPrefix>,
        /// The accounts and Regions in which it, or a shadow of it, was seen.
        seen_in: Vec<AccountRegion> => each,
    }
}

/// An account in a Region.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AccountRegion {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

mirror! {
    /// A bucket, or a prefix of one, that contains CloudTrail's objects.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Source from source::Source, without policy {
        /// The bucket.
        bucket: BucketName,
        /// The part of its keys before `AWSLogs/`.
        prefix: Option<KeyPrefix>,
        /// The account whose credentials read it.
        account: AccountId,
        /// The bucket's Region; uncertain while `owner` is null.
        region: Region,
        /// The account that is proven to own the bucket.
        owner: Option<AccountId>,
        /// The other accounts whose logs it may contain.
        accounts: BTreeSet<AccountId>,
        /// The trails that deliver there.
        trails: Vec<Arn>,
    }
}

/// A source, with what it contains.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CountedSource {
    /// The source.
    #[serde(flatten)]
    pub source: Source,
    /// What it contains; null where it could not be read.
    pub contents: Option<Contents>,
    /// Why it could not be read.
    pub error: Option<String>,
    /// What to do about the error.
    pub hint: Option<String>,
}

mirror! {
    /// How objects were counted.
    Counting of source_stats::CountMethod {
        /// Every object was listed.
        Exact,
        /// Three days of each prefix were listed, and the others estimated.
        Sampled,
    }
}

mirror! {
    /// What a source contains.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Contents from source_stats::SourceStats {
        /// How the objects were counted.
        counting: Counting => into,
        /// Prefixes of an account, kind and Region.
        prefixes: usize = log_prefixes,
        /// Objects below them.
        objects: u64,
        /// The size of these objects.
        size_bytes: u64 = bytes,
        /// Objects that must be restored before they can be read.
        archived_objects: u64 = archived,
        /// The first day of any prefix.
        first_day: Option<Date>,
        /// The last day of any prefix.
        last_day: Option<Date>,
        /// Whether there are digests, without which nothing can be proven.
        with_digests: bool = digests,
        /// Folders that are not CloudTrail's.
        unexpected_folders: Vec<String> = unexpected,
        /// Objects outside CloudTrail's folders.
        unexpected_objects: u64 = stray_objects,
    }
}

/// A source whose bucket was deleted: nothing is left to consolidate.
#[derive(Debug, Clone, Serialize, JsonSchema, PartialEq, Eq, Deserialize)]
pub struct MissingSource {
    /// Its name.
    pub source: String,
    /// The trails that still name it.
    pub trails: Vec<Arn>,
}

mirror! {
    /// An account and Region whose trails could not be read, or a trail that cannot be used.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct UnreadableRegion from discover::FailedRead {
        /// The account.
        account: AccountId,
        /// The Region.
        region: Region,
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
        /// The source of a trail that cannot be used.
        source: Option<NamedSource> => option,
    }
}

mirror! {
    /// The source of a trail that cannot be used.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct NamedSource from UnusableSource {
        /// The source's name.
        name: String,
        /// The trail's account.
        account: AccountId,
    }
}

impl From<(AccountId, Region)> for AccountRegion {
    fn from((account, region): (AccountId, Region)) -> Self {
        Self { account, region }
    }
}

impl From<source::Source> for MissingSource {
    fn from(source: source::Source) -> Self {
        Self { source: source.name(), trails: source.trails }
    }
}
