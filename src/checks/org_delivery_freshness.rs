use super::judge::{fail, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, Verdict};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "org-delivery-freshness",
    title: "the newest digest of every account and Region is younger than configured",
    severity: Severity::Critical,
    why: "A trail can report that it is logging while nothing arrives. CloudTrail delivers a digest every hour, even without events. A Region from which no digest ever arrived passes if digests arrive from other Regions of the account.",
    fix: "aws cloudtrail get-trail-status --name ARN --region REGION shows the error of the last delivery. The cause is usually the policy of the bucket or the key: orgtrail drift --fix",
    resources: &["archive-bucket/policy", "kms-key/policy"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let accounts = match &facts.accounts {
        Observation::Present(accounts) => accounts,
        Observation::Absent => return Vec::new(),
        Observation::Unreadable(error) => return of_organization(unknown(error)),
    };
    let hours = facts.desired.config.drift.freshness_hours;
    let mut results = Vec::new();
    for account in accounts {
        let Ok(inside) = &account.inside else { continue };
        for (region, status) in &inside.regions {
            let verdict = match status {
                // `org-coverage` reports a missing trail.
                Observation::Absent => continue,
                Observation::Unreadable(error) => unknown(error),
                Observation::Present(status) => {
                    match (status.staleness(facts.at, facts.freshness()), status.unread()) {
                        (None, _) => Verdict::Pass,
                        (Some(_), Some(error)) => unknown(error),
                        (Some(found), None) => {
                            fail(found, format!("a digest of the last {hours} hours"))
                        }
                    }
                }
            };
            let scope = Scope::Region { account: account.account.clone(), region: region.clone() };
            results.push(CheckResult { scope, verdict });
        }
    }
    results
}
