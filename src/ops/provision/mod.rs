//! Applying the configuration to AWS, and deleting what may be deleted.

mod delete;
pub mod mfa_delete;

use std::collections::BTreeSet;

pub use self::delete::{Deleted, Deletion};
use super::{Env, OpError, Outcome};
use crate::aws::Aws;
use crate::org::enter_archive;
use crate::plan::apply::{Stale, StepOutcome, StepResult, apply_until, wait_until_converged};
use crate::plan::{Confirmation, Plan, plan as plan_of};
use crate::policy::Unmanaged;
use crate::report::contract::ApplyReport;
use crate::resources::{Desired, Observed, OrganizationFacts, observe};

/// A plan, with what it was made from.
#[derive(Debug)]
pub struct Planned {
    aws: Aws,
    desired: Desired,
    observed: Observed,
    plan: Plan,
    /// The resources that are changed; all where it is none.
    only: Option<BTreeSet<&'static str>>,
}

/// Reads AWS, and plans what changes it into what is configured. `unmanaged` says what
/// becomes of statements and rules that orgtrail does not manage.
///
/// # Errors
/// No way into AWS, or the organization is unreadable or another one. What else is
/// unreadable is in the plan.
pub async fn plan(env: &Env, unmanaged: Unmanaged) -> Result<Planned, OpError> {
    let config = env.config()?;
    let aws = env.aws_to_plan().await?;
    enter_archive(&aws, config).await?;
    let organization = OrganizationFacts::read(&aws, config).await?;
    let desired = Desired::new(config.clone(), organization, unmanaged);
    let observed = Box::pin(observe(&aws, &desired)).await;
    Ok(Planned::new(&aws, desired, observed, None))
}

impl Planned {
    /// Plans from what was observed. If `only` names resources, the plan is limited to
    /// them and to what they depend on.
    pub(super) fn new(
        aws: &Aws,
        desired: Desired,
        observed: Observed,
        only: Option<BTreeSet<&'static str>>,
    ) -> Self {
        let plan = limited(plan_of(&desired, &observed), only.as_ref());
        Self { aws: aws.clone(), desired, observed, plan, only }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The outcome of planning.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        outcome_of(&self.plan)
    }

    /// How many steps write.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.plan.steps.iter().filter(|step| step.action.writes()).count()
    }

    /// Refuses a plan that is no longer the one that would be made now: what was confirmed
    /// is what was shown.
    ///
    /// # Errors
    /// AWS has changed: refused. A stop was requested: incomplete.
    pub async fn check_unchanged(&self, env: &Env) -> Result<(), OpError> {
        let observed = Box::pin(observe(&self.aws, &self.desired));
        let observed = env.unless_stopped(observed).await?;
        let now = limited(plan_of(&self.desired, &observed), self.only.as_ref());
        match self.plan.changed_since(&now) {
            Some(changed) => Err(Stale { changed }.into()),
            None => Ok(()),
        }
    }

    /// Applies the plan, and plans again. A stop starts no further step, and ends with what
    /// is left of the plan.
    ///
    /// # Errors
    /// A step is refused, or cannot be undone and is not among the confirmed; nothing was
    /// written.
    pub async fn apply(
        &self,
        env: &Env,
        confirmed: &BTreeSet<Confirmation>,
    ) -> Result<Applied, OpError> {
        let Self { aws, desired, observed, plan, .. } = self;
        let steps = {
            let phase = env.progress().phase("applying", self.writes());
            let on_step = |result: &StepResult| phase.step_ended(result);
            let stop = env.stop();
            apply_until(aws, desired, observed, plan, confirmed, &on_step, stop).await?
        };
        let settled = async { wait_until_converged(aws, desired, &steps).await.1 };
        let remaining = match env.unless_stopped(Box::pin(settled)).await {
            Ok(remaining) => remaining,
            // There is no time to read AWS again.
            Err(_) => plan.without(&done(&steps)),
        };
        Ok(Applied { steps, remaining, stopped_by: env.stopped_by() })
    }
}

/// What a plan does for some resources, and for what they depend on.
fn limited(mut plan: Plan, only: Option<&BTreeSet<&'static str>>) -> Plan {
    let Some(resources) = only else { return plan };
    let mut kept: BTreeSet<String> = resources.iter().map(|id| (*id).to_owned()).collect();
    // A step's dependencies stand before it.
    for step in plan.steps.iter().rev().filter(|step| step.action.writes()) {
        if kept.contains(step.id.as_ref()) {
            kept.extend(step.depends_on.iter().map(ToString::to_string));
        }
    }
    plan.steps.retain(|step| kept.contains(step.id.as_ref()));
    plan
}

