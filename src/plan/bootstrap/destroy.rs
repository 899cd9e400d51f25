//! Deleting what the landing zone created: the rule and the queue of account events, then the
//! roles, those of the management account last.

use super::apply::outcome;
use super::{Action, Builder, FieldChange, OLD_STACKS, Plan, Planned, Step};
use crate::aws::{Aws, Observation, WriteAuthority, WriteClients};
use crate::plan::apply::{StepOutcome, StepResult};
use crate::plan::destroy::delete_observed;
use crate::plan::{Change, ResourceId};
use crate::resources::catalogue::{Entry, ObservedJson};
use crate::resources::destroy::Deletion;
use crate::resources::landing_zone::{
    LandingZone, ObservedZone, Place, Reading, SHARED, ZoneWriter, delete_stack, delete_stack_set,
    organization_state,
};
use crate::resources::{ApplyContext, Location, StepError};
use crate::stop::{GRACE, Stop};
use crate::words::counted;

/// The id of the step that refuses a deletion while the trail exists.
const TRAIL: &str = "organization-trail";

/// The steps that delete what orgtrail created: the rule and the queue of account events, and
/// the roles. Pure.
#[must_use]
pub fn plan_removal(zone: &LandingZone, observed: &ObservedZone) -> Plan {
    let mut builder = Builder::new(zone, observed);
    let name = &zone.config.trail.name;
    if !observed.trail.is_absent() {
        let change = Change::refused(
            format!("the trail `{name}` exists, and could not be changed or deleted without roles"),
            format!("run `orgtrail destroy --confirm-trail {name}` first"),
        );
        builder.add(TRAIL, super::state(&observed.trail), change, &[]);
    }
    let mut before: Vec<ResourceId> = vec![TRAIL.into()];
    builder.shared_deletions(&mut before);
    // Those of the management account come first in the declaration.
    for deployment in zone.deployments.iter().rev() {
        let Some(reading) = observed.roles.get(deployment.id.as_ref()) else { continue };
        let (state, owned, what) = match reading {
            Reading::Stack(stack, _) => (
                super::state(stack),
                stack.present().is_some_and(|found| found.owned),
                format!("stack `{}`", deployment.name),
            ),
            Reading::StackSet(set) => {
                let accounts = set.present().map_or(0, |found| found.instances.len());
                (
                    super::state(set),
                    set.present().is_some_and(|found| found.owned),
                    format!("stack set `{}`, {}", deployment.name, counted(accounts, "account")),
                )
            }
        };
        if state.is_ok() && !owned {
            continue;
        }
        let field = FieldChange::new("role", Some(what), None::<String>);
        let why = "orgtrail created it, and needs it no longer";
        let change = Change::of(Action::Delete, why, vec![field]);
        let depends_on: Vec<&str> = before.iter().map(AsRef::as_ref).collect();
        builder.add(deployment.id.clone(), state, change, &depends_on);
        before.push(deployment.id.clone());
    }
    let undeclared = super::old_stacks::undeclared(zone, observed);
    Plan { undeclared, ..Plan::new(builder.steps, builder.digests) }
}

impl Builder<'_> {
    /// The resources that `destroy` deletes too, what depends on others first. `before` are the
    /// steps before each, to which they are added.
    fn shared_deletions(&mut self, before: &mut Vec<ResourceId>) {
        let Some((desired, observed)) = &self.observed.others else { return };
        for entry in SHARED.iter().rev().filter_map(|id| Entry::find(id)) {
            let change = match (entry.deletion)(desired, observed) {
                Observation::Absent => continue,
                Observation::Present(Deletion { field, value, why }) => {
                    let field = FieldChange::new(field, Some(value), None::<String>);
                    Change::of(Action::Delete, why, vec![field])
                }
                Observation::Unreadable(_) => Change::nothing(),
            };
            let state = match (entry.observed_json)(observed) {
                ObservedJson::Known(value) => Ok(value),
                ObservedJson::Unreadable(error) => Err(error),
            };
            let Location { account, region } = (entry.location)(desired);
            let id = ResourceId::from(entry.id);
            let depends_on = before.clone();
            self.push(Planned { id: id.clone(), account, region, state, change, depends_on });
            before.push(id);
        }
    }
}

/// Deletes one resource after the other, up to the first that fails.
pub async fn remove(
    aws: &Aws,
    zone: &LandingZone,
    observed: &ObservedZone,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Vec<StepResult> {
    let authority = WriteAuthority::granted();
    let clients = WriteClients::new(&aws.clients(zone.management(), zone.region()), &authority);
    let writer = ZoneWriter { zone, clients, propagation: aws.propagation(), stop };
    let remover = Remover { aws, authority: &authority, observed, writer: &writer };
    let mut results: Vec<StepResult> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action.writes()) {
        let because_of: Vec<ResourceId> = results
            .iter()
            .filter(|result| result.outcome != StepOutcome::Done)
            .map(|result| result.id.clone())
            .collect();
        let outcome = if stop.is_requested() {
            StepOutcome::NotStarted
        } else if because_of.is_empty() {
            tokio::select! {
                ended = Box::pin(remover.delete(step)) => outcome(ended),
                () = stop.over(GRACE) => StepOutcome::Interrupted,
            }
        } else {
            StepOutcome::Skipped { because_of }
        };
        let result = StepResult { id: step.id.clone(), action: step.action, outcome };
        on_step(&result);
        results.push(result);
    }
    results
}

/// What all steps are carried out with.
struct Remover<'a> {
    aws: &'a Aws,
    authority: &'a WriteAuthority,
    observed: &'a ObservedZone,
    writer: &'a ZoneWriter<'a>,
}

impl Remover<'_> {
    async fn delete(&self, step: &Step) -> Result<(), StepError> {
        let missing = || StepError::Missing(format!("the resource {}", step.id));
        if SHARED.contains(&step.id.as_ref()) {
            let (desired, observed) = self.observed.others.as_ref().ok_or_else(missing)?;
            let context = ApplyContext::new(self.authority, self.aws, desired, observed);
            return Box::pin(delete_observed(self.aws, &context, step)).await;
        }
        if let Some(name) = step.id.strip_prefix(OLD_STACKS).and_then(|id| id.strip_prefix('/')) {
            let old = self.observed.old_stacks.present().into_iter().flatten();
            let old = old.filter(|one| one.name == name);
            // INVARIANT: the deletion refuses what orgtrail's tag does not mark.
            for stack in old {
                self.delete_of(&stack.name, stack.stack_set).await?;
            }
            return Ok(());
        }
        let all = &self.writer.zone.deployments;
        let deployment = all.iter().find(|one| one.id == step.id).ok_or_else(missing)?;
        self.delete_of(&deployment.name, deployment.place != Place::Management).await
    }

    async fn delete_of(&self, name: &str, is_stack_set: bool) -> Result<(), StepError> {
        if !is_stack_set {
            return delete_stack(self.writer, name).await;
        }
        let state = organization_state(&self.writer.clients).await.into_result()?;
        let state = state.ok_or_else(|| StepError::Missing("the organization".to_owned()))?;
        delete_stack_set(self.writer, name, &state).await
    }
}
