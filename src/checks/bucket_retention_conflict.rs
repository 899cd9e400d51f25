use super::judge::{all_of, ensure, fail, of_bucket, unknown};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::aws::Observation;
use crate::names::prefix_folder;
use crate::resources::bucket;

pub(super) const CHECK: Check = Check {
    id: "bucket-retention-conflict",
    title: "lifecycle rules, Object Lock and MFA delete do not contradict each other",
    severity: Severity::High,
    why: "An unmanaged rule that expires logs early, or a lock that is longer than every rule, makes the actual retention differ from the configured one.",
    fix: "orgtrail plan --remove-unmanaged, then orgtrail apply --remove-unmanaged",
    resources: &["archive-bucket/lifecycle", "archive-bucket/object-lock"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let (observed, archive) = (&facts.observed, &facts.desired.config.archive);
    let rules: Vec<_> = match &observed.lifecycle {
        Observation::Unreadable(error) => return of_bucket(facts, unknown(error)),
        Observation::Absent => Vec::new(),
        Observation::Present(found) => {
            found.rules.iter().filter(|(_, rule)| rule.enabled).collect()
        }
    };
    // Rules for other folders do not expire logs.
    let of_logs: Vec<_> = rules.iter().filter(|(_, rule)| applies_to_logs(facts, rule)).collect();
    let ends: Vec<(&str, i64)> = of_logs
        .iter()
        .filter_map(|(id, rule)| Some((id.as_str(), i64::from(rule.expiration_days?))))
        .collect();
    let declared = i64::from(archive.retention_days);
    let early: Vec<Verdict> = ends
        .iter()
        .filter(|(_, days)| *days < declared)
        .map(|(id, days)| {
            let found = format!("the rule `{id}` expires logs after {days} days");
            fail(found, format!("logs kept for {declared} days"))
        })
        .collect();
    // A log that is deleted or overwritten is kept as a noncurrent version for this time.
    let noncurrent = i64::from(archive.lifecycle.noncurrent_days);
    let versions = of_logs.iter().filter_map(|(id, rule)| {
        let days = i64::from(rule.noncurrent_days?);
        let found =
            format!("the rule `{id}` expires noncurrent versions of logs after {days} days");
        let expected = format!("noncurrent versions kept for {noncurrent} days");
        (days < noncurrent).then(|| fail(found, expected))
    });
    // From that day on, such a rule also expires what was delivered a day before.
    let dated = of_logs.iter().filter_map(|(id, rule)| {
        let found = format!(
            "the rule `{id}` expires logs of any age on {}",
            rule.expiration_date.as_ref()?
        );
        Some(fail(found, format!("logs kept for {declared} days")))
    });
    let mfa = match &observed.versioning {
        Observation::Unreadable(error) => unknown(error),
        Observation::Present(versioning) => ensure(
            !versioning.mfa_delete || rules.is_empty(),
            || {
                "MFA delete and lifecycle rules are both on, and S3 does not run the rules then"
                    .to_owned()
            },
            "only one of the two",
        ),
        Observation::Absent => Verdict::Pass,
    };
    let lock = match &observed.object_lock {
        Observation::Unreadable(error) => unknown(error),
        Observation::Present(lock) => {
            let locked = i64::from(lock.days.unwrap_or_default());
            let shortest = ends.iter().map(|(_, days)| *days).min();
            ensure(
                shortest.is_none_or(|days| locked <= days),
                || {
                    format!(
                        "objects are locked for {locked} days, longer than the rule that expires them"
                    )
                },
                format!("a lock of {declared} days or less"),
            )
        }
        Observation::Absent => Verdict::Pass,
    };
    of_bucket(facts, all_of(early.into_iter().chain(versions).chain(dated).chain([mfa, lock])))
}

/// Whether a rule can apply to logs, digests or run records: always if it filters by more
/// than a prefix.
fn applies_to_logs(facts: &Facts, rule: &bucket::Rule) -> bool {
    if rule.has_conditions {
        return true;
    }
    let filter = rule.filter.as_str();
    let prefix = prefix_folder(facts.desired.config.archive.prefix.as_ref());
    ["AWSLogs/", "orgtrail/"].iter().any(|folder| {
        let folder = format!("{prefix}{folder}");
        folder.starts_with(filter) || filter.starts_with(folder.as_str())
    })
}
