//! The selectors of a trail, in the form of the configuration.

use aws_sdk_cloudtrail::types as sdk;

use crate::aws::{At, AwsError, Clients};
use crate::config::{
    AdvancedEventSelector, DataResource, EventSelector, FieldSelector, ManagementEventSource,
    ReadWriteType, Selectors,
};
use crate::names::Arn;

/// What a trail records, in the form of the configuration, and what the configuration
/// cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundSelectors {
    /// The selectors; absent if the trail never had any.
    pub(crate) selectors: Option<Selectors>,
    /// Excluded event sources that cannot be declared.
    pub(crate) unknown_sources: Vec<String>,
}

impl FoundSelectors {
    /// Reads those of a trail, in its home Region.
    pub(crate) async fn read(clients: &Clients, trail: &Arn) -> Result<Self, AwsError> {
        let answer =
            clients.cloudtrail().get_event_selectors().trail_name(trail.to_string()).send().await;
        let answer = answer.at(clients, "cloudtrail:GetEventSelectors")?;
        let (classic, advanced) = (answer.event_selectors(), answer.advanced_event_selectors());
        let mut unknown_sources = Vec::new();
        let selectors = if !advanced.is_empty() {
            Some(Selectors::Advanced(advanced.iter().map(advanced_of).collect()))
        } else if classic.is_empty() {
            None
        } else {
            let of = |one| classic_of(one, &mut unknown_sources);
            Some(Selectors::Classic(classic.iter().map(of).collect()))
        };
        Ok(Self { selectors, unknown_sources })
    }
}

fn classic_of(one: &sdk::EventSelector, unknown: &mut Vec<String>) -> EventSelector {
    let kind = one.read_write_type.as_ref().map_or("All", |kind| kind.as_str());
    let mut excluded = Vec::new();
    for source in one.exclude_management_event_sources() {
        match ManagementEventSource::ALL.iter().find(|known| known.as_str() == source) {
            Some(known) => excluded.push(*known),
            None => unknown.push(source.clone()),
        }
    }
    let data = one.data_resources().iter().map(|data| DataResource {
        resource_type: data.r#type.clone().unwrap_or_default(),
        values: data.values().to_vec(),
    });
    EventSelector {
        read_write_type: ReadWriteType::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == kind)
            .unwrap_or(ReadWriteType::All),
        include_management_events: one.include_management_events.unwrap_or(true),
        exclude_management_event_sources: excluded,
        data_resources: data.filter(|data| !data.values.is_empty()).collect(),
    }
}

fn advanced_of(one: &sdk::AdvancedEventSelector) -> AdvancedEventSelector {
    let fields = one.field_selectors.iter().map(|field| FieldSelector {
        field: field.field.clone(),
        equals: field.equals().to_vec(),
        starts_with: field.starts_with().to_vec(),
        ends_with: field.ends_with().to_vec(),
        not_equals: field.not_equals().to_vec(),
        not_starts_with: field.not_starts_with().to_vec(),
        not_ends_with: field.not_ends_with().to_vec(),
    });
    AdvancedEventSelector {
        name: one.name.clone().filter(|name| !name.is_empty()),
        field_selectors: fields.collect(),
    }
}
