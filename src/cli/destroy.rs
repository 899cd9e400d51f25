use std::fmt::Write as _;

use super::apply::{print_step, stopped_at};
use super::provision::{Looked, PlanOptions};
use super::{OpError, Context, Outcome, Format};
use crate::plan::Plan;
use crate::plan::apply::{Outcome as StepOutcome, StepResult};
use crate::plan::destroy::{Remains, destroy_until, plan_destroy, remains};
use crate::report::contract::DestroyReport;

/// Delete the trail, its alarms and its guardrail, but no data
///
/// Lists what it keeps, why, and what that costs per month. Afterwards this trail records no
/// events in any account.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail destroy --dry-run
  orgtrail destroy --confirm-trail orgtrail")]
pub(crate) struct Args {
    /// Show what would be deleted and what would stay, without deleting.
    #[arg(long)]
    dry_run: bool,

    /// The trail's name. `--yes` alone does not confirm the deletion of an organization's
    /// trail.
    #[arg(long, value_name = "NAME")]
    confirm_trail: Option<String>,

    #[command(flatten)]
    options: PlanOptions,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let looked = context.env()?.unless_stopped(Box::pin(args.options.look(context))).await??;
    let plan = plan_destroy(&looked.desired, &looked.observed);
    let remains = remains(&looked.desired, &looked.observed);
    let writes = plan.steps.iter().any(|step| step.action.writes());
    let mut results = Vec::new();
    if writes && !args.dry_run {
        let name = looked.desired.config.trail.name.as_str();
        if args.confirm_trail.as_deref() != Some(name) {
            if let Some(identity) = context.session.identity() {
                context.out.warn(identity);
            }
            return Err(OpError::new(
                format!("ending the trail `{name}` is not confirmed"),
                Outcome::Refused,
            )
            .with_hint(format!(
                "look with `orgtrail destroy --dry-run`, then add --confirm-trail {name}"
            )));
        }
        let told = |result: &StepResult| print_step(context.out, result);
        let Looked { aws, desired, observed, .. } = &looked;
        results = destroy_until(aws, desired, observed, &plan, &told, &context.stop).await;
    }
    let stopped = context.stop.is_requested();
    match context.format {
        Format::Text => {
            context.head()?;
            if stopped {
                context.out.data(stopped_at(context, &results))?;
            }
            context.out.data(text(&plan, &remains))?;
        }
        Format::Json => context.document(DestroyReport::new(&plan, &results, &remains))?,
    }
    let failed = results.iter().any(|result| result.outcome != StepOutcome::Done);
    let unreadable = plan.has_unreadable() || remains.iter().any(|one| one.unreadable);
    let refused = results.iter().any(|result| matches!(result.outcome, StepOutcome::Refused { .. }));
    Ok(if refused {
        Outcome::Refused
    } else if failed || unreadable || stopped {
        Outcome::Incomplete
    } else if args.dry_run && writes {
        Outcome::ChangesPending
    } else {
        Outcome::Clean
    })
}

fn text(plan: &Plan, remains: &[Remains]) -> String {
    let mut text = plan.to_text();
    if remains.is_empty() {
        return text;
    }
    text.push_str("\nWhat stays:\n");
    for one in remains {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} `{}`: {}", one.id, one.name, one.why);
        let _ = writeln!(text, "    a month: {}", one.cost);
    }
    text
}
