//! A stack in the management account, with one role.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::parameters::{Parameters, is_owned, pairs};
use super::{Deployment, ZoneWriter, causes, failed};
use crate::aws::{At as _, AwsError, Clients, ErrorKind, Observation, StackRead, StackWrite};
use crate::names::OrgId;
use crate::resources::StepError;

/// The longest time that a change of a stack with one role is waited for.
const LONGEST: Duration = Duration::from_mins(10);

/// A stack of a role.
///
/// Source: CloudFormation `DescribeStacks` and `GetTemplate`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackState {
    /// Its status, in AWS's words.
    pub status: String,
    /// Whether orgtrail created it.
    pub owned: bool,
    /// The values of its template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its template.
    pub template: Value,
}

impl StackState {
    /// Whether a change is under way.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    /// Whether it can be changed only by deleting it.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(
            self.status.as_str(),
            "CREATE_FAILED" | "DELETE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED"
        )
    }

    /// Whether it has this template and these parameters.
    #[must_use]
    pub fn matches(&self, template: &Value, parameters: &BTreeMap<String, String>) -> bool {
        self.template == *template && self.parameters == *parameters
    }
}

/// What to do if somebody else's stack or stack set has the name.
pub(super) fn not_owned(kind: &str, name: &str) -> (String, String) {
    (
        format!("{kind} `{name}` exists, but orgtrail did not create it"),
        "set landing_zone.prefix to another value, or delete it".to_owned(),
    )
}

/// Reads a stack.
pub(super) async fn read(clients: &Clients, name: &str) -> Observation<StackState> {
    let is_absent = |error: &AwsError| {
        error.is_code("ValidationError")
            && error.message.as_deref().is_some_and(|text| text.contains("does not exist"))
    };
    Observation::from_result(described(clients, name).await, is_absent).flatten()
}

async fn described(clients: &Clients, name: &str) -> Result<Option<StackState>, AwsError> {
    let parameters = Parameters::default().with("StackName", name);
    let call = StackRead::DescribeStacks;
    let answer = clients.read_stacks(call, parameters.get()).await?;
    let missing = || clients.malformed(call.action(), "a response without the stack");
    let stack = answer.members("Stacks").next().ok_or_else(missing)?;
    let status = stack.text("StackStatus").ok_or_else(missing)?.to_owned();
    // A deleted stack is described for some time.
    if status == "DELETE_COMPLETE" {
        return Ok(None);
    }
    let template = clients.read_stacks(StackRead::GetTemplate, parameters.get()).await?;
    let body = template.text("TemplateBody").unwrap_or_default();
    Ok(Some(StackState {
        status,
        owned: is_owned(stack),
        parameters: pairs(stack, "Parameters", "ParameterKey", "ParameterValue"),
        // A template that is not JSON is not orgtrail's.
        template: serde_json::from_str(body).unwrap_or(Value::Null),
    }))
}

/// Whether a role exists.
pub(super) async fn has_role(clients: &Clients, name: &str) -> Observation<()> {
    let answer = clients.iam().get_role().role_name(name).send().await;
    let answer = answer.at(clients, "iam:GetRole").map(|_| ());
    Observation::from_result(answer, AwsError::is_not_found)
}

/// Creates the stack of a role, or changes it, and waits until it is done. What a run that was
/// killed began is waited for, and what failed is created again.
pub(crate) async fn ensure(
    writer: &ZoneWriter<'_>,
    deployment: &Deployment,
    organization: &OrgId,
) -> Result<(), StepError> {
    let name = &deployment.name;
    let values = deployment.parameters(&writer.zone.trusted(deployment), Some(organization));
    let mut changed = None;
    loop {
        let found = settled(writer, name).await?;
        if found.as_ref().is_some_and(|stack| !stack.owned) {
            let (what, hint) = not_owned("the stack", name);
            return Err(failed(what, Some(hint)));
        }
        let call = match &found {
            Some(stack) if stack.is_broken() => StackWrite::DeleteStack,
            Some(stack) if stack.matches(&deployment.template, &values) => return Ok(()),
            Some(_) => StackWrite::UpdateStack,
            None => StackWrite::CreateStack,
        };
        // Each call once: after the second deletion it has failed again.
        if changed == Some(StackWrite::CreateStack) || changed == Some(StackWrite::UpdateStack) {
            return Err(reported(writer, name).await?);
        }
        if call == StackWrite::DeleteStack && changed == Some(call) {
            return Err(reported(writer, name).await?);
        }
        changed = Some(call);
        let parameters = Parameters::default().with("StackName", name);
        let parameters = match call {
            StackWrite::DeleteStack => parameters,
            _ => parameters.template(deployment.template.to_string(), &values),
        };
        let made = writer.clients.write_stacks(call, parameters.get()).await;
        match made {
            Ok(_) => {}
            Err(error) if is_unchanged(&error) => return Ok(()),
            // The response to the call was lost, and it was repeated.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// CloudFormation compares texts; the template may differ in its order only.
fn is_unchanged(error: &AwsError) -> bool {
    error.message.as_deref().is_some_and(|text| text.contains("No updates are to be performed"))
}

/// The stack once nothing is under way.
async fn settled(writer: &ZoneWriter<'_>, name: &str) -> Result<Option<StackState>, StepError> {
    let mut waited = Duration::ZERO;
    for wait in writer.waits() {
        let found = read(&writer.clients, name).await.into_result()?;
        if found.as_ref().is_none_or(|stack| !stack.is_under_way()) {
            return Ok(found);
        }
        if waited >= LONGEST {
            break;
        }
        writer.pause(wait).await?;
        waited += wait;
    }
    Err(failed(
        format!("the change of stack `{name}` has not ended"),
        Some("run the same command again once CloudFormation shows that it has ended".to_owned()),
    ))
}

/// Why the last change failed, as the stack's events say.
async fn reported(writer: &ZoneWriter<'_>, name: &str) -> Result<StepError, StepError> {
    let parameters = Parameters::default().with("StackName", name);
    let call = StackRead::DescribeStackEvents;
    let events = writer.clients.read_stacks(call, parameters.get()).await?;
    let reason = events.members("StackEvents").find_map(|event| {
        let has_failed = event.text("ResourceStatus")?.ends_with("_FAILED");
        has_failed.then(|| event.text("ResourceStatusReason")).flatten()
    });
    let cause = causes([(writer.zone.management(), reason)]).into_iter().next();
    Ok(match cause {
        Some(cause) => failed(format!("stack `{name}`: {}", cause.what), cause.hint),
        None => failed(format!("stack `{name}` failed"), None),
    })
}

/// Deletes the stack of a role, and waits until it is deleted; what does not exist is deleted
/// already.
pub(crate) async fn delete(writer: &ZoneWriter<'_>, name: &str) -> Result<(), StepError> {
    let mut deleted = false;
    loop {
        let Some(found) = settled(writer, name).await? else { return Ok(()) };
        if !found.owned {
            let (what, hint) = not_owned("the stack", name);
            return Err(failed(what, Some(hint)));
        }
        if deleted {
            return Err(reported(writer, name).await?);
        }
        let parameters = Parameters::default().with("StackName", name);
        writer.clients.write_stacks(StackWrite::DeleteStack, parameters.get()).await?;
        deleted = true;
    }
}
