//! Who listens to a topic.

use orgtrail_base::names::{AccountId, Arn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, invalid, page, topic_mut};

/// A subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Subscription {
    arn: String,
    topic: String,
    owner: AccountId,
    protocol: String,
    endpoint: String,
    /// What confirms it; `None` once confirmed.
    token: Option<String>,
}

impl Subscription {
    pub(super) fn confirmed(&self) -> bool {
        self.token.is_none()
    }

    /// Confirms it; whether it waited for that.
    pub(super) fn follow_link(&mut self) -> bool {
        self.token.take().is_some()
    }

    fn described(&self) -> Value {
        json!({
            "SubscriptionArn": if self.confirmed() { self.arn.as_str() } else { "PendingConfirmation" },
            "Owner": self.owner,
            "Protocol": self.protocol,
            "Endpoint": self.endpoint,
            "TopicArn": self.topic,
        })
    }
}

pub(super) fn subscribe(control: &mut Control, call: &Call<'_>) -> Reply {
    let protocol = call.required("Protocol")?;
    let endpoint = input::text(call.input, "Endpoint").unwrap_or_default();
    let fits = match protocol {
        "email" | "email-json" => endpoint.contains('@'),
        "http" => endpoint.starts_with("http://"),
        "https" => endpoint.starts_with("https://"),
        "sqs" | "lambda" | "firehose" => endpoint.starts_with("arn:"),
        "sms" => endpoint.len() > 4,
        _ => return Err(invalid("Protocol")),
    };
    if !fits {
        return Err(invalid(format!("Endpoint Reason: {endpoint} does not fit {protocol}")));
    }
    let owner = call.caller.account.clone();
    // AWS's own endpoints in the subscriber's account need no confirmation.
    let own = matches!(protocol, "sqs" | "lambda" | "firehose")
        && endpoint.parse::<Arn>().is_ok_and(|arn| arn.account.as_ref() == Some(&owner));
    let return_arn = input::flag(call.input, "ReturnSubscriptionArn").unwrap_or(false);
    let id = call.simulation.uuid();
    let token =
        (!own && protocol != "sms").then(|| call.simulation.random_text("0123456789abcdef", 64));
    let topic = topic_mut(control, call, "TopicArn")?;
    let known = topic
        .subscriptions
        .values()
        .find(|s| s.protocol == protocol && s.endpoint == endpoint && s.owner == owner)
        .cloned();
    let subscription = known.unwrap_or_else(|| Subscription {
        arn: format!("{}:{id}", topic.arn),
        topic: topic.arn.to_string(),
        owner,
        protocol: protocol.to_owned(),
        endpoint: endpoint.to_owned(),
        token,
    });
    let shown_arn = if subscription.confirmed() || return_arn {
        subscription.arn.clone()
    } else {
        "pending confirmation".to_owned()
    };
    topic.subscriptions.insert(subscription.arn.clone(), subscription);
    Ok(json!({ "SubscriptionArn": shown_arn }))
}

pub(super) fn confirm(control: &mut Control, call: &Call<'_>) -> Reply {
    let token = call.required("Token")?;
    let topic = topic_mut(control, call, "TopicArn")?;
    let subscription = topic.subscriptions.values_mut().find(|s| s.token.as_deref() == Some(token));
    let subscription = subscription.ok_or_else(|| invalid("Token"))?;
    subscription.token = None;
    Ok(json!({ "SubscriptionArn": subscription.arn }))
}

/// The topic's ARN of a subscription's.
fn topic_of(arn: &str) -> Result<Arn, ApiError> {
    arn.rsplit_once(':')
        .and_then(|(topic, _)| topic.parse().ok())
        .filter(|topic: &Arn| topic.account.is_some())
        .ok_or_else(|| invalid("SubscriptionArn"))
}

fn not_found() -> ApiError {
    ApiError::new("NotFound", "Subscription does not exist")
        .with_status(http::StatusCode::NOT_FOUND)
}

pub(super) fn unsubscribe(control: &mut Control, call: &Call<'_>) -> Reply {
    let arn = call.required("SubscriptionArn")?;
    let topic = topic_of(arn)?;
    call.allow(control, &topic.to_string())?;
    let owner = topic.account.as_ref().and_then(|owner| control.accounts.get_mut(owner));
    if let Some(topic) = owner.and_then(|owner| owner.sns.topics.get_mut(&topic.to_string())) {
        match topic.subscriptions.get(arn) {
            Some(subscription) if !subscription.confirmed() => {
                return Err(invalid("SubscriptionArn Reason: the subscription is not confirmed"));
            }
            Some(_) => {
                topic.subscriptions.remove(arn);
                topic.deleted_subscriptions += 1;
            }
            None => {}
        }
    }
    Ok(json!({}))
}

fn answer<'a>(call: &Call<'_>, found: impl Iterator<Item = &'a Subscription>) -> Reply {
    page(call, "Subscriptions", found.map(|one| (one.arn.clone(), one.described())))
}

pub(super) fn list_by_topic(control: &mut Control, call: &Call<'_>) -> Reply {
    let topic = topic_mut(control, call, "TopicArn")?;
    answer(call, topic.subscriptions.values())
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let found = control
        .accounts
        .values()
        .flat_map(|account| account.sns.topics.values())
        .filter(|topic| topic.arn.region.as_ref() == Some(call.region))
        .flat_map(|topic| topic.subscriptions.values())
        .filter(|subscription| subscription.owner == call.caller.account);
    answer(call, found)
}

pub(super) fn attributes(control: &Control, call: &Call<'_>) -> Reply {
    let arn = call.required("SubscriptionArn")?;
    let topic = topic_of(arn)?;
    call.allow(control, &topic.to_string())?;
    let subscription = super::find(control, &topic)
        .and_then(|topic| topic.subscriptions.get(arn))
        .ok_or_else(not_found)?;
    Ok(json!({ "Attributes": {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic,
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "PendingConfirmation": (!subscription.confirmed()).to_string(),
    }}))
}
