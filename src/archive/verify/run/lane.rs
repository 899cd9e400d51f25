//! One account and Region, from its first digest to its last.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::SemaphorePermit;

use super::digests::{Ready, alone, fetch_all};
use super::files::LogFiles;
use super::listing::Digests;
use super::logs::{Limits, LogChecks};
use super::stray::strays;
use super::{LaneReport, Progress, Request, proven, window};
use crate::archive::blocking::blocking;
use crate::archive::key::{DIGEST_FOLDER, LogClass};
use crate::archive::verify::chain::{Border, ChainVerifier, Outcome};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::opened::FetchedDigest;
use crate::archive::verify::place::Lane;
use crate::archive::verify::unlisted::NAMED;

/// A log file's minute may lie this long after its digest's hour.
const AFTER: SignedDuration = SignedDuration::from_hours(1);
/// No digest whose hour ends this much later lists a log file.
const CLAIMED_WITHIN: SignedDuration = SignedDuration::from_hours(3);

/// What of an account and Region is verified.
pub(super) enum Extent {
    /// All of the window.
    Window,
    /// All of the window, where nothing was found.
    Expected,
    /// What the chain beyond a border continues.
    UpTo(Border),
    /// The digest at a border alone: all before it is verified already.
    At(Border),
}

/// Verifies one account and Region, below all roots of a bucket that have it.
pub(super) async fn verify(
    request: Arc<Request>,
    lanes: Vec<Lane>,
    classes: BTreeSet<LogClass>,
    extent: Extent,
    limits: Arc<Limits>,
    progress: Arc<dyn Progress>,
) -> Option<LaneReport> {
    let lanes: Vec<Arc<Lane>> = lanes.into_iter().map(Arc::new).collect();
    let declared = |lane: &&Arc<Lane>| request.declared.as_ref() == Some(&lane.root);
    let lane = Arc::clone(lanes.iter().find(declared).or(lanes.first())?);
    // INVARIANT: asked before the digests are listed, so that none that CloudTrail
    // tells of was delivered behind the listing's back.
    let ((rules, no_keys), (mut delivered, unasked)) = tokio::join!(
        request.rules(&lane),
        request.delivered.of(&lanes, &request.selection, request.window.until)
    );
    let mut unread: Vec<Finding> = no_keys.into_iter().chain(unasked).collect();
    let mut findings = Vec::new();
    let mut verifier = ChainVerifier::new(lanes.clone(), rules);
    let checks_logs = !matches!(extent, Extent::At(_));
    let is_whole = matches!(extent, Extent::Window);
    let is_counted = !matches!(extent, Extent::Expected);
    if let Extent::UpTo(border) | Extent::At(border) = extent {
        verifier = verifier.up_to(border);
    }
    let mut checks = LogChecks::new(&request.source, &lanes, &limits, &progress);
    let mut digests = Digests::new(&request, &lanes);
    let mut files = LogFiles::of_all(&request, &lanes, &classes);

    let step = digests.next_step(&request, &mut findings).await;
    let mut fetched = fetch_all(&request.source, &limits, step).await;
    while let Some(horizon) = fetched.last().map(|digest| digest.key().time()) {
        // While these are followed, the next ones are under way.
        let step = digests.next_step(&request, &mut findings).await;
        let ahead = fetch_all(&request.source, &limits, step);
        let now = async {
            for files in &mut files {
                files.read_until(later(horizon, AFTER), &mut findings).await;
            }
            progress.digests(fetched.len() as u64);
            let mut verifier = verifier;
            for batch in batches(fetched) {
                let (batch, room) = at_hand(&request, &limits, batch).await;
                let outcomes;
                (verifier, outcomes) = follow(verifier, batch).await;
                drop(room);
                take(outcomes, &mut findings, &mut files, checks_logs.then_some(&mut checks)).await;
            }
            for files in &mut files {
                files.wait_until_converged(
                    later(horizon, -CLAIMED_WITHIN),
                    &verifier,
                    &mut findings,
                );
            }
            verifier
        };
        (fetched, verifier) = tokio::join!(ahead, now);
    }

    let ends: Vec<_> = lanes.iter().map(|lane| verifier.ends(&lane.root)).collect();
    let org_owner = request.org_owner.as_ref();
    delivered.coverage = request.delivered.coverage(&lane, verifier.trails(), org_owner).await;
    let (summary, outcomes) = verifier.finish(&delivered);
    take(outcomes, &mut findings, &mut files, checks_logs.then_some(&mut checks)).await;
    for mut files in files {
        let (covered, ends) = (&summary.covered_below[files.place], &ends[files.place]);
        if covered.as_slice().is_empty() {
            let none = files.nothing_proven(&mut findings).await;
            findings.extend(none);
        } else {
            files.finish(covered, ends, &mut findings).await;
        }
    }
    // Without a digest they have nothing to say, and that none is there is said.
    let is_without_digests = summary.chains.is_empty()
        && findings.iter().any(|finding: &Finding| finding.kind == FindingKind::NoDigests);
    if is_without_digests {
        for finding in &mut unread {
            finding.severity = Severity::Notice;
        }
    }
    findings.extend(unread);
    if !request.selection.trails.is_empty() {
        findings = of_chosen_trails(findings, &lane, !summary.chains.is_empty());
    }
    if is_whole && request.delivered.is_thorough() {
        let folders = classes.iter().map(|class| class.folder()).chain([DIGEST_FOLDER]);
        let places = lanes.iter().flat_map(|lane| folders.clone().map(move |it| (lane, it)));
        for (lane, folder) in places {
            findings.extend(strays(&request, lane, folder).await);
        }
        let mut seen = BTreeSet::new();
        findings.retain(|finding| {
            finding.kind != FindingKind::ForeignObject || seen.insert(finding.key.clone())
        });
    }
    let checked = checks.finish().await;
    findings.extend(checked.findings);
    if is_whole {
        let starts_missing = |finding: &Finding| finding.kind == FindingKind::ChainStartMissing;
        findings.extend(digests.deleted(&lanes, findings.iter().any(starts_missing)));
        // Where all that was found are delete markers, and none of the window, nothing is
        // known to have been there in it.
        if summary.chains.is_empty()
            && findings.is_empty()
            && request.source.lists_deleted()
            && is_without_objects(&request, &lanes, &classes).await
        {
            progress.lane_done();
            return None;
        }
    }
    if is_whole {
        let empty = window::is_empty(&request, &lanes, &limits, &summary, digests.beyond.clone());
        let says_why = |finding: &Finding| finding.severity > Severity::Notice;
        if !findings.iter().any(says_why) {
            findings.extend(empty.await);
        }
    }
    for finding in &mut findings {
        finding.account.get_or_insert_with(|| lane.account.clone());
        finding.region.get_or_insert_with(|| lane.region.clone());
    }
    if is_counted {
        progress.lane_done();
    }
    Some(LaneReport {
        account: lane.account.clone(),
        region: lane.region.clone(),
        bucket: lane.bucket.as_deref().map(str::to_owned),
        root: lane.root.to_string(),
        roots: lanes.iter().map(|lane| lane.root.to_string()).collect(),
        chains: summary.chains,
        logs: checked.tally,
        proven: proven(summary.covered, &checked.bad_hours),
        findings,
        followed: false,
        other_trails: digests.other_trails,
        told_trails: delivered.trails(),
        is_beyond: digests.beyond.is_some(),
        borders: summary.came_from,
        unknown_keys: summary.unknown_keys,
        absent: summary.absent,
        behind: summary.behind,
    })
}

