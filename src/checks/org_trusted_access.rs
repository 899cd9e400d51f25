use super::judge::{as_declared, of_organization, together};
use super::{Answer, Check, Facts, Severity};

pub(super) const CHECK: Check = Check {
    id: "org-trusted-access",
    title: "CloudTrail has trusted access and its service-linked role",
    severity: Severity::Critical,
    why: "Without trusted access the organization trail silently shrinks to one account.",
    fix: "orgtrail drift --fix",
    resources: &["trusted-access", "service-linked-role"],
    mappings: &[],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let parts = ["trusted-access", "service-linked-role"].map(|id| as_declared(facts, id));
    of_organization(together(parts))
}
