use super::judge::{fail, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Severity};
use super::{Scope, Verdict};
use crate::aws::Seen;

pub(super) const CHECK: Check = Check {
    id: "org-delivery-freshness",
    title: "the newest digest of every account and Region is younger than declared",
    severity: Severity::Critical,
    why: "A trail can say that it records while nothing arrives. A digest comes every hour, also where nothing happened; a Region from which nothing ever came is no cause for alarm while digests arrive from the account's others.",
    fix: "aws cloudtrail get-trail-status --name ARN --region REGION tells what the last delivery met; most often the bucket's or the key's policy: orgtrail drift --fix",
    resources: &["archive-bucket/policy", "kms-key/policy"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let accounts = match &facts.accounts {
        Seen::Present(accounts) => accounts,
        Seen::Absent => return Vec::new(),
        Seen::Unreadable(error) => return of_organization(unknown(error)),
    };
    let hours = facts.desired.config.drift.freshness_hours;
    let mut results = Vec::new();
    for account in accounts {
        let Ok(inside) = &account.inside else { continue };
        for (region, status) in &inside.regions {
            let verdict = match status {
                // Where the trail is not, coverage tells it.
                Seen::Absent => continue,
                Seen::Unreadable(error) => unknown(error),
                Seen::Present(status) => {
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
