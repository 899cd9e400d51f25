use super::judge::{fail, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, Verdict};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "trail-duplicates",
    title: "no other trail records the same management events",
    severity: Severity::Medium,
    why: "The first copy of management events is free. Each further copy costs $2.00 per 100,000 events, in every account that records it.",
    fix: "orgtrail consolidate, then orgtrail retire ARN; for a trail that must stay, aws cloudtrail stop-logging --name ARN",
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
    for inside in accounts.iter().filter_map(|account| account.inside.as_ref().ok()) {
        for trail in inside.other_trails.present().into_iter().flatten() {
            let verdict = match (&trail.is_logging, &trail.selectors) {
                (Observation::Unreadable(error), _) | (_, Observation::Unreadable(error)) => {
                    unknown(error)
                }
                (Observation::Present(true), Observation::Present(selectors))
                    if !selectors.management_kinds().is_empty() =>
                {
                    fail(
                        "it also records the management events of the organization trail, for $2.00 per 100,000",
                        "no second copy",
                    )
                }
                _ => Verdict::Pass,
            };
            results
                .push(CheckResult { scope: Scope::Resource { arn: trail.arn.clone() }, verdict });
        }
    }
    results.extend(super::org_unmanaged_trails::unread(accounts));
    if results.is_empty() {
        return of_organization(Verdict::Pass);
    }
    results
}
