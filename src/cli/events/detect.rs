//! `orgtrail events detect`

use std::path::PathBuf;

use jiff::SignedDuration;

use crate::checks::Severity;
use crate::cli::verify::ScopeOptions;
use crate::cli::{Context, OpError, Outcome, Rendering};
use crate::names::{AccountId, Region};
use crate::ops::Moment;
use crate::ops::events::PlaceRequest;
use crate::ops::events::detect::{Request, detect, lint, outcome};
use crate::ops::verify::Scope;
use crate::report::contract::detections::{LintReport, Report, Rules};
use crate::report::events::detect::{lint as lint_text, ocsf, sarif, text};

/// Detect tampering with the trail, suspicious sign-ins, and what Sigma rules match
///
/// Compares the recorded events with built-in rules: calls that stop or weaken the trail, its
/// bucket, its key, its alarms and its guardrail, use of root users, sign-ins without MFA, and
/// sign-ins that succeed after repeated failures. The configuration says which resources are
/// meant; without one, only rules about trails, the organization and sign-ins apply. At the end
/// it reports what was read. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail events detect --since 1d
  orgtrail events detect --since 7d --baseline 30d --proof
  orgtrail events detect --in ./logs --rules ./sigma/rules/cloud/aws
  orgtrail events detect --since 1d --format ocsf > findings.json
  orgtrail events detect --rules ./rules --lint

Exit code 0 if nothing is found, 11 if a finding is at least as severe as --fail-on, 13 if an
event or a file is contradicted by a digest, 14 if a file, record or rule could not be read, or
with --proof something is not proven. With --lint: 0, or 2 if a rule has a problem.")]
pub(crate) struct Args {
    /// `s3://bucket/prefix`, a directory of log files, or an evidence bundle. Default: the
    /// archive of the configuration.
    #[arg(long = "in", value_name = "PLACE")]
    place: Option<String>,

    /// Only events recorded for this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// Only events of this Region. Can be repeated.
    #[arg(long)]
    region: Vec<Region>,

    /// Only events at this time or later: a time, a day, `yesterday`, or how long ago, as in
    /// 12h or 7d. Default: 1d in a bucket, any time elsewhere.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Only events at this time or earlier. Default: now.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Also read the events of so long before `--since`, as in 30d, and detect Regions that an
    /// account did not use in that time.
    #[arg(long, value_name = "TIME", requires = "since", value_parser = baseline)]
    baseline: Option<SignedDuration>,

    /// Also evaluate the Sigma rules in this directory and below it (`*.yml`) that are for
    /// CloudTrail.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,

    /// Only check the rules: read no events.
    #[arg(long, requires = "rules", conflicts_with_all = ["place", "since", "until", "proof"])]
    lint: bool,

    /// Exit with 11 only for findings of this severity or higher.
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "high")]
    fail_on: Severity,

    /// Mark each finding as proven, unproven or contradicted by the digests that list the files
    /// of its events.
    #[arg(long)]
    proof: bool,

    /// The account that must own the bucket `s3://…`. Default: as for `verify`.
    #[arg(long, value_name = "ID")]
    bucket_owner: Option<AccountId>,

    /// Public keys for --proof, as printed by `aws cloudtrail list-public-keys`.
    #[arg(long, value_name = "FILE", requires = "proof")]
    public_keys: Option<PathBuf>,

    /// Call no AWS API for --proof. The place must be a directory or a bundle.
    #[arg(long, requires = "proof")]
    offline: bool,
}

/// How long a bucket is looked at by default.
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn baseline(text: &str) -> Result<SignedDuration, String> {
    match text.parse::<Moment>() {
        Ok(Moment::Ago(ago)) if ago.is_positive() => Ok(ago),
        _ => Err("expected how long, as in 12h or 30d".to_owned()),
    }
}

/// Whether a format is one of the command.
pub(super) fn knows(rendering: Rendering) -> bool {
    matches!(rendering, Rendering::Sarif | Rendering::Ocsf)
}

impl Args {
    fn request(self) -> Request {
        let scope = Scope::from(ScopeOptions {
            bucket_owner: self.bucket_owner.clone(),
            public_keys: self.public_keys,
            offline: self.offline,
            ..ScopeOptions::default()
        });
        // A directory is what someone chose to look at; an archive has years.
        let is_local = self.place.as_deref().is_some_and(|name| !name.starts_with("s3://"));
        let since = self.since.or((!is_local).then_some(Moment::Ago(DAY)));
        Request {
            place: PlaceRequest { name: self.place, bucket_owner: self.bucket_owner },
            accounts: self.account.into_iter().collect(),
            regions: self.region.into_iter().collect(),
            since,
            until: self.until,
            baseline: self.baseline,
            rules: self.rules,
            proof: self.proof.then_some(scope),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    if let (true, Some(directory)) = (args.lint, &args.rules) {
        return linted(directory, context);
    }
    // A directory needs no configuration. An invalid one would let rules match nothing.
    let env = if args.place.is_some() && !context.config_path.exists() {
        context.env_of_caller()?
    } else {
        context.config()?;
        context.env()?
    };
    let fail_on = args.fail_on;
    let detections = Box::pin(detect(&env, &args.request())).await?;
    match context.rendering {
        Rendering::Json => context.document(Report::from(&detections))?,
        Rendering::Sarif => context.out.data(sarif(&detections))?,
        Rendering::Ocsf => context.out.data(ocsf(&detections))?,
        _ => {
            context.head()?;
            context.out.data(text(&detections))?;
        }
    }
    Ok(outcome(&detections, fail_on))
}

fn linted(directory: &std::path::Path, context: &Context) -> Result<Outcome, OpError> {
    let rules = lint(directory)?;
    match context.rendering {
        Rendering::Json => context.document(LintReport { rules: Rules::from(&rules) })?,
        Rendering::Text => context.out.data(lint_text(&rules))?,
        _ => return Err(OpError::usage("with --lint, `--format` is `text` or `json`")),
    }
    Ok(if rules.problems.is_empty() { Outcome::Clean } else { Outcome::Usage })
}
