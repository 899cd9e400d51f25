use super::Framework::{Cis, Prowler, SecurityHub};
use super::judge::{
    all_of, ensure, from_observation, matches_configuration, not_configured, of_bucket, of_policy,
};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::config::MfaDelete;
use crate::policy::eval::{PolicyEvaluator, Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "bucket-mfa-delete",
    title: "deleting a version requires a second factor, as configured",
    severity: Severity::Medium,
    why: "A stolen session alone is not enough to delete a log.",
    fix: "orgtrail drift --fix; for S3's MFA delete, the root user runs orgtrail mfa-delete enable",
    resources: &["archive-bucket/mfa-delete", "archive-bucket/policy", "vault/mfa-delete"],
    mappings: &[
        Cis.rule("2.1.2"),
        SecurityHub.rule("S3.20"),
        Prowler.rule("cloudtrail_bucket_requires_mfa_delete"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let verdict = match facts.desired.config.archive.mfa_delete {
        MfaDelete::Off => not_configured("archive.mfa_delete"),
        MfaDelete::Root => matches_configuration(facts, "archive-bucket/mfa-delete"),
        MfaDelete::Vault => all_of(
            ["vault/mfa-delete", "archive-bucket/replication"]
                .map(|id| matches_configuration(facts, id)),
        ),
        MfaDelete::Policy => from_observation(
            facts.observed.bucket_policy.as_ref(),
            ("the bucket has no policy", "a policy that requires a second factor"),
            |policy| of_policy(&policy.0, |policy| guarded(facts, policy)),
        ),
    };
    of_bucket(facts, verdict)
}

/// Whether an administrator without a recent second factor is denied.
fn guarded(facts: &Facts, policy: &PolicyEvaluator) -> Verdict {
    let desired = &facts.desired;
    let account = desired.archive();
    let arn = format!("arn:{}:iam::{account}:role/Administrator", desired.partition());
    let bucket = desired.s3_arn(desired.bucket().as_str()).to_string();
    let object = desired.s3_arn(format!("{}/AWSLogs/x", desired.bucket())).to_string();
    let old = (u64::from(desired.config.archive.mfa_max_age_seconds) + 1).to_string();
    let asked = [
        ("s3:DeleteObjectVersion", &object),
        ("s3:BypassGovernanceRetention", &object),
        ("s3:DeleteBucket", &bucket),
        ("s3:DeleteBucketPolicy", &bucket),
        ("s3:PutBucketPolicy", &bucket),
        ("s3:PutBucketVersioning", &bucket),
        ("s3:PutBucketObjectLockConfiguration", &bucket),
        ("s3:PutLifecycleConfiguration", &bucket),
        ("s3:PutEncryptionConfiguration", &bucket),
    ];
    let factors: [&[(&str, &str)]; 2] = [
        &[("aws:MultiFactorAuthPresent", "false")],
        &[("aws:MultiFactorAuthPresent", "true"), ("aws:MultiFactorAuthAge", &old)],
    ];
    let allowed: Vec<String> = factors
        .iter()
        .zip(["without a second factor", "with an old second factor"])
        .flat_map(|(factor, words)| asked.iter().map(move |asked| (factor, words, asked)))
        .filter(|(factor, _, (action, resource))| {
            let mut context = vec![
                ("aws:PrincipalArn", arn.as_str()),
                ("aws:PrincipalAccount", account.as_str()),
                ("aws:SecureTransport", "true"),
                ("s3:TlsVersion", "1.3"),
            ];
            context.extend(factor.iter());
            let principal = Principal::role(account, &arn);
            let request = Request { principal, action, resource, context: &context };
            !policy.evaluate(&request).is_denied()
        })
        .map(|(_, words, (action, _))| format!("{action} {words}"))
        .collect();
    ensure(
        allowed.is_empty(),
        || format!("not denied: {}", allowed.join(", ")),
        "denied without a recent second factor",
    )
}
