//! The ends of chains, the gaps between them, and the proven periods.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    BucketHandoff, Chain, ChainName, ChainScope, ChainVerifier, Coverage, Finding, FindingKind,
    LaggingChain, NO_SIGNATURE, ObjectKey, OriginTrail, Outcome, Period, Periods, Placement, Tip,
    TrailOwner,
};
use crate::archive::key::{DIGEST_FOLDER, Root};
use crate::archive::verify::digest_delay::NEWER_AFTER;
use crate::archive::verify::finding::Severity;
use crate::names::{AccountId, TrailName};

/// The result of following one chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChainSummary {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// The account that owns the trail; unknown for an organization trail of an unknown
    /// organization.
    pub owner: Option<AccountId>,
    /// Whether the digests are backfill digests.
    pub backfill: bool,
    /// Proven digests.
    pub valid: u64,
    /// Of these, the relocated ones.
    pub relocated: u64,
    /// Of these, those proven by the signature that their successor records.
    pub through_successor: u64,
    /// Of these, those that verify only with a saved key.
    pub by_saved_key: u64,
    /// Digests that are not proven.
    pub invalid: u64,
    /// The periods that the proven digests cover.
    pub proven: Vec<Period>,
    /// Of these, those with a copy below another root of the bucket.
    pub copies: u64,
    pub(crate) chain_name: ChainName,
    /// Every owner that the trail had: it can become an organization trail.
    pub(super) owners: BTreeSet<TrailOwner>,
    /// Proven digests that are stored inflated.
    pub(super) stored_inflated: u64,
    /// The placement of the newest proven digest.
    pub(super) placement: Placement,
    /// The end of the first proven digest at its original address.
    began: Option<Timestamp>,
    pub(super) covered: Periods,
    pub(super) gaps: Vec<(Period, String)>,
    /// The period from the first to the last digest that verifies only with a saved key.
    hours_by_saved_key: Option<Period>,
    /// The proven digest that ends last.
    pub(crate) newest: Option<ProvenDigest>,
}

/// A digest that is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProvenDigest {
    /// Its key.
    pub key: String,
    /// SHA-256 of the digest, inflated, in hexadecimal: what its successor records.
    pub sha256: String,
    /// The start of its hour.
    #[serde(rename = "from")]
    pub start: Timestamp,
    /// The end of its hour.
    #[serde(rename = "to")]
    pub end: Timestamp,
}

/// The result of following all chains of one account and Region.
#[derive(Debug)]
pub struct ScopeSummary {
    /// Its chains.
    pub chains: Vec<ChainSummary>,
    /// The periods that verified digests of any chain cover.
    pub covered: Periods,
    /// The same by root, in the order of the scopes.
    pub covered_below: Vec<Periods>,
    /// The handoffs of chains from other buckets or prefixes.
    pub handoffs: Vec<BucketHandoff>,
    /// Digests without a public key, if no digest could be verified.
    pub(crate) unknown_keys: Vec<Finding>,
    /// The trails without any digest.
    pub(crate) absent: Vec<MissingTrail>,
    /// The chains whose trails delivered newer digests to another place.
    pub(crate) lagging: Vec<LaggingChain>,
    /// How many of [`VerifierConfig::anchors`](super::VerifierConfig::anchors) are proven and
    /// unchanged.
    pub(crate) anchors_found: usize,
}

/// A trail that delivered a digest, but has none in the archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MissingTrail {
    pub(crate) latest: LatestDelivery,
    /// The account that owns it, as in [`ChainSummary::owner`].
    pub(crate) owner: Option<AccountId>,
}

/// What CloudTrail reports about a trail's newest digest.
///
/// Source: `GetTrailStatus`, `LatestDigestDeliveryTime`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LatestDelivery {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// The root below which it delivers.
    pub root: Root,
    /// When its newest digest was delivered.
    pub at: Timestamp,
}

/// A logging trail whose status reports no deliveries, as can happen for an organization
/// trail in a member account.
#[derive(Debug, Clone)]
pub struct UnreportedTrail {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// The root below which it delivers.
    pub root: Root,
}

