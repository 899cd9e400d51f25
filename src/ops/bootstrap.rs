//! Creating the landing zone, and deleting what of it orgtrail created.

use std::collections::BTreeSet;

use super::{Env, OpError, Outcome};
use crate::aws::Aws;
use crate::plan::Plan;
use crate::plan::apply::{Stale, StepOutcome, StepResult};
use crate::plan::bootstrap::{
    apply_bootstrap, kept_after_bootstrap, plan_bootstrap, plan_removal,
    plan_removal_of_old_stacks, remove,
};
use crate::plan::destroy::Remains;
use crate::report::contract::bootstrap::{Mode, Report};
use crate::resources::landing_zone::{LandingZone, ObservedZone, observe_zone};

/// What is to be done with the landing zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Creating it.
    Create {
        /// Whether the organization is created where there is none.
        organization: bool,
    },
    /// Deleting what orgtrail created.
    Remove,
    /// Deleting these stacks and stack sets, which the configuration no longer declares.
    RemoveOldStacks(BTreeSet<String>),
}

/// A plan of the landing zone, with what it was made from.
#[derive(Debug)]
pub struct PlannedZone {
    aws: Aws,
    zone: LandingZone,
    observed: ObservedZone,
    plan: Plan,
    purpose: Purpose,
}

/// Reads the landing zone, and plans what creates it, or deletes what orgtrail created.
///
/// # Errors
/// The caller is not in the management account, or the organization is another one. What else
/// is unreadable is in the plan.
pub async fn plan(env: &Env, purpose: Purpose) -> Result<PlannedZone, OpError> {
    let creates = purpose == Purpose::Create { organization: true };
    let zone = LandingZone::new(env.config()?.clone(), creates)?;
    let aws = env.aws_to_bootstrap().await?;
    let observed = Box::pin(observe_zone(&aws, &zone)).await;
    let plan = planned(&zone, &observed, &purpose);
    Ok(PlannedZone { aws, zone, observed, plan, purpose })
}

fn planned(zone: &LandingZone, observed: &ObservedZone, purpose: &Purpose) -> Plan {
    match purpose {
        Purpose::Create { .. } => plan_bootstrap(zone, observed),
        Purpose::Remove => plan_removal(zone, observed),
        Purpose::RemoveOldStacks(names) => plan_removal_of_old_stacks(zone, observed, names),
    }
}

impl Purpose {
    fn creates(&self) -> bool {
        matches!(self, Self::Create { .. })
    }

    /// What stays after it.
    fn kept(&self, zone: &LandingZone, observed: &ObservedZone) -> Vec<Remains> {
        match self {
            Self::Remove => kept_after_bootstrap(zone, observed),
            Self::Create { .. } | Self::RemoveOldStacks(_) => Vec::new(),
        }
    }
}

impl PlannedZone {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many steps write.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.plan.steps.iter().filter(|step| step.action.writes()).count()
    }

    /// Refuses a plan with refused steps.
    ///
    /// # Errors
    /// A step is refused.
    pub fn check_permitted(&self) -> Result<(), OpError> {
        Ok(self.plan.check_permitted(&[].into())?)
    }

    /// Refuses a plan that is no longer the one that would be made now.
    ///
    /// # Errors
    /// AWS has changed: refused. A stop was requested: incomplete.
    pub async fn check_unchanged(&self, env: &Env) -> Result<(), OpError> {
        let observing = Box::pin(observe_zone(&self.aws, &self.zone));
        let observed = env.unless_stopped(observing).await?;
        let now = planned(&self.zone, &observed, &self.purpose);
        match self.plan.changed_since(&now) {
            Some(changed) => Err(Stale { changed }.into()),
            None => Ok(()),
        }
    }

    /// Checks the confirmation of a removal: the id of the organization.
    ///
    /// # Errors
    /// It is not confirmed, and there is something to delete: refused.
    pub fn check_confirmed(&self, confirmed: Option<&str>) -> Result<(), OpError> {
        let id = self.observed.organization.present().map(|found| found.id.to_string());
        let id = id.unwrap_or_default();
        if self.writes() == 0 || confirmed == Some(id.as_str()) {
            return Ok(());
        }
        let error = format!("deleting orgtrail's roles in organization {id} is not confirmed");
        Err(OpError::new(error, Outcome::Refused).with_hint(format!(
            "review `orgtrail bootstrap --destroy --dry-run`, then add --confirm-organization {id}"
        )))
    }

    /// What the plan says, without carrying it out.
    #[must_use]
    pub fn into_result(self, env: &Env) -> BootstrapResult {
        let kept = self.purpose.kept(&self.zone, &self.observed);
        let mode = if self.purpose.creates() { Mode::Plan } else { Mode::DestroyPlan };
        BootstrapResult {
            mode,
            zone: self.zone,
            observed: self.observed,
            plan: self.plan,
            steps: Vec::new(),
            kept,
            stopped_by: env.stopped_by(),
        }
    }

    /// Carries the plan out, and plans again.
    pub async fn apply(self, env: &Env) -> BootstrapResult {
        let Self { aws, zone, observed, plan, purpose } = self;
        let writes = plan.steps.iter().filter(|step| step.action.writes()).count();
        let name = if purpose.creates() { "applying" } else { "deleting" };
        let steps = {
            let phase = env.progress().phase(name, writes);
            let on_step = |result: &StepResult| phase.step_ended(result);
            if purpose.creates() {
                apply_bootstrap(&aws, &zone, &plan, &on_step, env.stop()).await
            } else {
                remove(&aws, &zone, &observed, &plan, &on_step, env.stop()).await
            }
        };
        let again = env.unless_stopped(Box::pin(observe_zone(&aws, &zone))).await;
        let (observed, plan) = if let Ok(now) = again {
            let left = planned(&zone, &now, &purpose);
            (now, left)
        } else {
            // There is no time to read AWS again.
            let done = steps.iter().filter(|step| step.outcome == StepOutcome::Done);
            let done = done.map(|step| step.id.as_ref()).collect();
            (observed, plan.without(&done))
        };
        let kept = purpose.kept(&zone, &observed);
        let mode = if purpose.creates() { Mode::Apply } else { Mode::Destroy };
        let stopped_by = env.stopped_by();
        BootstrapResult { mode, zone, observed, plan, steps, kept, stopped_by }
    }
}

/// The result of a bootstrap.
#[derive(Debug)]
pub struct BootstrapResult {
    mode: Mode,
    zone: LandingZone,
    observed: ObservedZone,
    /// What is planned, or left to do.
    pub plan: Plan,
    /// The steps that were due; none where nothing was to be carried out.
    pub steps: Vec<StepResult>,
    /// What a removal keeps.
    pub kept: Vec<Remains>,
    /// What requested a stop, if anything did.
    pub stopped_by: Option<&'static str>,
}

impl BootstrapResult {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let failed = self.steps.iter().any(|step| step.outcome != StepOutcome::Done);
        if self.plan.has_refused() {
            Outcome::Refused
        } else if self.plan.has_unreadable() || failed || self.stopped_by.is_some() {
            Outcome::Incomplete
        } else if self.plan.is_empty() {
            Outcome::Clean
        } else {
            Outcome::ChangesPending
        }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> Report {
        let mut report = Report::new(self.mode, &self.plan, &self.steps, &self.kept);
        report.roles = crate::report::contract::bootstrap::roles(&self.zone, &self.observed);
        report
    }
}
