use std::collections::BTreeSet;

use super::judge::{by_scope, matches_configuration, of_organization};
use super::{CATALOGUE, Check, CheckResult, Facts, Finding, Rule, Scope, Severity, Verdict};
use crate::plan::{Action, plan};

/// The id of the check for changes that no other check reports.
pub const PLAN_EMPTY: &str = "plan-empty";

pub(super) const CHECK: Check = Check {
    id: PLAN_EMPTY,
    title: "the plan has no other changes",
    severity: Severity::Medium,
    why: "The plan also covers resources that no other check covers.",
    fix: "orgtrail drift --fix",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    judge_without(facts, &[])
}

/// The same without the steps that fix findings of other checks.
pub(super) fn judge_without(facts: &Facts, others: &[Finding]) -> Vec<CheckResult> {
    let reported = Reported::of(others);
    let plan = plan(&facts.desired, &facts.observed);
    let open = plan.steps.iter().filter(|step| step.action != Action::Nothing);
    let results = open.filter_map(|step| {
        let scope = match &step.region {
            Some(region) => Scope::Region { account: step.account.clone(), region: region.clone() },
            None => Scope::Account { account: step.account.clone() },
        };
        let verdict = match matches_configuration(facts, &step.id) {
            Verdict::Fail { .. } if reported.failed.contains(&*step.id) => return None,
            Verdict::Unknown { .. } if reported.open.contains(&*step.id) => return None,
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

/// The managed resources of findings of other checks, without suppressed ones.
struct Reported {
    failed: BTreeSet<&'static str>,
    /// Failed or unknown.
    open: BTreeSet<&'static str>,
}

impl Reported {
    fn of(findings: &[Finding]) -> Self {
        let resources = |keep: fn(&Finding) -> bool| {
            let checks: BTreeSet<&str> =
                findings.iter().filter(|one| keep(one)).map(|one| one.check.as_str()).collect();
            let of_findings = CATALOGUE.iter().filter(|check| checks.contains(check.id));
            of_findings.flat_map(|check| check.resources).copied().collect()
        };
        Self { failed: resources(Finding::counts), open: resources(Finding::is_open) }
    }
}
