//! A row for each check: what makes it fail, and what makes it unknown.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{denied, error};
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::run::{LogTally, ScopeReport, UnknownKeys, Verification};
use crate::aws::Observation;
use crate::checks::{Facts, NeighborStatus, OtherTrail, ROOT_SESSIONS, TrailStatus};
use crate::config::Neighbor;
use crate::org::{ControlLevel, ControlPolicies, ControlPolicy};
use crate::policy::{PolicyDocument, Statement};
use crate::resources::{MetricAlarm, MetricFilter, TrailLogging};

/// What makes a check fail, and what makes it unknown.
pub(super) struct Row {
    pub(super) check: &'static str,
    pub(super) fail: fn(&mut Facts),
    pub(super) unknown: fn(&mut Facts),
}

pub(super) fn value<T>(seen: &mut Observation<T>) -> &mut T {
    match seen {
        Observation::Present(value) => value,
        Observation::Absent | Observation::Unreadable(_) => panic!("not present"),
    }
}

/// The state of the configured trail.
macro_rules! trail {
    ($facts:expr) => {
        value(&mut $facts.observed.trails).own.as_mut().unwrap()
    };
}

fn bucket_policy(facts: &mut Facts) -> &mut PolicyDocument {
    &mut value(&mut facts.observed.bucket_policy).0
}

fn statement<'a>(document: &'a mut PolicyDocument, sid: &str) -> &'a mut Statement {
    document.statements.iter_mut().find(|one| one.sid.as_deref() == Some(sid)).unwrap()
}

/// The first account and Region.
pub(super) fn cell(facts: &mut Facts) -> &mut Observation<TrailStatus> {
    let inside = value(&mut facts.accounts).iter_mut().find_map(|one| one.inside.as_mut().ok());
    inside.unwrap().regions.values_mut().next().unwrap()
}

fn other_trails(facts: &mut Facts) -> &mut Observation<Vec<OtherTrail>> {
    let inside = value(&mut facts.accounts).iter_mut().find_map(|one| one.inside.as_mut().ok());
    &mut inside.unwrap().other_trails
}

fn intruder(facts: &mut Facts) {
    let arn = "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy".parse().unwrap();
    let selectors = facts.observed.event_selectors.clone();
    let trail = OtherTrail { arn, is_logging: Observation::Present(true), selectors };
    value(other_trails(facts)).push(trail);
}

fn neighbor(facts: &mut Facts, service: Neighbor) -> &mut Observation<NeighborStatus> {
    let inside = value(&mut facts.accounts).iter_mut().find_map(|one| one.inside.as_mut().ok());
    let neighbors = &mut inside.unwrap().neighbors;
    neighbors.iter_mut().find(|((of, _), _)| *of == service).map(|(_, status)| status).unwrap()
}

pub(super) fn enable_root_sessions(facts: &mut Facts) {
    facts.root_features = Observation::Present([ROOT_SESSIONS.to_owned()].into());
}

/// A pattern that matches one of the five calls.
const STOPS: &str = "{ $.eventName = StopLogging }";

/// A pattern that also matches successful sign-ins.
const SIGN_INS: &str = "{ $.eventName = ConsoleLogin }";

fn filter<'a>(facts: &'a mut Facts, name: &str) -> &'a mut MetricFilter {
    let filters = &mut value(&mut facts.observed.metric_filters).filters;
    filters.get_mut(&format!("orgtrail-{name}")).unwrap()
}

fn alarm<'a>(facts: &'a mut Facts, name: &str) -> &'a mut MetricAlarm {
    let alarms = &mut value(&mut facts.observed.metric_alarms).alarms;
    alarms.get_mut(&format!("orgtrail-{name}")).unwrap()
}

