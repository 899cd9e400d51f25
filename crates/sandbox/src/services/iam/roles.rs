//! Roles, service-linked ones too.

use serde_json::{Value, json};

use super::grants::boundary;
use super::{
    Call, Control, Grants, Reply, Role, bare, conflict, encoded, exists, iam, iam_mut, listed,
    name, new_tags, no_such, own_arn, path, trust,
};
use crate::api::ApiError;
use crate::policy::{Document, PolicyType};
use crate::principals;
use crate::services::input::{number, seconds, tag_list, text};
use crate::simulation::BASE32;

/// Where service-linked roles lie.
const SERVICE_PATH: &str = "/aws-service-role/";

pub(super) fn shape(call: &Call<'_>, name: &str, role: &Role) -> Value {
    json!({
        "Path": role.path,
        "RoleName": name,
        "RoleId": role.id,
        "Arn": own_arn(call, "role", &role.path, name),
        "CreateDate": seconds(role.created_at),
        "AssumeRolePolicyDocument": encoded(&role.trust),
        "Description": (!role.description.is_empty()).then_some(&role.description),
        "MaxSessionDuration": role.max_session_seconds,
        "PermissionsBoundary": role.grants.boundary.as_ref().map(|boundary| json!({
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary,
        })),
        "Tags": (!role.grants.tags.is_empty())
            .then(|| tag_list(&role.grants.tags, "Key", "Value")),
    })
}

/// The shape without some of its members, which a call does not answer.
/// Source: recorded responses of `CreateRole` and `ListRoles`.
fn without(mut shape: Value, members: &[&str]) -> Value {
    if let Some(shape) = shape.as_object_mut() {
        shape.retain(|member, _| !members.contains(&member.as_str()));
    }
    shape
}

/// The ARN of the role that a call names, for its authorization.
fn resource(control: &Control, call: &Call<'_>, name: &str) -> Result<String, ApiError> {
    let path = iam(control, call)?.roles.get(name).map_or("/", |role| &role.path);
    Ok(own_arn(call, "role", path, name))
}

fn duration(call: &Call<'_>) -> Result<Option<i64>, ApiError> {
    match number(call.input, "MaxSessionDuration") {
        Some(seconds) if !(3600..=43_200).contains(&seconds) => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200"
        ))),
        seconds => Ok(seconds),
    }
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "RoleName")?;
    let path = path(call)?;
    let arn = own_arn(call, "role", &path, name);
    call.allow(control, &arn)?;
    if name.len() > 64 {
        return Err(ApiError::validation(
            "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64",
        ));
    }
    if path.starts_with(SERVICE_PATH) {
        return Err(ApiError::validation(
            "Path /aws-service-role/ is reserved for service-linked roles",
        ));
    }
    let trust = trust(control, call, "AssumeRolePolicyDocument")?;
    let role = Role {
        id: format!("AROA{}", call.simulation.random_text(BASE32, 17)),
        path,
        created_at: call.now,
        trust,
        grants: Grants {
            boundary: boundary(control, call)?,
            tags: new_tags(call),
            ..Grants::default()
        },
        description: text(call.input, "Description").unwrap_or_default().to_owned(),
        max_session_seconds: duration(call)?.unwrap_or(3600),
    };
    let state = iam_mut(control, call)?;
    if state.roles.contains_key(name) {
        return Err(exists("Role", name));
    }
    let answer = shape(call, name, &role);
    state.roles.insert(name.to_owned(), role);
    call.simulation.faults.written(&arn, call.now);
    Ok(json!({ "Role": without(answer, &["Description", "MaxSessionDuration"]) }))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = name(call, "RoleName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let role = iam(control, call)?.roles.get(name).ok_or_else(|| no_such("role", name))?;
    let mut described = shape(call, name, role);
    // Never, as far as the sandbox knows.
    described["RoleLastUsed"] = json!({});
    Ok(json!({ "Role": described }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let prefix = text(call.input, "PathPrefix").unwrap_or("/");
    let roles =
        iam(control, call)?.roles.iter().filter(|(_, role)| role.path.starts_with(prefix)).map(
            |(name, role)| {
                let shape = shape(call, name, role);
                (name.clone(), without(shape, &["PermissionsBoundary", "Tags"]))
            },
        );
    listed(call, "Roles", roles)
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "RoleName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let duration = duration(call)?;
    let role = iam_mut(control, call)?.roles.get_mut(name).ok_or_else(|| no_such("role", name))?;
    protected(name, role)?;
    if let Some(duration) = duration {
        role.max_session_seconds = duration;
    }
    if let Some(description) = call.input.get("Description").and_then(Value::as_str) {
        description.clone_into(&mut role.description);
    }
    if call.operation == "UpdateRoleDescription" {
        return Ok(json!({ "Role": shape(call, name, role) }));
    }
    Ok(json!({}))
}

/// Service-linked roles are changed by their service alone.
pub(super) fn protected(name: &str, role: &Role) -> Result<(), ApiError> {
    if role.path.starts_with(SERVICE_PATH) {
        return Err(ApiError::new(
            "UnmodifiableEntity",
            format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            ),
        ));
    }
    Ok(())
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "RoleName")?;
    let arn = resource(control, call, name)?;
    call.allow(control, &arn)?;
    let state = iam_mut(control, call)?;
    let role = state.roles.get(name).ok_or_else(|| no_such("role", name))?;
    protected(name, role)?;
    if !role.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    let id = role.id.clone();
    state.roles.remove(name);
    principals::forget(control, &call.simulation.s3, &arn, &id);
    Ok(json!({}))
}

