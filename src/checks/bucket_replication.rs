use super::judge::{as_declared, of_bucket, together, where_declared};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-replication",
    title: "the archive replicates as declared",
    severity: Severity::Low,
    why: "A copy in another account outlives the loss of this one.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/replication", "replication-role", "vault"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.7" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_cross_region_replication" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let parts = ["archive-bucket/replication", "replication-role", "vault"]
        .map(|id| as_declared(facts, id));
    let declared = facts.desired.config.archive.replication.is_some();
    of_bucket(facts, where_declared(declared, "archive.replication", together(parts)))
}
