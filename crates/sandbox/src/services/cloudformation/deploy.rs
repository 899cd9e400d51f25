//! Creating, changing and deleting a stack, with rollback.

use std::collections::{BTreeMap, VecDeque};

use super::role::Actor;
use super::state::{Stack, StackEvent, key};
use super::template::{Place, RoleResource, Template};
use crate::api::ApiError;
use crate::services::input::account_mut;
use crate::simulation::Control;

/// What a stack is made from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) template: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
}

impl Source {
    fn roles(&self, actor: &Actor<'_>) -> Result<Parsed, ApiError> {
        let template = Template::parse(&self.template)?;
        let values = template.values(&self.parameters)?;
        let partition = actor.caller.partition.to_string();
        let place = Place {
            partition: &partition,
            account: &actor.caller.account,
            region: actor.region,
            stack_name: &self.name,
        };
        let roles = template.roles(&values, place)?;
        Ok(Parsed { template, values, roles })
    }
}

/// A template with the values of its parameters.
struct Parsed {
    template: Template,
    values: BTreeMap<String, String>,
    roles: Vec<RoleResource>,
}

impl Parsed {
    /// The outputs, once the roles exist.
    fn outputs(
        &self,
        control: &Control,
        actor: &Actor<'_>,
        stack: &str,
        names: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let account = &actor.caller.account;
        let iam = control.accounts.get(account).map(|account| &account.iam);
        let arns = names.iter().filter_map(|(id, name)| {
            let path = &iam?.roles.get(name)?.path;
            let partition = actor.caller.partition;
            Some((id.clone(), crate::services::iam::arn(partition, account, "role", path, name)))
        });
        let arns = arns.collect();
        let partition = actor.caller.partition.to_string();
        let place =
            Place { partition: &partition, account, region: actor.region, stack_name: stack };
        self.template.outputs(&self.values, place, &arns)
    }
}

fn event(actor: &Actor<'_>, resource: &str, status: &str, reason: Option<String>) -> StackEvent {
    StackEvent {
        id: actor.simulation.uuid(),
        at: actor.now,
        resource: resource.to_owned(),
        kind: "AWS::IAM::Role".to_owned(),
        status: status.to_owned(),
        reason,
    }
}

/// Creates a stack. If a role cannot be created, the others are deleted again, and the stack
/// stays as `ROLLBACK_COMPLETE`.
///
/// # Errors
/// The template or its parameters are invalid: there is no stack.
pub(super) fn create(
    control: &mut Control,
    actor: &Actor<'_>,
    source: Source,
) -> Result<Stack, ApiError> {
    let parsed = source.roles(actor)?;
    let account = &actor.caller.account;
    let id = format!(
        "arn:{}:cloudformation:{}:{account}:stack/{}/{}",
        actor.caller.partition,
        actor.region,
        source.name,
        actor.simulation.uuid()
    );
    let (mut names, mut events) = (BTreeMap::new(), VecDeque::new());
    let mut failed = None;
    for role in &parsed.roles {
        match actor.create(control, role, &source.tags, &source.name) {
            Ok(name) => {
                events.push_front(event(actor, &role.logical_id, "CREATE_COMPLETE", None));
                names.insert(role.logical_id.clone(), name);
            }
            Err(reason) => {
                let reason = Some(reason);
                events.push_front(event(actor, &role.logical_id, "CREATE_FAILED", reason));
                failed = Some(role.logical_id.clone());
                break;
            }
        }
    }
    let outputs = match failed {
        Some(_) => BTreeMap::new(),
        None => parsed.outputs(control, actor, &source.name, &names)?,
    };
    if failed.is_some() {
        for (id, name) in std::mem::take(&mut names) {
            let declared = parsed.roles.iter().find(|role| role.logical_id == id);
            // What its creator may not delete stays, as in AWS.
            drop(actor.delete(control, &name, declared));
        }
    }
    let status = if failed.is_some() { "ROLLBACK_COMPLETE" } else { "CREATE_COMPLETE" };
    let under_way = if failed.is_some() { "ROLLBACK_IN_PROGRESS" } else { "CREATE_IN_PROGRESS" };
    let reason = failed.map(|id| format!("The following resource(s) failed to create: [{id}]."));
    let stack = Stack {
        id,
        name: source.name.clone(),
        template: source.template,
        parameters: parsed.values,
        tags: source.tags,
        capabilities: source.capabilities,
        status: status.to_owned(),
        reason,
        under_way: Some(under_way.to_owned()),
        created_at: actor.now,
        updated_at: None,
        events,
        roles: names,
        outputs,
    };
    let key = key(actor.region, &source.name);
    account_mut(control, account)?.cloudformation.stacks.insert(key, stack.clone());
    Ok(stack)
}

