//! Options and prompts of `plan`, `apply`, `destroy` and `drift --fix`.

use std::collections::BTreeSet;

use super::{Context, OpError, Output};
use crate::ops::provision::Planned;
use crate::plan::Confirmation;
use crate::plan::apply::{StepOutcome, StepResult};
use crate::policy::Unmanaged;
use crate::words::counted;

/// Options of every command that plans.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct PlanOptions {
    /// Remove unmanaged statements and lifecycle rules from the policies and rules that
    /// orgtrail manages. By default they are kept, and listed.
    #[arg(long)]
    remove_unmanaged: bool,

    /// Remove deleted roles and users from the policies that orgtrail manages. AWS shows them
    /// as unique ids and rejects a policy that contains one.
    #[arg(long)]
    drop_deleted_principals: bool,
}

impl PlanOptions {
    /// What happens to unmanaged settings.
    pub(super) fn unmanaged(self) -> Unmanaged {
        match (self.remove_unmanaged, self.drop_deleted_principals) {
            (true, _) => Unmanaged::Remove,
            (false, true) => Unmanaged::KeepLiving,
            (false, false) => Unmanaged::Keep,
        }
    }
}

/// Confirmations of what cannot be undone; `--yes` gives none of them.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Confirmations {
    /// Allow a COMPLIANCE lock on new logs: nobody can delete them before it expires, not even
    /// root.
    #[arg(long)]
    confirm_compliance_lock: bool,

    /// Allow new logs to be encrypted with a different key.
    #[arg(long)]
    confirm_replaced_key: bool,

    /// Allow changes that weaken a guard.
    #[arg(long)]
    confirm_weakened_guard: bool,
}

impl Confirmations {
    pub(super) fn given(self) -> BTreeSet<Confirmation> {
        [
            (self.confirm_compliance_lock, Confirmation::ComplianceLock),
            (self.confirm_replaced_key, Confirmation::ReplacedKey),
            (self.confirm_weakened_guard, Confirmation::WeakenedGuard),
        ]
        .into_iter()
        .filter_map(|(given, confirmation)| given.then_some(confirmation))
        .collect()
    }
}

/// Prints a permitted plan, prompts, and checks that nothing changed during the prompt.
pub(super) async fn confirm(
    planned: &Planned,
    confirmed: &BTreeSet<Confirmation>,
    context: &Context,
) -> Result<(), OpError> {
    planned.plan().check_permitted(confirmed)?;
    let writes = planned.writes();
    if writes == 0 || context.yes {
        return Ok(());
    }
    context.out.warn(planned.plan().to_text());
    context.confirm(&format!("Apply {}?", counted(writes, "change")))?;
    planned.check_unchanged(&context.env()?).await
}

/// Prints one line for a step that ended.
pub(super) fn print_step(out: Output, result: &StepResult) {
    let StepResult { id, action, outcome } = result;
    let action = action.as_str();
    match outcome {
        StepOutcome::Done => out.note(format!("{id}: {action} done")),
        StepOutcome::Failed { error, hint } | StepOutcome::Refused { error, hint } => {
            out.warn(format!("{id}: {action} failed: {error}"));
            if let Some(hint) = hint {
                out.warn(format!("  hint: {hint}"));
            }
        }
        StepOutcome::Skipped { because_of } => {
            out.warn(format!("{id}: skipped, because it depends on {}", because_of.join(", ")));
        }
        StepOutcome::Interrupted => out.warn(format!("{id}: {action} interrupted")),
        StepOutcome::NotStarted => out.warn(format!("{id}: {action} not started")),
    }
}

/// The steps after a stop: done, interrupted, failed and not started.
pub(super) fn stopped_at(cause: &str, steps: &[StepResult]) -> String {
    let named = |is: fn(&StepOutcome) -> bool| {
        let of: Vec<&str> =
            steps.iter().filter(|step| is(&step.outcome)).map(|step| step.id.as_ref()).collect();
        if of.is_empty() { "none".to_owned() } else { of.join(", ") }
    };
    format!(
        "Stopped by {cause}.\n  done: {}\n  interrupted, perhaps partly done: {}\n  failed: {}\n  not started: {}\n  run the same command again to complete the rest",
        named(|outcome| *outcome == StepOutcome::Done),
        named(|outcome| *outcome == StepOutcome::Interrupted),
        named(|outcome| matches!(
            outcome,
            StepOutcome::Failed { .. } | StepOutcome::Refused { .. }
        )),
        named(|outcome| matches!(outcome, StepOutcome::NotStarted | StepOutcome::Skipped { .. })),
    )
}
