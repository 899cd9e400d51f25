//! Amazon SNS: topics and who listens to them.

use std::collections::{BTreeMap, VecDeque};

use orgtrail_base::names::Arn;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resource_policy::ResourcePolicy;
use super::{ApiError, Call, Control, Reply, input, unknown_operation};
use crate::auth::Caller;
use crate::policy::Request;
use crate::principals;

mod subscriptions;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By ARN.
    topics: BTreeMap<String, Topic>,
}

impl State {
    /// Every topic's policy.
    pub(crate) fn policies_mut(&mut self) -> impl Iterator<Item = &mut ResourcePolicy> {
        self.topics.values_mut().map(|topic| &mut topic.policy)
    }

    /// The last messages that callers published to a topic, the oldest first.
    pub(crate) fn messages(&self, topic: &str) -> Vec<Value> {
        let topic = self.topics.get(topic);
        topic.into_iter().flat_map(|topic| topic.messages.iter().cloned()).collect()
    }

    /// Confirms all that waits for it, and says how many those were: what the
    /// owners of the addresses do when they follow the link in their message.
    pub(crate) fn confirm_all(&mut self) -> usize {
        let topics = self.topics.values_mut();
        topics
            .flat_map(|topic| topic.subscriptions.values_mut())
            .map(|subscription| usize::from(subscription.follow_link()))
            .sum()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Topic {
    arn: Arn,
    policy: ResourcePolicy,
    /// All but the policy.
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// By ARN.
    subscriptions: BTreeMap<String, subscriptions::Subscription>,
    /// How many messages were published.
    published: u64,
    /// The last ones that callers published, the oldest first.
    #[serde(default)]
    messages: VecDeque<Value>,
    deleted_subscriptions: u64,
}

/// Attributes that can be set, other than the policy.
const SETTABLE: [&str; 9] = [
    "DisplayName",
    "KmsMasterKeyId",
    "DeliveryPolicy",
    "SignatureVersion",
    "TracingConfig",
    "ContentBasedDeduplication",
    "FifoTopic",
    "ArchivePolicy",
    "FifoThroughputScope",
];

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateTopic" => create(control, call),
        "DeleteTopic" => delete(control, call),
        "ListTopics" => list(control, call),
        "GetTopicAttributes" => attributes(control, call),
        "SetTopicAttributes" => set_attribute(control, call),
        "Publish" => publish(control, call),
        "TagResource" => tag(control, call),
        "UntagResource" => untag(control, call),
        "ListTagsForResource" => list_tags(control, call),
        "Subscribe" => subscriptions::subscribe(control, call),
        "ConfirmSubscription" => subscriptions::confirm(control, call),
        "Unsubscribe" => subscriptions::unsubscribe(control, call),
        "ListSubscriptionsByTopic" => subscriptions::list_by_topic(control, call),
        "ListSubscriptions" => subscriptions::list(control, call),
        "GetSubscriptionAttributes" => subscriptions::attributes(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameter", format!("Invalid parameter: {}", message.into()))
}

fn no_topic() -> ApiError {
    ApiError::new("NotFound", "Topic does not exist").with_status(http::StatusCode::NOT_FOUND)
}

fn find<'a>(control: &'a Control, arn: &Arn) -> Option<&'a Topic> {
    let owner = control.accounts.get(arn.account.as_ref()?)?;
    owner.sns.topics.get(&arn.to_string())
}

/// The topic of a call, once the caller may do this to it.
fn topic_mut<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    member: &str,
) -> Result<&'a mut Topic, ApiError> {
    let text = call.required(member)?;
    let arn: Arn = text.parse().map_err(|_| invalid(format!("{member} Reason: {text}")))?;
    let owner = arn.account.clone().ok_or_else(|| invalid(member))?;
    let policy = find(control, &arn).map(|topic| topic.policy.evaluator());
    let key = |key, input| Some((key, input::text(call.input, input)?.to_owned()));
    let context = [key("sns:Protocol", "Protocol"), key("sns:Endpoint", "Endpoint")];
    let context: Vec<_> = context.into_iter().flatten().collect();
    call.allow_in(control, text, &owner, policy, &context)?;
    control
        .accounts
        .get_mut(&owner)
        .and_then(|owner| owner.sns.topics.get_mut(text))
        .filter(|topic| topic.arn.region.as_ref() == Some(call.region))
        .ok_or_else(no_topic)
}

