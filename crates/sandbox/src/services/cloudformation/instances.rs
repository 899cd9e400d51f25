//! Instances of stack sets: one stack for each account and Region.

use orgtrail_base::names::AccountId;
use serde_json::json;

use super::operations::{self, New, check_free};
use super::stack_sets::{allowed, find, find_mut};
use super::state::{Action, Instance, instance_key};
use super::targets::{Targets, preferences};
use super::{Call, Control, Reply, access, invalid, listed};
use crate::api::ApiError;
use crate::services::input::{flag, list as items, text};

fn targets(control: &Control, call: &Call<'_>) -> Result<Targets, ApiError> {
    let targets = Targets::read(control, call)?.ok_or_else(|| {
        invalid("DeploymentTargets are required for the SERVICE_MANAGED permission model")
    })?;
    if targets.regions.is_empty() {
        return Err(invalid("Regions are required"));
    }
    if !items(call.input, "ParameterOverrides").is_empty() {
        return Err(invalid("the sandbox supports no ParameterOverrides"));
    }
    Ok(targets)
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    access::check_enabled(control, call)?;
    check_free(find(control, call, &key)?)?;
    let targets = targets(control, call)?;
    let preferences = preferences(call)?;
    let accounts = targets.resolve(control)?;
    let set = find_mut(control, &call.caller.account, &key)?;
    set.units.extend(targets.units.iter().cloned());
    set.regions.extend(targets.regions.iter().cloned());
    let mut instances = Vec::new();
    for (account, unit) in accounts {
        for region in &targets.regions {
            let known = set.instances.get(&instance_key(&account, region));
            let new = Instance {
                account: account.clone(),
                region: region.clone(),
                unit: unit.clone(),
                version: 0,
                status: String::new(),
                detailed: String::new(),
                reason: None,
                stack: None,
                last_operation: String::new(),
            };
            instances.push(known.cloned().unwrap_or(new));
        }
    }
    started(control, call, &key, Action::Create, instances, preferences, &targets)
}

fn started(
    control: &mut Control,
    call: &Call<'_>,
    key: &str,
    action: Action,
    instances: Vec<Instance>,
    preferences: super::state::Preferences,
    targets: &Targets,
) -> Reply {
    let new = New {
        action,
        instances,
        preferences,
        retains_stacks: flag(call.input, "RetainStacks").unwrap_or(false),
        targets,
        id: operations::id(call),
    };
    let set = find_mut(control, &call.caller.account, key)?;
    let id = operations::start(call.simulation, call.now, set, new)?;
    Ok(json!({ "OperationId": id }))
}

/// The instances that a call targets: those that exist. An account that has left is targeted
/// by its unit as long as it has an instance.
fn existing(
    control: &Control,
    call: &Call<'_>,
    key: &str,
    targets: &Targets,
) -> Result<Vec<Instance>, ApiError> {
    let accounts = targets.resolve(control)?;
    let set = find(control, call, key)?;
    let is_meant = |account: &AccountId| accounts.iter().any(|(id, _)| id == account);
    let instances = set.instances.values().filter(|instance| {
        targets.regions.contains(&instance.region) && is_meant(&instance.account)
    });
    Ok(instances.cloned().collect())
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    access::check_enabled(control, call)?;
    check_free(find(control, call, &key)?)?;
    let targets = targets(control, call)?;
    let preferences = preferences(call)?;
    let instances = existing(control, call, &key, &targets)?;
    started(control, call, &key, Action::Update, instances, preferences, &targets)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    access::check_enabled(control, call)?;
    check_free(find(control, call, &key)?)?;
    let targets = targets(control, call)?;
    if flag(call.input, "RetainStacks").is_none() {
        return Err(crate::services::input::missing("retainStacks"));
    }
    let preferences = preferences(call)?;
    let instances = existing(control, call, &key, &targets)?;
    if targets.is_whole() {
        let set = find_mut(control, &call.caller.account, &key)?;
        set.units.retain(|unit| !targets.units.contains(unit));
    }
    started(control, call, &key, Action::Delete, instances, preferences, &targets)
}

/// The value of one of a call's filters.
pub(super) fn filter(call: &Call<'_>, name: &str) -> Option<String> {
    let filters = items(call.input, "Filters").iter();
    let mut named = filters.filter(|filter| text(filter, "Name") == Some(name));
    named.next().and_then(|filter| text(filter, "Values")).map(str::to_owned)
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    let set = find(control, call, &key)?;
    let detailed = filter(call, "DETAILED_STATUS");
    let account = text(call.input, "StackInstanceAccount");
    let region = text(call.input, "StackInstanceRegion");
    let instances = set.instances.iter().filter(|(_, instance)| {
        detailed.as_ref().is_none_or(|wanted| *wanted == instance.detailed)
            && account.is_none_or(|wanted| wanted == instance.account.as_str())
            && region.is_none_or(|wanted| wanted == instance.region.as_str())
    });
    let summaries = instances.map(|(key, instance)| {
        let item = json!({
            "StackSetId": set.id,
            "Account": instance.account,
            "Region": instance.region,
            "OrganizationalUnitId": instance.unit,
            "Status": instance.status,
            "StatusReason": instance.reason,
            "StackInstanceStatus": { "DetailedStatus": instance.detailed },
            "StackId": instance.stack,
            "LastOperationId": instance.last_operation,
            "DriftStatus": "NOT_CHECKED",
        });
        (key.clone(), item)
    });
    listed(call, "Summaries", summaries)
}
