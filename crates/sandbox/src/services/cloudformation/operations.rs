//! Operations of stack sets. They go on with the simulated clock, and each look at an
//! operation moves it on by one round, as time does between looks.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::AccountId;
use serde_json::{Value, json};

use super::deploy::{self, Source};
use super::role::Actor;
use super::stack_sets::{self, find};
use super::state::{
    Action, Instance, Operation, OperationResult, Preferences, StackSet, instance_key, key,
};
use super::targets::Targets;
use super::{Call, Control, Reply, access, conflict, listed, not_found};
use crate::api::ApiError;
use crate::auth::{Caller, Identity};
use crate::policy::{Document, PolicyType};
use crate::services::iam::{Grants, Role};
use crate::services::input::{seconds, text};
use crate::simulation::{BASE32, LOWER, Simulation};

/// How long one round takes.
const ROUND: SignedDuration = SignedDuration::from_secs(30);

/// An operation that is to start.
pub(super) struct New<'a> {
    pub(super) action: Action,
    /// Account and unit of each instance.
    pub(super) instances: Vec<Instance>,
    pub(super) preferences: Preferences,
    pub(super) retains_stacks: bool,
    pub(super) targets: &'a Targets,
    pub(super) id: Option<String>,
}

/// Refuses an operation while another one is running, unless the stack set queues them.
pub(super) fn check_free(set: &StackSet) -> Result<(), ApiError> {
    if set.is_busy() && !set.queues {
        return Err(conflict(
            "OperationInProgressException",
            format!("Another Operation on StackSet {} is in progress", set.id),
        ));
    }
    Ok(())
}

/// Starts an operation, and returns its id.
pub(super) fn start(
    simulation: &Simulation,
    now: Timestamp,
    set: &mut StackSet,
    new: New<'_>,
) -> Result<String, ApiError> {
    let id = new.id.unwrap_or_else(|| simulation.uuid());
    if set.operations.iter().any(|operation| operation.id == id) {
        return Err(conflict(
            "OperationIdAlreadyExistsException",
            format!("Operation {id} already exists"),
        ));
    }
    let mut pending = Vec::new();
    for mut instance in new.instances {
        let key = instance_key(&instance.account, &instance.region);
        "PENDING".clone_into(&mut instance.detailed);
        "OUTDATED".clone_into(&mut instance.status);
        instance.last_operation.clone_from(&id);
        pending.push(key.clone());
        set.instances.insert(key, instance);
    }
    let order = &new.preferences.region_order;
    pending.sort_by_key(|key| {
        let region = key.rsplit('/').next().unwrap_or_default();
        order.iter().position(|it| it.as_str() == region).unwrap_or(order.len())
    });
    let operation = Operation {
        id: id.clone(),
        action: new.action,
        status: if set.is_busy() { "QUEUED" } else { "RUNNING" }.to_owned(),
        reason: None,
        created_at: now,
        ended_at: None,
        continued_at: now,
        preferences: new.preferences,
        total: pending.len(),
        pending: pending.into(),
        results: [].into(),
        retains_stacks: new.retains_stacks,
        units: new.targets.units.clone(),
        accounts: new.targets.accounts.clone(),
        filter: new.targets.filter.clone(),
    };
    set.operations.push(operation);
    Ok(id)
}

/// Continues all operations by the time that has passed.
pub(super) fn advance_by_clock(control: &mut Control, simulation: &Simulation, now: Timestamp) {
    let Some(admin) = control.organization.as_ref().map(|it| it.management_account.clone()) else {
        return;
    };
    let Some(account) = control.accounts.get(&admin) else { return };
    let sets = account.cloudformation.stack_sets.iter();
    let busy: Vec<String> =
        sets.filter(|(_, set)| set.is_busy()).map(|(key, _)| key.clone()).collect();
    for key in busy {
        while moves_on(control, &admin, &key, now) {
            round(control, simulation, now, &admin, &key);
        }
    }
}

