//! Amazon SQS: standard queues, in the JSON protocol.
//!
//! Source: SQS API Reference. FIFO queues and message attributes are refused.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, Arn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resource_policy::ResourcePolicy;
use super::{ApiError, Call, Control, Reply, input, unknown_operation};
use crate::auth::Caller;
use crate::policy::Request;
use crate::simulation::Simulation;

mod attributes;
mod messages;

use messages::Message;

/// How long the name of a deleted queue cannot be used.
const NAME_RESTS: SignedDuration = SignedDuration::from_secs(60);

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By ARN.
    queues: BTreeMap<String, Queue>,
    /// When queues were deleted, by ARN.
    deleted: BTreeMap<String, Timestamp>,
}

impl State {
    /// Every queue's policy.
    pub(crate) fn policies_mut(&mut self) -> impl Iterator<Item = &mut ResourcePolicy> {
        self.queues.values_mut().filter_map(|queue| queue.policy.as_mut())
    }

    /// The bodies of the messages in a queue, the oldest first.
    pub(crate) fn bodies(&self, queue: &str) -> Vec<String> {
        let queue = self.queues.get(queue);
        queue.into_iter().flat_map(|queue| &queue.messages).map(|it| it.body.clone()).collect()
    }
}

/// A queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Queue {
    arn: Arn,
    /// Those that were set, except the policy.
    attributes: BTreeMap<String, String>,
    policy: Option<ResourcePolicy>,
    tags: BTreeMap<String, String>,
    created_at: Timestamp,
    modified_at: Timestamp,
    messages: Vec<Message>,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateQueue" => create(control, call),
        "DeleteQueue" => delete(control, call),
        "GetQueueUrl" => url_of(control, call),
        "ListQueues" => list(control, call),
        "GetQueueAttributes" => attributes::get(control, call),
        "SetQueueAttributes" => attributes::set(control, call),
        "SendMessage" => messages::send(control, call),
        "ReceiveMessage" => messages::receive(control, call),
        "DeleteMessage" => messages::delete(control, call),
        "DeleteMessageBatch" => messages::delete_batch(control, call),
        "ChangeMessageVisibility" => messages::change_visibility(control, call),
        _ => Err(unknown_operation(call)),
    }
}

/// For how long a call waits for messages: none where it does not.
pub(crate) fn waits(control: &Control, call: &Call<'_>) -> Option<SignedDuration> {
    if call.operation != "ReceiveMessage" {
        return None;
    }
    let wait = match input::number(call.input, "WaitTimeSeconds") {
        Some(wait) => wait,
        None => find(control, &arn_of(call).ok()?)?.number("ReceiveMessageWaitTimeSeconds"),
    };
    (wait > 0).then(|| SignedDuration::from_secs(wait.min(20)))
}

fn invalid(name: &str, value: &str, reason: &str) -> ApiError {
    let message = format!("Value {value} for parameter {name} is invalid. Reason: {reason}");
    ApiError::new("InvalidParameterValue", message)
}

fn no_queue() -> ApiError {
    ApiError::new("QueueDoesNotExist", "The specified queue does not exist.")
}

fn find<'a>(control: &'a Control, arn: &Arn) -> Option<&'a Queue> {
    control.accounts.get(arn.account.as_ref()?)?.sqs.queues.get(&arn.to_string())
}

/// The queue of a call's `QueueUrl`: the last two parts of its path are account and name.
fn arn_of(call: &Call<'_>) -> Result<Arn, ApiError> {
    let missing =
        || ApiError::new("MissingParameter", "The request must contain the parameter QueueUrl.");
    let url = input::text(call.input, "QueueUrl").ok_or_else(missing)?;
    let mut parts = url.rsplit('/');
    let invalid = || {
        ApiError::new(
            "InvalidAddress",
            format!("The address {url} is not valid for this endpoint."),
        )
    };
    let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(invalid)?;
    let account: AccountId = parts.next().and_then(|it| it.parse().ok()).ok_or_else(invalid)?;
    Ok(Arn::regional(call.caller.partition, "sqs", call.region, &account, name))
}

/// Whether the caller of a call may do an action on a queue.
fn allow(control: &Control, call: &Call<'_>, action: &str, arn: &Arn) -> Result<(), ApiError> {
    let owner = arn.account.as_ref().unwrap_or(&call.caller.account);
    let resource = arn.to_string();
    let action = format!("sqs:{action}");
    let queue = find(control, arn);
    let request = Request {
        resource_policy: queue
            .and_then(|queue| queue.policy.as_ref())
            .map(ResourcePolicy::evaluator),
        secure_transport: call.secure_transport,
        ..Request::over_tls(&action, &resource, owner, call.region)
    };
    control.authorize(call.caller, &request)
}

/// The queue of a call, once the caller may do `action` on it.
fn queue_mut<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    action: &str,
) -> Result<&'a mut Queue, ApiError> {
    let arn = arn_of(call)?;
    allow(control, call, action, &arn)?;
    let owner = arn.account.as_ref().and_then(|owner| control.accounts.get_mut(owner));
    owner.and_then(|owner| owner.sqs.queues.get_mut(&arn.to_string())).ok_or_else(no_queue)
}

