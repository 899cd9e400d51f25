use super::Framework::Prowler;
use super::judge::{ensure, from_observation, of_key};
use super::{Check, CheckResult, Facts, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "key-single-region",
    title: "the key is a single-Region key",
    severity: Severity::Low,
    why: "A multi-Region key can be replicated to a Region where it has another policy.",
    fix: "aws kms create-key creates a new one, because a multi-Region key cannot be converted. Then set key.alias",
    resources: &[],
    mappings: &[Prowler.rule("kms_cmk_not_multi_region")],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let absent = ("the key does not exist", "the configured key");
    let verdict = from_observation(facts.observed.kms_key.as_ref(), absent, |key| {
        ensure(
            // Only ids of multi-Region keys have this prefix.
            !key.arn.resource_name().starts_with("mrk-"),
            || format!("{} is a multi-Region key", key.arn),
            "a single-Region key",
        )
    });
    of_key(facts, verdict)
}
