use super::judge::{as_declared, of_trail, where_declared};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

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
    let insights = &facts.desired.config.trail.insights;
    let declared = insights.call_rate || insights.error_rate;
    let verdict = as_declared(facts, "trail/insights");
    of_trail(facts, where_declared(declared, "trail.insights", verdict))
}
