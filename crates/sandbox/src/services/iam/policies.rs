//! Customer managed policies and their versions.

use serde_json::{Value, json};

use super::{
    Call, Control, Grants, ManagedPolicy, Reply, State, bare, conflict, document, encoded, exists,
    iam, iam_mut, limit_exceeded, listed, name, new_tags, no_such, own_arn, path,
};
use crate::api::ApiError;
use crate::policy::{Document, PolicyType, managed};
use crate::services::input::{flag, seconds, text};
use crate::simulation::BASE32;

/// Versions of one policy.
const MAX_VERSIONS: usize = 5;
/// Whitespace not counted.
const MAX_CHARACTERS: usize = 6_144;

fn holders(state: &State) -> impl Iterator<Item = &Grants> {
    let roles = state.roles.values().map(|role| &role.grants);
    let users = state.users.values().map(|user| &user.grants);
    let groups = state.groups.values().map(|group| &group.grants);
    roles.chain(users).chain(groups)
}

fn attachments(state: &State, arn: &str) -> usize {
    holders(state).filter(|grants| grants.attached.contains(arn)).count()
}

/// How many users and roles a policy bounds.
fn bounds(state: &State, arn: &str) -> usize {
    holders(state).filter(|grants| grants.boundary.as_deref() == Some(arn)).count()
}

fn shape(state: &State, policy_arn: &str, policy: &ManagedPolicy) -> Value {
    json!({
        "PolicyName": bare(policy_arn),
        "PolicyId": policy.id,
        "Arn": policy_arn,
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default_version),
        "AttachmentCount": attachments(state, policy_arn),
        "PermissionsBoundaryUsageCount": bounds(state, policy_arn),
        "IsAttachable": true,
        "Description": (!policy.description.is_empty()).then_some(&policy.description),
        "CreateDate": seconds(policy.created_at),
        "UpdateDate": seconds(policy.updated_at),
    })
}

/// AWS's own policies have one version, as old as the sandbox.
fn managed_shape(state: &State, policy_arn: &str) -> Value {
    json!({
        "PolicyName": bare(policy_arn),
        "PolicyId": format!("ANPA{}", bare(policy_arn).to_ascii_uppercase()),
        "Arn": policy_arn,
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": attachments(state, policy_arn),
        "PermissionsBoundaryUsageCount": bounds(state, policy_arn),
        "IsAttachable": true,
    })
}

/// The policy of the caller's account whose ARN is this one, as a whole.
fn own<'a>(
    control: &'a Control,
    call: &Call<'_>,
    policy_arn: &str,
) -> Result<&'a ManagedPolicy, ApiError> {
    let state = iam(control, call)?;
    let policy = state.own_policy(policy_arn).ok_or_else(|| missing(policy_arn))?;
    if own_arn(call, "policy", &policy.path, bare(policy_arn)) != policy_arn {
        return Err(missing(policy_arn));
    }
    Ok(policy)
}

fn own_mut<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    policy_arn: &str,
) -> Result<&'a mut ManagedPolicy, ApiError> {
    own(control, call, policy_arn)?;
    let policies = &mut iam_mut(control, call)?.policies;
    policies.get_mut(bare(policy_arn)).ok_or_else(|| missing(policy_arn))
}

fn missing(policy_arn: &str) -> ApiError {
    let mut error = no_such("policy", policy_arn);
    error.message = format!("Policy {policy_arn} was not found.");
    error
}

fn sized(document: Document) -> Result<Document, ApiError> {
    let size = document.text().chars().filter(|c| !c.is_whitespace()).count();
    if size > MAX_CHARACTERS {
        return Err(limit_exceeded(&format!(
            "Cannot exceed quota for PolicySize: {MAX_CHARACTERS}"
        )));
    }
    Ok(document)
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "PolicyName")?;
    let path = path(call)?;
    let policy_arn = own_arn(call, "policy", &path, name);
    call.allow(control, &policy_arn)?;
    let document = sized(document(call, "PolicyDocument", PolicyType::Identity)?)?;
    let now = call.now;
    let policy = ManagedPolicy {
        id: format!("ANPA{}", call.simulation.random_text(BASE32, 17)),
        path,
        description: text(call.input, "Description").unwrap_or_default().to_owned(),
        created_at: now,
        updated_at: now,
        versions: [(1, (document, now))].into(),
        default_version: 1,
        last_version: 1,
        tags: new_tags(call),
    };
    let state = iam_mut(control, call)?;
    if state.policies.contains_key(name) {
        return Err(exists("A policy called", name));
    }
    let answer = shape(state, &policy_arn, &policy);
    state.policies.insert(name.to_owned(), policy);
    Ok(json!({ "Policy": answer }))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let state = iam(control, call)?;
    if policy_arn.contains("::aws:policy/") {
        state.managed(policy_arn).ok_or_else(|| missing(policy_arn))?;
        return Ok(json!({ "Policy": managed_shape(state, policy_arn) }));
    }
    Ok(json!({ "Policy": shape(state, policy_arn, own(control, call, policy_arn)?) }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let state = iam(control, call)?;
    let scope = text(call.input, "Scope").unwrap_or("All");
    let mut policies = Vec::new();
    if scope != "Local" {
        policies.extend(managed().keys().map(|name| {
            let policy_arn = format!("arn:{}:iam::aws:policy/{name}", call.caller.partition);
            let item = managed_shape(state, &policy_arn);
            (policy_arn, item)
        }));
    }
    if scope != "AWS" {
        policies.extend(state.policies.iter().map(|(name, policy)| {
            let policy_arn = own_arn(call, "policy", &policy.path, name);
            let item = shape(state, &policy_arn, policy);
            (policy_arn, item)
        }));
    }
    if flag(call.input, "OnlyAttached") == Some(true) {
        policies.retain(|(policy_arn, _)| attachments(state, policy_arn) > 0);
    }
    policies.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed(call, "Policies", policies)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let state = iam(control, call)?;
    if own(control, call, policy_arn)?.versions.len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions.",
        ));
    }
    if attachments(state, policy_arn) + bounds(state, policy_arn) > 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    iam_mut(control, call)?.policies.remove(bare(policy_arn));
    Ok(json!({}))
}

