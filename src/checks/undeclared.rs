use std::collections::BTreeMap;

use super::judge::{all_of, fail, not_configured, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, Verdict};
use crate::resources::{Location, Undeclared, location, undeclared, unreadable};

pub(super) const CHECK: Check = Check {
    id: "undeclared",
    title: "nothing is active that the configuration has turned off",
    severity: Severity::Medium,
    why: "orgtrail compares nothing with what the configuration does not contain, so changes to it go unnoticed.",
    fix: "add it to the configuration and run orgtrail plan, or remove it with the AWS CLI: aws s3api, aws organizations or aws cloudwatch",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let (desired, observed) = (&facts.desired, &facts.observed);
    let home = Some(desired.home_location());
    let scope = |id: &str| match location(desired, id) {
        Some(Location { region: None, .. }) => Scope::Organization,
        // One account and Region may have both the trail and the archive.
        found if found == home && !id.starts_with("archive-bucket/") => Scope::Region {
            account: desired.management().clone(),
            region: desired.home_region().clone(),
        },
        Some(Location { account, region: Some(region) }) if id.starts_with("athena-") => {
            Scope::Region { account, region }
        }
        _ => Scope::Bucket { bucket: desired.bucket().clone() },
    };
    let mut live: BTreeMap<Scope, Vec<Undeclared>> = BTreeMap::new();
    for one in undeclared(desired, observed) {
        live.entry(scope(&one.id)).or_default().push(one);
    }
    let mut unread: BTreeMap<Scope, Vec<Verdict>> = BTreeMap::new();
    for (id, error) in unreadable(desired, observed) {
        live.entry(scope(id)).or_default();
        unread.entry(scope(id)).or_default().push(unknown(error));
    }
    if live.is_empty() {
        return of_organization(Verdict::Pass);
    }
    let results = live.into_iter().map(|(scope, live)| {
        let unread = unread.remove(&scope).unwrap_or_default();
        CheckResult { scope, verdict: verdict(&live, unread) }
    });
    results.collect()
}

/// Fails if orgtrail created a part of it, even if other parts are unmanaged.
fn verdict(live: &[Undeclared], unread: Vec<Verdict>) -> Verdict {
    let described = |one: &Undeclared| format!("{}: {} ({})", one.id, one.what, one.key);
    let all = live.iter().map(described).collect::<Vec<_>>().join("; ");
    if live.iter().any(|one| one.turned_off) {
        let verdict = fail(all, "nothing, because the configuration does not contain it");
        return all_of([verdict].into_iter().chain(unread));
    }
    match all_of(unread) {
        Verdict::Pass => not_configured(&format!("what is active: {all}")),
        open => open,
    }
}
