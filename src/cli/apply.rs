use std::path::PathBuf;

use super::plan_file::{check_fresh, open};
use super::provision::{Confirmations, PlanOptions, confirm, stopped_at};
use super::{Context, Format, OpError, Outcome};
use crate::ops::provision;

/// Apply the configuration to AWS
///
/// Applies a saved plan, or creates a plan and asks for confirmation. Steps that depend on a
/// failed step are skipped; all others run. Run it again to complete the rest. Exits with 0
/// only if no changes are left. On Ctrl-C or SIGTERM it finishes the steps in flight, starts no
/// others, and reports where it stopped (14).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail apply
  orgtrail apply --yes
  orgtrail plan --out today.plan && orgtrail apply today.plan
  orgtrail apply --yes --confirm-compliance-lock")]
pub(crate) struct Args {
    /// A plan saved by `orgtrail plan --out`. It is refused if AWS or the configuration has
    /// changed since.
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    options: PlanOptions,

    #[command(flatten)]
    confirmations: Confirmations,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    if let Some(path) = &args.plan {
        env.warn_if_others_can_write(path);
    }
    let saved = args.plan.as_deref().map(open).transpose()?;
    let planning = Box::pin(provision::plan(&env, args.options.unmanaged()));
    let planned = env.unless_stopped(planning).await??;
    let confirmed = args.confirmations.given();
    match (&args.plan, saved) {
        (Some(path), Some(saved)) => check_fresh(&saved, planned.plan(), path)?,
        _ => confirm(&planned, &confirmed, context).await?,
    }
    let applied = planned.apply(&env, &confirmed).await?;
    match context.format {
        Format::Text => {
            context.head()?;
            if let Some(cause) = applied.stopped_by {
                context.out.data(stopped_at(cause, &applied.steps))?;
            }
            context.out.data(applied.remaining.to_text())?;
        }
        Format::Json => context.document(applied.document())?,
    }
    Ok(applied.outcome())
}
