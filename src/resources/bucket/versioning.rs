use aws_sdk_s3::types::{BucketVersioningStatus, MfaDeleteStatus, VersioningConfiguration};
use serde::Serialize;

use super::versioning_answer::AnyVersioningRoot;
use super::{BUCKET, read_setting};
use crate::aws::{At, Clients, Observation, WriteClients};
use crate::names::BucketName;
use crate::resources::change::{Change, FieldChange};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// Whether old versions of objects are kept, and whether deleting them requires a second
/// factor: one call returns both.
///
/// Source: S3 `GetBucketVersioning`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versioning {
    /// `Status` is `Enabled`.
    pub enabled: bool,
    /// Versioning was enabled before, and objects may have versions.
    pub suspended: bool,
    /// `MfaDelete` is `Enabled`.
    pub mfa_delete: bool,
}

impl Versioning {
    pub(crate) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients
            .s3()
            .get_bucket_versioning()
            .bucket(bucket.as_str())
            .customize()
            .interceptor(AnyVersioningRoot)
            .send()
            .await;
        Observation::from_result(answer.at(clients, "s3:GetBucketVersioning"), |_| false).map(
            |answer| Self {
                enabled: answer.status == Some(BucketVersioningStatus::Enabled),
                suspended: answer.status == Some(BucketVersioningStatus::Suspended),
                mfa_delete: answer.mfa_delete == Some(MfaDeleteStatus::Enabled),
            },
        )
    }

    pub(super) async fn enable(
        clients: &WriteClients,
        bucket: &BucketName,
    ) -> Result<(), StepError> {
        let versioning =
            VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        clients
            .s3()
            .put_bucket_versioning()
            .bucket(bucket.as_str())
            .versioning_configuration(versioning)
            .send()
            .await
            .at(clients, "s3:PutBucketVersioning")?;
        Ok(())
    }
}

impl Resource for Versioning {
    type State = Self;
    const ID: &'static str = "archive-bucket/versioning";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET];
    const ACTIONS: &'static [&'static str] = &["s3:GetBucketVersioning", "s3:PutBucketVersioning"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(_: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        if found.is_some_and(|found| found.enabled) {
            return Change::nothing();
        }
        let is_new = observed.archive_bucket.is_absent();
        // A bucket that is created with Object Lock has versioning from the start.
        let why = if is_new {
            "Object Lock and replication require it, and it keeps logs from being overwritten"
        } else if found.is_some_and(|found| found.suspended) {
            "it is suspended: logs can be overwritten"
        } else {
            "it is off: logs can be overwritten"
        };
        let before = found.map(|found| if found.suspended { "Suspended" } else { "off" });
        let fields = vec![FieldChange::new("status", before, Some("Enabled"))];
        if is_new { Change::create(why, fields) } else { Change::update(why, fields) }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        Self::enable(&context.archive(), context.desired.bucket()).await
    }
}
