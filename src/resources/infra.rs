//! The roles that orgtrail works with, as files to hand to IAM and
//! CloudFormation: generated from what the code really calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::catalogue::CATALOGUE;
use super::{Duty, organization};
use crate::org::{ControlPolicies, IDENTITY_ACTIONS};
use crate::plan::{destroy, retire};

/// What orgtrail reads in a member account: which Regions it has, whether the
/// trail is there, and what its older trails are, besides their logs.
const MEMBER: &[&str] = &[
    "account:ListRegions",
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetInsightSelectors",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:ListPublicKeys",
    "cloudtrail:ListTrails",
    "cloudtrail:LookupEvents",
];

/// What reading the logs of an account's older trails needs, and their restore.
const OLDER_LOGS: &[&str] = &[
    "kms:Decrypt",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:ListAllMyBuckets",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:RestoreObject",
];

/// What consolidation, verification and checks do in the log-archive account
/// besides what its resources need.
const ARCHIVE: &[&str] = &[
    "account:ListRegions",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:ListTrails",
    "cloudtrail:LookupEvents",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:ListBucketVersions",
    "s3:PutObject",
    "s3:PutObjectTagging",
];

/// What the hub needs to find and enter the accounts.
const HUB: &[&str] = &[
    "account:ListRegions",
    "cloudtrail:ListPublicKeys",
    "cloudtrail:ListTrails",
    "cloudtrail:LookupEvents",
    "organizations:DescribeOrganizationalUnit",
    "organizations:ListAccounts",
    "organizations:ListAccountsForParent",
    "organizations:ListChildren",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListParents",
    // Whose a bucket is that an older trail writes to.
    "s3:ListAllMyBuckets",
];

/// Every file of `infra/`: its path there and its content.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    [
        ("policies/archive.json", policy(archive())),
        ("policies/hub.json", policy(hub())),
        ("policies/member.json", policy(member())),
        ("roles/archive.json", template(ARCHIVE_ROLE, ARCHIVE_ABOUT, archive())),
        ("roles/hub.json", template("OrgTrailHub", HUB_ABOUT, hub())),
        ("roles/member.json", template(MEMBER_ROLE, MEMBER_ABOUT, member())),
    ]
    .map(|(path, value)| (path, format!("{value:#}\n")))
    .into()
}

const ARCHIVE_ABOUT: &str = "orgtrail's role in the log-archive account, and in the vault's";
const HUB_ABOUT: &str =
    "orgtrail's role in the management account, from which it enters the other accounts";
const MEMBER_ABOUT: &str = "orgtrail's role in every other account: it reads, restores archived logs of older trails, and ends such trails; made for a service-managed StackSet";

/// The role of a member account, as its template names it.
const MEMBER_ROLE: &str = "OrgTrailMember";
/// The role of the log-archive account, as its template names it.
const ARCHIVE_ROLE: &str = "OrgTrailArchive";

/// The IAM actions that write a role or hand it on: each duty does so for one role,
/// which is named.
const OF_ONE_ROLE: &[&str] = &["iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"];

/// A name that the configuration declares: a parameter of the template, and its
/// default in the plain policy.
struct Name {
    parameter: &'static str,
    default: &'static str,
    about: &'static str,
}

/// The names of roles that statements are about.
const NAMES: &[Name] = &[
    Name {
        parameter: "MemberRoleName",
        default: MEMBER_ROLE,
        about: "Name of the role in member accounts, as in [roles]",
    },
    Name {
        parameter: "MemberRolePath",
        default: "/",
        about: "Path of the role in member accounts, as in [roles]",
    },
    Name {
        parameter: "ArchiveRoleName",
        default: ARCHIVE_ROLE,
        about: "Name of the role in the log-archive account and the vault's, as in [roles]",
    },
    Name {
        parameter: "ArchiveRolePath",
        default: "/",
        about: "Path of the role in the log-archive account and the vault's, as in [roles]",
    },
    Name {
        parameter: "LogGroupRoleName",
        default: "orgtrail-cloudwatch-logs",
        about: "Name of CloudTrail's role, as in [cloudwatch_logs]",
    },
    Name {
        parameter: "ReplicationRoleName",
        default: "orgtrail-replication",
        about: "Name of S3's role, as in [archive.replication]",
    },
];

