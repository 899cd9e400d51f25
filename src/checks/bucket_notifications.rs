use super::judge::{as_declared, of_bucket, where_declared};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "bucket-notifications",
    title: "the declared targets hear of the archive's objects",
    severity: Severity::Low,
    why: "Who waits for new logs hears of them by these notifications.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/notifications"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.11" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_event_notifications_enabled" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let declared = !facts.desired.config.archive.notifications.is_empty();
    let verdict = as_declared(facts, "archive-bucket/notifications");
    of_bucket(facts, where_declared(declared, "archive.notifications", verdict))
}
