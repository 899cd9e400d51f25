//! Workgroups.

use serde_json::{Map, Value, json};

use super::{
    ApiError, Call, Control, PRIMARY, Reply, Workgroup, allowed, exists, input, invalid, key,
    no_workgroup, page, state, state_mut,
};

/// The least scan limit. Source: Athena `WorkGroupConfiguration`, `BytesScannedCutoffPerQuery`.
const LEAST_SCAN: i64 = 10_000_000;
/// The members of a configuration that are kept as they are.
const SETTINGS: [&str; 5] = [
    "BytesScannedCutoffPerQuery",
    "EnforceWorkGroupConfiguration",
    "EngineVersion",
    "PublishCloudWatchMetricsEnabled",
    "RequesterPaysEnabled",
];
const RESULTS: [&str; 4] =
    ["AclConfiguration", "EncryptionConfiguration", "ExpectedBucketOwner", "OutputLocation"];

fn members(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
    of.as_object().into_iter().flatten()
}

fn unsupported(name: &str) -> ApiError {
    invalid(format!("the sandbox does not support {name} of workgroups"))
}

/// Merges settings into a configuration: those of `CreateWorkGroup`, or the updates of
/// `UpdateWorkGroup`, which also remove some.
fn merge(into: &mut Value, given: &Value, results: &str) -> Result<(), ApiError> {
    for (name, value) in members(given) {
        if SETTINGS.contains(&name.as_str()) {
            into[name] = value.clone();
        } else if name == results {
            merge_results(&mut into["ResultConfiguration"], value)?;
        } else if name == "RemoveBytesScannedCutoffPerQuery" {
            remove(into, "BytesScannedCutoffPerQuery", value);
        } else {
            return Err(unsupported(name));
        }
    }
    Ok(())
}

fn merge_results(into: &mut Value, given: &Value) -> Result<(), ApiError> {
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (name, value) in members(given) {
        let removed = name.strip_prefix("Remove").filter(|name| RESULTS.contains(name));
        if RESULTS.contains(&name.as_str()) {
            into[name] = value.clone();
        } else if let Some(removed) = removed {
            remove(into, removed, value);
        } else {
            return Err(unsupported(name));
        }
    }
    Ok(())
}

fn remove(from: &mut Value, name: &str, whether: &Value) {
    if let (Some(members), Some(true)) = (from.as_object_mut(), whether.as_bool()) {
        members.remove(name);
    }
}

fn check(configuration: &Value) -> Result<(), ApiError> {
    let limit = input::number(configuration, "BytesScannedCutoffPerQuery");
    if let Some(limit) = limit.filter(|limit| *limit < LEAST_SCAN) {
        return Err(invalid(format!(
            "BytesScannedCutoffPerQuery must be greater than or equal to {LEAST_SCAN}, found {limit}"
        )));
    }
    let results = configuration.get("ResultConfiguration").cloned().unwrap_or_default();
    let location = input::text(&results, "OutputLocation");
    if location.is_some_and(|location| !location.starts_with("s3://")) {
        return Err(invalid("outputLocation is not a valid S3 path."));
    }
    let owner = input::text(&results, "ExpectedBucketOwner");
    if owner.is_some_and(|owner| owner.len() != 12 || !owner.bytes().all(|b| b.is_ascii_digit())) {
        return Err(invalid("ExpectedBucketOwner is not an account id"));
    }
    let Some(encryption) = results.get("EncryptionConfiguration") else { return Ok(()) };
    let key = input::text(encryption, "KmsKey");
    match (input::text(encryption, "EncryptionOption"), key) {
        (Some("SSE_S3"), None) | (Some("SSE_KMS" | "CSE_KMS"), Some(_)) => Ok(()),
        (Some("SSE_S3"), Some(_)) => Err(invalid("KmsKey is not used with SSE_S3")),
        (Some("SSE_KMS" | "CSE_KMS"), None) => Err(invalid("KmsKey is required")),
        _ => Err(invalid("EncryptionOption must be SSE_S3, SSE_KMS or CSE_KMS")),
    }
}

fn defaults() -> Value {
    json!({
        "EnforceWorkGroupConfiguration": true,
        "PublishCloudWatchMetricsEnabled": true,
        "RequesterPaysEnabled": false,
        "ResultConfiguration": {},
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO",
            "EffectiveEngineVersion": "Athena engine version 3",
        },
    })
}