/// Counts one round of the running operation, if there was time for it.
fn moves_on(control: &mut Control, admin: &AccountId, key: &str, now: Timestamp) -> bool {
    let account = control.accounts.get_mut(admin);
    let set = account.and_then(|account| account.cloudformation.stack_sets.get_mut(key));
    let running = set.and_then(|set| set.operations.iter_mut().find(|it| !it.is_over()));
    let Some(operation) = running else { return false };
    match operation.continued_at.checked_add(ROUND) {
        Ok(next) if next <= now => {
            operation.continued_at = next;
            true
        }
        _ => false,
    }
}

/// One round of the running operation of a stack set: as many instances as it works on at the
/// same time.
fn round(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    admin: &AccountId,
    key: &str,
) {
    let Some(account) = control.accounts.get_mut(admin) else { return };
    let Some(mut set) = account.cloudformation.stack_sets.remove(key) else { return };
    if let Some(at) = set.operations.iter().position(|operation| !operation.is_over()) {
        let mut operation = set.operations.remove(at);
        "RUNNING".clone_into(&mut operation.status);
        continue_operation(control, simulation, now, &mut set, &mut operation);
        set.operations.insert(at, operation);
        if let Some(next) = set.operations.iter_mut().find(|operation| !operation.is_over()) {
            if next.status == "QUEUED" {
                next.continued_at = now;
            }
            "RUNNING".clone_into(&mut next.status);
        }
    }
    if let Some(account) = control.accounts.get_mut(admin) {
        account.cloudformation.stack_sets.insert(key.to_owned(), set);
    }
}

fn continue_operation(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    set: &mut StackSet,
    operation: &mut Operation,
) {
    let tolerated = operation.preferences.tolerated.of(operation.total, 0);
    let mut at_once = operation.preferences.concurrent.of(operation.total, 1).max(1);
    if !operation.preferences.is_soft {
        at_once = at_once.min(tolerated + 1);
    }
    let failures = |operation: &Operation| {
        operation.results.values().filter(|result| result.status == "FAILED").count()
    };
    for _ in 0..at_once {
        let Some(key) = operation.pending.pop_front() else { break };
        let Some(instance) = set.instances.remove(&key) else { continue };
        let (instance, result) = one(control, simulation, now, set, operation, instance);
        if let Some(instance) = instance {
            set.instances.insert(key.clone(), instance);
        }
        operation.results.insert(key, result);
    }
    let has_failed = failures(operation) > tolerated;
    if has_failed {
        for key in std::mem::take(&mut operation.pending) {
            let Some(instance) = set.instances.get_mut(&key) else { continue };
            "CANCELLED".clone_into(&mut instance.detailed);
            let reason = "Cancelled since failure tolerance has exceeded".to_owned();
            instance.reason = Some(reason.clone());
            let result = result(instance, "CANCELLED", Some(reason));
            operation.results.insert(key, result);
        }
    }
    if operation.pending.is_empty() {
        let status = if has_failed { "FAILED" } else { "SUCCEEDED" };
        status.clone_into(&mut operation.status);
        operation.ended_at = Some(now);
    }
}

fn result(instance: &Instance, status: &str, reason: Option<String>) -> OperationResult {
    OperationResult {
        account: instance.account.clone(),
        region: instance.region.clone(),
        unit: instance.unit.clone(),
        status: status.to_owned(),
        reason,
    }
}

/// The operation in one account and Region: the instance as it is afterwards, if it still
/// exists, and how it went.
fn one(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    set: &StackSet,
    operation: &Operation,
    mut instance: Instance,
) -> (Option<Instance>, OperationResult) {
    let is_deletion = operation.action == Action::Delete;
    if control.is_suspended(&instance.account) {
        let reason = "The account is suspended".to_owned();
        "SKIPPED_SUSPENDED_ACCOUNT".clone_into(&mut instance.detailed);
        instance.reason = Some(reason.clone());
        let result = result(&instance, "SUCCEEDED", Some(reason));
        return ((!is_deletion).then_some(instance), result);
    }
    let done = if is_deletion {
        if operation.retains_stacks {
            Ok(())
        } else {
            remove(control, simulation, now, set, &instance)
        }
    } else {
        deploy(control, simulation, now, set, &mut instance)
    };
    match done {
        Ok(()) if is_deletion => {
            let result = result(&instance, "SUCCEEDED", None);
            (None, result)
        }
        Ok(()) => {
            "CURRENT".clone_into(&mut instance.status);
            "SUCCEEDED".clone_into(&mut instance.detailed);
            (instance.version, instance.reason) = (set.version, None);
            let result = result(&instance, "SUCCEEDED", None);
            (Some(instance), result)
        }
        Err(reason) => {
            let status = if is_deletion { "INOPERABLE" } else { "OUTDATED" };
            status.clone_into(&mut instance.status);
            let detailed = if is_deletion { "INOPERABLE" } else { "FAILED" };
            detailed.clone_into(&mut instance.detailed);
            instance.reason = Some(reason.clone());
            let result = result(&instance, "FAILED", Some(reason));
            (Some(instance), result)
        }
    }
}

