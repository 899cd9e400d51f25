use super::judge::{as_declared, of_trail, where_declared};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-tags",
    title: "the declared tags are on the trail",
    severity: Severity::Low,
    why: "Tags tell whose a resource is, and who pays for it.",
    fix: "orgtrail drift --fix",
    resources: &["trail/tags"],
    mappings: &[Mapping { framework: Framework::SecurityHub, id: "CloudTrail.9" }],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let declared = !facts.desired.config.trail.tags.is_empty();
    of_trail(facts, where_declared(declared, "trail.tags", as_declared(facts, "trail/tags")))
}
