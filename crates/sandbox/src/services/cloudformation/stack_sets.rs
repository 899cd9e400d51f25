//! Stack sets with service-managed permissions.

use orgtrail_base::names::{AccountId, Region};
use serde_json::{Value, json};

use super::operations::{self, New, check_free};
use super::state::{Action, StackSet, key};
use super::targets::{Targets, preferences};
use super::template::Template;
use super::{
    Call, Control, Reply, access, body, conflict, invalid, listed, name, new_tags, not_found,
    parameters, shown_parameters, shown_tags,
};
use crate::api::ApiError;
use crate::services::input::{account, account_mut, flag, text, texts};

/// Asks whether the caller may do this call on the stack set that it names, and returns its
/// key.
pub(super) fn allowed(control: &Control, call: &Call<'_>) -> Result<String, ApiError> {
    if text(call.input, "CallAs").is_some_and(|it| it != "SELF") {
        return Err(invalid("the sandbox has no delegated administrators of stack sets"));
    }
    let name = name(call, "StackSetName")?;
    let key = key(call.region, name);
    if call.operation == "CreateStackSet" {
        // Source: Service Authorization Reference, CloudFormation: the action has no resource.
        let tags = new_tags(call);
        let keys: Vec<(String, String)> =
            tags.into_iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), value)).collect();
        let context: Vec<(&str, String)> =
            keys.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        call.allow_with(control, "*", &context)?;
        return Ok(key);
    }
    let sets = &account(control, &call.caller.account)?.cloudformation.stack_sets;
    let id = sets.get(&key).map_or_else(|| format!("{name}:*"), |set| set.id.clone());
    call.allow(control, &call.arn(format!("stackset/{id}")).to_string())?;
    Ok(key)
}

/// Asks whether the caller may give a stack set the tags of this call.
///
/// Source: CloudFormation API Reference, `CreateStackSet` and `UpdateStackSet`, `Tags`.
fn allow_tags(control: &Control, call: &Call<'_>) -> Result<(), ApiError> {
    if new_tags(call).is_empty() {
        return Ok(());
    }
    let name = name(call, "StackSetName")?;
    let sets = &account(control, &call.caller.account)?.cloudformation.stack_sets;
    let known = sets.get(&key(call.region, name)).map(|set| set.id.clone());
    let id = known.unwrap_or_else(|| format!("{name}:*"));
    let arn = call.arn(format!("stackset/{id}")).to_string();
    call.allow_action(control, "cloudformation:TagResource", &arn, &[])
}

/// The stack set of a key.
pub(super) fn find<'a>(
    control: &'a Control,
    call: &Call<'_>,
    key: &str,
) -> Result<&'a StackSet, ApiError> {
    account(control, &call.caller.account)?.cloudformation.stack_sets.get(key).ok_or_else(|| {
        let name = key.rsplit('/').next().unwrap_or_default();
        not_found("StackSetNotFoundException", format!("StackSet {name} not found"))
    })
}

/// The same to change it.
pub(super) fn find_mut<'a>(
    control: &'a mut Control,
    id: &AccountId,
    key: &str,
) -> Result<&'a mut StackSet, ApiError> {
    let missing = || not_found("StackSetNotFoundException", "StackSet not found");
    account_mut(control, id)?.cloudformation.stack_sets.get_mut(key).ok_or_else(missing)
}

fn auto_deployment(call: &Call<'_>) -> Result<Option<(bool, bool)>, ApiError> {
    let Some(given) = call.input.get("AutoDeployment").filter(|it| it.is_object()) else {
        return Ok(None);
    };
    let enabled = flag(given, "Enabled").unwrap_or(false);
    match (enabled, flag(given, "RetainStacksOnAccountRemoval")) {
        (true, None) => {
            Err(invalid("RetainStacksOnAccountRemoval is required if auto-deployment is enabled"))
        }
        (false, Some(_)) => Err(invalid(
            "RetainStacksOnAccountRemoval can only be specified if auto-deployment is enabled",
        )),
        (enabled, retains) => Ok(Some((enabled, retains.unwrap_or(false)))),
    }
}

