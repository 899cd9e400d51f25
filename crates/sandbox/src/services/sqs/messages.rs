//! Messages: sent, received, hidden for a while, deleted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use md5::Digest as _;
use orgtrail_base::names::Arn;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ApiError, Call, Control, Queue, Reply, arn_of, find, input, invalid, queue_mut};
use crate::auth::Caller;
use crate::services::kms;
use crate::simulation::{ALPHANUMERIC, Simulation};

/// What every receipt handle begins with.
const HANDLE: &str = "AQEB";
/// The most messages of a call.
const MOST: i64 = 10;

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Message {
    id: String,
    pub(super) body: String,
    sender: String,
    sent_at: Timestamp,
    visible_at: Timestamp,
    received: u32,
    first_received_at: Option<Timestamp>,
    /// The newest receipt handle.
    handle: Option<String>,
}

impl Message {
    pub(super) fn new(
        simulation: &Simulation,
        sender: String,
        body: String,
        sent_at: Timestamp,
        visible_at: Timestamp,
    ) -> Self {
        let id = simulation.uuid();
        Self {
            id,
            body,
            sender,
            sent_at,
            visible_at,
            received: 0,
            first_received_at: None,
            handle: None,
        }
    }

    pub(super) fn is_visible(&self, now: Timestamp) -> bool {
        self.visible_at <= now
    }

    pub(super) fn is_in_flight(&self, now: Timestamp) -> bool {
        !self.is_visible(now) && self.received > 0
    }

    pub(super) fn is_delayed(&self, now: Timestamp) -> bool {
        !self.is_visible(now) && self.received == 0
    }

    fn described(&self, names: &[String]) -> Value {
        let all = names.iter().any(|name| name == "All");
        let milliseconds = |at: Timestamp| at.as_millisecond().to_string();
        let attributes = [
            ("SenderId", Some(self.sender.clone())),
            ("SentTimestamp", Some(milliseconds(self.sent_at))),
            ("ApproximateReceiveCount", Some(self.received.to_string())),
            ("ApproximateFirstReceiveTimestamp", self.first_received_at.map(milliseconds)),
        ];
        let wanted = |name: &str| all || names.iter().any(|it| it == name);
        let attributes: Map<String, Value> = attributes
            .into_iter()
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect();
        let mut shown = json!({
            "MessageId": self.id,
            "ReceiptHandle": self.handle,
            "MD5OfBody": md5_of(&self.body),
            "Body": self.body,
        });
        if !attributes.is_empty() {
            shown["Attributes"] = attributes.into();
        }
        shown
    }
}

impl Queue {
    /// Drops the messages that were kept for long enough.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let kept = SignedDuration::from_secs(self.number("MessageRetentionPeriod"));
        self.messages.retain(|message| message.sent_at + kept > now);
    }
}

fn md5_of(body: &str) -> String {
    hex::encode(md5::Md5::digest(body.as_bytes()))
}

/// Uses the KMS key of a queue, where it has one.
pub(super) fn use_key(
    control: &Control,
    caller: &Caller,
    queue: &Queue,
    action: &str,
) -> Result<(), ApiError> {
    let (Some(key), Some(region)) = (queue.key(), &queue.arn.region) else { return Ok(()) };
    let context = BTreeMap::from([("aws:sqs:arn".to_owned(), queue.arn.to_string())]);
    let via = format!("sqs.{region}.amazonaws.com");
    let used = kms::use_key(control, caller, region, key, action, &context, Some(&via));
    used.map(|_| ()).map_err(|error| {
        let code = match error.code.as_ref() {
            "AccessDeniedException" => "KmsAccessDenied",
            "DisabledException" => "KmsDisabled",
            "NotFoundException" => "KmsNotFound",
            _ => "KmsInvalidState",
        };
        ApiError::new(code, error.message)
    })
}

/// Whether SQS accepts the characters of a body.
///
/// Source: SQS API Reference, `SendMessage`: those of XML.
fn is_text(body: &str) -> bool {
    body.chars().all(|c| {
        matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
    })
}

pub(super) fn send(control: &mut Control, call: &Call<'_>) -> Reply {
    let body = input::text(call.input, "MessageBody");
    let body = body.ok_or_else(|| {
        ApiError::new("MissingParameter", "The request must contain the parameter MessageBody.")
    })?;
    if call.input.get("MessageAttributes").is_some() {
        return Err(ApiError::new("UnsupportedOperation", "the sandbox has no message attributes"));
    }
    let arn = arn_of(call)?;
    let queue = queue_mut(control, call, "SendMessage")?;
    let most = queue.number("MaximumMessageSize");
    if body.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        let reason = format!("Message must be shorter than {most} bytes.");
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("One or more parameters are invalid. Reason: {reason}"),
        ));
    }
    if !is_text(body) {
        return Err(ApiError::new(
            "InvalidMessageContents",
            "Invalid characters in the message body.",
        ));
    }
    let delay = match input::number(call.input, "DelaySeconds") {
        Some(delay) if (0..=900).contains(&delay) => delay,
        Some(delay) => {
            return Err(invalid("DelaySeconds", &delay.to_string(), "Must be from 0 to 900."));
        }
        None => queue.number("DelaySeconds"),
    };
    let visible_at = call.now + SignedDuration::from_secs(delay);
    if let Some(queue) = find(control, &arn) {
        use_key(control, call.caller, queue, "GenerateDataKey")?;
    }
    let sender = control.user_id(call.caller);
    let message = Message::new(call.simulation, sender, body.to_owned(), call.now, visible_at);
    let answer = json!({ "MessageId": message.id, "MD5OfMessageBody": md5_of(body) });
    queue_mut(control, call, "SendMessage")?.messages.push(message);
    Ok(answer)
}