/// The IAM actions that a duty's role needs.
#[must_use]
pub(crate) fn actions(duty: Duty) -> BTreeSet<&'static str> {
    let resources = CATALOGUE.iter().filter(|entry| entry.duty == duty);
    let mut actions: BTreeSet<&str> =
        resources.flat_map(|entry| entry.actions.iter().copied()).collect();
    match duty {
        Duty::Hub => {
            actions.extend(HUB);
            actions.extend(organization::ACTIONS);
            actions.extend(IDENTITY_ACTIONS);
            actions.extend(ControlPolicies::ACTIONS);
            actions.extend(destroy::ACTIONS);
        }
        Duty::Archive => actions.extend(ARCHIVE),
    }
    actions
}

fn archive() -> Vec<Value> {
    let mut actions = actions(Duty::Archive);
    // It has older trails too, or buckets that those of other accounts write to.
    actions.extend(MEMBER.iter().chain(OLDER_LOGS));
    let mut statements = statements(actions, Some("ReplicationRoleName"));
    statements.push(retire_trails());
    statements
}

fn hub() -> Vec<Value> {
    let mut statements = statements(actions(Duty::Hub), Some("LogGroupRoleName"));
    statements.push(json!({
        "Sid": "OlderLogs",
        "Effect": "Allow",
        "Action": OLDER_LOGS,
        "Resource": "*",
        "Condition": { "StringEquals": { "aws:ResourceAccount": "${aws:PrincipalAccount}" } },
    }));
    statements.push(retire_trails());
    statements.push(json!({
        "Sid": "EnterAccounts",
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Resource": [
            "arn:${AWS::Partition}:iam::*:role${MemberRolePath}${MemberRoleName}",
            "arn:${AWS::Partition}:iam::*:role${ArchiveRolePath}${ArchiveRoleName}",
        ],
        "Condition": { "StringEquals": { "aws:ResourceOrgID": "${aws:PrincipalOrgID}" } },
    }));
    statements
}

fn member() -> Vec<Value> {
    let mut statements = statements(MEMBER.iter().chain(OLDER_LOGS).copied().collect(), None);
    statements.push(retire_trails());
    statements
}

/// Each account's older trails belong to it, and are ended with its own role.
/// The organization's belongs to the management account.
fn retire_trails() -> Value {
    json!({
        "Sid": "RetireTrails",
        "Effect": "Allow",
        "Action": retire::ACTIONS,
        "Resource": "*",
        "Condition": { "StringEquals": { "aws:ResourceAccount": "${aws:PrincipalAccount}" } },
    })
}

