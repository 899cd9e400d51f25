//! A stack set with service-managed permissions, which creates one role in many accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::parameters::{Parameters, is_owned, pairs};
use super::stack::not_owned;
use super::waves::{Wave, WaveTarget, accounts_of_wave};
use super::{Cause, Deployment, OrganizationState, ZoneWriter, causes, failed};
use crate::aws::{AwsError, Clients, ErrorKind, Observation, StackRead, StackWrite};
use crate::names::AccountId;
use crate::org::Organization;
use crate::resources::StepError;

/// The longest time that an operation is waited for: it continues without orgtrail, and the
/// next run waits for it.
const LONGEST: Duration = Duration::from_hours(2);

/// A stack set of a role.
///
/// Source: CloudFormation `DescribeStackSet`, `ListStackInstances` and
/// `ListStackSetOperations`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackSetState {
    /// Whether orgtrail created it.
    pub owned: bool,
    /// Whether it is deployed to accounts that join.
    pub deploys_automatically: bool,
    /// Whether the stacks of accounts that leave are kept.
    pub keeps_stacks: bool,
    /// Whether operations are queued.
    pub queues: bool,
    /// The values of its template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its template.
    pub template: Value,
    /// The units that it is deployed to.
    pub units: BTreeSet<String>,
    /// Its stacks, by account.
    pub instances: BTreeMap<AccountId, InstanceState>,
    /// The operation that is running or queued, if any.
    #[serde(skip)]
    pub operation: Option<String>,
}

/// A stack of a stack set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceState {
    /// `CURRENT`, `OUTDATED` or `INOPERABLE`.
    pub status: String,
    /// How the last operation ended: `SUCCEEDED`, `FAILED`, `CANCELLED`,
    /// `SKIPPED_SUSPENDED_ACCOUNT` …
    pub detailed_status: String,
    /// Why it is not current.
    pub reason: Option<String>,
}

impl InstanceState {
    /// Whether the account has the role as the stack set's template declares it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.status == "CURRENT"
    }
}

impl StackSetState {
    /// Whether it has the template, parameters and settings of a role.
    #[must_use]
    pub fn matches(&self, deployment: &Deployment, parameters: &BTreeMap<String, String>) -> bool {
        self.template == deployment.template
            && self.parameters == *parameters
            && self.deploys_automatically == deploys_automatically(deployment)
            && !self.keeps_stacks
            && self.queues
    }

    /// The accounts that lack their role, or have an older one.
    #[must_use]
    pub fn pending<'a>(&self, accounts: &'a BTreeSet<AccountId>) -> BTreeSet<&'a AccountId> {
        let is_current =
            |id: &AccountId| self.instances.get(id).is_some_and(InstanceState::is_current);
        accounts.iter().filter(|id| !is_current(id)).collect()
    }

    /// Why these accounts do not have the role, by cause.
    #[must_use]
    pub fn causes(&self, accounts: &BTreeSet<AccountId>) -> Vec<Cause> {
        let failed = accounts.iter().filter_map(|id| {
            let instance = self.instances.get_key_value(id)?;
            let has_failed = ["FAILED", "CANCELLED", "INOPERABLE"]
                .contains(&instance.1.detailed_status.as_str());
            has_failed.then_some((instance.0, instance.1.reason.as_deref()))
        });
        causes(failed)
    }

    /// Whether a wave has reached all its accounts.
    #[must_use]
    pub fn is_done(&self, wave: &Wave, root: &str, accounts: &BTreeSet<AccountId>) -> bool {
        let is_targeted = wave.target != WaveTarget::Organization || self.units.contains(root);
        is_targeted && self.pending(accounts).is_empty()
    }
}

/// Whether accounts that join get the role by themselves: only that of all accounts.
pub(super) fn deploys_automatically(deployment: &Deployment) -> bool {
    deployment.waves().iter().any(|wave| wave.target == WaveTarget::Organization)
}

/// Reads a stack set with its stacks.
pub(super) async fn read(clients: &Clients, name: &str) -> Observation<StackSetState> {
    Observation::from_result(described(clients, name).await, AwsError::is_not_found)
}

