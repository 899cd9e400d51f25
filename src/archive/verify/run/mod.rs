//! Verification of whole archives: all accounts and Regions concurrently, with many objects
//! in flight and only a few hours of each in memory.

mod deleted;
mod delivery;
mod digests;
mod discover;
mod examined;
mod expected;
mod files;
mod follow;
mod incremental;
mod keys;
mod lagging;
mod listing;
mod logs;
mod loose;
mod missing;
mod scope;
mod selectors;
mod stray;
mod unmatched;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::delivery::Deliveries;
use self::discover::{Discovered, discover};
pub use self::examined::Examined;
pub(crate) use self::examined::UnknownKeys;
pub use self::expected::ExpectedAccounts;
pub use self::follow::OtherBuckets;
pub use self::keys::{ApiKeys, PublicKeySource, RegionKeys};
pub use self::unmatched::{Unmatched, unmatched, unmatched_trail};
use self::window::proven;
pub use super::chain::DeclaredTrail;
use super::chain::{
    BucketHandoff, ChainSummary, LaggingChain, MissingTrail, VerifierConfig, Window,
};
use super::finding::{Finding, FindingKind, Severity};
use super::period::Period;
use super::place::{ChainScope, OrgOwner};
use super::source::{ListError, Source};
use super::unlisted::HOUR_MARGIN;
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::RecordTrust;
use crate::archive::key::{LogClass, Root};
use crate::archive::proofs::{Earlier, RecordedPart};
use crate::archive::shard::{Shard, Unit};
use crate::names::{AccountId, Region, TrailName};
use crate::stop::{GRACE, Stop};

/// A verification request.
#[derive(Debug)]
pub struct Request {
    /// The source of the objects.
    pub source: Arc<Source>,
    /// The prefix before `AWSLogs`, or any prefix of keys: only objects below it are verified.
    /// Empty for all.
    pub prefix: String,
    /// Which accounts, Regions and trails.
    pub selection: Selection,
    /// The period to verify.
    pub window: Window,
    /// The public keys.
    pub keys: PublicKeySource,
    /// The root that consolidation relocates to, if known.
    pub declared: Option<Root>,
    /// The owner of the organization's trails, if known.
    pub org_owner: Option<OrgOwner>,
    /// What CloudTrail reports about the newest digests, if available.
    pub delivered: Arc<Deliveries>,
    /// The accounts that the archive should have digests of, if known.
    pub expected: Option<ExpectedAccounts>,
    /// How chains are followed into other buckets.
    pub other_buckets: OtherBuckets,
    /// The acceptances.
    pub acceptances: Acceptances,
    /// How the run records of the archive are authenticated.
    pub trust: RecordTrust,
    /// How much of each account and Region is verified.
    pub depth: Depth,
    /// The concurrency.
    pub concurrency: Concurrency,
    /// Keeps a resource of the source alive.
    pub kept: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// How much of each account and Region is verified.
#[derive(Debug, Clone, Default)]
pub enum Depth {
    /// The whole window.
    #[default]
    Whole,
    /// What an earlier verification did not prove, and a random day of what it did. Where
    /// anything of that is not proven, the whole window.
    Incremental(Arc<Earlier>),
    /// A step of an incremental verification: the period of the window, in which these digests
    /// (SHA-256 by key) must be found; with the public keys of the whole window.
    Step {
        /// See [`VerifierConfig::anchors`].
        anchors: BTreeMap<String, String>,
        /// The whole window.
        whole: Window,
    },
}

/// Which accounts, Regions and trails; an empty set means all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The accounts.
    pub accounts: BTreeSet<AccountId>,
    /// The Regions.
    pub regions: BTreeSet<Region>,
    /// The trails; if any are selected, unlisted log files are not reported, because another
    /// trail may have delivered them.
    pub trails: BTreeSet<TrailName>,
    /// Of these, the accounts and Regions of a shard; all if absent.
    pub shard: Option<Shard>,
}

impl Selection {
    fn is_of_shard(&self, unit: &Unit) -> bool {
        self.shard.as_ref().is_none_or(|shard| shard.has(unit))
    }

    fn is_first_shard(&self) -> bool {
        self.shard.as_ref().is_none_or(Shard::is_first)
    }
}

/// The concurrency.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Concurrent accounts and Regions.
    pub scopes: usize,
    /// Concurrent fetches.
    pub fetches: usize,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { scopes: 32, fetches: 256 }
    }
}

/// The result of verification.
#[derive(Debug)]
pub struct Verification {
    /// The reports of accounts and Regions.
    pub scopes: Vec<ScopeReport>,
    /// Findings that are not about a single account and Region.
    pub findings: Vec<Finding>,
}

