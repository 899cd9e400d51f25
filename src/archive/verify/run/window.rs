//! What lies in the window that was asked for, and beyond it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::digests::alone;
use super::logs::Limits;
use super::{Lane, LaneReport, Request, Window};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::verify::chain::{ChainVerifier, LaneSummary, TrailReports};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::period::{Period, Periods};

/// A window that is open at its end ends some hours before now: a digest that ends
/// this much later comes from the future.
const AHEAD: SignedDuration = SignedDuration::from_hours(3);

/// The finding that an account and Region has nothing in the window.
///
/// Where its first chain begins after the window, nothing was to be expected there:
/// that is a notice.
pub(super) async fn is_empty(
    request: &Request,
    lanes: &[Arc<Lane>],
    limits: &Arc<Limits>,
    summary: &LaneSummary,
    beyond: Option<ObjectKey>,
) -> Option<Finding> {
    // Whether a trail is in an account and Region is not known by its name alone.
    if !is_asked(request.window) || !request.selection.trails.is_empty() {
        return None;
    }
    let covered = summary.covered.as_slice();
    if covered.iter().any(|period| lies_in(period, request.window)) {
        return None;
    }
    let lane = lanes.first()?;
    let folder = lane.root.folder(&lane.account, DIGEST_FOLDER, &lane.region);
    let finding = Finding::new(FindingKind::WindowEmpty).at(lane.bucket.as_deref(), folder);
    let says = |found: String| finding.because("digests of the window", found);
    Some(match (covered.first(), beyond) {
        // Its beginning was looked at, and has nothing before it.
        (Some(first), _) if is_after(first.from, request.window) => {
            says(format!("the first begins at {}", first.from)).weighing(Severity::Notice)
        }
        (_, Some(key)) => match begins_with(request, lanes, limits, key.clone()).await {
            Some(from) => says(format!("the first begins at {from}, after the window"))
                .weighing(Severity::Notice),
            None => says(format!("none; the first after it, {key}, does not begin a chain")),
        },
        (_, None) => says("none".to_owned()),
    })
}

/// Where a digest after the window begins, if it is proven and the first of its chain.
async fn begins_with(
    request: &Request,
    lanes: &[Arc<Lane>],
    limits: &Arc<Limits>,
    key: ObjectKey,
) -> Option<Timestamp> {
    let (rules, _) = request.rules(lanes.first()?).await;
    let open = crate::archive::verify::chain::Rules { window: Window::default(), ..rules };
    let (digest, _room) = alone(&request.source, limits, key).await;
    let starts = digest.content.as_ref().is_ok_and(|opened| opened.previous().is_none());
    let work = move |lanes: Vec<Arc<Lane>>| {
        let mut verifier = ChainVerifier::new(lanes, open);
        verifier.accept(digest, &mut Vec::new());
        verifier.finish(&TrailReports::default()).0
    };
    let lanes = lanes.to_vec();
    let summary = tokio::task::spawn_blocking(move || work(lanes)).await.ok()?;
    summary.covered.as_slice().first().filter(|_| starts).map(|period| period.from)
}

/// What is to be said of the window as a whole.
pub(super) fn of_all(window: Window, reports: &[LaneReport]) -> Vec<Finding> {
    let own = || reports.iter().filter(|lane| !lane.followed);
    let mut findings = Vec::new();
    let proven = |lane: &LaneReport| lane.proven.iter().any(|period| lies_in(period, window));
    let is_told =
        |lane: &LaneReport| lane.findings.iter().any(|finding| finding.severity > Severity::Notice);
    if is_asked(window)
        && own().next().is_some()
        && !own().any(|lane| proven(lane) || is_told(lane))
    {
        let finding = Finding::new(FindingKind::WindowEmpty);
        let what = match (window.since, window.until) {
            (Some(since), Some(until)) => format!("digests from {since} to {until}"),
            (Some(since), None) => format!("digests from {since} on"),
            (None, Some(until)) => format!("digests up to {until}"),
            (None, None) => return findings,
        };
        findings.push(finding.because(what, "none in any account and Region"));
    }
    let end = window.last.or(window.until.and_then(|until| until.checked_add(AHEAD).ok()));
    let Some(end) = end else { return findings };
    let is_beyond = |lane: &&LaneReport| {
        lane.is_beyond || lane.proven.last().is_some_and(|period| period.to > end)
    };
    let lanes = own().filter(is_beyond).count();
    if lanes > 0 {
        let found = match window.last {
            Some(_) => "later ones, which were not looked at",
            None => "later ones, from the future: is the clock of this machine right?",
        };
        findings.push(Finding {
            objects: lanes as u64,
            ..Finding::new(FindingKind::BeyondWindow)
                .because(format!("no digest that ends after {end}"), found)
        });
    }
    findings
}

/// Whether somebody asked for a window: what is verified up to now may just have begun.
fn is_asked(window: Window) -> bool {
    window.since.is_some() || window.last.is_some()
}

fn lies_in(period: &Period, window: Window) -> bool {
    period.within(window.since, window.until).is_some()
}

fn is_after(time: Timestamp, window: Window) -> bool {
    window.until.is_some_and(|until| time >= until)
}

/// Takes the hours of bad log files out of what is proven.
pub(super) fn proven(mut covered: Periods, bad: &[Period]) -> Vec<Period> {
    for hour in bad {
        covered.remove(*hour);
    }
    covered.as_slice().to_vec()
}
