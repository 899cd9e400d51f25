//! The sources of consolidation, and what they have.

use futures::{StreamExt as _, stream};

use super::legacy::{self, Legacy, buckets, located, vanished};
use super::{Env, OpError, Outcome, archive};
use crate::archive::batches::LogPrefix;
use crate::archive::consolidate::discover::{self, FailedRead, Found, Selected};
use crate::archive::consolidate::locate::declaration;
use crate::archive::consolidate::run::Failure;
use crate::archive::consolidate::source::Source;
use crate::archive::consolidate::source_stats::{CountMethod, SourceStats, source_stats};
use crate::config::Config;
use crate::names::AccountId;
use crate::org::Unlocated;
use crate::report::contract::sources as contract;
use crate::report::contract::sources::MissingSource;

/// How many sources are counted at once.
const SOURCES_AT_ONCE: usize = 8;

/// The legacy trails of the organization, and their sources.
#[derive(Debug)]
pub struct SourceList {
    /// The trails, and the accounts and Regions that were unreadable.
    pub found: Found,
    /// The sources, by name.
    pub counted: Vec<CountedSource>,
    /// Sources whose buckets were deleted.
    pub missing: Vec<MissingSource>,
    /// Sources that the configuration excludes; not inspected.
    pub excluded: Vec<Source>,
    /// Sources of earlier runs that nothing names any more.
    pub vanished: Vec<Failure>,
    /// Whether the operation was stopped before it had inspected all of them.
    pub stopped: bool,
}

/// A source, with what it has or why that is not known.
#[derive(Debug)]
pub struct CountedSource {
    /// The source.
    pub source: Source,
    /// What it has.
    pub stats: Option<SourceStats>,
    /// The owner of its bucket, if neither a trail nor the configuration names it: the
    /// account may have taken the name of a deleted bucket.
    pub unexpected_owner: Option<AccountId>,
    /// Why it is unreadable.
    pub unreadable: Option<Unlocated>,
}

/// Lists the sources and counts their objects. Changes nothing.
///
/// # Errors
/// Not signed in, or the organization is unreadable.
pub async fn sources(env: &Env, counting: CountMethod) -> Result<SourceList, OpError> {
    let config = env.config()?;
    let aws = env.aws().await?;
    let Legacy { organization, found, .. } = legacy::find(env, &aws).await?;
    let archive = archive::archive(config, &organization.id, &aws);
    let selected = discover::selected(&found.trails, config);
    let past = legacy::past_sources(&aws, config, Some(&organization.id)).await;
    let known = buckets(&selected);
    let vanished = vanished(&aws, config, Some(&organization.id), past, &known).await;
    let Selected { sources, excluded } = selected;
    let located = located(&aws, config, Some(&organization), sources).await;
    let phase = env.progress().phase("inspecting buckets", located.readable.len());
    let count = async |source: Source| {
        let clients = source.clients(&aws);
        let is_consolidated = |log_prefix: &LogPrefix| archive.has(log_prefix);
        let result = source_stats(&clients, &source, counting, is_consolidated).await;
        phase.step_done();
        (source, result.map_err(|error| (&error).into()))
    };
    let mut counted: Vec<CountedSource> = stream::iter(located.readable)
        .map(count)
        .buffer_unordered(SOURCES_AT_ONCE)
        .map(|(source, result)| CountedSource::new(source, result, config))
        .collect()
        .await;
    drop(phase);
    let unlocated = located.unreadable.into_iter();
    counted.extend(unlocated.map(|(source, why)| CountedSource::new(source, Err(why), config)));
    remove_each_other(&mut counted);
    counted.sort_by(|one, other| one.source.cmp(&other.source));
    Ok(SourceList {
        found,
        counted,
        missing: located.missing.into_iter().map(MissingSource::from).collect(),
        excluded,
        vanished,
        stopped: env.stop().is_requested(),
    })
}

/// Removes from what is not CloudTrail's in a bucket what leads to another source there.
fn remove_each_other(counted: &mut [CountedSource]) {
    let sources: Vec<Source> = counted.iter().map(|one| one.source.clone()).collect();
    for CountedSource { source, stats, .. } in counted {
        if let Some(stats) = stats {
            stats.unexpected.retain(|folder| {
                !sources.iter().any(|other| other.lies_below(&source.bucket, folder))
            });
        }
    }
}

impl CountedSource {
    fn new(source: Source, stats: Result<SourceStats, Unlocated>, config: &Config) -> Self {
        let unexpected_owner = unexpected_owner(config, &source).cloned();
        let (stats, unreadable) = match stats {
            Ok(stats) => (Some(stats), None),
            Err(why) => (None, Some(why)),
        };
        Self { source, stats, unexpected_owner, unreadable }
    }
}

impl SourceList {
    /// Whether everything was readable.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_complete = self.found.failed_reads.is_empty()
            && self.counted.iter().all(|source| source.unreadable.is_none())
            && self.vanished.is_empty()
            && !self.stopped;
        if is_complete { Outcome::Clean } else { Outcome::Incomplete }
    }

    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> contract::Report {
        contract::Report {
            trails: self.found.trails.iter().map(contract::LegacyTrail::from).collect(),
            sources: self.counted.iter().map(contract::CountedSource::from).collect(),
            missing_sources: self.missing.clone(),
            excluded_sources: self.excluded.iter().map(contract::Source::from).collect(),
            unreadable_regions: unreadable_regions(&self.found.failed_reads),
            excluded_trails: unreadable_regions(&self.found.excluded),
            vanished_sources: self.vanished.iter().map(|one| one.place.clone()).collect(),
        }
    }
}

impl From<&CountedSource> for contract::CountedSource {
    fn from(counted: &CountedSource) -> Self {
        let CountedSource { source, stats, unreadable, .. } = counted;
        Self {
            source: source.into(),
            contents: stats.as_ref().map(contract::Contents::from),
            error: unreadable.as_ref().map(|why| why.reason.clone()),
            hint: unreadable.as_ref().and_then(|why| why.hint.clone()),
        }
    }
}

/// Unreadable Regions, or excluded trails, for a document.
pub(super) fn unreadable_regions(unread: &[FailedRead]) -> Vec<contract::UnreadableRegion> {
    unread.iter().map(contract::UnreadableRegion::from).collect()
}

/// The owner of a source's bucket, if neither a trail nor the configuration names it.
pub(super) fn unexpected_owner<'a>(config: &Config, source: &'a Source) -> Option<&'a AccountId> {
    let owner = source.owner.as_ref()?;
    let organization = &config.organization;
    let expected = [&organization.log_archive_account, &organization.management_account];
    let is_expected = expected.contains(&owner)
        || source.trails.iter().any(|trail| trail.account.as_ref() == Some(owner))
        || declaration(config, source).is_some();
    (!is_expected).then_some(owner)
}
