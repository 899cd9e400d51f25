//! What each change of the configuration requires when everything is active: a table.
//!
//! A change that ends a delivery or lowers a guard requires its confirmation; one that
//! leaves something active undeclared is reported. Every change does one of both.

use std::collections::BTreeSet;

use Confirmation::{ReplacedKey, WeakenedGuard};

use super::{Confirmation, Irreversible, plan};
use crate::aws::Observation;
use crate::checks::Facts;
use crate::checks::table::holding;
use crate::config::{Config, MfaDelete, ObjectLockMode};

/// A change, the confirmations that it requires, and the resources that it leaves active.
type Row = (&'static str, fn(&mut Config), &'static [Confirmation], &'static [&'static str]);

const ROWS: &[Row] = &[
    ("nothing", |_| {}, &[], &[]),
    // Destinations and deliveries of the trail.
    ("archive.bucket", |c| c.archive.bucket = "acme-other".parse().unwrap(), &[WeakenedGuard], &[]),
    (
        "archive.prefix",
        |c| c.archive.prefix = Some("aside".parse().unwrap()),
        &[WeakenedGuard],
        &[],
    ),
    ("trail.name", |c| c.trail.name = "other".parse().unwrap(), &[WeakenedGuard], &[]),
    (
        "trail.name and archive.bucket",
        |c| {
            c.trail.name = "other".parse().unwrap();
            c.archive.bucket = "acme-other".parse().unwrap();
        },
        &[WeakenedGuard],
        &[],
    ),
    ("topic", |c| c.topic = None, &[WeakenedGuard], &[]),
    ("cloudwatch_logs.enabled", |c| c.cloudwatch_logs.enabled = false, &[WeakenedGuard], &[]),
    (
        "cloudwatch_logs.group",
        |c| c.cloudwatch_logs.group = "other".parse().unwrap(),
        &[WeakenedGuard],
        &[],
    ),
    (
        "cloudwatch_logs.role",
        |c| c.cloudwatch_logs.role = "Other".parse().unwrap(),
        &[WeakenedGuard],
        &[],
    ),
    (
        "cloudwatch_logs.retention_days",
        |c| c.cloudwatch_logs.retention_days = 1,
        &[WeakenedGuard],
        &[],
    ),
    (
        "cloudwatch_logs.kms_key, another",
        |c| {
            let other = "arn:aws:kms:us-east-1:111111111111:key/other";
            c.cloudwatch_logs.kms_key = Some(other.parse().unwrap());
        },
        &[ReplacedKey],
        &[],
    ),
    ("cloudwatch_logs.kms_key", |c| c.cloudwatch_logs.kms_key = None, &[], &["log-group"]),
    ("trail.insights", |c| c.trail.insights.call_rate = false, &[WeakenedGuard], &[]),
    ("trail.data_events", |c| c.trail.data_events.clear(), &[WeakenedGuard], &[]),
    // The bucket.
    (
        "archive.access_logging.enabled",
        |c| c.archive.access_logging.enabled = false,
        &[],
        &["archive-bucket/access-logging"],
    ),
    (
        "archive.access_logging.bucket",
        |c| c.archive.access_logging.bucket = "acme-aside".parse().unwrap(),
        &[WeakenedGuard],
        &[],
    ),
    (
        "archive.access_logging.prefix",
        |c| c.archive.access_logging.prefix = Some("aside".parse().unwrap()),
        &[WeakenedGuard],
        &[],
    ),
    (
        "archive.access_logging.retention_days",
        |c| c.archive.access_logging.retention_days = 1,
        &[WeakenedGuard],
        &[],
    ),
    ("archive.replication", |c| c.archive.replication = None, &[], &["archive-bucket/replication"]),
    (
        "archive.replication.bucket",
        |c| c.archive.replication.as_mut().unwrap().bucket = "acme-aside".parse().unwrap(),
        &[WeakenedGuard],
        &[],
    ),
    (
        "archive.notifications",
        |c| c.archive.notifications.clear(),
        &[],
        &["archive-bucket/notifications"],
    ),
    ("archive.lifecycle.enabled", |c| c.archive.lifecycle.enabled = false, &[WeakenedGuard], &[]),
    ("archive.retention_days", |c| c.archive.retention_days = 400, &[WeakenedGuard], &[]),
    (
        "archive.object_lock.mode",
        |c| c.archive.object_lock.mode = ObjectLockMode::Off,
        &[WeakenedGuard],
        &["vault"],
    ),
    ("archive.object_lock.days", |c| c.archive.object_lock.days = 1, &[WeakenedGuard], &[]),
    ("archive.mfa_delete", |c| c.archive.mfa_delete = MfaDelete::Off, &[WeakenedGuard], &[]),
    // The key.
    ("key.rotation", |c| c.key.rotation = false, &[WeakenedGuard], &[]),
    // Alarms and guardrail.
    ("alarms", |c| c.alarms = None, &[], &["metric-filters", "alarms"]),
    (
        "alarms, with the log group",
        |c| {
            c.alarms = None;
            c.cloudwatch_logs.enabled = false;
        },
        &[WeakenedGuard],
        &["metric-filters", "alarms"],
    ),
    (
        "alarms.namespace",
        |c| c.alarms.as_mut().unwrap().namespace = "Aside".to_owned(),
        &[WeakenedGuard],
        &[],
    ),
    (
        "alarms.topic",
        |c| c.alarms.as_mut().unwrap().topic = "aside".parse().unwrap(),
        &[WeakenedGuard],
        &[],
    ),
    (
        "alarms.subscribers",
        |c| c.alarms.as_mut().unwrap().subscribers.clear(),
        &[],
        &["alarm-topic/subscriptions"],
    ),
    ("guardrail.enabled", |c| c.guardrail.enabled = false, &[], &["guardrail"]),
];

