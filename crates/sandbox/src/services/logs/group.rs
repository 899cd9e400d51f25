//! Log groups.

use serde_json::json;

use super::{
    ApiError, Call, Control, Group, Reply, group_mut, groups, input, invalid, name_of, no_group,
    page, place,
};
use crate::services::input::account_mut;
use crate::services::kms;

/// The retentions that CloudWatch Logs has, in days.
const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("logGroupName")?;
    let fits = name.len() <= 512
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.' | b'#'));
    if !fits {
        return Err(invalid(format!(
            "Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
        )));
    }
    call.allow(control, &call.arn(format!("log-group:{name}")).to_string())?;
    let place = place(call.region, name);
    if groups(control, &call.caller.account)?.contains_key(&place) {
        return Err(ApiError::new(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ));
    }
    let key = match input::text(call.input, "kmsKeyId") {
        Some(key) => Some(check_key(control, call, name, key)?),
        None => None,
    };
    let group = Group {
        name: name.to_owned(),
        arn: call.arn(format!("log-group:{name}")),
        created: call.now,
        retention_days: None,
        key,
        class: input::text(call.input, "logGroupClass").unwrap_or("STANDARD").to_owned(),
        tags: input::map(call.input, "tags"),
        streams: std::collections::BTreeMap::new(),
        filters: std::collections::BTreeMap::new(),
    };
    account_mut(control, &call.caller.account)?.logs.groups.insert(place, group);
    Ok(json!({}))
}

/// A key for a group must exist, be enabled, and let CloudWatch Logs use it.
fn check_key(
    control: &Control,
    call: &Call<'_>,
    group: &str,
    key: &str,
) -> Result<String, ApiError> {
    let arn = call.arn(format!("log-group:{group}"));
    let principal = format!("logs.{}.{}", call.region, call.caller.partition.dns_suffix());
    let service = crate::auth::Caller::service(
        call.caller.partition,
        &call.caller.account,
        &principal,
        Some(arn.to_string()),
    );
    let context = [("aws:logs:arn".to_owned(), arn.to_string())].into();
    kms::use_key(control, &service, call.region, key, "Encrypt", &context, None)
        .map(|arn| arn.to_string())
        .map_err(|_| {
            invalid(format!(
                "The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
            ))
        })
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    group_mut(control, call)?;
    let place = place(call.region, &name_of(call)?);
    account_mut(control, &call.caller.account)?.logs.groups.remove(&place).ok_or_else(no_group)?;
    Ok(json!({}))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, &call.arn("log-group::log-stream:*").to_string())?;
    let account_level = input::account(control, &call.caller.account)?.logs.retention.as_ref();
    let prefix = input::text(call.input, "logGroupNamePrefix").unwrap_or_default();
    let pattern = input::text(call.input, "logGroupNamePattern").unwrap_or_default();
    let groups = groups(control, &call.caller.account)?
        .values()
        .filter(|group| group.arn.region.as_ref() == Some(call.region))
        .filter(|group| group.name.starts_with(prefix) && group.name.contains(pattern))
        .map(|group| {
            let bytes: u64 = group.streams.values().map(|stream| stream.bytes).sum();
            let item = json!({
                "logGroupName": group.name,
                "creationTime": group.created.as_millisecond(),
                "metricFilterCount": group.filters.len(),
                "arn": format!("{}:*", group.arn),
                "logGroupArn": group.arn,
                "storedBytes": bytes,
                "logGroupClass": group.class,
                // The account's applies to everything in the group.
                "retentionInDays": account_level.map(|(_, days)| *days).or(group.retention_days),
                "retentionPolicyName": account_level.map(|(name, _)| name),
                "kmsKeyId": group.key,
            });
            (group.name.clone(), item)
        });
    page(call, "logGroups", groups, 50)
}

pub(super) fn put_retention(control: &mut Control, call: &Call<'_>) -> Reply {
    let days = input::number(call.input, "retentionInDays").unwrap_or(0);
    if !RETENTIONS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTIONS:?}"
        )));
    }
    group_mut(control, call)?.retention_days = Some(days);
    Ok(json!({}))
}

pub(super) fn delete_retention(control: &mut Control, call: &Call<'_>) -> Reply {
    group_mut(control, call)?.retention_days = None;
    Ok(json!({}))
}

pub(super) fn associate_key(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name_of(call)?;
    group_mut(control, call)?;
    let key = check_key(control, call, &name, call.required("kmsKeyId")?)?;
    group_mut(control, call)?.key = Some(key);
    Ok(json!({}))
}

pub(super) fn disassociate_key(control: &mut Control, call: &Call<'_>) -> Reply {
    group_mut(control, call)?.key = None;
    Ok(json!({}))
}

pub(super) fn tag(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = input::map(call.input, "tags");
    group_mut(control, call)?.tags.extend(tags);
    Ok(json!({}))
}

pub(super) fn untag(control: &mut Control, call: &Call<'_>) -> Reply {
    let names = input::texts(call.input, "tagKeys");
    group_mut(control, call)?.tags.retain(|name, _| !names.contains(name));
    Ok(json!({}))
}

pub(super) fn list_tags(control: &mut Control, call: &Call<'_>) -> Reply {
    Ok(json!({ "tags": group_mut(control, call)?.tags }))
}
