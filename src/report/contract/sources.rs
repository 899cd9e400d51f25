//! The report of the sources of logs outside the archive: `orgtrail sources`.

use std::collections::BTreeSet;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Document, mirror};
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

impl Document for Report {
    const NAME: &'static str = "sources-report";
}

/// A trail that delivers elsewhere than the organization trail.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LegacyTrail {
    /// Its ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub account: AccountId,
    /// The Region in which it was created.
    pub home_region: Region,
    /// Whether it records every Region.
    pub multi_region: bool,
    /// Whether it records every account of the organization.
    pub organization_trail: bool,
    /// Whether log file validation is on.
    pub log_file_validation: bool,
    /// The bucket that it delivers to.
    pub bucket: BucketName,
    /// The part of its keys before `AWSLogs/`.
    pub prefix: Option<KeyPrefix>,
    /// The accounts and Regions in which it, or a shadow of it, was seen.
    pub seen_in: Vec<AccountRegion>,
}

/// An account in a Region.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AccountRegion {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

/// A bucket, or a prefix of one, that contains CloudTrail's objects.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Source {
    /// The bucket.
    pub bucket: BucketName,
    /// The part of its keys before `AWSLogs/`.
    pub prefix: Option<KeyPrefix>,
    /// The account whose credentials read it.
    pub account: AccountId,
    /// The bucket's Region; uncertain while `owner` is null.
    pub region: Region,
    /// The account that is proven to own the bucket.
    pub owner: Option<AccountId>,
    /// The other accounts whose logs it may contain.
    pub accounts: BTreeSet<AccountId>,
    /// The trails that deliver there.
    pub trails: Vec<Arn>,
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

/// What a source contains.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Contents {
    /// How the objects were counted.
    pub counting: Counting,
    /// Prefixes of an account, kind and Region.
    pub prefixes: usize,
    /// Objects below them.
    pub objects: u64,
    /// The size of these objects.
    pub size_bytes: u64,
    /// Objects that must be restored before they can be read.
    pub archived_objects: u64,
    /// The first day of any prefix.
    pub first_day: Option<Date>,
    /// The last day of any prefix.
    pub last_day: Option<Date>,
    /// Whether there are digests, without which nothing can be proven.
    pub with_digests: bool,
    /// Folders that are not CloudTrail's.
    pub unexpected_folders: Vec<String>,
    /// Objects outside CloudTrail's folders.
    pub unexpected_objects: u64,
}

/// A source whose bucket was deleted: nothing is left to consolidate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MissingSource {
    /// Its name.
    pub source: String,
    /// The trails that still name it.
    pub trails: Vec<Arn>,
}

/// An account and Region whose trails could not be read, or a trail that cannot be used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UnreadableRegion {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The source of a trail that cannot be used.
    pub source: Option<NamedSource>,
}

/// The source of a trail that cannot be used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NamedSource {
    /// The source's name.
    pub name: String,
    /// The trail's account.
    pub account: AccountId,
}

impl From<&discover::LegacyTrail> for LegacyTrail {
    fn from(trail: &discover::LegacyTrail) -> Self {
        let discover::LegacyTrail {
            arn,
            account,
            home_region,
            multi_region,
            organization,
            log_file_validation,
            bucket,
            prefix,
            seen_in,
        } = trail.clone();
        let place = |(account, region)| AccountRegion { account, region };
        Self {
            arn,
            account,
            home_region,
            multi_region,
            organization_trail: organization,
            log_file_validation,
            bucket,
            prefix,
            seen_in: seen_in.into_iter().map(place).collect(),
        }
    }
}

impl From<&source::Source> for Source {
    fn from(source: &source::Source) -> Self {
        let source::Source { bucket, prefix, account, region, owner, accounts, trails, policy: _ } =
            source.clone();
        Self { bucket, prefix, account, region, owner, accounts, trails }
    }
}

impl From<&source_stats::SourceStats> for Contents {
    fn from(stats: &source_stats::SourceStats) -> Self {
        let source_stats::SourceStats {
            counting,
            log_prefixes,
            objects,
            bytes,
            archived,
            first_day,
            last_day,
            digests,
            unexpected,
            stray_objects,
        } = stats.clone();
        Self {
            counting: counting.into(),
            prefixes: log_prefixes,
            objects,
            size_bytes: bytes,
            archived_objects: archived,
            first_day,
            last_day,
            with_digests: digests,
            unexpected_folders: unexpected,
            unexpected_objects: stray_objects,
        }
    }
}

impl From<source::Source> for MissingSource {
    fn from(source: source::Source) -> Self {
        Self { source: source.name(), trails: source.trails }
    }
}

impl From<&discover::FailedRead> for UnreadableRegion {
    fn from(unread: &discover::FailedRead) -> Self {
        let discover::FailedRead { account, region, reason, hint, source } = unread.clone();
        let source = source.map(|UnusableSource { name, account }| NamedSource { name, account });
        Self { account, region, reason, hint, source }
    }
}
