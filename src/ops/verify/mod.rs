//! Verification of digest chains and log files.

mod archive;
mod embedded;
mod file_verdicts;
mod proofs;
mod reader;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub(super) use self::file_verdicts::FileVerdicts;
pub use self::proofs::record;
pub(super) use self::reader::{Reader, reader};
pub(super) use self::target::Target;
use super::{Env, OpError, Outcome, Phase};
use crate::archive::proofs::Earlier;
use crate::archive::shard::Shard;
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest_delay::digests_due;
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::{
    self as chains, Depth, Examined, FileVerdict, Progress, PublicKeySource, Selection,
    Verification, unmatched, unmatched_trail,
};
use crate::names::{AccountId, Arn, Region, TrailName};
use crate::report::contract;
use crate::report::verification::{BundleFacts, KeyOrigin, KeyUsed, Subject};
use crate::stop::Stop;

/// How much later than the end of the window its last digest may end.
const ONE_DIGEST: SignedDuration = SignedDuration::from_hours(1);

/// What to verify.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `s3://bucket/prefix`, a directory that mirrors a bucket, or an evidence bundle; the
    /// archive of the configuration if absent.
    pub target: Option<String>,
    /// What of it, and with what.
    pub scope: Scope,
    /// Only digests whose hours end at this time or later.
    pub since: Option<Timestamp>,
    /// Up to when; for a bucket until now if absent.
    pub until: Option<Timestamp>,
    /// The SHA-256 of the bundle's manifest, in lower case; any bundle if absent.
    pub manifest_sha256: Option<String>,
    /// Whether to continue from the archive's newest proof record.
    pub incremental: bool,
    /// Whether the result will be kept with [`record`].
    pub record: bool,
}

/// What of a target is verified or packed, and with what.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all if empty.
    pub regions: BTreeSet<Region>,
    /// Only the chains of these trails; all if empty.
    pub trails: BTreeSet<TrailName>,
    /// The account that must own a bucket.
    pub bucket_owner: Option<AccountId>,
    /// A file of public keys, as `aws cloudtrail list-public-keys` prints them.
    pub public_keys: Option<PathBuf>,
    /// The SHA-256 of acceptances that count, in addition to those of the configuration.
    pub acceptances: Vec<String>,
    /// The organization trail that covers for ended trails in a bundle.
    pub declared_trail: Option<Arn>,
    /// Whether no AWS API may be called.
    pub offline: bool,
}

impl Scope {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            accounts: self.accounts.clone(),
            regions: self.regions.clone(),
            trails: self.trails.clone(),
            shard: None,
        }
    }
}

impl Request {
    /// What was asked, by option: the shards of one verification are all asked the same.
    #[must_use]
    pub fn asked(&self) -> BTreeMap<&'static str, String> {
        let Self { target, scope, since, until, incremental, manifest_sha256: _, record: _ } = self;
        let Scope { accounts, regions, trails: _, bucket_owner, public_keys, .. } = scope;
        let joined = |names: Vec<String>| Some(names.join(",")).filter(|it| !it.is_empty());
        let mut acceptances = scope.acceptances.clone();
        acceptances.sort();
        [
            ("TARGET", target.clone()),
            ("--account", joined(accounts.iter().map(ToString::to_string).collect())),
            ("--region", joined(regions.iter().map(ToString::to_string).collect())),
            ("--bucket-owner", bucket_owner.as_ref().map(ToString::to_string)),
            ("--public-keys", public_keys.as_ref().map(|path| path.display().to_string())),
            ("--acceptance", joined(acceptances)),
            ("--offline", scope.offline.then(|| "true".to_owned())),
            ("--since", since.map(|at| at.to_string())),
            ("--until", until.map(|at| at.to_string())),
            ("--incremental", incremental.then(|| "true".to_owned())),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some((option, value?)))
        .collect()
    }

    /// Checks that shards of it would fit together.
    ///
    /// # Errors
    /// They would not: usage.
    pub fn check_divisible(&self) -> Result<(), OpError> {
        if self.incremental || self.record {
            return Err(OpError::usage(
                "`--shard` cannot be used with `--incremental` or `--record`",
            ));
        }
        if self.until.is_none() {
            let hint =
                "give every shard the same time, such as that at which the job was submitted";
            return Err(OpError::usage("`--shard` requires `--until`").with_hint(hint));
        }
        if !self.scope.trails.is_empty() {
            return Err(OpError::usage("`--shard` cannot be used with `--trail`"));
        }
        Ok(())
    }

    /// Whether nothing narrows what is verified.
    fn is_whole(&self) -> bool {
        let Scope { accounts, regions, trails, .. } = &self.scope;
        accounts.is_empty()
            && regions.is_empty()
            && trails.is_empty()
            && self.since.is_none()
            && self.until.is_none()
    }
}

