use super::Framework::{Prowler, SecurityHub};
use super::judge::{fail, from_observation, of_key};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::policy::Effect;

pub(super) const CHECK: Check = Check {
    id: "key-not-public",
    title: "the key policy allows nothing to everyone without a condition",
    severity: Severity::Critical,
    why: "A key that anyone can use protects nothing.",
    fix: "orgtrail drift --fix, with --remove-unmanaged if an unmanaged statement is the cause",
    resources: &["kms-key/policy"],
    mappings: &[SecurityHub.rule("KMS.5"), Prowler.rule("kms_key_not_publicly_accessible")],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let absent = ("the key does not exist", "the configured key");
    let verdict = from_observation(facts.observed.key_policy.as_ref(), absent, |policy| {
        let open: Vec<&str> = policy
            .0
            .statements
            .iter()
            .filter(|statement| statement.effect == Effect::Allow && statement.is_open())
            .map(|statement| statement.sid.as_deref().unwrap_or("a statement without a name"))
            .collect();
        if open.is_empty() {
            return Verdict::Pass;
        }
        fail(format!("open to anyone: {}", open.join(", ")), "no permission for anyone")
    });
    of_key(facts, verdict)
}
