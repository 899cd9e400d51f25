//! `orgtrail verify`

mod embedded;
mod reader;
mod target;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

pub(super) use self::target::Target;
use super::{OpError, Context, Outcome, Explain, Rendering};
use crate::archive::bundle::{BundleError, BundleFault};
use crate::archive::verify::chain::Window;
use crate::archive::verify::digest_delay::digests_due;
use crate::archive::verify::finding::Severity;
use crate::archive::verify::public_keys::KeyListError;
use crate::archive::verify::run::{
    Concurrency, KeyRing, Progress, Request, Selection, Unmatched, Verification, unmatched,
    unmatched_trail, verify,
};
use crate::archive::verify::source::ListError;
use crate::names::{AccountId, Arn, Region, TrailName};
use crate::report::contract::verification::Report;
use crate::report::verification::{self, BundleFacts, KeyUsed, Subject};
use crate::stop::Stop;

/// How much longer than the window its last digest may be.
const ONE_DIGEST: SignedDuration = SignedDuration::from_hours(1);

/// Verify digest chains and log files
///
/// Follows every digest chain (one for each trail, account and Region), verifies each
/// signature, link and log file, and looks for unexpected objects. Without TARGET, verifies the
/// archive of the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail verify
  orgtrail verify --account 111111111111 --since 2026-01-01T00:00:00Z
  orgtrail verify s3://old-trail-bucket/prefix
  orgtrail verify ./mirror --public-keys keys.json --offline
  orgtrail verify evidence.tar.zst --public-keys keys.json --offline --format json
  orgtrail verify evidence.tar.zst --public-keys keys.json --offline --manifest-sha256 9f86…
  orgtrail verify --format aws-cli

Outcome code 0 if everything is proven, 13 if something is broken, 14 if part of the
scope is not proven.")]
pub(crate) struct Args {
    /// `s3://bucket/prefix`, a directory that mirrors a bucket, or an evidence bundle.
    target: Option<String>,

    #[command(flatten)]
    pub(super) what: What,

    /// Verify digests whose hours end at this time or later. A day means its start in UTC.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,

    /// Verify up to this time. Default for a bucket: now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,

    /// The SHA-256 of the bundle's manifest, as printed by `orgtrail evidence`. Any other
    /// bundle is refused (13). Get this value over a different channel than the bundle.
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    manifest_sha256: Option<String>,
}

/// Options that `verify` and `evidence` share.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct What {
    /// Verify only this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    pub(super) account: Vec<AccountId>,

    /// Verify only this Region. Can be repeated.
    #[arg(long)]
    pub(super) region: Vec<Region>,

    /// Verify only this trail's chains. Can be repeated. Log files that no digest of these
    /// trails lists are not proven.
    #[arg(long, value_name = "NAME")]
    pub(super) trail: Vec<TrailName>,

    /// The account that must own the bucket `s3://…`. Default: the caller's account, or the
    /// account that the configuration or a trail names for the bucket.
    #[arg(long, value_name = "ID")]
    pub(super) bucket_owner: Option<AccountId>,

    /// Public keys, as printed by `aws cloudtrail list-public-keys`.
    #[arg(long, value_name = "FILE")]
    pub(super) public_keys: Option<PathBuf>,

    /// The SHA-256 of an acceptance in the target to honor, in addition to those in the
    /// configuration. Can be repeated. `orgtrail accept --list` prints it.
    #[arg(long, value_name = "SHA256", value_parser = super::trust::sha256)]
    pub(super) acceptance: Vec<String>,

    /// The ARN of the organization trail that covers for ended trails in a bundle, whose
    /// supplier could name any trail. Default: the trail of the configuration, if there is one.
    #[arg(long, value_name = "ARN", value_parser = trail_arn)]
    pub(super) declared_trail: Option<Arn>,

    /// Call no AWS API. The target must be a directory or a bundle. Without `--public-keys`,
    /// the keys saved in the target only show whether it is consistent, and the result is at
    /// best incomplete.
    #[arg(long)]
    pub(super) offline: bool,
}

fn trail_arn(text: &str) -> Result<Arn, String> {
    let arn: Arn = text.parse().map_err(|error: crate::names::NameError| error.to_string())?;
    let is_trail = &*arn.service == "cloudtrail" && arn.region.is_some() && arn.account.is_some();
    let name = arn.resource_name().parse::<TrailName>();
    if is_trail && name.is_ok() {
        return Ok(arn);
    }
    Err("expected the ARN of a trail, as in \
         arn:aws:cloudtrail:us-east-1:111111111111:trail/orgtrail"
        .to_owned())
}

