use super::bucket_policy_source_arn::write_context;
use super::judge::{all_of, ensure, fail, from_observation, of_bucket, of_policy, unknown};
use super::trail_multi_region::own;
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::aws::Seen;
use crate::policy::CLOUDTRAIL;
use crate::policy::eval::{PolicyEvaluator, Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "bucket-policy-digest-safe",
    title: "nothing in the bucket policy refuses CloudTrail's logs or digests",
    severity: Severity::Critical,
    why: "Digests come encrypted with the trail's key, or with SSE-S3 where the trail is older. A policy that refuses what they come with loses them, and with them the proof.",
    fix: "orgtrail drift --fix, with --remove-foreign where a statement of others is the cause",
    resources: &["archive-bucket/policy"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

const KMS: &str = "aws:kms";
const S3: &str = "AES256";
const EXPECTED: &str = "logs and digests are taken";

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let absent = ("there is no bucket policy", "a policy that takes logs and digests");
    let verdict = from_observation(facts.observed.bucket_policy.as_ref(), absent, |policy| {
        of_policy(&policy.0, |policy| {
            let logs = if has_key(facts) { KMS } else { S3 };
            all_of([
                ensure(
                    takes(facts, policy, "CloudTrail", logs),
                    || format!("log files, which come with {logs}, are refused"),
                    EXPECTED,
                ),
                digests(facts, policy),
            ])
        })
    });
    of_bucket(facts, verdict)
}

/// Whether the trail encrypts with a key; where it could not be seen, it is declared
/// to.
fn has_key(facts: &Facts) -> bool {
    own(facts).present().is_none_or(|trail| trail.settings.kms_key.is_some())
}

/// Digests come one way or the other. Where the policy does not take both, the newest
/// digest in the bucket tells which one matters.
fn digests(facts: &Facts, policy: &PolicyEvaluator) -> Verdict {
    let takes = |encryption: &str| takes(facts, policy, "CloudTrail-Digest", encryption);
    let refused: Vec<&str> = [KMS, S3].into_iter().filter(|one| !takes(one)).collect();
    let refusal =
        |with: &str| fail(format!("digests, which come with {with}, are refused"), EXPECTED);
    let [only] = refused.as_slice() else {
        return ensure(
            refused.is_empty(),
            || "digests are refused, whatever they come with".to_owned(),
            EXPECTED,
        );
    };
    match &facts.digest_encryption {
        Seen::Present(found) => {
            // `aws:kms:dsse` is told apart by the policy too.
            if takes(found) { Verdict::Pass } else { refusal(found) }
        }
        Seen::Unreadable(error) => unknown(error),
        Seen::Absent if !has_key(facts) => match *only {
            S3 => refusal(S3),
            _ => Verdict::Pass,
        },
        Seen::Absent => match digest_error(facts) {
            Some(error) => fail(
                format!(
                    "digests that come with {only} are refused, and the last delivery of one failed: {error}"
                ),
                EXPECTED,
            ),
            None => Verdict::Unknown {
                reason: format!(
                    "digests that come with {only} are refused, and the bucket has no digest that shows what they come with"
                ),
                permission: None,
            },
        },
    }
}

fn digest_error(facts: &Facts) -> Option<String> {
    facts.home_status().ok()?.present()?.digest_error.clone()
}

/// Whether the policy lets CloudTrail write an object that comes so encrypted.
fn takes(facts: &Facts, policy: &PolicyEvaluator, folder: &str, encryption: &str) -> bool {
    let desired = &facts.desired;
    let trail = desired.trail_arn().to_string();
    let [_, prefix] = desired.log_prefixes();
    let key = format!("{}/{prefix}{}/{folder}/x", desired.bucket(), desired.management());
    let resource = desired.s3_arn(key).to_string();
    let mut context = write_context(&trail, desired.management().as_str(), encryption).to_vec();
    let kms_key = own(facts).present().and_then(|trail| trail.settings.kms_key.clone());
    if let (true, Some(kms_key)) = (encryption != S3, &kms_key) {
        context.push(("s3:x-amz-server-side-encryption-aws-kms-key-id", kms_key.as_str()));
    }
    let request = Request {
        principal: Principal::Service(CLOUDTRAIL),
        action: "s3:PutObject",
        resource: &resource,
        context: &context,
    };
    policy.evaluate(&request).is_allowed()
}
