use aws_sdk_s3::types::{BucketLoggingStatus, LoggingEnabled};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, Clients, Observation};
use crate::names::{BucketName, prefix_folder};
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::{
    ApplyContext, Desired, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// Where S3 writes the access logs of the archive.
///
/// Source: S3 `GetBucketLogging`, `LoggingEnabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessLogging {
    /// The bucket that receives the logs.
    pub target_bucket: String,
    /// The prefix of their keys.
    pub target_prefix: String,
}

impl AccessLogging {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients.s3().get_bucket_logging().bucket(bucket.as_str()).send().await;
        Observation::from_result(answer.at(clients, "s3:GetBucketLogging"), |_| false)
            .map(|answer| {
                let target = answer.logging_enabled?;
                Some(Self {
                    target_bucket: target.target_bucket,
                    target_prefix: target.target_prefix,
                })
            })
            .flatten()
    }

    fn declared(desired: &Desired) -> Self {
        let logging = &desired.config.archive.access_logging;
        Self {
            target_bucket: logging.bucket.to_string(),
            target_prefix: access_log_prefix(desired),
        }
    }
}

/// The prefix of the access logs' keys, with its slash.
pub(super) fn access_log_prefix(desired: &Desired) -> String {
    prefix_folder(desired.config.archive.access_logging.prefix.as_ref())
}

impl Resource for AccessLogging {
    type State = Self;
    const ID: &'static str = "archive-bucket/access-logging";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET, "access-log-bucket"];
    const ACTIONS: &'static [&'static str] = &["s3:GetBucketLogging", "s3:PutBucketLogging"];
    const MAY_BE_UNDECLARED: bool = true;

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.archive.access_logging.enabled
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let why = "access to the archive is logged";
        let fields = field_changes(found, &Self::declared(desired));
        let Some(found) = found else { return Change::create(why, fields) };
        Change::update(why, fields).irreversible(
            Confirmation::WeakenedGuard,
            format!(
                "access logs no longer go to s3://{}/{} (to keep it: [archive.access_logging])",
                found.target_bucket, found.target_prefix
            ),
        )
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        if Self::is_enabled(desired) {
            return Vec::new();
        }
        let what =
            format!("access logs go to s3://{}/{}", found.target_bucket, found.target_prefix);
        vec![Undeclared::turned_off(Self::ID, "archive.access_logging.enabled", what)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        let declared = Self::declared(context.desired);
        let target = LoggingEnabled::builder()
            .target_bucket(declared.target_bucket)
            .target_prefix(declared.target_prefix)
            .build()?;
        clients
            .s3()
            .put_bucket_logging()
            .bucket(context.desired.bucket().as_str())
            .bucket_logging_status(BucketLoggingStatus::builder().logging_enabled(target).build())
            .send()
            .await
            .at(&clients, "s3:PutBucketLogging")?;
        Ok(())
    }
}
