use std::collections::BTreeSet;
use std::path::PathBuf;

use super::ending::unless_stopped;
use super::plan_file::{check_fresh, open};
use super::provision::{Looked, PlanOptions, exit_of};
use super::{CliError, Context, Exit, Format};
use crate::plan::apply::{Outcome, Stale, StepResult, apply_until, wait_until_converged};
use crate::plan::{Confirmation, plan};
use crate::report::contract::ApplyReport;
use crate::resources::observe;

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

/// Confirmations of what cannot be undone; `--yes` gives none of them.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Confirmations {
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
    fn given(self) -> BTreeSet<Confirmation> {
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    if let Some(path) = &args.plan {
        context.warn_of_others(path);
    }
    let saved = args.plan.as_deref().map(open).transpose()?;
    let looked = unless_stopped(context, Box::pin(args.options.look(context))).await??;
    if let (Some(path), Some(saved)) = (&args.plan, saved) {
        check_fresh(&saved, &looked.plan, path)?;
    }
    let ask = args.plan.is_none();
    let results = carry_out(&looked, args.confirmations, context, ask).await?;
    let settled = async { wait_until_converged(&looked.aws, &looked.desired, &results).await.1 };
    let left = match unless_stopped(context, Box::pin(settled)).await {
        Ok(left) => left,
        // What was planned and is not done, since there is no time to look again.
        Err(_) => looked.plan.without(&done(&results)),
    };
    let stopped = context.stop.is_requested();
    match context.format {
        Format::Text => {
            context.head()?;
            if stopped {
                context.out.data(stopped_at(context, &results))?;
            }
            context.out.data(left.to_text())?;
        }
        Format::Json => context.document(ApplyReport::new(&results, &left))?,
    }
    let failed = results.iter().any(|result| result.outcome != Outcome::Done);
    let refused = results.iter().any(|result| matches!(result.outcome, Outcome::Refused { .. }));
    Ok(match exit_of(&left) {
        _ if refused => Exit::Refused,
        _ if stopped => Exit::Incomplete,
        Exit::ChangesPending if failed => Exit::Incomplete,
        exit => exit,
    })
}

/// The steps that are done.
fn done(results: &[StepResult]) -> BTreeSet<&str> {
    let done = results.iter().filter(|result| result.outcome == Outcome::Done);
    done.map(|result| result.id.as_ref()).collect()
}

/// Where a stop left the steps: those that are done, were cut off, and not begun.
pub(super) fn stopped_at(context: &Context, results: &[StepResult]) -> String {
    let named = |is: fn(&Outcome) -> bool| {
        let of: Vec<&str> = results
            .iter()
            .filter(|result| is(&result.outcome))
            .map(|result| result.id.as_ref())
            .collect();
        if of.is_empty() { "none".to_owned() } else { of.join(", ") }
    };
    format!(
        "Stopped by {}.\n  done: {}\n  cut off, perhaps done in part: {}\n  failed: {}\n  not \
         begun: {}\n  run the same command again to do the rest",
        context.stop.cause(),
        named(|outcome| *outcome == Outcome::Done),
        named(|outcome| *outcome == Outcome::CutOff),
        named(|outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Refused { .. })),
        named(|outcome| matches!(outcome, Outcome::NotBegun | Outcome::Stopped { .. })),
    )
}

/// Carries a plan out under its confirmations, with a bar where a person looks
/// on; where it is to `ask`, the plan is shown before.
pub(super) async fn carry_out(
    looked: &Looked,
    confirmations: Confirmations,
    context: &Context,
    ask: bool,
) -> Result<Vec<StepResult>, CliError> {
    let confirmed = confirmations.given();
    looked.plan.check_permitted(&confirmed)?;
    let writes = looked.plan.steps.iter().filter(|step| step.action.writes()).count();
    if ask && writes > 0 && !context.yes {
        context.out.warn(looked.plan.to_text());
        context.confirm(&format!("Do these {writes} steps?"))?;
        // What was confirmed is what was shown: AWS may have changed under the prompt.
        let again = async { Box::pin(observe(&looked.aws, &looked.desired)).await };
        let now = unless_stopped(context, again).await?;
        if let Some(changed) = looked.plan.changed_since(&plan(&looked.desired, &now)) {
            return Err(Stale { changed }.into());
        }
    }
    let bar = context.out.progress("applying", writes);
    let told = |result: &StepResult| {
        bar.inc(1);
        bar.suspend(|| tell(context, result));
    };
    let Looked { aws, desired, observed, plan } = looked;
    let stop = &context.stop;
    let results = apply_until(aws, desired, observed, plan, &confirmed, &told, stop).await?;
    bar.finish_and_clear();
    Ok(results)
}

/// One line for each step that ended.
pub(super) fn tell(context: &Context, result: &StepResult) {
    let StepResult { id, action, outcome } = result;
    let action = action.as_str();
    match outcome {
        Outcome::Done => context.out.note(format!("{id}: {action} done")),
        Outcome::Failed { error, hint } | Outcome::Refused { error, hint } => {
            context.out.warn(format!("{id}: {action} failed: {error}"));
            if let Some(hint) = hint {
                context.out.warn(format!("  hint: {hint}"));
            }
        }
        Outcome::Stopped { because } => {
            context.out.warn(format!("{id}: stopped, it needs {}", because.join(", ")));
        }
        Outcome::CutOff => context.out.warn(format!("{id}: {action} cut off")),
        Outcome::NotBegun => context.out.warn(format!("{id}: {action} not begun")),
    }
}