pub(super) fn create_version(control: &mut Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let document = sized(document(call, "PolicyDocument", PolicyType::Identity)?)?;
    let now = call.now;
    let policy = own_mut(control, call, policy_arn)?;
    if policy.versions.len() >= MAX_VERSIONS {
        return Err(limit_exceeded(
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
        ));
    }
    policy.last_version += 1;
    let number = policy.last_version;
    policy.versions.insert(number, (document, now));
    policy.updated_at = now;
    let default = flag(call.input, "SetAsDefault") == Some(true);
    if default {
        policy.default_version = number;
    }
    Ok(json!({ "PolicyVersion": {
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": default,
        "CreateDate": seconds(now),
    }}))
}

fn version_number(call: &Call<'_>) -> Result<u32, ApiError> {
    let id = call.required("VersionId")?;
    id.strip_prefix('v').and_then(|number| number.parse().ok()).ok_or_else(|| {
        ApiError::validation(format!("Value '{id}' at 'versionId' is not the id of a version"))
    })
}

pub(super) fn get_version(control: &Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let number = version_number(call)?;
    let state = iam(control, call)?;
    if policy_arn.contains("::aws:policy/") {
        let document =
            state.managed(policy_arn).filter(|_| number == 1).ok_or_else(|| missing(policy_arn))?;
        return Ok(json!({ "PolicyVersion": {
            "VersionId": "v1", "IsDefaultVersion": true, "Document": encoded(document),
        }}));
    }
    let policy = own(control, call, policy_arn)?;
    let (document, at) = policy.versions.get(&number).ok_or_else(|| missing(policy_arn))?;
    Ok(json!({ "PolicyVersion": {
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.default_version,
        "Document": encoded(document),
        "CreateDate": seconds(*at),
    }}))
}

pub(super) fn list_versions(control: &Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let policy = own(control, call, policy_arn)?;
    let versions = policy.versions.iter().map(|(number, (_, at))| {
        let item = json!({
            "VersionId": format!("v{number}"),
            "IsDefaultVersion": *number == policy.default_version,
            "CreateDate": seconds(*at),
        });
        (format!("{number:08}"), item)
    });
    listed(call, "Versions", versions)
}

pub(super) fn change_version(control: &mut Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let number = version_number(call)?;
    let policy = own_mut(control, call, policy_arn)?;
    if !policy.versions.contains_key(&number) {
        return Err(missing(policy_arn));
    }
    if call.operation == "SetDefaultPolicyVersion" {
        policy.default_version = number;
    } else if policy.default_version == number {
        return Err(conflict("Cannot delete the default version of a policy."));
    } else {
        policy.versions.remove(&number);
    }
    Ok(json!({}))
}

pub(super) fn entities(control: &Control, call: &Call<'_>) -> Reply {
    let policy_arn = call.required("PolicyArn")?;
    call.allow(control, policy_arn)?;
    let state = iam(control, call)?;
    let attached = |grants: &Grants| grants.attached.contains(policy_arn);
    let roles = state.roles.iter().filter(|(_, role)| attached(&role.grants));
    let users = state.users.iter().filter(|(_, user)| attached(&user.grants));
    let groups = state.groups.iter().filter(|(_, group)| attached(&group.grants));
    let roles: Vec<_> =
        roles.map(|(name, role)| json!({ "RoleName": name, "RoleId": role.id })).collect();
    let users: Vec<_> =
        users.map(|(name, user)| json!({ "UserName": name, "UserId": user.id })).collect();
    let groups: Vec<_> =
        groups.map(|(name, group)| json!({ "GroupName": name, "GroupId": group.id })).collect();
    Ok(json!({
        "PolicyRoles": roles, "PolicyUsers": users, "PolicyGroups": groups, "IsTruncated": false,
    }))
}
