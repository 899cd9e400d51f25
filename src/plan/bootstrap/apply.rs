//! Applying the plan of the landing zone.

use std::collections::BTreeSet;

use tracing::Instrument;

use super::{ACCESS, ORGANIZATION, POLICY_TYPE};
use crate::aws::{Aws, WriteAuthority, WriteClients};
use crate::org::Organization;
use crate::plan::apply::{StepOutcome, StepResult};
use crate::plan::{Action, Plan, ResourceId, Step};
use crate::policy::Unmanaged;
use crate::resources::catalogue::{Entry, ObservedJson};
use crate::resources::landing_zone::{
    LandingZone, OrganizationState, Place, SHARED, ZoneWriter, activate, create_organization,
    enable_policy_type, ensure_stack, ensure_stack_set, ensure_wave, failed, organization_state,
};
use crate::resources::{ApplyContext, Desired, StepError, read_some};
use crate::stop::{GRACE, Stop};
use crate::words::in_one_line;

/// Applies a plan, one step after the other; steps that depend on a failed one are skipped,
/// the others continue. Once a stop is requested, no further step starts, and the running one
/// has [`GRACE`] to finish.
///
/// INVARIANT: each step reads what it changes again, and refuses what orgtrail did not create,
/// so it can be repeated from its start whenever it was interrupted.
pub async fn apply_bootstrap(
    aws: &Aws,
    zone: &LandingZone,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Vec<StepResult> {
    let authority = WriteAuthority::granted();
    let clients = WriteClients::new(&aws.clients(zone.management(), zone.region()), &authority);
    let writer = ZoneWriter { zone, clients, propagation: aws.propagation(), stop };
    let context = Context { aws, authority: &authority, writer: &writer };
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    let mut results = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action.writes()) {
        let because_of: Vec<ResourceId> =
            step.depends_on.iter().filter(|id| failed.contains(id.as_ref())).cloned().collect();
        let outcome = if !because_of.is_empty() {
            StepOutcome::Skipped { because_of }
        } else if stop.is_requested() {
            StepOutcome::NotStarted
        } else {
            let span = tracing::info_span!("step", resource = %step.id);
            tokio::select! {
                ended = Box::pin(context.run(step).instrument(span)) => outcome(ended),
                () = stop.over(GRACE) => StepOutcome::Interrupted,
            }
        };
        if outcome != StepOutcome::Done {
            failed.insert(step.id.as_ref());
        }
        let result = StepResult { id: step.id.clone(), action: step.action, outcome };
        on_step(&result);
        results.push(result);
    }
    results
}

pub(super) fn outcome(ended: Result<(), StepError>) -> StepOutcome {
    match ended {
        Ok(()) => StepOutcome::Done,
        Err(StepError::Interrupted) => StepOutcome::Interrupted,
        Err(error @ StepError::Changed(_)) => {
            StepOutcome::Refused { error: in_one_line(&error), hint: error.hint() }
        }
        Err(error) => StepOutcome::Failed { error: in_one_line(&error), hint: error.hint() },
    }
}

/// What all steps are carried out with.
struct Context<'a> {
    aws: &'a Aws,
    authority: &'a WriteAuthority,
    writer: &'a ZoneWriter<'a>,
}

impl Context<'_> {
    async fn run(&self, step: &Step) -> Result<(), StepError> {
        let writer = self.writer;
        match step.id.as_ref() {
            ORGANIZATION => return create_organization(writer).await,
            POLICY_TYPE => return enable_policy_type(writer).await,
            ACCESS => return activate(writer).await,
            id if SHARED.contains(&id) => return Box::pin(self.shared(id)).await,
            _ => {}
        }
        let missing = || StepError::Missing(format!("the resource {}", step.id));
        let state = self.state().await?;
        for deployment in &writer.zone.deployments {
            if deployment.id == step.id {
                return match deployment.place {
                    Place::Management => ensure_stack(writer, deployment, &state.id).await,
                    Place::Members(_) => ensure_stack_set(writer, deployment, &state).await,
                };
            }
            if let Some(wave) = deployment.waves().iter().find(|wave| wave.id == step.id) {
                let tree = Organization::read(&writer.clients).await?;
                return ensure_wave(writer, deployment, wave, &state, &tree).await;
            }
        }
        Err(missing())
    }

    /// The organization, which an earlier step may have created.
    async fn state(&self) -> Result<OrganizationState, StepError> {
        let missing = || StepError::Missing("the organization".to_owned());
        let found = organization_state(&self.writer.clients).await;
        found.into_result()?.ok_or_else(missing)
    }

    /// A resource that `apply` manages too.
    async fn shared(&self, id: &str) -> Result<(), StepError> {
        let missing = || StepError::Missing(format!("the resource {id}"));
        let entry = Entry::find(id).ok_or_else(missing)?;
        let facts = self.state().await?.facts();
        let config = self.writer.zone.config.clone();
        let desired = Desired::new(config, facts, Unmanaged::Keep);
        let observed = read_some(self.aws, &desired, &[id]).await;
        // INVARIANT: what could not be read is never created.
        if let ObservedJson::Unreadable(error) = (entry.observed_json)(&observed) {
            return Err(error.clone().into());
        }
        match (entry.diff)(&desired, &observed) {
            // A run that was killed may have created it.
            Some(change) if change.action == Action::Nothing => return Ok(()),
            Some(change) if change.action.stops() => return Err(failed(change.why, change.hint)),
            _ => {}
        }
        let context = ApplyContext::new(self.authority, self.aws, &desired, &observed);
        // An earlier step may have created what it needs.
        let context = context.for_step(true);
        context.retry_step(|| (entry.apply)(&context)).await
    }
}