/// What CloudTrail reports about the trails that currently deliver to the folders of one
/// account and Region.
#[derive(Debug, Clone, Default)]
pub struct TrailReports {
    /// Trails with a known newest delivery.
    pub latest: Vec<LatestDelivery>,
    /// Trails without reported deliveries.
    pub unreported: Vec<UnreportedTrail>,
    /// The account's trails that deliver elsewhere.
    pub origins: Vec<OriginTrail>,
    /// Whether `origins` is complete.
    pub origins_known: bool,
    /// Which trails cover which.
    pub coverage: Coverage,
}

impl TrailReports {
    /// The trails.
    pub(crate) fn trails(&self) -> BTreeSet<TrailName> {
        let latest = self.latest.iter().map(|latest| &latest.trail);
        let unreported = self.unreported.iter().map(|unreported| &unreported.trail);
        latest.chain(unreported).filter_map(|trail| trail.parse().ok()).collect()
    }
}

impl LatestDelivery {
    /// Whether it is about a chain; deliveries of backfill digests are not reported.
    fn is_of(&self, summary: &ChainSummary) -> bool {
        summary.is_of(&self.trail, &self.home_region, &self.root)
    }

    /// The expected digest, for a trail without digests.
    pub(crate) fn wanted(&self) -> String {
        format!("the digest of {} that CloudTrail delivered at {}", self.trail, self.at)
    }
}

impl ChainSummary {
    pub(super) fn new(chain_name: ChainName) -> Self {
        Self {
            trail: chain_name.trail.to_string(),
            home_region: chain_name.home_region.to_string(),
            owner: None,
            backfill: chain_name.backfill,
            valid: 0,
            relocated: 0,
            through_successor: 0,
            by_saved_key: 0,
            invalid: 0,
            copies: 0,
            proven: Vec::new(),
            chain_name,
            owners: BTreeSet::new(),
            stored_inflated: 0,
            placement: Placement::InPlace,
            began: None,
            covered: Periods::default(),
            gaps: Vec::new(),
            hours_by_saved_key: None,
            newest: None,
        }
    }

    pub(super) fn count(&mut self, hour: Period, placement: Placement) {
        self.valid += 1;
        self.relocated += u64::from(placement == Placement::Relocated);
        self.placement = placement;
        self.begins(hour, placement);
        self.covered.add(hour);
    }

    /// Keeps the proven digest that ends last.
    pub(super) fn note(&mut self, digest: ProvenDigest) {
        if self.newest.as_ref().is_none_or(|newest| newest.end <= digest.end) {
            self.newest = Some(digest);
        }
    }

    /// Counts a copy of a digest that was counted below another root.
    pub(super) fn count_copy(&mut self, hour: Period, placement: Placement) {
        self.copies += 1;
        if placement == Placement::InPlace {
            self.placement = placement;
        }
        self.begins(hour, placement);
    }

    fn begins(&mut self, hour: Period, placement: Placement) {
        if placement == Placement::InPlace {
            self.began = Some(self.began.map_or(hour.to, |began| began.min(hour.to)));
        }
    }

    /// Whether a proven digest of the chain ends at a time.
    pub(crate) fn covers(&self, end: Timestamp) -> bool {
        self.covered.as_slice().iter().any(|period| period.from < end && end <= period.to)
    }

    /// Whether a trail that delivers below a root wrote the chain; trails of other owners can
    /// have the same name.
    pub(crate) fn is_of(&self, trail: &str, home_region: &str, root: &Root) -> bool {
        !self.backfill
            && self.trail == trail
            && self.home_region == home_region
            && (self.owners.is_empty() || self.owners.contains(&TrailOwner::of(root)))
    }

    /// Whether the trail already wrote here when it delivered a digest, so the digest belongs
    /// here: right after a trail is moved, CloudTrail reports a delivery to the previous bucket.
    #[must_use]
    pub fn began_before(&self, latest: &LatestDelivery) -> bool {
        latest.is_of(self)
            && self.began.is_some_and(|began| latest.at.duration_since(began) > NEWER_AFTER)
    }

