use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use serde::Serialize;

use super::closed_bucket::{ClosedBucket, DeclaredBucket};
use super::{Encryption, Lifecycle, ObjectLock, access_log_prefix, tls};
use crate::aws::{AwsError, Clients, Observation};
use crate::names::BucketName;
use crate::policy::{PolicyDocument, Statement};
use crate::resources::change::{Change, Confirmation, FieldChange};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The bucket that receives the archive's access logs.
///
/// S3 writes them only with SSE-S3 and without a default retention.
/// Source: S3 User Guide, "Enabling Amazon S3 server access logging".
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessLogBucket {
    /// What it has in common with other buckets.
    #[serde(flatten)]
    pub closed: ClosedBucket,
    /// Its encryption.
    pub encryption: Option<Encryption>,
    /// Its lock, which it must not have.
    pub object_lock: Option<ObjectLock>,
    /// After how many days orgtrail's rule expires every log; absent if the rule is
    /// disabled or has a filter.
    pub expiration_days: Option<i32>,
}

const RULE: &str = "orgtrail-access-logs";

impl AccessLogBucket {
    async fn read(clients: &Clients, name: &BucketName) -> Result<Option<Self>, AwsError> {
        let Some(closed) = ClosedBucket::read(clients, name).await? else { return Ok(None) };
        let mut state = Self { closed, encryption: None, object_lock: None, expiration_days: None };
        if state.closed.is_own() {
            let (encryption, object_lock, lifecycle) = tokio::join!(
                Box::pin(Encryption::read(clients, name)),
                Box::pin(ObjectLock::read(clients, name)),
                Box::pin(Lifecycle::read(clients, name)),
            );
            state.encryption = encryption.into_result()?;
            state.object_lock = object_lock.into_result()?;
            state.expiration_days = lifecycle.into_result()?.and_then(|lifecycle| {
                let rule = lifecycle.rules.get(RULE)?;
                rule.expiration_days.filter(|_| rule.enabled && rule.filter.is_empty())
            });
        }
        Ok(Some(state))
    }

    fn declared(desired: &Desired) -> DeclaredBucket<'_> {
        DeclaredBucket {
            name: &desired.config.archive.access_logging.bucket,
            region: &desired.config.archive.region,
            setting: "archive.access_logging.bucket",
            policy: Self::policy(desired),
        }
    }

    fn policy(desired: &Desired) -> PolicyDocument {
        let logging = &desired.config.archive.access_logging;
        let bucket = desired.s3_arn(logging.bucket.as_str()).to_string();
        let objects = desired.s3_arn(format!("{}/*", logging.bucket)).to_string();
        let written = desired.s3_arn(format!("{}/{}*", logging.bucket, access_log_prefix(desired)));
        let source = desired.s3_arn(desired.bucket().as_str()).to_string();
        let mut statements = vec![
            Statement::allow("OrgTrailAccessLogs")
                .service("logging.s3.amazonaws.com")
                .actions(["s3:PutObject"])
                .resources([written.to_string()])
                .when("ArnLike", "aws:SourceArn", [source])
                .when("StringEquals", "aws:SourceAccount", [desired.archive().as_str()]),
        ];
        let floor = desired.config.archive.tls_floor.as_str();
        statements.extend(tls([&bucket, &objects], floor));
        PolicyDocument::new(statements)
    }

    fn retention(desired: &Desired) -> i32 {
        i32::try_from(desired.config.archive.access_logging.retention_days).unwrap_or(i32::MAX)
    }
}

impl Resource for AccessLogBucket {
    type State = Self;
    const ID: &'static str = "access-log-bucket";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "s3:CreateBucket",
        "s3:GetBucketLocation",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:ListAllMyBuckets",
        "s3:ListBucket",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutLifecycleConfiguration",
    ];

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.archive.access_logging.enabled
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        if !Self::is_enabled(context.desired) {
            return Observation::Absent;
        }
        let name = &context.desired.config.archive.access_logging.bucket;
        let found = Self::read(&context.archive(), name).await;
        Observation::from_result(found, |_| false).flatten()
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let logging = &desired.config.archive.access_logging;
        let closed = found.map(|found| &found.closed);
        let mut difference = match ClosedBucket::diff(closed, &Self::declared(desired), desired) {
            Ok(difference) => difference,
            Err(stopped) => return *stopped,
        };
        if let Some(found) = found {
            if found.object_lock.as_ref().is_some_and(|lock| lock.mode.is_some()) {
                return Change::refused(
                    format!(
                        "the bucket `{}` has a default retention, so S3 cannot write access logs to it",
                        logging.bucket
                    ),
                    "name another bucket in archive.access_logging.bucket",
                );
            }
            if found.encryption.as_ref().is_some_and(|found| found.algorithm != "AES256") {
                return Change::refused(
                    format!(
                        "the bucket `{}` is encrypted with KMS, but S3 writes access logs with SSE-S3 only",
                        logging.bucket
                    ),
                    "name another bucket in archive.access_logging.bucket, or change its encryption by hand",
                );
            }
        }
        let days = found.and_then(|found| found.expiration_days);
        let retention = Self::retention(desired);
        if days != Some(retention) {
            difference.fields.push(FieldChange::new("expiration_days", days, Some(retention)));
        }
        let change = difference.into_change("it receives the archive's access logs");
        if days.is_some_and(|days| days > retention) {
            return change.irreversible(
                Confirmation::WeakenedGuard,
                "access logs are kept for a shorter time",
            );
        }
        change
    }

    fn kept(desired: &Desired, _: Option<&Self>) -> Vec<Kept> {
        let note = "; its lifecycle rule empties it";
        let cost = KeptCost::Objects { classes: vec!["STANDARD"], note };
        let bucket = &desired.config.archive.access_logging.bucket;
        vec![Kept::new(bucket, "it records who read the logs", cost)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        let desired = context.desired;
        let name = &desired.config.archive.access_logging.bucket;
        let found = context.observed.access_log_bucket.present();
        let closed = found.map(|found| &found.closed);
        ClosedBucket::apply(closed, &Self::declared(desired), context, &clients, false).await?;
        if found.and_then(|found| found.expiration_days) == Some(Self::retention(desired)) {
            return Ok(());
        }
        let rule = LifecycleRule::builder()
            .id(RULE)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .expiration(LifecycleExpiration::builder().days(Self::retention(desired)).build())
            .build()?;
        // Read again here: the call replaces all rules, and unmanaged ones must stay.
        let found = Lifecycle::read(&clients, name).await.into_result()?;
        Lifecycle::with(found, rule).put(&clients, name).await
    }
}
