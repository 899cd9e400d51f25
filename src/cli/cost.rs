//! `orgtrail cost`

use comfy_table::Table;
use indicatif::{BinaryBytes, HumanCount};

use super::{Context, Format, OpError, Outcome, sources};
use crate::archive::consolidate::source_stats::CountMethod;
use crate::cost::athena::ScanCost;
use crate::cost::duplicates::Duplicate;
use crate::cost::prices;
use crate::ops::cost::{Costs, FailedRead, costs};
use crate::org::{Billing, EventDataStore};
use crate::report::drift::plain;
use crate::report::new_table;

/// Estimate the monthly cost of duplicate trails and of the archive
///
/// Legacy trails that still deliver make paid copies of management events. Their log files of
/// the last seven days are listed, and a sample of them is read. The archive's objects are
/// counted by storage class. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail cost
  orgtrail cost --exact --format json

Without --exact, objects are counted on six days of each prefix and extrapolated to
the other days. Noncurrent versions are not counted.

Exit code 14 if an account or a bucket was unreadable.")]
pub(crate) struct Args {
    /// Count every object of the archive instead of estimating.
    #[arg(long)]
    exact: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let counting = if args.exact { CountMethod::Exact } else { CountMethod::Sampled };
    let costs = costs(&context.env()?, counting).await?;
    match context.format {
        Format::Json => context.document(costs.document())?,
        Format::Text => {
            context.head()?;
            print(&costs, context)?;
            sources::print_unread(context, &costs.found);
            for FailedRead { reason, hint } in &costs.failures {
                context.out.warn(plain(reason));
                if let Some(hint) = hint {
                    context.out.warn(format_args!("  hint: {}", plain(hint)));
                }
            }
        }
    }
    Ok(costs.outcome())
}

fn print(costs: &Costs, context: &Context) -> Result<(), OpError> {
    sources::print_missing(context, &costs.missing);
    if costs.duplicates.is_empty() && costs.missing.is_empty() {
        context
            .out
            .note("no sources: none is configured, and the organization trail is the only trail");
    } else if !costs.duplicates.is_empty() {
        context.out.data(duplicates_table(&costs.duplicates).trim_fmt())?;
        context.out.note(
            "estimated from the log files of the last seven full days and a sample of their events; a source without log files costs nothing",
        );
    }
    for source in &costs.excluded {
        context.out.note(format_args!("excluded by the configuration: {}", plain(&source.name())));
    }
    if costs.organization_trail_logging == Some(false) {
        context.out.warn(
            "the organization trail is not logging, so the first copy of each account and Region is one of these, and is free",
        );
    }
    if !costs.storage.is_empty() {
        context.out.data(storage_table(costs).trim_fmt())?;
    }
    for store in &costs.event_data_stores.stores {
        context.out.data(lake(store))?;
    }
    if let Some(athena) = &costs.athena {
        context.out.data(scans_table(&athena.scans, costs).trim_fmt())?;
        context.out.note(
            "a query of Athena scans at most this; name days and accounts in its WHERE clause to scan less",
        );
    }
    context.out.data(format_args!(
        "per month: {} for copies of events, {} for the archive's storage, {} for its key{}; total {}",
        costs.duplicates_sum,
        costs.storage_sum,
        costs.kms_key,
        costs.athena.as_ref().map_or_else(String::new, |athena| format!(
            ", {} for exported events",
            athena.export_usd_a_month
        )),
        costs.sum(),
    ))?;
    context.out.data(costs.prices)
}

/// An event data store of CloudTrail Lake, with its price.
fn lake(store: &EventDataStore) -> String {
    let price = match store.billing {
        Billing::Extendable => format!("${:.2} a GB", prices::LAKE_EXTENDABLE_GB),
        Billing::Fixed => format!("${:.2} a GB", prices::LAKE_FIXED_GB),
        Billing::Unknown => "an unknown price".to_owned(),
    };
    format!(
        "CloudTrail Lake: {} costs {price} that it ingests, in addition; AWS does not report how much that is",
        plain(&store.arn.to_string())
    )
}

fn duplicates_table(duplicates: &[Duplicate]) -> Table {
    let mut table =
        new_table(vec!["SOURCE", "MANAGEMENT EVENTS/MONTH", "DATA EVENTS/MONTH", "USD/MONTH"]);
    for duplicate in duplicates {
        table.add_row([
            plain(&duplicate.source).into_owned(),
            format!("~{}", HumanCount(duplicate.management_events_a_month)),
            format!("~{}", HumanCount(duplicate.data_events_a_month)),
            duplicate.usd_a_month.to_string(),
        ]);
    }
    table
}

fn storage_table(costs: &Costs) -> Table {
    let about = if costs.counting == CountMethod::Exact { "" } else { "~" };
    let mut table =
        new_table(vec!["STORAGE CLASS", "OBJECTS", "BYTES", "BILLED BYTES", "USD/MONTH"]);
    for cost in &costs.storage {
        table.add_row([
            plain(&cost.class).into_owned(),
            format!("{about}{}", HumanCount(cost.totals.objects)),
            format!("{about}{}", BinaryBytes(cost.totals.bytes)),
            format!("{about}{}", BinaryBytes(cost.totals.charged_bytes)),
            cost.usd_a_month.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string()),
        ]);
    }
    table
}

fn scans_table(scans: &[ScanCost], costs: &Costs) -> Table {
    let about = if costs.counting == CountMethod::Exact { "" } else { "~" };
    let mut table = new_table(vec!["ATHENA TABLE", "SCAN", "BYTES", "USD/QUERY"]);
    for scan in scans {
        let days = match scan.days {
            0 => {
                table.add_row([scan.table, "no files", "-", "-"]);
                continue;
            }
            1 => "1 day".to_owned(),
            days => format!("all {} days", HumanCount(days)),
        };
        let rows = [
            (days, scan.bytes, scan.usd),
            ("an average day".to_owned(), scan.bytes_a_day, scan.usd_a_day),
        ];
        for (what, bytes, usd) in rows {
            let bytes = format!("{about}{}", BinaryBytes(bytes));
            table.add_row([scan.table.to_owned(), what, bytes, usd.to_string()]);
        }
    }
    table
}
