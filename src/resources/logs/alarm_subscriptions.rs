use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{AlarmTopic, MetricAlarms};
use crate::aws::{At, AwsError, Clients, Observation};
use crate::resources::change::{Change, FieldChange};
use crate::resources::sns_topic::SnsTopic;
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The subscriptions of a topic.
///
/// Source: SNS `ListSubscriptionsByTopic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AlarmSubscriptions {
    /// Sorted.
    pub subscriptions: Vec<Subscription>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subscription {
    /// Its protocol: `email`.
    pub protocol: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Whether it is confirmed; only the address's owner can confirm it.
    #[serde(skip)]
    pub confirmed: bool,
}

impl AlarmSubscriptions {
    async fn read(management: &Clients, topic: &str) -> Observation<Self> {
        let read = management
            .sns()
            .list_subscriptions_by_topic()
            .topic_arn(topic)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "sns:ListSubscriptionsByTopic");
        Observation::from_result(read, AwsError::is_not_found).map(|found| {
            let subscriptions = found.into_iter().filter_map(|one| {
                let arn = one.subscription_arn.unwrap_or_default();
                if arn == "Deleted" {
                    return None;
                }
                let confirmed = arn.starts_with("arn:");
                Some(Subscription { protocol: one.protocol?, endpoint: one.endpoint?, confirmed })
            });
            let mut subscriptions: Vec<Subscription> = subscriptions.collect();
            subscriptions.sort();
            Self { subscriptions }
        })
    }

    /// Reads those of the topics, other than the declared one, that the alarms notify.
    pub(in crate::resources) async fn read_of_other_topics(
        context: &ObserveContext<'_>,
    ) -> BTreeMap<String, Observation<Self>> {
        let management = &context.management();
        let alarms = context.state_of::<MetricAlarms>().await;
        let own = context.desired.alarm_topic_arn().map(|arn| arn.to_string());
        let topics: BTreeSet<&String> = alarms
            .present()
            .into_iter()
            .flat_map(|alarms| alarms.alarms.values())
            .flat_map(|alarm| &alarm.alarm_actions)
            .filter(|arn| arn.split(':').nth(2) == Some("sns") && Some(*arn) != own.as_ref())
            .collect();
        let mut listeners = BTreeMap::new();
        for topic in topics {
            listeners.insert(topic.clone(), Self::read(management, topic).await);
        }
        listeners
    }

    fn of_address(&self, address: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|one| {
            one.protocol.starts_with("email") && one.endpoint.eq_ignore_ascii_case(address)
        })
    }
}

/// The declared addresses that are not subscribed.
fn missing<'d>(desired: &'d Desired, found: Option<&AlarmSubscriptions>) -> Vec<&'d String> {
    let declared = desired.config.alarms.iter().flat_map(|alarms| &alarms.subscribers);
    declared
        .filter(|address| found.is_none_or(|found| found.of_address(address).is_none()))
        .collect()
}

impl Resource for AlarmSubscriptions {
    type State = Self;
    const ID: &'static str = "alarm-topic/subscriptions";
    const DEPENDS_ON: &'static [&'static str] = &["alarm-topic"];
    const ACTIONS: &'static [&'static str] = &["sns:ListSubscriptionsByTopic", "sns:Subscribe"];
    const MAY_BE_UNDECLARED: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.alarms.as_ref().is_some_and(|alarms| !alarms.subscribers.is_empty())
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        match context.state_of::<SnsTopic<AlarmTopic>>().await {
            Observation::Present(topic) => Self::read(&context.management(), &topic.arn).await,
            Observation::Absent => Observation::Absent,
            Observation::Unreadable(error) => Observation::Unreadable(error.clone()),
        }
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let fields = missing(desired, found)
            .into_iter()
            .map(|address| FieldChange::new(address.as_str(), None::<&str>, Some("subscribed")))
            .collect();
        let declared = desired.config.alarms.iter().flat_map(|alarms| &alarms.subscribers);
        let waiting = declared
            .filter_map(|address| found?.of_address(address))
            .filter(|one| !one.confirmed)
            .map(|one| format!("{} has not confirmed its subscription yet", one.endpoint));
        Change::update("alarms need a confirmed subscriber", fields).with_notes(waiting)
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        let Some(alarms) = &desired.config.alarms else { return Vec::new() };
        let is_declared = |one: &Subscription| {
            one.protocol.starts_with("email")
                && alarms.subscribers.iter().any(|it| it.eq_ignore_ascii_case(&one.endpoint))
        };
        let undeclared = found.subscriptions.iter().filter(|one| !is_declared(one)).map(|one| {
            let what = format!("{} ({}) is subscribed to the alarms", one.endpoint, one.protocol);
            Undeclared::by_others(Self::ID, "alarms.subscribers", what)
        });
        undeclared.collect()
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let Some(topic) = context.desired.alarm_topic_arn() else { return Ok(()) };
        for address in missing(context.desired, context.observed.alarm_subscriptions.present()) {
            clients
                .sns()
                .subscribe()
                .topic_arn(topic.to_string())
                .protocol("email")
                .endpoint(address)
                .send()
                .await
                .at(&clients, "sns:Subscribe")?;
        }
        Ok(())
    }
}
