//! What a consolidation run did, and how shards of one add up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::{Counts, ObjectRow};
use super::restore::ArchivedTotals;
use super::unbound::UnboundObjects;
use super::writer::Examples;
use crate::names::{AccountId, Region};

/// A part of a source that could not be completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The source or log prefix.
    pub place: String,
    /// Why.
    pub reason: String,
    /// A hint for the user.
    pub hint: Option<String>,
}

/// The result of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Sums over all log prefixes.
    pub counts: Counts,
    /// The counts by source name.
    pub by_source: BTreeMap<String, Counts>,
    /// The number of processed log prefixes.
    pub log_prefixes: u64,
    /// Sources and log prefixes that were not completed.
    pub failures: Vec<Failure>,
    /// Folders that CloudTrail does not create.
    pub unexpected_folders: Vec<String>,
    /// Objects in places where CloudTrail creates only folders.
    pub stray_objects: u64,
    /// Objects of accounts and Regions that their source is not bound to.
    pub unbound: Vec<UnboundObjects>,
    /// The number of unbound folders that were not listed.
    pub unbound_not_listed: u64,
    /// The objects that must be restored before they can be copied.
    pub archived: ArchivedTotals,
    /// Examples of objects that are in conflict, failed, must be restored or are unexpected;
    /// most severe first, at most [`super::run::EXAMPLES`].
    pub examples: Vec<ObjectRow>,
    /// The Regions with digests, whose public keys are needed.
    pub digest_regions: BTreeSet<Region>,
    /// The accounts of these digests, by Region: each has the Region enabled.
    pub digest_accounts: BTreeMap<Region, BTreeSet<AccountId>>,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// Whether the count of remaining objects is a lower bound, because the run ended before all
    /// were listed.
    pub left_is_lower_bound: bool,
    /// Malformed objects below `orgtrail/` in the archive that were ignored: key and reason.
    pub record_faults: Vec<(String, String)>,
    /// Why every day was listed although records are trusted.
    pub full_listing: Option<String>,
    /// The number of the last record written.
    pub last_record: Option<u64>,
}

impl Report {
    /// Adds what another shard of the same run did. What belongs to no account, several shards
    /// may have found.
    pub fn join(&mut self, shard: Self) {
        self.counts += shard.counts;
        for (source, counts) in shard.by_source {
            *self.by_source.entry(source).or_default() += counts;
        }
        self.log_prefixes += shard.log_prefixes;
        add_new(&mut self.failures, shard.failures);
        add_new(&mut self.unexpected_folders, shard.unexpected_folders);
        self.stray_objects += shard.stray_objects;
        self.unbound.extend(shard.unbound);
        self.unbound.sort_by(|one, other| one.folder.cmp(&other.folder));
        self.unbound_not_listed += shard.unbound_not_listed;
        self.archived.join(shard.archived);
        self.examples.extend(shard.examples);
        self.examples = Examples::of(std::mem::take(&mut self.examples));
        self.digest_regions.extend(shard.digest_regions);
        for (region, accounts) in shard.digest_accounts {
            self.digest_accounts.entry(region).or_default().extend(accounts);
        }
        self.stopped |= shard.stopped;
        self.left_is_lower_bound |= shard.left_is_lower_bound;
        add_new(&mut self.record_faults, shard.record_faults);
        self.full_listing = self.full_listing.take().or(shard.full_listing);
        self.last_record = self.last_record.max(shard.last_record);
    }

    /// Whether every readable source is in the archive.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.counts.complete() && self.failures.is_empty() && !self.stopped
    }
}

/// Appends the values that `known` lacks.
pub(crate) fn add_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}