fn managed_execution(call: &Call<'_>) -> Option<bool> {
    flag(call.input.get("ManagedExecution")?, "Active")
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    let name = name(call, "StackSetName")?.to_owned();
    if text(call.input, "PermissionModel") != Some("SERVICE_MANAGED") {
        return Err(invalid(
            "the sandbox supports stack sets with service-managed permissions only",
        ));
    }
    access::check_enabled(control, call)?;
    allow_tags(control, call)?;
    let template = body(call)?
        .ok_or_else(|| invalid("Either Template URL or Template Body must be specified."))?;
    let capabilities = texts(call.input, "Capabilities");
    let parsed = Template::parse(template)?;
    parsed.check_capabilities(&capabilities)?;
    let (auto_deploys, retains) = auto_deployment(call)?
        .ok_or_else(|| invalid("AutoDeployment is required for the SERVICE_MANAGED model"))?;
    let parameters = parsed.values(&parameters(call, &[].into())?)?;
    if let Ok(existing) = find(control, call, &key) {
        // With the same token, AWS compares; a set that was changed meanwhile differs.
        return Err(conflict(
            "NameAlreadyExistsException",
            format!("StackSet already exists: {}", existing.name),
        ));
    }
    let set = StackSet {
        id: format!("{name}:{}", call.simulation.uuid()),
        name,
        region: call.region.clone(),
        description: text(call.input, "Description").map(str::to_owned).or(parsed.description),
        template: template.to_owned(),
        parameters,
        tags: new_tags(call),
        capabilities,
        auto_deploys,
        retains,
        queues: managed_execution(call).unwrap_or(false),
        version: 1,
        units: [].into(),
        regions: [].into(),
        instances: [].into(),
        operations: Vec::new(),
    };
    let answer = json!({ "StackSetId": set.id });
    account_mut(control, &call.caller.account)?.cloudformation.stack_sets.insert(key, set);
    Ok(answer)
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    access::check_enabled(control, call)?;
    allow_tags(control, call)?;
    let set = find(control, call, &key)?;
    check_free(set)?;
    let template = match body(call)? {
        Some(template) => template.to_owned(),
        None if flag(call.input, "UsePreviousTemplate") == Some(true) => set.template.clone(),
        None => {
            return Err(invalid("Either Template URL or Template Body must be specified."));
        }
    };
    let capabilities = texts(call.input, "Capabilities");
    let parsed = Template::parse(&template)?;
    parsed.check_capabilities(&capabilities)?;
    let parameters = parsed.values(&parameters(call, &set.parameters)?)?;
    let auto = auto_deployment(call)?;
    let targets = Targets::read(control, call)?;
    let preferences = preferences(call)?;
    let wanted = match &targets {
        Some(targets) => Some(targets.resolve(control)?),
        None => None,
    };
    let (simulation, now) = (call.simulation, call.now);
    let tags = call.input.get("Tags").is_some().then(|| new_tags(call));
    let description = text(call.input, "Description").map(str::to_owned);
    let queues = managed_execution(call);
    let set = find_mut(control, &call.caller.account, &key)?;
    let is_changed = template != set.template
        || parameters != set.parameters
        || tags.as_ref().is_some_and(|tags| *tags != set.tags);
    if is_changed {
        set.version += 1;
        for instance in set.instances.values_mut() {
            "OUTDATED".clone_into(&mut instance.status);
        }
    }
    (set.template, set.parameters, set.capabilities) = (template, parameters, capabilities);
    set.tags = tags.unwrap_or_else(|| set.tags.clone());
    set.description = description.or_else(|| set.description.clone());
    if let Some((enabled, retains)) = auto {
        (set.auto_deploys, set.retains) = (enabled, retains);
    }
    set.queues = queues.unwrap_or(set.queues);
    let instances = set.instances.values().filter(|instance| {
        // What a failed deletion left is excluded from updates.
        instance.detailed != "INOPERABLE"
            && wanted
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|(id, _)| *id == instance.account))
    });
    let new = New {
        action: Action::Update,
        instances: instances.cloned().collect(),
        preferences,
        retains_stacks: false,
        targets: &targets.unwrap_or_default(),
        id: operations::id(call),
    };
    let id = operations::start(simulation, now, set, new)?;
    Ok(json!({ "OperationId": id }))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    let Ok(set) = find(control, call, &key) else { return Ok(json!({})) };
    if !set.instances.is_empty() {
        return Err(conflict("StackSetNotEmptyException", "StackSet is not empty"));
    }
    if set.is_busy() {
        return Err(conflict(
            "OperationInProgressException",
            format!("Another Operation on StackSet {} is in progress", set.id),
        ));
    }
    account_mut(control, &call.caller.account)?.cloudformation.stack_sets.remove(&key);
    Ok(json!({}))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    let key = allowed(control, call)?;
    Ok(json!({ "StackSet": shape(find(control, call, &key)?, call) }))
}

fn shape(set: &StackSet, call: &Call<'_>) -> Value {
    let units: Vec<String> = set.units.iter().map(ToString::to_string).collect();
    let regions: Vec<String> = set.regions.iter().map(Region::to_string).collect();
    json!({
        "StackSetId": set.id,
        "StackSetName": set.name,
        "StackSetARN": call.arn(format!("stackset/{}", set.id)).to_string(),
        "Status": "ACTIVE",
        "Description": set.description,
        "TemplateBody": set.template,
        "Parameters": shown_parameters(&set.parameters),
        "Tags": shown_tags(&set.tags),
        "Capabilities": set.capabilities,
        "PermissionModel": "SERVICE_MANAGED",
        "AutoDeployment": {
            "Enabled": set.auto_deploys,
            "RetainStacksOnAccountRemoval": set.auto_deploys.then_some(set.retains),
        },
        "ManagedExecution": { "Active": set.queues },
        "OrganizationalUnitIds": units,
        "Regions": regions,
    })
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, &call.arn("stackset/*").to_string())?;
    let sets = account(control, &call.caller.account)?.cloudformation.stack_sets.iter();
    let here = sets.filter(|(_, set)| set.region == *call.region);
    let summaries = here.map(|(key, set)| {
        let item = json!({
            "StackSetId": set.id,
            "StackSetName": set.name,
            "Description": set.description,
            "Status": "ACTIVE",
            "PermissionModel": "SERVICE_MANAGED",
            "AutoDeployment": { "Enabled": set.auto_deploys },
            "ManagedExecution": { "Active": set.queues },
        });
        (key.clone(), item)
    });
    listed(call, "Summaries", summaries)
}