/// The result of verifying one account and Region of a bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScopeReport {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The bucket; unknown for a folder.
    pub bucket: Option<String>,
    /// The part of the keys above the account: of the declared root, if the account and Region
    /// is below several.
    pub root: String,
    /// The same for all its roots.
    pub roots: Vec<String>,
    /// The chains of digests.
    pub chains: Vec<ChainSummary>,
    /// The log files.
    pub logs: LogTally,
    /// The periods in which digests and all files that they list are proven.
    pub proven: Vec<Period>,
    /// The kinds of findings.
    pub findings: Vec<Finding>,
    /// Whether it was reached by following a chain from another bucket or prefix.
    pub followed: bool,
    /// The trails that were not selected and have digests in the window.
    pub(crate) other_trails: BTreeSet<TrailName>,
    /// The trails that CloudTrail reports, which may have no digest here.
    pub(crate) reported_trails: BTreeSet<TrailName>,
    /// Whether it has digests after the window.
    pub(crate) has_later_digests: bool,
    /// The handoffs of its chains from other buckets.
    #[serde(skip)]
    pub(crate) handoffs: Vec<BucketHandoff>,
    /// Digests without a public key, if no digest could be verified.
    pub(crate) unknown_keys: UnknownKeys,
    /// The trails without any digest.
    pub(crate) missing_trails: Vec<MissingTrail>,
    /// The chains whose trails delivered newer digests to another place.
    #[serde(skip)]
    pub(crate) lagging: Vec<LaggingChain>,
    /// What was not verified now, because an earlier verification proved it.
    pub earlier: Option<EarlierPart>,
    /// See [`crate::archive::verify::chain::VerifierConfig::anchors`].
    #[serde(skip)]
    pub(crate) anchors_found: usize,
}

/// The part of an account and Region that an earlier verification proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierPart {
    /// Up to here it was not verified now; from here on it was.
    pub before: Timestamp,
    /// What the proof record says.
    pub recorded: RecordedPart,
    /// The day of it that was verified again, chosen at random.
    pub sample: Option<Sample>,
}

/// A part of an earlier period that was verified again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The period.
    pub period: Period,
    /// Its digests, all proven.
    pub digests: u64,
    /// Their log files, all proven.
    pub log_files: u64,
}

impl ScopeReport {
    /// Whether everything in its period is proven, without an open question about it.
    pub(crate) fn is_proven(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity <= Severity::Notice)
            && self.unknown_keys.is_empty()
            && self.missing_trails.is_empty()
            && self.lagging.is_empty()
            && self.handoffs.is_empty()
            && self.chains.iter().any(|chain| chain.valid > 0)
    }

    /// The report of a scope that was not verified before a stop.
    fn not_verified(scope: &ChainScope) -> Self {
        let mut finding = Finding::new(FindingKind::NotVerified);
        finding.account = Some(scope.account.clone());
        finding.region = Some(scope.region.clone());
        Self {
            account: scope.account.clone(),
            region: scope.region.clone(),
            bucket: scope.bucket.as_deref().map(str::to_owned),
            root: scope.root.to_string(),
            roots: vec![scope.root.to_string()],
            chains: Vec::new(),
            logs: LogTally::default(),
            proven: Vec::new(),
            findings: vec![finding],
            followed: false,
            other_trails: BTreeSet::new(),
            reported_trails: BTreeSet::new(),
            has_later_digests: false,
            handoffs: Vec::new(),
            unknown_keys: UnknownKeys::default(),
            missing_trails: Vec::new(),
            lagging: Vec::new(),
            earlier: None,
            anchors_found: 0,
        }
    }
}

/// The number of log files by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The severity of the most severe finding.
    ///
    /// Without any digest or log file nothing is proven: incomplete.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let most_severe = self.all_findings().map(|finding| finding.severity).max();
        most_severe.max(self.has_nothing().then_some(Severity::Incomplete))
    }

    /// Whether no digest and no log file was found, without a stop.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        let stopped = |finding: &Finding| finding.kind == FindingKind::NotVerified;
        !self.all_findings().any(stopped)
            && self.scopes.iter().all(|scope| {
                scope.logs == LogTally::default()
                    && scope.chains.iter().all(|chain| chain.valid + chain.invalid == 0)
            })
    }

    /// Whether only the chains of selected trails were verified.
    #[must_use]
    pub fn covers_chosen_trails_only(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == FindingKind::UnlistedNotChecked)
    }

    /// All findings, most severe first, then by account.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let all =
            || self.findings.iter().chain(self.scopes.iter().flat_map(|scope| &scope.findings));
        [Severity::Broken, Severity::Incomplete, Severity::Notice]
            .into_iter()
            .flat_map(move |severity| all().filter(move |finding| finding.severity == severity))
    }
}

