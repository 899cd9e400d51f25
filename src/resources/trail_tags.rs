use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types::Tag;
use serde::Serialize;

use super::archive_bucket::missing_tags;
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::resources::change::Change;

/// The trail's tags: the declared ones, and those of others.
///
/// Source: CloudTrail `ListTags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrailTags(pub BTreeMap<String, String>);

impl TrailTags {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        let arn = desired.trail_arn().to_string();
        let answer = management.cloudtrail().list_tags().resource_id_list(arn).send().await;
        Seen::from_result(answer.at(management, "cloudtrail:ListTags"), AwsError::is_not_found).map(
            |answer| {
                let tags = answer.resource_tag_list.unwrap_or_default();
                let tags = tags.into_iter().flat_map(|list| list.tags_list.unwrap_or_default());
                Self(tags.map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
            },
        )
    }
}

impl Resource for TrailTags {
    type State = Self;
    const ID: &'static str = "trail/tags";
    const AFTER: &'static [&'static str] = &["trail"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["cloudtrail:AddTags", "cloudtrail:ListTags"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        !desired.config.trail.tags.is_empty()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.trail_tags
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let none = BTreeMap::new();
        let found = found.map_or(&none, |found| &found.0);
        Change::update("declared tags", missing_tags(found, &desired.config.trail.tags))
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        let tags = hands
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
            .resource_id(hands.desired.trail_arn().to_string())
            .set_tags_list(Some(tags))
            .send()
            .await
            .at(&clients, "cloudtrail:AddTags")?;
        Ok(())
    }
}
