//! The reports of `orgtrail apply` and `orgtrail destroy`.

use schemars::JsonSchema;
use serde::Serialize;

use super::mirror;
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

mirror! {
    /// The result of a step.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct StepResult from plan::apply::StepResult {
        /// The id of the resource.
        id: String => into,
        /// What the step does.
        action: Action => into,
        /// What became of it.
        outcome: Outcome => into,
    }
}

mirror! {
    /// What became of a step.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    #[serde(tag = "status", rename_all = "snake_case")]
    enum Outcome from plan::apply::StepOutcome {
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
            because_of: Vec<String> => each,
        },
        /// The command was stopped during the step, which may be done in part.
        Interrupted,
        /// The command was stopped before the step.
        NotStarted,
    }
}

mirror! {
    /// A resource that `orgtrail destroy` keeps.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct KeptResource from Remains {
        /// The id of the resource.
        id: String => into,
        /// Its name.
        name: String,
        /// Why it is kept.
        why: String,
        /// The command that removes it anyway; null if orgtrail names no such command.
        undo: Option<String>,
        /// Whether it could not be read, so that it may not exist.
        unreadable: bool,
        /// What it costs, where that does not depend on its size.
        usd_per_month: Option<f64> = usd_a_month,
        /// What its cost depends on.
        cost: String,
    }
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
            ("trail", StepOutcome::Skipped { because_of: vec!["archive-bucket".into()] }),
            ("guardrail", StepOutcome::Interrupted),
            ("alarms", StepOutcome::NotStarted),
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
            undo: None,
            unreadable: false,
            usd_a_month: None,
            cost: "$0.023 a GB in STANDARD".to_owned(),
        };
        let document = Emitted::new(DestroyReport::new(&sample(), &steps()[..1], &[kept]));
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }
}
