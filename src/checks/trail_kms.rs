use super::judge::{broken, of_seen, of_trail, unknown};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Answer, Check, Facts, Framework, Mapping, Rule, Severity};
use crate::aws::Seen;
use crate::resources::is_key;

pub(super) const CHECK: Check = Check {
    id: "trail-kms",
    title: "the trail encrypts with the declared key",
    severity: Severity::Medium,
    why: "With a key of its own, reading the logs needs a grant besides the bucket's, and each decryption is itself recorded.",
    fix: "orgtrail drift --fix",
    resources: &["trail"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.5" },
        Mapping { framework: Framework::SecurityHub, id: "CloudTrail.2" },
        Mapping { framework: Framework::Config, id: "cloud-trail-encryption-enabled" },
        Mapping { framework: Framework::Prowler, id: "cloudtrail_kms_encryption_enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_35" },
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let wanted = format!("the key behind {}", facts.desired.config.key.alias);
    let verdict = of_seen(own(facts), NO_TRAIL, |trail| {
        let Some(named) = &trail.settings.kms_key else {
            return broken("it encrypts with no key of its own", wanted);
        };
        match &facts.observed.kms_key {
            Seen::Unreadable(error) => unknown(error),
            Seen::Present(key) if is_key(named, key, &facts.desired.key_alias_arn()) => {
                super::Verdict::Holds
            }
            Seen::Present(_) | Seen::Absent => broken(format!("it encrypts with {named}"), wanted),
        }
    });
    of_trail(facts, verdict)
}
