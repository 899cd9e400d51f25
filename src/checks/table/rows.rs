//! A row for each check: what makes it fail, and what makes it unknown.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{denied, error};
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::run::{LogTally, ScopeReport, Verification};
use crate::aws::Observation;
use crate::checks::{Facts, OtherTrail, TrailStatus};
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

pub(super) const ROWS: &[Row] = &[
    Row {
        check: "trail-multi-region",
        fail: |f| trail!(f).settings.is_multi_region_trail = false,
        unknown: |f| f.observed.event_selectors = denied(),
    },
    Row {
        check: "trail-is-logging",
        fail: |f| {
            f.observed.trail_logging = Observation::Present(TrailLogging { is_logging: false });
        },
        unknown: |f| f.observed.trail_logging = denied(),
    },
    Row {
        check: "trail-kms",
        fail: |f| trail!(f).settings.kms_key = None,
        unknown: |f| f.observed.kms_key = denied(),
    },
    Row {
        check: "trail-log-validation",
        fail: |f| trail!(f).settings.log_file_validation = false,
        unknown: |f| f.observed.trails = denied(),
    },
    Row {
        check: "trail-cloudwatch-logs",
        fail: |f| trail!(f).settings.log_group = None,
        unknown: |f| f.observed.log_group = denied(),
    },
    Row {
        check: "trail-insights",
        fail: |f| f.observed.insights = Observation::Absent,
        unknown: |f| f.observed.insights = denied(),
    },
    Row {
        check: "trail-data-events",
        fail: |f| {
            let selectors = value(&mut f.observed.event_selectors);
            selectors.advanced.retain(|fields| !fields.contains_key("resources.type"));
        },
        unknown: |f| f.observed.event_selectors = denied(),
    },
    Row {
        check: "trail-selectors-named",
        fail: |f| {
            value(&mut f.observed.event_selectors).management_names = BTreeSet::from(["x".into()]);
        },
        unknown: |f| f.observed.event_selectors = denied(),
    },
    Row {
        check: "trail-notifies",
        fail: |f| trail!(f).settings.sns_topic = None,
        unknown: |f| f.observed.topic = denied(),
    },
    Row {
        check: "trail-tags",
        fail: |f| value(&mut f.observed.trail_tags).0.clear(),
        unknown: |f| f.observed.trail_tags = denied(),
    },
    Row { check: "trail-duplicates", fail: intruder, unknown: |f| *other_trails(f) = denied() },
    Row {
        check: "org-trail-identity",
        fail: |f| trail!(f).settings.is_organization_trail = false,
        unknown: |f| f.observed.trails = denied(),
    },
    Row {
        check: "org-trusted-access",
        fail: |f| f.observed.trusted_access = Observation::Absent,
        unknown: |f| f.observed.service_linked_role = denied(),
    },
    Row {
        check: "org-delegated-admins",
        fail: |f| {
            let admins = value(&mut f.observed.delegated_administrators);
            admins.accounts.insert("333333333333".parse().unwrap());
        },
        unknown: |f| f.observed.delegated_administrators = denied(),
    },
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
                unknown_keys: Vec::new(),
                missing_trails: Vec::new(),
                lagging: Vec::new(),
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
    Row {
        check: "guardrail-scp",
        fail: |f| value(&mut f.observed.guardrail).targets.clear(),
        unknown: |f| f.observed.guardrail = denied(),
    },
    Row {
        check: "bucket-public-access",
        fail: |f| f.observed.public_access = Observation::Absent,
        unknown: |f| f.observed.public_access = denied(),
    },
    Row {
        check: "bucket-ownership",
        fail: |f| f.observed.ownership = Observation::Absent,
        unknown: |f| f.observed.ownership = denied(),
    },
    Row {
        check: "bucket-tls-only",
        fail: |f| {
            let statement = statement(bucket_policy(f), "OrgTrailTlsFloor");
            statement.action = "s3:GetObject".into();
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-encryption",
        fail: |f| f.observed.encryption = Observation::Absent,
        unknown: |f| f.observed.encryption = denied(),
    },
    Row {
        check: "bucket-policy-source-arn",
        fail: |f| {
            let statement = statement(bucket_policy(f), "OrgTrailWrite");
            statement.condition.get_mut("StringEquals").unwrap().remove("aws:SourceArn");
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
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
    Row {
        check: "bucket-policy-digest-safe",
        fail: |f| {
            let statement = statement(bucket_policy(f), "OrgTrailEncryption");
            let key = "s3:x-amz-server-side-encryption".to_owned();
            let only = statement.condition.get_mut("StringNotEquals").unwrap();
            only.insert(key, "aws:kms".into());
            f.digest_encryption = Observation::Present("AES256".to_owned());
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-cross-account",
        fail: |f| {
            let stranger = Statement::allow("Stranger")
                .principals(["999999999999"])
                .actions(["s3:GetObject"])
                .resources(["arn:aws:s3:::acme-log-archive/*"]);
            bucket_policy(f).statements.push(stranger);
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-versioning",
        fail: |f| value(&mut f.observed.versioning).enabled = false,
        unknown: |f| f.observed.versioning = denied(),
    },
    Row {
        check: "bucket-object-lock",
        fail: |f| value(&mut f.observed.object_lock).days = Some(1),
        unknown: |f| f.observed.object_lock = denied(),
    },
    Row {
        check: "bucket-mfa-delete",
        fail: |f| {
            let guards = ["OrgTrailDeleteMfa", "OrgTrailDeleteMfaAge"];
            bucket_policy(f)
                .statements
                .retain(|one| !one.sid.as_deref().is_some_and(|sid| guards.contains(&sid)));
        },
        unknown: |f| f.observed.bucket_policy = denied(),
    },
    Row {
        check: "bucket-lifecycle",
        fail: |f| f.observed.lifecycle = Observation::Absent,
        unknown: |f| f.observed.lifecycle = denied(),
    },
    Row {
        check: "bucket-retention-conflict",
        fail: |f| {
            let rules = &mut value(&mut f.observed.lifecycle).rules;
            let mut early = rules["orgtrail-retention"].clone();
            early.expiration_days = Some(30);
            rules.insert("somebody-elses".to_owned(), early);
        },
        unknown: |f| f.observed.lifecycle = denied(),
    },
    Row {
        check: "bucket-access-logging",
        fail: |f| f.observed.access_logging = Observation::Absent,
        unknown: |f| f.observed.access_log_bucket = denied(),
    },
    Row {
        check: "bucket-replication",
        fail: |f| f.observed.replication = Observation::Absent,
        unknown: |f| f.observed.replication = denied(),
    },
    Row {
        check: "bucket-notifications",
        fail: |f| f.observed.notifications = Observation::Absent,
        unknown: |f| f.observed.notifications = denied(),
    },
    Row {
        check: "key-enabled",
        fail: |f| value(&mut f.observed.kms_key).state = "Disabled".to_owned(),
        unknown: |f| f.observed.kms_key = denied(),
    },
    Row {
        check: "key-rotation",
        fail: |f| value(&mut f.observed.key_rotation).enabled = false,
        unknown: |f| f.observed.key_rotation = denied(),
    },
    Row {
        check: "key-not-public",
        fail: |f| {
            let open = Statement::allow("Open").anyone().actions(["kms:Decrypt"]).resources(["*"]);
            value(&mut f.observed.key_policy).0.statements.push(open);
        },
        unknown: |f| f.observed.key_policy = denied(),
    },
    Row {
        check: "key-policy-scope",
        fail: |f| {
            let policy = &mut value(&mut f.observed.key_policy).0;
            statement(policy, "OrgTrailBucketKey").condition.clear();
        },
        unknown: |f| f.observed.key_policy = denied(),
    },
    Row {
        check: "key-single-region",
        fail: |f| value(&mut f.observed.kms_key).arn.resource = "key/mrk-0123456789abcdef".into(),
        unknown: |f| f.observed.kms_key = denied(),
    },
    Row {
        check: "log-group-encrypted",
        fail: |f| value(&mut f.observed.log_group).kms_key = None,
        unknown: |f| f.observed.log_group = denied(),
    },
    Row {
        check: "log-group-retention",
        fail: |f| value(&mut f.observed.log_group).retention_days = Some(30),
        unknown: |f| f.observed.log_group = denied(),
    },
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
    Row {
        check: "undeclared",
        fail: |f| f.desired.config.archive.access_logging.enabled = false,
        unknown: |f| {
            f.desired.config.archive.access_logging.enabled = false;
            f.observed.access_logging = denied();
        },
    },
    Row {
        check: "plan-empty",
        fail: |f| value(&mut f.observed.bucket_tags).0.clear(),
        unknown: |f| f.observed.bucket_tags = denied(),
    },
];
