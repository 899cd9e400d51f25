use super::judge::{all_of, fail, from_observation, of_bucket, unknown};
use super::{Check, CheckResult, Facts, Rule, Severity, Verdict};
use crate::aws::Observation;
use crate::names::{AccountId, Arn};
use crate::org::{ControlKind, ControlPolicies, Ruling};
use crate::policy::CLOUDTRAIL;
use crate::policy::eval::{Principal, Request};

pub(super) const CHECK: Check = Check {
    id: "rcp-archive",
    title: "no resource control policy denies CloudTrail or the readers access to the archive",
    severity: Severity::High,
    why: "A resource control policy applies to everyone who uses the archive's bucket and key, CloudTrail included. If it denies deliveries, they are lost, whatever the bucket policy allows.",
    fix: "aws organizations update-policy --policy-id ID with a condition that exempts CloudTrail: aws:PrincipalIsAWSService, or aws:SourceOrgID",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

/// Condition keys that no request of an AWS service has.
const NOT_OF_A_SERVICE: [&str; 14] = [
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalTag/",
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpcArn",
    "aws:SourceVpce",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "aws:VpceOrgPaths",
    "aws:userid",
    "aws:username",
];
/// Condition keys that no request of a role on its own behalf has.
const NOT_OF_A_ROLE: [&str; 4] =
    ["aws:PrincipalServiceName", "aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID"];

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let nothing = ("", "");
    let verdict = from_observation(facts.resource_policies.as_ref(), nothing, |policies| {
        let readers = facts.desired.config.archive.readers.iter().map(|reader| {
            let arn = reader.arn(facts.desired.partition());
            let account = arn.account.clone().unwrap_or_else(|| facts.desired.archive().clone());
            (account, arn)
        });
        let own = facts.desired.own_roles.iter().cloned();
        let own = own.map(|role| (facts.desired.archive().clone(), role));
        let readers =
            own.chain(readers).map(|(account, arn)| reads(facts, policies, &account, &arn));
        all_of([delivers(facts, policies)].into_iter().chain(readers))
    });
    of_bucket(facts, verdict)
}

/// The key's ARN, or one that a policy's pattern for all keys matches.
fn key(facts: &Facts) -> String {
    facts.observed.kms_key.present().map_or_else(
        || facts.desired.key_alias_arn().to_string().replace("alias/", "key/"),
        |key| key.arn.to_string(),
    )
}

/// Whether these policies let CloudTrail deliver.
fn delivers(facts: &Facts, policies: &ControlPolicies) -> Verdict {
    let desired = &facts.desired;
    let trail = desired.trail_arn().to_string();
    let [_, prefix] = desired.log_prefixes();
    let bucket = desired.bucket();
    let object = desired.s3_arn(format!("{bucket}/{prefix}{}/CloudTrail/x", desired.management()));
    let (object, key) = (object.to_string(), key(facts));
    let bucket = desired.s3_arn(bucket.as_str()).to_string();
    let context = [
        ("aws:SourceArn", trail.as_str()),
        ("aws:SourceAccount", desired.management().as_str()),
        ("aws:SourceOrgID", desired.org_id().as_str()),
        ("aws:ResourceAccount", desired.archive().as_str()),
        ("aws:ResourceOrgID", desired.org_id().as_str()),
        ("aws:SecureTransport", "true"),
        ("s3:TlsVersion", "1.3"),
        ("s3:x-amz-acl", "bucket-owner-full-control"),
        ("aws:PrincipalIsAWSService", "true"),
        ("aws:PrincipalServiceName", CLOUDTRAIL),
        ("aws:ViaAWSService", "false"),
    ];
    let asked = [
        ("s3:GetBucketAcl", bucket.as_str()),
        ("s3:PutObject", object.as_str()),
        ("kms:GenerateDataKey", key.as_str()),
    ];
    all_of(asked.map(|(action, resource)| {
        let principal = Principal::Service(CLOUDTRAIL);
        let request = Request { principal, action, resource, context: &context };
        match policies.ruling(ControlKind::Resource, &request, &NOT_OF_A_SERVICE) {
            Ruling::Permitted => Verdict::Pass,
            Ruling::Denied(by) => fail(
                format!("CloudTrail's {action} is denied by {by}"),
                "no resource control policy denies it",
            ),
            Ruling::Unclear(by) => Verdict::Unknown {
                reason: format!("CloudTrail's {action} may be denied by {by}"),
                permission: None,
            },
        }
    }))
}

