//! `orgtrail run`: a round of several commands, for whoever calls on schedule.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::{
    CliError, Context, Exit, Format, Output, consolidate, drift,
    ending::{Interrupted, unless_ended, unless_stopped},
    output_path::{check_replaceable, replace},
    verify,
};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::run::Verification;
use crate::aws::At as _;
use crate::checks::{self, Verdict};
use crate::report::contract::round::{PartDocument, PartReport};
use crate::report::contract::verification::Report;
use crate::report::contract::{self, Emitted};
use crate::report::{self, drift::plain, verification};

/// Run consolidation, verification and drift checks for a scheduler
///
/// Runs the given parts in order, each like its own command, and ends with one summary, one
/// report and one exit code. A failed part does not stop the next one. Never prompts: parts
/// that write need `--yes`. Overlapping rounds are safe: every write is conditional, so the
/// second round finds the first one's work done.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail run consolidate,verify,drift --yes
  orgtrail run verify --verify-days 7 --quiet --report /var/lib/orgtrail/round.json
  orgtrail run consolidate,verify --yes --format json

The exit code is the most severe of the parts' codes, in the order 13, 11, 1, 2, 12,
14, 10, 0: known problems rank before unknown results. On Ctrl-C or SIGTERM it
finishes what is in flight and skips the remaining parts (14); a second signal stops
it immediately.")]
pub(crate) struct Args {
    /// The parts, in the order in which to run them.
    #[arg(value_enum, value_delimiter = ',', required = true, value_name = "PART,…")]
    parts: Vec<Part>,

    /// Also write the report as JSON to this file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Verify only this many days. Default: all days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    verify_days: Option<u16>,
}

/// What a round is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
enum Part {
    /// Copy the logs of legacy trails into the archive.
    Consolidate,
    /// Verify the archive's digest chains.
    Verify,
    /// Check for drift, without fixing it.
    Drift,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Self::Consolidate => "consolidate",
            Self::Verify => "verify",
            Self::Drift => "drift",
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::Consolidate)
    }
}

/// A round at its end.
#[derive(Debug)]
struct Round {
    begun_at: Timestamp,
    ended_at: Timestamp,
    exit: Exit,
    parts: Vec<Outcome>,
}

/// A part at its end.
#[derive(Debug)]
struct Outcome {
    part: Part,
    exit: Exit,
    begun_at: Timestamp,
    ended_at: Timestamp,
    /// All of it in a line.
    summary: String,
    /// What the part's own command prints under `--format json`; absent where
    /// it failed or was not begun.
    report: Option<PartDocument>,
}

impl Round {
    fn document(&self) -> contract::round::Report {
        contract::round::Report {
            program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
            started_at: self.begun_at,
            ended_at: self.ended_at,
            exit_code: self.exit.code(),
            outcome: self.exit.into(),
            parts: self.parts.iter().map(PartReport::from).collect(),
        }
    }
}

impl From<&Outcome> for PartReport {
    fn from(ended: &Outcome) -> Self {
        Self {
            part: match ended.part {
                Part::Consolidate => contract::round::Part::Consolidate,
                Part::Verify => contract::round::Part::Verify,
                Part::Drift => contract::round::Part::Drift,
            },
            exit_code: ended.exit.code(),
            outcome: ended.exit.into(),
            started_at: ended.begun_at,
            ended_at: ended.ended_at,
            summary: ended.summary.clone(),
            report: ended.report.clone(),
        }
    }
}

impl From<Exit> for contract::round::Outcome {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::Clean,
            Exit::Unexpected => Self::Unexpected,
            Exit::Usage => Self::Usage,
            Exit::ChangesPending => Self::ChangesPending,
            Exit::Drift => Self::Drift,
            Exit::Refused => Self::Refused,
            Exit::IntegrityFailure => Self::IntegrityFailure,
            Exit::Incomplete => Self::Incomplete,
        }
    }
}

/// What the round's own consolidation came to.
#[derive(Debug)]
enum Brought {
    /// It failed as a whole, and what it would have brought is not known.
    Nothing,
    /// It was done, to the end or in part.
    What(Box<consolidate::Done>),
}

impl Brought {
    fn stopped(&self) -> bool {
        matches!(self, Self::What(done) if done.stopped())
    }

    /// Whether a missing file may be still to come.
    fn may_follow(&self, missing: &Finding) -> bool {
        missing.origin.as_ref().is_some_and(|origin| match self {
            Self::Nothing => true,
            Self::What(done) => {
                done.unfinished().may_still_bring(&origin.bucket, missing.account.as_ref())
            }
        })
    }
}

