//! `orgtrail run`: a round of several commands, for schedulers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::exit::{code, word};
use super::output_path::{check_replaceable, replace};
use super::shard::{self, ShardOptions};
use super::watch::Watcher;
use super::{Context, Format, OpError, Outcome};
use crate::ops::round::{self, PartResult, PartValue, Request, Round, round, shard_round};
use crate::ops::shards::ShardWork;
use crate::ops::{Progress, instant};
use crate::report::drift::plain;
use crate::report::{self, verification};
use crate::words::counted;

/// Run consolidation, verification, drift checks, reconciliation and detection for a scheduler
///
/// Runs the given parts in order, each like its own command, and ends with one summary, one
/// report and one exit code. A failed part does not stop the next one. Never prompts: parts
/// that write need `--yes`. Overlapping rounds are safe: every write is conditional, so the
/// second round finds the first one's work done.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail run consolidate,verify,drift,reconcile,detect --yes
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

    /// Verify of each account and Region what the archive's newest proof record does not contain,
    /// and a random earlier day. A round that consolidates leaves such a record.
    #[arg(long, conflicts_with_all = ["verify_days", "until"])]
    incremental: bool,

    /// Verify up to this time. Default: now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,

    #[command(flatten)]
    sharding: ShardOptions,
}

/// The parts of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Copy the logs of legacy trails into the archive.
    Consolidate,
    /// Verify the archive's digest chains.
    Verify,
    /// Check for drift, without fixing it.
    Drift,
    /// Compare the archive with Event history.
    Reconcile,
    /// Detect tampering and suspicious sign-ins in the events.
    Detect,
}

impl From<Part> for round::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::Consolidate => Self::Consolidate,
            Part::Verify => Self::Verify,
            Part::Drift => Self::Drift,
            Part::Reconcile => Self::Reconcile,
            Part::Detect => Self::Detect,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { parts, report, verify_days, incremental, until, sharding } = args;
    let parts: Vec<round::Part> = parts.into_iter().map(Into::into).collect();
    if verify_days.is_some() && !parts.contains(&round::Part::Verify) {
        return Err(OpError::usage("`--verify-days` requires the part `verify`"));
    }
    if incremental && !parts.contains(&round::Part::Verify) {
        return Err(OpError::usage("`--incremental` requires the part `verify`"));
    }
    let sharding = sharding.request(context)?;
    if report.is_some() && sharding.is_some() {
        return Err(OpError::usage("`--report` cannot be used with `--shard`"));
    }
    if let Some(path) = &report {
        // Checked before hours of work, not after them.
        check_replaceable(path)?;
    }
    let env = context.env()?;
    if parts.iter().any(|part| part.writes()) && !context.yes {
        let bucket = &env.config()?.archive.bucket;
        return Err(OpError::usage(format!(
            "this round writes to s3://{bucket} and never prompts"
        ))
        .with_hint("to allow it to write, add `--yes`"));
    }
    let watcher = Arc::new(RoundWatcher::new(context));
    let env = env.with_progress(Arc::clone(&watcher) as Arc<dyn Progress>);
    let request = Request { parts, verify_days, until, incremental };
    if let Some(sharding) = sharding {
        request.check_divisible()?;
        let work = ShardWork::open(&env, &sharding, "run", request.asked()).await?;
        let done = shard_round(&env, &request, work.shard()).await?;
        let done = work.keep_round(&env, done).await?;
        shard::report(context, &done, &counted(request.parts.len(), "part"))?;
        return Ok(Outcome::Clean);
    }
    let round = round(&env, &request).await?;
    watcher.check()?;
    let mut outcome = round.outcome();
    if let Some(path) = &report
        && let Err(error) = write(path, &round, context)
    {
        // The round itself is complete, and its result is valid.
        context.out.warn(error.render());
        outcome = Outcome::most_severe([outcome, Outcome::Unexpected]);
    }
    print(context, &round)?;
    Ok(outcome)
}

/// Prints how a round ended.
pub(super) fn print(context: &Context, round: &Round) -> Result<(), OpError> {
    match context.format {
        Format::Json => context.document(round.document()),
        Format::Text => context.out.data(summary(round)),
    }
}

/// Prints the result of each part when the part has ended.
#[derive(Debug)]
struct RoundWatcher {
    context: Context,
    watcher: Watcher,
    /// Whether the head was printed.
    has_head: AtomicBool,
    /// Why standard output could not be written.
    error: Mutex<Option<OpError>>,
}

impl RoundWatcher {
    fn new(context: &Context) -> Self {
        let watcher = Watcher::new(context.out);
        let context = context.clone();
        Self { context, watcher, has_head: AtomicBool::new(false), error: Mutex::default() }
    }

    /// Fails if a part could not be printed.
    fn check(&self) -> Result<(), OpError> {
        self.error.lock().take().map_or(Ok(()), Err)
    }

    fn keep(&self, printed: Result<(), OpError>) {
        if let Err(error) = printed {
            self.error.lock().get_or_insert(error);
        }
    }

    fn print(&self, part: &PartResult) -> Result<(), OpError> {
        match &part.result {
            None => Ok(()),
            Some(PartValue::Consolidated(done)) => super::consolidate::print(&self.context, done),
            Some(PartValue::Verified(done)) => {
                self.context.out.data(verification::text(&done.subject, &done.verification))
            }
            Some(PartValue::Drift(done)) => self.context.out.data(report::drift::text(done)),
            Some(PartValue::Reconciled(done)) => {
                self.context.out.data(report::events::reconcile_text(done))
            }
            Some(PartValue::Detected(done)) => {
                self.context.out.data(report::events::detect::text(done))
            }
        }
    }
}

impl Progress for RoundWatcher {
    fn note(&self, text: &str) {
        self.watcher.note(text);
    }

    fn warn(&self, text: &str) {
        self.watcher.warn(text);
    }

    fn part_started(&self, part: round::Part) {
        if self.context.format == Format::Text && !self.has_head.swap(true, Ordering::Relaxed) {
            self.keep(self.context.head());
        }
        self.note(&format!("{} …", part.name()));
    }

    fn part_ended(&self, part: &PartResult) {
        if self.context.format == Format::Text {
            self.keep(self.print(part));
        }
    }
}

/// The round in a few lines: the outcome of each part, and of the round.
fn summary(round: &Round) -> String {
    let mut text = String::new();
    for ended in &round.parts {
        let seconds = ended.ended_at.duration_since(ended.started_at).as_secs();
        let (part, verdict) = (ended.part.name(), word(ended.outcome));
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{part:<12} {verdict:<18} {seconds:>6} s  {}", plain(&ended.summary));
    }
    let seconds = round.ended_at.duration_since(round.started_at).as_secs();
    let _ = writeln!(
        text,
        "{:<12} {:<18} {seconds:>6} s  exit code {}",
        "round",
        word(round.outcome()),
        code(round.outcome())
    );
    text
}

/// Writes the report, with the identity of the round.
fn write(path: &Path, round: &Round, context: &Context) -> Result<(), OpError> {
    let mut text = context.document_text(round.document())?;
    text.push('\n');
    Ok(replace(path, text.as_bytes())?)
}
