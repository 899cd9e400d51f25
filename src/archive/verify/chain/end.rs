//! Where chains end, what lies between them, and what is proven altogether.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    ChainVerifier, Family, Finding, FindingKind, Located, ObjectKey, Outcome, Period, Periods,
};
use crate::archive::verify::finding::Severity;

/// A digest that CloudTrail delivered this much later than the newest one's
/// hour ended is not that one.
const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_mins(90);

/// What following one chain gave.
#[derive(Debug, Clone, Serialize)]
pub struct ChainSummary {
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was created.
    pub home_region: String,
    /// Whether the digests were written afterwards.
    pub backfill: bool,
    /// Digests that are proven.
    pub valid: u64,
    /// Of these, how many lie where relocation put them.
    pub relocated: u64,
    /// Of these, how many were proven by the signature that their successor
    /// records.
    pub through_successor: u64,
    /// Digests that prove nothing.
    pub invalid: u64,
    /// What the proven digests cover.
    pub proven: Vec<Period>,
    #[serde(skip)]
    family: Family,
    #[serde(skip)]
    covered: Periods,
    #[serde(skip)]
    gaps: Vec<(Period, String)>,
}

/// What following all chains of one account and Region gave.
#[derive(Debug)]
pub struct LaneSummary {
    /// Its chains.
    pub chains: Vec<ChainSummary>,
    /// The times that verified digests of any chain cover.
    pub covered: Periods,
}

/// What CloudTrail says of a trail's newest digest.
///
/// Source: `GetTrailStatus`, `LatestDigestDeliveryTime`.
#[derive(Debug, Clone)]
pub struct LatestDelivery {
    /// The trail.
    pub trail: String,
    /// When its newest digest was delivered.
    pub at: Timestamp,
}

impl ChainSummary {
    pub(super) fn new(family: Family) -> Self {
        Self {
            trail: family.trail.to_string(),
            home_region: family.home_region.to_string(),
            backfill: family.backfill,
            valid: 0,
            relocated: 0,
            through_successor: 0,
            invalid: 0,
            proven: Vec::new(),
            family,
            covered: Periods::default(),
            gaps: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, hour: Period, located: Located) {
        self.valid += 1;
        self.relocated += u64::from(located == Located::Relocated);
        self.covered.add(hour);
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
    /// Ends all chains: decides about lost signatures, gaps and ends.
    #[must_use]
    pub fn finish(mut self, delivered: &[LatestDelivery]) -> (LaneSummary, Vec<Outcome>) {
        let mut out = Vec::new();
        let mut families = std::mem::take(&mut self.chains);
        for chain in families.values_mut().flatten() {
            self.prove_pending(chain, None, &mut out);
        }
        let mut summaries = Vec::new();
        for chain in families.into_values().flatten() {
            let mut summary = chain.summary;
            summary.proven = summary.covered.as_slice().to_vec();
            let findings = summary
                .gaps
                .iter()
                .filter_map(|(gap, next)| self.gap(&summary, *gap, next))
                .chain(self.ends(&summary, &chain.tip.key, delivered))
                .chain(self.lost_signatures(&summary));
            out.extend(findings.map(Outcome::found));
            summaries.push(summary);
        }
        (LaneSummary { chains: summaries, covered: self.covered }, out)
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
    fn ends(
        &self,
        summary: &ChainSummary,
        key: &str,
        delivered: &[LatestDelivery],
    ) -> Option<Finding> {
        // Backfill digests end where the time that they fill ends.
        if summary.backfill {
            return None;
        }
        let end = summary.proven_until()?;
        let newer = delivered
            .iter()
            .find(|latest| latest.trail == summary.trail)
            // Of a window that ends before, it tells nothing.
            .filter(|latest| self.rules.window.last.is_none_or(|last| latest.at <= last))
            .filter(|latest| latest.at.duration_since(end) > DELIVERED_WITHIN);
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

    fn lost_signatures(&self, summary: &ChainSummary) -> Option<Finding> {
        let objects = summary.through_successor;
        let folder = self.lane.root.folder(
            &self.lane.account,
            crate::archive::key::DIGEST_FOLDER,
            &self.lane.region,
        );
        (objects > 0).then(|| Finding {
            objects,
            ..self.at(FindingKind::SignatureFromSuccessor, folder).because(
                "digests with metadata `signature` and `signature-algorithm`",
                format!("{objects} of {} without", summary.family),
            )
        })
    }
}