/// The result of a verification.
#[derive(Debug)]
pub struct Verified {
    /// What was verified.
    pub subject: Subject,
    /// What was found.
    pub verification: Verification,
    /// Whether it was stopped before the end.
    pub was_stopped: bool,
    /// What the archive's newest proof record says, if it was read.
    earlier: Option<Arc<Earlier>>,
}

impl Verified {
    /// Whether everything is proven; a verification that was stopped is at best incomplete.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let stopped = self.was_stopped.then_some(Outcome::Incomplete);
        Outcome::most_severe(stopped.into_iter().chain([outcome(self.verification.severity())]))
    }

    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> contract::verification::Report {
        contract::verification::Report::new(&self.subject, &self.verification)
    }
}

/// What a verification found, before what follows from all accounts and Regions together.
#[derive(Debug, Serialize, Deserialize)]
pub struct Examination {
    subject: Subject,
    examined: Examined,
    was_stopped: bool,
}

impl Examination {
    /// Joins what the shards of one verification found, in their order; `None` of no shard.
    #[must_use]
    pub fn join(parts: Vec<Self>) -> Option<Self> {
        let mut subjects = Vec::new();
        let mut was_stopped = false;
        let examined = Examined::join(parts.into_iter().map(|part| {
            subjects.push(part.subject);
            was_stopped |= part.was_stopped;
            part.examined
        }))?;
        let subject = Subject::join(subjects)?;
        Some(Self { subject, examined, was_stopped })
    }

    /// Decides what follows from all accounts and Regions together.
    #[must_use]
    pub fn conclude(self) -> Verified {
        let Self { subject, examined, was_stopped } = self;
        Verified { subject, verification: examined.conclude(), was_stopped, earlier: None }
    }

    /// Whether it was stopped before the end.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.was_stopped
    }

    /// Every finding so far.
    pub(super) fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.examined.all_findings()
    }

    /// How many accounts and Regions were examined.
    #[must_use]
    pub fn scope_count(&self) -> usize {
        self.examined.scope_count()
    }
}

/// Verifies digest chains and log files. Changes nothing.
///
/// # Errors
/// The request is invalid or matches nothing, the target cannot be opened, a bundle has
/// another manifest than requested, or a stop was requested: while opening the target the first
/// one, later a second one.
pub async fn verify(env: &Env, request: &Request) -> Result<Verified, OpError> {
    request.check_proofs()?;
    let Opened { target, mut subject } = opened(env, request).await?;
    let earlier = if request.incremental || request.record {
        target.read_proofs(env).await?.newest.map(Arc::new)
    } else {
        None
    };
    let (bundle, is_declared) = (target.unpacked.clone(), target.declared_trail.is_some());
    let not_files = target.not_files.clone();
    let selection = request.scope.selection();
    let mut of_target = target.request(selection.clone(), subject.window);
    match &earlier {
        Some(earlier) if request.incremental => {
            of_target.depth = Depth::Incremental(Arc::clone(earlier));
        }
        None if request.incremental => {
            env.progress().note("there is no usable proof record: the whole archive is verified");
        }
        _ => {}
    }
    let (source, ring) = (Arc::clone(&of_target.source), of_target.keys.clone());
    refuse_unmatched(&of_target).await?;
    let mut verification = Box::pin(examined(of_target, env)).await?.conclude();
    let unmatched = unmatched_trail(&source, &verification, &selection, subject.window).await?;
    if let Some(unmatched) = unmatched {
        return Err(unmatched.into());
    }
    verification.findings.extend(not_files);
    // A part of it is not what its report is about.
    if let Some(bundle) = bundle.filter(|_| request.is_whole()) {
        let contradicted = embedded::contradicted(&bundle, &subject, &verification, is_declared);
        verification.findings.extend(contradicted);
    }
    let regions = verification.scopes.iter().map(|scope| scope.region.clone()).collect();
    subject.keys = keys_used(&ring, regions, subject.window).await;
    let was_stopped = env.stop().is_requested();
    Ok(Verified { subject, verification, was_stopped, earlier })
}

