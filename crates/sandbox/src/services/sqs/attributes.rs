//! What is set about a queue.

use orgtrail_base::names::Arn;
use serde_json::{Map, Value, json};

use super::{
    ApiError, Call, Control, Queue, Reply, ResourcePolicy, find, input, invalid, queue_mut,
};
use crate::principals;

/// The attributes that are numbers: name, default, least and most.
///
/// Source: SQS API Reference, `SetQueueAttributes`.
const NUMBERS: [(&str, i64, i64, i64); 6] = [
    ("DelaySeconds", 0, 0, 900),
    ("MaximumMessageSize", 1_048_576, 1_024, 1_048_576),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("VisibilityTimeout", 30, 0, 43_200),
    ("KmsDataKeyReusePeriodSeconds", 300, 60, 86_400),
];

/// The others, except the policy.
const TEXTS: [&str; 4] =
    ["KmsMasterKeyId", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled"];

/// Those that can be read only.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Where messages go that were received too often.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Redrive {
    #[serde(rename = "deadLetterTargetArn")]
    pub(super) target: Arn,
    #[serde(deserialize_with = "number_or_text")]
    pub(super) max_receive_count: u32,
}

/// Consoles and tools write the count as a string too.
fn number_or_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    use serde::Deserialize as _;
    let value = Value::deserialize(from)?;
    let number = match &value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number.ok_or_else(|| serde::de::Error::custom("not a number"))
}

impl Queue {
    /// An attribute that is a number.
    pub(super) fn number(&self, name: &str) -> i64 {
        let set = self.attributes.get(name).and_then(|value| value.parse().ok());
        let default = NUMBERS.iter().find(|(known, ..)| *known == name).map(|it| it.1);
        set.or(default).unwrap_or(0)
    }

    /// The KMS key, if it has one.
    pub(super) fn key(&self) -> Option<&str> {
        self.attributes.get("KmsMasterKeyId").map(String::as_str).filter(|key| !key.is_empty())
    }

    pub(super) fn redrive(&self) -> Option<Redrive> {
        serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()
    }

    /// Whether an attribute has this value.
    pub(super) fn same(&self, name: &str, value: &str) -> bool {
        self.attribute(name).unwrap_or_default() == value
    }

    fn attribute(&self, name: &str) -> Option<String> {
        if NUMBERS.iter().any(|(known, ..)| *known == name) {
            let is_shown = name != "KmsDataKeyReusePeriodSeconds" || self.key().is_some();
            return is_shown.then(|| self.number(name).to_string());
        }
        match name {
            "Policy" => self.policy.as_ref().map(|policy| policy.text().to_owned()),
            "SqsManagedSseEnabled" => {
                let set = self.attributes.get(name).map(|it| it == "true");
                Some(set.unwrap_or(self.key().is_none()).to_string())
            }
            _ => self.attributes.get(name).cloned(),
        }
    }

    /// Sets an attribute whose value was checked; an empty one takes it away.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        if name == "Policy" {
            self.policy = if value.is_empty() {
                None
            } else {
                let policy = ResourcePolicy::try_from(value.to_owned());
                Some(policy.map_err(|error| invalid(name, value, &error))?)
            };
            return Ok(());
        }
        if value.is_empty() {
            self.attributes.remove(name);
        } else {
            self.attributes.insert(name.to_owned(), value.to_owned());
        }
        match (name, value) {
            // A queue has one kind of encryption.
            ("KmsMasterKeyId", key) if !key.is_empty() => {
                self.attributes.remove("SqsManagedSseEnabled");
            }
            ("SqsManagedSseEnabled", "true") => {
                self.attributes.remove("KmsMasterKeyId");
            }
            _ => {}
        }
        Ok(())
    }
}

