//! One account and Region, from its first digest to its last.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::SemaphorePermit;

use super::digests::{Ready, alone, fetch_all};
use super::logs::{Limits, LogChecks};
use super::{LaneReport, Period, Progress, Request, proven};
use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey, Root};
use crate::archive::verify::chain::{Border, ChainVerifier, Outcome};
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::opened::FetchedDigest;
use crate::archive::verify::place::{Family, Lane};
use crate::archive::verify::source::{ListError, ListedObject};
use crate::archive::verify::unlisted::Unclaimed;

/// How many digests are fetched and followed at a time.
const STEP: usize = 64;
/// A log file's minute may lie this long after its digest's hour.
const AFTER: SignedDuration = SignedDuration::from_hours(1);
/// No digest whose hour ends this much later lists a log file.
const CLAIMED_WITHIN: SignedDuration = SignedDuration::from_hours(3);

/// The objects of one of a lane's folders, in the order of their keys.
struct Listing {
    /// What all of CloudTrail's keys in it have above the account.
    root: Root,
    objects: BoxStream<'static, Result<ListedObject, ListError>>,
}

/// Verifies one account and Region; with a border, up to it.
pub(super) async fn verify(
    request: Arc<Request>,
    lane: Lane,
    border: Option<Border>,
    limits: Arc<Limits>,
    progress: Arc<dyn Progress>,
) -> LaneReport {
    let lane = Arc::new(lane);
    // INVARIANT: asked before the digests are listed, so that none that CloudTrail
    // tells of was delivered behind the listing's back.
    let ((rules, no_keys), (delivered, unasked)) =
        tokio::join!(request.rules(&lane), request.delivered.of(&lane, &request.selection),);
    let mut findings: Vec<Finding> = no_keys.into_iter().chain(unasked).collect();
    let mut verifier = ChainVerifier::new(Arc::clone(&lane), rules);
    if let Some(border) = border {
        verifier = verifier.up_to(border);
    }
    let mut checks =
        LogChecks::new(Arc::clone(&request.source), Arc::clone(&limits), Arc::clone(&progress));
    let mut digests = Digests::new(&request, &lane);
    let mut files = LogFiles::new(&request, &lane);

    let step = digests.next_step(&request, &mut findings).await;
    let mut fetched = fetch_all(&request.source, &limits, step).await;
    while let Some(horizon) = fetched.last().map(|digest| digest.key().time()) {
        // While these are followed, the next ones are under way.
        let step = digests.next_step(&request, &mut findings).await;
        let ahead = fetch_all(&request.source, &limits, step);
        let now = async {
            files.read_until(later(horizon, AFTER), &mut findings).await;
            progress.digests(fetched.len() as u64);
            let mut verifier = verifier;
            for batch in batches(fetched) {
                let (batch, room) = at_hand(&request, &limits, batch).await;
                let outcomes;
                (verifier, outcomes) = follow(verifier, batch).await;
                drop(room);
                take(outcomes, &mut findings, &mut files, &mut checks).await;
            }
            files.settle(later(horizon, -CLAIMED_WITHIN), &verifier, &mut findings);
            verifier
        };
        (fetched, verifier) = tokio::join!(ahead, now);
    }

    let ends = verifier.ends();
    let (summary, outcomes) = verifier.finish(&delivered);
    take(outcomes, &mut findings, &mut files, &mut checks).await;
    if let Some(last) = summary.covered.as_slice().last() {
        files.read_until(later(last.to, AFTER), &mut findings).await;
    } else {
        findings.extend(files.nothing_proven(&lane).await);
    }
    files.finish(&request, &summary.covered, &ends, &mut findings);

    let checked = checks.finish().await;
    findings.extend(checked.findings);
    for finding in &mut findings {
        finding.account.get_or_insert_with(|| lane.account.clone());
        finding.region.get_or_insert_with(|| lane.region.clone());
    }
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| {
            (finding.period.map(|period| period.from), finding.kind, finding.key.clone())
        };
        key(a).cmp(&key(b))
    });
    progress.lane_done();
    LaneReport {
        account: lane.account.clone(),
        region: lane.region.clone(),
        bucket: lane.bucket.as_deref().map(str::to_owned),
        root: lane.root.to_string(),
        chains: summary.chains,
        logs: checked.tally,
        proven: proven(summary.covered, &checked.bad_hours),
        findings,
        followed: false,
        borders: summary.came_from,
        absent: summary.absent,
    }
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
    let followed = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        for digest in fetched {
            verifier.accept(digest, &mut out);
        }
        (verifier, out)
    });
    match followed.await {
        Ok(followed) => followed,
        Err(error) => std::panic::resume_unwind(
            error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string())),
        ),
    }
}