/// The selected accounts and Regions below a prefix that have digests or log files, in order,
/// with the classes of their log files. The prefix is empty or ends in a slash.
///
/// # Errors
/// A listing failed.
pub async fn scopes(
    source: &Source,
    prefix: &str,
    selection: &Selection,
) -> Result<Vec<(ChainScope, BTreeSet<LogClass>)>, ListError> {
    let Discovered { scopes, classes, .. } =
        discover(source, prefix, selection, Window::default()).await?;
    let with_classes = |scope: ChainScope| {
        let place = (scope.account.clone(), scope.region.clone());
        let classes = classes.get(&place).cloned().unwrap_or_default();
        (scope, classes)
    };
    Ok(scopes.into_iter().map(with_classes).collect())
}

/// Examines the selected accounts and Regions of an archive.
///
/// # Errors
/// The accounts and Regions could not be listed, or a stop was requested before they were.
pub async fn examine(request: Request, progress: Arc<dyn Progress>) -> Result<Examined, ListError> {
    let stop = progress.stop();
    let Discovered { scopes, unsearched, classes, strays } = tokio::select! {
        found = discover(&request.source, &request.prefix, &request.selection, request.window) => found?,
        () = stop.requested() => return Err(ListError::stopped(&request.prefix, &stop)),
    };
    request.keys.add_accounts(&scopes);
    let mut present: BTreeSet<Unit> = match &request.declared {
        Some(root) => scopes.iter().filter(|it| it.root == *root).map(unit).collect(),
        None => BTreeSet::new(),
    };
    // INVARIANT: an account and Region below several roots of a bucket is verified together:
    // chains continue from one root to another, and each digest counts once.
    let mut places = BTreeMap::<Unit, Vec<ChainScope>>::new();
    for scope in scopes {
        let unit = unit(&scope);
        if request.selection.is_of_shard(&unit) {
            places.entry(unit).or_default().push(scope);
        }
    }
    progress.scopes(places.len());
    let request = Arc::new(request);
    let limits = Arc::new(logs::Limits::new(request.concurrency));
    let reports: Vec<(Unit, Option<ScopeReport>)> = stream::iter(places)
        .map(|(unit, scopes)| {
            let (limits, progress) = (Arc::clone(&limits), Arc::clone(&progress));
            let (request, stop) = (Arc::clone(&request), stop.clone());
            let place = (unit.account.clone(), unit.region.clone());
            let classes = classes.get(&place).cloned().unwrap_or_default();
            async move {
                let not_verified = scopes.first().map(ScopeReport::not_verified);
                if stop.is_requested() {
                    return (unit, not_verified);
                }
                let over = stop.over(GRACE);
                let work = incremental::verify(request, &unit, scopes, classes, limits, progress);
                let report = tokio::select! {
                    report = work => Some(report),
                    () = over => None,
                };
                (unit, report.unwrap_or(not_verified))
            }
        })
        .buffer_unordered(request.concurrency.scopes)
        .collect()
        .await;
    for (unit, _) in reports.iter().filter(|(_, report)| report.is_none()) {
        present.remove(unit);
    }
    let mut reports: Vec<ScopeReport> = reports.into_iter().filter_map(|(_, it)| it).collect();
    let (mut absent, mut unknown) = (Vec::new(), Vec::new());
    // What the archive lacks is in no shard.
    if request.selection.is_first_shard() {
        tokio::select! {
            found = expected::absent(&request, &present, &limits, &progress) => {
                (absent, unknown) = found;
            }
            // Accounts that were not checked are not proven.
            () = stop.requested() => unknown.push(Finding::new(FindingKind::NotVerified)),
        }
    }
    if request.source.deleted_unknown() {
        // In an archive that orgtrail manages, unknown deletions make the result incomplete.
        let severity =
            if request.expected.is_some() { Severity::Incomplete } else { Severity::Notice };
        let finding = Finding::new(FindingKind::DeletedUnknown).with_severity(severity);
        let finding = finding.at(request.source.bucket(), &request.prefix);
        unknown.push(finding.with_mismatch(
            "a listing of object versions (s3:ListBucketVersions)",
            "access was denied, or the server does not support it",
        ));
    }
    tokio::select! {
        // A chain that was not followed stays incomplete.
        () = follow::follow(&request, &mut reports, &limits, &progress) => {}
        () = stop.requested() => {}
    }
    tokio::select! {
        // Files that were not looked up at their source stay missing, so this continues during
        // the grace period.
        () = async {
            missing::classify(&request, &mut reports).await;
            lagging::classify(&request, &mut reports).await;
        } => {}
        () = stop.over(GRACE) => {}
    }
    let mut findings: Vec<Finding> = unsearched.into_iter().chain(strays).chain(unknown).collect();
    findings.extend((!request.selection.trails.is_empty()).then(|| {
        let trails: Vec<_> = request.selection.trails.iter().map(ToString::to_string).collect();
        let found = format!("the chains of {} were verified", trails.join(", "));
        Finding::new(FindingKind::UnlistedNotChecked).with_mismatch("all chains", found)
    }));
    let declared = request.delivered.declared().cloned().zip(request.declared.clone());
    let window = request.window;
    let mut examined = Examined { scopes: reports, findings, absent, declared, window };
    request.acceptances.apply(&request.source, &mut examined).await;
    Ok(examined)
}

