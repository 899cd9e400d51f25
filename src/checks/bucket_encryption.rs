use super::judge::{as_declared, of_bucket};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-encryption",
    title: "the bucket encrypts with the declared key by default",
    severity: Severity::High,
    why: "Who can read the bucket can read no log without the key.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/encryption"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.17" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_kms_encryption" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_145" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_bucket(facts, as_declared(facts, "archive-bucket/encryption"))
}
