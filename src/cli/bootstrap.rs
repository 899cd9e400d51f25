use std::fmt::Write as _;

use super::provision::stopped_at;
use super::{Context, Format, OpError, Outcome};
use crate::ops::bootstrap::{self, BootstrapResult, Purpose};
use crate::words::counted;

/// Create the organization's prerequisites and orgtrail's roles
///
/// Run it once with an administrator's credentials of the management account; all other commands
/// then work with the roles of `[roles]` only. CloudFormation creates the roles: a stack in the
/// management account, and stack sets in all other accounts, in invited ones too and in those that
/// join later. Shows the plan unless `--apply` is given. Run it again to complete what an
/// interrupted run left. Exits with 0 if nothing is left to do, 10 if there is, 12 if a step is
/// refused, and 14 if something failed or is unreadable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail bootstrap
  orgtrail bootstrap --apply
  orgtrail bootstrap --create-organization --apply
  orgtrail bootstrap --destroy --dry-run
  orgtrail bootstrap --destroy --confirm-organization o-exampleorgid
  orgtrail bootstrap --destroy --old-stack orgtrail-vault --confirm-organization o-exampleorgid")]
pub(crate) struct Args {
    /// Carry the plan out, after confirmation.
    #[arg(long, conflicts_with = "destroy")]
    apply: bool,

    /// Create an organization with all features if the account is in none.
    #[arg(long, conflicts_with = "destroy")]
    create_organization: bool,

    /// Delete the rule, the queue and the roles that bootstrap created, those of the management
    /// account last. Refused while the trail exists: run `orgtrail destroy` first.
    #[arg(long)]
    destroy: bool,

    /// Show what `--destroy` would delete, without deleting.
    #[arg(long, requires = "destroy")]
    dry_run: bool,

    /// Delete only this stack or stack set, which orgtrail created for roles that the
    /// configuration no longer declares. `orgtrail bootstrap` lists them. Repeatable.
    #[arg(long, value_name = "NAME", requires = "destroy")]
    old_stack: Vec<String>,

    /// The organization's id. `--yes` alone does not confirm the deletion of roles in all
    /// accounts.
    #[arg(long, value_name = "ID", requires = "destroy")]
    confirm_organization: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    let purpose = match (args.destroy, args.old_stack.is_empty()) {
        (false, _) => Purpose::Create { organization: args.create_organization },
        (true, true) => Purpose::Remove,
        (true, false) => Purpose::RemoveOldStacks(args.old_stack.into_iter().collect()),
    };
    let planning = Box::pin(bootstrap::plan(&env, purpose));
    let planned = env.unless_stopped(planning).await??;
    let carries_out = args.apply || (args.destroy && !args.dry_run);
    let result = if carries_out {
        planned.check_permitted()?;
        if args.destroy {
            planned.check_confirmed(args.confirm_organization.as_deref())?;
        } else if planned.writes() > 0 && !context.yes {
            context.out.warn(planned.plan().to_text());
            context.confirm(&format!("Apply {}?", counted(planned.writes(), "change")))?;
            planned.check_unchanged(&env).await?;
        }
        Box::pin(planned.apply(&env)).await
    } else {
        planned.into_result(&env)
    };
    match context.format {
        Format::Text => {
            context.head()?;
            if let Some(cause) = result.stopped_by {
                context.out.data(stopped_at(cause, &result.steps))?;
            }
            context.out.data(text(&result, args.destroy, carries_out))?;
        }
        Format::Json => context.document(result.document())?,
    }
    Ok(result.outcome())
}

fn text(result: &BootstrapResult, is_removal: bool, carried_out: bool) -> String {
    let mut text = result.plan.to_text();
    if !result.kept.is_empty() {
        text.push_str("\nNot deleted:\n");
    }
    for one in &result.kept {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} `{}`: {}", one.id, one.name, one.why);
        if let Some(undo) = &one.undo {
            let _ = writeln!(text, "      to remove it: {undo}");
        }
    }
    if is_removal {
        return text;
    }
    let is_clean = result.outcome() == Outcome::Clean;
    if is_clean {
        text.push_str(
            "\nNext: sign in as the role that orgtrail starts with, then `orgtrail plan`.\n",
        );
    } else if !carried_out {
        text.push_str(
            "\nOrganizations, IAM and stack sets cost nothing. `orgtrail cost` estimates what the \
             trail and its archive will cost.\n",
        );
    }
    text
}