/// Whether a reader can read. Conditions on where the reader calls from are not checked.
fn reads(facts: &Facts, policies: &ControlPolicies, account: &AccountId, arn: &Arn) -> Verdict {
    let desired = &facts.desired;
    let bucket = desired.bucket();
    let objects = desired.s3_arn(format!("{bucket}/AWSLogs/x")).to_string();
    let (listing, key) = (desired.s3_arn(bucket.as_str()).to_string(), key(facts));
    let principal = arn.to_string();
    let mut context = vec![
        ("aws:PrincipalArn", principal.as_str()),
        ("aws:PrincipalAccount", account.as_str()),
        ("aws:ResourceAccount", desired.archive().as_str()),
        ("aws:ResourceOrgID", desired.org_id().as_str()),
        ("aws:SecureTransport", "true"),
        ("s3:TlsVersion", "1.3"),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:ViaAWSService", "false"),
    ];
    let mut absent = NOT_OF_A_ROLE.to_vec();
    match &facts.accounts {
        Observation::Present(accounts) if accounts.iter().all(|one| one.account != *account) => {
            absent.extend(["aws:PrincipalOrgID", "aws:PrincipalOrgPaths"]);
        }
        Observation::Present(_) => context.push(("aws:PrincipalOrgID", desired.org_id().as_str())),
        Observation::Absent => {}
        Observation::Unreadable(error) => return unknown(error),
    }
    let asked = [
        ("s3:ListBucket", listing.as_str()),
        ("s3:GetObject", objects.as_str()),
        ("kms:Decrypt", key.as_str()),
    ];
    all_of(asked.map(|(action, resource)| {
        let request = Request {
            principal: Principal::role(account, &principal),
            action,
            resource,
            context: &context,
        };
        match policies.ruling(ControlKind::Resource, &request, &absent) {
            Ruling::Permitted | Ruling::Unclear(_) => Verdict::Pass,
            Ruling::Denied(by) => fail(
                format!("{action} by {principal} is denied by {by}"),
                "no resource control policy denies it",
            ),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::table::holding;
    use crate::org::{ControlLevel, ControlPolicy};
    use crate::policy::{PolicyDocument, Statement};

    fn verdict(deny: Statement) -> Verdict {
        let mut facts = holding();
        let policy = |name: &str, statement: Statement| ControlPolicy {
            id: format!("p-{name}"),
            name: name.to_owned(),
            document: PolicyDocument::new(vec![statement]),
        };
        let all = Statement::allow("All").anyone().actions(["*"]).resources(["*"]);
        let policies = vec![policy("full", all), policy("perimeter", deny)];
        let levels = vec![ControlLevel { target: "r-abcd".to_owned(), policies }];
        facts.resource_policies = Observation::Present(ControlPolicies { levels });
        judge(&facts).remove(0).verdict
    }

    /// The data perimeter of AWS's examples.
    fn perimeter() -> Statement {
        Statement::deny("Perimeter").anyone().actions(["s3:*"]).resources(["*"]).when(
            "StringNotEqualsIfExists",
            "aws:PrincipalOrgID",
            ["o-anotherorgid"],
        )
    }

    #[test]
    fn a_perimeter_that_exempts_services_and_the_organization_passes() {
        let facts = holding();
        let own = facts.desired.org_id().to_string();
        let open = Statement::deny("Perimeter")
            .anyone()
            .actions(["s3:*", "kms:*"])
            .resources(["*"])
            .when("StringNotEqualsIfExists", "aws:PrincipalOrgID", [own])
            .when("BoolIfExists", "aws:PrincipalIsAWSService", ["false"]);
        assert_eq!(verdict(open), Verdict::Pass);
    }

    #[test]
    fn a_perimeter_without_exemptions_denies_cloudtrail() {
        let Verdict::Fail { found, .. } = verdict(perimeter()) else { panic!("not failed") };
        assert!(found.contains("CloudTrail's s3:PutObject is denied by statement Perimeter"));
        assert!(found.contains("resource control policy perimeter (p-perimeter) at r-abcd"));
    }

    #[test]
    fn conditions_that_cannot_be_evaluated_are_unknown_only_for_cloudtrail() {
        let tagged = Statement::deny("Tags")
            .anyone()
            .actions(["s3:PutObject", "s3:GetObject"])
            .resources(["*"])
            .when("StringNotEquals", "aws:ResourceTag/team", ["audit"]);
        assert!(matches!(verdict(tagged.clone()), Verdict::Unknown { .. }));
        assert_eq!(verdict(tagged.actions(["s3:GetObject"])), Verdict::Pass);
    }
}