/// What a part came to.
struct Came {
    exit: Exit,
    summary: String,
    report: Option<PartDocument>,
    /// Whether a person wants no more.
    stopped: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    check(&args, context)?;
    // Said once, not by every part again.
    let config = context.config()?;
    if args.parts.iter().any(|part| part.writes()) && !context.yes {
        let bucket = &config.archive.bucket;
        return Err(CliError::usage(format!("a round that writes into s3://{bucket} asks nobody"))
            .with_hint("`--yes` lets it write"));
    }
    // Who is signed in where is wrong for all parts, or for none.
    if args.parts.iter().all(|part| *part == Part::Verify) {
        context.aws_of_member(&config).await?;
    } else {
        context.aws(&config).await?;
    }
    if context.format == Format::Text {
        context.head()?;
    }
    let quiet = Context { out: Output::new(true), ..context.clone() };
    let begun_at = context.now();
    let mut parts: Vec<Outcome> = Vec::new();
    let mut stopped = false;
    let mut brought = None;
    for part in &args.parts {
        let begun_at = context.now();
        let came = if stopped || context.stop.is_requested() {
            Came::failed(Exit::Incomplete, "not begun: the round was stopped".to_owned())
        } else {
            context.out.note(format_args!("{} …", part.word()));
            do_part(*part, &args, &mut brought, context, &quiet).await
        };
        stopped |= came.stopped;
        parts.push(Outcome {
            part: *part,
            exit: came.exit,
            begun_at,
            ended_at: context.now(),
            summary: came.summary,
            report: came.report,
        });
    }
    let mut exit = Exit::gravest(parts.iter().map(|ended| ended.exit));
    let round = Round { begun_at, ended_at: context.now(), exit, parts };
    if let Some(path) = &args.report
        && let Err(error) = write(path, &round, context)
    {
        // The round itself is done, and what it found stands.
        context.out.warn(error.render());
        exit = Exit::gravest([exit, Exit::Unexpected]);
    }
    match context.format {
        Format::Json => context.document(round.document())?,
        Format::Text => context.out.data(summary(&round))?,
    }
    Ok(exit)
}

/// What can be wrong with the call, before anything is done.
fn check(args: &Args, context: &Context) -> Result<(), CliError> {
    for (at, part) in args.parts.iter().enumerate() {
        if args.parts[..at].contains(part) {
            return Err(CliError::usage(format!("`{}` is named twice", part.word())));
        }
    }
    if args.verify_days.is_some() && !args.parts.contains(&Part::Verify) {
        return Err(CliError::usage("`--verify-days` is for rounds with `verify`"));
    }
    if let Some(path) = &args.report {
        // Tried before hours of work, and not after them.
        check_replaceable(path)?;
    }
    context.pacing().map(drop)
}

async fn do_part(
    part: Part,
    args: &Args,
    brought: &mut Option<Brought>,
    context: &Context,
    quiet: &Context,
) -> Came {
    let done = match part {
        Part::Consolidate => consolidated(brought, context, quiet).await,
        Part::Verify => verified(args, brought, context, quiet).await,
        Part::Drift => drifted(context, quiet).await,
    };
    done.unwrap_or_else(|error| {
        let said = error.render();
        context.out.warn(&said);
        let line = said.lines().next().unwrap_or_default();
        let failed = Came::failed(error.exit(), line.trim_start_matches("error: ").to_owned());
        Came { stopped: error.is::<Interrupted>(), ..failed }
    })
}

async fn consolidated(
    brought: &mut Option<Brought>,
    context: &Context,
    quiet: &Context,
) -> Result<Came, CliError> {
    *brought = Some(Brought::Nothing);
    let done = consolidate::once(&consolidate::Args::everything(), quiet).await?;
    if context.format == Format::Text {
        done.tell(context)?;
    }
    let came = Came {
        exit: done.exit(),
        summary: done.headline(),
        report: Some(PartDocument::Consolidation(Box::new(Emitted::new(done.document())))),
        stopped: done.stopped(),
    };
    *brought = Some(Brought::What(Box::new(done)));
    Ok(came)
}