impl What {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            accounts: self.account.iter().cloned().collect(),
            regions: self.region.iter().cloned().collect(),
            trails: self.trail.iter().cloned().collect(),
        }
    }
}

impl Args {
    /// Whether nothing narrows what is verified.
    fn is_whole(&self) -> bool {
        let What { account, region, trail, .. } = &self.what;
        account.is_empty()
            && region.is_empty()
            && trail.is_empty()
            && self.since.is_none()
            && self.until.is_none()
    }

    /// The archive of the config, from a time on, as a round asks for it.
    pub(super) fn archive(since: Option<Timestamp>) -> Self {
        let what = What::default();
        Self { target: None, what, since, until: None, manifest_sha256: None }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let (subject, verification) = once(&args, context).await?;
    match context.rendering {
        // What is not for this command was refused before.
        Rendering::Text | Rendering::Sarif | Rendering::Ocsf | Rendering::Html | Rendering::Csv => {
            context.head()?;
            context.out.data(verification::text(&subject, &verification))?;
        }
        Rendering::Json => context.document(Report::new(&subject, &verification))?,
        Rendering::Junit => context.out.data(verification::junit(&subject, &verification))?,
        Rendering::AwsCli => context.out.data(verification::aws_cli(&subject, &verification))?,
    }
    Ok(exit_of(&verification, context))
}

/// What a verification comes to; one that was stopped is at best incomplete.
pub(super) fn exit_of(verification: &Verification, context: &Context) -> Outcome {
    let stopped = context.stop.is_requested().then_some(Outcome::Incomplete);
    Outcome::most_severe(stopped.into_iter().chain([exit(verification.severity())]))
}

/// Verifies once, and tells nothing yet.
pub(super) async fn once(
    args: &Args,
    context: &Context,
) -> Result<(Subject, Verification), OpError> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since > until
    {
        return Err(OpError::usage(format!("--since {since} is after --until {until}")));
    }
    let opening = Target::open(args.target.as_deref(), &args.what, context);
    let target = context.env()?.unless_stopped(Box::pin(opening)).await??;
    if let Some(wanted) = &args.manifest_sha256 {
        let bundle = target.unpacked.as_ref();
        check_manifest(&target.name, bundle.map(|it| it.manifest_sha256.as_str()), wanted)?;
    }
    let now = target.now;
    let since = args.since.or(target.from);
    let window = window(since, args.until.or(target.to), target.is_live, now);
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
        overrides: context.session.override_lines(),
    };
    for note in &target.notes {
        context.out.note(note);
    }
    let (bundle, not_files) = (target.unpacked.clone(), target.not_files.clone());
    let is_declared = target.declared_trail.is_some();
    let request = target.request(args.what.selection(), window);
    let ring = request.keys.clone();
    let mut verification = chosen(request, context).await?;
    verification.findings.extend(not_files);
    // A part of it is not what its report is about.
    if let Some(bundle) = bundle.filter(|_| args.is_whole()) {
        let contradicted = embedded::contradicted(&bundle, &subject, &verification, is_declared);
        verification.findings.extend(contradicted);
    }
    subject.keys = keys_used(&ring, &verification, window).await;
    Ok((subject, verification))
}

/// Refuses a bundle that has another manifest than its packer named: the manifest
/// covers every file.
fn check_manifest(name: &str, found: Option<&str>, wanted: &str) -> Result<(), OpError> {
    match found {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(OpError::new(
            format!(
                "the bundle `{name}` has a manifest with SHA-256 {found}, expected {wanted}: it is \
                 not the bundle that was packed"
            ),
            Outcome::IntegrityFailure,
        )
        .with_hint("ask its packer for the bundle, and for what `orgtrail evidence` printed")),
        None => Err(OpError::usage(format!(
            "`--manifest-sha256` needs a bundle to verify, and `{name}` is none"
        ))),
    }
}

/// The public keys of the Regions that were verified.
async fn keys_used(ring: &KeyRing, verification: &Verification, window: Window) -> Vec<KeyUsed> {
    let mut used = BTreeSet::new();
    let regions: BTreeSet<&Region> = verification.lanes.iter().map(|lane| &lane.region).collect();
    let vouched = if matches!(ring, KeyRing::Given(_)) { "given" } else { "aws" };
    for region in regions {
        let keys = ring.of(region, window).await;
        for (origin, set) in [(vouched, keys.vouched), ("saved", keys.saved)] {
            let fingerprints = set.to_list().public_key_list.into_iter();
            used.extend(fingerprints.map(|key| KeyUsed { origin, fingerprint: key.fingerprint }));
        }
    }
    used.into_iter().collect()
}

