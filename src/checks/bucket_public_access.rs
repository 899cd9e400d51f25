use super::Framework::{Cis, Prowler, SecurityHub};
use super::judge::{all_of, fail, from_observation, matches_configuration, of_bucket};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::policy::Effect;

pub(super) const CHECK: Check = Check {
    id: "bucket-public-access",
    title: "the bucket is not public",
    severity: Severity::Critical,
    why: "Logs show who works where, and with which permissions: they are a map for an intruder.",
    fix: "orgtrail drift --fix, with --remove-unmanaged if an unmanaged statement is the cause",
    resources: &["archive-bucket", "archive-bucket/public-access", "archive-bucket/policy"],
    mappings: &[
        Cis.rule("2.1.4"),
        Cis.rule("2.1.5"),
        SecurityHub.rule("CloudTrail.6"),
        SecurityHub.rule("S3.1"),
        SecurityHub.rule("S3.2"),
        SecurityHub.rule("S3.3"),
        SecurityHub.rule("S3.8"),
        Prowler.rule("cloudtrail_logs_s3_bucket_is_not_publicly_accessible"),
        Prowler.rule("s3_bucket_level_public_access_block"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let policy = match facts.observed.bucket_policy.as_ref() {
        // Without a policy nothing is public.
        crate::aws::Observation::Absent => Verdict::Pass,
        policy => from_observation(policy, ("", ""), |policy| {
            let open: Vec<&str> = policy
                .0
                .statements
                .iter()
                .filter(|statement| statement.effect == Effect::Allow && statement.is_open())
                .map(|statement| statement.sid.as_deref().unwrap_or("a statement without a name"))
                .collect();
            if open.is_empty() {
                return Verdict::Pass;
            }
            fail(format!("open to anyone: {}", open.join(", ")), "no permission for anyone")
        }),
    };
    let parts = ["archive-bucket", "archive-bucket/public-access"];
    let parts = parts.map(|id| matches_configuration(facts, id));
    of_bucket(facts, all_of(parts.into_iter().chain([policy])))
}