/// The one that is made as somebody asks for it: every account has it.
fn primary(call: &Call<'_>) -> Workgroup {
    let mut configuration = defaults();
    configuration["EnforceWorkGroupConfiguration"] = false.into();
    Workgroup {
        name: PRIMARY.to_owned(),
        region: call.region.clone(),
        description: None,
        state: "ENABLED".to_owned(),
        configuration,
        tags: std::collections::BTreeMap::new(),
        created: input::seconds(call.now),
    }
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "Name")?;
    let tags = input::tags(call.input, "Tags", "Key", "Value");
    if !tags.is_empty() {
        call.allow_action(control, "athena:TagResource", &super::arn(call, &name), &[])?;
    }
    if exists(control, call, &name).is_ok() {
        return Err(invalid("WorkGroup is already created"));
    }
    let mut configuration = defaults();
    let given = call.input.get("Configuration").cloned().unwrap_or_default();
    merge(&mut configuration, &given, "ResultConfiguration")?;
    check(&configuration)?;
    let workgroup = Workgroup {
        name: name.clone(),
        description: input::text(call.input, "Description").map(str::to_owned),
        configuration,
        tags,
        ..primary(call)
    };
    state_mut(control, call)?.workgroups.insert(key(call.region, &name), workgroup);
    Ok(json!({}))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "WorkGroup")?;
    let found = state(control, call)?.workgroups.get(&key(call.region, &name)).cloned();
    let found = found.or_else(|| (name == PRIMARY).then(|| primary(call)));
    let found = found.ok_or_else(|| no_workgroup(&name))?;
    Ok(json!({ "WorkGroup": {
        "Name": found.name,
        "State": found.state,
        "Description": found.description,
        "Configuration": found.configuration,
        "CreationTime": found.created,
    } }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let known = state(control, call)?.workgroups.values();
    let mut all: Vec<Workgroup> = known.filter(|one| one.region == *call.region).cloned().collect();
    if all.iter().all(|one| one.name != PRIMARY) {
        all.push(primary(call));
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let described = all.into_iter().map(|one| {
        let described = json!({
            "Name": one.name,
            "State": one.state,
            "Description": one.description,
            "CreationTime": one.created,
        });
        (one.name, described)
    });
    page(call, "WorkGroups", described)
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "WorkGroup")?;
    exists(control, call, &name)?;
    let default = primary(call);
    let (input, place) = (call.input, key(call.region, &name));
    let workgroup = state_mut(control, call)?.workgroups.entry(place).or_insert(default);
    let mut changed = workgroup.clone();
    if let Some(updates) = input.get("ConfigurationUpdates") {
        merge(&mut changed.configuration, updates, "ResultConfigurationUpdates")?;
        check(&changed.configuration)?;
    }
    match input::text(input, "State") {
        Some(state @ ("ENABLED" | "DISABLED")) => state.clone_into(&mut changed.state),
        Some(state) => return Err(invalid(format!("State {state} is not ENABLED or DISABLED"))),
        None => {}
    }
    if let Some(description) = input::text(input, "Description") {
        changed.description = Some(description.to_owned());
    }
    *workgroup = changed;
    Ok(json!({}))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = allowed(control, call, "WorkGroup")?;
    if name == PRIMARY {
        return Err(invalid("primary WorkGroup can not be deleted"));
    }
    exists(control, call, &name)?;
    let (region, is_recursive) =
        (call.region, input::flag(call.input, "RecursiveDeleteOption").unwrap_or(false));
    let state = state_mut(control, call)?;
    let is_in = |query: &super::Query| query.workgroup == name && query.region == *region;
    if !is_recursive && state.queries.values().any(is_in) {
        return Err(invalid(format!("WorkGroup {name} is not empty")));
    }
    state.queries.retain(|_, query| !is_in(query));
    state.workgroups.remove(&key(region, &name));
    Ok(json!({}))
}

/// The name of the workgroup of a call's `ResourceARN`, once the caller may do this to it.
fn of_arn(control: &Control, call: &Call<'_>) -> Result<String, ApiError> {
    let found = call.required("ResourceARN")?;
    call.allow(control, found)?;
    let prefix = super::arn(call, "");
    let name = found.strip_prefix(&prefix).ok_or_else(|| {
        ApiError::new("ResourceNotFoundException", format!("{found} is not found."))
    })?;
    exists(control, call, name).map_err(|_| {
        ApiError::new("ResourceNotFoundException", format!("{found} is not found."))
    })?;
    Ok(name.to_owned())
}

pub(super) fn tag(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = of_arn(control, call)?;
    let tags = input::tags(call.input, "Tags", "Key", "Value");
    let default = primary(call);
    let place = key(call.region, &name);
    let workgroup = state_mut(control, call)?.workgroups.entry(place).or_insert(default);
    workgroup.tags.extend(tags);
    Ok(json!({}))
}

pub(super) fn tags(control: &Control, call: &Call<'_>) -> Reply {
    let name = of_arn(control, call)?;
    let found = state(control, call)?.workgroups.get(&key(call.region, &name));
    let tags = found.map(|found| found.tags.clone()).unwrap_or_default();
    Ok(json!({ "Tags": input::tag_list(&tags, "Key", "Value") }))
}
