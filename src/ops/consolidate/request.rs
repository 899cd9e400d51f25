//! What to consolidate, and how.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::archive::consolidate::restore::Restore;
use crate::archive::consolidate::run::ConsolidateOptions;
use crate::archive::consolidate::server_side::ServerSide;
use crate::archive::shard::Shard;
use crate::config::Config;
use crate::names::{AccountId, Region};

/// How many objects are copied at once at most, by default: each needs up to two connections, and
/// a process has 1,024 files by default.
pub const CONCURRENCY: usize = 256;

/// What to consolidate, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first and the last day to copy, in UTC; all days if absent.
    pub since: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
    /// Only the logs of these accounts; all accounts if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only the logs of these Regions; all Regions if empty.
    pub regions: BTreeSet<Region>,
    /// Only sources whose name matches one of these patterns; all sources if empty.
    pub sources: Vec<String>,
    /// How many objects to copy at most.
    pub limit: Option<u64>,
    /// Whether to list days again that earlier runs proved complete.
    pub full: bool,
    /// Whether to skip the days that the records of earlier runs list as complete.
    pub trust_records: bool,
    /// Which objects to copy inside S3.
    pub server_side: ServerSide,
    /// Whether to start restoring objects in archive storage classes, and how.
    pub restore: Option<Restore>,
    /// How many objects to copy at once.
    pub concurrency: usize,
    /// How many days after the end of a day to expect late files for it; the configured
    /// value if absent.
    pub overlap_days: Option<u32>,
    /// Only the accounts and Regions of this shard; all if absent.
    pub shard: Option<Shard>,
}

impl Default for Request {
    /// Everything that is missing.
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            accounts: BTreeSet::new(),
            regions: BTreeSet::new(),
            sources: Vec::new(),
            limit: None,
            full: false,
            trust_records: false,
            server_side: ServerSide::OwnBuckets,
            restore: None,
            concurrency: CONCURRENCY,
            overlap_days: None,
            shard: None,
        }
    }
}

impl Request {
    /// The options of a run.
    pub(super) fn options(&self, config: &Config, excluded: Vec<String>) -> ConsolidateOptions {
        ConsolidateOptions {
            since: self.since,
            until: self.until,
            accounts: self.accounts.clone(),
            regions: self.regions.clone(),
            full: self.full,
            trust_records: self.trust_records,
            server_side: self.server_side,
            restore: self.restore,
            limit: self.limit,
            concurrency: self.concurrency,
            overlap_days: self.overlap_days.unwrap_or(config.consolidate.overlap_days),
            excluded,
            shard: self.shard.clone(),
        }
    }

    /// What was asked, by option: the shards of one run are all asked the same.
    #[must_use]
    pub fn asked(&self, is_dry_run: bool) -> BTreeMap<&'static str, String> {
        let joined = |names: Vec<String>| Some(names.join(",")).filter(|it| !it.is_empty());
        let flag = |is_set: bool| is_set.then(|| "true".to_owned());
        let mut sources = self.sources.clone();
        sources.sort();
        [
            ("--dry-run", flag(is_dry_run)),
            ("--since", self.since.map(|day| day.to_string())),
            ("--until", self.until.map(|day| day.to_string())),
            ("--account", joined(self.accounts.iter().map(ToString::to_string).collect())),
            ("--region", joined(self.regions.iter().map(ToString::to_string).collect())),
            ("--source", joined(sources)),
            ("--full", flag(self.full)),
            ("--trust-records", flag(self.trust_records)),
            ("--restore", flag(self.restore.is_some())),
            ("--overlap-days", self.overlap_days.map(|days| days.to_string())),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some((option, value?)))
        .collect()
    }
}