async fn described(clients: &Clients, name: &str) -> Result<StackSetState, AwsError> {
    let parameters = Parameters::of_stack_set(name);
    let call = StackRead::DescribeStackSet;
    let answer = clients.read_stacks(call, parameters.get()).await?;
    let missing = || clients.malformed(call.action(), "a response without the stack set");
    let set = answer.child("StackSet").ok_or_else(missing)?;
    let is_true = |part: &str, name: &str| {
        set.child(part).and_then(|part| part.text(name)).is_some_and(|text| text == "true")
    };
    let instances = instances(clients, name).await?;
    let operations =
        clients.read_stacks(StackRead::ListStackSetOperations, parameters.get()).await?;
    let mut open = operations.members("Summaries").filter(|operation| {
        matches!(operation.text("Status"), Some("RUNNING" | "QUEUED" | "STOPPING"))
    });
    let operation = open.next().and_then(|it| it.text("OperationId")).map(str::to_owned);
    let template = set.text("TemplateBody").unwrap_or_default();
    Ok(StackSetState {
        owned: is_owned(set),
        deploys_automatically: is_true("AutoDeployment", "Enabled"),
        keeps_stacks: is_true("AutoDeployment", "RetainStacksOnAccountRemoval"),
        queues: is_true("ManagedExecution", "Active"),
        parameters: pairs(set, "Parameters", "ParameterKey", "ParameterValue"),
        template: serde_json::from_str(template).unwrap_or(Value::Null),
        units: set.members("OrganizationalUnitIds").map(|it| it.content().to_owned()).collect(),
        instances,
        operation,
    })
}

async fn instances(
    clients: &Clients,
    name: &str,
) -> Result<BTreeMap<AccountId, InstanceState>, AwsError> {
    let call = StackRead::ListStackInstances;
    let mut found = BTreeMap::new();
    let mut next: Option<String> = None;
    loop {
        let mut parameters = Parameters::of_stack_set(name).with("MaxResults", "100");
        if let Some(token) = &next {
            parameters = parameters.with("NextToken", token);
        }
        let page = clients.read_stacks(call, parameters.get()).await?;
        for summary in page.members("Summaries") {
            let account = summary.text("Account").and_then(|id| id.parse().ok());
            let account = account
                .ok_or_else(|| clients.malformed(call.action(), "a stack without an account"))?;
            let detailed = summary.child("StackInstanceStatus");
            let detailed = detailed.and_then(|it| it.text("DetailedStatus"));
            let instance = InstanceState {
                status: summary.text("Status").unwrap_or_default().to_owned(),
                detailed_status: detailed.unwrap_or_default().to_owned(),
                reason: summary.text("StatusReason").map(str::to_owned),
            };
            found.insert(account, instance);
        }
        let token = page.text("NextToken").map(str::to_owned);
        if token.is_none() || token == next {
            return Ok(found);
        }
        next = token;
    }
}

/// Adds a wave's targets to a call.
fn with_targets(
    parameters: Parameters,
    wave: &Wave,
    organization: &OrganizationState,
    region: &str,
) -> Parameters {
    let parameters = parameters.list("Regions", [region]);
    let (unit, account) = match &wave.target {
        WaveTarget::Account(account) => (organization.root.as_str(), Some(account)),
        WaveTarget::Unit(unit) => (unit.as_str(), None),
        WaveTarget::Organization => (organization.root.as_str(), None),
    };
    let parameters = parameters.list("DeploymentTargets.OrganizationalUnitIds", [unit]);
    match account {
        None => parameters,
        Some(account) => parameters
            .list("DeploymentTargets.Accounts", [account.as_str()])
            .with("DeploymentTargets.AccountFilterType", "INTERSECTION"),
    }
}

/// How fast an operation goes. One Region, since roles are global; a pilot tolerates no
/// failure, and the organization some.
fn with_preferences(parameters: Parameters, wave: &Wave) -> Parameters {
    let tolerated = if wave.target == WaveTarget::Organization { "10" } else { "0" };
    let preference = |name: &str| format!("OperationPreferences.{name}");
    parameters
        .with(&preference("ConcurrencyMode"), "SOFT_FAILURE_TOLERANCE")
        .with(&preference("FailureTolerancePercentage"), tolerated)
        .with(&preference("MaxConcurrentPercentage"), "100")
}

