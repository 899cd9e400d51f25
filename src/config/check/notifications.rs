use super::{Checker, repeated, roles};
use crate::config::read::nearest;
use crate::config::{Config, Notification};

/// Source: S3 `NotificationConfiguration`, the supported event types.
const EVENTS: [&str; 28] = [
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:Put",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRestore:Post",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:ObjectAnnotation:*",
];

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let archive = &config.archive;
    for (at, notification) in archive.notifications.iter().enumerate() {
        let place = format!("archive.notifications[{at}]");
        let key = format!("{place}.target");
        let target = &notification.target;
        let service = &*target.service;
        if !matches!(service, "sns" | "sqs" | "lambda") || target.account.is_none() {
            checker.error(
                &[&key],
                format!("found {target}, expected an SNS topic, an SQS queue or a Lambda function"),
            );
        }
        roles::partition(config, checker, &key, target);
        if target.region.as_ref() != Some(&archive.region) {
            checker.error(
                &[&key, "archive.region"],
                format!(
                    "found {target}, expected a target in the bucket's Region {}",
                    archive.region
                ),
            );
        }
        if target.resource.ends_with(".fifo") {
            checker.error(&[&key], "S3 does not notify FIFO topics and queues; found one");
        }
        if notification.events.is_empty() {
            checker.error(&[&format!("{place}.events")], "found no event, expected at least one");
        }
        for (nth, event) in notification.events.iter().enumerate() {
            if !EVENTS.contains(&event.as_str()) {
                let finding = checker.error(
                    &[&format!("{place}.events[{nth}]")],
                    format!("found {event}, expected an event type of S3"),
                );
                if let Some(near) = nearest(event, &EVENTS) {
                    finding.hint(format!("did you mean `{near}`?"));
                }
            }
        }
        for (nth, event) in repeated(&notification.events) {
            checker.error(&[&format!("{place}.events[{nth}]")], format!("{event} is listed twice"));
        }
    }
    for (at, later) in archive.notifications.iter().enumerate() {
        let overlap = archive.notifications[..at].iter().position(|one| overlap(one, later));
        if let Some(earlier) = overlap {
            checker
                .error(
                    &[
                        &format!("archive.notifications[{at}]"),
                        &format!("archive.notifications[{earlier}]"),
                    ],
                    format!(
                        "overlaps the notification of {}: S3 notifies only one target of an event",
                        archive.notifications[earlier].target
                    ),
                )
                .hint("use an SNS topic with several subscribers");
        }
    }
}

/// Whether both notify of some event.
fn overlap(one: &Notification, other: &Notification) -> bool {
    let covers = |one: &str, other: &str| {
        one == other || one.strip_suffix('*').is_some_and(|begin| other.starts_with(begin))
    };
    let events = one
        .events
        .iter()
        .any(|mine| other.events.iter().any(|theirs| covers(mine, theirs) || covers(theirs, mine)));
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let (prefixes, suffixes) =
        ([text(&one.prefix), text(&other.prefix)], [text(&one.suffix), text(&other.suffix)]);
    events
        && (prefixes[0].starts_with(&prefixes[1]) || prefixes[1].starts_with(&prefixes[0]))
        && (suffixes[0].ends_with(&suffixes[1]) || suffixes[1].ends_with(&suffixes[0]))
}
