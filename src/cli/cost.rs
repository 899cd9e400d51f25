//! `orgtrail cost`

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{BinaryBytes, HumanCount};

use super::sources;
use super::{Context, Format, OpError, Outcome};
use crate::archive::consolidate::source_stats::CountMethod;
use crate::cost::duplicates::Duplicate;
use crate::ops::cost::{Costs, FailedRead, costs};
use crate::report::drift::plain;

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
        context.out.note("no source is declared, and no trail but the organization's found");
    } else if !costs.duplicates.is_empty() {
        context.out.data(duplicates_table(&costs.duplicates).trim_fmt())?;
        context.out.note(
            "reckoned from the log files of the last seven whole days, and the events in some of them; a source without any costs nothing",
        );
    }
    for source in &costs.excluded {
        context.out.note(format_args!("left out by the config: {}", plain(&source.name())));
    }
    if costs.organization_trail_logging == Some(false) {
        context.out.warn(
            "the organization trail does not record: the first copy of each account and Region is one of these, and free",
        );
    }
    if !costs.storage.is_empty() {
        context.out.data(storage_table(costs).trim_fmt())?;
    }
    context.out.data(format_args!(
        "a month: {} for copies of events, {} for the archive's storage, {} for its key: {}",
        costs.duplicates_sum,
        costs.storage_sum,
        costs.kms_key,
        costs.sum(),
    ))?;
    context.out.data(costs.prices)
}

fn unframed(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

fn duplicates_table(duplicates: &[Duplicate]) -> Table {
    let mut table =
        unframed(&["SOURCE", "MANAGEMENT EVENTS A MONTH", "DATA EVENTS A MONTH", "USD A MONTH"]);
    for one in duplicates {
        table.add_row([
            plain(&one.source).into_owned(),
            format!("~{}", HumanCount(one.management_events_a_month)),
            format!("~{}", HumanCount(one.data_events_a_month)),
            one.usd_a_month.to_string(),
        ]);
    }
    table
}

fn storage_table(costs: &Costs) -> Table {
    let about = if costs.counting == CountMethod::Exact { "" } else { "~" };
    let mut table = unframed(&["STORAGE CLASS", "OBJECTS", "BYTES", "CHARGED AS", "USD A MONTH"]);
    for cost in &costs.storage {
        table.add_row([
            plain(&cost.class).into_owned(),
            format!("{about}{}", HumanCount(cost.held.objects)),
            format!("{about}{}", BinaryBytes(cost.held.bytes)),
            format!("{about}{}", BinaryBytes(cost.held.charged_bytes)),
            cost.usd_a_month.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string()),
        ]);
    }
    table
}
