//! The report of `orgtrail bootstrap`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::apply::{KeptResource, StepResult};
use super::plan::Plan;
use crate::names::AccountId;
use crate::plan;
use crate::plan::destroy::Remains;
use crate::resources::landing_zone::{self, LandingZone, ObservedZone, Reading, accounts_of_wave};

/// The plan or the result of `orgtrail bootstrap`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// What the command did.
    pub mode: Mode,
    /// The steps that were due, in the order in which they ended; empty where nothing was to be
    /// carried out.
    pub steps: Vec<StepResult>,
    /// What is planned, or after `--apply` and `--destroy`, left to do.
    pub plan: Plan,
    /// The roles, and which accounts have them.
    pub roles: Vec<RoleDeployment>,
    /// What `--destroy` keeps; empty in the other modes.
    pub kept: Vec<KeptResource>,
}

/// What the command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It showed what `--apply` would do.
    Plan,
    /// It created the landing zone.
    Apply,
    /// It showed what `--destroy` would delete.
    DestroyPlan,
    /// It deleted the roles that orgtrail created.
    Destroy,
}

/// A role, and what creates it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RoleDeployment {
    /// The id of its first step.
    pub id: String,
    /// The name of the role.
    pub role: String,
    /// The name of the stack or stack set.
    pub stack: String,
    /// Whether a stack set creates it.
    pub stack_set: bool,
    /// How many accounts have it as this version of orgtrail declares it; null if it could not
    /// be read.
    pub current_accounts: Option<usize>,
    /// How many accounts should have it; null if the accounts could not be read.
    pub wanted_accounts: Option<usize>,
    /// Why accounts do not have it, the most frequent cause first.
    pub causes: Vec<FailureCause>,
}

/// Why accounts do not have a role.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FailureCause {
    /// The cause.
    pub cause: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The accounts.
    pub accounts: BTreeSet<AccountId>,
}

impl From<landing_zone::Cause> for FailureCause {
    fn from(cause: landing_zone::Cause) -> Self {
        Self { cause: cause.what, hint: cause.hint, accounts: cause.accounts }
    }
}

impl Report {
    /// The report of a plan, and of the steps that were carried out.
    #[must_use]
    pub fn new(
        mode: Mode,
        plan: &plan::Plan,
        steps: &[plan::apply::StepResult],
        kept: &[Remains],
    ) -> Self {
        Self {
            mode,
            steps: steps.iter().map(StepResult::from).collect(),
            plan: plan.into(),
            roles: Vec::new(),
            kept: kept.iter().map(KeptResource::from).collect(),
        }
    }
}

/// The roles of a landing zone, as they were read.
#[must_use]
pub fn roles(zone: &LandingZone, observed: &ObservedZone) -> Vec<RoleDeployment> {
    let tree = observed.accounts.present();
    let deployments = zone.deployments.iter().filter_map(|deployment| {
        let reading = observed.roles.get(deployment.id.as_ref())?;
        let (current, wanted, causes) = match reading {
            Reading::Stack(stack, _) => {
                let complete =
                    |status: &str| ["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status);
                let current =
                    stack.as_ref().into_result().ok().map(|found| {
                        usize::from(found.is_some_and(|found| complete(&found.status)))
                    });
                (current, Some(1), Vec::new())
            }
            Reading::StackSet(set) => {
                let last = deployment.waves().last();
                let accounts = last.zip(tree).map(|(wave, tree)| accounts_of_wave(wave, tree));
                let wanted = accounts.as_ref().map(BTreeSet::len);
                let accounts = accounts.unwrap_or_default();
                match set.as_ref().into_result() {
                    Ok(Some(found)) => {
                        let current = accounts.len() - found.pending(&accounts).len();
                        (Some(current), wanted, found.causes(&accounts))
                    }
                    Ok(None) => (Some(0), wanted, Vec::new()),
                    Err(_) => (None, wanted, Vec::new()),
                }
            }
        };
        Some(RoleDeployment {
            id: deployment.id.to_string(),
            role: deployment.role.name.as_ref().map(ToString::to_string).unwrap_or_default(),
            stack: deployment.name.clone(),
            stack_set: !deployment.waves().is_empty(),
            current_accounts: current,
            wanted_accounts: wanted,
            causes: causes.into_iter().map(FailureCause::from).collect(),
        })
    });
    deployments.collect()
}

#[cfg(test)]
mod tests {
    use super::super::Emitted;
    use super::super::plan::tests::sample;
    use super::*;

    #[test]
    fn the_report_is_as_readers_know_it() {
        let step = plan::apply::StepResult {
            id: "role/member/organization".into(),
            action: plan::Action::Create,
            outcome: plan::apply::StepOutcome::Failed {
                error: "1 account does not have the role".to_owned(),
                hint: Some("rename the role".to_owned()),
            },
        };
        let mut report = Report::new(Mode::Apply, &sample(), &[step], &[]);
        report.roles = vec![RoleDeployment {
            id: "role/member".to_owned(),
            role: "OrgTrailMember".to_owned(),
            stack: "orgtrail-member".to_owned(),
            stack_set: true,
            current_accounts: Some(41),
            wanted_accounts: Some(42),
            causes: vec![FailureCause {
                cause: "a role of this name exists".to_owned(),
                hint: Some("rename the role".to_owned()),
                accounts: ["333333333333".parse().unwrap()].into(),
            }],
        }];
        let document = Emitted::new(report);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }
}