    pub(super) fn count_saved_key(&mut self, hour: Period) {
        self.by_saved_key += 1;
        let before = self.hours_by_saved_key.unwrap_or(hour);
        let (from, to) = (before.from.min(hour.from), before.to.max(hour.to));
        self.hours_by_saved_key = Some(Period { from, to });
    }

    pub(super) fn gap(&mut self, gap: Period, next: &ObjectKey) {
        if gap.from < gap.to {
            self.gaps.push((gap, next.to_string()));
        }
    }

    /// The end of the last proven digest.
    pub(super) fn proven_until(&self) -> Option<Timestamp> {
        self.covered.as_slice().last().map(|period| period.to)
    }
}

impl ChainVerifier {
    /// The end of each trail's newest proven digest below a root.
    ///
    /// Chains of several trails end at different times: a later digest may list a file of an
    /// hour that another chain already covers. Backfill digests are excluded, since they end
    /// with the period that they fill.
    #[must_use]
    pub fn ends(&self, root: &Root) -> Vec<Timestamp> {
        let Some(place) = self.place(root) else { return Vec::new() };
        let mut newest = BTreeMap::<(&ChainName, &Option<TrailOwner>), Timestamp>::new();
        let standard = self.chains.iter().filter(|(chain_name, _)| !chain_name.backfill);
        for (chain_name, chain) in
            standard.flat_map(|(it, all)| all.iter().map(move |one| (it, one)))
        {
            if let Some(end) = chain.ends.get(&place) {
                let known = newest.entry((chain_name, &chain.owner)).or_insert(*end);
                *known = (*known).max(*end);
            }
        }
        newest.into_values().collect()
    }

    /// Finishes all chains: reports lost signatures, gaps and ends.
    #[must_use]
    pub fn finish(mut self, reports: &TrailReports) -> (ScopeSummary, Vec<Outcome>) {
        let mut out = Vec::new();
        let mut chains = std::mem::take(&mut self.chains);
        self.resolve_handoff(&mut chains, &mut out);
        for chain in chains.values_mut().flatten() {
            self.prove_pending(chain, Err(NO_SIGNATURE), &mut out);
        }
        let absent: Vec<MissingTrail> =
            reports.latest.iter().filter_map(|latest| self.absent(&chains, latest)).collect();
        out.extend(absent.iter().map(|absent| Outcome::found(self.all_deleted(&absent.latest))));
        let unreported = reports.unreported.iter().map(|trail| self.unreported(&chains, trail));
        out.extend(unreported.map(Outcome::found));
        let (mut summaries, mut lagging) = (Vec::new(), Vec::new());
        let mut chains: Vec<Chain> = chains.into_values().flatten().collect();
        let covering: Vec<_> =
            chains.iter().map(|chain| reports.coverage.of(chain, &chains)).collect();
        for (chain, covering) in chains.iter_mut().zip(covering) {
            lagging.extend(self.at_origin(chain, reports, &mut out));
            let summary = &mut chain.summary;
            summary.proven = summary.covered.as_slice().to_vec();
            let first = self.first();
            let root = chain.original_root.as_ref().unwrap_or(&first.root);
            summary.owner = first.trail_owner(root, self.config.org_owner.as_ref());
            let summary = &chain.summary;
            let findings = summary
                .gaps
                .iter()
                .filter_map(|(gap, next)| self.gap(summary, *gap, next, &covering))
                .chain(self.end(summary, &chain.tip, &reports.latest, &covering))
                .chain(self.lost_signatures(summary))
                .chain(self.inflated(summary))
                .chain(self.saved_keys(summary));
            out.extend(findings.map(Outcome::found));
        }
        summaries.extend(chains.into_iter().map(|chain| chain.summary));
        let summary = ScopeSummary {
            chains: summaries,
            covered: self.covered,
            covered_below: self.covered_below,
            handoffs: self.handoffs,
            unknown_keys: self.unknown_keys,
            absent,
            lagging,
            anchors_found: self.anchors_found,
        };
        (summary, out)
    }

