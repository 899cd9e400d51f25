use std::path::PathBuf;

use super::output_path::check_writable;
use super::plan_file::save;
use super::provision::{PlanOptions, exit_of};
use super::{CliError, Context, Exit, Format};
use crate::report::contract;

/// Show what `apply` would change, without changing anything.
///
/// Every step stands in the order in which it would be done, with each field
/// before and after, why, where, and whether it can be undone. Exits with 0 when
/// there is nothing to do, 10 when there is, 12 when something is refused, 14
/// when something could not be read.
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    if let Some(path) = &args.out {
        check_writable(path)?;
    }
    let looked = args.options.look(context).await?;
    match context.format {
        Format::Text => {
            context.head()?;
            context.out.data(looked.plan.to_text())?;
        }
        Format::Json => context.document(contract::plan::Plan::from(&looked.plan))?,
    }
    if let Some(path) = &args.out {
        save(&looked.plan, path)?;
        context.out.note(format!("saved to {}", path.display()));
    }
    Ok(exit_of(&looked.plan))
}
