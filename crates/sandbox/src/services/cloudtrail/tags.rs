//! Tags of trails.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, Trail, find, input};

/// The most tags that a trail may have.
const MAX_TAGS: usize = 50;

/// The tags of a call, checked.
pub(super) fn of_call(call: &Call<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let given = input::list(call.input, "TagsList");
    let tags = input::tags(call.input, "TagsList", "Key", "Value");
    let invalid = |message: &str| Err(ApiError::new("InvalidTagParameterException", message));
    if tags.len() != given.len() {
        return invalid("tag keys must be present and unique");
    }
    check_count(&tags)?;
    for (key, value) in &tags {
        if key.starts_with("aws:") || key.chars().count() > 128 || value.chars().count() > 256 {
            return invalid(
                "tag keys have at most 128 characters and do not begin with aws:, values have at most 256",
            );
        }
    }
    Ok(tags)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::new("TagsLimitExceededException", "a trail takes at most 50 tags"));
    }
    Ok(())
}

/// The trail whose tags a call changes.
fn tagged<'a>(control: &'a mut Control, call: &Call<'_>) -> Result<&'a mut Trail, ApiError> {
    let arn = call.required("ResourceId")?;
    find::trail_arn(arn)?;
    find::manage(control, call, arn)
}

pub(super) fn add(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = of_call(call)?;
    let trail = tagged(control, call)?;
    let mut all = trail.tags.clone();
    all.extend(tags);
    check_count(&all)?;
    trail.tags = all;
    Ok(json!({}))
}

pub(super) fn remove(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = of_call(call)?;
    tagged(control, call)?.tags.retain(|key, _| !tags.contains_key(key));
    Ok(json!({}))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    let ids = input::texts(call.input, "ResourceIdList");
    if ids.is_empty() || ids.len() > 20 {
        return Err(ApiError::new(
            "InvalidParameterException",
            "ResourceIdList takes 1 to 20 ARNs",
        ));
    }
    let mut found = Vec::<Value>::new();
    for id in &ids {
        find::trail_arn(id)?;
        let trail = find::find(control, call, id)
            .map_err(|error| ApiError { code: "ResourceNotFoundException".into(), ..error })?;
        find::allow(control, call, trail)?;
        found.push(json!({
            "ResourceId": id,
            "TagsList": input::tag_list(&trail.tags, "Key", "Value"),
        }));
    }
    Ok(json!({ "ResourceTagList": found }))
}
