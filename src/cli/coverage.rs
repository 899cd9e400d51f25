//! `orgtrail coverage`

use comfy_table::Table;

use super::{Context, Format, OpError, Outcome};
use crate::checks::{Cell, Coverage};
use crate::ops::coverage::{Request, coverage};
use crate::org::EventDataStores;
use crate::report::drift::plain;
use crate::report::events::reconcile_text;
use crate::report::new_table;
use crate::words::counted;

/// Show coverage by the organization trail, by account and Region
///
/// Prints one row for each account and one column for each Region. Read-only. Exits with 0 if
/// every cell is covered, 11 if any is not, and 14 if no cell is known to be uncovered but some
/// are unreadable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail coverage
  orgtrail coverage --event-history
  orgtrail coverage --format json | jq '.accounts[] | select(any(.cells[]; .state == \"uncovered\"))'")]
pub(crate) struct Args {
    /// Compare the archive with Event history, which AWS keeps by itself: this many pages of 50
    /// events for each account and Region, of the last 7 days (one page without a number). Events that the archive lacks
    /// make a cell uncovered.
    #[arg(long, value_name = "PAGES", num_args = 0..=1, default_missing_value = "1")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    event_history: Option<u16>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let request = Request { event_history: args.event_history };
    let covered = coverage(&context.env()?, &request).await?;
    match context.format {
        Format::Json => context.document(covered.document())?,
        Format::Text => {
            context.head()?;
            context.out.data(table(&covered.coverage).trim_fmt())?;
            context.out.note(LEGEND);
            print_reasons(context, &covered.coverage);
            print_event_data_stores(context, &covered.event_data_stores)?;
            if let Some(reconciled) = &covered.event_history {
                context.out.data(reconcile_text(reconciled))?;
            }
        }
    }
    Ok(covered.outcome())
}

/// Prints the event data stores of CloudTrail Lake: copies of the events that no trail shows.
fn print_event_data_stores(context: &Context, read: &EventDataStores) -> Result<(), OpError> {
    for store in &read.stores {
        let whose = if store.of_organization { "the organization" } else { "its account" };
        let days = store
            .retention_days
            .map_or_else(|| "an unknown time".to_owned(), |days| counted(u64::from(days), "day"));
        context.out.data(format_args!(
            "CloudTrail Lake: {} keeps events of {whose} for {days}, {}termination protection{}",
            plain(&store.arn.to_string()),
            if store.is_protected { "with " } else { "WITHOUT " },
            if store.is_enabled { "" } else { "; it ingests nothing" },
        ))?;
    }
    for (account, region, error) in &read.unread {
        context.out.warn(format_args!(
            "event data stores of account {account} in {region}: {}",
            plain(&error.in_full())
        ));
    }
    Ok(())
}

const LEGEND: &str = "ok: covered, stale: no recent delivery, NO: not covered, ?: unreadable, -: not enabled or excluded";

fn word(cell: &Cell) -> &'static str {
    match cell {
        Cell::Covered { .. } => "ok",
        Cell::Stale { .. } => "stale",
        Cell::Uncovered { .. } => "NO",
        Cell::Unknown { .. } => "?",
        Cell::NotEnabled | Cell::Excluded { .. } => "-",
    }
}

fn table(coverage: &Coverage) -> Table {
    let header = ["ACCOUNT", "NAME", "OU"].into_iter().map(str::to_owned);
    let regions = coverage.regions.iter().map(ToString::to_string);
    let mut table = new_table(header.chain(regions));
    for account in &coverage.accounts {
        let head = [account.account.as_str(), &account.name, &account.unit_path];
        let cells = account.cells.iter().map(|cell| word(cell).to_owned());
        table.add_row(head.into_iter().map(|text| plain(text).into_owned()).chain(cells));
    }
    table
}

/// Prints why cells are not covered, each reason once: reasons that differ only in account
/// and Region are the same.
fn print_reasons(context: &Context, coverage: &Coverage) {
    let mut reasons: Vec<(String, String, usize)> = Vec::new();
    for account in &coverage.accounts {
        for (cell, region) in account.cells.iter().zip(&coverage.regions) {
            let reason = match cell {
                Cell::Uncovered { found } => found,
                Cell::Unknown { reason } | Cell::Excluded { reason } => reason,
                Cell::Covered { .. } | Cell::Stale { .. } | Cell::NotEnabled => continue,
            };
            let generic = reason
                .replace(account.account.as_str(), "the account")
                .replace(region.as_str(), "the Region");
            match reasons.iter_mut().find(|(known, ..)| *known == generic) {
                Some((_, _, cells)) => *cells += 1,
                None => {
                    reasons.push((generic, format!("{} {region}: {reason}", account.account), 1));
                }
            }
        }
    }
    for (_, first, cells) in reasons {
        let others = match cells {
            1 => String::new(),
            2 => " (and 1 other account and Region)".to_owned(),
            many => format!(" (and {} other accounts and Regions)", many - 1),
        };
        context.out.note(format_args!("{}{others}", plain(&first)));
    }
}
