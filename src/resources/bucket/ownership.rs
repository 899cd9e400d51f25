use aws_sdk_s3::types::{ObjectOwnership, OwnershipControls, OwnershipControlsRule};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::names::BucketName;
use crate::resources::change::{Change, field_changes};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// Who owns objects that other accounts write: always the bucket owner, and access
/// control lists are disabled.
///
/// Source: S3 `GetBucketOwnershipControls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// `Rules[0].ObjectOwnership`.
    pub object_ownership: String,
}

impl Ownership {
    pub(super) fn enforced() -> Self {
        Self { object_ownership: ObjectOwnership::BucketOwnerEnforced.as_str().to_owned() }
    }

    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer =
            clients.s3().get_bucket_ownership_controls().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetBucketOwnershipControls");
        Observation::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let rule = answer.ownership_controls?.rules.into_iter().next()?;
                Some(Self { object_ownership: rule.object_ownership.as_str().to_owned() })
            })
            .flatten()
    }

    pub(super) async fn enforce(
        clients: &WriteClients,
        bucket: &BucketName,
    ) -> Result<(), StepError> {
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build()?;
        clients
            .s3()
            .put_bucket_ownership_controls()
            .bucket(bucket.as_str())
            .ownership_controls(OwnershipControls::builder().rules(rule).build()?)
            .send()
            .await
            .at(clients, "s3:PutBucketOwnershipControls")?;
        Ok(())
    }
}

impl Resource for Ownership {
    type State = Self;
    const ID: &'static str = "archive-bucket/ownership";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET];
    const ACTIONS: &'static [&'static str] =
        &["s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(_: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let why = "the bucket's owner owns every log, regardless of who wrote it";
        let fields = field_changes(found, &Self::enforced());
        if found.is_none() { Change::create(why, fields) } else { Change::update(why, fields) }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        Self::enforce(&context.archive(), context.desired.bucket()).await
    }
}
