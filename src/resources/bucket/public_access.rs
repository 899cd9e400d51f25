use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::names::BucketName;
use crate::resources::change::{Change, field_changes};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The block of public access: all four, always.
///
/// Source: S3 `GetPublicAccessBlock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicAccess {
    /// New public access control lists are refused.
    pub block_public_acls: bool,
    /// Existing public access control lists do not count.
    pub ignore_public_acls: bool,
    /// New public policies are refused.
    pub block_public_policy: bool,
    /// Public policies grant nothing to other accounts.
    pub restrict_public_buckets: bool,
}

impl PublicAccess {
    pub(super) fn blocked() -> Self {
        Self {
            block_public_acls: true,
            ignore_public_acls: true,
            block_public_policy: true,
            restrict_public_buckets: true,
        }
    }

    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients.s3().get_public_access_block().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetBucketPublicAccessBlock");
        Observation::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let block = answer.public_access_block_configuration?;
                Some(Self {
                    block_public_acls: block.block_public_acls == Some(true),
                    ignore_public_acls: block.ignore_public_acls == Some(true),
                    block_public_policy: block.block_public_policy == Some(true),
                    restrict_public_buckets: block.restrict_public_buckets == Some(true),
                })
            })
            .flatten()
    }

    pub(super) async fn block(
        clients: &WriteClients,
        bucket: &BucketName,
    ) -> Result<(), StepError> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        clients
            .s3()
            .put_public_access_block()
            .bucket(bucket.as_str())
            .public_access_block_configuration(block)
            .send()
            .await
            .at(clients, "s3:PutBucketPublicAccessBlock")?;
        Ok(())
    }
}

impl Resource for PublicAccess {
    type State = Self;
    const ID: &'static str = "archive-bucket/public-access";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET];
    const ACTIONS: &'static [&'static str] =
        &["s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(_: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let why = "no log is ever public";
        let fields = field_changes(found, &Self::blocked());
        if found.is_none() { Change::create(why, fields) } else { Change::update(why, fields) }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        Self::block(&context.archive(), context.desired.bucket()).await
    }
}
