//! Deleting what the landing zone created: the roles, those of the management account last.

use super::apply::outcome;
use super::{Action, Builder, FieldChange, Plan, Step};
use crate::aws::{Aws, Observation, WriteAuthority, WriteClients};
use crate::plan::apply::{StepOutcome, StepResult};
use crate::plan::destroy::Remains;
use crate::plan::{Change, ResourceId};
use crate::resources::StepError;
use crate::resources::landing_zone::{
    LandingZone, ObservedZone, Place, Reading, ZoneWriter, delete_stack, delete_stack_set,
    organization_state,
};
use crate::stop::{GRACE, Stop};
use crate::words::counted;

/// The id of the step that refuses a deletion while the trail exists.
const TRAIL: &str = "organization-trail";

/// The steps that delete the roles that orgtrail created. Pure.
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
    let mut before: Vec<String> = vec![TRAIL.to_owned()];
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
        let depends_on: Vec<&str> = before.iter().map(String::as_str).collect();
        builder.add(deployment.id.clone(), state, change, &depends_on);
        before.push(deployment.id.to_string());
    }
    Plan::new(builder.steps, builder.digests)
}

/// What a removal keeps: what others may use too.
#[must_use]
pub fn kept_after_bootstrap(observed: &ObservedZone) -> Vec<Remains> {
    let Observation::Present(organization) = &observed.organization else { return Vec::new() };
    let kept = |id: &'static str, name: &str, why: &str| Remains {
        id: id.into(),
        name: name.to_owned(),
        why: why.to_owned(),
        unreadable: false,
        usd_a_month: Some(0.0),
        cost: "nothing".to_owned(),
    };
    vec![
        kept(super::ORGANIZATION, organization.id.as_str(), "its accounts belong to it"),
        kept(super::ACCESS, "stack sets", "other stack sets of the organization need it"),
        kept(
            "trusted-access",
            "cloudtrail.amazonaws.com",
            "other organization trails and CloudTrail Lake need it",
        ),
    ]
}

/// Deletes one role after the other, up to the first that fails.
pub async fn remove(
    aws: &Aws,
    zone: &LandingZone,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Vec<StepResult> {
    let authority = WriteAuthority::granted();
    let clients = WriteClients::new(&aws.clients(zone.management(), zone.region()), &authority);
    let writer = ZoneWriter { zone, clients, propagation: aws.propagation(), stop };
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
                ended = Box::pin(delete(&writer, step)) => outcome(ended),
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

async fn delete(writer: &ZoneWriter<'_>, step: &Step) -> Result<(), StepError> {
    let missing = || StepError::Missing(format!("the resource {}", step.id));
    let all = &writer.zone.deployments;
    let deployment = all.iter().find(|one| one.id == step.id).ok_or_else(missing)?;
    match deployment.place {
        Place::Management => delete_stack(writer, &deployment.name).await,
        Place::Members(_) => {
            let state = organization_state(&writer.clients).await.into_result()?;
            let state = state.ok_or_else(|| StepError::Missing("the organization".to_owned()))?;
            delete_stack_set(writer, &deployment.name, &state).await
        }
    }
}