async fn verified(
    args: &Args,
    brought: &mut Option<Brought>,
    context: &Context,
    quiet: &Context,
) -> Result<Came, CliError> {
    let since = args.verify_days.map(|days| {
        let back = SignedDuration::from_hours(24 * i64::from(days));
        context.now().checked_sub(back).unwrap_or(Timestamp::MIN)
    });
    let asked = verify::Args::archive(since);
    let once = || unless_ended(context, Box::pin(verify::once(&asked, quiet)));
    let (mut subject, mut verification) = once().await?;
    let mut stopped = context.stop.is_requested();
    if !stopped
        && let Some(brought) = brought
        && awaited(&verification).next().is_some()
    {
        context.out.note("files are missing: consolidating again, to see whether they come …");
        // Where a person stops it, what was found stands.
        match any_comes(&verification, brought, quiet).await {
            Err(error) => {
                context.out.warn(error.render());
                stopped = error.is::<Interrupted>();
            }
            Ok(false) => {}
            Ok(true) => {
                (subject, verification) = once().await?;
                stopped = context.stop.is_requested();
            }
        }
        if stopped {
            *brought = Brought::Nothing;
        }
    }
    let text = verification::text(&subject, &verification);
    if context.format == Format::Text {
        context.out.data(&text)?;
    }
    let mut exit = verify::exit_of(&verification, context);
    let mut summary = text.lines().last().unwrap_or_default().to_owned();
    if exit == Exit::IntegrityFailure
        && let Some(brought) = brought
        && broken(&verification).count() == missing(&verification).count()
        && missing(&verification).all(|finding| brought.may_follow(finding))
    {
        exit = Exit::Incomplete;
        summary.push_str("; what is missing may not have been brought yet");
    }
    let document = Emitted::new(Report::new(&subject, &verification));
    Ok(Came {
        exit,
        summary,
        report: Some(PartDocument::Verification(Box::new(document))),
        stopped: stopped || brought.as_ref().is_some_and(Brought::stopped),
    })
}

fn broken(verification: &Verification) -> impl Iterator<Item = &Finding> {
    verification.all_findings().filter(|finding| finding.severity == Severity::Broken)
}

/// Of what is broken, the files that are not there.
fn missing(verification: &Verification) -> impl Iterator<Item = &Finding> {
    broken(verification).filter(|finding| finding.kind.is_of_missing_file())
}

/// The files that another consolidation may bring.
fn awaited(verification: &Verification) -> impl Iterator<Item = &Finding> {
    verification.all_findings().filter(|finding| {
        finding.origin.is_some()
            && (finding.kind.is_of_missing_file() || finding.kind == FindingKind::NotConsolidated)
    })
}

/// Consolidates again, and tells whether one of the missing files is there now.
///
/// Another round may have copied digests and not yet their logs when this one
/// looked. What is gone for good does not come, and is not looked at twice.
async fn any_comes(
    verification: &Verification,
    brought: &mut Brought,
    context: &Context,
) -> Result<bool, CliError> {
    let done = consolidate::once(&consolidate::Args::everything(), context).await?;
    *brought = Brought::What(Box::new(done));
    unless_stopped(context, Box::pin(is_one_there(verification, context))).await?
}

/// Whether the archive has one of the missing files now.
async fn is_one_there(verification: &Verification, context: &Context) -> Result<bool, CliError> {
    let config = context.config()?;
    let archive = consolidate::target(&config, &context.aws(&config).await?);
    for finding in awaited(verification) {
        let Some(key) = &finding.key else { continue };
        let head = archive.clients.s3().head_object().bucket(archive.bucket.as_str()).key(key);
        match head.send().await.at(&archive.clients, "s3:GetObject") {
            Ok(_) => return Ok(true),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

async fn drifted(context: &Context, quiet: &Context) -> Result<Came, CliError> {
    // What is not read before a stop is unknown.
    let reading = Context { reads_only: true, ..quiet.clone() };
    let run = unless_ended(context, Box::pin(drift::once(&reading))).await?;
    if context.format == Format::Text {
        context.out.data(report::drift::text(&run))?;
    }
    let report = Emitted::new(contract::drift::Report::from(&run));
    let failed = run.findings.iter().filter(|one| matches!(one.verdict, Verdict::Fail { .. }));
    Ok(Came {
        exit: drift::exit_of(&run, checks::Severity::Low, context),
        summary: format!("{} checks, {} failed", run.findings.len(), failed.count()),
        report: Some(PartDocument::Drift(Box::new(report))),
        stopped: context.stop.is_requested(),
    })
}

impl Came {
    fn failed(exit: Exit, summary: String) -> Self {
        Self { exit, summary, report: None, stopped: false }
    }
}

/// The round in a few lines: what each part came to, and all of it.
fn summary(round: &Round) -> String {
    let mut text = String::new();
    for ended in &round.parts {
        let seconds = ended.ended_at.duration_since(ended.begun_at).as_secs();
        let (part, verdict) = (ended.part.word(), ended.exit.word());
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{part:<12} {verdict:<18} {seconds:>6} s  {}", plain(&ended.summary));
    }
    let seconds = round.ended_at.duration_since(round.begun_at).as_secs();
    let _ = writeln!(
        text,
        "{:<12} {:<18} {seconds:>6} s  exit code {}",
        "round",
        round.exit.word(),
        round.exit.code()
    );
    text
}

/// Writes the report, with whom the round was signed in as.
fn write(path: &Path, round: &Round, context: &Context) -> Result<(), CliError> {
    let mut text = context.document_text(round.document())?;
    text.push('\n');
    Ok(replace(path, text.as_bytes())?)
}
