use super::bucket_policy_source_arn::write_context;
use super::judge::{of_bucket, of_policy, of_seen, together, whether};
use super::{Answer, Check, Facts, Severity};
use crate::policy::CLOUDTRAIL;
use crate::sandbox::{Question, Says, Who};

pub(super) const CHECK: Check = Check {
    id: "bucket-policy-digest-safe",
    title: "nothing in the bucket policy refuses CloudTrail's logs or digests",
    severity: Severity::Critical,
    why: "Digests always come with SSE-S3. A policy that takes nothing but SSE-KMS loses them, and with them the proof.",
    fix: "orgtrail drift --fix, with --remove-foreign where a statement of others is the cause",
    resources: &["archive-bucket/policy"],
    mappings: &[],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let desired = &facts.desired;
    let absent = ("there is no bucket policy", "a policy that takes logs and digests");
    let verdict = of_seen(facts.observed.bucket_policy.as_ref(), absent, |policy| {
        of_policy(&policy.0, |policy| {
            let trail = desired.trail_arn().to_string();
            let [_, prefix] = desired.log_prefixes();
            let kinds = [
                ("CloudTrail-Digest", "AES256", "digests"),
                ("CloudTrail", "aws:kms", "log files"),
            ];
            together(kinds.map(|(folder, encryption, words)| {
                let key =
                    format!("{}/{prefix}{}/{folder}/x", desired.bucket(), desired.management());
                let resource = desired.s3_arn(key).to_string();
                let context = write_context(&trail, desired.management().as_str(), encryption);
                let who = Who::Service(desired.management(), CLOUDTRAIL);
                let question = Question {
                    who,
                    action: "s3:PutObject",
                    resource: &resource,
                    context: &context,
                };
                whether(
                    policy.says(&question) == Says::Allows,
                    || format!("{words}, which come with {encryption}, are refused"),
                    "logs and digests are taken",
                )
            }))
        })
    });
    of_bucket(facts, verdict)
}
