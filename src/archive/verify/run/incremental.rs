//! Verifies of an account and Region what an earlier verification did not prove.
//!
//! A record of what was proven decides only what is read. Whatever is doubtful about it, or is
//! not proven now, leads to a verification of the whole window, so a wrong or missing record
//! costs time, and no finding depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::logs::Limits;
use super::scope::{self, Extent};
use super::{
    ChainScope, Deliveries, Depth, EarlierPart, Progress, Request, Sample, ScopeReport, Unit,
    Window,
};
use crate::archive::key::LogClass;
use crate::archive::proofs::{Earlier, ProvenUnit, RecordedPart};
use crate::archive::verify::period::Period;

/// Chains of a unit whose newest digest is this much older than that of the newest chain have
/// ended.
const ENDED_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// Verifies one account and Region to the depth that is requested.
pub(super) async fn verify(
    request: Arc<Request>,
    unit: &Unit,
    scopes: Vec<ChainScope>,
    classes: BTreeSet<LogClass>,
    limits: Arc<Limits>,
    progress: Arc<dyn Progress>,
) -> Option<ScopeReport> {
    if let Depth::Incremental(earlier) = &request.depth
        && let Some(proven) = earlier.units.get(unit)
    {
        let steps = Steps { request: &request, scopes: &scopes, classes: &classes };
        let report = steps.verify(earlier, proven, &limits, &progress).await;
        if report.is_some() {
            progress.scope_done();
            return report;
        }
        tracing::debug!(%unit, "verifying all of it");
    }
    scope::verify(request, scopes, classes, Extent::Window, limits, progress).await
}

/// The steps of verifying an account and Region incrementally.
struct Steps<'a> {
    request: &'a Arc<Request>,
    scopes: &'a [ChainScope],
    classes: &'a BTreeSet<LogClass>,
}

impl Steps<'_> {
    /// Verifies what is new, and a day of what is not; `None` if anything of it is not proven.
    async fn verify(
        &self,
        earlier: &Earlier,
        proven: &ProvenUnit,
        limits: &Arc<Limits>,
        progress: &Arc<dyn Progress>,
    ) -> Option<ScopeReport> {
        let roots: BTreeSet<String> =
            self.scopes.iter().map(|scope| scope.root.to_string()).collect();
        if roots != proven.roots {
            return None;
        }
        let Start { before, anchors } = Start::of(proven, earlier.at_most)?;
        let until = self.request.window.until;
        if before <= proven.from || until.is_none_or(|until| until <= before) {
            return None;
        }
        let expected = anchors.len();
        let window = Window { since: Some(before), ..self.request.window };
        let delivered = Arc::clone(&self.request.delivered);
        let newest = self.request.step(window, delivered, anchors);
        let newest = self.step(newest, limits, progress).await?;
        if !newest.is_proven() || newest.anchors_found != expected {
            return None;
        }
        let sample = match proven.sampled_day(before) {
            Some(day) => Some(self.sample(day, limits, progress).await?),
            None => None,
        };
        let recorded = RecordedPart::of(earlier, proven);
        Some(ScopeReport { earlier: Some(EarlierPart { before, recorded, sample }), ..newest })
    }

    /// Verifies a period that was proven before; `None` if anything of it is not proven.
    async fn sample(
        &self,
        period: Period,
        limits: &Arc<Limits>,
        progress: &Arc<dyn Progress>,
    ) -> Option<Sample> {
        let window =
            Window { since: Some(period.from), until: Some(period.to), last: Some(period.to) };
        // CloudTrail is not asked about the past.
        let request = self.request.step(window, Arc::new(Deliveries::none()), BTreeMap::new());
        let report = self.step(request, limits, progress).await?;
        report.is_proven().then(|| Sample {
            period,
            digests: report.chains.iter().map(|chain| chain.valid).sum(),
            log_files: report.logs.valid,
        })
    }

    async fn step(
        &self,
        request: Request,
        limits: &Arc<Limits>,
        progress: &Arc<dyn Progress>,
    ) -> Option<ScopeReport> {
        scope::verify(
            Arc::new(request),
            self.scopes.to_vec(),
            self.classes.clone(),
            Extent::Step,
            Arc::clone(limits),
            Arc::clone(progress),
        )
        .await
    }
}

/// Where a verification starts.
struct Start {
    /// The start of the first digest that is verified.
    before: Timestamp,
    /// SHA-256 by key: the newest digests of the chains that go on.
    anchors: BTreeMap<String, String>,
}

impl Start {
    /// At the newest digests of a unit, and not later than `at_most`; `None` if it has none.
    fn of(proven: &ProvenUnit, at_most: Option<Timestamp>) -> Option<Self> {
        let newest = proven.chains.iter().map(|digest| digest.end).max()?;
        let goes_on = newest.checked_sub(ENDED_AFTER).ok()?;
        let anchors = || proven.chains.iter().filter(|digest| digest.end >= goes_on);
        let before = anchors().map(|digest| digest.start).chain(at_most).min()?;
        let anchors = anchors().map(|digest| (digest.key.clone(), digest.sha256.clone()));
        Some(Self { before, anchors: anchors.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::chain::ProvenDigest;

    #[test]
    fn verification_starts_at_the_newest_digests_of_the_chains_that_go_on() {
        let at = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
        let digest = |key: &str, hour: i64| ProvenDigest {
            key: key.to_owned(),
            sha256: "00".to_owned(),
            start: at(hour),
            end: at(hour + 1),
        };
        let proven = |chains: Vec<ProvenDigest>| ProvenUnit {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            roots: BTreeSet::new(),
            from: at(0),
            to: at(200),
            whole_at: at(200),
            chains,
        };
        assert!(Start::of(&proven(Vec::new()), None).is_none());
        let unit = proven(vec![digest("late", 190), digest("ended", 20), digest("newest", 199)]);
        let start = Start::of(&unit, None).unwrap();
        assert_eq!((start.before, start.anchors.len()), (at(190), 2));
        assert!(!start.anchors.contains_key("ended"));
        assert_eq!(Start::of(&unit, Some(at(100))).unwrap().before, at(100));
        assert_eq!(Start::of(&unit, Some(at(195))).unwrap().before, at(190));
    }
}
