use serde_json::{Value, json};

use super::Role;

/// The name of the template's one resource.
const RESOURCE: &str = "Role";
/// The parameter with the ARN of who may assume the role.
pub(crate) const TRUSTED: &str = "TrustedPrincipalArn";
/// The parameter with the id of the organization that it must belong to.
pub(crate) const ORGANIZATION: &str = "OrganizationId";

pub(super) fn of(role: &Role) -> Option<Value> {
    if role.is_policy() {
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
    let mut parameters = json!({ TRUSTED: trusted });
    if role.is_kept_in_organization() {
        parameters[ORGANIZATION] = json!({
            "Type": "String",
            "Description": "Id of the organization of the role or user that may assume this role",
            "AllowedPattern": "^o-[a-z0-9]{10,32}$",
        });
    }
    let mut properties = json!({
        "RoleName": role.name,
        "Path": role.path,
        "Description": about,
        "AssumeRolePolicyDocument": trust(role),
        "Policies": [{ "PolicyName": "orgtrail", "PolicyDocument": role.policy() }],
    });
    if let Some(boundary) = &role.boundary {
        let arn = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{boundary}");
        properties["PermissionsBoundary"] = json!({ "Fn::Sub": arn });
    }
    Some(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": about,
        "Parameters": parameters,
        "Resources": { RESOURCE: { "Type": "AWS::IAM::Role", "Properties": properties } },
        "Outputs": {
            "RoleArn": {
                "Description": "ARN of the role",
                "Value": { "Fn::GetAtt": [RESOURCE, "Arn"] },
            },
        },
    }))
}

/// As of [`Role::trust`], with the parameters in place of the names.
fn trust(role: &Role) -> Value {
    let mut principal = json!({ "Ref": TRUSTED });
    let mut equals = serde_json::Map::new();
    if let Some(id) = &role.external_id {
        equals.insert("sts:ExternalId".to_owned(), json!(id));
    }
    let mut condition = serde_json::Map::new();
    if role.is_kept_in_organization() {
        let account = json!({ "Fn::Select": ["4", { "Fn::Split": [":", { "Ref": TRUSTED }] }] });
        let parts = json!(["arn", { "Ref": "AWS::Partition" }, "iam", "", account, "root"]);
        principal = json!({ "Fn::Join": [":", parts] });
        condition.insert("ArnEquals".to_owned(), json!({ "aws:PrincipalArn": { "Ref": TRUSTED } }));
        equals.insert("aws:PrincipalOrgID".to_owned(), json!({ "Ref": ORGANIZATION }));
    }
    if !equals.is_empty() {
        condition.insert("StringEquals".to_owned(), equals.into());
    }
    let mut statement = json!({
        "Sid": "AssumeRole",
        "Effect": "Allow",
        "Principal": { "AWS": principal },
        "Action": "sts:AssumeRole",
    });
    if !condition.is_empty() {
        statement["Condition"] = condition.into();
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}