/// The stack of an instance: `StackSet-<name>-<uuid>`.
fn stack_name(set: &StackSet) -> String {
    format!("StackSet-{}", set.id.replace(':', "-"))
}

fn deploy(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    set: &StackSet,
    instance: &mut Instance,
) -> Result<(), String> {
    let caller = executor(control, simulation, now, &instance.account)?;
    let actor = Actor { simulation, caller: &caller, region: &instance.region, now };
    let source = Source {
        name: stack_name(set),
        template: set.template.clone(),
        parameters: set.parameters.clone(),
        tags: set.tags.clone(),
        capabilities: set.capabilities.clone(),
    };
    let key = key(&instance.region, &source.name);
    let account = control.accounts.get(&instance.account);
    let existing = account.and_then(|it| it.cloudformation.stacks.get(&key)).cloned();
    let name = source.name.clone();
    let done = match existing {
        Some(stack) => deploy::update(control, &actor, stack, source),
        None => deploy::create(control, &actor, source),
    };
    let stack = done.map_err(|error| error.message)?;
    let has_failed = stack.status.contains("ROLLBACK");
    if let Some(account) = control.accounts.get_mut(&instance.account) {
        if let Some(kept) = account.cloudformation.stacks.get_mut(&key) {
            kept.under_way = None;
        }
        // A stack that could not be created is not kept.
        if stack.status == "ROLLBACK_COMPLETE" {
            account.cloudformation.stacks.remove(&key);
            instance.stack = None;
        } else {
            instance.stack = Some(stack.id.clone());
        }
    }
    if !has_failed {
        return Ok(());
    }
    let failed = stack.events.iter().find(|event| event.status.ends_with("_FAILED"));
    Err(match failed {
        Some(event) => format!(
            "ResourceLogicalId:{}, ResourceType:{}, ResourceStatusReason:{}",
            event.resource,
            event.kind,
            event.reason.as_deref().unwrap_or_default()
        ),
        None => format!("Stack {name} failed"),
    })
}

/// Deletes the stack of an instance with its roles.
pub(super) fn remove(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    set: &StackSet,
    instance: &Instance,
) -> Result<(), String> {
    let key = key(&instance.region, &stack_name(set));
    let account = control.accounts.get(&instance.account);
    let Some(stack) = account.and_then(|it| it.cloudformation.stacks.get(&key)).cloned() else {
        return Ok(());
    };
    let caller = executor(control, simulation, now, &instance.account)?;
    let actor = Actor { simulation, caller: &caller, region: &instance.region, now };
    deploy::delete(control, &actor, stack)
}

