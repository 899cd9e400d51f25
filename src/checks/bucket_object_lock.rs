use super::judge::{not_declared, of_bucket, of_seen, whether};
use super::{Answer, Check, Facts, Framework, Mapping, Rule, Severity};
use crate::resources::bucket::ObjectLock;

pub(super) const CHECK: Check = Check {
    id: "bucket-object-lock",
    title: "new objects are locked at least as declared",
    severity: Severity::High,
    why: "A locked version cannot be deleted before its time, whoever asks.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/object-lock"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.15" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_object_lock" },
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let Some(wanted) = ObjectLock::declared(&facts.desired.config.archive.object_lock) else {
        return of_bucket(facts, not_declared("archive.object_lock"));
    };
    let words = |lock: &ObjectLock| match (&lock.mode, lock.days) {
        (Some(mode), Some(days)) => format!("{mode} for {days} days"),
        _ => "no default retention".to_owned(),
    };
    let absent = ("Object Lock is off", "Object Lock as declared");
    let verdict = of_seen(facts.observed.object_lock.as_ref(), absent, |found| {
        whether(
            !found.is_weaker_than(&wanted),
            || words(found),
            format!("at least {}", words(&wanted)),
        )
    });
    of_bucket(facts, verdict)
}