pub(super) fn update_trust(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "RoleName")?;
    let arn = resource(control, call, name)?;
    call.allow(control, &arn)?;
    let trust = trust(control, call, "PolicyDocument")?;
    let role = iam_mut(control, call)?.roles.get_mut(name).ok_or_else(|| no_such("role", name))?;
    protected(name, role)?;
    role.trust = trust;
    call.simulation.faults.written(&arn, call.now);
    Ok(json!({}))
}

/// The role's name for a service principal: `AWSServiceRoleForCloudTrail`.
fn service_role_name(principal: &str) -> Option<String> {
    let service = match principal.strip_suffix(".amazonaws.com")? {
        "cloudtrail" => "CloudTrail",
        "organizations" => "Organizations",
        "config" => "Config",
        "securityhub" => "SecurityHub",
        "stacksets.cloudformation" => "CloudFormationStackSetsOrgAdmin",
        "member.org.stacksets.cloudformation" => "CloudFormationStackSetsOrgMember",
        "guardduty" => "AmazonGuardDuty",
        _ => return None,
    };
    Some(format!("AWSServiceRoleFor{service}"))
}

/// What a service-linked role's policy allows.
const SERVICE_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudtrail:*","organizations:Describe*","organizations:List*"],"Resource":"*"}]}"#;

pub(super) fn create_service_linked(control: &mut Control, call: &Call<'_>) -> Reply {
    let service = call.required("AWSServiceName")?;
    let name = service_role_name(service).ok_or_else(|| unsupported(service))?;
    if iam(control, call)?.roles.contains_key(&name) {
        allow_linked(control, call, service, &name)?;
        return Err(ApiError::new(
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    create_linked(control, call, service, &name)?;
    let role = &iam(control, call)?.roles[&name];
    Ok(json!({ "Role": shape(call, &name, role) }))
}

fn unsupported(service: &str) -> ApiError {
    ApiError::new(
        "InvalidInput",
        format!("Service {service} is not supported for service-linked roles."),
    )
}

/// Asks whether the caller may create a service's role.
fn allow_linked(
    control: &Control,
    call: &Call<'_>,
    service: &str,
    name: &str,
) -> Result<(), ApiError> {
    let role = own_arn(call, "role", &format!("{SERVICE_PATH}{service}/"), name);
    let context = [("iam:AWSServiceName", service.to_owned())];
    call.allow_action(control, "iam:CreateServiceLinkedRole", &role, &context)
}

/// Creates a service's role, as the service does for its caller, with the caller's
/// permissions; one that exists stays.
///
/// # Errors
/// The caller may not.
pub(crate) fn create_linked(
    control: &mut Control,
    call: &Call<'_>,
    service: &str,
    name: &str,
) -> Result<(), ApiError> {
    if iam(control, call)?.roles.contains_key(name) {
        return Ok(());
    }
    allow_linked(control, call, service, name)?;
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    });
    let failed = |_| unsupported(service);
    let grant = Document::new(SERVICE_POLICY, PolicyType::Identity).map_err(failed)?;
    let role = Role {
        id: format!("AROA{}", call.simulation.random_text(BASE32, 17)),
        path: format!("{SERVICE_PATH}{service}/"),
        created_at: call.now,
        trust: Document::new(trust.to_string(), PolicyType::Trust).map_err(failed)?,
        grants: Grants {
            inline: [("ServiceRolePolicy".to_owned(), grant)].into(),
            ..Grants::default()
        },
        description: text(call.input, "Description").unwrap_or_default().to_owned(),
        max_session_seconds: 3600,
    };
    iam_mut(control, call)?.roles.insert(name.to_owned(), role);
    Ok(())
}

pub(super) fn delete_service_linked(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "RoleName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let task = call.simulation.uuid();
    let state = iam_mut(control, call)?;
    let role = state.roles.get(name).ok_or_else(|| no_such("role", name))?;
    if protected(name, role).is_ok() {
        return Err(ApiError::new("InvalidInput", format!("{name} is not a service-linked role")));
    }
    let (path, id) = (role.path.clone(), role.id.clone());
    state.roles.remove(name);
    let task = format!("task{path}{name}/{task}");
    state.deletions.insert(task.clone());
    let arn = own_arn(call, "role", &path, name);
    principals::forget(control, &call.simulation.s3, &arn, &id);
    Ok(json!({ "DeletionTaskId": task }))
}

pub(super) fn deletion_status(control: &Control, call: &Call<'_>) -> Reply {
    let task = call.required("DeletionTaskId")?;
    call.allow(control, "*")?;
    if iam(control, call)?.deletions.contains(task) {
        Ok(json!({ "Status": "SUCCEEDED" }))
    } else {
        Err(no_such("deletion task", bare(task)))
    }
}