fn settings(parameters: Parameters, deployment: &Deployment) -> Parameters {
    let automatic = deploys_automatically(deployment);
    let parameters = parameters
        .with("AutoDeployment.Enabled", automatic.to_string())
        .with("ManagedExecution.Active", "true");
    // AWS refuses this one without automatic deployment.
    if automatic {
        parameters.with("AutoDeployment.RetainStacksOnAccountRemoval", "false")
    } else {
        parameters
    }
}

/// The stack set as it is once no operation is running, if orgtrail created it.
async fn settled(writer: &ZoneWriter<'_>, name: &str) -> Result<Option<StackSetState>, StepError> {
    loop {
        let found = read(&writer.clients, name).await.into_result()?;
        let Some(set) = found else { return Ok(None) };
        if !set.owned {
            let (what, hint) = not_owned("the stack set", name);
            return Err(failed(what, Some(hint)));
        }
        match &set.operation {
            None => return Ok(Some(set)),
            Some(operation) => await_operation(writer, name, operation).await?,
        }
    }
}

/// Waits until an operation has ended, however it did.
async fn await_operation(
    writer: &ZoneWriter<'_>,
    name: &str,
    operation: &str,
) -> Result<(), StepError> {
    let parameters = Parameters::of_stack_set(name).with("OperationId", operation);
    let call = StackRead::DescribeStackSetOperation;
    let mut waited = Duration::ZERO;
    for wait in writer.waits() {
        let answer = writer.clients.read_stacks(call, parameters.get()).await?;
        let status = answer.child("StackSetOperation").and_then(|it| it.text("Status"));
        match status {
            Some("RUNNING" | "QUEUED" | "STOPPING") => {}
            Some(_) => return Ok(()),
            None => {
                let error = writer.clients.malformed(call.action(), "an operation without status");
                return Err(error.into());
            }
        }
        if waited >= LONGEST {
            break;
        }
        writer.pause(wait).await?;
        waited += wait;
    }
    Err(failed(
        format!("operation {operation} of stack set `{name}` has not ended"),
        Some("it continues in AWS: run `orgtrail bootstrap --apply` again later".to_owned()),
    ))
}

async fn run(
    writer: &ZoneWriter<'_>,
    name: &str,
    call: StackWrite,
    parameters: &Parameters,
) -> Result<(), StepError> {
    let answer = writer.clients.write_stacks(call, parameters.get()).await?;
    match answer.text("OperationId") {
        Some(operation) => await_operation(writer, name, operation).await,
        None => Ok(()),
    }
}

/// Creates the stack set of a role, or changes it, first in its first wave: the later waves
/// deploy the change further.
pub(crate) async fn ensure(
    writer: &ZoneWriter<'_>,
    deployment: &Deployment,
    organization: &OrganizationState,
) -> Result<(), StepError> {
    let name = &deployment.name;
    let trusted = writer.zone.trusted(deployment);
    let values = deployment.parameters(&trusted, Some(&organization.id));
    let body = deployment.template.to_string();
    let parameters = Parameters::of_stack_set(name).template(body, &values);
    let parameters = settings(parameters, deployment);
    let Some(found) = settled(writer, name).await? else {
        let parameters = parameters
            .with("Description", deployment.role.kind.about())
            .with("PermissionModel", "SERVICE_MANAGED");
        let call = StackWrite::CreateStackSet;
        return match writer.clients.write_stacks(call, parameters.get()).await {
            Ok(_) => Ok(()),
            // The response to the call was lost, and it was repeated.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let found = settled(writer, name).await?;
                let is_done = found.is_some_and(|found| found.matches(deployment, &values));
                if is_done { Ok(()) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        };
    };
    if found.matches(deployment, &values) {
        return Ok(());
    }
    let mut parameters = parameters;
    if let Some(wave) = deployment.waves().first().filter(|_| !found.instances.is_empty()) {
        let region = writer.zone.region().as_str();
        parameters = with_targets(parameters, wave, organization, region);
        parameters = with_preferences(parameters, wave);
    }
    run(writer, name, StackWrite::UpdateStackSet, &parameters).await
}

/// Deploys a role to the accounts of a wave, and waits until all of them have it.
pub(crate) async fn ensure_wave(
    writer: &ZoneWriter<'_>,
    deployment: &Deployment,
    wave: &Wave,
    state: &OrganizationState,
    tree: &Organization,
) -> Result<(), StepError> {
    let name = &deployment.name;
    let accounts = accounts_of_wave(wave, tree);
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let found = settled(writer, name).await?;
        let found = found.ok_or_else(|| StepError::Missing(format!("stack set {name}")))?;
        if found.is_done(wave, state.root.as_str(), &accounts) {
            return Ok(());
        }
        let is_missing = |id: &&AccountId| !found.instances.contains_key(*id);
        let pending = found.pending(&accounts);
        // Instances that exist are deployed again first, then the missing ones are created.
        let call = if pending.iter().all(&is_missing) {
            StackWrite::CreateStackInstances
        } else {
            StackWrite::UpdateStackInstances
        };
        if !done.insert(call.action()) {
            // The other call may still be due.
            let other = StackWrite::CreateStackInstances;
            let is_due = pending.iter().any(is_missing) && done.insert(other.action());
            if !is_due {
                return Err(not_deployed(wave, &found, &accounts));
            }
            deploy(writer, name, other, wave, state).await?;
            continue;
        }
        deploy(writer, name, call, wave, state).await?;
    }
}

