use std::collections::BTreeMap;

use aws_sdk_s3::types::{Tag, Tagging};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation};
use crate::names::BucketName;
use crate::resources::change::{Change, FieldChange};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The bucket's tags, including unmanaged ones.
///
/// Source: S3 `GetBucketTagging`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tags(pub BTreeMap<String, String>);

impl Tags {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer = clients.s3().get_bucket_tagging().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetBucketTagging");
        Observation::from_result(answer, AwsError::is_not_found).map(|answer| {
            Self(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
        })
    }
}

/// The declared tags that are missing or different.
pub(in crate::resources) fn missing_tags(
    found: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Vec<FieldChange> {
    wanted
        .iter()
        .filter(|(name, value)| found.get(*name) != Some(*value))
        .map(|(name, value)| {
            FieldChange::new(name.clone(), found.get(name).cloned(), Some(value.clone()))
        })
        .collect()
}

impl Resource for Tags {
    type State = Self;
    const ID: &'static str = "archive-bucket/tags";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET];
    const ACTIONS: &'static [&'static str] = &["s3:GetBucketTagging", "s3:PutBucketTagging"];

    fn is_enabled(desired: &Desired) -> bool {
        !desired.config.trail.tags.is_empty()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let none = BTreeMap::new();
        let found = found.map_or(&none, |found| &found.0);
        Change::update(
            "the configured tags are set",
            missing_tags(found, &desired.config.trail.tags),
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        // The call replaces all tags: others' are sent along.
        let mut tags =
            context.observed.bucket_tags.present().map(|t| t.0.clone()).unwrap_or_default();
        tags.extend(context.desired.config.trail.tags.clone());
        let tags = tags
            .into_iter()
            .map(|(name, value)| Tag::builder().key(name).value(value).build())
            .collect::<Result<Vec<_>, _>>()?;
        clients
            .s3()
            .put_bucket_tagging()
            .bucket(context.desired.bucket().as_str())
            .tagging(Tagging::builder().set_tag_set(Some(tags)).build()?)
            .send()
            .await
            .at(&clients, "s3:PutBucketTagging")?;
        Ok(())
    }
}
