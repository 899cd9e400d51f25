use super::Framework::{Checkov, Cis, Config, Prowler, SecurityHub};
use super::judge::{ensure, from_observation, of_trail};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Check, CheckResult, Facts, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-log-validation",
    title: "log file validation is on",
    severity: Severity::Medium,
    why: "Without signed digests, an altered or deleted log file cannot be detected.",
    fix: "orgtrail drift --fix",
    resources: &["trail"],
    mappings: &[
        Cis.rule("3.2"),
        SecurityHub.rule("CloudTrail.4"),
        Config.rule("cloud-trail-log-file-validation-enabled"),
        Prowler.rule("cloudtrail_log_file_validation_enabled"),
        Checkov.rule("CKV_AWS_36"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let verdict = from_observation(own(facts), NO_TRAIL, |trail| {
        ensure(
            trail.settings.log_file_validation,
            || "log file validation is off".to_owned(),
            "log file validation on",
        )
    });
    of_trail(facts, verdict)
}
