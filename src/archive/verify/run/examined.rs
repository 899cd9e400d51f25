//! What was found in each account and Region, and what follows from all of them together.
//!
//! Shards examine accounts and Regions apart. Whatever needs more than one of them is decided
//! here, from their reports alone, so that joined shards and a single run say the same.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::expected::{Absent, missing_accounts};
use super::{ScopeReport, Verification, Window, delivery, window};
use crate::archive::key::Root;
use crate::archive::verify::chain::{DeclaredTrail, key_not_found};
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::period::Period;
use crate::names::Region;

/// What was found in accounts and Regions, before what follows from all of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Examined {
    /// The reports of accounts and Regions.
    pub(super) scopes: Vec<ScopeReport>,
    /// Findings that are not about a single account and Region.
    pub(crate) findings: Vec<Finding>,
    /// The accounts and Regions of the organization that have nothing in the archive.
    pub(super) absent: Vec<Absent>,
    /// The declared organization trail, and the root that its digests are below.
    pub(super) declared: Option<(DeclaredTrail, Root)>,
    /// The period that was verified.
    pub(super) window: Window,
}

/// Digests of an account and Region of which none could be verified, because no public key was
/// found: whether keys of their Region were given at all, the other accounts show.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct UnknownKeys {
    /// A finding for each, if keys of the Region were given: these do not exist.
    each: Vec<Finding>,
    /// The finding for all, if none was given.
    together: Option<Finding>,
}

impl UnknownKeys {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty() && self.together.is_none()
    }

    /// Of the findings about the keys of an account and Region.
    pub(super) fn new(unknown: Vec<Finding>, region: &Region) -> Self {
        let periods = unknown.iter().filter_map(|finding| finding.period);
        let period = periods.reduce(|one, other| Period {
            from: one.from.min(other.from),
            to: one.to.max(other.to),
        });
        let objects = unknown.len() as u64;
        let together = unknown.first().map(|first| Finding {
            period,
            objects,
            ..Finding::new(FindingKind::PublicKeyMissing)
                .at(first.bucket.as_deref(), first.key.clone().unwrap_or_default())
                .with_mismatch(
                    format!("a public key of {region}"),
                    format!("no public key for {region} was given"),
                )
        });
        Self { each: unknown.into_iter().map(key_not_found).collect(), together }
    }
}

impl Examined {
    /// Every finding so far, of which one of those about unknown keys will not be reported.
    pub(crate) fn all_findings_mut(&mut self) -> impl Iterator<Item = &mut Finding> {
        let Self { scopes, findings, .. } = self;
        let of_scopes = scopes.iter_mut().flat_map(|scope| {
            let UnknownKeys { each, together } = &mut scope.unknown_keys;
            scope.findings.iter_mut().chain(each).chain(together)
        });
        of_scopes.chain(findings)
    }

    /// Joins what shards found; `None` of nothing.
    ///
    /// Findings that are not about a single account and Region are those of every shard, each
    /// of them once.
    #[must_use]
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(|mut joined, part| {
            joined.window = joined.window.joined(part.window);
            joined.scopes.extend(part.scopes);
            joined.absent.extend(part.absent);
            for finding in part.findings {
                if !joined.findings.contains(&finding) {
                    joined.findings.push(finding);
                }
            }
            joined
        })
    }

    /// Every finding so far, but those about unknown keys.
    pub(crate) fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.scopes.iter().flat_map(|scope| &scope.findings).chain(&self.findings)
    }

    /// The Regions that were examined.
    #[must_use]
    pub fn regions(&self) -> BTreeSet<Region> {
        self.scopes.iter().map(|scope| scope.region.clone()).collect()
    }

    /// The number of accounts and Regions.
    #[must_use]
    pub fn scope_count(&self) -> usize {
        self.scopes.len()
    }

    /// Decides what follows from all accounts and Regions together.
    #[must_use]
    pub fn conclude(self) -> Verification {
        let Self { scopes: mut reports, findings, absent, declared, window } = self;
        if let Some((trail, root)) = &declared {
            let missing = missing_accounts(&reports, absent, trail, root);
            reports.extend(missing);
        }
        delivery::mark_deleted(&mut reports);
        resolve_unknown_keys(&mut reports);
        let mut all = window::of_all(window, &reports);
        all.extend(findings);
        let order = |report: &ScopeReport| {
            let ScopeReport { account, region, bucket, root, .. } = report;
            (account.clone(), region.clone(), bucket.clone(), root.clone())
        };
        reports.sort_by_cached_key(order);
        for report in &mut reports {
            report.findings.sort_by(by_severity);
        }
        Verification { scopes: reports, findings: all }
    }
}

/// Orders findings by severity, most severe first, then by time.
fn by_severity(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let key = |finding: &Finding| {
        (Reverse(finding.severity), finding.period.map(|period| period.from), finding.kind)
    };
    key(a).cmp(&key(b)).then_with(|| a.key.cmp(&b.key))
}

/// Reports digests without a public key: if other digests of their Region were verified, its
/// keys were given, so the missing keys do not exist.
fn resolve_unknown_keys(reports: &mut [ScopeReport]) {
    let is_proven = |scope: &&ScopeReport| scope.chains.iter().any(|chain| chain.valid > 0);
    let proven = reports.iter().filter(is_proven).map(|scope| scope.region.clone());
    let proven: BTreeSet<Region> = proven.collect();
    for scope in reports {
        let UnknownKeys { each, together } = std::mem::take(&mut scope.unknown_keys);
        let found = if proven.contains(&scope.region) { each } else { Vec::from_iter(together) };
        scope.findings.extend(found.into_iter().map(|finding| Finding {
            account: Some(scope.account.clone()),
            region: Some(scope.region.clone()),
            ..finding
        }));
    }
}
