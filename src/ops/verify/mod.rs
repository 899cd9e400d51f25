//! Verification of digest chains and log files.

mod archive;
mod embedded;
mod file_verdicts;
mod reader;
mod target;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

pub(super) use self::file_verdicts::FileVerdicts;
pub(super) use self::reader::{Reader, reader};
pub(super) use self::target::Target;
use super::{Env, OpError, Outcome, Phase};
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest_delay::digests_due;
use crate::archive::verify::finding::Severity;
use crate::archive::verify::run::{
    self as chains, FileVerdict, Progress, PublicKeySource, Selection, Verification, unmatched,
    unmatched_trail,
};
use crate::names::{AccountId, Arn, Region, TrailName};
use crate::report::contract;
use crate::report::verification::{BundleFacts, KeyUsed, Subject};
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
        }
    }
}

impl Request {
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

/// Verifies digest chains and log files. Changes nothing.
///
/// # Errors
/// The request is invalid or matches nothing, the target cannot be opened, a bundle has
/// another manifest than requested, or a stop was requested: while opening the target the first
/// one, later a second one.
pub async fn verify(env: &Env, request: &Request) -> Result<Verified, OpError> {
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
    let mut subject = Subject {
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
    let (bundle, not_files) = (target.unpacked.clone(), target.not_files.clone());
    let is_declared = target.declared_trail.is_some();
    let of_target = target.request(request.scope.selection(), window);
    let ring = of_target.keys.clone();
    let mut verification = Box::pin(chosen(of_target, env)).await?;
    verification.findings.extend(not_files);
    // A part of it is not what its report is about.
    if let Some(bundle) = bundle.filter(|_| request.is_whole()) {
        let contradicted = embedded::contradicted(&bundle, &subject, &verification, is_declared);
        verification.findings.extend(contradicted);
    }
    subject.keys = keys_used(&ring, &verification, window).await;
    Ok(Verified { subject, verification, was_stopped: env.stop().is_requested() })
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
    verification: &Verification,
    window: Window,
) -> Vec<KeyUsed> {
    let mut used = BTreeSet::new();
    let regions: BTreeSet<&Region> =
        verification.scopes.iter().map(|scope| &scope.region).collect();
    let vouched = if matches!(ring, PublicKeySource::Given(_)) { "given" } else { "aws" };
    for region in regions {
        let keys = ring.of(region, window).await;
        for (origin, set) in [(vouched, keys.listed), ("saved", keys.saved)] {
            let fingerprints = set.to_list().public_key_list.into_iter();
            used.extend(fingerprints.map(|key| KeyUsed { origin, fingerprint: key.fingerprint }));
        }
    }
    used.into_iter().collect()
}

/// Verifies a selection: accounts, Regions or trails that match nothing are a mistake.
pub(super) async fn chosen(request: chains::Request, env: &Env) -> Result<Verification, OpError> {
    let (source, selection) = (Arc::clone(&request.source), request.selection.clone());
    if let Some(unmatched) = unmatched(&source, &request.prefix, &selection).await? {
        return Err(unmatched.into());
    }
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
    let watched = Arc::new(Watched {
        phase: env.progress().phase("verifying chains", 0),
        logs: AtomicU64::new(0),
        stop: env.stop().clone(),
        files,
    });
    Ok(chains::verify(request, watched).await?)
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
