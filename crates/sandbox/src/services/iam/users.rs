//! Users.

use serde_json::{Value, json};

use super::grants::boundary;
use super::{
    Call, Control, Grants, Reply, User, bare, conflict, exists, iam, iam_mut, listed, name,
    new_tags, no_such, own_arn, path,
};
use crate::api::ApiError;
use crate::auth::Identity;
use crate::services::input::{seconds, tag_list, text};
use crate::simulation::BASE32;

pub(super) fn shape(call: &Call<'_>, name: &str, user: &User) -> Value {
    json!({
        "Path": user.path,
        "UserName": name,
        "UserId": user.id,
        "Arn": own_arn(call, "user", &user.path, name),
        "CreateDate": seconds(user.created_at),
        "Tags": tag_list(&user.grants.tags, "Key", "Value"),
    })
}

/// The user that a call names, or the caller's own.
pub(super) fn named<'a>(call: &'a Call<'_>) -> Result<&'a str, ApiError> {
    match (text(call.input, "UserName"), &call.caller.identity) {
        (Some(_), _) => name(call, "UserName"),
        (None, Identity::User(name)) => Ok(bare(name)),
        _ => Err(ApiError::validation(
            "Must specify userName when calling with non-User credentials",
        )),
    }
}

/// The ARN of a user, for the authorization of calls about it.
pub(super) fn resource(control: &Control, call: &Call<'_>, name: &str) -> Result<String, ApiError> {
    let path = iam(control, call)?.users.get(name).map_or("/", |user| &user.path);
    Ok(own_arn(call, "user", path, name))
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "UserName")?;
    let path = path(call)?;
    call.allow(control, &own_arn(call, "user", &path, name))?;
    let user = User {
        id: format!("AIDA{}", call.simulation.random_text(BASE32, 17)),
        path,
        created_at: call.now,
        grants: Grants {
            boundary: boundary(control, call)?,
            tags: new_tags(call),
            ..Grants::default()
        },
        groups: [].into(),
    };
    let state = iam_mut(control, call)?;
    if state.users.contains_key(name) {
        return Err(exists("User", name));
    }
    let answer = shape(call, name, &user);
    state.users.insert(name.to_owned(), user);
    Ok(json!({ "User": answer }))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    if text(call.input, "UserName").is_none() && call.caller.identity == Identity::Root {
        return Ok(json!({ "User": {
            "UserId": call.caller.account,
            "Arn": call.caller.arn(),
            "CreateDate": seconds(call.now),
        }}));
    }
    let name = named(call)?;
    call.allow(control, &resource(control, call, name)?)?;
    let user = iam(control, call)?.users.get(name).ok_or_else(|| no_such("user", name))?;
    Ok(json!({ "User": shape(call, name, user) }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let prefix = text(call.input, "PathPrefix").unwrap_or("/");
    let users = iam(control, call)?
        .users
        .iter()
        .filter(|(_, user)| user.path.starts_with(prefix))
        .map(|(name, user)| (name.clone(), shape(call, name, user)));
    listed(call, "Users", users)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "UserName")?;
    let arn = resource(control, call, name)?;
    call.allow(control, &arn)?;
    let account = &call.caller.account;
    let has_keys = control.access_keys.values().any(|key| {
        key.session_token.is_none()
            && key.account == *account
            && matches!(&key.identity, Identity::User(user) if bare(user) == name)
    });
    let state = iam_mut(control, call)?;
    let user = state.users.get(name).ok_or_else(|| no_such("user", name))?;
    if has_keys {
        return Err(conflict("Cannot delete entity, must delete access keys first."));
    }
    if !user.grants.inline.is_empty() || !user.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    if !user.groups.is_empty() {
        return Err(conflict("Cannot delete entity, must remove users from group first."));
    }
    let holder = super::Holder::User(name.to_owned());
    if state.mfa_devices.values().any(|device| device.holder.as_ref() == Some(&holder)) {
        return Err(conflict("Cannot delete entity, must delete MFA device first."));
    }
    let id = user.id.clone();
    state.users.remove(name);
    crate::principals::forget(control, &call.simulation.s3, &arn, &id);
    Ok(json!({}))
}
