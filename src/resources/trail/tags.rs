use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types::Tag;
use serde::Serialize;

use super::read_part;
use crate::aws::{At, AwsError, Clients, Observation};
use crate::names::Arn;
use crate::resources::bucket::missing_tags;
use crate::resources::change::Change;
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The trail's tags, including unmanaged ones.
///
/// Source: CloudTrail `ListTags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrailTags(pub BTreeMap<String, String>);

impl TrailTags {
    async fn read(management: &Clients, trail: &Arn) -> Observation<Self> {
        let arn = trail.to_string();
        let answer = management.cloudtrail().list_tags().resource_id_list(arn).send().await;
        Observation::from_result(
            answer.at(management, "cloudtrail:ListTags"),
            AwsError::is_not_found,
        )
        .map(|answer| {
            let tags = answer.resource_tag_list.unwrap_or_default();
            let tags = tags.into_iter().flat_map(|list| list.tags_list.unwrap_or_default());
            Self(tags.map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
        })
    }
}

impl Resource for TrailTags {
    type State = Self;
    const ID: &'static str = "trail/tags";
    const DEPENDS_ON: &'static [&'static str] = &["trail"];
    const ACTIONS: &'static [&'static str] = &["cloudtrail:AddTags", "cloudtrail:ListTags"];

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        !desired.config.trail.tags.is_empty()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_part(context, Self::read).await
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
        let clients = context.management();
        let tags = context
            .desired
            .config
            .trail
            .tags
            .iter()
            .map(|(name, value)| Tag::builder().key(name).value(value).build())
            .collect::<Result<Vec<_>, _>>()?;
        clients
            .cloudtrail()
            .add_tags()
            .resource_id(context.desired.trail_arn().to_string())
            .set_tags_list(Some(tags))
            .send()
            .await
            .at(&clients, "cloudtrail:AddTags")?;
        Ok(())
    }
}
