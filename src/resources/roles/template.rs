use serde_json::{Value, json};

use super::{Role, RoleKind};

/// The name of the template's one resource.
const RESOURCE: &str = "Role";

pub(super) fn of(role: &Role) -> Option<Value> {
    if role.kind == RoleKind::Runner {
        return None;
    }
    let about = role.kind.about();
    let mut trusted = json!({
        "Type": "String",
        "Description": "ARN of the role or user that may assume this role",
        "AllowedPattern": "^arn:[a-z-]+:iam::[0-9]{12}:(root|(role|user)/.+)$",
    });
    if let Some(hub) = &role.trusted {
        trusted["Default"] = hub.to_string().into();
    }
    let mut trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "AssumeRole",
            "Effect": "Allow",
            "Principal": { "AWS": { "Ref": "TrustedPrincipalArn" } },
            "Action": "sts:AssumeRole",
        }],
    });
    if let Some(id) = &role.external_id {
        trust["Statement"][0]["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    Some(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": about,
        "Parameters": { "TrustedPrincipalArn": trusted },
        "Resources": {
            RESOURCE: {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": role.name,
                    "Path": role.path,
                    "Description": about,
                    "AssumeRolePolicyDocument": trust,
                    "Policies": [{ "PolicyName": "orgtrail", "PolicyDocument": role.policy() }],
                },
            },
        },
        "Outputs": {
            "RoleArn": {
                "Description": "ARN of the role",
                "Value": { "Fn::GetAtt": [RESOURCE, "Arn"] },
            },
        },
    }))
}
