use std::collections::BTreeMap;

use super::archive_bucket::{self as bucket, readable};
use super::kms_key::{KeyPolicy, Rotation};
use super::log_group_role::LogGroupRole;
use super::replication_role::ReplicationRole;
use super::trail::Trails;
use super::{
    AccessLogBucket, AlarmSubscriptions, DelegatedAdministrators, Desired, EventSelectors,
    GuardrailScp, Insights, KmsKey, LogGroup, MetricAlarms, MetricFilters, OrganizationTrail,
    ServiceLinkedRole, ServiceRole, Topic, TrailLogging, TrailTags, TrustedAccess, Vault,
};
use crate::aws::{Aws, Seen};
use crate::names::AccountId;
use crate::org::ControlPolicies;

/// Everything that was seen of what orgtrail manages, at one time.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is documented by its type")]
pub struct Observed {
    pub trusted_access: Seen<TrustedAccess>,
    pub service_linked_role: Seen<ServiceLinkedRole>,
    pub delegated_administrators: Seen<DelegatedAdministrators>,
    pub archive_bucket: Seen<bucket::ArchiveBucket>,
    pub versioning: Seen<bucket::Versioning>,
    pub ownership: Seen<bucket::Ownership>,
    pub public_access: Seen<bucket::PublicAccess>,
    pub object_lock: Seen<bucket::ObjectLock>,
    pub lifecycle: Seen<bucket::Lifecycle>,
    pub encryption: Seen<bucket::Encryption>,
    pub bucket_tags: Seen<bucket::Tags>,
    pub bucket_policy: Seen<bucket::Policy>,
    pub access_logging: Seen<bucket::AccessLogging>,
    pub notifications: Seen<bucket::Notifications>,
    pub replication: Seen<bucket::Replication>,
    pub replication_role: Seen<ServiceRole>,
    pub vault: Seen<Vault>,
    pub access_log_bucket: Seen<AccessLogBucket>,
    pub kms_key: Seen<KmsKey>,
    pub key_policy: Seen<KeyPolicy>,
    pub key_rotation: Seen<Rotation>,
    pub log_group: Seen<LogGroup>,
    pub log_group_role: Seen<ServiceRole>,
    pub topic: Seen<Topic>,
    pub alarm_topic: Seen<Topic>,
    pub alarm_subscriptions: Seen<AlarmSubscriptions>,
    pub metric_filters: Seen<MetricFilters>,
    pub metric_alarms: Seen<MetricAlarms>,
    /// Who listens to the other topics that these alarms tell, by ARN.
    pub alarm_listeners: BTreeMap<String, Seen<AlarmSubscriptions>>,
    pub trails: Seen<Trails>,
    pub event_selectors: Seen<EventSelectors>,
    pub insights: Seen<Insights>,
    pub trail_tags: Seen<TrailTags>,
    pub trail_logging: Seen<TrailLogging>,
    pub guardrail: Seen<GuardrailScp>,
    /// The service control policies that bind the accounts that orgtrail writes
    /// in, but for the management account, which none binds.
    pub scps: BTreeMap<AccountId, Seen<ControlPolicies>>,
}

