use super::judge::{all_of, ensure, fail, from_observation, of_key, of_policy};
use super::principals::{Permitted, unexpected};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::policy::CLOUDTRAIL;
use crate::policy::eval::{PolicyEvaluator, Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "key-policy-scope",
    title: "CloudTrail can use the key for the configured trail only, and only configured readers can decrypt",
    severity: Severity::High,
    why: "Without the trail's ARN as a condition, other trails can encrypt with the key. Every additional reader can read every log.",
    fix: "orgtrail drift --fix, with --remove-unmanaged if an unmanaged statement is the cause",
    resources: &["kms-key/policy"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

/// The actions of a configured reader.
const READS: [&str; 4] = ["kms:decrypt", "kms:describe", "kms:get", "kms:list"];

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let desired = &facts.desired;
    let absent = ("the key does not exist", "the configured key");
    let verdict = from_observation(facts.observed.key_policy.as_ref(), absent, |policy| {
        let key = &desired.config.key;
        // An administrator of the key can delete it, and every log with it.
        let declared: [Permitted<'_>; 2] =
            [(&key.readers, &READS), (&key.administrators, &["kms:"])];
        let owner = facts.observed.kms_key.present().and_then(|key| key.arn.account.as_ref());
        let owner = owner.unwrap_or_else(|| desired.archive());
        let others = unexpected(desired, &policy.0, owner, &declared);
        let people = if others.is_empty() {
            Verdict::Pass
        } else {
            fail(
                others.join("; "),
                "only CloudTrail, the owner, and the configured readers and administrators",
            )
        };
        all_of([people, of_policy(&policy.0, |policy| by_cloudtrail(facts, policy))])
    });
    of_key(facts, verdict)
}

fn by_cloudtrail(facts: &Facts, policy: &PolicyEvaluator) -> Verdict {
    let desired = &facts.desired;
    let resource = facts.observed.kms_key.present().map(|key| key.arn.to_string());
    let resource = resource.unwrap_or_default();
    let own = desired.trail_arn().to_string();
    // The trail that CloudTrail acts for, and the one in the encryption context: in a genuine
    // request they are the same.
    let may = |trail: &str, encrypted: &str, action: &str| {
        let context = [
            ("aws:SourceArn", trail),
            ("aws:SourceAccount", trail.split(':').nth(4).unwrap_or_default()),
            ("kms:EncryptionContext:aws:cloudtrail:arn", encrypted),
            ("aws:PrincipalIsAWSService", "true"),
            ("aws:PrincipalServiceName", CLOUDTRAIL),
        ];
        let principal = Principal::Service(CLOUDTRAIL);
        let request = Request { principal, action, resource: &resource, context: &context };
        policy.evaluate(&request).is_allowed()
    };
    let needed = ["kms:GenerateDataKey", "kms:DescribeKey"].map(|action| {
        ensure(
            may(&own, &own, action),
            || format!("CloudTrail cannot use {action} for the trail"),
            "CloudTrail can encrypt for the configured trail",
        )
    });
    let stranger = own.replace(desired.management().as_str(), "999999999999");
    let others = ["kms:GenerateDataKey", "kms:Decrypt"].map(|action| {
        ensure(
            !may(&stranger, &stranger, action),
            || format!("CloudTrail can use {action} for trails of other accounts"),
            "CloudTrail can use the key for the configured trail only",
        )
    });
    let context = ensure(
        !may(&own, &stranger, "kms:GenerateDataKey"),
        || {
            "CloudTrail can encrypt with the encryption context of trails of other accounts"
                .to_owned()
        },
        "the encryption context of the management account's trails",
    );
    all_of(needed.into_iter().chain(others).chain([context]))
}