/// The value of an attribute that a call sets, once it is one that SQS accepts.
pub(super) fn checked(
    control: &Control,
    call: &Call<'_>,
    arn: &Arn,
    name: &str,
    value: &str,
) -> Result<String, ApiError> {
    if let Some((_, _, least, most)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
        let number = value.parse::<i64>().ok().filter(|it| (least..=most).contains(&it));
        number.ok_or_else(|| invalid(name, value, &format!("Must be from {least} to {most}.")))?;
        return Ok(value.to_owned());
    }
    match name {
        "Policy" if !value.is_empty() => {
            principals::resolved(control, call.caller.partition, value)
                .map_err(|_| invalid(name, value, "Invalid principal in policy."))
        }
        "SqsManagedSseEnabled" if !["true", "false"].contains(&value) => {
            Err(invalid(name, value, "Must be true or false."))
        }
        "RedrivePolicy" if !value.is_empty() => {
            let redrive: Redrive = serde_json::from_str(value)
                .map_err(|error| invalid(name, value, &error.to_string()))?;
            if !(1..=1_000).contains(&redrive.max_receive_count) {
                return Err(invalid(name, value, "maxReceiveCount must be from 1 to 1000."));
            }
            let target = &redrive.target;
            if (&target.region, &target.account) != (&arn.region, &arn.account) {
                return Err(invalid(
                    name,
                    value,
                    "Dead letter target owner and Region must be the same as the source's.",
                ));
            }
            if find(control, target).is_none() {
                return Err(invalid(name, value, "Dead letter target does not exist."));
            }
            Ok(value.to_owned())
        }
        name if name == "Policy" || TEXTS.contains(&name) => Ok(value.to_owned()),
        _ => Err(ApiError::new("InvalidAttributeName", format!("Unknown Attribute {name}."))),
    }
}

pub(super) fn set(control: &mut Control, call: &Call<'_>) -> Reply {
    let arn = queue_mut(control, call, "SetQueueAttributes")?.arn.clone();
    let mut values = Vec::new();
    for (name, value) in input::map(call.input, "Attributes") {
        let value = checked(control, call, &arn, &name, &value)?;
        values.push((name, value));
    }
    let queue = queue_mut(control, call, "SetQueueAttributes")?;
    for (name, value) in values {
        queue.set(&name, &value)?;
    }
    queue.modified_at = call.now;
    Ok(json!({}))
}

pub(super) fn get(control: &mut Control, call: &Call<'_>) -> Reply {
    let queue = queue_mut(control, call, "GetQueueAttributes")?;
    let names = input::texts(call.input, "AttributeNames");
    let settable = NUMBERS.iter().map(|it| it.0).chain(TEXTS).chain(["Policy"]);
    let known: Vec<&str> = settable.chain(READ_ONLY).collect();
    if let Some(unknown) = names.iter().find(|name| *name != "All" && !known.contains(&&***name)) {
        return Err(ApiError::new("InvalidAttributeName", format!("Unknown Attribute {unknown}.")));
    }
    let all = names.iter().any(|name| name == "All");
    queue.expire(call.now);
    let count = |is: fn(&super::Message, jiff::Timestamp) -> bool| {
        queue.messages.iter().filter(|message| is(message, call.now)).count().to_string()
    };
    let mut shown = Map::new();
    for name in known.iter().filter(|name| all || names.iter().any(|wanted| wanted == **name)) {
        let value = match *name {
            "QueueArn" => Some(queue.arn.to_string()),
            "CreatedTimestamp" => Some(queue.created_at.as_second().to_string()),
            "LastModifiedTimestamp" => Some(queue.modified_at.as_second().to_string()),
            "ApproximateNumberOfMessages" => Some(count(super::Message::is_visible)),
            "ApproximateNumberOfMessagesNotVisible" => Some(count(super::Message::is_in_flight)),
            "ApproximateNumberOfMessagesDelayed" => Some(count(super::Message::is_delayed)),
            name => queue.attribute(name),
        };
        if let Some(value) = value {
            shown.insert((*name).to_owned(), value.into());
        }
    }
    Ok(json!({ "Attributes": shown }))
}
