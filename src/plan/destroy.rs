//! Deleting what may be deleted: never data.

use super::{Action, FieldChange, Plan, ResourceId, Step, build};
use crate::aws::{Aws, AwsError, Observation, WriteAuthority, is_transient, retry_while};
use crate::cost::prices;
use crate::plan::apply::{StepOutcome, StepResult, entry};
use crate::resources::catalogue::{CATALOGUE, Entry, ObservedJson};
use crate::resources::destroy::{Deletion, Kept, KeptCost};
use crate::resources::{
    ApplyContext, Desired, Location, Observed, StepError, ensure_unchanged, manager_of, reread,
};
use crate::stop::{GRACE, Stop};
use crate::words::in_one_line;

/// Something that a destroy keeps, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Remains {
    /// The resource.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Why it is kept.
    pub why: String,
    /// The command that removes it anyway, if nothing of value would be lost.
    pub undo: Option<String>,
    /// Whether it could not be read, so that it may not exist.
    pub unreadable: bool,
    /// What it costs a month in US dollars, if that does not depend on its size.
    pub usd_a_month: Option<f64>,
    /// What its cost depends on, in words.
    pub cost: String,
}

/// The steps that delete the guardrail, the trail and its alarms.
///
/// What depends on others is deleted first, and the guardrail before the trail: if that
/// fails, the trail continues.
#[must_use]
pub fn plan_destroy(desired: &Desired, observed: &Observed) -> Plan {
    let digests = build::plan(desired, observed).observed;
    let mut steps: Vec<Step> = Vec::new();
    let mut blocked = Vec::new();
    let own = |entry: &&Entry| manager_of(entry.id, desired, observed).is_none();
    for entry in CATALOGUE.iter().rev().filter(own) {
        match (entry.deletion)(desired, observed) {
            Observation::Present(Deletion { field, value, why }) => {
                let depends_on = steps.iter().map(|step| step.id.clone()).collect();
                let Location { account, region } = (entry.location)(desired);
                let step = delete(entry.id, desired, field, value);
                steps.push(Step { account, region, why: why.to_owned(), depends_on, ..step });
            }
            Observation::Absent => {}
            Observation::Unreadable(error) => blocked.push(Step {
                action: Action::Blocked,
                unreadable: true,
                why: format!("it could not be read: {}", in_one_line(&error)),
                hint: error.hint(),
                ..delete("unread", desired, "operation", error.operation.clone())
            }),
        }
    }
    steps.append(&mut blocked);
    Plan::new(steps, digests)
}

fn delete(id: &'static str, desired: &Desired, field: &str, value: String) -> Step {
    Step {
        id: id.into(),
        account: desired.management().clone(),
        region: None,
        action: Action::Delete,
        changes: vec![FieldChange::new(field, Some(value), None::<String>)],
        why: String::new(),
        hint: None,
        unreadable: false,
        irreversible: None,
        notes: Vec::new(),
        depends_on: Vec::new(),
    }
}

/// What a destroy keeps, with why and what it costs. What could not be read is listed
/// too: it may exist.
#[must_use]
pub fn remains(desired: &Desired, observed: &Observed) -> Vec<Remains> {
    let mut all = Vec::new();
    // What another tool manages stays with it.
    for entry in CATALOGUE.iter().filter(|entry| manager_of(entry.id, desired, observed).is_none())
    {
        let read = (entry.observed_json)(observed);
        all.extend((entry.kept)(desired, observed).into_iter().map(|Kept { name, why, cost }| {
            let (usd_a_month, cost) = price(&cost);
            let (unreadable, why) = match read {
                ObservedJson::Known(_) => (false, why.to_owned()),
                ObservedJson::Unreadable(error) => {
                    let error = in_one_line(error);
                    (true, format!("if it exists, {why}; it could not be read: {error}"))
                }
            };
            let undo = None;
            Remains { id: entry.id.into(), name, why, undo, unreadable, usd_a_month, cost }
        }));
    }
    all
}

/// What something costs a month, if that does not depend on its size, and in words.
fn price(of: &KeptCost) -> (Option<f64>, String) {
    match of {
        KeptCost::Nothing => (Some(0.0), "nothing".to_owned()),
        KeptCost::NothingWhileIdle => {
            (Some(0.0), "nothing while no message is published".to_owned())
        }
        KeptCost::Key => {
            let month = prices::KMS_KEY_MONTH;
            let more = format!("${month} for the key, and ${month} more for each of its first two");
            (Some(month), format!("{more} rotations"))
        }
        KeptCost::Objects { classes, note } => {
            (None, format!("{}{note}", prices::gb_month_in(classes)))
        }
        KeptCost::Events => (None, format!("${} a GB, compressed", prices::LOGS_GB_MONTH)),
        KeptCost::Alarms(count) => {
            let month = prices::ALARM_MONTH;
            let all = count.map(|count| std::iter::repeat_n(month, count).sum());
            (all, format!("${month} for each"))
        }
    }
}

/// Applies the steps of [`plan_destroy`], one after the other, up to the first that
/// fails.
pub async fn destroy(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
) -> Vec<StepResult> {
    destroy_until(aws, desired, observed, plan, on_step, &Stop::never()).await
}

/// The same until a stop is requested: then no further step starts, and the running one
/// has [`GRACE`] to finish.
pub async fn destroy_until(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Vec<StepResult> {
    let authority = WriteAuthority::granted();
    let context = ApplyContext::new(&authority, aws, desired, observed);
    let mut results: Vec<StepResult> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action.writes()) {
        let failed: Vec<ResourceId> = results
            .iter()
            .filter(|result| result.outcome != StepOutcome::Done)
            .map(|result| result.id.clone())
            .collect();
        let outcome = if stop.is_requested() {
            StepOutcome::NotStarted
        } else if failed.is_empty() {
            tokio::select! {
                ended = delete_observed(aws, &context, step) => match ended {
                    Ok(()) => StepOutcome::Done,
                    Err(error @ StepError::Changed(_)) => {
                        StepOutcome::Refused { error: in_one_line(&error), hint: Some(AGAIN.to_owned()) }
                    }
                    Err(error) => StepOutcome::Failed { error: in_one_line(&error), hint: error.hint() },
                },
                () = stop.over(GRACE) => StepOutcome::Interrupted,
            }
        } else {
            StepOutcome::Skipped { because_of: failed }
        };
        let result = StepResult { id: step.id.clone(), action: step.action, outcome };
        on_step(&result);
        results.push(result);
    }
    results
}

/// Deletes the resource of a step, if it is as it was observed. What does not exist is already
/// deleted, so each step can be repeated.
pub(super) async fn delete_observed(
    aws: &Aws,
    context: &ApplyContext<'_>,
    step: &Step,
) -> Result<(), StepError> {
    let again = |error: &AwsError| is_transient(error, false);
    let entry = entry(step)?;
    Box::pin(check_unchanged(aws, context.desired, context.observed, entry)).await?;
    let delete = || (entry.delete)(context);
    Ok(retry_while(aws.propagation(), again, delete).await?)
}

/// Reads a resource again immediately before it is deleted: only what was shown is
/// deleted. What somebody else deleted meanwhile is not a change.
async fn check_unchanged(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    entry: &Entry,
) -> Result<(), StepError> {
    let now = reread(aws, desired, observed, entry).await;
    match (entry.deletion)(desired, &now) {
        Observation::Absent => Ok(()),
        _ => ensure_unchanged(entry, observed, &now),
    }
}

/// What to do if a resource changed after it was shown.
const AGAIN: &str = "run `orgtrail destroy --dry-run`, review it, then destroy again";