/// Reads everything, what does not depend on each other at once.
///
/// Never fails: what could not be read says so in its place.
pub async fn observe(aws: &Aws, desired: &Desired) -> Observed {
    let management = aws.clients(desired.management(), desired.home_region());
    let archive = aws.clients(desired.archive(), &desired.config.archive.region);
    let name = desired.bucket();

    let organization = async {
        tokio::join!(
            Box::pin(TrustedAccess::observe(&management)),
            Box::pin(ServiceLinkedRole::observe(&management)),
            async {
                if desired.partition().has_cloudtrail_delegated_administrators() {
                    Box::pin(DelegatedAdministrators::observe(&management)).await
                } else {
                    Seen::Absent
                }
            },
            // Also where they are turned off: they may be live.
            Box::pin(GuardrailScp::observe(&management, desired)),
            Box::pin(super::scps::observe(&management, desired)),
        )
    };
    let buckets = async {
        let archive_bucket = Box::pin(bucket::ArchiveBucket::observe(&archive, name)).await;
        let (guards, more) = tokio::join!(
            async {
                tokio::join!(
                    given(&archive_bucket, Box::pin(bucket::Versioning::observe(&archive, name))),
                    given(&archive_bucket, Box::pin(bucket::Ownership::observe(&archive, name))),
                    given(&archive_bucket, Box::pin(bucket::PublicAccess::observe(&archive, name))),
                    given(&archive_bucket, Box::pin(bucket::ObjectLock::observe(&archive, name))),
                    given(&archive_bucket, Box::pin(bucket::Lifecycle::observe(&archive, name))),
                    given(&archive_bucket, Box::pin(bucket::Encryption::observe(&archive, name))),
                )
            },
            async {
                tokio::join!(
                    given(&archive_bucket, Box::pin(bucket::Tags::observe(&archive, name))),
                    given(&archive_bucket, Box::pin(bucket::Policy::observe(&archive, name))),
                    given(
                        &archive_bucket,
                        Box::pin(bucket::AccessLogging::observe(&archive, name))
                    ),
                    given(
                        &archive_bucket,
                        Box::pin(bucket::Notifications::observe(&archive, name))
                    ),
                )
            },
        );
        (archive_bucket, guards, more)
    };
    let logs = &desired.config.cloudwatch_logs;
    let supports = async {
        tokio::join!(
            when(
                desired.config.archive.access_logging.enabled,
                Box::pin(AccessLogBucket::observe(&archive, desired))
            ),
            when(logs.enabled, Box::pin(LogGroup::observe(&management, desired))),
            when(logs.enabled, Box::pin(LogGroupRole::observe(&management, desired))),
            Box::pin(Topic::observe(&management, desired.own_topic_arn())),
        )
    };
    let alarms = async {
        let filters = Box::pin(MetricFilters::observe(&management, desired)).await;
        let alarms = Box::pin(MetricAlarms::observe(&management, desired, &filters)).await;
        let topic = Box::pin(Topic::observe(&management, desired.alarm_topic_arn())).await;
        let subscriptions = match &topic {
            Seen::Present(topic) => {
                Box::pin(AlarmSubscriptions::observe(&management, &topic.arn)).await
            }
            Seen::Absent => Seen::Absent,
            Seen::Unreadable(error) => Seen::Unreadable(error.clone()),
        };
        let listeners =
            Box::pin(AlarmSubscriptions::observe_others(&management, desired, &alarms)).await;
        (filters, alarms, topic, subscriptions, listeners)
    };
    let trail = async {
        let trails = Box::pin(OrganizationTrail::observe(&management, desired)).await;
        let own = trails.as_ref().map(|trails| trails.own.as_ref()).flatten();
        let parts = tokio::join!(
            given_trail(&own, Box::pin(EventSelectors::observe(&management, desired))),
            given_trail(&own, Box::pin(Insights::observe(&management, desired))),
            given_trail(&own, Box::pin(TrailTags::observe(&management, desired))),
            given_trail(&own, Box::pin(TrailLogging::observe(&management, desired))),
        );
        (trails, parts)
    };
    let (organization, buckets, supports, alarms, trail) =
        tokio::join!(organization, buckets, supports, alarms, trail);
    let (trusted_access, service_linked_role, delegated_administrators, guardrail, scps) =
        organization;
    let (archive_bucket, guards, more) = buckets;
    let (versioning, ownership, public_access, object_lock, lifecycle, encryption) = guards;
    let (bucket_tags, bucket_policy, access_logging, notifications) = more;
    let (access_log_bucket, log_group, log_group_role, topic) = supports;
    let (metric_filters, metric_alarms, alarm_topic, alarm_subscriptions, alarm_listeners) = alarms;
    let (trails, (event_selectors, insights, trail_tags, trail_logging)) = trail;

    let (replication, replication_role, vault) = tokio::join!(
        given(&archive_bucket, Box::pin(bucket::Replication::observe(&archive, name))),
        Box::pin(ReplicationRole::observe(&archive, desired)),
        Box::pin(Vault::observe(aws, desired)),
    );
    // The key last: where its alias is missing, trail and bucket tell it.
    let (used_by_trail, used_by_bucket) = used_keys(&trails, &encryption);
    let kms_key = Box::pin(KmsKey::observe(aws, desired, used_by_trail, used_by_bucket)).await;
    let kms_key = match (kms_key, &trails, &encryption) {
        // One of them may use a key already: to go on would make a second one.
        (Seen::Absent, Seen::Unreadable(error), _) | (Seen::Absent, _, Seen::Unreadable(error)) => {
            Seen::Unreadable(error.clone())
        }
        (seen, ..) => seen,
    };
    let (key_policy, key_rotation) = match &kms_key {
        Seen::Present(key) => {
            let account = key.arn.account.as_ref().unwrap_or_else(|| desired.archive());
            let region = key.arn.region.as_ref().unwrap_or(&desired.config.archive.region);
            let clients = aws.clients(account, region);
            tokio::join!(Box::pin(KeyPolicy::observe(&clients, key)), async {
                // KMS does not answer for a key that is going.
                if key.state.starts_with("Pending") {
                    return Seen::Absent;
                }
                Box::pin(Rotation::observe(&clients, key)).await
            })
        }
        Seen::Absent => (Seen::Absent, Seen::Absent),
        Seen::Unreadable(error) => {
            (Seen::Unreadable(error.clone()), Seen::Unreadable(error.clone()))
        }
    };
    Observed {
        trusted_access,
        service_linked_role,
        delegated_administrators,
        archive_bucket,
        versioning,
        ownership,
        public_access,
        object_lock,
        lifecycle,
        encryption,
        bucket_tags,
        bucket_policy,
        access_logging,
        notifications,
        replication,
        replication_role,
        vault,
        access_log_bucket,
        kms_key,
        key_policy,
        key_rotation,
        log_group,
        log_group_role,
        topic,
        alarm_topic,
        alarm_subscriptions,
        metric_filters,
        metric_alarms,
        alarm_listeners,
        trails,
        event_selectors,
        insights,
        trail_tags,
        trail_logging,
        guardrail,
        scps,
    }
}

