//! `orgtrail records`

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{BinaryBytes, HumanCount};

use super::trust::trust;
use super::{OpError, Context, Outcome, Format, consolidate};
use crate::{
    archive::consolidate::{
        history::{Fault, History, PastRun, history},
        ledger::Ledger,
    },
    report::{contract::records::Report, drift::plain},
};

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

Outcome code 13 if a record is missing or altered, or has no MAC although an earlier one
has a valid MAC. Outcome code 14 if MACs could not be checked, or if no record has one
although a key is configured.")]
pub(crate) struct Args {}

/// What records without codes cannot prove.
const NOT_AUTHENTICATED: &str = "no `records.mac_key` is declared: anyone who can write below `orgtrail/` in the archive can add a record, so that `consolidate` lists every day again and `verify` proves the logs without them";

pub(crate) async fn run(_: Args, context: &Context) -> Result<Outcome, OpError> {
    let config = context.config()?;
    let aws = context.env()?.aws_of_member().await?;
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let mac_key = trust(context, &config, &aws).await?.mac_key;
    let ledger = Ledger::new(consolidate::target(&config, &aws), prefix).authenticated_by(mac_key);
    let history = history(&ledger, aws.now()).await?;
    let consistent = history.faults.is_empty();
    let mac_key = ledger.mac_key().map(|key| key.arn().to_string());
    let not_authenticated = not_authenticated(mac_key.as_deref(), &history);
    match context.format {
        Format::Json => {
            context.document(Report::new(&history, mac_key.clone(), not_authenticated))?;
        }
        Format::Text => {
            context.head()?;
            tell(context, &history, mac_key.as_deref(), not_authenticated.as_deref())?;
        }
    }
    // Old records have no codes; that none has one is not what was declared.
    let lacks_all =
        mac_key.is_some() && history.before_mac_key > 0 && history.authenticated_records == 0;
    Ok(if !consistent {
        Outcome::IntegrityFailure
    } else if lacks_all || !history.unchecked.is_empty() {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    })
}

/// Why it is not known of every record who wrote it.
fn not_authenticated(mac_key: Option<&str>, history: &History) -> Option<String> {
    let Some(mac_key) = mac_key else { return Some(NOT_AUTHENTICATED.to_owned()) };
    let (records, authenticated) = (history.records, history.authenticated_records);
    if authenticated == records && history.faults.is_empty() {
        return None;
    }
    let mut reason = format!("{authenticated} of {records} records have a valid MAC of {mac_key}");
    if history.before_mac_key > 0 {
        let before = history.before_mac_key;
        let _ = write!(reason, "; {before} have none and were written before the first with one");
    }
    if let Some(unchecked) = history.unchecked.first() {
        let count = history.unchecked.len();
        let _ = write!(reason, "; {count} could not be checked: {}", unchecked.reason);
    }
    Some(reason)
}

fn tell(
    context: &Context,
    history: &History,
    mac_key: Option<&str>,
    not_authenticated: Option<&str>,
) -> Result<(), OpError> {
    if history.runs.is_empty() {
        context.out.note("no run has left a record");
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
        .set_header([
            "RECORDS",
            "TIME",
            "COPIED",
            "BYTES",
            "PRESENT",
            "OTHER",
            "ENDED",
            "VALID MACS",
            "WHO",
        ]);
    for run in runs {
        let counts = &run.counts;
        let other = [
            counts.conflicts,
            counts.failed,
            counts.archived,
            counts.foreign,
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
