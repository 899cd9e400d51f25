use super::judge::{all_of, ensure, from_observation, of_bucket, of_policy};
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::policy::CLOUDTRAIL;
use crate::policy::eval::{Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "bucket-policy-source-arn",
    title: "the bucket policy lets CloudTrail write for the configured trail only, under its two prefixes",
    severity: Severity::Critical,
    why: "Without the trail's ARN as a condition, any trail of any account can write to the archive.",
    fix: "orgtrail drift --fix, with --remove-unmanaged if an unmanaged statement is the cause",
    resources: &["archive-bucket/policy"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let desired = &facts.desired;
    let absent = ("the bucket has no policy", "a policy that lets the trail write");
    let verdict = from_observation(facts.observed.bucket_policy.as_ref(), absent, |policy| {
        of_policy(&policy.0, |policy| {
            let own = desired.trail_arn().to_string();
            let may = |trail: &str, key: &str| {
                let resource = desired.s3_arn(format!("{}/{key}", desired.bucket())).to_string();
                let account = trail.split(':').nth(4).unwrap_or_default();
                let context = write_context(trail, account, "aws:kms");
                let request = Request {
                    principal: Principal::Service(CLOUDTRAIL),
                    action: "s3:PutObject",
                    resource: &resource,
                    context: &context,
                };
                policy.evaluate(&request).is_allowed()
            };
            let [management, organization] = desired.log_prefixes();
            let region = desired.config.organization.home_region.as_str();
            let writes = [&management, &organization].map(|prefix| {
                ensure(
                    may(&own, &format!("{prefix}CloudTrail/x")),
                    || format!("the trail cannot write under {prefix}"),
                    "the trail can write under both of its prefixes",
                )
            });
            let stranger = own.replace(desired.management().as_str(), "999999999999");
            let sibling = format!(
                "arn:{}:cloudtrail:{region}:{}:trail/orgtrail-nobody",
                desired.partition(),
                desired.management()
            );
            let others = [
                (stranger, "a trail of another account"),
                (sibling, "another trail of the management account"),
            ];
            let key = format!("{organization}CloudTrail/x");
            let others = others.map(|(trail, words)| {
                ensure(
                    !may(&trail, &key),
                    || format!("{words} can write"),
                    "no other trail can write",
                )
            });
            let outside = ensure(
                !may(&own, "elsewhere/x"),
                || "the trail can write outside its prefixes".to_owned(),
                "the trail can write under its two prefixes only",
            );
            all_of(writes.into_iter().chain(others).chain([outside]))
        })
    });
    of_bucket(facts, verdict)
}

/// The condition keys of CloudTrail's writes.
pub(super) fn write_context<'a>(
    trail: &'a str,
    account: &'a str,
    encryption: &'a str,
) -> [(&'a str, &'a str); 8] {
    [
        ("aws:SourceArn", trail),
        ("aws:SourceAccount", account),
        ("aws:SecureTransport", "true"),
        ("s3:TlsVersion", "1.3"),
        ("s3:x-amz-acl", "bucket-owner-full-control"),
        ("s3:x-amz-server-side-encryption", encryption),
        ("aws:PrincipalIsAWSService", "true"),
        ("aws:PrincipalServiceName", crate::policy::CLOUDTRAIL),
    ]
}
