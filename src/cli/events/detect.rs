//! `orgtrail events detect`

use std::path::PathBuf;

use jiff::SignedDuration;

use super::arguments::{Reading, Selected};
use crate::checks::Severity;
use crate::cli::values::severity;
use crate::cli::{Context, OpError, Outcome, Rendering};
use crate::ops::Moment;
use crate::ops::events::detect::{Request, detect, lint, outcome};
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
    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    selected: Selected,

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
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), default_value = "high")]
    fail_on: Severity,
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
        // A directory is what someone chose to look at; an archive has years.
        let is_local = self.reading.place.as_deref().is_some_and(|name| !name.starts_with("s3://"));
        let since = self.since.or((!is_local).then_some(Moment::Ago(DAY)));
        let (place, proof) = self.reading.into_request();
        let (accounts, regions) = self.selected.into_sets();
        Request {
            place,
            accounts,
            regions,
            since,
            until: self.until,
            baseline: self.baseline,
            rules: self.rules,
            proof,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    if let (true, Some(directory)) = (args.lint, &args.rules) {
        return linted(directory, context);
    }
    // A directory needs no configuration. An invalid one would let rules match nothing.
    let env = if args.reading.place.is_some() && !context.config_path.exists() {
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