/// Changes a stack. If a role cannot be changed, the stack stays as it was, as
/// `UPDATE_ROLLBACK_COMPLETE`.
///
/// # Errors
/// The template or its parameters are invalid: nothing was changed.
pub(super) fn update(
    control: &mut Control,
    actor: &Actor<'_>,
    mut stack: Stack,
    source: Source,
) -> Result<Stack, ApiError> {
    let parsed = source.roles(actor)?;
    let before = stack.clone();
    let old = Source {
        name: before.name.clone(),
        template: before.template.clone(),
        parameters: before.parameters.clone(),
        tags: before.tags.clone(),
        capabilities: before.capabilities.clone(),
    };
    let old_roles = old.roles(actor)?.roles;
    let (mut names, mut created, mut failed) = (BTreeMap::new(), Vec::new(), None);
    for role in &parsed.roles {
        let known = before.roles.get(&role.logical_id);
        let same = known.filter(|name| role.name.as_ref().is_none_or(|wanted| wanted == *name));
        let changed = match same {
            Some(name) => actor.update(control, role, &source.tags, name).map(|()| name.clone()),
            None => actor
                .create(control, role, &source.tags, &source.name)
                .inspect(|name| created.push((name.clone(), role))),
        };
        match changed {
            Ok(name) => drop(names.insert(role.logical_id.clone(), name)),
            Err(reason) => {
                let reason = Some(reason);
                stack.events.push_front(event(actor, &role.logical_id, "UPDATE_FAILED", reason));
                failed = Some(role.logical_id.clone());
                break;
            }
        }
    }
    stack.updated_at = Some(actor.now);
    stack.under_way = Some("UPDATE_IN_PROGRESS".to_owned());
    if let Some(failed) = failed {
        for (name, role) in created {
            drop(actor.delete(control, &name, Some(role)));
        }
        for role in &old_roles {
            if let Some(name) = before.roles.get(&role.logical_id) {
                drop(actor.update(control, role, &old.tags, name));
            }
        }
        stack.under_way = Some("UPDATE_ROLLBACK_IN_PROGRESS".to_owned());
        "UPDATE_ROLLBACK_COMPLETE".clone_into(&mut stack.status);
        let reason = format!("The following resource(s) failed to update: [{failed}].");
        stack.reason = Some(reason);
    } else {
        for (id, name) in &before.roles {
            if names.get(id) != Some(name) {
                let declared = old_roles.iter().find(|role| role.logical_id == *id);
                // Cleaning up does not fail an update.
                drop(actor.delete(control, name, declared));
            }
        }
        stack.outputs = parsed.outputs(control, actor, &source.name, &names)?;
        "UPDATE_COMPLETE".clone_into(&mut stack.status);
        stack.reason = None;
        stack.roles = names;
        stack.template = source.template;
        stack.parameters = parsed.values;
        stack.tags = source.tags;
        stack.capabilities = source.capabilities;
    }
    let key = key(actor.region, &stack.name);
    let account = account_mut(control, &actor.caller.account)?;
    account.cloudformation.stacks.insert(key, stack.clone());
    Ok(stack)
}

/// Deletes a stack with its roles, or leaves it as `DELETE_FAILED` and says why.
pub(super) fn delete(
    control: &mut Control,
    actor: &Actor<'_>,
    mut stack: Stack,
) -> Result<(), String> {
    let source = Source {
        name: stack.name.clone(),
        template: stack.template.clone(),
        parameters: stack.parameters.clone(),
        tags: stack.tags.clone(),
        capabilities: stack.capabilities.clone(),
    };
    let declared = source.roles(actor).map(|parsed| parsed.roles).unwrap_or_default();
    let mut failed = None;
    for (id, name) in stack.roles.clone() {
        let role = declared.iter().find(|role| role.logical_id == id);
        match actor.delete(control, &name, role) {
            Ok(()) => drop(stack.roles.remove(&id)),
            Err(reason) => {
                let happened = event(actor, &id, "DELETE_FAILED", Some(reason.clone()));
                stack.events.push_front(happened);
                failed = Some((id, reason));
            }
        }
    }
    let Ok(account) = account_mut(control, &actor.caller.account) else { return Ok(()) };
    let key = key(actor.region, &stack.name);
    let Some((id, reason)) = failed else {
        account.cloudformation.stacks.remove(&key);
        return Ok(());
    };
    "DELETE_FAILED".clone_into(&mut stack.status);
    stack.reason = Some(format!("The following resource(s) failed to delete: [{id}]."));
    stack.under_way = Some("DELETE_IN_PROGRESS".to_owned());
    account.cloudformation.stacks.insert(key, stack);
    Err(reason)
}
