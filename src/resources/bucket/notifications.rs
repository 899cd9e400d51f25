use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, Clients, Seen};
use crate::config::Notification;
use crate::names::BucketName;
use crate::resources::change::{Change, field_changes};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// Who is told of what happens to the archive's objects.
///
/// Source: S3 `GetBucketNotificationConfiguration`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notifications {
    /// By target and filter: the events.
    pub told: BTreeMap<String, BTreeSet<String>>,
    /// S3's own words, so that others' can be sent along.
    #[serde(skip)]
    raw: NotificationConfiguration,
}

impl Notifications {
    pub(in crate::resources) async fn read(clients: &Clients, bucket: &BucketName) -> Seen<Self> {
        let answer = clients
            .s3()
            .get_bucket_notification_configuration()
            .bucket(bucket.as_str())
            .send()
            .await;
        Seen::from_result(answer.at(clients, "s3:GetBucketNotification"), |_| false).map(|answer| {
            Self::of(
                NotificationConfiguration::builder()
                    .set_topic_configurations(answer.topic_configurations)
                    .set_queue_configurations(answer.queue_configurations)
                    .set_lambda_function_configurations(answer.lambda_function_configurations)
                    .set_event_bridge_configuration(answer.event_bridge_configuration)
                    .build(),
            )
        })
    }

    fn of(raw: NotificationConfiguration) -> Self {
        let mut told = BTreeMap::new();
        let mut add =
            |arn: &str, filter: Option<&NotificationConfigurationFilter>, on: &[Event]| {
                let events = on.iter().map(|event| event.as_str().to_owned());
                let key = format!("{arn}{}", filter_text(filter));
                told.entry(key).or_insert_with(BTreeSet::new).extend(events);
            };
        for topic in raw.topic_configurations() {
            add(&topic.topic_arn, topic.filter.as_ref(), &topic.events);
        }
        for queue in raw.queue_configurations() {
            add(&queue.queue_arn, queue.filter.as_ref(), &queue.events);
        }
        for lambda in raw.lambda_function_configurations() {
            add(&lambda.lambda_function_arn, lambda.filter.as_ref(), &lambda.events);
        }
        Self { told, raw }
    }

    /// What S3 notifies and no declaration lists: target, filter and events.
    pub(in crate::resources) fn undeclared(&self, desired: &Desired) -> Vec<String> {
        let mut left = self.told.clone();
        for one in &desired.config.archive.notifications {
            let key = format!("{}{}", one.target, filter_text(filter(one).as_ref()));
            if let Some(events) = left.get_mut(&key) {
                events.retain(|event| !one.events.contains(event));
            }
        }
        left.retain(|_, events| !events.is_empty());
        let said = left.into_iter().map(|(target, events)| {
            let events: Vec<String> = events.into_iter().collect();
            format!("{target} is notified of {}", events.join(", "))
        });
        said.collect()
    }

    fn wanted(desired: &Desired, found: Option<&Self>) -> Result<Self, StepError> {
        let mut raw = found.map_or_else(
            || NotificationConfiguration::builder().build(),
            |found| found.raw.clone(),
        );
        let there = found.map(|found| &found.told);
        for one in &desired.config.archive.notifications {
            let filter = filter(one);
            let key = format!("{}{}", one.target, filter_text(filter.as_ref()));
            let told = there.and_then(|there| there.get(&key));
            // S3 refuses two configurations that tell of one event.
            let on: Vec<Event> = one
                .events
                .iter()
                .filter(|event| told.is_none_or(|told| !told.contains(*event)))
                .map(|event| Event::from(event.as_str()))
                .collect();
            if !on.is_empty() {
                add(&mut raw, one, filter, on)?;
            }
        }
        Ok(Self::of(raw))
    }
}

fn add(
    raw: &mut NotificationConfiguration,
    one: &Notification,
    filter: Option<NotificationConfigurationFilter>,
    on: Vec<Event>,
) -> Result<(), StepError> {
    let arn = one.target.to_string();
    match &*one.target.service {
        "sns" => raw.topic_configurations.get_or_insert_default().push(
            TopicConfiguration::builder()
                .topic_arn(arn)
                .set_filter(filter)
                .set_events(Some(on))
                .build()?,
        ),
        "sqs" => raw.queue_configurations.get_or_insert_default().push(
            QueueConfiguration::builder()
                .queue_arn(arn)
                .set_filter(filter)
                .set_events(Some(on))
                .build()?,
        ),
        _ => raw.lambda_function_configurations.get_or_insert_default().push(
            LambdaFunctionConfiguration::builder()
                .lambda_function_arn(arn)
                .set_filter(filter)
                .set_events(Some(on))
                .build()?,
        ),
    }
    Ok(())
}

fn filter(one: &Notification) -> Option<NotificationConfigurationFilter> {
    let rule = |name: FilterRuleName, value: &Option<String>| {
        value.as_ref().map(|value| FilterRule::builder().name(name).value(value).build())
    };
    let rules: Vec<FilterRule> =
        [rule(FilterRuleName::Prefix, &one.prefix), rule(FilterRuleName::Suffix, &one.suffix)]
            .into_iter()
            .flatten()
            .collect();
    let key = S3KeyFilter::builder().set_filter_rules(Some(rules.clone())).build();
    (!rules.is_empty()).then(|| NotificationConfigurationFilter::builder().key(key).build())
}

fn filter_text(filter: Option<&NotificationConfigurationFilter>) -> String {
    let mut rules: Vec<String> = filter
        .and_then(|filter| filter.key.as_ref())
        .map(S3KeyFilter::filter_rules)
        .unwrap_or_default()
        .iter()
        .map(|rule| {
            let name = rule.name.as_ref().map_or("", |name| name.as_str()).to_lowercase();
            format!(" {name}={}", rule.value.as_deref().unwrap_or_default())
        })
        .collect();
    rules.sort();
    rules.concat()
}

impl Resource for Notifications {
    type State = Self;
    const ID: &'static str = "archive-bucket/notifications";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET];
    const ACTIONS: &'static [&'static str] =
        &["s3:GetBucketNotification", "s3:PutBucketNotification"];

    fn location(desired: &Desired) -> Location {
        desired.archive_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        !desired.config.archive.notifications.is_empty()
    }

    async fn observe(context: &ObserveContext<'_>) -> Seen<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let wanted = match Self::wanted(desired, found) {
            Ok(wanted) => wanted,
            Err(error) => return Change::refused(error.to_string(), "check archive.notifications"),
        };
        let before = found.map(|found| found.told.clone());
        Change::update(
            "the declared targets are told",
            field_changes(before.as_ref(), &wanted.told),
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        let wanted = Self::wanted(context.desired, context.observed.notifications.present())?;
        clients
            .s3()
            .put_bucket_notification_configuration()
            .bucket(context.desired.bucket().as_str())
            .notification_configuration(wanted.raw)
            .send()
            .await
            .at(&clients, "s3:PutBucketNotification")?;
        Ok(())
    }
}
