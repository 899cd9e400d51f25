use super::bucket_policy_source_arn::write_context;
use super::judge::{all_of, ensure, fail, from_observation, of_bucket, of_policy, unknown};
use super::trail_multi_region::own;
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::aws::Observation;
use crate::policy::CLOUDTRAIL;
use crate::policy::eval::{PolicyEvaluator, Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "bucket-policy-digest-safe",
    title: "the bucket policy denies neither CloudTrail's logs nor its digests",
    severity: Severity::Critical,
    why: "Digests are encrypted with the trail's key, or with SSE-S3 for older trails. A policy that denies that encryption loses the digests, and with them the proof.",
    fix: "orgtrail drift --fix, with --remove-unmanaged if an unmanaged statement is the cause",
    resources: &["archive-bucket/policy"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

const KMS: &str = "aws:kms";
const S3: &str = "AES256";
const EXPECTED: &str = "logs and digests are allowed";

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let absent = ("the bucket has no policy", "a policy that allows logs and digests");
    let verdict = from_observation(facts.observed.bucket_policy.as_ref(), absent, |policy| {
        of_policy(&policy.0, |policy| {
            let logs = if has_key(facts) { KMS } else { S3 };
            all_of([
                ensure(
                    allows(facts, policy, "CloudTrail", logs),
                    || format!("log files, which are encrypted with {logs}, are denied"),
                    EXPECTED,
                ),
                digests(facts, policy),
            ])
        })
    });
    of_bucket(facts, verdict)
}

/// Whether the trail encrypts with a key; if it is unreadable, it is configured to.
fn has_key(facts: &Facts) -> bool {
    own(facts).present().is_none_or(|trail| trail.settings.kms_key.is_some())
}

/// Digests are encrypted in one of two ways. If the policy does not allow both, the
/// encryption of the newest digest in the bucket decides.
fn digests(facts: &Facts, policy: &PolicyEvaluator) -> Verdict {
    let allows = |encryption: &str| allows(facts, policy, "CloudTrail-Digest", encryption);
    let denied: Vec<&str> = [KMS, S3].into_iter().filter(|one| !allows(one)).collect();
    let denial = |with: &str| {
        fail(format!("digests, which are encrypted with {with}, are denied"), EXPECTED)
    };
    let [only] = denied.as_slice() else {
        return ensure(
            denied.is_empty(),
            || "digests are denied, however they are encrypted".to_owned(),
            EXPECTED,
        );
    };
    match &facts.digest_encryption {
        Observation::Present(found) => {
            // The policy distinguishes `aws:kms:dsse` too.
            if allows(found) { Verdict::Pass } else { denial(found) }
        }
        Observation::Unreadable(error) => unknown(error),
        Observation::Absent if !has_key(facts) => match *only {
            S3 => denial(S3),
            _ => Verdict::Pass,
        },
        Observation::Absent => match digest_error(facts) {
            Some(error) => fail(
                format!(
                    "digests encrypted with {only} are denied, and the last delivery of one failed: {error}"
                ),
                EXPECTED,
            ),
            None => Verdict::Unknown {
                reason: format!(
                    "digests encrypted with {only} are denied, and the bucket has no digest that shows how they are encrypted"
                ),
                permission: None,
            },
        },
    }
}

fn digest_error(facts: &Facts) -> Option<String> {
    facts.home_status().ok()?.present()?.digest_error.clone()
}

/// Whether the policy lets CloudTrail write an object with this encryption.
fn allows(facts: &Facts, policy: &PolicyEvaluator, folder: &str, encryption: &str) -> bool {
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
