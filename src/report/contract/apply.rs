//! The reports of `orgtrail apply` and `orgtrail destroy`.

use schemars::JsonSchema;
use serde::Serialize;

use super::Document;
use super::plan::{Action, Plan};
use crate::plan;
use crate::plan::destroy::Remains;

/// The result of `orgtrail apply`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ApplyReport {
    /// The steps that were due, in the order in which they ended.
    pub steps: Vec<StepResult>,
    /// What is left to do.
    pub remaining: Plan,
}

impl Document for ApplyReport {
    const NAME: &'static str = "apply-report";
}

/// The result of `orgtrail destroy`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DestroyReport {
    /// What was, or would be, deleted.
    pub plan: Plan,
    /// The steps that were due; empty under `--dry-run`.
    pub steps: Vec<StepResult>,
    /// What stays.
    pub kept: Vec<KeptResource>,
}

impl Document for DestroyReport {
    const NAME: &'static str = "destroy-report";
}

/// The result of a step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StepResult {
    /// The id of the resource.
    pub id: String,
    /// What the step does.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It is done.
    Done,
    /// It failed.
    Failed {
        /// Why.
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
    /// It was skipped because of other steps.
    Skipped {
        /// The steps that failed or were skipped.
        because_of: Vec<String>,
    },
    /// The command was stopped during the step, which may be done in part.
    Interrupted,
    /// The command was stopped before the step.
    NotStarted,
}

/// A resource that `orgtrail destroy` keeps.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeptResource {
    /// The id of the resource.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why it is kept.
    pub why: String,
    /// Whether it could not be read, so that it may not exist.
    pub unreadable: bool,
    /// What it costs, where that does not depend on its size.
    pub usd_per_month: Option<f64>,
    /// What its cost depends on.
    pub cost: String,
}

impl ApplyReport {
    /// The report of some steps, and of what is left to do.
    #[must_use]
    pub fn new(steps: &[plan::apply::StepResult], remaining: &plan::Plan) -> Self {
        Self { steps: steps.iter().map(StepResult::from).collect(), remaining: remaining.into() }
    }
}

impl DestroyReport {
    /// The report of a plan, of its steps, and of what stays.
    #[must_use]
    pub fn new(plan: &plan::Plan, steps: &[plan::apply::StepResult], kept: &[Remains]) -> Self {
        Self {
            plan: plan.into(),
            steps: steps.iter().map(StepResult::from).collect(),
            kept: kept.iter().map(KeptResource::from).collect(),
        }
    }
}

impl From<&plan::apply::StepResult> for StepResult {
    fn from(result: &plan::apply::StepResult) -> Self {
        let plan::apply::StepResult { id, action, outcome } = result.clone();
        Self { id: id.into_owned(), action: action.into(), outcome: outcome.into() }
    }
}

impl From<plan::apply::StepOutcome> for Outcome {
    fn from(outcome: plan::apply::StepOutcome) -> Self {
        match outcome {
            plan::apply::StepOutcome::Done => Self::Done,
            plan::apply::StepOutcome::Failed { error, hint } => Self::Failed { error, hint },
            plan::apply::StepOutcome::Refused { error, hint } => Self::Refused { error, hint },
            plan::apply::StepOutcome::Stopped { because } => {
                Self::Skipped { because_of: because.into_iter().map(String::from).collect() }
            }
            plan::apply::StepOutcome::CutOff => Self::Interrupted,
            plan::apply::StepOutcome::NotBegun => Self::NotStarted,
        }
    }
}

impl From<&Remains> for KeptResource {
    fn from(remains: &Remains) -> Self {
        let Remains { id, name, why, unreadable, usd_a_month, cost } = remains.clone();
        let id = id.into_owned();
        Self { id, name, why, unreadable, usd_per_month: usd_a_month, cost }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Emitted;
    use super::super::plan::tests::sample;
    use super::*;

    fn steps() -> Vec<plan::apply::StepResult> {
        use plan::apply::StepOutcome;
        let failed = |error: &str| (error.to_owned(), Some("run it again".to_owned()));
        let (error, hint) = failed("access denied");
        let (changed, again) = failed("it changed");
        [
            ("kms-key", StepOutcome::Done),
            ("archive-bucket", StepOutcome::Failed { error, hint }),
            ("topic", StepOutcome::Refused { error: changed, hint: again }),
            ("trail", StepOutcome::Stopped { because: vec!["archive-bucket".into()] }),
            ("guardrail", StepOutcome::CutOff),
            ("alarms", StepOutcome::NotBegun),
        ]
        .into_iter()
        .map(|(id, outcome)| plan::apply::StepResult {
            id: id.into(),
            action: plan::Action::Create,
            outcome,
        })
        .collect()
    }

    #[test]
    fn the_report_of_apply_is_as_readers_know_it() {
        let document = Emitted::new(ApplyReport::new(&steps(), &sample()));
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn the_report_of_destroy_is_as_readers_know_it() {
        let kept = Remains {
            id: "archive-bucket".into(),
            name: "acme-log-archive".to_owned(),
            why: "it holds the logs".to_owned(),
            unreadable: false,
            usd_a_month: None,
            cost: "$0.023 a GB in STANDARD".to_owned(),
        };
        let document = Emitted::new(DestroyReport::new(&sample(), &steps()[..1], &[kept]));
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }
}
