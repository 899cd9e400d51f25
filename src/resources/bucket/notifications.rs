use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, Clients, Observation};
use crate::config::Notification;
use crate::names::BucketName;
use crate::resources::change::{Change, field_changes};
use crate::resources::{
    ApplyContext, Desired, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// Who is notified of what happens to the archive's objects.
///
/// Source: S3 `GetBucketNotificationConfiguration`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notifications {
    /// The events, by target and filter.
    pub events_by_target: BTreeMap<String, BTreeSet<String>>,
    /// As S3 returned it, so that unmanaged entries can be kept.
    #[serde(skip)]
    raw: NotificationConfiguration,
}

impl Notifications {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients
            .s3()
            .get_bucket_notification_configuration()
            .bucket(bucket.as_str())
            .send()
            .await;
        Observation::from_result(answer.at(clients, "s3:GetBucketNotification"), |_| false).map(
            |answer| {
                Self::of(
                    NotificationConfiguration::builder()
                        .set_topic_configurations(answer.topic_configurations)
                        .set_queue_configurations(answer.queue_configurations)
                        .set_lambda_function_configurations(answer.lambda_function_configurations)
                        .set_event_bridge_configuration(answer.event_bridge_configuration)
                        .build(),
                )
            },
        )
    }

    fn of(raw: NotificationConfiguration) -> Self {
        let mut events_by_target = BTreeMap::new();
        let mut add =
            |arn: &str, filter: Option<&NotificationConfigurationFilter>, on: &[Event]| {
                let events = on.iter().map(|event| event.as_str().to_owned());
                let key = format!("{arn}{}", filter_text(filter));
                events_by_target.entry(key).or_insert_with(BTreeSet::new).extend(events);
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
        Self { events_by_target, raw }
    }

    /// The notifications that the configuration does not declare: target, filter and
    /// events.
    fn unconfigured(&self, desired: &Desired) -> Vec<String> {
        let mut left = self.events_by_target.clone();
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

    fn target(desired: &Desired, found: Option<&Self>) -> Result<Self, StepError> {
        let mut raw = found.map_or_else(
            || NotificationConfiguration::builder().build(),
            |found| found.raw.clone(),
        );
        let existing = found.map(|found| &found.events_by_target);
        for one in &desired.config.archive.notifications {
            let filter = filter(one);
            let key = format!("{}{}", one.target, filter_text(filter.as_ref()));
            let events_by_target = existing.and_then(|existing| existing.get(&key));
            // S3 rejects two configurations for the same event.
            let on: Vec<Event> = one
                .events
                .iter()
                .filter(|event| {
                    events_by_target
                        .is_none_or(|events_by_target| !events_by_target.contains(*event))
                })
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
    const MAY_BE_UNDECLARED: bool = true;

    fn is_enabled(desired: &Desired) -> bool {
        !desired.config.archive.notifications.is_empty()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let target = match Self::target(desired, found) {
            Ok(target) => target,
            Err(error) => return Change::refused(error.to_string(), "check archive.notifications"),
        };
        let before = found.map(|found| found.events_by_target.clone());
        Change::update(
            "the configured targets are notified",
            field_changes(before.as_ref(), &target.events_by_target),
        )
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        let undeclared = found.unconfigured(desired).into_iter();
        undeclared
            .map(|what| Undeclared::by_others(Self::ID, "archive.notifications", what))
            .collect()
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        let target = Self::target(context.desired, context.observed.notifications.present())?;
        clients
            .s3()
            .put_bucket_notification_configuration()
            .bucket(context.desired.bucket().as_str())
            .notification_configuration(target.raw)
            .send()
            .await
            .at(&clients, "s3:PutBucketNotification")?;
        Ok(())
    }
}
