//! Verifies one account and Region, from its first digest to its last.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::SemaphorePermit;

use super::digests::{QueuedDigest, fetch_all, fetch_deferred};
use super::files::LogFiles;
use super::listing::Digests;
use super::logs::{Limits, LogChecks};
use super::stray::strays;
use super::{Progress, Request, ScopeReport, UnknownKeys, proven, window};
use crate::archive::blocking::blocking;
use crate::archive::key::{DIGEST_FOLDER, LogClass};
use crate::archive::verify::chain::{BucketHandoff, ChainVerifier, Outcome};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::parsed_digest::FetchedDigest;
use crate::archive::verify::place::ChainScope;
use crate::archive::verify::unlisted::MAX_NAMED;

/// How long after its digest's hour a log file's time may be.
const LOGS_AFTER_DIGEST: SignedDuration = SignedDuration::from_hours(1);
/// A log file is listed within this time, or not at all.
const CLAIMED_WITHIN: SignedDuration = SignedDuration::from_hours(3);

/// The part of an account and Region to verify.
pub(super) enum Extent {
    /// The whole window.
    Window,
    /// The same, as a step of verifying the account and Region.
    Step,
    /// The whole window of an account and Region without a folder.
    Expected,
    /// The part of a chain before a handoff.
    UpTo(BucketHandoff),
    /// Only the digest at a handoff: earlier ones are already verified.
    At(BucketHandoff),
}

/// Verifies one account and Region, below all roots of a bucket that contain it.
pub(super) async fn verify(
    request: Arc<Request>,
    scopes: Vec<ChainScope>,
    classes: BTreeSet<LogClass>,
    extent: Extent,
    limits: Arc<Limits>,
    progress: Arc<dyn Progress>,
) -> Option<ScopeReport> {
    let scopes: Vec<Arc<ChainScope>> = scopes.into_iter().map(Arc::new).collect();
    let declared = |scope: &&Arc<ChainScope>| request.declared.as_ref() == Some(&scope.root);
    let scope = Arc::clone(scopes.iter().find(declared).or(scopes.first())?);
    // INVARIANT: queried before the digests are listed, so that every delivery that CloudTrail
    // reports precedes the listing.
    let ((config, no_keys), (mut delivered, unasked)) = tokio::join!(
        request.config(&scope),
        request.delivered.of(
            &scopes,
            &request.selection,
            request.window.until,
            request.org_owner.as_ref()
        )
    );
    let mut unread: Vec<Finding> = no_keys.into_iter().chain(unasked).collect();
    let mut findings = Vec::new();
    let mut verifier = ChainVerifier::new(scopes.clone(), config);
    let checks_logs = !matches!(extent, Extent::At(_));
    let is_whole = matches!(extent, Extent::Window | Extent::Step);
    let is_counted = !matches!(extent, Extent::Expected | Extent::Step);
    if let Extent::UpTo(handoff) | Extent::At(handoff) = extent {
        verifier = verifier.up_to_handoff(handoff);
    }
    let mut checks = LogChecks::new(&request.source, &scopes, &limits, &progress);
    let mut digests = Digests::new(&request, &scopes);
    let mut files = LogFiles::of_all(&request, &scopes, &classes);

    let step = digests.next_step(&request, &mut findings).await;
    let mut fetched = fetch_all(&request.source, &limits, step).await;
    while let Some(horizon) = fetched.last().map(|digest| digest.key().time()) {
        // Fetch the next digests while these are verified.
        let step = digests.next_step(&request, &mut findings).await;
        let ahead = fetch_all(&request.source, &limits, step);
        let now = async {
            for files in &mut files {
                files.read_until(later(horizon, LOGS_AFTER_DIGEST), &mut findings).await;
            }
            progress.digests(fetched.len() as u64);
            let mut verifier = verifier;
            for batch in batches(fetched) {
                let (batch, room) = load_deferred(&request, &limits, batch).await;
                let outcomes;
                (verifier, outcomes) = follow(verifier, batch).await;
                drop(room);
                take(outcomes, &mut findings, &mut files, checks_logs.then_some(&mut checks)).await;
            }
            for files in &mut files {
                files.classify_before(later(horizon, -CLAIMED_WITHIN), &verifier, &mut findings);
            }
            verifier
        };
        (fetched, verifier) = tokio::join!(ahead, now);
    }

    let ends: Vec<_> = scopes.iter().map(|scope| verifier.ends(&scope.root)).collect();
    let org_owner = request.org_owner.as_ref();
    delivered.coverage = request.delivered.coverage(&scope, verifier.trails(), org_owner).await;
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
    // Without digests these findings are irrelevant, and the missing digests are already
    // reported.
    let is_without_digests = summary.chains.is_empty()
        && findings.iter().any(|finding: &Finding| finding.kind == FindingKind::NoDigests);
    if is_without_digests {
        for finding in &mut unread {
            finding.severity = Severity::Notice;
        }
    }
    findings.extend(unread);
    if !request.selection.trails.is_empty() {
        findings = of_chosen_trails(findings, &scope, !summary.chains.is_empty());
    }
    if is_whole && request.delivered.is_thorough() {
        let folders = classes.iter().map(|class| class.folder()).chain([DIGEST_FOLDER]);
        let places = scopes.iter().flat_map(|scope| folders.clone().map(move |it| (scope, it)));
        for (scope, folder) in places {
            findings.extend(strays(&request, scope, folder).await);
        }
        let mut seen = BTreeSet::new();
        findings.retain(|finding| {
            finding.kind != FindingKind::UnexpectedObject || seen.insert(finding.key.clone())
        });
    }
    let checked = checks.finish().await;
    findings.extend(checked.findings);
    if is_whole {
        let starts_missing = |finding: &Finding| finding.kind == FindingKind::ChainStartMissing;
        findings.extend(digests.deleted(&scopes, findings.iter().any(starts_missing)));
        // If only delete markers outside the window were found, nothing is known to have existed
        // in the window.
        if summary.chains.is_empty()
            && findings.is_empty()
            && request.source.lists_deleted()
            && is_without_objects(&request, &scopes, &classes).await
        {
            if is_counted {
                progress.scope_done();
            }
            return None;
        }
    }
    if is_whole {
        let empty = window::is_empty(&request, &scopes, &limits, &summary, digests.beyond.clone());
        let says_why = |finding: &Finding| finding.severity > Severity::Notice;
        if !findings.iter().any(says_why) {
            findings.extend(empty.await);
        }
    }
    for finding in &mut findings {
        finding.account.get_or_insert_with(|| scope.account.clone());
        finding.region.get_or_insert_with(|| scope.region.clone());
    }
    if is_counted {
        progress.scope_done();
    }
    Some(ScopeReport {
        account: scope.account.clone(),
        region: scope.region.clone(),
        bucket: scope.bucket.as_deref().map(str::to_owned),
        root: scope.root.to_string(),
        roots: scopes.iter().map(|scope| scope.root.to_string()).collect(),
        chains: summary.chains,
        logs: checked.tally,
        proven: proven(summary.covered, &checked.bad_hours),
        findings,
        followed: false,
        other_trails: digests.other_trails,
        reported_trails: delivered.trails(),
        has_later_digests: digests.beyond.is_some(),
        handoffs: summary.handoffs,
        unknown_keys: UnknownKeys::new(summary.unknown_keys, &scope.region),
        missing_trails: summary.absent,
        lagging: summary.lagging,
        earlier: None,
        anchors_found: summary.anchors_found,
    })
}

