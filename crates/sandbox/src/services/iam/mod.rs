//! AWS Identity and Access Management.

mod access_keys;
mod account;
mod grants;
mod groups;
mod mfa;
mod organization_features;
mod policies;
mod roles;
mod simulate;
mod state;
mod users;

use std::collections::BTreeMap;

use http::StatusCode;
pub(crate) use organization_features::ROOT_SESSIONS;
pub(crate) use roles::create_linked as create_linked_role;
use serde_json::{Value, json};
pub(crate) use state::{
    Grants, Group, Holder, ManagedPolicy, MfaDevice, Role, State, User, arn, bare,
};

use super::input::{account, account_mut, missing, number, page, tags, text};
use super::{Call, Control, Reply, unknown_operation};
use crate::api::ApiError;
use crate::policy::{Document, PolicyType};

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateRole" => roles::create(control, call),
        "GetRole" => roles::get(control, call),
        "ListRoles" => roles::list(control, call),
        "UpdateRole" | "UpdateRoleDescription" => roles::update(control, call),
        "DeleteRole" => roles::delete(control, call),
        "UpdateAssumeRolePolicy" => roles::update_trust(control, call),
        "CreateServiceLinkedRole" => roles::create_service_linked(control, call),
        "DeleteServiceLinkedRole" => roles::delete_service_linked(control, call),
        "GetServiceLinkedRoleDeletionStatus" => roles::deletion_status(control, call),
        "CreateUser" => users::create(control, call),
        "GetUser" => users::get(control, call),
        "ListUsers" => users::list(control, call),
        "DeleteUser" => users::delete(control, call),
        "CreateGroup" => groups::create(control, call),
        "GetGroup" => groups::get(control, call),
        "ListGroups" => groups::list(control, call),
        "DeleteGroup" => groups::delete(control, call),
        "AddUserToGroup" | "RemoveUserFromGroup" => groups::join(control, call),
        "ListGroupsForUser" => groups::of_user(control, call),
        "CreateAccessKey" => access_keys::create(control, call),
        "ListAccessKeys" => access_keys::list(control, call),
        "UpdateAccessKey" | "DeleteAccessKey" => access_keys::change(control, call),
        "GetAccessKeyLastUsed" => access_keys::last_used(control, call),
        "CreateVirtualMFADevice" => mfa::create(control, call),
        "EnableMFADevice" => mfa::enable(control, call),
        "DeactivateMFADevice" => mfa::deactivate(control, call),
        "DeleteVirtualMFADevice" => mfa::delete(control, call),
        "ListMFADevices" => mfa::list(control, call),
        "ListVirtualMFADevices" => mfa::list_virtual(control, call),
        "CreatePolicy" => policies::create(control, call),
        "GetPolicy" => policies::get(control, call),
        "ListPolicies" => policies::list(control, call),
        "DeletePolicy" => policies::delete(control, call),
        "CreatePolicyVersion" => policies::create_version(control, call),
        "GetPolicyVersion" => policies::get_version(control, call),
        "ListPolicyVersions" => policies::list_versions(control, call),
        "SetDefaultPolicyVersion" | "DeletePolicyVersion" => {
            policies::change_version(control, call)
        }
        "ListEntitiesForPolicy" => policies::entities(control, call),
        "ListOrganizationsFeatures"
        | "EnableOrganizationsRootCredentialsManagement"
        | "DisableOrganizationsRootCredentialsManagement"
        | "EnableOrganizationsRootSessions"
        | "DisableOrganizationsRootSessions" => organization_features::call(control, call),
        "SimulatePrincipalPolicy" => simulate::principal(control, call),
        "GetAccountSummary" => account::summary(control, call),
        "ListAccountAliases" => account::aliases(control, call),
        "CreateAccountAlias" | "DeleteAccountAlias" => account::change_alias(control, call),
        _ => grants::call(control, call),
    }
}

/// The ARN of something in the caller's account.
fn own_arn(call: &Call<'_>, kind: &str, path: &str, name: &str) -> String {
    arn(call.caller.partition, &call.caller.account, kind, path, name)
}

