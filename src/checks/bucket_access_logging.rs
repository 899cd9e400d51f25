use super::judge::{as_declared, of_bucket, together, where_declared};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-access-logging",
    title: "who reads and writes the archive is itself recorded",
    severity: Severity::Medium,
    why: "S3 access logs tell who read the logs.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/access-logging", "access-log-bucket"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.4" },
        Mapping { framework: Framework::SecurityHub, id: "CloudTrail.7" },
        Mapping { framework: Framework::SecurityHub, id: "S3.9" },
        Mapping {
            framework: Framework::Prowler,
            id: "cloudtrail_logs_s3_bucket_access_logging_enabled",
        },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let parts =
        ["archive-bucket/access-logging", "access-log-bucket"].map(|id| as_declared(facts, id));
    let declared = facts.desired.config.archive.access_logging.enabled;
    of_bucket(facts, where_declared(declared, "archive.access_logging", together(parts)))
}
