use super::{Planned, was_refused};
use crate::ops::{Env, OpError, Outcome};
use crate::plan::Plan;
use crate::plan::apply::{StepOutcome, StepResult};
use crate::plan::destroy::{Remains, destroy_until, plan_destroy, remains};
use crate::policy::Unmanaged;
use crate::report::contract::DestroyReport;

/// What is deleted together with the trail, and what stays.
#[derive(Debug)]
pub struct Deletion {
    planned: Planned,
    plan: Plan,
    kept: Vec<Remains>,
}

impl Deletion {
    /// Reads AWS, and plans the deletion.
    ///
    /// # Errors
    /// As of [`super::plan`].
    pub async fn plan(env: &Env, unmanaged: Unmanaged) -> Result<Self, OpError> {
        let planned = super::plan(env, unmanaged).await?;
        let plan = plan_destroy(&planned.desired, &planned.observed);
        let kept = remains(&planned.desired, &planned.observed);
        Ok(Self { planned, plan, kept })
    }

    /// Deletes, if the trail is confirmed by its name. A stop starts no further step.
    ///
    /// # Errors
    /// It is not confirmed, and there is something to delete: refused.
    pub async fn delete(self, env: &Env, confirmed: Option<&str>) -> Result<Deleted, OpError> {
        let writes = self.writes();
        let steps = if writes == 0 {
            Vec::new()
        } else {
            self.check_confirmed(confirmed)?;
            let phase = env.progress().phase("deleting", writes);
            let on_step = |result: &StepResult| phase.step_ended(result);
            let Planned { aws, desired, observed, .. } = &self.planned;
            destroy_until(aws, desired, observed, &self.plan, &on_step, env.stop()).await
        };
        Ok(self.ended(env, steps, 0))
    }

    /// What would be deleted, without deleting.
    #[must_use]
    pub fn dry_run(self, env: &Env) -> Deleted {
        let pending = self.writes();
        self.ended(env, Vec::new(), pending)
    }

    fn writes(&self) -> usize {
        self.plan.steps.iter().filter(|step| step.action.writes()).count()
    }

    fn check_confirmed(&self, confirmed: Option<&str>) -> Result<(), OpError> {
        let name = self.planned.desired.config.trail.name.as_str();
        if confirmed == Some(name) {
            return Ok(());
        }
        let error = format!("deleting the trail `{name}` is not confirmed");
        Err(OpError::new(error, Outcome::Refused).with_hint(format!(
            "review `orgtrail destroy --dry-run`, then add --confirm-trail {name}"
        )))
    }

    fn ended(self, env: &Env, steps: Vec<StepResult>, pending: usize) -> Deleted {
        let Self { plan, kept, .. } = self;
        Deleted { plan, kept, steps, pending, stopped_by: env.stopped_by() }
    }
}

/// The result of a deletion.
#[derive(Debug)]
pub struct Deleted {
    /// What was, or would be, deleted.
    pub plan: Plan,
    /// What stays.
    pub kept: Vec<Remains>,
    /// The steps that were due; none in a dry run.
    pub steps: Vec<StepResult>,
    /// The steps that a dry run leaves.
    pub pending: usize,
    /// What requested a stop, if anything did.
    pub stopped_by: Option<&'static str>,
}

impl Deleted {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let failed = self.steps.iter().any(|step| step.outcome != StepOutcome::Done);
        let unreadable = self.plan.has_unreadable() || self.kept.iter().any(|it| it.unreadable);
        if was_refused(&self.steps) {
            Outcome::Refused
        } else if failed || unreadable || self.stopped_by.is_some() {
            Outcome::Incomplete
        } else if self.pending > 0 {
            Outcome::ChangesPending
        } else {
            Outcome::Clean
        }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> DestroyReport {
        DestroyReport::new(&self.plan, &self.steps, &self.kept)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::Action;

    fn deleted(steps: Vec<StepOutcome>) -> Deleted {
        let step = |outcome| StepResult { id: "trail".into(), action: Action::Delete, outcome };
        Deleted {
            plan: Plan::new(Vec::new(), BTreeMap::new()),
            kept: Vec::new(),
            steps: steps.into_iter().map(step).collect(),
            pending: 0,
            stopped_by: None,
        }
    }

    #[test]
    fn the_outcome_of_a_deletion_is_what_failed_is_pending_or_unreadable() {
        let failed = StepOutcome::Failed { error: String::new(), hint: None };
        let refused = StepOutcome::Refused { error: String::new(), hint: None };
        let kept = |unreadable| Remains {
            id: "topic".into(),
            name: String::new(),
            why: String::new(),
            undo: None,
            unreadable,
            usd_a_month: None,
            cost: String::new(),
        };
        let of = |deleted: Deleted| deleted.outcome();
        assert_eq!(of(deleted(vec![StepOutcome::Done])), Outcome::Clean);
        assert_eq!(of(deleted(vec![StepOutcome::Done, failed])), Outcome::Incomplete);
        assert_eq!(of(deleted(vec![refused, StepOutcome::NotStarted])), Outcome::Refused);
        let none = || deleted(Vec::new());
        assert_eq!(of(Deleted { pending: 1, ..none() }), Outcome::ChangesPending);
        assert_eq!(of(Deleted { kept: vec![kept(false)], ..none() }), Outcome::Clean);
        let unreadable = Deleted { kept: vec![kept(true)], pending: 1, ..none() };
        assert_eq!(of(unreadable), Outcome::Incomplete);
        assert_eq!(of(Deleted { stopped_by: Some("SIGTERM"), ..none() }), Outcome::Incomplete);
    }
}
