//! Reading one resource again, immediately before it is written.

use super::archive_bucket as bucket;
use super::kms_key::{KeyPolicy, Rotation};
use super::log_group_role::LogGroupRole;
use super::observed::used_keys;
use super::replication_role::ReplicationRole;
use super::{
    AccessLogBucket, AlarmSubscriptions, DelegatedAdministrators, Desired, EventSelectors,
    GuardrailScp, Insights, KmsKey, LogGroup, MetricAlarms, MetricFilters, Observed,
    OrganizationTrail, ServiceLinkedRole, Topic, TrailLogging, TrailTags, TrustedAccess, Vault,
};
use crate::aws::{Aws, Seen};

/// The same observation with one resource read again.
pub(crate) async fn reread(aws: &Aws, desired: &Desired, before: &Observed, id: &str) -> Observed {
    let mut now = before.clone();
    let management = aws.clients(desired.management(), desired.home_region());
    let archive = aws.clients(desired.archive(), &desired.config.archive.region);
    let name = desired.bucket();
    match id {
        "trusted-access" => now.trusted_access = TrustedAccess::observe(&management).await,
        "service-linked-role" => {
            now.service_linked_role = ServiceLinkedRole::observe(&management).await;
        }
        "kms-key" => now.kms_key = key(aws, desired, before).await,
        "kms-key/alias" => {
            now.kms_key = key(aws, desired, before).await;
            // The step of the key may have enabled it.
            if let (Seen::Present(now), Seen::Present(before)) = (&mut now.kms_key, &before.kms_key)
            {
                now.state.clone_from(&before.state);
            }
        }
        "delegated-administrators" => {
            now.delegated_administrators = DelegatedAdministrators::observe(&management).await;
        }
        "archive-bucket" => {
            now.archive_bucket = bucket::ArchiveBucket::observe(&archive, name).await;
        }
        "archive-bucket/versioning" => {
            now.versioning = bucket::Versioning::observe(&archive, name).await;
        }
        "archive-bucket/ownership" => {
            now.ownership = bucket::Ownership::observe(&archive, name).await;
        }
        "archive-bucket/public-access" => {
            now.public_access = bucket::PublicAccess::observe(&archive, name).await;
        }
        "archive-bucket/object-lock" => {
            now.object_lock = bucket::ObjectLock::observe(&archive, name).await;
        }
        "archive-bucket/lifecycle" => {
            now.lifecycle = bucket::Lifecycle::observe(&archive, name).await;
        }
        "archive-bucket/encryption" => {
            now.encryption = bucket::Encryption::observe(&archive, name).await;
        }
        "archive-bucket/tags" => now.bucket_tags = bucket::Tags::observe(&archive, name).await,
        "archive-bucket/policy" => {
            now.bucket_policy = bucket::Policy::observe(&archive, name).await;
        }
        "archive-bucket/access-logging" => {
            now.access_logging = bucket::AccessLogging::observe(&archive, name).await;
        }
        "archive-bucket/notifications" => {
            now.notifications = bucket::Notifications::observe(&archive, name).await;
        }
        "archive-bucket/replication" => {
            now.replication = bucket::Replication::observe(&archive, name).await;
        }
        "replication-role" => {
            now.replication_role = ReplicationRole::observe(&archive, desired).await;
        }
        "vault" => now.vault = Box::pin(Vault::observe(aws, desired)).await,
        "access-log-bucket" => {
            now.access_log_bucket = Box::pin(AccessLogBucket::observe(&archive, desired)).await;
        }
        "kms-key/policy" | "kms-key/rotation" => {
            if let Some(key) = before.kms_key.present().filter(|key| key.state == "Enabled") {
                let account = key.arn.account.as_ref().unwrap_or_else(|| desired.archive());
                let region = key.arn.region.as_ref().unwrap_or(&desired.config.archive.region);
                let clients = aws.clients(account, region);
                if id == "kms-key/policy" {
                    now.key_policy = KeyPolicy::observe(&clients, key).await;
                } else {
                    now.key_rotation = Rotation::observe(&clients, key).await;
                }
            }
        }
        "log-group" => now.log_group = LogGroup::observe(&management, desired).await,
        "log-group/role" => now.log_group_role = LogGroupRole::observe(&management, desired).await,
        "topic" | "topic/policy" => {
            now.topic = Topic::observe(&management, desired.own_topic_arn()).await;
        }
        "alarm-topic" | "alarm-topic/policy" => {
            now.alarm_topic = Topic::observe(&management, desired.alarm_topic_arn()).await;
        }
        "alarm-topic/subscriptions" => {
            if let Some(topic) = before.alarm_topic.present() {
                now.alarm_subscriptions =
                    AlarmSubscriptions::observe(&management, &topic.arn).await;
            }
        }
        "metric-filters" => now.metric_filters = MetricFilters::observe(&management, desired).await,
        "alarms" => {
            let filters = &before.metric_filters;
            now.metric_alarms = MetricAlarms::observe(&management, desired, filters).await;
        }
        "trail" => now.trails = OrganizationTrail::observe(&management, desired).await,
        "trail/event-selectors" => {
            now.event_selectors = EventSelectors::observe(&management, desired).await;
        }
        "trail/insights" => now.insights = Insights::observe(&management, desired).await,
        "trail/tags" => now.trail_tags = TrailTags::observe(&management, desired).await,
        "trail/logging" => now.trail_logging = TrailLogging::observe(&management, desired).await,
        "guardrail" => now.guardrail = GuardrailScp::observe(&management, desired).await,
        // Only root writes those that are left: MFA delete.
        _ => {}
    }
    now
}

/// The key, looked for as the plan did.
async fn key(aws: &Aws, desired: &Desired, before: &Observed) -> Seen<KmsKey> {
    let (trail, bucket) = used_keys(&before.trails, &before.encryption);
    Box::pin(KmsKey::observe(aws, desired, trail, bucket)).await
}

#[cfg(test)]
mod tests {
    use crate::resources::catalogue::CATALOGUE;

    #[test]
    fn every_resource_that_is_written_is_read_again_before() {
        let source = include_str!("reread.rs");
        for entry in CATALOGUE.iter().filter(|entry| !entry.id.ends_with("mfa-delete")) {
            assert!(source.contains(&format!("\"{}\"", entry.id)), "{}", entry.id);
        }
    }
}