/// One statement for each service, and statements of their own for what writes a role
/// or hands it on: `role` is the parameter that names it.
fn statements(actions: BTreeSet<&'static str>, role: Option<&str>) -> Vec<Value> {
    let service = |action: &str| action.split(':').next().unwrap_or_default().to_owned();
    let services: BTreeSet<String> = actions.iter().map(|action| service(action)).collect();
    let own_role = role
        .map(|role| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/${{{role}}}"));
    let mut narrowed = vec!["iam:CreateServiceLinkedRole", "iam:PassRole"];
    narrowed.extend(OF_ONE_ROLE);
    let mut statements: Vec<Value> = services
        .into_iter()
        .map(|name| {
            let actions: Vec<&str> = actions
                .iter()
                .copied()
                .filter(|action| service(action) == name && !narrowed.contains(action))
                .collect();
            (name, actions)
        })
        .filter(|(_, actions)| !actions.is_empty())
        .map(|(name, actions)| {
            let sid = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
            json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*" })
        })
        .collect();
    let writes: Vec<&str> =
        OF_ONE_ROLE.iter().copied().filter(|action| actions.contains(action)).collect();
    if let Some(role) = own_role.as_ref().filter(|_| !writes.is_empty()) {
        statements.push(json!({
            "Sid": "OwnRole",
            "Effect": "Allow",
            "Action": writes,
            "Resource": role,
        }));
    }
    if let Some(role) = own_role.filter(|_| actions.contains("iam:PassRole")) {
        statements.push(json!({
            "Sid": "PassRoles",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": role,
            "Condition": {
                "StringEquals": {
                    "iam:PassedToService": ["cloudtrail.amazonaws.com", "s3.amazonaws.com"],
                },
            },
        }));
    }
    if actions.contains("iam:CreateServiceLinkedRole") {
        statements.push(json!({
            "Sid": "ServiceLinkedRoles",
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": "*",
            "Condition": {
                "StringLike": {
                    "iam:AWSServiceName": ["cloudtrail.amazonaws.com", "*.cloudtrail.amazonaws.com"],
                },
            },
        }));
    }
    statements
}

/// A policy without parameters: each name is its default, and the account any.
fn policy(mut statements: Vec<Value>) -> Value {
    of_resources(&mut statements, |resource| {
        let resource = resource.replace("${AWS::Partition}", "*").replace("${AWS::AccountId}", "*");
        let named = |text: String, name: &Name| {
            text.replace(&format!("${{{}}}", name.parameter), name.default)
        };
        NAMES.iter().fold(resource, named).into()
    });
    document(&statements)
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Replaces every resource of statements.
fn of_resources(statements: &mut [Value], replace: impl Fn(&str) -> Value) {
    for statement in statements {
        let resource = &mut statement["Resource"];
        match resource {
            Value::Array(all) => {
                for one in all {
                    *one = one.as_str().map_or(Value::Null, &replace);
                }
            }
            one => *one = one.as_str().map_or(Value::Null, &replace),
        }
    }
}

fn template(role: &str, about: &str, mut statements: Vec<Value>) -> Value {
    let text = Value::from(statements.clone()).to_string();
    let mut parameters = json!({
        "TrustedPrincipalArn": {
            "Type": "String",
            "Description": "ARN of the role or user that may assume this role",
            "AllowedPattern": "^arn:[a-z-]+:iam::[0-9]{12}:(root|(role|user)/.+)$",
        },
        "RoleName": { "Type": "String", "Default": role, "Description": "As in [roles]" },
        "RolePath": { "Type": "String", "Default": "/", "Description": "As in [roles]" },
        "ExternalId": {
            "Type": "String",
            "Default": "",
            "Description": "As in [roles]; empty for none",
        },
    });
    for name in NAMES.iter().filter(|it| text.contains(&format!("${{{}}}", it.parameter))) {
        parameters[name.parameter] = json!({
            "Type": "String",
            "Default": name.default,
            "Description": name.about,
            // No pattern of names.
            "AllowedPattern": if name.default == "/" { "^/([!-)+->@-~]+/)?$" } else { "^[A-Za-z0-9+=,.@_-]{1,64}$" },
        });
    }
    of_resources(&mut statements, |resource| {
        if resource.contains("${") { json!({ "Fn::Sub": resource }) } else { resource.into() }
    });
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": about,
        "Parameters": parameters,
        "Conditions": {
            "HasExternalId": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "ExternalId" }, ""] }] },
        },
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": { "Ref": "RoleName" },
                    "Path": { "Ref": "RolePath" },
                    "Description": about,
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{
                            "Effect": "Allow",
                            "Principal": { "AWS": { "Ref": "TrustedPrincipalArn" } },
                            "Action": "sts:AssumeRole",
                            "Condition": {
                                "Fn::If": [
                                    "HasExternalId",
                                    { "StringEquals": { "sts:ExternalId": { "Ref": "ExternalId" } } },
                                    { "Ref": "AWS::NoValue" },
                                ],
                            },
                        }],
                    },
                    "Policies": [{ "PolicyName": "orgtrail", "PolicyDocument": document(&statements) }],
                },
            },
        },
        "Outputs": {
            "RoleArn": {
                "Description": "ARN of the role",
                "Value": { "Fn::GetAtt": ["Role", "Arn"] },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The actions that a source file's calls name.
    fn called(source: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for marker in [".at(", ": &str = \""] {
            for (at, _) in source.match_indices(marker) {
                let rest = &source[at + marker.len() - usize::from(marker.ends_with('"'))..];
                let Some(text) = rest.get(..120.min(rest.len())).and_then(|t| t.split('"').nth(1))
                else {
                    continue;
                };
                let mut parts = text.splitn(2, ':');
                let (service, operation) = (parts.next().unwrap(), parts.next().unwrap_or(""));
                if !service.is_empty()
                    && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                    && operation.starts_with(|c: char| c.is_ascii_uppercase())
                    && operation.bytes().all(|b| b.is_ascii_alphanumeric())
                {
                    found.insert(text.to_owned());
                }
            }
        }
        found
    }

    #[test]
    fn every_call_is_of_a_declared_action() {
        let declared: BTreeSet<&str> = actions(Duty::Hub)
            .union(&actions(Duty::Archive))
            .copied()
            .chain(retire::ACTIONS.iter().copied())
            .chain(MEMBER.iter().copied())
            .chain(OLDER_LOGS.iter().copied())
            // The hub's own statement, and what nobody needs a permission for.
            .chain(["sts:AssumeRole", "sts:GetCallerIdentity"])
            // The statement on the one MAC key of whoever runs orgtrail, which is written by
            // hand (`docs/config.md`): the key is optional, and no role of an account uses it.
            .chain(["kms:GenerateMac", "kms:VerifyMac"])
            .collect();
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        // The demo and the sandbox call as others would: not by these roles.
        let besides = [source.join("cli/demo"), source.join("sandbox")];
        let mut folders = vec![source];
        let mut calls = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.extend((!besides.contains(&path)).then_some(path));
                    continue;
                }
                for action in called(&std::fs::read_to_string(&path).unwrap()) {
                    calls += 1;
                    assert!(
                        declared.contains(action.as_str()),
                        "{} calls {action}, which no role declares",
                        path.display()
                    );
                }
            }
        }
        assert!(calls > 100, "only {calls} calls were found");
    }

    #[test]
    fn the_files_in_infra_are_those_that_are_generated() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("infra");
        for (path, wanted) in files() {
            let path = folder.join(path);
            // `ORGTRAIL_BLESS=1 cargo test infra` writes them anew.
            if option_env!("ORGTRAIL_BLESS").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &wanted).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(found == wanted, "{} is not what is generated", path.display());
        }
    }

    #[test]
    fn a_scheduled_round_may_read_all_that_drift_looks_at_and_write_nothing() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/schedule/ecs.yaml");
        let template = std::fs::read_to_string(path).unwrap();
        let (_, role) = template.split_once("\n  TaskRole:\n").unwrap();
        let (role, _) = role.split_once("\n  Task:\n").unwrap();
        let lines = role.lines().map(|line| line.trim().trim_start_matches("- "));
        let listed: BTreeSet<&str> = lines.filter(|line| line.contains(':')).collect();
        let reads = |action: &str| {
            let (_, operation) = action.split_once(':').unwrap_or_default();
            ["Get", "List", "Describe", "Lookup"].iter().any(|verb| operation.starts_with(verb))
        };
        let wanted: BTreeSet<&str> = actions(Duty::Hub)
            .into_iter()
            .chain(OLDER_LOGS.iter().copied())
            .filter(|action| reads(action) || *action == "kms:Decrypt")
            .collect();
        let missing: Vec<_> = wanted.difference(&listed).collect();
        assert!(wanted.len() > 20 && missing.is_empty(), "{missing:?}");
        let writes: Vec<_> =
            actions(Duty::Hub).into_iter().filter(|it| !reads(it) && listed.contains(it)).collect();
        assert_eq!(writes, [""; 0]);
    }
}
