use super::Framework::{Cis, Prowler, SecurityHub};
use super::judge::{ensure, from_observation, of_bucket, of_policy};
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::policy::eval::{Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "bucket-tls-only",
    title: "the bucket denies requests without TLS, or with a version below the configured one",
    severity: Severity::High,
    why: "Without TLS, anyone on the network path can read and alter the data.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/policy"],
    mappings: &[
        Cis.rule("2.1.1"),
        SecurityHub.rule("S3.5"),
        Prowler.rule("s3_bucket_secure_transport_policy"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let desired = &facts.desired;
    let floor = desired.config.archive.tls_floor.as_str();
    let below = if floor == "1.3" { "1.2" } else { "1.1" };
    let absent = ("the bucket has no policy", "a policy that denies it");
    let verdict = from_observation(facts.observed.bucket_policy.as_ref(), absent, |policy| {
        of_policy(&policy.0, |policy| {
            let bucket = desired.s3_arn(desired.bucket().as_str()).to_string();
            let object = desired.s3_arn(format!("{}/AWSLogs/x", desired.bucket())).to_string();
            let arn = format!(
                "arn:{}:iam::{}:role/Administrator",
                desired.partition(),
                desired.archive()
            );
            let asked = [
                ("s3:GetObject", &object),
                ("s3:PutObject", &object),
                ("s3:DeleteObject", &object),
                ("s3:ListBucket", &bucket),
                ("s3:PutBucketPolicy", &bucket),
            ];
            let allowed: Vec<String> = [("false", "1.3", "no TLS"), ("true", below, below)]
                .iter()
                .flat_map(|kind| asked.iter().map(move |asked| (kind, asked)))
                .filter(|((tls, version, _), (action, resource))| {
                    let context = [
                        ("aws:SecureTransport", *tls),
                        ("s3:TlsVersion", *version),
                        ("aws:PrincipalArn", arn.as_str()),
                        ("aws:PrincipalAccount", desired.archive().as_str()),
                        ("aws:PrincipalIsAWSService", "false"),
                        ("aws:MultiFactorAuthPresent", "true"),
                    ];
                    let principal = Principal::role(desired.archive(), &arn);
                    let request = Request { principal, action, resource, context: &context };
                    !policy.evaluate(&request).is_denied()
                })
                .map(|((_, _, word), (action, _))| match *word {
                    "no TLS" => format!("{action} without TLS"),
                    version => format!("{action} with TLS {version}"),
                })
                .collect();
            ensure(
                allowed.is_empty(),
                || format!("not denied: {}", allowed.join(", ")),
                format!("everything below TLS {floor} denied"),
            )
        })
    });
    of_bucket(facts, verdict)
}