async fn take(
    outcomes: Vec<Outcome>,
    findings: &mut Vec<Finding>,
    files: &mut LogFiles,
    checks: &mut LogChecks,
) {
    for outcome in outcomes {
        match outcome {
            Outcome::Found(finding) => findings.push(*finding),
            Outcome::Proven(digest) => {
                for claim in digest.claims() {
                    if let Some(key) = claim.parsed_key()
                        && files.unclaimed.claimed(&key)
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

/// The digests of a lane, listed a day at a time.
struct Digests {
    listing: Option<Listing>,
    /// Those that were listed and not yet handed out.
    waiting: VecDeque<ObjectKey>,
    /// The first digest of the next day.
    next: Option<ObjectKey>,
}

impl Digests {
    fn new(request: &Request, lane: &Lane) -> Self {
        Self {
            listing: Some(listing(request, lane, DIGEST_FOLDER, request.window.since)),
            waiting: VecDeque::new(),
            next: None,
        }
    }

    /// The next digests to follow, in the order of their hours; none at the end.
    async fn next_step(
        &mut self,
        request: &Request,
        findings: &mut Vec<Finding>,
    ) -> Vec<ObjectKey> {
        while self.waiting.len() < STEP {
            let Some(day) = self.next_day(request, findings).await else { break };
            self.waiting.extend(day);
        }
        self.waiting.drain(..self.waiting.len().min(STEP)).collect()
    }

    /// The next day's digests in the order of their hours: the listing has
    /// those of one trail after those of another.
    async fn next_day(
        &mut self,
        request: &Request,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<ObjectKey>> {
        let day = |key: &ObjectKey| key.time().strftime("%Y%m%d").to_string();
        let mut keys: Vec<ObjectKey> = self.next.take().into_iter().collect();
        while let Some(listing) = &mut self.listing {
            let key = match next_key(listing, request, findings).await {
                Some(key) if Family::of(&key).is_some() => key,
                Some(_) => continue,
                None => {
                    self.listing = None;
                    break;
                }
            };
            if request
                .window
                .last
                .is_some_and(|last| day(&key) > last.strftime("%Y%m%d").to_string())
            {
                self.listing = None;
                break;
            }
            let trails = &request.selection.trails;
            let chosen = trails.is_empty()
                || Family::of(&key).is_some_and(|family| trails.contains(&family.trail));
            if !chosen || !request.includes(key.time()) {
                continue;
            }
            if keys.first().is_some_and(|first| day(first) != day(&key)) {
                self.next = Some(key);
                break;
            }
            keys.push(key);
        }
        keys.sort_by(|a, b| (a.time(), a).cmp(&(b.time(), b)));
        (!keys.is_empty()).then_some(keys)
    }
}

/// The log files of a lane, listed a little ahead of the digests.
struct LogFiles {
    listing: Option<Listing>,
    next: Option<ObjectKey>,
    unclaimed: Unclaimed,
    /// Before this, files are not looked at.
    since: Option<Timestamp>,
    request: Arc<Request>,
}

impl LogFiles {
    fn new(request: &Arc<Request>, lane: &Lane) -> Self {
        let folder = LogClass::Events.folder();
        // With some trails only, another may have delivered a file.
        let all = request.selection.trails.is_empty();
        Self {
            listing: all.then(|| listing(request, lane, folder, request.window.since)),
            next: None,
            unclaimed: Unclaimed::new(lane.clone()),
            since: request.window.since,
            request: Arc::clone(request),
        }
    }

    async fn read_until(&mut self, horizon: Timestamp, findings: &mut Vec<Finding>) {
        while self.next.is_some() || self.listing.is_some() {
            let next = match (self.next.take(), &mut self.listing) {
                (Some(key), _) => Some(key),
                (None, Some(listing)) => next_key(listing, &self.request, findings).await,
                (None, None) => None,
            };
            let Some(key) = next else {
                self.listing = None;
                return;
            };
            if key.time() > horizon {
                self.next = Some(key);
                return;
            }
            if self.since.is_none_or(|since| key.time() >= since) {
                self.unclaimed.listed(&key);
            }
        }
    }

    fn settle(&mut self, before: Timestamp, verifier: &ChainVerifier, findings: &mut Vec<Finding>) {
        findings.extend(self.unclaimed.settle(before, verifier.covered(), &verifier.ends()));
    }

    /// The finding that a lane without a single proven digest is.
    async fn nothing_proven(&mut self, lane: &Lane) -> Option<Finding> {
        let mut findings = Vec::new();
        let last = self.request.window.last.unwrap_or(Timestamp::MAX);
        let mut files = 0_u64;
        let (mut first, mut newest) = (None, None);
        while self.next.is_some() || self.listing.is_some() {
            let next = match (self.next.take(), &mut self.listing) {
                (Some(key), _) => Some(key),
                (None, Some(listing)) => next_key(listing, &self.request, &mut findings).await,
                (None, None) => None,
            };
            match next {
                Some(key) if key.time() <= last => {
                    if self.since.is_none_or(|since| key.time() >= since) {
                        files += 1;
                        first.get_or_insert(key.time());
                        newest = Some(key.time());
                    }
                }
                _ => self.listing = None,
            }
        }
        let period = first.zip(newest).map(|(from, to)| Period { from, to })?;
        Some(Finding {
            objects: files,
            period: Some(period),
            ..Finding::new(FindingKind::NoDigests)
                .at(
                    lane.bucket.as_deref(),
                    lane.root.folder(&lane.account, DIGEST_FOLDER, &lane.region),
                )
                .because("digests", format!("none that proves anything, and {files} log files"))
        })
    }

    fn finish(
        self,
        request: &Request,
        covered: &crate::archive::verify::period::Periods,
        ends: &[Timestamp],
        findings: &mut Vec<Finding>,
    ) {
        let window = Period {
            from: request.window.since.unwrap_or(Timestamp::MIN),
            to: request.window.until.unwrap_or(Timestamp::MAX),
        };
        findings.extend(self.unclaimed.finish(covered, ends, Some(window)));
    }
}

/// Lists a lane's folder from the day of an instant on.
fn listing(request: &Request, lane: &Lane, folder: &str, since: Option<Timestamp>) -> Listing {
    let prefix = lane.root.folder(&lane.account, folder, &lane.region);
    let after = since.map(|since| format!("{prefix}{}", since.strftime("%Y/%m/%d/")));
    Listing { root: lane.root.clone(), objects: request.source.list(&prefix, after) }
}

/// The next key that CloudTrail would write; others are found.
async fn next_key(
    listing: &mut Listing,
    request: &Request,
    findings: &mut Vec<Finding>,
) -> Option<ObjectKey> {
    loop {
        let bucket = request.source.bucket();
        match listing.objects.try_next().await {
            Ok(None) => return None,
            Ok(Some(object)) => match object.key.parse::<ObjectKey>() {
                Ok(key) if *key.root() == listing.root => return Some(key),
                // A whole key of CloudTrail's, of whatever account and Region, in
                // a folder further down.
                Ok(key) => findings.push(
                    Finding::new(FindingKind::ForeignObject)
                        .at(bucket, &object.key)
                        .because(format!("a key below `{}`", listing.root), key.root()),
                ),
                // What consoles and tools make for an empty folder.
                Err(_) if object.key.ends_with('/') && object.size_bytes == 0 => {}
                Err(error) => findings.push(
                    Finding::new(FindingKind::ForeignObject)
                        .at(bucket, &object.key)
                        .because("a key of CloudTrail's", error),
                ),
            },
            Err(error) => {
                let cause = error.source.to_string();
                findings.push(
                    Finding::new(FindingKind::Unreadable)
                        .at(bucket, &error.prefix)
                        .because("a whole listing", cause),
                );
                return None;
            }
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}