/// Whether none of an account and Region's folders has an object.
async fn is_without_objects(
    request: &Request,
    lanes: &[Arc<Lane>],
    classes: &BTreeSet<LogClass>,
) -> bool {
    let folders = || classes.iter().map(|class| class.folder()).chain([DIGEST_FOLDER]);
    for lane in lanes {
        for folder in folders() {
            let prefix = lane.root.folder(&lane.account, folder, &lane.region);
            let first = request.source.list(&prefix, None).next().await;
            if first.is_some() {
                return false;
            }
        }
    }
    true
}

/// What can be followed at once: those that are at hand, and each other by itself.
fn batches(fetched: Vec<Ready>) -> Vec<Vec<Ready>> {
    let mut batches: Vec<Vec<Ready>> = Vec::new();
    for ready in fetched {
        match batches.last_mut() {
            Some(batch) if is_at_hand(&ready) && batch.iter().all(is_at_hand) => batch.push(ready),
            _ => batches.push(vec![ready]),
        }
    }
    batches
}

fn is_at_hand(ready: &Ready) -> bool {
    matches!(ready, Ready::Digest(_))
}

/// Fetches what is not at hand; the room that it takes is to be kept until it has
/// been followed.
async fn at_hand<'a>(
    request: &Request,
    limits: &'a Arc<Limits>,
    batch: Vec<Ready>,
) -> (Vec<FetchedDigest>, Option<SemaphorePermit<'a>>) {
    let (mut digests, mut room) = (Vec::with_capacity(batch.len()), None);
    for ready in batch {
        digests.push(match ready {
            Ready::Digest(digest) => *digest,
            Ready::Later(key) => {
                let (digest, taken) = alone(&request.source, limits, key).await;
                room = taken;
                digest
            }
        });
    }
    (digests, room)
}

