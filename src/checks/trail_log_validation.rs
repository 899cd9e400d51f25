use super::judge::{ensure, from_observation, of_trail};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Check, CheckResult, Facts, Framework, Mapping, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-log-validation",
    title: "log file validation is on",
    severity: Severity::Medium,
    why: "Without signed digests, an altered or deleted log file cannot be detected.",
    fix: "orgtrail drift --fix",
    resources: &["trail"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.2" },
        Mapping { framework: Framework::SecurityHub, id: "CloudTrail.4" },
        Mapping { framework: Framework::Config, id: "cloud-trail-log-file-validation-enabled" },
        Mapping { framework: Framework::Prowler, id: "cloudtrail_log_file_validation_enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_36" },
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
