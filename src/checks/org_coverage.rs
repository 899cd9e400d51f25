use super::judge::{ensure, fail, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, Verdict};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "org-coverage",
    title: "the trail exists and is logging in every active account and enabled Region",
    severity: Severity::Critical,
    why: "Nothing is recorded in an account or Region without the trail.",
    fix: "orgtrail coverage, then find out why CloudTrail did not create the trail there: organization features not enabled, a Region denied by policy, an account that has just joined",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let accounts = match &facts.accounts {
        Observation::Present(accounts) => accounts,
        Observation::Absent => return Vec::new(),
        Observation::Unreadable(error) => return of_organization(unknown(error)),
    };
    let mut results = Vec::new();
    for account in accounts {
        let Ok(inside) = &account.inside else { continue };
        if let Some(error) = &inside.regions_unread {
            let scope = Scope::Account { account: account.account.clone() };
            results.push(CheckResult { scope, verdict: unknown(error) });
        }
        for (region, status) in &inside.regions {
            let verdict = match status {
                Observation::Present(status) => ensure(
                    status.is_logging,
                    || "the trail exists, but is stopped".to_owned(),
                    "a trail that is logging",
                ),
                Observation::Absent => {
                    fail("the trail does not exist", facts.desired.trail_arn().to_string())
                }
                Observation::Unreadable(error) => unknown(error),
            };
            let scope = Scope::Region { account: account.account.clone(), region: region.clone() };
            results.push(CheckResult { scope, verdict });
        }
    }
    if results.is_empty() {
        return of_organization(Verdict::Pass);
    }
    results
}
