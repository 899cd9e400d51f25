//! `orgtrail records`

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;

use super::{CliError, Context, Exit, Format, consolidate};
use crate::{
    archive::consolidate::{
        history::{Fault, History, PastRun, history},
        ledger::Ledger,
    },
    report::drift::plain,
};

/// What every consolidation did, and whether its records are unaltered
///
/// Reads every run record in the archive, checks that none is missing in the
/// sequence, that each names the hash of the one before it, and that none was
/// written over or deleted, then shows the runs. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail records
  orgtrail records --format json

Exit code 13 where a record is missing or altered.")]
pub(crate) struct Args {}

/// What the records cannot prove.
const NOT_AUTHENTICATED: &str = "whoever can write below `orgtrail/` in the archive can add a record, so that `consolidate` lists every day again and `verify` proves the logs without them";

/// The JSON contract. Fields may be added; `version` grows when one changes
/// its meaning or goes.
#[derive(Debug, Serialize)]
struct Report<'a> {
    version: u32,
    /// Whether the records are complete, in order and unaltered.
    consistent: bool,
    /// Whether it is known who wrote them.
    authenticated: bool,
    /// Why not.
    not_authenticated: &'static str,
    #[serde(flatten)]
    history: &'a History,
}

pub(crate) async fn run(_: Args, context: &Context) -> Result<Exit, CliError> {
    let config = context.config()?;
    let aws = context.aws_of_member(&config).await?;
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let ledger = Ledger::new(consolidate::target(&config, &aws), prefix);
    let history = history(&ledger, aws.now()).await?;
    let consistent = history.faults.is_empty();
    match context.format {
        Format::Json => context.json(&Report {
            version: 2,
            consistent,
            authenticated: false,
            not_authenticated: NOT_AUTHENTICATED,
            history: &history,
        })?,
        Format::Text => {
            context.head()?;
            tell(context, &history)?;
        }
    }
    Ok(if consistent { Exit::Clean } else { Exit::IntegrityFailure })
}

fn tell(context: &Context, history: &History) -> Result<(), CliError> {
    if history.runs.is_empty() {
        context.out.note("no run has left a record");
    } else {
        context.out.data(table(&history.runs).trim_fmt())?;
    }
    for Fault { first, last, reason } in &history.faults {
        let which = if first == last { format!("{first}") } else { format!("{first} to {last}") };
        context.out.warn(format_args!("BROKEN record {which}: {}", plain(reason)));
    }
    context.out.note(format_args!("not authenticated: {NOT_AUTHENTICATED}"));
    let verdict = if history.faults.is_empty() { "CONSISTENT" } else { "NOT CONSISTENT" };
    context.out.data(format_args!(
        "{verdict}: {} records of {} runs, {} faults",
        history.records,
        history.runs.len(),
        history.faults.len(),
    ))
}

fn table(runs: &[PastRun]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["RECORDS", "TIME", "COPIED", "BYTES", "PRESENT", "OTHER", "ENDED", "WHO"]);
    for run in runs {
        let counts = &run.counts;
        let other = counts.conflicts
            + counts.failed
            + counts.archived
            + counts.foreign
            + counts.left
            + counts.quarantined
            + counts.held_back;
        table.add_row([
            if run.first_record == run.last_record {
                run.first_record.to_string()
            } else {
                format!("{}-{}", run.first_record, run.last_record)
            },
            run.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            HumanCount(counts.copied).to_string(),
            BinaryBytes(counts.copied_bytes).to_string(),
            HumanCount(counts.present).to_string(),
            HumanCount(other).to_string(),
            match run.complete {
                Some(true) => "complete",
                Some(false) => "incomplete",
                None => "killed",
            }
            .to_owned(),
            plain(&run.by).into_owned(),
        ]);
    }
    table
}
