use super::judge::{ensure, from_observation, of_key};
use super::{Check, CheckResult, Facts, Framework, Mapping, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "key-single-region",
    title: "the key lies in one Region alone",
    severity: Severity::Low,
    why: "A multi-Region key can be replicated to where its policy is another.",
    fix: "aws kms create-key makes another; a key cannot be made single-Region. Then set key.alias",
    resources: &[],
    mappings: &[Mapping { framework: Framework::Prowler, id: "kms_cmk_not_multi_region" }],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let absent = ("there is no key", "the declared key");
    let verdict = from_observation(facts.observed.kms_key.as_ref(), absent, |key| {
        ensure(
            // Their ids, and theirs alone, begin so.
            !key.arn.resource_name().starts_with("mrk-"),
            || format!("{} is a multi-Region key", key.arn),
            "a key of one Region",
        )
    });
    of_key(facts, verdict)
}