/// Whether a principal may publish to a topic, which must be there.
///
/// # Errors
/// `NotFound` or the refusal.
pub(crate) fn may_publish(control: &Control, caller: &Caller, arn: &Arn) -> Result<(), ApiError> {
    let topic = find(control, arn).ok_or_else(no_topic)?;
    let owner = arn.account.as_ref().unwrap_or(&caller.account);
    let region = arn.region.as_ref().ok_or_else(no_topic)?;
    let resource = arn.to_string();
    let request = Request {
        resource_policy: Some(topic.policy.evaluator()),
        ..Request::over_tls("sns:Publish", &resource, owner, region)
    };
    control.authorize(caller, &request)
}

/// Publishes as a service inside the sandbox, and counts the messages.
///
/// # Errors
/// Those of [`may_publish`].
pub(crate) fn notify(
    control: &mut Control,
    caller: &Caller,
    arn: &Arn,
    messages: u64,
) -> Result<(), ApiError> {
    may_publish(control, caller, arn)?;
    let owner = arn.account.as_ref().and_then(|owner| control.accounts.get_mut(owner));
    if let Some(topic) = owner.and_then(|owner| owner.sns.topics.get_mut(&arn.to_string())) {
        topic.published += messages;
    }
    Ok(())
}

/// What SNS gives a topic: its owner, by any principal, may do everything.
fn default_policy(call: &Call<'_>, arn: &Arn) -> Result<ResourcePolicy, ApiError> {
    let policy = json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission",
                "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": arn.to_string(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": call.caller.account } },
        }],
    });
    ResourcePolicy::try_from(policy.to_string()).map_err(invalid)
}

fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("Name")?;
    let attributes = input::map(call.input, "Attributes");
    let fifo = attributes.get("FifoTopic").is_some_and(|fifo| fifo == "true");
    let stem = if fifo { name.strip_suffix(".fifo").unwrap_or("") } else { name };
    let fits = (1..=256).contains(&name.len())
        && !stem.is_empty()
        && stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !fits {
        return Err(invalid("Topic Name"));
    }
    let arn = call.arn(name);
    let text = arn.to_string();
    call.allow(control, &text)?;
    let tags = input::tags(call.input, "Tags", "Key", "Value");
    if let Some(topic) = find(control, &arn) {
        // Making a topic again gives it back, unless it would be another.
        let same =
            attributes.iter().all(|(name, value)| topic.attribute(name).as_deref() == Some(value));
        if !same {
            return Err(invalid(
                "Attributes Reason: Topic already exists with different attributes",
            ));
        }
        if !tags.is_empty() && tags != topic.tags {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        return Ok(json!({ "TopicArn": text }));
    }
    let mut topic = Topic {
        policy: default_policy(call, &arn)?,
        arn,
        attributes: BTreeMap::new(),
        tags,
        subscriptions: BTreeMap::new(),
        published: 0,
        messages: VecDeque::new(),
        deleted_subscriptions: 0,
    };
    for (name, value) in &attributes {
        topic.set(name, &checked(control, call, name, value)?)?;
    }
    input::account_mut(control, &call.caller.account)?.sns.topics.insert(text.clone(), topic);
    Ok(json!({ "TopicArn": text }))
}

impl Topic {
    fn attribute(&self, name: &str) -> Option<String> {
        match name {
            "Policy" => Some(self.policy.text().to_owned()),
            _ => self.attributes.get(name).cloned(),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        match name {
            "Policy" => {
                self.policy = ResourcePolicy::try_from(value.to_owned())
                    .map_err(|error| invalid(format!("Policy Error: {error}")))?;
            }
            name if SETTABLE.contains(&name) => {
                if value.is_empty() {
                    self.attributes.remove(name);
                } else {
                    self.attributes.insert(name.to_owned(), value.to_owned());
                }
            }
            _ => return Err(invalid("AttributeName")),
        }
        Ok(())
    }
}

fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    match topic_mut(control, call, "TopicArn") {
        // Deleting a missing one succeeds.
        Err(error) if error.code == "NotFound" => return Ok(json!({})),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let text = call.required("TopicArn")?;
    let owner = text.parse::<Arn>().ok().and_then(|arn| arn.account);
    if let Some(owner) = owner.and_then(|owner| control.accounts.get_mut(&owner)) {
        owner.sns.topics.remove(text);
    }
    Ok(json!({}))
}

fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let topics = input::account(control, &call.caller.account)?
        .sns
        .topics
        .iter()
        .filter(|(_, topic)| topic.arn.region.as_ref() == Some(call.region))
        .map(|(arn, _)| (arn.clone(), json!({ "TopicArn": arn })));
    page(call, "Topics", topics)
}

