//! The life of a key.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    ApiError, Call, Control, Key, KeyState, Reply, ResourcePolicy, access, input, not_found,
};
use crate::services::input::{account, account_mut, seconds};

/// A UUID made of what makes a key unique, so that runs are repeatable.
pub(super) fn id_of(parts: &[&str]) -> String {
    let hash = hex::encode(digest(&SHA256, parts.join("\0").as_bytes()));
    format!(
        "{}-{}-4{}-a{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[13..16],
        &hash[17..20],
        &hash[20..32]
    )
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    if call.input.get("Tags").and_then(Value::as_array).is_some_and(|tags| !tags.is_empty()) {
        // The key has no id yet.
        call.allow_action(control, "kms:TagResource", &call.arn("key/*").to_string(), &[])?;
    }
    let spec = input::text(call.input, "KeySpec")
        .or_else(|| input::text(call.input, "CustomerMasterKeySpec"))
        .unwrap_or("SYMMETRIC_DEFAULT");
    let usage = input::text(call.input, "KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    let symmetric = spec == "SYMMETRIC_DEFAULT" && usage == "ENCRYPT_DECRYPT";
    let known = symmetric
        || (spec.starts_with("RSA_") && matches!(usage, "ENCRYPT_DECRYPT" | "SIGN_VERIFY"))
        || (spec.starts_with("ECC_") && matches!(usage, "SIGN_VERIFY" | "KEY_AGREEMENT"))
        || (spec.starts_with("HMAC_") && usage == "GENERATE_VERIFY_MAC");
    if !known {
        return Err(ApiError::validation(format!(
            "KeyUsage {usage} is not compatible with KeySpec {spec}"
        )));
    }
    let origin = input::text(call.input, "Origin").unwrap_or("AWS_KMS");
    if !matches!(origin, "AWS_KMS" | "EXTERNAL") {
        return Err(ApiError::new(
            "UnsupportedOperationException",
            format!("the sandbox does not support keys with origin {origin}"),
        ));
    }
    let policy = match input::text(call.input, "Policy") {
        Some(text) => access::parse(control, call, text)?,
        None => default_policy(call)?,
    };
    let multi_region = input::flag(call.input, "MultiRegion").unwrap_or(false);
    let account = account_mut(control, &call.caller.account)?;
    let nonce = account.kms.keys.len().to_string();
    let now_text = call.now.to_string();
    let parts = [call.caller.account.as_str(), call.region.as_str(), &nonce, &now_text];
    let mut id = id_of(&parts);
    if multi_region {
        id = format!("mrk-{}", id.replace('-', ""));
    }
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| internal())?;
    let key = Key {
        arn: call.arn(format!("key/{id}")),
        state: if origin == "EXTERNAL" { KeyState::PendingImport } else { KeyState::Enabled },
        origin: origin.to_owned(),
        import: None,
        id: id.clone(),
        created: call.now,
        description: input::text(call.input, "Description").unwrap_or_default().to_owned(),
        spec: spec.to_owned(),
        usage: usage.to_owned(),
        multi_region,
        policy,
        tags: input::tags(call.input, "Tags", "TagKey", "TagValue"),
        rotation: None,
        material: hex::encode(secret),
    };
    let reply = json!({ "KeyMetadata": metadata(&key) });
    account.kms.keys.insert(id, key);
    Ok(reply)
}

/// The policy of a key that was created without one: IAM decides.
fn default_policy(call: &Call<'_>) -> Result<ResourcePolicy, ApiError> {
    let (partition, account) = (call.caller.partition, &call.caller.account);
    let root = orgtrail_base::names::Arn::global(partition, "iam", account, "root");
    let policy = json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": root.to_string() },
            "Action": "kms:*",
            "Resource": "*",
        }],
    });
    ResourcePolicy::try_from(policy.to_string())
        .map_err(|error| ApiError::new("MalformedPolicyDocumentException", error))
}