/// What the trail and the bucket name their keys by.
pub(super) fn used_keys<'o>(
    trails: &'o Seen<Trails>,
    encryption: &'o Seen<bucket::Encryption>,
) -> (Option<&'o str>, Option<&'o str>) {
    let trail = trails.present().and_then(|trails| trails.own.as_ref());
    let trail = trail.and_then(|trail| trail.settings.kms_key.as_deref());
    (trail, encryption.present().and_then(|found| found.key.as_deref()))
}

/// Reads what is asked for; what nobody asked for is not looked at, and its
/// step is not in the plan.
async fn when<T>(asked_for: bool, reading: impl Future<Output = Seen<T>>) -> Seen<T> {
    if asked_for { reading.await } else { Seen::Absent }
}

/// Reads a bucket's guard where the bucket is ours to read.
async fn given<T>(
    bucket: &Seen<bucket::ArchiveBucket>,
    reading: impl Future<Output = Seen<T>>,
) -> Seen<T> {
    match readable(bucket) {
        Seen::Present(()) => reading.await,
        Seen::Absent => Seen::Absent,
        Seen::Unreadable(error) => Seen::Unreadable(error),
    }
}

/// Reads a part of the trail where the trail is.
async fn given_trail<T, U>(trail: &Seen<U>, reading: impl Future<Output = Seen<T>>) -> Seen<T> {
    match trail {
        Seen::Present(_) => reading.await,
        Seen::Absent => Seen::Absent,
        Seen::Unreadable(error) => Seen::Unreadable(error.clone()),
    }
}
