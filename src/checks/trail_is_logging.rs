use super::judge::{as_declared, broken, of_seen, of_trail, together};
use super::{Answer, Check, Facts, Framework, Mapping, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-is-logging",
    title: "the trail records, and its deliveries arrive",
    severity: Severity::Critical,
    why: "A stopped trail records nothing, and what happened meanwhile is never known.",
    fix: "orgtrail drift --fix",
    resources: &["trail/logging"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "CloudTrail.3" },
        Mapping { framework: Framework::Config, id: "cloudtrail-enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_251" },
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let delivery = match facts.home_status() {
        Err(reason) => super::Verdict::Unknown { reason, permission: None },
        // It is told of as stopped already, or nobody looked at the accounts.
        Ok(crate::aws::Seen::Absent) => super::Verdict::Holds,
        Ok(status) => of_seen(status, ("", ""), |status| match &status.log_error {
            Some(error) => broken(format!("the last delivery failed: {error}"), "no failure"),
            None => super::Verdict::Holds,
        }),
    };
    let logging =
        of_seen(facts.observed.trail_logging.as_ref(), super::trail_multi_region::NO_TRAIL, |_| {
            as_declared(facts, "trail/logging")
        });
    of_trail(facts, together([logging, delivery]))
}
