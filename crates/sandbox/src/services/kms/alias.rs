//! Names for keys.

use serde_json::json;

use super::{Alias, ApiError, Call, Control, Reply, access, input, key, not_found};
use crate::services::input::{account, account_mut, seconds};

fn name<'a>(call: &'a Call<'_>) -> Result<&'a str, ApiError> {
    let name = call.required("AliasName")?;
    let invalid = |message: &str| Err(ApiError::new("InvalidAliasNameException", message));
    let Some(rest) = name.strip_prefix("alias/") else {
        return invalid(
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        );
    };
    if rest.is_empty()
        || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-'))
    {
        return invalid(
            "The alias name contains characters other than letters, digits, /, _ and -",
        );
    }
    if rest.starts_with("aws/") {
        return Err(ApiError::new(
            "NotAuthorizedException",
            "aliases that begin with alias/aws/ belong to AWS",
        ));
    }
    Ok(name)
}

/// Both the alias and its key must allow the action.
fn allow(control: &Control, call: &Call<'_>, name: &str, target: &str) -> Result<String, ApiError> {
    call.allow(control, &call.arn(name).to_string())?;
    let key = access::find_key(control, &call.caller.account, call.region, target)?;
    call.allow_key(control, key)?;
    if key.arn.account.as_ref() != Some(&call.caller.account) {
        return Err(not_found(format!("Key '{}' does not exist", key.arn)));
    }
    if matches!(key.state, super::KeyState::PendingDeletion(_)) {
        return Err(key::pending(key));
    }
    Ok(key.id.clone())
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call)?;
    let target = allow(control, call, name, call.required("TargetKeyId")?)?;
    let aliases = &mut account_mut(control, &call.caller.account)?.kms.aliases;
    let place = format!("{}/{name}", call.region);
    if aliases.contains_key(&place) {
        return Err(ApiError::new(
            "AlreadyExistsException",
            format!("An alias with the name {} already exists", call.arn(name)),
        ));
    }
    let alias = Alias {
        name: name.to_owned(),
        region: call.region.clone(),
        key: target,
        created: call.now,
        updated: call.now,
    };
    aliases.insert(place, alias);
    Ok(json!({}))
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call)?;
    let target = allow(control, call, name, call.required("TargetKeyId")?)?;
    let alias = existing(control, call, name)?;
    alias.key = target;
    alias.updated = call.now;
    Ok(json!({}))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call)?;
    let key = existing(control, call, name)?.key.clone();
    call.allow(control, &call.arn(name).to_string())?;
    call.allow(control, &call.arn(format!("key/{key}")).to_string())?;
    let aliases = &mut account_mut(control, &call.caller.account)?.kms.aliases;
    aliases.remove(&format!("{}/{name}", call.region));
    Ok(json!({}))
}

fn existing<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    name: &str,
) -> Result<&'a mut Alias, ApiError> {
    let aliases = &mut account_mut(control, &call.caller.account)?.kms.aliases;
    aliases
        .get_mut(&format!("{}/{name}", call.region))
        .ok_or_else(|| not_found(format!("Alias {} is not found.", call.arn(name))))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let of_key = match input::text(call.input, "KeyId") {
        None => None,
        Some(_) => Some(call.key(control)?.id.clone()),
    };
    let aliases = account(control, &call.caller.account)?
        .kms
        .aliases
        .values()
        .filter(|alias| alias.region == *call.region)
        .filter(|alias| of_key.as_ref().is_none_or(|key| alias.key == *key))
        .map(|alias| {
            let item = json!({
                "AliasName": alias.name,
                "AliasArn": call.arn(alias.name.as_str()),
                "TargetKeyId": alias.key,
                "CreationDate": seconds(alias.created),
                "LastUpdatedDate": seconds(alias.updated),
            });
            (alias.name.clone(), item)
        });
    key::page(call, "Aliases", aliases, 50, 100)
}
