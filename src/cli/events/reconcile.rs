//! `orgtrail events reconcile`

use crate::cli::{Context, Format, OpError, Outcome};
use crate::names::{AccountId, Region};
use crate::ops::Moment;
use crate::ops::events::reconcile::{DEFAULT_SAMPLES, Request, outcome, reconcile};
use crate::report::contract::events::ReconcileReport;
use crate::report::events::reconcile_text;

/// Compare the archive with Event history, which AWS keeps by itself
///
/// Samples Event history (90 days of management events of every account and Region, with or
/// without a trail) and looks for each event in the archive. Reports events that the archive
/// lacks, and events that it need not have, with the reason. Events of the last hour are left
/// out, because they may still be on their way. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail events reconcile
  orgtrail events reconcile --since 30d --samples 20
  orgtrail events reconcile --account 111111111111 --region eu-west-1 --since yesterday --all

AWS answers two requests a second for each account and Region; each returns 50 events.

Exit code 0 if no event is missing, 11 if any is, 14 if an account, a Region or a part of the
archive was unreadable.")]
pub(crate) struct Args {
    /// Compare only this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// Compare only this Region. Can be repeated.
    #[arg(long)]
    region: Vec<Region>,

    /// The earliest time of events: a time, a day, `yesterday`, or how long ago, as in 12h.
    /// Default: 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// The latest time of events. Default: an hour ago.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// How many pages of Event history are read in each account and Region: the newest events,
    /// and events at random times.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SAMPLES)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    samples: u16,

    /// Compare all events.
    #[arg(long, conflicts_with = "samples")]
    all: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let request = Request {
        accounts: args.account.into_iter().collect(),
        regions: args.region.into_iter().collect(),
        since: args.since,
        until: args.until,
        samples: (!args.all).then_some(args.samples),
    };
    let reconciled = reconcile(&context.env()?, &request).await?;
    match context.format {
        Format::Json => context.document(ReconcileReport::new(&reconciled))?,
        Format::Text => {
            context.head()?;
            context.out.data(reconcile_text(&reconciled))?;
        }
    }
    Ok(outcome(&reconciled))
}