/// Verifies the accounts and Regions of a shard. Changes nothing.
///
/// # Errors
/// As of [`verify`]. A bundle, the choice of a trail, and a period without an end are refused: the
/// shards of one verification would not fit together.
pub async fn verify_shard(
    env: &Env,
    request: &Request,
    shard: &Shard,
) -> Result<Examination, OpError> {
    request.check_divisible()?;
    let Opened { target, mut subject } = opened(env, request).await?;
    if target.unpacked.is_some() {
        return Err(OpError::usage("a bundle is verified as a whole, without `--shard`"));
    }
    let not_files = target.not_files.clone();
    let selection = Selection { shard: Some(shard.clone()), ..request.scope.selection() };
    let of_target = target.request(selection, subject.window);
    let ring = of_target.keys.clone();
    refuse_unmatched(&of_target).await?;
    let mut examined = Box::pin(examined(of_target, env)).await?;
    examined.findings.extend(not_files);
    subject.keys = keys_used(&ring, examined.regions(), subject.window).await;
    Ok(Examination { subject, examined, was_stopped: env.stop().is_requested() })
}

/// A target, and what is said of it.
struct Opened {
    target: Target,
    subject: Subject,
}

async fn opened(env: &Env, request: &Request) -> Result<Opened, OpError> {
    if let (Some(since), Some(until)) = (request.since, request.until)
        && since > until
    {
        return Err(OpError::usage(format!("--since {since} is after --until {until}")));
    }
    let opening = Target::open(request.target.as_deref(), &request.scope, env);
    let target = env.unless_stopped(Box::pin(opening)).await??;
    if let Some(wanted) = &request.manifest_sha256 {
        let bundle = target.unpacked.as_ref();
        check_manifest(&target.name, bundle.map(|it| it.manifest_sha256.as_str()), wanted)?;
    }
    let now = target.now;
    let since = request.since.or(target.from);
    let window = window(since, request.until.or(target.to), target.is_live, now);
    let unproven = target.unpacked.as_ref().map(|bundle| BundleFacts {
        manifest_sha256: bundle.manifest_sha256.clone(),
        unproven: embedded::unproven(bundle),
    });
    let subject = Subject {
        target: target.name.clone(),
        window,
        at: now,
        keys: Vec::new(),
        bundle: unproven,
        overrides: env.session().override_lines(),
    };
    for note in &target.notes {
        env.progress().note(note);
    }
    Ok(Opened { target, subject })
}

/// Refuses a bundle that has another manifest than its packer named: the manifest
/// covers every file.
fn check_manifest(name: &str, found: Option<&str>, wanted: &str) -> Result<(), OpError> {
    match found {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(OpError::new(
            format!(
                "the bundle `{name}` has a manifest with SHA-256 {found}, expected {wanted}: this is not the bundle with that SHA-256"
            ),
            Outcome::IntegrityFailure,
        )
        .with_hint("ask the sender for the bundle, and for the SHA-256 that `orgtrail evidence` printed")),
        None => Err(OpError::usage(format!(
            "`--manifest-sha256` requires a bundle, but `{name}` is not one"
        ))),
    }
}

/// The public keys of the Regions that were verified.
async fn keys_used(
    ring: &PublicKeySource,
    regions: BTreeSet<Region>,
    window: Window,
) -> Vec<KeyUsed> {
    let mut used = BTreeSet::new();
    let is_given = matches!(ring, PublicKeySource::Given(_));
    let vouched = if is_given { KeyOrigin::Given } else { KeyOrigin::Aws };
    for region in regions {
        let keys = ring.of(&region, window).await;
        for (origin, set) in [(vouched, keys.listed), (KeyOrigin::Saved, keys.saved)] {
            let fingerprints = set.to_list().public_key_list.into_iter();
            used.extend(fingerprints.map(|key| KeyUsed { origin, fingerprint: key.fingerprint }));
        }
    }
    used.into_iter().collect()
}

/// Accounts or Regions that match nothing are a mistake.
async fn refuse_unmatched(request: &chains::Request) -> Result<(), OpError> {
    let unmatched = unmatched(&request.source, &request.prefix, &request.selection).await?;
    unmatched.map_or(Ok(()), |unmatched| Err(unmatched.into()))
}

