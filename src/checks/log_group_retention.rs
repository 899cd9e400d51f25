use super::Framework::{Config, Prowler, SecurityHub};
use super::judge::{ensure, from_observation, of_log_group};
use super::{Check, CheckResult, Facts, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "log-group-retention",
    title: "the log group keeps events at least as long as configured",
    severity: Severity::Medium,
    why: "Recent events are searched in the log group before the archive is needed.",
    fix: "orgtrail drift --fix",
    resources: &["log-group"],
    mappings: &[
        SecurityHub.rule("CloudWatch.16"),
        Config.rule("cw-loggroup-retention-period-check"),
        Prowler.rule("cloudwatch_log_group_retention_policy_specific_days_enabled"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let declared = &facts.desired.config.cloudwatch_logs;
    if declared.keep_forever {
        let kept = super::judge::matches_configuration(facts, "log-group");
        return of_log_group(facts, kept);
    }
    let expected = declared.retention_days;
    let absent = ("the log group does not exist", "a log group that keeps its events");
    let verdict = from_observation(facts.observed.log_group.as_ref(), absent, |group| {
        ensure(
            group.retention_days.is_none_or(|found| found >= expected),
            || format!("events are kept for {} days", group.retention_days.unwrap_or_default()),
            format!("events kept for at least {expected} days"),
        )
    });
    of_log_group(facts, verdict)
}