/// Follows digests on a blocking thread: that is where signatures are checked.
async fn follow(
    mut verifier: ChainVerifier,
    fetched: Vec<FetchedDigest>,
) -> (ChainVerifier, Vec<Outcome>) {
    blocking(move || {
        let mut out = Vec::new();
        for digest in fetched {
            verifier.accept(digest, &mut out);
        }
        (verifier, out)
    })
    .await
}

/// Takes findings in, and has the log files checked that verified digests list.
async fn take(
    outcomes: Vec<Outcome>,
    findings: &mut Vec<Finding>,
    files: &mut [LogFiles],
    mut checks: Option<&mut LogChecks>,
) {
    for outcome in outcomes {
        match outcome {
            Outcome::Found(finding) => findings.push(*finding),
            Outcome::Proven(digest) => {
                let Some(checks) = checks.as_deref_mut() else { continue };
                for claim in digest.claims() {
                    if let Some(key) = claim.parsed_key()
                        && files.iter_mut().any(|files| files.claimed(&key))
                        && let Some(here) = claim.here(digest.lane())
                    {
                        checks.check(here).await;
                    }
                    checks.check(claim).await;
                }
            }
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}

/// The findings where only chosen trails were followed: log files that their digests do
/// not list may be another trail's, but are not proven. Where no chosen trail has a chain,
/// all of them are other trails' matter.
fn of_chosen_trails(findings: Vec<Finding>, lane: &Lane, has_chains: bool) -> Vec<Finding> {
    let is_of_others = |finding: &Finding| {
        use FindingKind::{LogUnlisted, LogsUnproven, NoDigests};
        matches!(finding.kind, LogUnlisted | LogsUnproven | NoDigests)
    };
    let (others, mut findings): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_of_others);
    if others.is_empty() || !has_chains {
        return findings;
    }
    let count = others.iter().map(|finding| finding.objects).sum();
    let files_of = |finding: &Finding| match finding.files.as_slice() {
        [] => finding.key.iter().cloned().collect(),
        files => files.to_vec(),
    };
    let names: Vec<String> = others.iter().flat_map(files_of).take(NAMED).collect();
    let finding = Finding::new(FindingKind::LogsOfOtherTrails)
        .at(
            lane.bucket.as_deref(),
            lane.root.folder(&lane.account, LogClass::Events.folder(), &lane.region),
        )
        .because("digests of the chosen trails that list them", "none")
        .of_files(count, names);
    let periods = || others.iter().filter_map(|finding| finding.period);
    let from = periods().map(|period| period.from).min();
    let over = from.zip(periods().map(|period| period.to).max());
    findings.push(match over {
        Some((from, to)) => finding.over(from, to),
        None => finding,
    });
    findings
}
