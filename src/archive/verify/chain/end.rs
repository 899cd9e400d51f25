//! Where chains end, what lies between them, and what is proven altogether.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Border, Chain, ChainVerifier, Family, Finding, FindingKind, Lane, Located, NO_SIGNATURE,
    ObjectKey, Outcome, Period, Periods, Tip,
};
use crate::archive::key::DIGEST_FOLDER;
use crate::archive::verify::finding::Severity;
use crate::names::AccountId;

/// A digest that CloudTrail delivered this much later than the newest one's
/// hour ended is not that one.
pub const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_mins(90);

/// What following one chain gave.
#[derive(Debug, Clone, Serialize)]
pub struct ChainSummary {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// The account that owns the trail; unknown where an organization's trail
    /// wrote them and the organization is.
    pub owner: Option<AccountId>,
    /// Whether the digests were written afterwards.
    pub backfill: bool,
    /// Digests that are proven.
    pub valid: u64,
    /// Of these, how many lie where relocation put them.
    pub relocated: u64,
    /// Of these, how many were proven by the signature that their successor
    /// records.
    pub through_successor: u64,
    /// Of these, how many verify only with a key that was saved beside the
    /// archive.
    pub by_saved_key: u64,
    /// Digests that prove nothing.
    pub invalid: u64,
    /// What the proven digests cover.
    pub proven: Vec<Period>,
    #[serde(skip)]
    family: Family,
    /// Where the newest proven digest lies.
    #[serde(skip)]
    located: Located,
    /// Where the hour of the first proven digest ends that lies where CloudTrail
    /// wrote it.
    #[serde(skip)]
    began: Option<Timestamp>,
    #[serde(skip)]
    covered: Periods,
    #[serde(skip)]
    gaps: Vec<(Period, String)>,
    /// From the first to the last of the digests by saved keys.
    #[serde(skip)]
    hours_by_saved_key: Option<Period>,
}

/// What following all chains of one account and Region gave.
#[derive(Debug)]
pub struct LaneSummary {
    /// Its chains.
    pub chains: Vec<ChainSummary>,
    /// The times that verified digests of any chain cover.
    pub covered: Periods,
    /// Where chains came from other buckets or prefixes.
    pub came_from: Vec<Border>,
    /// The trails without any digest here.
    pub(crate) absent: Vec<Absent>,
}

/// A trail that delivered a digest and has none here.
#[derive(Debug)]
pub(crate) struct Absent {
    pub(crate) latest: LatestDelivery,
    /// The account that owns it, as in [`ChainSummary::owner`].
    pub(crate) owner: Option<AccountId>,
}

/// What CloudTrail says of a trail's newest digest.
///
/// Source: `GetTrailStatus`, `LatestDigestDeliveryTime`.
#[derive(Debug, Clone)]
pub struct LatestDelivery {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// When its newest digest was delivered.
    pub at: Timestamp,
}

impl LatestDelivery {
    /// Whether it tells of a family's newest digest: backfill digests are not
    /// told of.
    fn is_of(&self, family: &Family) -> bool {
        !family.backfill
            && self.trail == family.trail.as_str()
            && self.home_region == family.home_region.as_str()
    }

    /// What is wanted where the trail has no digest.
    pub(crate) fn wanted(&self) -> String {
        format!("the digest of {} that CloudTrail delivered at {}", self.trail, self.at)
    }
}

impl ChainSummary {
    pub(super) fn new(family: Family) -> Self {
        Self {
            trail: family.trail.to_string(),
            home_region: family.home_region.to_string(),
            owner: None,
            backfill: family.backfill,
            valid: 0,
            relocated: 0,
            through_successor: 0,
            by_saved_key: 0,
            invalid: 0,
            proven: Vec::new(),
            family,
            located: Located::InPlace,
            began: None,
            covered: Periods::default(),
            gaps: Vec::new(),
            hours_by_saved_key: None,
        }
    }

