use super::judge::{fail, not_configured, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, Verdict};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "org-new-accounts",
    title: "accounts that joined since the baseline are covered",
    severity: Severity::High,
    why: "CloudTrail creates the trail in a new account by itself, but sometimes it does not.",
    fix: "orgtrail coverage. CloudTrail creates the trail within a day after an account joins; if it does not, contact AWS Support",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    // Without an earlier run, no account is known to be new.
    let Some(earlier) = &facts.earlier else {
        return of_organization(not_configured("--baseline"));
    };
    let accounts = match &facts.accounts {
        Observation::Present(accounts) => accounts,
        Observation::Absent => return Vec::new(),
        Observation::Unreadable(error) => return of_organization(unknown(error)),
    };
    let new = accounts.iter().filter(|account| !earlier.contains(&account.account));
    let results: Vec<CheckResult> = new
        .filter_map(|account| {
            let inside = account.inside.as_ref().ok()?;
            let unread = inside.regions.values().find_map(Observation::unreadable);
            let unread = unread.or(inside.regions_unread.as_ref());
            let uncovered: Vec<&str> = inside
                .regions
                .iter()
                .filter(|(_, status)| match status {
                    Observation::Present(status) => !status.is_logging,
                    Observation::Absent => true,
                    Observation::Unreadable(_) => false,
                })
                .map(|(region, _)| region.as_str())
                .collect();
            let verdict = match (uncovered.is_empty(), unread) {
                (false, _) => fail(
                    format!("joined, and the trail is not logging in {}", uncovered.join(", ")),
                    "the trail in every Region of the new account",
                ),
                (true, Some(error)) => unknown(error),
                (true, None) => Verdict::Pass,
            };
            Some(CheckResult {
                scope: Scope::Account { account: account.account.clone() },
                verdict,
            })
        })
        .collect();
    if results.is_empty() { of_organization(Verdict::Pass) } else { results }
}
