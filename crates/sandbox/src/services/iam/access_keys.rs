//! Long-term access keys.

use serde_json::{Value, json};

use super::{Call, Control, Reply, bare, iam, limit_exceeded, listed, no_such, users};
use crate::api::ApiError;
use crate::auth::Identity;
use crate::services::input::{seconds, text};
use crate::simulation::{ALPHANUMERIC, AccessKey, BASE32};

/// Keys of one user.
const MAX_KEYS: usize = 2;

/// Whose keys a call is about: a user's, or root's own.
fn owner(control: &Control, call: &Call<'_>) -> Result<(Identity, String), ApiError> {
    if text(call.input, "UserName").is_none() && call.caller.identity == Identity::Root {
        return Ok((Identity::Root, "root".to_owned()));
    }
    let name = users::named(call)?;
    call.allow(control, &users::resource(control, call, name)?)?;
    let user = iam(control, call)?.users.get(name).ok_or_else(|| no_such("user", name))?;
    let path_and_name = format!("{}{name}", user.path.trim_start_matches('/'));
    Ok((Identity::User(path_and_name), name.to_owned()))
}

fn keys_of<'a>(
    control: &'a Control,
    call: &'a Call<'_>,
    owner: &'a Identity,
) -> impl Iterator<Item = (&'a String, &'a AccessKey)> {
    control.access_keys.iter().filter(move |(_, key)| {
        key.session_token.is_none()
            && !key.built_in
            && key.account == call.caller.account
            && key.identity == *owner
    })
}

fn status(key: &AccessKey) -> &'static str {
    if key.active { "Active" } else { "Inactive" }
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let (identity, name) = owner(control, call)?;
    if keys_of(control, call, &identity).count() >= MAX_KEYS {
        return Err(limit_exceeded(&format!(
            "Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}"
        )));
    }
    let id = format!("AKIA{}", call.simulation.random_text(BASE32, 16));
    let key = AccessKey {
        secret: call.simulation.random_text(ALPHANUMERIC, 40),
        session_token: None,
        account: call.caller.account.clone(),
        identity,
        expires_at: None,
        mfa_at: None,
        session_policy: None,
        source_identity: None,
        active: true,
        built_in: false,
        created_at: call.now,
    };
    let answer = json!({
        "UserName": name,
        "AccessKeyId": id,
        "Status": "Active",
        "SecretAccessKey": key.secret,
        "CreateDate": seconds(key.created_at),
    });
    control.access_keys.insert(id, key);
    Ok(json!({ "AccessKey": answer }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    let (identity, name) = owner(control, call)?;
    let mut keys: Vec<(String, Value)> = keys_of(control, call, &identity)
        .map(|(id, key)| {
            let item = json!({
                "UserName": name,
                "AccessKeyId": id,
                "Status": status(key),
                "CreateDate": seconds(key.created_at),
            });
            (id.clone(), item)
        })
        .collect();
    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed(call, "AccessKeyMetadata", keys)
}

pub(super) fn change(control: &mut Control, call: &Call<'_>) -> Reply {
    let (identity, _) = owner(control, call)?;
    let id = call.required("AccessKeyId")?.to_owned();
    let known = keys_of(control, call, &identity).any(|(known, _)| *known == id);
    if !known {
        return Err(no_such("Access Key", &id));
    }
    if call.operation == "DeleteAccessKey" {
        control.access_keys.remove(&id);
    } else {
        let active = match text(call.input, "Status") {
            Some("Active") => true,
            Some("Inactive") => false,
            _ => return Err(ApiError::validation("Status must be Active or Inactive")),
        };
        if let Some(key) = control.access_keys.get_mut(&id) {
            key.active = active;
        }
    }
    Ok(json!({}))
}

pub(super) fn last_used(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let id = call.required("AccessKeyId")?;
    let key = control.access_keys.get(id).filter(|key| key.account == call.caller.account);
    let key = key.ok_or_else(|| no_such("Access Key", id))?;
    let name = match &key.identity {
        Identity::User(name) => bare(name),
        _ => "root",
    };
    Ok(json!({
        "UserName": name,
        "AccessKeyLastUsed": { "ServiceName": "N/A", "Region": "N/A" },
    }))
}