    fn gap(
        &self,
        summary: &ChainSummary,
        gap: Period,
        next: &str,
        covering: &(Periods, Vec<String>),
    ) -> Option<Finding> {
        let window = self.config.window;
        // Digests that start after the window belong to it only if its end is open.
        let gap = gap.within(window.since, window.until.filter(|_| window.last.is_some()))?;
        let open = covering.0.gaps_in(gap);
        let (severity, gap, found) = match open.as_slice() {
            [] => {
                let found = "a new chain begins; other chains prove the time between".to_owned();
                (Severity::Notice, gap, found)
            }
            [first, ..] => {
                let gap = Period { from: first.from, to: open.last().unwrap_or(first).to };
                let hours: i64 = open.iter().map(Period::hours).sum();
                let others = self.others(gap, covering);
                let found = format!("a new chain begins after {hours} h without digests{others}");
                (Severity::Incomplete, gap, found)
            }
        };
        Some(Finding {
            objects: gap.hours().unsigned_abs(),
            ..self
                .at(FindingKind::Gap, next)
                .with_mismatch(format!("a chain of {} without a gap", summary.chain_name), found)
                .with_period(gap.from, gap.to)
                .with_severity(severity)
        })
    }

    /// Compares a chain's end with the window and with the delivery that CloudTrail reports.
    fn end(
        &self,
        summary: &ChainSummary,
        tip: &Tip,
        delivered: &[LatestDelivery],
        covering: &(Periods, Vec<String>),
    ) -> Option<Finding> {
        // Backfill digests end with the period that they fill.
        if summary.backfill {
            return None;
        }
        let (end, key) = (summary.proven_until()?, &tip.key);
        // Unproven digests were not deleted, and have their own findings.
        let at_hand = end.max(tip.end);
        let newer = delivered
            .iter()
            // The status says nothing about relocated chains.
            .filter(|_| summary.placement == Placement::InPlace)
            .find(|latest| latest.is_of(summary))
            .filter(|latest| self.window_includes(latest))
            .filter(|latest| latest.at.duration_since(at_hand) > NEWER_AFTER);
        if let Some(latest) = newer {
            let expected = format!("the digest that CloudTrail delivered at {}", latest.at);
            return Some(
                self.at(FindingKind::NewestDeleted, key)
                    .with_mismatch(expected, format!("none after the one that ends at {end}"))
                    .with_period(end, latest.at),
            );
        }
        let until = self.config.window.until.filter(|until| *until > end)?;
        let rest = Period { from: end, to: until };
        let open = covering.0.gaps_in(rest);
        let others = |open: &Period| self.others(*open, covering);
        let expected = format!("digests of {} up to {until}", summary.chain_name);
        let finding = |kind, period: Period, found: String| Finding {
            objects: period.hours().unsigned_abs(),
            ..self.at(kind, key).with_mismatch(&expected, found).with_period(period.from, period.to)
        };
        Some(match open.first() {
            // The start of another chain is reported with that chain.
            Some(open) if open.from == end && open.to != until => {
                let hours = open.hours();
                let others = others(open);
                let found =
                    format!("{hours} h without digests, then those of another chain{others}");
                finding(FindingKind::Gap, *open, found)
            }
            // The ends of the other chains are reported with those chains.
            Some(open) => {
                let found = format!("none after the one that ends at {end}{}", others(open));
                finding(FindingKind::EndsEarly, *open, found)
            }
            None => {
                let found = format!("none after the one that ends at {end}");
                finding(FindingKind::ChainEnded, rest, found)
            }
        })
    }

    /// Why digests of other trails do not cover the missing ones.
    fn others(&self, open: Period, (_, reasons): &(Periods, Vec<String>)) -> String {
        let missing: i64 = self.covered.gaps_in(open).iter().map(Period::hours).sum();
        if missing < open.hours() && !reasons.is_empty() {
            format!("; other trails have digests of that time, but {}", reasons.join(", "))
        } else {
            String::new()
        }
    }

