use super::Framework::{Checkov, Cis, Config, Prowler, SecurityHub};
use super::judge::{fail, from_observation, of_trail, unknown};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::aws::Observation;
use crate::resources::is_key;

pub(super) const CHECK: Check = Check {
    id: "trail-kms",
    title: "the trail encrypts logs with the configured key",
    severity: Severity::Medium,
    why: "With a KMS key, reading the logs needs permission for the key in addition to the bucket, and every decryption is recorded.",
    fix: "orgtrail drift --fix",
    resources: &["trail"],
    mappings: &[
        Cis.rule("3.5"),
        SecurityHub.rule("CloudTrail.2"),
        Config.rule("cloud-trail-encryption-enabled"),
        Prowler.rule("cloudtrail_kms_encryption_enabled"),
        Checkov.rule("CKV_AWS_35"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let expected = format!("the key behind {}", facts.desired.config.key.alias);
    let verdict = from_observation(own(facts), NO_TRAIL, |trail| {
        let Some(named) = &trail.settings.kms_key else {
            return fail("it encrypts without a KMS key", expected);
        };
        match &facts.observed.kms_key {
            Observation::Unreadable(error) => unknown(error),
            Observation::Present(key) if is_key(named, key, &facts.desired.key_alias_arn()) => {
                super::Verdict::Pass
            }
            Observation::Present(_) | Observation::Absent => {
                fail(format!("it encrypts with {named}"), expected)
            }
        }
    });
    of_trail(facts, verdict)
}