pub(super) fn receive(control: &mut Control, call: &Call<'_>) -> Reply {
    let arn = arn_of(call)?;
    let queue = queue_mut(control, call, "ReceiveMessage")?;
    let ranged =
        |name: &str, default: i64, least: i64, most: i64| match input::number(call.input, name) {
            Some(number) if !(least..=most).contains(&number) => {
                Err(invalid(name, &number.to_string(), &format!("Must be from {least} to {most}.")))
            }
            number => Ok(number.unwrap_or(default)),
        };
    let count = ranged("MaxNumberOfMessages", 1, 1, MOST)?;
    let hidden = ranged("VisibilityTimeout", queue.number("VisibilityTimeout"), 0, 43_200)?;
    ranged("WaitTimeSeconds", 0, 0, 20)?;
    let mut names = input::texts(call.input, "AttributeNames");
    names.extend(input::texts(call.input, "MessageSystemAttributeNames"));
    if let Some(queue) = find(control, &arn) {
        use_key(control, call.caller, queue, "Decrypt")?;
    }
    let queue = queue_mut(control, call, "ReceiveMessage")?;
    queue.expire(call.now);
    let redrive = queue.redrive();
    let (mut received, mut dead) = (Vec::new(), Vec::new());
    let mut left = Vec::new();
    for mut message in std::mem::take(&mut queue.messages) {
        let is_taken =
            received.len() < usize::try_from(count).unwrap_or(1) && message.is_visible(call.now);
        if is_taken && redrive.as_ref().is_some_and(|it| message.received >= it.max_receive_count) {
            dead.push(message);
            continue;
        }
        if is_taken {
            message.received += 1;
            message.visible_at = call.now + SignedDuration::from_secs(hidden);
            message.first_received_at.get_or_insert(call.now);
            message.handle =
                Some(format!("{HANDLE}{}", call.simulation.random_text(ALPHANUMERIC, 80)));
            received.push(message.described(&names));
        }
        left.push(message);
    }
    queue.messages = left;
    if let Some(redrive) = redrive {
        bury(control, &arn, &redrive.target, dead);
    }
    Ok(if received.is_empty() { json!({}) } else { json!({ "Messages": received }) })
}

/// Moves messages to the dead-letter queue; where that is gone, they stay.
fn bury(control: &mut Control, from: &Arn, to: &Arn, messages: Vec<Message>) {
    let target = if find(control, to).is_some() { to } else { from };
    let owner = target.account.as_ref().and_then(|owner| control.accounts.get_mut(owner));
    if let Some(queue) = owner.and_then(|owner| owner.sqs.queues.get_mut(&target.to_string())) {
        let moved = messages.into_iter().map(|message| Message {
            received: if target == to { 0 } else { message.received },
            handle: None,
            ..message
        });
        queue.messages.extend(moved);
    }
}

/// Deletes the message of a receipt handle; one that is gone is deleted already.
fn delete_one(queue: &mut Queue, handle: &str) -> Result<(), ApiError> {
    if !handle.starts_with(HANDLE) {
        let message =
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        return Err(ApiError::new("ReceiptHandleIsInvalid", message));
    }
    queue.messages.retain(|message| message.handle.as_deref() != Some(handle));
    Ok(())
}

fn handle(of: &Value) -> Result<&str, ApiError> {
    let missing = || {
        ApiError::new("MissingParameter", "The request must contain the parameter ReceiptHandle.")
    };
    input::text(of, "ReceiptHandle").ok_or_else(missing)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let handle = handle(call.input)?;
    delete_one(queue_mut(control, call, "DeleteMessage")?, handle)?;
    Ok(json!({}))
}

pub(super) fn delete_batch(control: &mut Control, call: &Call<'_>) -> Reply {
    let queue = queue_mut(control, call, "DeleteMessage")?;
    let entries = input::list(call.input, "Entries");
    if entries.is_empty() {
        let message = "There should be at least one DeleteMessageBatchRequestEntry in the request.";
        return Err(ApiError::new("EmptyBatchRequest", message));
    }
    if entries.len() > 10 {
        let message = "Maximum number of entries per request are 10.";
        return Err(ApiError::new("TooManyEntriesInBatchRequest", message));
    }
    let mut ids: Vec<&str> = entries.iter().filter_map(|entry| input::text(entry, "Id")).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != entries.len() {
        return Err(ApiError::new(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries have the same Id.",
        ));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let id = input::text(entry, "Id").unwrap_or_default();
        match handle(entry).and_then(|handle| delete_one(queue, handle)) {
            Ok(()) => done.push(json!({ "Id": id })),
            Err(error) => failed.push(json!({
                "Id": id, "Code": error.code, "Message": error.message, "SenderFault": true,
            })),
        }
    }
    Ok(json!({ "Successful": done, "Failed": failed }))
}

pub(super) fn change_visibility(control: &mut Control, call: &Call<'_>) -> Reply {
    let handle = handle(call.input)?;
    let seconds = input::number(call.input, "VisibilityTimeout").unwrap_or(-1);
    let queue = queue_mut(control, call, "ChangeMessageVisibility")?;
    if !(0..=43_200).contains(&seconds) {
        return Err(invalid("VisibilityTimeout", &seconds.to_string(), "Must be from 0 to 43200."));
    }
    let mut messages = queue.messages.iter_mut();
    let message = messages.find(|message| message.handle.as_deref() == Some(handle));
    let message = message.filter(|message| message.is_in_flight(call.now)).ok_or_else(|| {
        ApiError::new("MessageNotInflight", "The message referred to isn't in flight.")
    })?;
    message.visible_at = call.now + SignedDuration::from_secs(seconds);
    Ok(json!({}))
}
