use super::judge::{
    all_of, ensure, fail, from_observation, not_configured, of_organization, of_policy,
};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::policy::eval::{PolicyEvaluator, Principal, Request};
use crate::resources::GuardrailScp;

pub(super) const CHECK: Check = Check {
    id: "guardrail-scp",
    title: "the guardrail is attached as configured, and denies changes that would harm the trail, the bucket or the key",
    severity: Severity::High,
    why: "No administrator of a member account can do what a service control policy denies.",
    fix: "orgtrail drift --fix",
    resources: &["guardrail"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    if !facts.desired.config.guardrail.enabled {
        return of_organization(not_configured("guardrail"));
    }
    let absent = ("the policy does not exist", "the configured guardrail");
    let verdict = from_observation(facts.observed.guardrail.as_ref(), absent, |found| {
        let Some(document) = &found.document else { return fail(absent.0, absent.1) };
        let expected = GuardrailScp::targets(&facts.desired);
        let unguarded: Vec<&str> =
            expected.difference(&found.targets).map(String::as_str).collect();
        all_of([
            ensure(
                found.type_enabled,
                || "service control policies are not enabled".to_owned(),
                "service control policies enabled at the root",
            ),
            ensure(
                unguarded.is_empty(),
                || format!("it is not attached to {}", unguarded.join(", ")),
                "attached as configured",
            ),
            of_policy(document, |policy| denied(facts, policy)),
        ])
    });
    of_organization(verdict)
}

/// Whether an administrator of the log-archive account is denied all of these actions.
fn denied(facts: &Facts, policy: &PolicyEvaluator) -> Verdict {
    let desired = &facts.desired;
    let trail = desired.trail_arn().to_string();
    let bucket = desired.s3_arn(desired.bucket().as_str()).to_string();
    let objects = desired.s3_arn(format!("{}/AWSLogs/x", desired.bucket())).to_string();
    let key = facts.observed.kms_key.present().map_or_else(
        || desired.key_alias_arn().to_string().replace("alias/", "key/"),
        |key| key.arn.to_string(),
    );
    let root = format!("arn:{}:iam::{}:root", desired.partition(), desired.archive());
    let asked: [(&str, &[&str]); 6] = [
        (&root, &["sts:AssumeRoot"]),
        (
            &trail,
            &[
                "cloudtrail:StopLogging",
                "cloudtrail:DeleteTrail",
                "cloudtrail:UpdateTrail",
                "cloudtrail:PutEventSelectors",
                "cloudtrail:PutInsightSelectors",
            ],
        ),
        (
            "*",
            &[
                "cloudtrail:RegisterOrganizationDelegatedAdmin",
                "cloudtrail:DeregisterOrganizationDelegatedAdmin",
            ],
        ),
        (
            &bucket,
            &[
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:PutBucketPolicy",
                "s3:PutBucketVersioning",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:PutEncryptionConfiguration",
            ],
        ),
        (&objects, &["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]),
        (&key, &["kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]),
    ];
    let account = desired.archive();
    let arn = format!("arn:{}:iam::{account}:role/Administrator", desired.partition());
    let principal = Principal::role(account, &arn);
    let context = [
        ("aws:PrincipalArn", arn.as_str()),
        ("aws:PrincipalAccount", account.as_str()),
        ("aws:PrincipalOrgID", desired.org_id().as_str()),
        ("aws:SecureTransport", "true"),
        ("kms:ResourceAliases", desired.config.key.alias.as_str()),
    ];
    let allowed: Vec<&str> = asked
        .iter()
        .flat_map(|(resource, actions)| actions.iter().map(move |action| (*resource, *action)))
        .filter(|(resource, action)| {
            let request = Request { principal, action, resource, context: &context };
            !policy.evaluate(&request).is_denied()
        })
        .map(|(_, action)| action)
        .collect();
    ensure(
        allowed.is_empty(),
        || format!("not denied: {}", allowed.join(", ")),
        "all of these denied",
    )
}
