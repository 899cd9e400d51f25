use super::judge::{fail, from_observation, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::aws::Observation;
use crate::policy::eval::{PolicyEvaluator, Principal, Request};
use crate::resources::GuardrailScp;

pub(super) const CHECK: Check = Check {
    id: "org-root-access",
    title: "centralized root access cannot delete the archive's bucket policy",
    severity: Severity::High,
    why: "With centralized root access, an administrator of the management account deletes the bucket policy as the root user of the log-archive account (sts:AssumeRoot with S3UnlockBucketPolicy), without MFA. The `policy` mode of MFA delete depends on that policy. Object Lock still protects locked logs.",
    fix: "set `enabled = true` in [guardrail], then orgtrail apply; or turn root sessions off: aws iam disable-organizations-root-sessions",
    resources: &["guardrail"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

/// The feature that allows `sts:AssumeRoot`.
///
/// Source: IAM `ListOrganizationsFeatures`.
pub(crate) const ROOT_SESSIONS: &str = "RootSessions";

/// What the root user of a member does with the task policy `S3UnlockBucketPolicy`.
const UNLOCKS: [&str; 2] = ["s3:DeleteBucketPolicy", "s3:PutBucketPolicy"];

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let nothing = ("", "");
    let verdict = match facts.root_features.as_ref() {
        // IAM has no trusted access, so nobody assumes a root user.
        Observation::Absent => Verdict::Pass,
        features => from_observation(features, nothing, |features| {
            if features.contains(ROOT_SESSIONS) { is_denied(facts) } else { Verdict::Pass }
        }),
    };
    of_organization(verdict)
}

/// Whether the guardrail keeps the root user of the log-archive account from the policy.
/// Service control policies bind the root users of members, in sessions of
/// `sts:AssumeRoot` too.
fn is_denied(facts: &Facts) -> Verdict {
    let found = "root sessions are enabled, and no guardrail denies the archive's root user to \
                 delete the bucket policy";
    let expected = "root sessions disabled, or the guardrail attached";
    let open = || fail(found, expected);
    let desired = &facts.desired;
    if desired.archive() == desired.management() {
        // A management account has no root sessions.
        return Verdict::Pass;
    }
    let guardrail = match &facts.observed.guardrail {
        Observation::Present(guardrail) => guardrail,
        Observation::Absent => return open(),
        Observation::Unreadable(error) => return unknown(error),
    };
    let attached = GuardrailScp::targets(desired).is_subset(&guardrail.targets);
    let Some(document) = guardrail.document.as_ref().filter(|_| attached && guardrail.type_enabled)
    else {
        return open();
    };
    let Ok(policy) = PolicyEvaluator::new(document) else { return open() };
    let account = desired.archive();
    let root = format!("arn:{}:iam::{account}:root", desired.partition());
    let bucket = desired.s3_arn(desired.bucket().as_str()).to_string();
    let context = [("aws:PrincipalArn", root.as_str()), ("aws:SecureTransport", "true")];
    let denies = |action: &&str| {
        let principal = Principal::Root(account);
        policy
            .evaluate(&Request { principal, action, resource: &bucket, context: &context })
            .is_denied()
    };
    if UNLOCKS.iter().all(denies) { Verdict::Pass } else { open() }
}
