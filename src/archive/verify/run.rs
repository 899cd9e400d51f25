//! Verifying whole archives: all accounts and Regions at once, many objects in
//! flight, nothing held but a few hours of each.

mod deleted;
mod delivery;
mod digests;
mod discover;
mod exists;
mod expected;
mod files;
mod follow;
mod keys;
mod lane;
mod listing;
mod logs;
mod loose;
mod origin;
mod pending;
mod selectors;
mod stray;
mod window;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

pub use self::delivery::Deliveries;
use self::discover::{Discovered, discover};
pub use self::exists::{Unmatched, unmatched, unmatched_trail};
pub use self::expected::ExpectedAccounts;
pub use self::follow::OtherBuckets;
pub use self::keys::{ApiKeys, KeyRing, RegionKeys};
use self::lane::Extent;
use self::window::proven;
pub use super::chain::DeclaredTrail;
use super::chain::{Absent, Behind, Border, ChainSummary, Rules, Window, key_not_found};
use super::finding::{Finding, FindingKind, Severity};
use super::period::Period;
use super::place::{Lane, OrgOwner};
use super::source::{ListError, Source};
use super::unlisted::BORDER;
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::Trust;
use crate::archive::key::Root;
use crate::names::{AccountId, Region, TrailName};
use crate::stop::{GRACE, Stop};

/// What is verified.
#[derive(Debug)]
pub struct Request {
    /// Where the objects are.
    pub source: Arc<Source>,
    /// What stands before `AWSLogs`, or any key's beginning: only what lies
    /// below is looked at. Empty for all.
    pub prefix: String,
    /// Which accounts, Regions and trails.
    pub selection: Selection,
    /// From when to when.
    pub window: Window,
    /// The public keys.
    pub keys: KeyRing,
    /// The root that consolidation relocates to, where it is known.
    pub declared: Option<Root>,
    /// Whose the trails of the organization are, where it is known.
    pub org_owner: Option<OrgOwner>,
    /// What CloudTrail says of the newest digests, where it could be asked.
    pub delivered: Deliveries,
    /// Whose digests the archive should have, where that is known.
    pub expected: Option<ExpectedAccounts>,
    /// Whether a chain is followed into the bucket that it came from.
    pub other_buckets: OtherBuckets,
    /// Findings that somebody accepted.
    pub acceptances: Acceptances,
    /// By what the run records of the archive are trusted.
    pub trust: Trust,
    /// How much happens at a time.
    pub concurrency: Concurrency,
    /// What must live as long as the source is read.
    pub kept: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// Which accounts, Regions and trails; an empty set means all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The accounts.
    pub accounts: BTreeSet<AccountId>,
    /// The Regions.
    pub regions: BTreeSet<Region>,
    /// The trails; with any, unlisted log files are not looked for, because
    /// another trail may have delivered them.
    pub trails: BTreeSet<TrailName>,
}

/// How much happens at a time.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Accounts and Regions.
    pub lanes: usize,
    /// Objects being fetched.
    pub fetches: usize,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { lanes: 32, fetches: 256 }
    }
}

/// What verification gave.
#[derive(Debug)]
pub struct Verification {
    /// Each account and Region under each root.
    pub lanes: Vec<LaneReport>,
    /// What concerns no single account and Region.
    pub findings: Vec<Finding>,
}

/// What verifying one account and Region of a bucket gave.
#[derive(Debug, Clone)]
pub struct LaneReport {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The bucket; unknown for a folder.
    pub bucket: Option<String>,
    /// The part of the keys above the account: of the declared root, where the
    /// account and Region lies below several.
    pub root: String,
    /// The same of all roots that it lies below.
    pub roots: Vec<String>,
    /// The chains of digests.
    pub chains: Vec<ChainSummary>,
    /// The log files.
    pub logs: LogTally,
    /// From when to when everything is proven: digests and what they list.
    pub proven: Vec<Period>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether a chain was followed here from another bucket or prefix.
    pub followed: bool,
    /// The trails that were not chosen and have digests in the window.
    pub(crate) other_trails: BTreeSet<TrailName>,
    /// The trails that CloudTrail names, which may have no digest here.
    pub(crate) told_trails: BTreeSet<TrailName>,
    /// Whether it has digests after the window.
    pub(crate) is_beyond: bool,
    /// Where its chains came from other buckets.
    pub(crate) borders: Vec<Border>,
    /// Digests whose keys are not at hand, where none was verified.
    pub(crate) unknown_keys: Vec<Finding>,
    /// The trails without any digest here.
    pub(crate) absent: Vec<Absent>,
    /// The chains whose trails delivered newer digests elsewhere.
    pub(crate) behind: Vec<Behind>,
}

