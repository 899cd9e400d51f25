use super::judge::{as_declared, of_trail};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

/// Insights are recorded as declared.
pub(super) const CHECK: Check = Check {
    id: "trail-insights",
    title: "Insights are recorded as declared",
    severity: Severity::Low,
    why: "Insights point at rates of calls and errors that are not usual, which nobody sees in single events.",
    fix: "orgtrail drift --fix",
    resources: &["trail/insights"],
    mappings: &[Mapping { framework: Framework::Prowler, id: "cloudtrail_insights_exist" }],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_trail(facts, as_declared(facts, "trail/insights"))
}