    pub(super) fn count(&mut self, hour: Period, located: Located) {
        self.valid += 1;
        self.relocated += u64::from(located == Located::Relocated);
        self.located = located;
        if located == Located::InPlace {
            self.began = Some(self.began.map_or(hour.to, |began| began.min(hour.to)));
        }
        self.covered.add(hour);
    }

    /// Whether the trail was writing here already when it delivered a digest, so
    /// that this one belongs here too: right after a trail was moved, CloudTrail
    /// tells of one in the bucket before.
    #[must_use]
    pub fn began_before(&self, latest: &LatestDelivery) -> bool {
        latest.is_of(&self.family)
            && self.began.is_some_and(|began| latest.at.duration_since(began) > DELIVERED_WITHIN)
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

    /// Where the last proven digest's hour ends.
    pub(super) fn proven_until(&self) -> Option<Timestamp> {
        self.covered.as_slice().last().map(|period| period.to)
    }
}

impl ChainVerifier {
    /// Where each trail's newest proven digest ends.
    ///
    /// Chains of several trails do not reach equally far: a later digest may list
    /// a file of an hour that another chain covers already. Backfill digests end
    /// where the time that they fill does.
    #[must_use]
    pub fn ends(&self) -> Vec<Timestamp> {
        let standard = self.chains.iter().filter(|(family, _)| !family.backfill);
        let ends = standard.filter_map(|(_, chains)| {
            chains.iter().filter_map(|chain| chain.summary.proven_until()).max()
        });
        ends.collect()
    }

    /// Ends all chains: decides about lost signatures, gaps and ends.
    #[must_use]
    pub fn finish(mut self, delivered: &[LatestDelivery]) -> (LaneSummary, Vec<Outcome>) {
        let mut out = Vec::new();
        let mut families = std::mem::take(&mut self.chains);
        self.reach_border(&mut families, &mut out);
        for chain in families.values_mut().flatten() {
            self.prove_pending(chain, Err(NO_SIGNATURE), &mut out);
        }
        let absent: Vec<Absent> =
            delivered.iter().filter_map(|latest| self.absent(&families, latest)).collect();
        out.extend(absent.iter().map(|absent| Outcome::found(self.all_deleted(&absent.latest))));
        let mut summaries = Vec::new();
        for chain in families.into_values().flatten() {
            let mut summary = chain.summary;
            summary.proven = summary.covered.as_slice().to_vec();
            let root = chain.original_root.as_ref().unwrap_or(&self.lane.root);
            summary.owner = self.lane.trail_owner(root, self.rules.org_owner.as_ref());
            let findings = summary
                .gaps
                .iter()
                .filter_map(|(gap, next)| self.gap(&summary, *gap, next))
                .chain(self.end(&summary, &chain.tip, delivered))
                .chain(self.lost_signatures(&summary))
                .chain(self.saved_keys(&summary));
            out.extend(findings.map(Outcome::found));
            summaries.push(summary);
        }
        let came_from = self.came_from;
        (LaneSummary { chains: summaries, covered: self.covered, came_from, absent }, out)
    }

    fn gap(&self, summary: &ChainSummary, gap: Period, next: &str) -> Option<Finding> {
        let window = self.rules.window;
        let gap = gap.within(window.since, window.until)?;
        let open = self.covered.missing_from(gap);
        let severity = if open.is_empty() { Severity::Notice } else { Severity::Incomplete };
        let found = if open.is_empty() {
            "a new chain begins; other chains prove the time between".to_owned()
        } else {
            format!("a new chain begins after {} h without digests", gap.hours())
        };
        Some(Finding {
            objects: gap.hours().unsigned_abs(),
            ..self
                .at(FindingKind::Gap, next)
                .because(format!("the chain of {} without a gap", summary.family), found)
                .over(gap.from, gap.to)
                .weighing(severity)
        })
    }