/// The role with which `StackSets` works in a member: `stacksets-exec-…`, which service
/// control policies bind, and which its service-linked role creates.
fn executor(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    id: &AccountId,
) -> Result<Caller, String> {
    const LINKED: &str = "AWSServiceRoleForCloudFormationStackSetsOrgMember";
    let partition = simulation.partition;
    let gone = || format!("Account {id} does not exist");
    let account = control.accounts.get_mut(id).ok_or_else(gone)?;
    let role = |path: String, attached: &str| {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": access::MEMBER },
            "Action": "sts:AssumeRole",
        }] });
        let trust = Document::new(trust.to_string(), PolicyType::Trust).map_err(|it| it.0)?;
        let attached = format!("arn:{partition}:iam::aws:policy/{attached}");
        Ok::<_, String>(Role {
            id: format!("AROA{}", simulation.random_text(BASE32, 17)),
            path,
            created_at: now,
            trust,
            grants: Grants { attached: [attached].into(), ..Grants::default() },
            description: String::new(),
            max_session_seconds: 3600,
        })
    };
    if !account.iam.roles.contains_key(LINKED) {
        let path = format!("/aws-service-role/{}/", access::MEMBER);
        let linked =
            role(path, "aws-service-role/CloudFormationStackSetsOrgMemberServiceRolePolicy")?;
        account.iam.roles.insert(LINKED.to_owned(), linked);
    }
    let known = account.cloudformation.execution_role.clone();
    let name = known.filter(|name| account.iam.roles.contains_key(name));
    let name = if let Some(name) = name {
        name
    } else {
        let name = format!("stacksets-exec-{}", simulation.random_text(LOWER, 32));
        account.iam.roles.insert(name.clone(), role("/".to_owned(), "AdministratorAccess")?);
        account.cloudformation.execution_role = Some(name.clone());
        name
    };
    Ok(Caller {
        identity: Identity::AssumedRole { role: name, session: simulation.uuid() },
        temporary: true,
        ..Caller::service(partition, id, access::MEMBER, None)
    })
}

fn operation<'a>(set: &'a StackSet, call: &Call<'_>) -> Result<&'a Operation, ApiError> {
    let id = call.required("OperationId")?;
    set.operations
        .iter()
        .find(|operation| operation.id == id)
        .ok_or_else(|| not_found("OperationNotFoundException", format!("Operation {id} not found")))
}

pub(super) fn describe(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = stack_sets::allowed(control, call)?;
    let set = find(control, call, &key)?;
    let operation = operation(set, call)?;
    let mut answer = summary(operation);
    let units: Vec<String> = operation.units.iter().map(ToString::to_string).collect();
    answer["StackSetId"] = set.id.clone().into();
    answer["RetainStacks"] = operation.retains_stacks.into();
    answer["DeploymentTargets"] = json!({
        "OrganizationalUnitIds": units,
        "Accounts": operation.accounts,
        "AccountFilterType": operation.filter,
    });
    let over = operation.is_over();
    if !over {
        round(control, call.simulation, call.now, &call.caller.account, &key);
    }
    Ok(json!({ "StackSetOperation": answer }))
}

fn summary(operation: &Operation) -> Value {
    let failed = operation.results.values().filter(|it| it.status == "FAILED").count();
    json!({
        "OperationId": operation.id,
        "Action": operation.action.as_str(),
        "Status": operation.status,
        "StatusReason": operation.reason,
        "CreationTimestamp": seconds(operation.created_at),
        "EndTimestamp": operation.ended_at.map(seconds),
        "StatusDetails": { "FailedStackInstancesCount": failed },
    })
}

pub(super) fn list(control: &mut Control, call: &Call<'_>) -> Reply {
    let key = stack_sets::allowed(control, call)?;
    let set = find(control, call, &key)?;
    // The newest first.
    let operations = set.operations.iter().rev().enumerate();
    let answer =
        listed(call, "Summaries", operations.map(|(at, it)| (format!("{at:06}"), summary(it))));
    if set.is_busy() {
        round(control, call.simulation, call.now, &call.caller.account, &key);
    }
    answer
}

pub(super) fn list_results(control: &Control, call: &Call<'_>) -> Reply {
    let key = stack_sets::allowed(control, call)?;
    let set = find(control, call, &key)?;
    let wanted = super::instances::filter(call, "OPERATION_RESULT_STATUS");
    let results = operation(set, call)?.results.iter();
    let results = results.filter(|(_, it)| wanted.as_ref().is_none_or(|w| *w == it.status));
    let results = results.map(|(key, result)| {
        let item = json!({
            "Account": result.account,
            "Region": result.region,
            "OrganizationalUnitId": result.unit,
            "Status": result.status,
            "StatusReason": result.reason,
        });
        (key.clone(), item)
    });
    listed(call, "Summaries", results)
}

/// The id that a call gives its operation.
pub(super) fn id(call: &Call<'_>) -> Option<String> {
    text(call.input, "OperationId").map(str::to_owned)
}
