use super::judge::{ensure, fail, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Severity};
use super::{Scope, Verdict};
use crate::aws::Seen;

pub(super) const CHECK: Check = Check {
    id: "org-coverage",
    title: "the trail is there and records in every active account and enabled Region",
    severity: Severity::Critical,
    why: "An account or Region without the trail is where nothing is recorded.",
    fix: "orgtrail coverage, then find out why CloudTrail did not make the trail there: organization features, a closed Region, an account that has just joined",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let accounts = match &facts.accounts {
        Seen::Present(accounts) => accounts,
        Seen::Absent => return Vec::new(),
        Seen::Unreadable(error) => return of_organization(unknown(error)),
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
                Seen::Present(status) => ensure(
                    status.is_logging,
                    || "the trail is there, but stopped".to_owned(),
                    "a trail that records",
                ),
                Seen::Absent => {
                    fail("the trail is not there", facts.desired.trail_arn().to_string())
                }
                Seen::Unreadable(error) => unknown(error),
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