    /// Compares a chain's end with the window and with what CloudTrail says.
    fn end(
        &self,
        summary: &ChainSummary,
        tip: &Tip,
        delivered: &[LatestDelivery],
    ) -> Option<Finding> {
        // Backfill digests end where the time that they fill ends.
        if summary.backfill {
            return None;
        }
        let (end, key) = (summary.proven_until()?, &tip.key);
        // What lies here and proves nothing was not deleted, and has its finding.
        let at_hand = end.max(tip.end);
        let newer = delivered
            .iter()
            // Of a chain that was moved here, it tells nothing.
            .filter(|_| summary.located == Located::InPlace)
            .find(|latest| latest.is_of(&summary.family))
            .filter(|latest| self.asks_for(latest))
            .filter(|latest| latest.at.duration_since(at_hand) > DELIVERED_WITHIN);
        if let Some(latest) = newer {
            let expected = format!("the digest that CloudTrail delivered at {}", latest.at);
            return Some(
                self.at(FindingKind::NewestDeleted, key)
                    .because(expected, format!("none after the one that ends at {end}"))
                    .over(end, latest.at),
            );
        }
        let until = self.rules.window.until.filter(|until| *until > end)?;
        let rest = Period { from: end, to: until };
        let kind = if self.covered.missing_from(rest).is_empty() {
            FindingKind::ChainEnded
        } else {
            FindingKind::EndsEarly
        };
        Some(Finding {
            objects: rest.hours().unsigned_abs(),
            ..self
                .at(kind, key)
                .because(
                    format!("digests of {} up to {until}", summary.family),
                    format!("none after the one that ends at {end}"),
                )
                .over(end, until)
        })
    }

    /// Whether the window reaches to a digest. Of one that ends before, the
    /// newest tells nothing.
    fn asks_for(&self, latest: &LatestDelivery) -> bool {
        let window = self.rules.window;
        window.since.is_none_or(|since| latest.at.duration_since(since) > DELIVERED_WITHIN)
            && window.last.is_none_or(|last| latest.at <= last)
    }

    /// A trail without any digest, though CloudTrail delivered one.
    fn absent(
        &self,
        chains: &BTreeMap<Family, Vec<Chain>>,
        latest: &LatestDelivery,
    ) -> Option<Absent> {
        if !self.asks_for(latest) || chains.keys().any(|family| latest.is_of(family)) {
            return None;
        }
        let owner = self.lane.trail_owner(&self.lane.root, self.rules.org_owner.as_ref());
        Some(Absent { latest: latest.clone(), owner })
    }

    /// The finding that such a trail is. This account and Region alone cannot tell
    /// whether the trail was moved here since.
    fn all_deleted(&self, latest: &LatestDelivery) -> Finding {
        let found = "no digest of this trail, which may have come to this bucket since";
        self.at(FindingKind::NewestDeleted, self.digest_folder())
            .because(latest.wanted(), found)
            .over(latest.at, latest.at)
            .weighing(Severity::Incomplete)
    }

    fn digest_folder(&self) -> String {
        let Lane { root, account, region, .. } = &*self.lane;
        root.folder(account, DIGEST_FOLDER, region)
    }

    fn saved_keys(&self, summary: &ChainSummary) -> Option<Finding> {
        let hours = summary.hours_by_saved_key?;
        let (objects, family) = (summary.by_saved_key, &summary.family);
        Some(Finding {
            objects,
            ..self
                .at(FindingKind::PublicKeySaved, self.digest_folder())
                .because(
                    "digests signed by keys that AWS lists, or that `--public-keys` gives",
                    format!("{objects} of {family} verify with saved keys alone"),
                )
                .over(hours.from, hours.to)
        })
    }

    fn lost_signatures(&self, summary: &ChainSummary) -> Option<Finding> {
        let objects = summary.through_successor;
        (objects > 0).then(|| Finding {
            objects,
            ..self.at(FindingKind::SignatureFromSuccessor, self.digest_folder()).because(
                "digests with metadata `signature` and `signature-algorithm`",
                format!("{objects} of {} without", summary.family),
            )
        })
    }
}