/// Whether the folders of an account and Region contain no object.
async fn is_without_objects(
    request: &Request,
    scopes: &[Arc<ChainScope>],
    classes: &BTreeSet<LogClass>,
) -> bool {
    let folders = || classes.iter().map(|class| class.folder()).chain([DIGEST_FOLDER]);
    for scope in scopes {
        for folder in folders() {
            let prefix = scope.root.folder(&scope.account, folder, &scope.region);
            let first = request.source.list(&prefix, None).next().await;
            if first.is_some() {
                return false;
            }
        }
    }
    true
}

/// Batches of digests to verify: loaded ones together, each deferred one separately.
fn batches(fetched: Vec<QueuedDigest>) -> Vec<Vec<QueuedDigest>> {
    let mut batches: Vec<Vec<QueuedDigest>> = Vec::new();
    for ready in fetched {
        match batches.last_mut() {
            Some(batch) if is_loaded(&ready) && batch.iter().all(is_loaded) => batch.push(ready),
            _ => batches.push(vec![ready]),
        }
    }
    batches
}

fn is_loaded(ready: &QueuedDigest) -> bool {
    matches!(ready, QueuedDigest::Digest(_))
}

/// Fetches deferred digests. Keep the returned permit until they are verified.
async fn load_deferred<'a>(
    request: &Request,
    limits: &'a Arc<Limits>,
    batch: Vec<QueuedDigest>,
) -> (Vec<FetchedDigest>, Option<SemaphorePermit<'a>>) {
    let (mut digests, mut room) = (Vec::with_capacity(batch.len()), None);
    for ready in batch {
        digests.push(match ready {
            QueuedDigest::Digest(digest) => *digest,
            QueuedDigest::Deferred(key) => {
                let (digest, taken) = fetch_deferred(&request.source, limits, key).await;
                room = taken;
                digest
            }
        });
    }
    (digests, room)
}

/// Verifies digests on a blocking thread.
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

/// Collects findings and checks the log files that verified digests list.
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
                        && let Some(here) = claim.here(digest.scope())
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

/// The findings if only selected trails were followed: log files that their digests do not
/// list may belong to other trails, but are not proven. If no selected trail has a chain,
/// unlisted files are not reported.
fn of_chosen_trails(findings: Vec<Finding>, scope: &ChainScope, has_chains: bool) -> Vec<Finding> {
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
    let names: Vec<String> = others.iter().flat_map(files_of).take(MAX_NAMED).collect();
    let finding = Finding::new(FindingKind::LogsOfOtherTrails)
        .at(
            scope.bucket.as_deref(),
            scope.root.folder(&scope.account, LogClass::Events.folder(), &scope.region),
        )
        .with_mismatch("digests of the chosen trails that list them", "none")
        .with_files(count, names);
    let periods = || others.iter().filter_map(|finding| finding.period);
    let from = periods().map(|period| period.from).min();
    let over = from.zip(periods().map(|period| period.to).max());
    findings.push(match over {
        Some((from, to)) => finding.with_period(from, to),
        None => finding,
    });
    findings
}
