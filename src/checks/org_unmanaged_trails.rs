use super::facts::AccountFacts;
use super::judge::{fail, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, Verdict};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "org-unmanaged-trails",
    title: "no account has a trail other than the configured one",
    severity: Severity::Medium,
    why: "Trails that are not configured cost money, and scatter logs over buckets that nothing guards.",
    fix: "orgtrail consolidate, then orgtrail retire ARN",
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
    let seen = accounts.iter().filter_map(|account| {
        let trails = account.inside.as_ref().ok()?.other_trails.present()?;
        let verdict = match trails.as_slice() {
            [] => Verdict::Pass,
            trails => {
                let arns: Vec<String> = trails.iter().map(|trail| trail.arn.to_string()).collect();
                fail(arns.join(", "), "no trail other than the organization trail")
            }
        };
        Some(CheckResult { scope: Scope::Account { account: account.account.clone() }, verdict })
    });
    seen.chain(unread(accounts)).collect()
}

/// The accounts whose trails could not be listed.
pub(super) fn unread(accounts: &[AccountFacts]) -> impl Iterator<Item = CheckResult> + '_ {
    accounts.iter().filter_map(|account| {
        let error = account.inside.as_ref().ok()?.other_trails.unreadable()?;
        let scope = Scope::Account { account: account.account.clone() };
        Some(CheckResult { scope, verdict: unknown(error) })
    })
}
