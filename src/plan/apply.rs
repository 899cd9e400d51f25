//! Applying a plan, and the result of each step.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tracing::Instrument;

use super::{Action, Confirmation, Plan, ResourceId, Step, plan};
use crate::aws::{Aws, WriteAuthority};
use crate::resources::catalogue::Entry;
use crate::resources::{ApplyContext, Desired, Observed, StepError, observe};
use crate::stop::{GRACE, Stop};
use crate::words::in_one_line;

/// The highest number of steps that run at the same time.
const CONCURRENT: usize = 8;

/// The result of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// The resource.
    pub id: ResourceId,
    /// What the plan does.
    pub action: Action,
    /// Its outcome.
    pub outcome: StepOutcome,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was done.
    Done,
    /// It failed.
    Failed {
        /// Why, the whole chain on one line.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The resource changed after it was observed, and was not written.
    Refused {
        /// What changed.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It was skipped, because these failed or were skipped.
    Skipped {
        /// The steps that it waited for.
        because_of: Vec<ResourceId>,
    },
    /// It was running when the command was stopped, and may be partly done.
    Interrupted,
    /// The command was stopped before it.
    NotStarted,
}

/// Why a plan is not applied at all.
#[derive(Debug, thiserror::Error)]
pub enum ApplyRefused {
    /// A step is refused.
    #[error("`{id}` is refused: {why}")]
    Guard {
        /// The resource.
        id: String,
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Something that cannot be undone was not confirmed.
    #[error("`{id}` cannot be undone and is not confirmed: {what}")]
    Unconfirmed {
        /// The resource.
        id: String,
        /// What cannot be undone.
        what: String,
        /// The options that would confirm all such steps.
        flags: Vec<&'static str>,
    },
}

/// AWS changed after the plan was made, while the prompt waited.
#[derive(Debug, thiserror::Error)]
#[error("nothing was written: {} changed during the prompt", changed.join(", "))]
pub struct Stale {
    /// The resources that changed.
    pub changed: Vec<String>,
}

impl Plan {
    /// Refuses a plan with refused steps, or with irreversible ones that are not
    /// confirmed. Nothing is written before this check passes.
    pub fn check_permitted(&self, confirmed: &BTreeSet<Confirmation>) -> Result<(), ApplyRefused> {
        if let Some(step) = self.steps.iter().find(|step| step.action == Action::Refused) {
            return Err(ApplyRefused::Guard {
                id: step.id.to_string(),
                why: step.why.clone(),
                hint: step.hint.clone(),
            });
        }
        let open: Vec<(&Step, &super::Irreversible)> = self
            .steps
            .iter()
            .filter(|step| step.action.writes())
            .filter_map(|step| Some((step, step.irreversible.as_ref()?)))
            .filter(|(_, one)| one.confirmations().any(|needed| !confirmed.contains(&needed)))
            .collect();
        let Some((step, first)) = open.first() else { return Ok(()) };
        let flags: BTreeSet<&'static str> =
            open.iter().flat_map(|(_, one)| one.confirmations()).map(Confirmation::flag).collect();
        Err(ApplyRefused::Unconfirmed {
            id: step.id.to_string(),
            what: first.what.clone(),
            flags: flags.into_iter().collect(),
        })
    }
}

/// Applies a plan in the order of its dependencies, independent steps at the same time.
/// Steps that depend on a failed one are skipped, the others continue.
///
/// `on_step` is called when a step ends. If the process is killed, the next plan contains
/// what is left: every step can be repeated.
pub async fn apply(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    confirmed: &BTreeSet<Confirmation>,
    on_step: &(dyn Fn(&StepResult) + Sync),
) -> Result<Vec<StepResult>, ApplyRefused> {
    apply_until(aws, desired, observed, plan, confirmed, on_step, &Stop::never()).await
}

/// The same until a stop is requested: then no further step starts, and running ones have
/// [`GRACE`] to finish.
pub async fn apply_until(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    confirmed: &BTreeSet<Confirmation>,
    on_step: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Result<Vec<StepResult>, ApplyRefused> {
    plan.check_permitted(confirmed)?;
    let authority = WriteAuthority::granted();
    let context = ApplyContext::new(&authority, aws, desired, observed);

    let mut open: Vec<&Step> = plan.steps.iter().filter(|step| step.action.writes()).collect();
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    let mut unfinished: BTreeSet<&str> = open.iter().map(|step| step.id.as_ref()).collect();
    let mut created: BTreeSet<&str> = BTreeSet::new();
    let mut results = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut started: Vec<&Step> = Vec::new();
    let mut deadline = pin!(stop.over(GRACE));
    loop {
        // What depends on a failed step can never run.
        open.retain(|step| {
            let because_of: Vec<ResourceId> =
                step.depends_on.iter().filter(|id| failed.contains(id.as_ref())).cloned().collect();
            if because_of.is_empty() {
                return true;
            }
            failed.insert(step.id.as_ref());
            unfinished.remove(step.id.as_ref());
            let outcome = StepOutcome::Skipped { because_of };
            let result = StepResult { id: step.id.clone(), action: step.action, outcome };
            on_step(&result);
            results.push(result);
            false
        });
        open.retain(|step| {
            let ready = step.depends_on.iter().all(|id| !unfinished.contains(id.as_ref()));
            if !ready || running.len() >= CONCURRENT || stop.is_requested() {
                return true;
            }
            started.push(step);
            running.push(run(step, context.for_step(depends_on_created(step, plan, &created))));
            false
        });
        let next = tokio::select! {
            next = running.next() => next,
            () = deadline.as_mut() => None,
        };
        let Some((ended, result)) = next else { break };
        started.retain(|step| step.id != ended.id);
        unfinished.remove(ended.id.as_ref());
        if result.outcome != StepOutcome::Done {
            failed.insert(ended.id.as_ref());
        } else if ended.action == Action::Create {
            created.insert(ended.id.as_ref());
        }
        on_step(&result);
        results.push(result);
    }
    // What a stop left, in the plan's order.
    let left = [(started, StepOutcome::Interrupted), (open, StepOutcome::NotStarted)];
    for (step, outcome) in left.iter().flat_map(|(steps, how)| steps.iter().map(move |s| (s, how)))
    {
        let (id, outcome) = (step.id.clone(), outcome.clone());
        let result = StepResult { id, action: step.action, outcome };
        on_step(&result);
        results.push(result);
    }
    Ok(results)
}

/// Whether a step depends, directly or not, on one of those.
fn depends_on_created(step: &Step, plan: &Plan, created: &BTreeSet<&str>) -> bool {
    step.depends_on.iter().any(|id| {
        created.contains(id.as_ref())
            || plan.steps.iter().any(|one| one.id == *id && depends_on_created(one, plan, created))
    })
}

/// The catalogue's entry of a step's resource.
pub(super) fn entry(step: &Step) -> Result<&'static Entry, StepError> {
    Entry::find(&step.id).ok_or_else(|| StepError::Missing(format!("the resource {}", step.id)))
}

async fn run<'p>(step: &'p Step, context: ApplyContext<'_>) -> (&'p Step, StepResult) {
    let span = tracing::info_span!("step", resource = %step.id, action = step.action.as_str());
    let outcome = async {
        let entry = entry(step)?;
        // INVARIANT: a step can be repeated from its start, except for calls that it
        // retries by itself, such as those after the creation of a key.
        let is_checked = AtomicBool::new(false);
        context
            .retry_step(|| async {
                // INVARIANT: before the first write, since the step's own writes change it.
                if !is_checked.load(Ordering::Relaxed) {
                    context.check_unchanged(entry).await?;
                    is_checked.store(true, Ordering::Relaxed);
                }
                (entry.apply)(&context).await
            })
            .await
    }
    .instrument(span)
    .await;
    let outcome = match outcome {
        Ok(()) => StepOutcome::Done,
        Err(error @ StepError::Changed(_)) => {
            StepOutcome::Refused { error: in_one_line(&error), hint: error.hint() }
        }
        Err(error) => StepOutcome::Failed { error: in_one_line(&error), hint: error.hint() },
    };
    (step, StepResult { id: step.id.clone(), action: step.action, outcome })
}

/// Observes again after an apply: the plan that is left.
///
/// What was just written may not be visible everywhere yet, so a plan that is not empty
/// is computed again, for a bounded time.
pub async fn wait_until_converged(
    aws: &Aws,
    desired: &Desired,
    expected: &[StepResult],
) -> (Observed, Plan) {
    let done: BTreeSet<&str> = expected
        .iter()
        .filter(|result| result.outcome == StepOutcome::Done)
        .map(|result| result.id.as_ref())
        .collect();
    let mut wait = Duration::from_millis(250);
    loop {
        let observed = Box::pin(observe(aws, desired)).await;
        let left = plan(desired, &observed);
        let again =
            left.steps.iter().any(|step| step.action.writes() && done.contains(step.id.as_ref()));
        if !again || wait > Duration::from_secs(5) {
            return (observed, left);
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}
