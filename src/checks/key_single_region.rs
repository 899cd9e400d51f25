use super::judge::{of_key, of_seen, whether};
use super::{Answer, Check, Facts, Framework, Mapping, Rule, Severity};

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

fn judge(facts: &Facts) -> Vec<Answer> {
    let absent = ("there is no key", "the declared key");
    let verdict = of_seen(facts.observed.kms_key.as_ref(), absent, |key| {
        whether(
            // Their ids, and theirs alone, begin so.
            !key.arn.resource_name().starts_with("mrk-"),
            || format!("{} is a multi-Region key", key.arn),
            "a key of one Region",
        )
    });
    of_key(facts, verdict)
}