impl LaneReport {
    /// What is said of one that a stop came before.
    fn not_verified(lane: &Lane) -> Self {
        let mut finding = Finding::new(FindingKind::NotVerified);
        finding.account = Some(lane.account.clone());
        finding.region = Some(lane.region.clone());
        Self {
            account: lane.account.clone(),
            region: lane.region.clone(),
            bucket: lane.bucket.as_deref().map(str::to_owned),
            root: lane.root.to_string(),
            roots: vec![lane.root.to_string()],
            chains: Vec::new(),
            logs: LogTally::default(),
            proven: Vec::new(),
            findings: vec![finding],
            followed: false,
            other_trails: BTreeSet::new(),
            told_trails: BTreeSet::new(),
            is_beyond: false,
            borders: Vec::new(),
            unknown_keys: Vec::new(),
            absent: Vec::new(),
            behind: Vec::new(),
        }
    }
}

/// How many log files are what their digests say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogTally {
    /// Files that are proven.
    pub valid: u64,
    /// Files that are altered, damaged or missing.
    pub invalid: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// The proven files' length, inflated. Units: bytes.
    pub inflated_bytes: u64,
}

impl Verification {
    /// How severe the most severe finding is.
    ///
    /// Where there was nothing to look at, nothing is proven: incomplete.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let gravest = self.all_findings().map(|finding| finding.severity).max();
        gravest.max(self.is_of_nothing().then_some(Severity::Incomplete))
    }

    /// Whether neither a digest nor a log file was looked at, though nobody stopped it.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        let stopped = |finding: &Finding| finding.kind == FindingKind::NotVerified;
        !self.all_findings().any(stopped)
            && self.lanes.iter().all(|lane| {
                lane.logs == LogTally::default()
                    && lane.chains.iter().all(|chain| chain.valid + chain.invalid == 0)
            })
    }

    /// Whether only the chains of chosen trails were verified.
    #[must_use]
    pub fn is_of_chosen_trails(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == FindingKind::UnlistedNotChecked)
    }

    /// All findings, the most severe first, and these account by account.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let all = || self.findings.iter().chain(self.lanes.iter().flat_map(|lane| &lane.findings));
        [Severity::Broken, Severity::Incomplete, Severity::Notice]
            .into_iter()
            .flat_map(move |severity| all().filter(move |finding| finding.severity == severity))
    }
}

/// Verifies an archive, or a part of one.
///
/// `progress` is told of every digest and log file that has been looked at.
pub async fn verify(
    request: Request,
    progress: Arc<dyn Progress>,
) -> Result<Verification, ListError> {
    let stop = progress.stop();
    let Discovered { lanes, unsearched, classes, strays } = tokio::select! {
        found = discover(&request.source, &request.prefix, &request.selection, request.window) => found?,
        () = stop.requested() => return Err(ListError::stopped(&request.prefix, &stop)),
    };
    request.keys.ask_too(&lanes);
    // INVARIANT: what lies below several roots of a bucket is verified together: its
    // chains go from one root to another, and each digest counts once.
    let mut places = BTreeMap::<_, Vec<Lane>>::new();
    for lane in lanes {
        places.entry((lane.account.clone(), lane.region.clone())).or_default().push(lane);
    }
    progress.lanes(places.len());
    let request = Arc::new(request);
    let limits = Arc::new(logs::Limits::new(request.concurrency));
    let reports: Vec<Option<LaneReport>> = stream::iter(places.into_values())
        .map(|lanes| {
            let (limits, progress) = (Arc::clone(&limits), Arc::clone(&progress));
            let (request, stop) = (Arc::clone(&request), stop.clone());
            let place = lanes.first().map(|lane| (lane.account.clone(), lane.region.clone()));
            let classes = place.and_then(|place| classes.get(&place)).cloned().unwrap_or_default();
            async move {
                let not_verified = lanes.first().map(LaneReport::not_verified);
                if stop.is_requested() {
                    return not_verified;
                }
                let (extent, over) = (Extent::Window, stop.over(GRACE));
                tokio::select! {
                    report = lane::verify(request, lanes, classes, extent, limits, progress) => report,
                    () = over => not_verified,
                }
            }
        })
        .buffer_unordered(request.concurrency.lanes)
        .collect()
        .await;
    let mut reports: Vec<LaneReport> = reports.into_iter().flatten().collect();
    let mut missing = (Vec::new(), Vec::new());
    tokio::select! {
        found = expected::missing(&request, &reports, &limits, &progress) => missing = found,
        // What was not asked is not proven.
        () = stop.requested() => missing.1.push(Finding::new(FindingKind::NotVerified)),
    }
    let (absent, mut unknown) = missing;
    reports.extend(absent);
    if request.source.deleted_unknown() {
        // Of an archive that orgtrail guards, not to know is not to have proven it.
        let severity =
            if request.expected.is_some() { Severity::Incomplete } else { Severity::Notice };
        let finding = Finding::new(FindingKind::DeletedUnknown).weighing(severity);
        let finding = finding.at(request.source.bucket(), &request.prefix);
        unknown.push(finding.because(
            "a listing of object versions (s3:ListBucketVersions)",
            "it was denied, or the server has none",
        ));
    }
    delivery::weigh(&mut reports);
    tokio::select! {
        // A chain that is not followed stays incomplete.
        () = follow::follow(&request, &mut reports, &limits, &progress) => {}
        () = stop.requested() => {}
    }
    settle_keys(&mut reports);
    tokio::select! {
        // What is not looked for at its origin stays missing: a stop waits for this.
        () = async {
            pending::wait_until_converged(&request, &mut reports).await;
            origin::wait_until_converged(&request, &mut reports).await;
        } => {}
        () = stop.over(GRACE) => {}
    }
    let mut findings = window::of_all(request.window, &reports);
    findings.extend(unsearched.into_iter().chain(strays).chain(unknown));
    findings.extend((!request.selection.trails.is_empty()).then(|| {
        let trails: Vec<_> = request.selection.trails.iter().map(ToString::to_string).collect();
        let found = format!("the chains of {} were verified", trails.join(", "));
        Finding::new(FindingKind::UnlistedNotChecked).because("all chains", found)
    }));
    let order = |report: &LaneReport| {
        (report.account.clone(), report.region.clone(), report.bucket.clone(), report.root.clone())
    };
    reports.sort_by_cached_key(order);
    let mut verification = Verification { lanes: reports, findings };
    request.acceptances.apply(&request.source, &mut verification).await;
    for report in &mut verification.lanes {
        report.findings.sort_by(by_severity);
    }
    Ok(verification)
}

