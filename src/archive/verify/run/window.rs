//! Findings about the requested window as a whole.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::digests::fetch_deferred;
use super::logs::Limits;
use super::{ChainScope, Request, ScopeReport, Window};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::verify::chain::{ChainVerifier, ScopeSummary, TrailReports};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::period::{Period, Periods};

/// A window that is open at its end ends some hours before now: a digest that ends this much
/// later is dated in the future.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(3);

/// The finding for an account and Region without digests in the window.
///
/// If its first chain starts after the window, nothing was expected: a notice.
pub(super) async fn is_empty(
    request: &Request,
    scopes: &[Arc<ChainScope>],
    limits: &Arc<Limits>,
    summary: &ScopeSummary,
    beyond: Option<ObjectKey>,
) -> Option<Finding> {
    // A trail's name does not show whether it exists in an account and Region.
    if !is_bounded(request.window) || !request.selection.trails.is_empty() {
        return None;
    }
    let covered = summary.covered.as_slice();
    if covered.iter().any(|period| lies_in(period, request.window)) {
        return None;
    }
    let scope = scopes.first()?;
    let folder = scope.root.folder(&scope.account, DIGEST_FOLDER, &scope.region);
    let finding = Finding::new(FindingKind::WindowEmpty).at(scope.bucket.as_deref(), folder);
    let says = |found: String| finding.with_mismatch("digests of the window", found);
    Some(match (covered.first(), beyond) {
        // Its first digest was verified, and has no predecessor.
        (Some(first), _) if is_after(first.from, request.window) => {
            says(format!("the first begins at {}", first.from)).with_severity(Severity::Notice)
        }
        (_, Some(key)) => match begins_with(request, scopes, limits, key.clone()).await {
            Some(from) => says(format!("the first begins at {from}, after the window"))
                .with_severity(Severity::Notice),
            None => says(format!("none; the first after it, {key}, does not begin a chain")),
        },
        (_, None) => says("none".to_owned()),
    })
}

/// The start of a digest after the window, if it is proven and the first of its chain.
async fn begins_with(
    request: &Request,
    scopes: &[Arc<ChainScope>],
    limits: &Arc<Limits>,
    key: ObjectKey,
) -> Option<Timestamp> {
    let (config, _) = request.config(scopes.first()?).await;
    let open =
        crate::archive::verify::chain::VerifierConfig { window: Window::default(), ..config };
    let (digest, _room) = fetch_deferred(&request.source, limits, key).await;
    let starts = digest.content.as_ref().is_ok_and(|opened| opened.previous().is_none());
    let work = move |scopes: Vec<Arc<ChainScope>>| {
        let mut verifier = ChainVerifier::new(scopes, open);
        verifier.accept(digest, &mut Vec::new());
        verifier.finish(&TrailReports::default()).0
    };
    let scopes = scopes.to_vec();
    let summary = tokio::task::spawn_blocking(move || work(scopes)).await.ok()?;
    summary.covered.as_slice().first().filter(|_| starts).map(|period| period.from)
}

/// The findings about the whole window.
pub(super) fn of_all(window: Window, reports: &[ScopeReport]) -> Vec<Finding> {
    let own = || reports.iter().filter(|scope| !scope.followed);
    let mut findings = Vec::new();
    let proven = |scope: &ScopeReport| scope.proven.iter().any(|period| lies_in(period, window));
    let has_finding = |scope: &ScopeReport| {
        scope.findings.iter().any(|finding| finding.severity > Severity::Notice)
    };
    if is_bounded(window)
        && own().next().is_some()
        && !own().any(|scope| proven(scope) || has_finding(scope))
    {
        let finding = Finding::new(FindingKind::WindowEmpty);
        let what = match (window.since, window.until) {
            (Some(since), Some(until)) => format!("digests from {since} to {until}"),
            (Some(since), None) => format!("digests from {since} on"),
            (None, Some(until)) => format!("digests up to {until}"),
            (None, None) => return findings,
        };
        findings.push(finding.with_mismatch(what, "none in any account and Region"));
    }
    let end =
        window.last.or(window.until.and_then(|until| until.checked_add(CLOCK_TOLERANCE).ok()));
    let Some(end) = end else { return findings };
    let has_later_digests = |scope: &&ScopeReport| {
        scope.has_later_digests || scope.proven.last().is_some_and(|period| period.to > end)
    };
    let scopes = own().filter(has_later_digests).count();
    if scopes > 0 {
        let found = match window.last {
            Some(_) => "later ones, which were not checked",
            None => "later ones, from the future: is the clock of this machine right?",
        };
        findings.push(Finding {
            objects: scopes as u64,
            ..Finding::new(FindingKind::BeyondWindow)
                .with_mismatch(format!("no digest that ends after {end}"), found)
        });
    }
    findings
}

/// Whether the window is bounded: an unbounded verification may be of a new trail.
fn is_bounded(window: Window) -> bool {
    window.since.is_some() || window.last.is_some()
}

fn lies_in(period: &Period, window: Window) -> bool {
    period.within(window.since, window.until).is_some()
}

fn is_after(time: Timestamp, window: Window) -> bool {
    window.until.is_some_and(|until| time >= until)
}

/// Removes the hours of faulty log files from the proven periods.
pub(super) fn proven(mut covered: Periods, bad: &[Period]) -> Vec<Period> {
    for hour in bad {
        covered.remove(*hour);
    }
    covered.as_slice().to_vec()
}
