use super::Framework::{Checkov, Config, Prowler};
use super::judge::{ensure, from_observation, if_configured, of_log_group};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    id: "log-group-encrypted",
    title: "the log group's events are encrypted with a KMS key",
    severity: Severity::Medium,
    why: "With a KMS key, only principals that may decrypt with it can read the events. The default key of CloudWatch Logs restricts nobody.",
    fix: "orgtrail drift --fix, with cloudwatch_logs.kms_key in the configuration",
    resources: &["log-group"],
    mappings: &[
        Config.rule("cloudwatch-log-group-encrypted"),
        Prowler.rule("cloudwatch_log_group_kms_encryption_enabled"),
        Checkov.rule("CKV_AWS_158"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let declared = &facts.desired.config.cloudwatch_logs;
    let absent = ("the log group does not exist", "a log group encrypted with a KMS key");
    let verdict = from_observation(facts.observed.log_group.as_ref(), absent, |group| {
        let (Some(expected), found) = (&declared.kms_key, &group.kms_key) else {
            return Verdict::Pass;
        };
        ensure(
            found.as_ref() == Some(&expected.to_string()),
            || match found {
                Some(found) => format!("encrypted with {found}"),
                None => "encrypted with the default key of CloudWatch Logs".to_owned(),
            },
            format!("encrypted with {expected}"),
        )
    });
    let has_key = facts.observed.log_group.present().is_some_and(|it| it.kms_key.is_some());
    let verdict =
        if_configured(has_key || declared.kms_key.is_some(), "cloudwatch_logs.kms_key", verdict);
    of_log_group(facts, verdict)
}
