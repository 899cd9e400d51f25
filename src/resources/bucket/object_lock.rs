use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::config::{self, ObjectLockMode};
use crate::names::BucketName;
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// Object Lock, and the retention that new objects get.
///
/// Source: S3 `GetObjectLockConfiguration`, `Rule.DefaultRetention`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectLock {
    /// `GOVERNANCE` or `COMPLIANCE`; absent without a default retention.
    pub mode: Option<String>,
    /// Days that an object stays locked after its delivery; a year counts as 365.
    pub days: Option<u32>,
}

impl ObjectLock {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer =
            clients.s3().get_object_lock_configuration().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetBucketObjectLockConfiguration");
        Observation::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let lock = answer.object_lock_configuration?;
                lock.object_lock_enabled.as_ref()?;
                let retention = lock.rule.and_then(|rule| rule.default_retention);
                let days = retention.as_ref().and_then(|retention| {
                    let days = retention.days.or_else(|| Some(retention.years? * 365))?;
                    u32::try_from(days).ok()
                });
                let mode = retention.and_then(|retention| retention.mode);
                Some(Self { mode: mode.map(|mode| mode.as_str().to_owned()), days })
            })
            .flatten()
    }

    /// What the configuration declares; absent if it is off.
    pub(crate) fn declared(lock: &config::ObjectLock) -> Option<Self> {
        let days = Some(lock.days);
        match lock.mode {
            ObjectLockMode::Off => None,
            mode => Some(Self { mode: Some(mode.as_str().to_owned()), days }),
        }
    }

    pub(super) async fn put(
        &self,
        clients: &WriteClients,
        bucket: &BucketName,
    ) -> Result<(), StepError> {
        let rule = self.mode.as_deref().map(|mode| {
            let retention = DefaultRetention::builder()
                .mode(ObjectLockRetentionMode::from(mode))
                .set_days(self.days.and_then(|days| i32::try_from(days).ok()))
                .build();
            ObjectLockRule::builder().default_retention(retention).build()
        });
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .set_rule(rule)
            .build();
        clients
            .s3()
            .put_object_lock_configuration()
            .bucket(bucket.as_str())
            .object_lock_configuration(lock)
            .send()
            .await
            .at(clients, "s3:PutBucketObjectLockConfiguration")?;
        Ok(())
    }

    /// The change that the lock of another bucket needs by the archive's configuration.
    pub(super) fn diff_for(desired: &Desired, found: Option<&Self>) -> Change {
        compare(desired, found)
    }

    /// Whether it locks less strictly, or for a shorter time.
    pub(crate) fn is_weaker_than(&self, other: &Self) -> bool {
        let rank = |lock: &Self| match lock.mode.as_deref() {
            None => 0,
            Some("COMPLIANCE") => 2,
            Some(_) => 1,
        };
        rank(self) < rank(other) || (rank(other) > 0 && self.days < other.days)
    }
}

impl Resource for ObjectLock {
    type State = Self;
    const ID: &'static str = "archive-bucket/object-lock";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET, "archive-bucket/versioning"];
    const ACTIONS: &'static [&'static str] =
        &["s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        compare(desired, found)
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let declared = Self::declared(&context.desired.config.archive.object_lock);
        let declared = declared.unwrap_or(Self { mode: None, days: None });
        declared.put(&context.archive(), context.desired.bucket()).await
    }
}

fn compare(desired: &Desired, found: Option<&ObjectLock>) -> Change {
    let declared = ObjectLock::declared(&desired.config.archive.object_lock);
    let (declared, found) = match (declared, found) {
        (None, None) => return Change::nothing(),
        // Object Lock cannot be disabled, but its default retention can.
        (None, Some(found)) => (ObjectLock { mode: None, days: None }, Some(found)),
        (Some(declared), found) => (declared, found),
    };
    let fields = field_changes(found, &declared);
    if fields.is_empty() {
        return Change::nothing();
    }
    let change = match found {
        None => Change::create("nobody can delete a log before its retention ends", fields)
            .with_notes(["Object Lock cannot be disabled again".to_owned()]),
        Some(_) => Change::update("new logs are locked as configured", fields),
    };
    let days = declared.days.unwrap_or_default();
    let is_compliance = |lock: &ObjectLock| lock.mode.as_deref() == Some("COMPLIANCE");
    let was_compliance = found.is_some_and(is_compliance);
    let weaker = found.is_some_and(|found| declared.is_weaker_than(found));
    // With fewer days or more: what nobody can lift needs its own confirmation.
    if is_compliance(&declared) && !(was_compliance && weaker) {
        return change.irreversible(
            Confirmation::ComplianceLock,
            format!("nobody, not even root, can delete a new log for {days} days"),
        );
    }
    if weaker {
        return change.irreversible(
            Confirmation::WeakenedGuard,
            "new logs are locked less strictly than now; existing locks stay",
        );
    }
    change
}
