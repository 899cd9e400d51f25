use std::collections::BTreeSet;

use super::judge::{by_scope, matches_configuration, of_organization};
use super::{CATALOGUE, Scope, Verdict};
use super::{Check, CheckResult, Facts, Finding, Rule, Severity};
use crate::plan::{Action, plan};

/// The id of the check that tells what no other does.
pub const PLAN_EMPTY: &str = "plan-empty";

pub(super) const CHECK: Check = Check {
    id: PLAN_EMPTY,
    title: "nothing else is to be done",
    severity: Severity::Medium,
    why: "What orgtrail would change is not as declared, also where no other check speaks of it.",
    fix: "orgtrail drift --fix",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    judge_beside(facts, &[])
}

/// The same beside the findings of other checks: a step that mends what one of
/// them tells is not told twice.
pub(super) fn judge_beside(facts: &Facts, others: &[Finding]) -> Vec<CheckResult> {
    let told = Told::of(others);
    let plan = plan(&facts.desired, &facts.observed);
    let open = plan.steps.iter().filter(|step| step.action != Action::Nothing);
    let results = open.filter_map(|step| {
        let scope = match &step.region {
            Some(region) => Scope::Region { account: step.account.clone(), region: region.clone() },
            None => Scope::Account { account: step.account.clone() },
        };
        let verdict = match matches_configuration(facts, &step.id) {
            Verdict::Fail { .. } if told.broken.contains(&*step.id) => return None,
            Verdict::Unknown { .. } if told.open.contains(&*step.id) => return None,
            Verdict::Fail { found, expected } => Verdict::Fail {
                found: format!("{}: {found}", step.id),
                expected: format!("{}: {expected}", step.id),
            },
            other => other,
        };
        verdict.is_open().then_some(CheckResult { scope, verdict })
    });
    let results = by_scope(results);
    if results.is_empty() { of_organization(Verdict::Pass) } else { results }
}

/// The managed resources that other checks tell of. What is suppressed tells
/// nothing.
struct Told {
    broken: BTreeSet<&'static str>,
    /// Broken or unknown.
    open: BTreeSet<&'static str>,
}

impl Told {
    fn of(findings: &[Finding]) -> Self {
        let resources = |keep: fn(&Finding) -> bool| {
            let checks: BTreeSet<&str> =
                findings.iter().filter(|one| keep(one)).map(|one| one.check.as_str()).collect();
            let told = CATALOGUE.iter().filter(|check| checks.contains(check.id));
            told.flat_map(|check| check.resources).copied().collect()
        };
        Self { broken: resources(Finding::counts), open: resources(Finding::is_open) }
    }
}