    /// Whether the window includes a delivery. For an earlier window, the newest delivery is
    /// irrelevant.
    fn window_includes(&self, latest: &LatestDelivery) -> bool {
        self.window_includes_time(latest.at)
    }

    /// Whether the window includes a delivery at a time.
    pub(super) fn window_includes_time(&self, at: Timestamp) -> bool {
        let window = self.config.window;
        window.since.is_none_or(|since| at.duration_since(since) > NEWER_AFTER)
            && window.last.is_none_or(|last| at <= last)
    }

    /// A trail without any digest although CloudTrail delivered one.
    fn absent(
        &self,
        chains: &BTreeMap<ChainName, Vec<Chain>>,
        latest: &LatestDelivery,
    ) -> Option<MissingTrail> {
        let is_here = chains.values().flatten().any(|chain| latest.is_of(&chain.summary));
        if !self.window_includes(latest) || is_here {
            return None;
        }
        let owner = self.first().trail_owner(&latest.root, self.config.org_owner.as_ref());
        Some(MissingTrail { latest: latest.clone(), owner })
    }

    /// The finding for a trail without reported deliveries. Its digests are compared only with
    /// the window; without digests, its state is unknown.
    fn unreported(
        &self,
        chains: &BTreeMap<ChainName, Vec<Chain>>,
        unreported: &UnreportedTrail,
    ) -> Finding {
        let UnreportedTrail { trail, home_region, root } = unreported;
        let is_here = chains
            .values()
            .flatten()
            .any(|chain| chain.summary.valid > 0 && chain.summary.is_of(trail, home_region, root));
        let (severity, found) = if is_here {
            (Severity::Notice, "none; missing digests after the window cannot be detected")
        } else {
            (Severity::Incomplete, "none, and no proven digest of this trail")
        };
        let ChainScope { account, region, .. } = self.first();
        self.at(FindingKind::DeliveryUnknown, root.folder(account, DIGEST_FOLDER, region))
            .with_mismatch(format!("delivery times in the status of the trail {trail}"), found)
            .with_severity(severity)
    }

    /// The finding for a missing trail. One account and Region cannot show whether the trail was
    /// moved here later.
    fn all_deleted(&self, latest: &LatestDelivery) -> Finding {
        let found = "no digest of this trail, which may have been moved to this bucket since";
        self.at(FindingKind::NewestDeleted, self.digest_folder())
            .with_mismatch(latest.wanted(), found)
            .with_period(latest.at, latest.at)
            .with_severity(Severity::Incomplete)
    }

    fn digest_folder(&self) -> String {
        let ChainScope { root, account, region, .. } = self.first();
        root.folder(account, DIGEST_FOLDER, region)
    }

    fn saved_keys(&self, summary: &ChainSummary) -> Option<Finding> {
        let hours = summary.hours_by_saved_key?;
        let (objects, chain_name) = (summary.by_saved_key, &summary.chain_name);
        Some(Finding {
            objects,
            ..self
                .at(FindingKind::PublicKeySaved, self.digest_folder())
                .with_mismatch(
                    "digests signed by keys that AWS lists, or that `--public-keys` gives",
                    format!("{objects} of {chain_name} verify only with saved keys"),
                )
                .with_period(hours.from, hours.to)
        })
    }

    fn lost_signatures(&self, summary: &ChainSummary) -> Option<Finding> {
        let objects = summary.through_successor;
        (objects > 0).then(|| Finding {
            objects,
            ..self.at(FindingKind::SignatureFromSuccessor, self.digest_folder()).with_mismatch(
                "digests with metadata `signature` and `signature-algorithm`",
                format!("{objects} of {} without", summary.chain_name),
            )
        })
    }

    fn inflated(&self, summary: &ChainSummary) -> Option<Finding> {
        let objects = summary.stored_inflated;
        (objects > 0).then(|| Finding {
            objects,
            ..self.at(FindingKind::StoredInflated, self.digest_folder()).with_mismatch(
                "digests as gzip streams",
                format!(
                    "{objects} of {} stored inflated, with the bytes that were signed",
                    summary.chain_name
                ),
            )
        })
    }
}
