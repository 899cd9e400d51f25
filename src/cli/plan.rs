use std::path::PathBuf;

use super::output_path::check_writable;
use super::plan_file::save;
use super::provision::PlanOptions;
use super::{Context, Format, OpError, Outcome};
use crate::ops::provision;
use crate::report::contract;

/// Show what `apply` would change
///
/// Lists the steps in the order in which `apply` runs them, with each field before and after,
/// the reason, the account and Region, and whether the step can be undone. Changes nothing.
/// Exits with 0 if there are no changes, 10 if there are, 12 if a step is refused, and 14 if
/// something is unreadable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail plan
  orgtrail plan --out today.plan && orgtrail apply today.plan
  orgtrail plan --format json | jq '.steps[] | select(.action != \"nothing\")'")]
pub(crate) struct Args {
    /// Save the plan, for `orgtrail apply FILE`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    options: PlanOptions,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    if let Some(path) = &args.out {
        check_writable(path)?;
    }
    let planned = provision::plan(&context.env()?, args.options.unmanaged()).await?;
    let plan = planned.plan();
    match context.format {
        Format::Text => {
            context.head()?;
            context.out.data(plan.to_text())?;
        }
        Format::Json => context.document(contract::plan::Plan::from(plan))?,
    }
    if let Some(path) = &args.out {
        save(plan, path)?;
        context.out.note(format!("saved to {}", path.display()));
    }
    Ok(planned.outcome())
}
