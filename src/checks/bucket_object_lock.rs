use super::Framework::{Prowler, SecurityHub};
use super::judge::{ensure, from_observation, not_configured, of_bucket};
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::resources::bucket::ObjectLock;

pub(super) const CHECK: Check = Check {
    id: "bucket-object-lock",
    title: "new objects are locked at least as configured",
    severity: Severity::High,
    why: "Nobody can delete a locked version before its retention ends.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/object-lock"],
    mappings: &[SecurityHub.rule("S3.15"), Prowler.rule("s3_bucket_object_lock")],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let Some(expected) = ObjectLock::declared(&facts.desired.config.archive.object_lock) else {
        return of_bucket(facts, not_configured("archive.object_lock"));
    };
    let words = |lock: &ObjectLock| match (&lock.mode, lock.days) {
        (Some(mode), Some(days)) => format!("{mode} for {days} days"),
        _ => "no default retention".to_owned(),
    };
    let absent = ("Object Lock is off", "Object Lock as configured");
    let verdict = from_observation(facts.observed.object_lock.as_ref(), absent, |found| {
        ensure(
            !found.is_weaker_than(&expected),
            || words(found),
            format!("at least {}", words(&expected)),
        )
    });
    of_bucket(facts, verdict)
}
