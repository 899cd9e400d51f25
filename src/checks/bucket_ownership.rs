use super::judge::{as_declared, of_bucket};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-ownership",
    title: "the bucket's owner owns every object, and access control lists are off",
    severity: Severity::Medium,
    why: "With access control lists, who writes an object can keep it from the bucket's owner.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/ownership"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.12" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_acl_prohibited" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_bucket(facts, as_declared(facts, "archive-bucket/ownership"))
}