/// The result of applying a plan.
#[derive(Debug)]
pub struct Applied {
    /// The steps that were due, in the order in which they ended.
    pub steps: Vec<StepResult>,
    /// What is left to do.
    pub remaining: Plan,
    /// What requested a stop, if anything did.
    pub stopped_by: Option<&'static str>,
}

impl Applied {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let failed = self.steps.iter().any(|step| step.outcome != StepOutcome::Done);
        match outcome_of(&self.remaining) {
            _ if was_refused(&self.steps) => Outcome::Refused,
            _ if self.stopped_by.is_some() => Outcome::Incomplete,
            Outcome::ChangesPending if failed => Outcome::Incomplete,
            outcome => outcome,
        }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> ApplyReport {
        ApplyReport::new(&self.steps, &self.remaining)
    }
}

/// The outcome of an operation that leaves this plan.
fn outcome_of(plan: &Plan) -> Outcome {
    if plan.has_refused() {
        Outcome::Refused
    } else if plan.has_unreadable() {
        Outcome::Incomplete
    } else if plan.is_empty() {
        Outcome::Clean
    } else {
        Outcome::ChangesPending
    }
}

/// The steps that are done.
fn done(steps: &[StepResult]) -> BTreeSet<&str> {
    let done = steps.iter().filter(|step| step.outcome == StepOutcome::Done);
    done.map(|step| step.id.as_ref()).collect()
}

/// Whether a resource changed before its step could write it.
fn was_refused(steps: &[StepResult]) -> bool {
    steps.iter().any(|step| matches!(step.outcome, StepOutcome::Refused { .. }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::{Action, Step};

    fn step(id: &'static str, action: Action, depends_on: &[&'static str]) -> Step {
        Step {
            id: id.into(),
            account: "111111111111".parse().unwrap(),
            region: None,
            action,
            changes: Vec::new(),
            why: String::new(),
            hint: None,
            unreadable: false,
            irreversible: None,
            notes: Vec::new(),
            depends_on: depends_on.iter().map(|id| (*id).into()).collect(),
        }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan::new(steps, BTreeMap::new())
    }

    fn applied(outcome: StepOutcome, remaining: Plan) -> Applied {
        let step = StepResult { id: "trail".into(), action: Action::Update, outcome };
        Applied { steps: vec![step], remaining, stopped_by: None }
    }

    #[test]
    fn a_limited_plan_keeps_the_resources_and_what_they_depend_on() {
        let all = || {
            plan(vec![
                step("kms-key", Action::Create, &[]),
                step("topic", Action::Create, &[]),
                step("archive-bucket", Action::Nothing, &["kms-key"]),
                step("trail", Action::Update, &["kms-key", "archive-bucket"]),
            ])
        };
        let ids = |plan: Plan| plan.steps.into_iter().map(|step| step.id).collect::<Vec<_>>();
        let only = BTreeSet::from(["trail"]);
        assert_eq!(ids(limited(all(), Some(&only))), ["kms-key", "archive-bucket", "trail"]);
        // What is as configured needs nothing before it.
        let only = BTreeSet::from(["archive-bucket"]);
        assert_eq!(ids(limited(all(), Some(&only))), ["archive-bucket"]);
        assert_eq!(limited(all(), None), all());
    }

    #[test]
    fn the_outcome_of_applying_is_what_is_left_or_what_failed() {
        let pending = || plan(vec![step("trail", Action::Update, &[])]);
        let failed = || StepOutcome::Failed { error: String::new(), hint: None };
        let refused = StepOutcome::Refused { error: String::new(), hint: None };
        let empty = || plan(Vec::new());
        assert_eq!(applied(StepOutcome::Done, empty()).outcome(), Outcome::Clean);
        assert_eq!(applied(StepOutcome::Done, pending()).outcome(), Outcome::ChangesPending);
        assert_eq!(applied(failed(), pending()).outcome(), Outcome::Incomplete);
        // Somebody else did it.
        assert_eq!(applied(failed(), empty()).outcome(), Outcome::Clean);
        assert_eq!(applied(refused, pending()).outcome(), Outcome::Refused);
        let stopped = Applied { stopped_by: Some("SIGTERM"), ..applied(failed(), empty()) };
        assert_eq!(stopped.outcome(), Outcome::Incomplete);
    }
}