async fn deploy(
    writer: &ZoneWriter<'_>,
    name: &str,
    call: StackWrite,
    wave: &Wave,
    organization: &OrganizationState,
) -> Result<(), StepError> {
    let region = writer.zone.region().as_str();
    let parameters = with_targets(Parameters::of_stack_set(name), wave, organization, region);
    run(writer, name, call, &with_preferences(parameters, wave)).await
}

/// The error of a wave that did not reach all its accounts.
fn not_deployed(wave: &Wave, found: &StackSetState, accounts: &BTreeSet<AccountId>) -> StepError {
    let pending = found.pending(accounts).len();
    let causes = found.causes(accounts);
    let lines: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let because = if lines.is_empty() { String::new() } else { format!(": {}", lines.join("; ")) };
    let accounts = crate::words::counted(pending, "account");
    let hint = causes.into_iter().find_map(|cause| cause.hint);
    failed(format!("{accounts} of {} do not have the role{because}", wave.in_words()), hint)
}

/// Deletes a stack set with all its stacks, which deletes the role in every account; what does
/// not exist is deleted already.
pub(crate) async fn delete(
    writer: &ZoneWriter<'_>,
    name: &str,
    organization: &OrganizationState,
) -> Result<(), StepError> {
    let mut deleted = false;
    loop {
        let Some(found) = settled(writer, name).await? else { return Ok(()) };
        if found.instances.is_empty() {
            let parameters = Parameters::of_stack_set(name);
            let call = StackWrite::DeleteStackSet;
            return match writer.clients.write_stacks(call, parameters.get()).await {
                // The response to the call was lost, and it was repeated.
                Err(error) if !error.is_not_found() => Err(error.into()),
                _ => Ok(()),
            };
        }
        if deleted {
            let accounts: BTreeSet<AccountId> = found.instances.keys().cloned().collect();
            let causes = found.causes(&accounts);
            let lines: Vec<String> = causes.iter().map(ToString::to_string).collect();
            let left = crate::words::counted(accounts.len(), "account");
            return Err(failed(
                format!("the role was not deleted in {left}: {}", lines.join("; ")),
                causes.into_iter().find_map(|cause| cause.hint),
            ));
        }
        // What was targeted by a unit is deleted with the unit, so that no account that joins
        // gets the role again.
        let mut units = found.units.clone();
        units.insert(organization.root.to_string());
        let parameters = Parameters::of_stack_set(name)
            .list("Regions", [writer.zone.region().as_str()])
            .list("DeploymentTargets.OrganizationalUnitIds", units)
            .with("RetainStacks", "false")
            .with("OperationPreferences.ConcurrencyMode", "SOFT_FAILURE_TOLERANCE")
            .with("OperationPreferences.FailureTolerancePercentage", "100")
            .with("OperationPreferences.MaxConcurrentPercentage", "100");
        run(writer, name, StackWrite::DeleteStackInstances, &parameters).await?;
        deleted = true;
    }
}