/// Verifies a selection: accounts, Regions or trails that match nothing are a mistake.
pub(super) async fn chosen(request: chains::Request, env: &Env) -> Result<Verification, OpError> {
    let (source, selection) = (Arc::clone(&request.source), request.selection.clone());
    refuse_unmatched(&request).await?;
    // Until all is read: a bundle's files go with it.
    let (window, _kept) = (request.window, request.kept.clone());
    let verification = checked(request, env).await?;
    let unmatched = unmatched_trail(&source, &verification, &selection, window).await?;
    unmatched.map_or(Ok(verification), |unmatched| Err(unmatched.into()))
}

/// Verifies, and reports the progress.
pub(super) async fn checked(request: chains::Request, env: &Env) -> Result<Verification, OpError> {
    checked_with(request, None, env).await
}

/// The same, and notes the verdict on each log file.
pub(super) async fn checked_with(
    request: chains::Request,
    files: Option<Arc<FileVerdicts>>,
    env: &Env,
) -> Result<Verification, OpError> {
    let watched = watched(files, env);
    Ok(chains::verify(request, watched).await?)
}

/// The same, before what follows from all accounts and Regions together.
async fn examined(request: chains::Request, env: &Env) -> Result<Examined, OpError> {
    Ok(chains::examine(request, watched(None, env)).await?)
}

fn watched(files: Option<Arc<FileVerdicts>>, env: &Env) -> Arc<Watched> {
    Arc::new(Watched {
        phase: env.progress().phase("verifying chains", 0),
        logs: AtomicU64::new(0),
        stop: env.stop().clone(),
        files,
    })
}

/// The outcome of a verification that was not stopped, by its most severe finding.
pub(super) fn outcome(severity: Option<Severity>) -> Outcome {
    match severity {
        Some(Severity::Broken) => Outcome::IntegrityFailure,
        Some(Severity::Incomplete) => Outcome::Incomplete,
        Some(Severity::Notice) | None => Outcome::Clean,
    }
}

/// What is looked at, and up to when digests must be there.
pub(super) fn window(
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    is_live: bool,
    now: Timestamp,
) -> Window {
    let plus = |time: Timestamp, by| time.checked_add(by).unwrap_or(time);
    let delivered = digests_due(now);
    Window {
        since,
        // A copy may be of any age, unless the request limits it.
        until: until.map(|until| until.min(delivered)).or(is_live.then_some(delivered)),
        last: until.map(|until| plus(until, ONE_DIGEST)),
    }
}

#[derive(Debug)]
struct Watched {
    phase: Box<dyn Phase>,
    logs: AtomicU64,
    stop: Stop,
    files: Option<Arc<FileVerdicts>>,
}

impl Progress for Watched {
    fn scopes(&self, count: usize) {
        self.phase.set_steps(count);
    }

    fn scope_done(&self) {
        self.phase.step_done();
    }

    fn logs(&self, count: u64) {
        let logs = self.logs.fetch_add(count, Ordering::Relaxed) + count;
        self.phase.set_name(&format!("verifying chains: {logs} log files"));
    }

    fn log_file(&self, key: &str, verdict: FileVerdict) {
        if let Some(files) = &self.files {
            files.note(key, verdict);
        }
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_of_digests_that_may_be_on_their_way() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let live = window(None, None, true, now);
        assert_eq!((live.until, live.last), (at("2026-01-02T10:00:00Z"), None));
        let copy = window(None, None, false, now);
        assert_eq!((copy.until, copy.last), (None, None));
        let past = window(None, at("2026-01-01T00:00:00Z"), true, now);
        assert_eq!(
            (past.until, past.last),
            (at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:00Z"))
        );
        let ahead = window(None, at("2026-02-01T00:00:00Z"), true, now);
        assert_eq!(ahead.until, at("2026-01-02T10:00:00Z"));
    }

    #[test]
    fn the_most_severe_finding_decides_the_outcome() {
        assert_eq!(outcome(None), Outcome::Clean);
        assert_eq!(outcome(Some(Severity::Notice)), Outcome::Clean);
        assert_eq!(outcome(Some(Severity::Incomplete)), Outcome::Incomplete);
        assert_eq!(outcome(Some(Severity::Broken)), Outcome::IntegrityFailure);
    }
}
