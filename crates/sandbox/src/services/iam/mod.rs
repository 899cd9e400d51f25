//! AWS Identity and Access Management.

mod access_keys;
mod account;
mod grants;
mod groups;
mod mfa;
mod policies;
mod roles;
mod state;
mod users;

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
pub(crate) use state::{
    Grants, Group, Holder, ManagedPolicy, MfaDevice, Role, State, User, arn, bare,
};

use super::input::{account, account_mut, missing, number, page, tags, text};
use super::{Call, Control, Reply, Simulation, unknown_operation};
use crate::api::ApiError;
use crate::policy::{Document, PolicyType};

pub(super) fn call(simulation: &Simulation, control: &mut Control, call: &Call<'_>) -> Reply {
    let families = [
        roles::call,
        grants::call,
        users::call,
        groups::call,
        access_keys::call,
        mfa::call,
        policies::call,
        account::call,
    ];
    let answer = families.into_iter().find_map(|family| family(simulation, control, call));
    answer.unwrap_or_else(|| Err(unknown_operation(call)))
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
fn listed(call: &Call<'_>, member: &str, items: Vec<(String, Value)>) -> Reply {
    let limit = usize::try_from(number(call.input, "MaxItems").unwrap_or(100).clamp(1, 1000));
    let (items, next) =
        page(items, |(key, _)| key.clone(), text(call.input, "Marker"), limit.unwrap_or(100))
            .ok_or_else(|| ApiError::validation("Invalid Marker."))?;
    let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
    Ok(json!({ member: items, "IsTruncated": next.is_some(), "Marker": next }))
}

/// The tags that a call brings.
fn new_tags(call: &Call<'_>) -> BTreeMap<String, String> {
    tags(call.input, "Tags", "Key", "Value")
}