/// A row of an alarm: each fails in another way, and is unknown if one of its reads is
/// denied.
macro_rules! alarm {
    ($check:literal, $fail:expr) => {
        Row {
            check: $check,
            fail: $fail,
            unknown: |f| {
                // Another read for every other one.
                if $check.len() % 2 == 0 {
                    f.observed.metric_filters = denied();
                } else {
                    f.observed.metric_alarms = denied();
                }
            },
        }
    };
}

/// A row of a check that is unknown if the read of one resource is denied.
macro_rules! row {
    ($check:literal, $unreadable:ident, $fail:expr) => {
        Row { check: $check, fail: $fail, unknown: |f| f.observed.$unreadable = denied() }
    };
}

/// A row of a neighboring service, in the first account and Region.
macro_rules! neighbor {
    ($check:literal, $service:expr) => {
        Row {
            check: $check,
            fail: |f| {
                *neighbor(f, $service) = Observation::Present(NeighborStatus::Off("it is off"));
            },
            unknown: |f| *neighbor(f, $service) = denied(),
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    Row {
        check: "org-root-access",
        fail: |f| {
            enable_root_sessions(f);
            f.observed.guardrail = Observation::Absent;
        },
        unknown: |f| f.root_features = denied(),
    },
    Row {
        check: "trail-multi-region",
        fail: |f| trail!(f).settings.is_multi_region_trail = false,
        unknown: |f| f.observed.event_selectors = denied(),
    },
    row!("trail-is-logging", trail_logging, |f| {
        f.observed.trail_logging = Observation::Present(TrailLogging { is_logging: false });
    }),
    row!("trail-kms", kms_key, |f| trail!(f).settings.kms_key = None),
    row!("trail-log-validation", trails, |f| trail!(f).settings.log_file_validation = false),
    row!("trail-cloudwatch-logs", log_group, |f| trail!(f).settings.log_group = None),
    row!("trail-insights", insights, |f| f.observed.insights = Observation::Absent),
    row!("trail-data-events", event_selectors, |f| {
        let selectors = value(&mut f.observed.event_selectors);
        selectors.advanced.retain(|fields| !fields.contains_key("resources.type"));
    }),
    row!("trail-selectors-named", event_selectors, |f| {
        value(&mut f.observed.event_selectors).management_names = BTreeSet::from(["x".into()]);
    }),
    row!("trail-notifies", topic, |f| trail!(f).settings.sns_topic = None),
    row!("trail-tags", trail_tags, |f| value(&mut f.observed.trail_tags).0.clear()),
    Row { check: "trail-duplicates", fail: intruder, unknown: |f| *other_trails(f) = denied() },
    row!("org-trail-identity", trails, |f| trail!(f).settings.is_organization_trail = false),
    row!("org-trusted-access", service_linked_role, |f| f.observed.trusted_access =
        Observation::Absent),
    row!("org-delegated-admins", delegated_administrators, |f| {
        let admins = value(&mut f.observed.delegated_administrators);
        admins.accounts.insert("333333333333".parse().unwrap());
    }),
    Row {
        check: "org-coverage",
        fail: |f| *cell(f) = Observation::Absent,
        unknown: |f| *cell(f) = denied(),
    },
    Row {
        check: "org-delivery-freshness",
        fail: |f| {
            let status = value(cell(f));
            status.newest_digest = Some("2025-12-01T00:00:00Z".parse().unwrap());
            status.started = None;
        },
        unknown: |f| {
            let status = value(cell(f));
            (status.newest_digest, status.started) = (None, None);
            status.archive_unread = Some(error());
        },
    },
    Row {
        check: "org-digest-chain",
        fail: |f| {
            let report = ScopeReport {
                account: "222222222222".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
                bucket: None,
                root: String::new(),
                roots: Vec::new(),
                chains: Vec::new(),
                logs: LogTally::default(),
                proven: Vec::new(),
                findings: vec![Finding::new(FindingKind::DigestSignature)],
                followed: false,
                other_trails: BTreeSet::new(),
                reported_trails: BTreeSet::new(),
                has_later_digests: false,
                handoffs: Vec::new(),
                unknown_keys: UnknownKeys::default(),
                missing_trails: Vec::new(),
                lagging: Vec::new(),
                earlier: None,
                anchors_found: 0,
            };
            let verification = Verification { scopes: vec![report], findings: Vec::new() };
            f.chains = Observation::Present(Arc::new(verification));
        },
        unknown: |f| f.chains = denied(),
    },
    Row { check: "org-unmanaged-trails", fail: intruder, unknown: |f| *other_trails(f) = denied() },
    Row {
        check: "org-new-accounts",
        fail: |f| {
            f.earlier = Some(BTreeSet::new());
            *cell(f) = Observation::Absent;
        },
        unknown: |f| {
            f.earlier = Some(BTreeSet::new());
            *cell(f) = denied();
        },
    },
    row!("guardrail-scp", guardrail, |f| value(&mut f.observed.guardrail).targets.clear()),
    row!("bucket-public-access", public_access, |f| f.observed.public_access = Observation::Absent),
    row!("bucket-ownership", ownership, |f| f.observed.ownership = Observation::Absent),
    row!("bucket-tls-only", bucket_policy, |f| {
        let statement = statement(bucket_policy(f), "OrgTrailTlsFloor");
        statement.action = "s3:GetObject".into();
    }),
    row!("bucket-encryption", encryption, |f| f.observed.encryption = Observation::Absent),
    row!("bucket-policy-source-arn", bucket_policy, |f| {
        let statement = statement(bucket_policy(f), "OrgTrailWrite");
        statement.condition.get_mut("StringEquals").unwrap().remove("aws:SourceArn");
    }),
    Row {
        check: "rcp-archive",
        fail: |f| {
            let deny = Statement::deny("Deny").anyone().actions(["s3:*"]).resources(["*"]);
            let policy = ControlPolicy {
                id: "p-deny".to_owned(),
                name: "deny".to_owned(),
                document: PolicyDocument::new(vec![deny]),
            };
            let level = ControlLevel { target: "r-abcd".to_owned(), policies: vec![policy] };
            f.resource_policies = Observation::Present(ControlPolicies { levels: vec![level] });
        },
        unknown: |f| f.resource_policies = denied(),
    },
    row!("bucket-policy-digest-safe", bucket_policy, |f| {
        let statement = statement(bucket_policy(f), "OrgTrailEncryption");
        let key = "s3:x-amz-server-side-encryption".to_owned();
        let only = statement.condition.get_mut("StringNotEquals").unwrap();
        only.insert(key, "aws:kms".into());
        f.digest_encryption = Observation::Present("AES256".to_owned());
    }),
    row!("bucket-cross-account", bucket_policy, |f| {
        let stranger = Statement::allow("Stranger")
            .principals(["999999999999"])
            .actions(["s3:GetObject"])
            .resources(["arn:aws:s3:::acme-log-archive/*"]);
        bucket_policy(f).statements.push(stranger);
    }),
    row!("bucket-versioning", versioning, |f| value(&mut f.observed.versioning).enabled = false),
    row!("bucket-object-lock", object_lock, |f| value(&mut f.observed.object_lock).days = Some(1)),
    row!("bucket-mfa-delete", bucket_policy, |f| {
        let guards = ["OrgTrailDeleteMfa", "OrgTrailDeleteMfaAge"];
        bucket_policy(f)
            .statements
            .retain(|one| !one.sid.as_deref().is_some_and(|sid| guards.contains(&sid)));
    }),
    row!("bucket-lifecycle", lifecycle, |f| f.observed.lifecycle = Observation::Absent),
    row!("bucket-retention-conflict", lifecycle, |f| {
        let rules = &mut value(&mut f.observed.lifecycle).rules;
        let mut early = rules["orgtrail-retention"].clone();
        early.expiration_days = Some(30);
        rules.insert("somebody-elses".to_owned(), early);
    }),
    row!("bucket-access-logging", access_log_bucket, |f| f.observed.access_logging =
        Observation::Absent),
    row!("bucket-replication", replication, |f| f.observed.replication = Observation::Absent),
    row!("bucket-notifications", notifications, |f| f.observed.notifications = Observation::Absent),
    row!("key-enabled", kms_key, |f| value(&mut f.observed.kms_key).state = "Disabled".to_owned()),
    row!("key-rotation", key_rotation, |f| value(&mut f.observed.key_rotation).enabled = false),
    row!("key-not-public", key_policy, |f| {
        let open = Statement::allow("Open").anyone().actions(["kms:Decrypt"]).resources(["*"]);
        value(&mut f.observed.key_policy).0.statements.push(open);
    }),
    row!("key-policy-scope", key_policy, |f| {
        let policy = &mut value(&mut f.observed.key_policy).0;
        statement(policy, "OrgTrailBucketKey").condition.clear();
    }),
    row!("key-single-region", kms_key, |f| value(&mut f.observed.kms_key).arn.resource =
        "key/mrk-0123456789abcdef".into()),
    row!("log-group-encrypted", log_group, |f| value(&mut f.observed.log_group).kms_key = None),
    row!("log-group-retention", log_group, |f| value(&mut f.observed.log_group).retention_days =
        Some(30)),
    alarm!("alarm-4.1", |f| filter(f, "unauthorized-api-calls").value = "0".to_owned()),
    alarm!("alarm-4.2", |f| alarm(f, "sign-in-without-mfa").alarm_actions.clear()),
    alarm!("alarm-4.3", |f| alarm(f, "root-usage").actions_enabled = false),
    alarm!("alarm-4.4", |f| alarm(f, "iam-policy-changes").threshold = Some(5.0)),
    alarm!("alarm-4.5", |f| filter(f, "cloudtrail-changes").pattern = STOPS.to_owned()),
    alarm!("alarm-4.6", |f| filter(f, "failed-sign-ins").pattern = SIGN_INS.to_owned()),
    alarm!("alarm-4.7", |f| {
        let dimensions = &mut alarm(f, "kms-key-deletion").dimensions;
        dimensions.insert("Service".to_owned(), "kms".to_owned());
    }),
    alarm!("alarm-4.8", |f| filter(f, "s3-bucket-policy-changes").metric.name.push('x')),
    alarm!("alarm-4.9", |f| alarm(f, "config-changes").metric.namespace.push('x')),
    alarm!("alarm-4.10", |f| alarm(f, "security-group-changes").comparison = None),
    alarm!("alarm-4.11", |f| value(&mut f.observed.metric_alarms).alarms.clear()),
    alarm!("alarm-4.12", |f| value(&mut f.observed.metric_filters).filters.clear()),
    alarm!("alarm-4.13", |f| value(&mut f.observed.alarm_subscriptions).subscriptions.clear()),
    alarm!("alarm-4.14", |f| {
        value(&mut f.observed.alarm_subscriptions).subscriptions[0].confirmed = false;
    }),
    alarm!("alarm-4.15", |f| f.observed.metric_alarms = Observation::Absent),
    alarm!("alarm-selector-changes", |f| f.observed.alarm_subscriptions = Observation::Absent),
    alarm!("alarm-root-sessions", |f| alarm(f, "root-sessions").actions_enabled = false),
    neighbor!("neighbor-config", Neighbor::Config),
    neighbor!("neighbor-guardduty", Neighbor::GuardDuty),
    neighbor!("neighbor-security-hub", Neighbor::SecurityHub),
    Row {
        check: "undeclared",
        fail: |f| f.desired.config.archive.access_logging.enabled = false,
        unknown: |f| {
            f.desired.config.archive.access_logging.enabled = false;
            f.observed.access_logging = denied();
        },
    },
    row!("plan-empty", bucket_tags, |f| value(&mut f.observed.bucket_tags).0.clear()),
];