/// Sends a message as an AWS service, to a queue of any account.
///
/// # Errors
/// There is no such queue, or its policy or its key's does not let the service.
pub(crate) fn deliver(
    control: &mut Control,
    simulation: &Simulation,
    caller: &Caller,
    arn: &Arn,
    body: String,
) -> Result<(), ApiError> {
    let queue = find(control, arn).ok_or_else(no_queue)?;
    let owner = arn.account.clone().ok_or_else(no_queue)?;
    let region = arn.region.clone().ok_or_else(no_queue)?;
    let resource = arn.to_string();
    let request = Request {
        resource_policy: queue.policy.as_ref().map(ResourcePolicy::evaluator),
        ..Request::over_tls("sqs:SendMessage", &resource, &owner, &region)
    };
    control.authorize(caller, &request)?;
    messages::use_key(control, caller, queue, "GenerateDataKey")?;
    let now = simulation.clock.now();
    let message = Message::new(simulation, caller.arn(), body, now, now);
    let owner = control.accounts.get_mut(&owner);
    if let Some(queue) = owner.and_then(|owner| owner.sqs.queues.get_mut(&resource)) {
        queue.messages.push(message);
    }
    Ok(())
}

/// Puts a message into a queue; whether anybody may is not asked.
pub(crate) fn send_raw(control: &mut Control, simulation: &Simulation, queue: &Arn, body: &str) {
    let now = simulation.clock.now();
    let message = Message::new(simulation, "AIDAEXAMPLE".to_owned(), body.to_owned(), now, now);
    let owner = queue.account.as_ref().and_then(|owner| control.accounts.get_mut(owner));
    if let Some(queue) = owner.and_then(|owner| owner.sqs.queues.get_mut(&queue.to_string())) {
        queue.messages.push(message);
    }
}

fn url(simulation: &Simulation, arn: &Arn) -> Value {
    let account = arn.account.as_ref().map(AccountId::as_str).unwrap_or_default();
    format!("{}/{account}/{}", simulation.endpoint(), arn.resource).into()
}

fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = input::text(call.input, "QueueName").unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !(1..=80).contains(&name.len()) || !name.bytes().all(is_plain) {
        let reason =
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(ApiError::new("InvalidParameterValue", reason));
    }
    let arn = call.arn(name);
    let text = arn.to_string();
    allow(control, call, "CreateQueue", &arn)?;
    let given = input::map(call.input, "Attributes");
    if let Some(queue) = find(control, &arn) {
        let same = given.iter().all(|(name, value)| queue.same(name, value));
        return if same {
            Ok(json!({ "QueueUrl": url(call.simulation, &arn) }))
        } else {
            let message =
                "A queue already exists with the same name and a different value for an attribute";
            Err(ApiError::new("QueueNameExists", message))
        };
    }
    let state = &input::account(control, &call.caller.account)?.sqs;
    if state.deleted.get(&text).is_some_and(|at| call.now < *at + NAME_RESTS) {
        let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        return Err(ApiError::new("QueueDeletedRecently", message));
    }
    let mut queue = Queue {
        arn: arn.clone(),
        attributes: BTreeMap::new(),
        policy: None,
        tags: input::map(call.input, "tags"),
        created_at: call.now,
        modified_at: call.now,
        messages: Vec::new(),
    };
    for (name, value) in &given {
        let value = attributes::checked(control, call, &arn, name, value)?;
        queue.set(name, &value)?;
    }
    input::account_mut(control, &call.caller.account)?.sqs.queues.insert(text, queue);
    Ok(json!({ "QueueUrl": url(call.simulation, &arn) }))
}

fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let arn = queue_mut(control, call, "DeleteQueue")?.arn.clone();
    let owner = arn.account.as_ref().and_then(|owner| control.accounts.get_mut(owner));
    if let Some(owner) = owner {
        owner.sqs.queues.remove(&arn.to_string());
        owner.sqs.deleted.insert(arn.to_string(), call.now);
    }
    Ok(json!({}))
}

fn url_of(control: &Control, call: &Call<'_>) -> Reply {
    let name = call.required("QueueName")?;
    let owner = match input::text(call.input, "QueueOwnerAWSAccountId") {
        Some(owner) => owner.parse().map_err(|_| no_queue())?,
        None => call.caller.account.clone(),
    };
    let arn = Arn::regional(call.caller.partition, "sqs", call.region, &owner, name);
    allow(control, call, "GetQueueUrl", &arn)?;
    let queue = find(control, &arn).ok_or_else(no_queue)?;
    Ok(json!({ "QueueUrl": url(call.simulation, &queue.arn) }))
}

fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let prefix = input::text(call.input, "QueueNamePrefix").unwrap_or_default();
    let queues = input::account(control, &call.caller.account)?.sqs.queues.values();
    let urls: Vec<Value> = queues
        .filter(|queue| queue.arn.region.as_ref() == Some(call.region))
        .filter(|queue| queue.arn.resource.starts_with(prefix))
        .map(|queue| url(call.simulation, &queue.arn))
        .collect();
    Ok(json!({ "QueueUrls": urls }))
}
