use std::fmt::Write as _;

use super::provision::{PlanOptions, stopped_at};
use super::{Context, Format, OpError, Outcome};
use crate::ops::provision::{Deleted, Deletion};

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
    let env = context.env()?;
    let planning = Box::pin(Deletion::plan(&env, args.options.unmanaged()));
    let deletion = env.unless_stopped(planning).await??;
    let deleted = if args.dry_run {
        deletion.dry_run(&env)
    } else {
        let deleted = deletion.delete(&env, args.confirm_trail.as_deref()).await;
        deleted.inspect_err(|_| {
            if let Some(identity) = context.session.identity() {
                context.out.warn(identity);
            }
        })?
    };
    match context.format {
        Format::Text => {
            context.head()?;
            if let Some(cause) = deleted.stopped_by {
                context.out.data(stopped_at(cause, &deleted.steps))?;
            }
            context.out.data(text(&deleted))?;
        }
        Format::Json => context.document(deleted.document())?,
    }
    Ok(deleted.outcome())
}

fn text(Deleted { plan, kept, .. }: &Deleted) -> String {
    let mut text = plan.to_text();
    if kept.is_empty() {
        return text;
    }
    text.push_str("\nNot deleted:\n");
    for one in kept {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} `{}`: {}", one.id, one.name, one.why);
        let _ = writeln!(text, "    cost per month: {}", one.cost);
    }
    text
}