/// One page of a list under `member`.
fn page(call: &Call<'_>, member: &str, items: impl Iterator<Item = (String, Value)>) -> Reply {
    let (items, next) = input::page(items, input::text(call.input, "NextToken"), 100)
        .ok_or_else(|| invalid("NextToken"))?;
    Ok(json!({ member: items, "NextToken": next }))
}

/// How a topic retries over HTTP by default.
///
/// Source: SNS Developer Guide, "Message delivery retries", and recorded responses.
const DELIVERY_POLICY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;

fn attributes(control: &mut Control, call: &Call<'_>) -> Reply {
    let topic = topic_mut(control, call, "TopicArn")?;
    let confirmed = topic.subscriptions.values().filter(|s| s.confirmed()).count();
    let mut attributes = json!({
        "TopicArn": topic.arn,
        "Owner": topic.arn.account,
        "Policy": topic.policy.text(),
        "DisplayName": "",
        "EffectiveDeliveryPolicy": DELIVERY_POLICY,
        "SubscriptionsConfirmed": confirmed.to_string(),
        "SubscriptionsPending": (topic.subscriptions.len() - confirmed).to_string(),
        "SubscriptionsDeleted": topic.deleted_subscriptions.to_string(),
    });
    for (name, value) in &topic.attributes {
        attributes[name.as_str()] = value.as_str().into();
    }
    Ok(json!({ "Attributes": attributes }))
}

fn set_attribute(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("AttributeName")?;
    let value = input::text(call.input, "AttributeValue").unwrap_or_default();
    topic_mut(control, call, "TopicArn")?;
    let value = checked(control, call, name, value)?;
    topic_mut(control, call, "TopicArn")?.set(name, &value)?;
    Ok(json!({}))
}

/// An attribute's value; the principals of a policy must exist.
fn checked(
    control: &Control,
    call: &Call<'_>,
    name: &str,
    value: &str,
) -> Result<String, ApiError> {
    if name != "Policy" {
        return Ok(value.to_owned());
    }
    principals::resolved(control, call.caller.partition, value)
        .map_err(|_| invalid("Policy Error: PrincipalNotFound"))
}

/// The most messages of a topic that are kept.
const KEPT: usize = 100;

/// Source: SNS API Reference, `Publish`.
fn publish(control: &mut Control, call: &Call<'_>) -> Reply {
    let member =
        if input::text(call.input, "TargetArn").is_some() { "TargetArn" } else { "TopicArn" };
    if call.required("Message")?.len() > 256 * 1024 {
        return Err(invalid("Message too long"));
    }
    let subject = input::text(call.input, "Subject");
    if subject.is_some_and(|subject| !is_subject(subject)) {
        return Err(invalid("Subject"));
    }
    let id = call.simulation.uuid();
    let topic = topic_mut(control, call, member)?;
    topic.published += 1;
    let mut message = call.input.clone();
    message["MessageId"] = id.as_str().into();
    topic.messages.push_back(message);
    while topic.messages.len() > KEPT {
        topic.messages.pop_front();
    }
    Ok(json!({ "MessageId": id }))
}

/// Fewer than 100 ASCII characters without line breaks, which begin with a letter, a number or
/// punctuation.
fn is_subject(subject: &str) -> bool {
    subject.len() < 100
        && subject.chars().all(|c| c.is_ascii() && !c.is_ascii_control())
        && subject.starts_with(|c: char| c.is_ascii_graphic())
}

fn tag(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = input::tags(call.input, "Tags", "Key", "Value");
    topic_mut(control, call, "ResourceArn")?.tags.extend(tags);
    Ok(json!({}))
}

fn untag(control: &mut Control, call: &Call<'_>) -> Reply {
    let names = input::texts(call.input, "TagKeys");
    topic_mut(control, call, "ResourceArn")?.tags.retain(|name, _| !names.contains(name));
    Ok(json!({}))
}

fn list_tags(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = input::tag_list(&topic_mut(control, call, "ResourceArn")?.tags, "Key", "Value");
    Ok(json!({ "Tags": tags }))
}
