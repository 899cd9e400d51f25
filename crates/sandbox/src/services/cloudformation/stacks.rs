//! Stacks of the caller's own account.

use serde_json::{Value, json};

use super::deploy::{self, Source};
use super::role::Actor;
use super::state::{Stack, key};
use super::template::Template;
use super::{
    Call, Control, Reply, body, invalid, listed, name, new_tags, parameters, shown_parameters,
    shown_tags,
};
use crate::api::ApiError;
use crate::services::input::{account, flag, seconds, texts};

fn actor<'a>(call: &'a Call<'_>) -> Actor<'a> {
    Actor { simulation: call.simulation, caller: call.caller, region: call.region, now: call.now }
}

/// The ARN of a stack for its authorization.
fn resource(control: &Control, call: &Call<'_>, name: &str) -> Result<String, ApiError> {
    let stacks = &account(control, &call.caller.account)?.cloudformation.stacks;
    let known = stacks.get(&key(call.region, name)).map(|stack| stack.id.clone());
    Ok(known.unwrap_or_else(|| call.arn(format!("stack/{name}/*")).to_string()))
}

fn find<'a>(control: &'a Control, call: &Call<'_>, name: &str) -> Result<&'a Stack, ApiError> {
    let stacks = &account(control, &call.caller.account)?.cloudformation.stacks;
    let missing = || invalid(format!("Stack with id {name} does not exist"));
    stacks.get(&key(call.region, name)).ok_or_else(missing)
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "StackName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let template = body(call)?
        .ok_or_else(|| invalid("Either Template URL or Template Body must be specified."))?;
    let capabilities = texts(call.input, "Capabilities");
    Template::parse(template)?.check_capabilities(&capabilities)?;
    if find(control, call, name).is_ok() {
        return Err(ApiError::new(
            "AlreadyExistsException",
            format!("Stack [{name}] already exists"),
        ));
    }
    let source = Source {
        name: name.to_owned(),
        template: template.to_owned(),
        parameters: parameters(call, &[].into())?,
        tags: new_tags(call),
        capabilities,
    };
    let stack = deploy::create(control, &actor(call), source)?;
    Ok(json!({ "StackId": stack.id }))
}

/// Whether a stack can be changed in its state.
fn check_updatable(stack: &Stack) -> Result<(), ApiError> {
    let status = stack.under_way.as_deref().unwrap_or(&stack.status);
    let complete = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"];
    if complete.contains(&status) {
        return Ok(());
    }
    Err(invalid(format!("Stack:{} is in {status} state and can not be updated.", stack.id)))
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "StackName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let stack = find(control, call, name)?.clone();
    let capabilities = texts(call.input, "Capabilities");
    let template = match body(call)? {
        Some(template) => template.to_owned(),
        None if flag(call.input, "UsePreviousTemplate") == Some(true) => stack.template.clone(),
        None => {
            return Err(invalid("Either Template URL or Template Body must be specified."));
        }
    };
    let parsed = Template::parse(&template)?;
    parsed.check_capabilities(&capabilities)?;
    check_updatable(&stack)?;
    let parameters = parameters(call, &stack.parameters)?;
    let tags = if call.input.get("Tags").is_some() { new_tags(call) } else { stack.tags.clone() };
    let is_same = template == stack.template
        && parsed.values(&parameters)? == stack.parameters
        && tags == stack.tags;
    if is_same {
        return Err(invalid("No updates are to be performed."));
    }
    let source = Source { name: name.to_owned(), template, parameters, tags, capabilities };
    let stack = deploy::update(control, &actor(call), stack, source)?;
    Ok(json!({ "StackId": stack.id }))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "StackName")?;
    call.allow(control, &resource(control, call, name)?)?;
    // What does not exist is deleted already.
    if let Ok(stack) = find(control, call, name).cloned() {
        // Whether it could be deleted is in the stack's status.
        drop(deploy::delete(control, &actor(call), stack));
    }
    Ok(json!({}))
}

pub(super) fn describe(control: &mut Control, call: &Call<'_>) -> Reply {
    let Some(_) = call.input.get("StackName") else {
        call.allow(control, &call.arn("stack/*/*").to_string())?;
        let region = format!("{}/", call.region);
        let stacks = &account(control, &call.caller.account)?.cloudformation.stacks;
        let stacks = stacks.iter().filter(|(key, _)| key.starts_with(&region));
        return listed(call, "Stacks", stacks.map(|(key, stack)| (key.clone(), shape(stack))));
    };
    let name = name(call, "StackName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let answer = json!({ "Stacks": [shape(find(control, call, name)?)] });
    // The next look finds it done.
    let own = control.accounts.get_mut(&call.caller.account);
    let stacks = own.map(|own| &mut own.cloudformation.stacks);
    if let Some(stack) = stacks.and_then(|stacks| stacks.get_mut(&key(call.region, name))) {
        stack.under_way = None;
    }
    Ok(answer)
}

fn shape(stack: &Stack) -> Value {
    let outputs: Vec<Value> = stack
        .outputs
        .iter()
        .map(|(key, value)| json!({ "OutputKey": key, "OutputValue": value }))
        .collect();
    json!({
        "StackId": stack.id,
        "StackName": stack.name,
        "StackStatus": stack.under_way.as_ref().unwrap_or(&stack.status),
        "StackStatusReason": stack.reason.as_ref().filter(|_| stack.under_way.is_none()),
        "CreationTime": seconds(stack.created_at),
        "LastUpdatedTime": stack.updated_at.map(seconds),
        "Parameters": shown_parameters(&stack.parameters),
        "Tags": shown_tags(&stack.tags),
        "Capabilities": stack.capabilities,
        "Outputs": outputs,
        "DisableRollback": false,
    })
}

pub(super) fn events(control: &Control, call: &Call<'_>) -> Reply {
    let name = name(call, "StackName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let stack = find(control, call, name)?;
    let events = stack.events.iter().enumerate().map(|(at, event)| {
        let item = json!({
            "EventId": event.id,
            "StackId": stack.id,
            "StackName": stack.name,
            "LogicalResourceId": event.resource,
            "ResourceType": event.kind,
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "Timestamp": seconds(event.at),
        });
        (format!("{at:06}"), item)
    });
    listed(call, "StackEvents", events)
}

pub(super) fn template(control: &Control, call: &Call<'_>) -> Reply {
    let name = name(call, "StackName")?;
    call.allow(control, &resource(control, call, name)?)?;
    let stack = find(control, call, name)?;
    Ok(json!({ "TemplateBody": stack.template, "StagesAvailable": ["Original", "Processed"] }))
}