/// Whether the caller may hand this role to a service.
///
/// # Errors
/// `AccessDeniedException`.
pub(crate) fn pass_role(
    control: &Control,
    call: &Call<'_>,
    role: &str,
    service: &str,
) -> Result<(), ApiError> {
    let context = [("iam:PassedToService", service.to_owned())];
    call.allow_action(control, "iam:PassRole", role, &context)
}

fn iam<'a>(control: &'a Control, call: &Call<'_>) -> Result<&'a State, ApiError> {
    Ok(&account(control, &call.caller.account)?.iam)
}

fn iam_mut<'a>(control: &'a mut Control, call: &Call<'_>) -> Result<&'a mut State, ApiError> {
    Ok(&mut account_mut(control, &call.caller.account)?.iam)
}

fn no_such(kind: &str, name: &str) -> ApiError {
    ApiError::new("NoSuchEntity", format!("The {kind} with name {name} cannot be found."))
        .with_status(StatusCode::NOT_FOUND)
}

fn exists(kind: &str, name: &str) -> ApiError {
    ApiError::new("EntityAlreadyExists", format!("{kind} with name {name} already exists."))
        .with_status(StatusCode::CONFLICT)
}

fn conflict(message: &str) -> ApiError {
    ApiError::new("DeleteConflict", message).with_status(StatusCode::CONFLICT)
}

fn limit_exceeded(message: &str) -> ApiError {
    ApiError::new("LimitExceeded", message).with_status(StatusCode::CONFLICT)
}

/// A member that names something of IAM's.
fn name<'a>(call: &'a Call<'_>, member: &str) -> Result<&'a str, ApiError> {
    let name = text(call.input, member).ok_or_else(|| missing(member))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.len() > 128 || !name.chars().all(allowed) {
        return Err(ApiError::validation(format!(
            "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
        )));
    }
    Ok(name)
}

/// The `Path` member, `/` where there is none.
fn path(call: &Call<'_>) -> Result<String, ApiError> {
    let path = text(call.input, "Path").unwrap_or("/");
    if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 {
        Ok(path.to_owned())
    } else {
        Err(ApiError::validation(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ))
    }
}

/// A policy that a call brings.
fn document(call: &Call<'_>, member: &str, kind: PolicyType) -> Result<Document, ApiError> {
    let text = text(call.input, member).ok_or_else(|| missing(member))?;
    let malformed = |what: String| ApiError::new("MalformedPolicyDocument", what);
    // IAM's own words, as recorded from `CreateRole`.
    if kind == PolicyType::Trust && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(malformed("This policy contains invalid Json".to_owned()));
    }
    Document::new(text, kind).map_err(|error| malformed(error.0))
}

/// A trust policy that a call brings, whose principals all exist.
fn trust(control: &Control, call: &Call<'_>, member: &str) -> Result<Document, ApiError> {
    let document = document(call, member, PolicyType::Trust)?;
    let malformed = |message| ApiError::new("MalformedPolicyDocument", message);
    let text = crate::principals::resolved(control, call.caller.partition, document.text())
        .map_err(|unknown| {
            malformed(format!("Invalid principal in policy: \"AWS\":\"{unknown}\""))
        })?;
    Document::new(text, PolicyType::Trust).map_err(|error| malformed(error.0))
}

/// The text of a policy as IAM answers it: percent-encoded.
fn encoded(document: &Document) -> String {
    orgtrail_base::percent::encode(document.text())
}

/// One page of a list under `member`, by the call's `Marker` and `MaxItems`.
fn listed(
    call: &Call<'_>,
    member: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Reply {
    let limit = usize::try_from(number(call.input, "MaxItems").unwrap_or(100).clamp(1, 1000));
    let (items, next) = page(items, text(call.input, "Marker"), limit.unwrap_or(100))
        .ok_or_else(|| ApiError::validation("Invalid Marker."))?;
    Ok(json!({ member: items, "IsTruncated": next.is_some(), "Marker": next }))
}

/// The tags that a call brings.
fn new_tags(call: &Call<'_>) -> BTreeMap<String, String> {
    tags(call.input, "Tags", "Key", "Value")
}
