use jiff::SignedDuration;

use super::Framework::{Checkov, Config, Prowler, SecurityHub};
use super::judge::{
    all_of, ensure, fail, from_observation, matches_configuration, not_configured, of_trail,
};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "trail-cloudwatch-logs",
    title: "the trail delivers to the configured log group, and did so within the last 24 hours",
    severity: Severity::Low,
    why: "Alarms read the log group: if deliveries stop, no alarm is raised.",
    fix: "orgtrail drift --fix",
    resources: &["trail", "log-group", "log-group/role"],
    mappings: &[
        SecurityHub.rule("CloudTrail.5"),
        Config.rule("cloud-trail-cloud-watch-logs-enabled"),
        Prowler.rule("cloudtrail_cloudwatch_logging_enabled"),
        Checkov.rule("CKV2_AWS_10"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    if !facts.desired.config.cloudwatch_logs.enabled {
        return of_trail(facts, not_configured("cloudwatch_logs"));
    }
    let expected = facts.desired.log_group_arn();
    let set = from_observation(own(facts), NO_TRAIL, |trail| {
        let found = trail.settings.log_group.as_deref();
        let is_same =
            found.is_some_and(|group| group.trim_end_matches(":*") == expected.to_string());
        all_of([
            ensure(
                is_same,
                || format!("the log group is {}", found.unwrap_or("none")),
                format!("the log group {expected}"),
            ),
            ensure(
                trail.settings.log_group_role.is_some(),
                || "it has no role for writing to the log group".to_owned(),
                facts.desired.log_group_role_arn().to_string(),
            ),
        ])
    });
    let delivered = match facts.home_status() {
        Err(reason) => super::Verdict::Unknown { reason, permission: None },
        Ok(Observation::Absent) => super::Verdict::Pass,
        Ok(status) => from_observation(status, NO_TRAIL, |status| {
            let day = SignedDuration::from_hours(24);
            let is_recent = |time: jiff::Timestamp| facts.at.duration_since(time) <= day;
            if let Some(error) = &status.event_error {
                return fail(format!("the last delivery failed: {error}"), "a successful delivery");
            }
            // A trail that was just started has not delivered yet.
            let is_fresh = status.newest_event.or(status.started).is_some_and(is_recent)
                || status.started.is_some_and(is_recent);
            ensure(
                is_fresh,
                || match status.newest_event {
                    Some(time) => format!("the newest delivery was at {time}"),
                    None => "nothing was delivered yet".to_owned(),
                },
                "a delivery within 24 hours",
            )
        }),
    };
    let parts = ["log-group", "log-group/role"].map(|id| matches_configuration(facts, id));
    of_trail(facts, all_of([set, delivered].into_iter().chain(parts)))
}
