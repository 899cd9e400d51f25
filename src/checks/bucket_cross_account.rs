use super::Framework::{Prowler, SecurityHub};
use super::judge::{fail, from_observation, of_bucket};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::aws::Observation;

pub(super) const CHECK: Check = Check {
    id: "bucket-cross-account",
    title: "the bucket policy allows nothing to anyone except CloudTrail, the owner and the configured readers",
    severity: Severity::High,
    why: "Anyone who can read the archive sees all activity; anyone who can write or delete can forge it.",
    fix: "orgtrail plan --remove-unmanaged, then orgtrail apply --remove-unmanaged",
    resources: &["archive-bucket/policy"],
    mappings: &[SecurityHub.rule("S3.6"), Prowler.rule("s3_bucket_cross_account_access")],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let verdict = match facts.observed.bucket_policy.as_ref() {
        Observation::Absent => Verdict::Pass,
        policy => from_observation(policy, ("", ""), |policy| {
            let readers = &facts.desired.config.archive.readers;
            let owner = facts.desired.archive();
            let unexpected = super::principals::unexpected(
                &facts.desired,
                &policy.0,
                owner,
                &[(readers, &READS)],
            );
            if unexpected.is_empty() {
                return Verdict::Pass;
            }
            fail(
                unexpected.join("; "),
                "CloudTrail writes, the configured readers read, nobody else",
            )
        }),
    };
    of_bucket(facts, verdict)
}

/// The actions of a configured reader.
const READS: [&str; 2] = ["s3:get", "s3:list"];
