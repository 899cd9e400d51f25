use super::judge::{as_declared, of_bucket};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-versioning",
    title: "old versions of objects are kept",
    severity: Severity::High,
    why: "What is overwritten or deleted stays as an older version.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/versioning"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.14" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_object_versioning" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_21" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_bucket(facts, as_declared(facts, "archive-bucket/versioning"))
}
