use super::Framework::{Checkov, Config, SecurityHub};
use super::judge::{all_of, fail, from_observation, matches_configuration, of_trail};
use super::{Check, CheckResult, Facts, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-is-logging",
    title: "the trail is logging, and its deliveries succeed",
    severity: Severity::Critical,
    why: "A stopped trail records nothing, and events of that time cannot be recovered.",
    fix: "orgtrail drift --fix",
    resources: &["trail/logging"],
    mappings: &[
        SecurityHub.rule("CloudTrail.3"),
        Config.rule("cloudtrail-enabled"),
        Checkov.rule("CKV_AWS_251"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let delivery = match facts.home_status() {
        Err(reason) => super::Verdict::Unknown { reason, permission: None },
        // Another finding reports it, or the accounts were not read.
        Ok(crate::aws::Observation::Absent) => super::Verdict::Pass,
        Ok(status) => from_observation(status, ("", ""), |status| match &status.log_error {
            Some(error) => {
                fail(format!("the last delivery failed: {error}"), "a successful delivery")
            }
            None => super::Verdict::Pass,
        }),
    };
    let logging = from_observation(
        facts.observed.trail_logging.as_ref(),
        super::trail_multi_region::NO_TRAIL,
        |_| matches_configuration(facts, "trail/logging"),
    );
    of_trail(facts, all_of([logging, delivery]))
}
