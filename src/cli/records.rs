//! `orgtrail records`

use comfy_table::Table;
use indicatif::{BinaryBytes, HumanCount};

use super::{Context, Format, OpError, Outcome};
use crate::archive::consolidate::history::{Fault, PastRun};
use crate::ops::records::{Records, records};
use crate::report::drift::plain;
use crate::report::new_table;
use crate::words::counted;

/// List consolidation runs and verify their records
///
/// Reads every run record in the archive and checks that the sequence has no gaps, that each
/// record contains the hash of the previous one, that none was overwritten or deleted, that
/// each run's totals match its rows, and, if `records.mac_key` is set, that each record has a
/// valid MAC. Then lists the runs. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail records
  orgtrail records --format json

Exit code 13 if a record is missing or altered, or has no MAC although an earlier one
has a valid MAC. Exit code 14 if MACs could not be checked, or if no record has one
although a key is configured.")]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Result<Outcome, OpError> {
    let records = records(&context.env()?).await?;
    match context.format {
        Format::Json => context.document(records.document())?,
        Format::Text => print(context, &records)?,
    }
    Ok(records.outcome())
}

fn print(context: &Context, records: &Records) -> Result<(), OpError> {
    let Records { history, mac_key, not_authenticated } = records;
    context.head()?;
    if history.runs.is_empty() {
        context.out.note("no run records");
    } else {
        context.out.data(table(&history.runs).trim_fmt())?;
    }
    for Fault { first, last, reason } in &history.faults {
        let which = if first == last { format!("{first}") } else { format!("{first} to {last}") };
        context.out.warn(format_args!("BROKEN record {which}: {}", plain(reason)));
    }
    match (not_authenticated, mac_key) {
        (Some(reason), _) => context.out.note(format_args!("not authenticated: {}", plain(reason))),
        (None, Some(mac_key)) => context.out.note(format_args!(
            "authenticated: every record has a valid MAC of {}",
            plain(mac_key)
        )),
        (None, None) => {}
    }
    let verdict = if history.faults.is_empty() { "CONSISTENT" } else { "NOT CONSISTENT" };
    context.out.data(format_args!(
        "{verdict}: {} of {}, {}",
        counted(history.records, "record"),
        counted(history.runs.len(), "run"),
        counted(history.faults.len(), "fault"),
    ))
}

fn table(runs: &[PastRun]) -> Table {
    let mut table = new_table([
        "RECORDS",
        "TIME",
        "COPIED",
        "BYTES",
        "PRESENT",
        "OTHER",
        "ENDED",
        "VALID MACS",
        "PRINCIPAL",
    ]);
    for run in runs {
        let counts = &run.counts;
        let other = [
            counts.conflicts,
            counts.failed,
            counts.archived,
            counts.unexpected,
            counts.left,
            counts.quarantined,
            counts.held_back,
        ];
        // A forged record may state any number.
        let other = other.into_iter().fold(0_u64, u64::saturating_add);
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
            format!("{} of {}", run.authenticated_records, run.records),
            plain(&run.by).into_owned(),
        ]);
    }
    table
}
