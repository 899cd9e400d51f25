use super::judge::{as_declared, of_organization};
use super::{Answer, Check, Facts, Severity};

pub(super) const CHECK: Check = Check {
    id: "org-delegated-admins",
    title: "exactly the declared accounts administer the organization's trails",
    severity: Severity::High,
    why: "A delegated administrator can stop and delete the trail like the management account.",
    fix: "orgtrail drift --fix",
    resources: &["delegated-administrators"],
    mappings: &[],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_organization(as_declared(facts, "delegated-administrators"))
}