/// Verifies an archive, or a part of one.
///
/// `progress` receives the number of processed digests and log files.
///
/// # Errors
/// As of [`examine`].
pub async fn verify(
    request: Request,
    progress: Arc<dyn Progress>,
) -> Result<Verification, ListError> {
    Ok(examine(request, progress).await?.conclude())
}

fn unit(scope: &ChainScope) -> Unit {
    Unit { account: scope.account.clone(), region: scope.region.clone() }
}

/// What a verified digest says about a log file that it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileVerdict {
    /// It equals, byte for byte, what CloudTrail delivered.
    Proven,
    /// It is altered, damaged or missing.
    Contradicted,
    /// It could not be read.
    Unreadable,
}

/// Receives the progress of verification.
pub trait Progress: Send + Sync {
    /// The number of accounts and Regions.
    fn scopes(&self, _count: usize) {}
    /// An account and Region was verified.
    fn scope_done(&self) {}
    /// Adds processed digests.
    fn digests(&self, _count: u64) {}
    /// Adds processed log files.
    fn logs(&self, _count: u64) {}
    /// A log file that a verified digest lists was checked. Copies of a digest can list a file
    /// several times.
    fn log_file(&self, _key: &str, _verdict: FileVerdict) {}
    /// Requests an early end: accounts and Regions in progress have [`GRACE`] to finish, the
    /// others become [`FindingKind::NotVerified`].
    fn stop(&self) -> Stop {
        Stop::never()
    }
}

/// Ignores the progress.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {}

impl Request {
    /// A step of verifying an account and Region: the same for a part of the window.
    fn step(
        &self,
        window: Window,
        delivered: Arc<Deliveries>,
        anchors: BTreeMap<String, String>,
    ) -> Self {
        Self {
            source: Arc::clone(&self.source),
            prefix: self.prefix.clone(),
            selection: self.selection.clone(),
            window,
            keys: self.keys.clone(),
            declared: self.declared.clone(),
            org_owner: self.org_owner.clone(),
            delivered,
            expected: None,
            other_buckets: self.other_buckets.clone(),
            acceptances: Acceptances::none(),
            trust: self.trust.clone(),
            depth: Depth::Step { anchors, whole: self.window },
            concurrency: self.concurrency,
            kept: None,
        }
    }

    /// The verifier configuration of one scope.
    async fn config(&self, scope: &ChainScope) -> (VerifierConfig, Option<Finding>) {
        let (anchors, whole) = match &self.depth {
            Depth::Step { anchors, whole } => (anchors.clone(), *whole),
            Depth::Whole | Depth::Incremental(_) => (BTreeMap::new(), self.window),
        };
        let RegionKeys { listed, saved, failed } = self.keys.of(&scope.region, whole).await;
        let config = VerifierConfig {
            window: self.window,
            keys: listed,
            saved_keys: saved,
            keys_complete: failed.is_none(),
            declared: self.declared.clone(),
            org_owner: self.org_owner.clone(),
            metadata_travels: self.source.keeps_metadata(),
            keys_given: matches!(self.keys, PublicKeySource::Given(_) | PublicKeySource::Saved(..)),
            anchors,
        };
        (config, failed)
    }

    /// Whether a digest is read: digests just outside the window may list files at its edges.
    fn includes(&self, time: Timestamp) -> bool {
        let since = self.window.since.and_then(|since| since.checked_sub(HOUR_MARGIN).ok());
        since.is_none_or(|since| time >= since) && self.before_last(time)
    }

    fn before_last(&self, time: Timestamp) -> bool {
        let last = self.window.last.and_then(|last| last.checked_add(HOUR_MARGIN).ok());
        last.is_none_or(|last| time <= last)
    }
}