/// The most severe first, and these by time.
fn by_severity(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let key = |finding: &Finding| {
        (Reverse(finding.severity), finding.period.map(|period| period.from), finding.kind)
    };
    key(a).cmp(&key(b)).then_with(|| a.key.cmp(&b.key))
}

/// Decides about digests whose keys are not at hand: where others of their Region were
/// verified, its keys were given, and these are not among them.
fn settle_keys(reports: &mut [LaneReport]) {
    let is_proven = |lane: &&LaneReport| lane.chains.iter().any(|chain| chain.valid > 0);
    let proven = reports.iter().filter(is_proven).map(|lane| lane.region.clone());
    let proven: BTreeSet<Region> = proven.collect();
    for lane in reports {
        let unknown = std::mem::take(&mut lane.unknown_keys);
        if proven.contains(&lane.region) {
            lane.findings.extend(unknown.into_iter().map(|missing| Finding {
                account: Some(lane.account.clone()),
                region: Some(lane.region.clone()),
                ..key_not_found(missing)
            }));
            continue;
        }
        let periods = unknown.iter().filter_map(|finding| finding.period);
        let period = periods.reduce(|one, other| Period {
            from: one.from.min(other.from),
            to: one.to.max(other.to),
        });
        let objects = unknown.len() as u64;
        lane.findings.extend(unknown.into_iter().next().map(|first| {
            Finding {
                account: Some(lane.account.clone()),
                region: Some(lane.region.clone()),
                objects,
                period,
                ..Finding::new(FindingKind::PublicKeyMissing)
                    .at(first.bucket.as_deref(), first.key.unwrap_or_default())
                    .because(
                        format!("a public key of {}", lane.region),
                        format!("no public key for {} was given", lane.region),
                    )
            }
        }));
    }
}

/// Is told how far verification has come.
pub trait Progress: Send + Sync {
    /// How many accounts and Regions there are.
    fn lanes(&self, _count: usize) {}
    /// An account and Region has been followed to its end.
    fn lane_done(&self) {}
    /// So many digests have been looked at.
    fn digests(&self, _count: u64) {}
    /// So many log files have been looked at.
    fn logs(&self, _count: u64) {}
    /// Tells when verification is to end early: the accounts and Regions under way
    /// have [`GRACE`] to finish, the others are [`FindingKind::NotVerified`].
    fn stop(&self) -> Stop {
        Stop::never()
    }
}

/// Nobody is told.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}

impl Request {
    /// What holds for the digests of one lane.
    async fn rules(&self, lane: &Lane) -> (Rules, Option<Finding>) {
        let RegionKeys { vouched, saved, failed } = self.keys.of(&lane.region, self.window).await;
        let rules = Rules {
            window: self.window,
            keys: vouched,
            saved_keys: saved,
            keys_complete: failed.is_none(),
            declared: self.declared.clone(),
            org_owner: self.org_owner.clone(),
            metadata_travels: self.source.keeps_metadata(),
            keys_given: matches!(self.keys, KeyRing::Given(_) | KeyRing::Saved(..)),
        };
        (rules, failed)
    }

    /// Whether a digest is read: those just outside of the window may list files at its
    /// edges.
    fn includes(&self, time: Timestamp) -> bool {
        let since = self.window.since.and_then(|since| since.checked_sub(BORDER).ok());
        since.is_none_or(|since| time >= since) && self.before_last(time)
    }

    fn before_last(&self, time: Timestamp) -> bool {
        let last = self.window.last.and_then(|last| last.checked_add(BORDER).ok());
        last.is_none_or(|last| time <= last)
    }
}