/// A changed configuration, and what is observed with it when everything is active.
fn changed(make: fn(&mut Config)) -> Facts {
    let mut facts = holding();
    let name = facts.desired.config.trail.name.clone();
    make(&mut facts.desired.config);
    if facts.desired.config.trail.name == name {
        return facts;
    }
    // The trail is then one of the others.
    if let Observation::Present(trails) = &mut facts.observed.trails
        && let Some(own) = trails.own.take()
    {
        let bucket = own.settings.s3_bucket_name;
        if bucket == facts.desired.bucket().as_str() {
            trails.others_into_archive.push(name.to_string());
        }
        trails.others.push(name.to_string());
        trails.others_of_organization.insert(name.to_string(), bucket);
    }
    facts
}

#[test]
fn what_ends_a_delivery_asks_and_what_stays_live_undeclared_is_reported() {
    for (change, make, confirmations, left) in ROWS {
        let facts = changed(*make);
        let planned = plan(&facts.desired, &facts.observed);
        assert!(!planned.has_refused(), "{change}: {}", planned.to_text());
        let asked: BTreeSet<Confirmation> = planned
            .steps
            .iter()
            .filter(|step| step.action.writes())
            .flat_map(|step| step.irreversible.iter().flat_map(Irreversible::confirmations))
            .collect();
        let wanted = confirmations.iter().copied().collect();
        assert_eq!(asked, wanted, "{change}: {}", planned.to_text());
        let live: Vec<&str> = planned.undeclared.iter().map(|one| &*one.id).collect();
        assert_eq!(live, *left, "{change}");
        for one in &planned.undeclared {
            assert!(planned.to_text().contains(&one.what), "{change}");
        }
    }
}

#[test]
fn a_rename_that_moves_the_logs_too_names_both() {
    let facts = changed(|config| {
        config.trail.name = "other".parse().unwrap();
        config.archive.bucket = "acme-other".parse().unwrap();
    });
    let planned = plan(&facts.desired, &facts.observed);
    let asked = planned.step("trail").unwrap().irreversible.clone().unwrap();
    assert_eq!(asked.confirmation, WeakenedGuard);
    for words in ["trail.name", "archive.bucket", "acme-log-archive"] {
        assert!(asked.what.contains(words), "{}", asked.what);
    }
}