pub(super) fn internal() -> ApiError {
    ApiError::new("KMSInternalException", "the sandbox failed to compute this")
        .with_status(http::StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) fn metadata(key: &Key) -> Value {
    let state = match key.state {
        KeyState::Enabled => "Enabled",
        KeyState::Disabled => "Disabled",
        KeyState::PendingImport => "PendingImport",
        KeyState::PendingDeletion(_) => "PendingDeletion",
    };
    json!({
        "AWSAccountId": key.arn.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": seconds(key.created),
        "Enabled": key.state == KeyState::Enabled,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": state,
        "Origin": key.origin,
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "MultiRegion": key.multi_region,
        "EncryptionAlgorithms":
            (key.spec == "SYMMETRIC_DEFAULT").then_some(["SYMMETRIC_DEFAULT"]),
        "MacAlgorithms": super::mac::algorithm_of(key).map(|algorithm| [algorithm]),
        "ExpirationModel": (key.origin == "EXTERNAL" && key.state != KeyState::PendingImport)
            .then_some("KEY_MATERIAL_DOES_NOT_EXPIRE"),
        "MultiRegionConfiguration": key.multi_region.then(|| json!({
            "MultiRegionKeyType": "PRIMARY",
            "PrimaryKey": { "Arn": key.arn, "Region": key.arn.region },
            "ReplicaKeys": [],
        })),
        "DeletionDate": match key.state {
            KeyState::PendingDeletion(due) => Some(seconds(due)),
            _ => None,
        },
    })
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    Ok(json!({ "KeyMetadata": metadata(call.key(control)?) }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let keys = account(control, &call.caller.account)?
        .kms
        .keys
        .values()
        .filter(|key| key.arn.region.as_ref() == Some(call.region))
        .map(|key| (key.id.clone(), json!({ "KeyId": key.id, "KeyArn": key.arn })));
    page(call, "Keys", keys, 100, 1000)
}

/// One page in KMS's manner: `Limit`, `Marker`.
pub(super) fn page(
    call: &Call<'_>,
    member: &str,
    items: impl Iterator<Item = (String, Value)>,
    usual: usize,
    most: usize,
) -> Reply {
    let limit = input::limit(call.input, "Limit", usual, most)
        .ok_or_else(|| ApiError::validation(format!("Limit must be between 1 and {most}")))?;
    let (items, next) = input::page(items, input::text(call.input, "Marker"), limit)
        .ok_or_else(|| ApiError::new("InvalidMarkerException", "The marker is invalid."))?;
    Ok(json!({ member: items, "Truncated": next.is_some(), "NextMarker": next }))
}

/// Changes the key of `KeyId`. The caller is already authorized.
pub(super) fn update(
    control: &mut Control,
    call: &Call<'_>,
    change: impl FnOnce(&mut Key) -> Reply,
) -> Reply {
    let arn =
        access::find_key(control, &call.caller.account, call.region, call.required("KeyId")?)?
            .arn
            .clone();
    let owner = arn.account.as_ref().unwrap_or(&call.caller.account);
    let state = &mut account_mut(control, owner)?.kms;
    match state.keys.get_mut(arn.resource_name()) {
        Some(key) => change(key),
        None => Err(not_found(format!("Key '{arn}' does not exist"))),
    }
}

pub(super) fn pending(key: &Key) -> ApiError {
    let what = if key.state == KeyState::PendingImport { "import" } else { "deletion" };
    ApiError::new("KMSInvalidStateException", format!("{} is pending {what}.", key.arn))
}

pub(super) fn update_description(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    let description = input::text(call.input, "Description").unwrap_or_default().to_owned();
    update(control, call, |key| {
        key.description = description;
        Ok(json!({}))
    })
}

pub(super) fn set_enabled(control: &mut Control, call: &Call<'_>, enabled: bool) -> Reply {
    call.key(control)?;
    update(control, call, |key| {
        if matches!(key.state, KeyState::PendingDeletion(_) | KeyState::PendingImport) {
            return Err(pending(key));
        }
        key.state = if enabled { KeyState::Enabled } else { KeyState::Disabled };
        Ok(json!({}))
    })
}

pub(super) fn schedule_deletion(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    let days = input::number(call.input, "PendingWindowInDays").unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(ApiError::validation(
            "PendingWindowInDays must be between 7 and 30, inclusive",
        ));
    }
    update(control, call, |key| {
        if matches!(key.state, KeyState::PendingDeletion(_)) {
            return Err(pending(key));
        }
        let due = call.now + SignedDuration::from_hours(24 * days);
        key.state = KeyState::PendingDeletion(due);
        Ok(json!({
            "KeyId": key.arn,
            "DeletionDate": seconds(due),
            "KeyState": "PendingDeletion",
            "PendingWindowInDays": days,
        }))
    })
}

pub(super) fn cancel_deletion(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    update(control, call, |key| {
        if !matches!(key.state, KeyState::PendingDeletion(_)) {
            return Err(ApiError::new(
                "KMSInvalidStateException",
                format!("{} is not pending deletion.", key.arn),
            ));
        }
        key.state = KeyState::Disabled;
        Ok(json!({ "KeyId": key.arn }))
    })
}

pub(super) fn tag(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    let tags = input::tags(call.input, "Tags", "TagKey", "TagValue");
    update(control, call, |key| {
        let mut all: BTreeMap<String, String> = key.tags.clone();
        all.extend(tags);
        if all.len() > 50 {
            return Err(ApiError::new("LimitExceededException", "more than 50 tags"));
        }
        key.tags = all;
        Ok(json!({}))
    })
}

pub(super) fn untag(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    let names = input::texts(call.input, "TagKeys");
    update(control, call, |key| {
        key.tags.retain(|name, _| !names.contains(name));
        Ok(json!({}))
    })
}

pub(super) fn list_tags(control: &Control, call: &Call<'_>) -> Reply {
    let key = call.key(control)?;
    let tags = input::tag_list(&key.tags, "TagKey", "TagValue");
    Ok(json!({ "Tags": tags, "Truncated": false }))
}

/// The sandbox makes no grants, so there are none to list.
pub(super) fn list_grants(control: &Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    Ok(json!({ "Grants": [], "Truncated": false }))
}
