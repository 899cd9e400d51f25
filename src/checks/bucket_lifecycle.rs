use super::judge::{as_declared, of_bucket};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-lifecycle",
    title: "logs move and end as declared",
    severity: Severity::Medium,
    why: "Logs that never end cost more each year; logs that end too soon are missing when they are asked for.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/lifecycle"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.10" },
        Mapping { framework: Framework::SecurityHub, id: "S3.13" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_lifecycle_enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV2_AWS_61" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_bucket(facts, as_declared(facts, "archive-bucket/lifecycle"))
}