/// Verifies what a person chose: accounts, Regions or trails that match nothing are a
/// mistake.
pub(super) async fn chosen(request: Request, context: &Context) -> Result<Verification, OpError> {
    let (source, selection) = (Arc::clone(&request.source), request.selection.clone());
    if let Some(unmatched) = unmatched(&source, &request.prefix, &selection).await? {
        return Err(unmatched.into());
    }
    // Until all is read: a bundle's files go with it.
    let (window, _kept) = (request.window, request.kept.clone());
    let verification = checked(request, context).await?;
    let unmatched = unmatched_trail(&source, &verification, &selection, window).await?;
    unmatched.map_or(Ok(verification), |unmatched| Err(unmatched.into()))
}

/// Verifies, with a bar where a person looks on.
pub(super) async fn checked(request: Request, context: &Context) -> Result<Verification, OpError> {
    let bar = Arc::new(Bar {
        shown: context.out.progress("following chains", 0),
        logs: AtomicU64::new(0),
        stop: context.stop.clone(),
    });
    let verification = verify(request, Arc::clone(&bar) as Arc<dyn Progress>).await?;
    bar.shown.finish_and_clear();
    Ok(verification)
}

pub(super) fn exit(severity: Option<Severity>) -> Outcome {
    match severity {
        Some(Severity::Broken) => Outcome::IntegrityFailure,
        Some(Severity::Incomplete) => Outcome::Incomplete,
        Some(Severity::Notice) | None => Outcome::Clean,
    }
}

/// A time with its zone, or a day, which stands for its beginning in UTC.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    // A time without its zone would be read as its day.
    let day = || jiff::civil::Date::strptime("%Y-%m-%d", text)?.to_zoned(jiff::tz::TimeZone::UTC);
    text.parse::<Timestamp>()
        .or_else(|_| day().map(|begins| begins.timestamp()))
        .map_err(|_| "expected a time as in 2026-01-31T06:00:00Z, or a day".to_owned())
}

/// A SHA-256 in hexadecimal, in lower case.
fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("expected 64 hexadecimal digits, as `orgtrail evidence` prints them".to_owned())
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
        // A copy may be as old as it likes, unless it is asked how old.
        until: until.map(|until| until.min(delivered)).or(is_live.then_some(delivered)),
        last: until.map(|until| plus(until, ONE_DIGEST)),
    }
}

struct Bar {
    shown: indicatif::ProgressBar,
    logs: AtomicU64,
    stop: Stop,
}

impl Progress for Bar {
    fn lanes(&self, count: usize) {
        self.shown.set_length(count as u64);
    }

    fn lane_done(&self) {
        self.shown.inc(1);
    }

    fn logs(&self, count: u64) {
        let logs = self.logs.fetch_add(count, Ordering::Relaxed) + count;
        self.shown.set_message(format!("following chains: {logs} log files"));
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

impl Explain for ListError {
    fn hint(&self) -> Option<String> {
        self.source.downcast_ref::<crate::aws::AwsError>()?.hint()
    }

    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}

impl Explain for Unmatched {
    fn hint(&self) -> Option<String> {
        Some(self.existing.clone())
    }

    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

impl Explain for KeyListError {
    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

impl Explain for BundleError {
    fn outcome(&self) -> Outcome {
        match &self.fault {
            BundleFault::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Outcome::Refused
            }
            BundleFault::Io(_) => Outcome::Unexpected,
            _ => Outcome::IntegrityFailure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_for_its_beginning() {
        assert_eq!(instant("2026-01-31"), instant("2026-01-31T00:00:00Z"));
        assert_eq!(instant("2026-01-31T02:00:00+02:00"), instant("2026-01-31"));
        for wrong in ["", "2026-02-30", "2026-01-31T06:00", "yesterday"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sha_256_has_64_hexadecimal_digits() {
        assert_eq!(sha256(&"Aa".repeat(32)), Ok("aa".repeat(32)));
        for wrong in ["", "aa", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64)] {
            assert!(sha256(wrong).is_err(), "{wrong}");
        }
    }

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
    fn the_gravest_finding_decides_the_exit_code() {
        assert_eq!(exit(None), Outcome::Clean);
        assert_eq!(exit(Some(Severity::Notice)), Outcome::Clean);
        assert_eq!(exit(Some(Severity::Incomplete)), Outcome::Incomplete);
        assert_eq!(exit(Some(Severity::Broken)), Outcome::IntegrityFailure);
    }
}
