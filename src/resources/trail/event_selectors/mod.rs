mod found;
mod meaning;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudtrail::types as sdk;
pub(crate) use found::FoundSelectors;
use meaning::{Events, Fields, equals, not_equals};
use serde::Serialize;

use super::read_part;
use crate::aws::{At, AwsError, Clients, Observation};
use crate::config::{AdvancedEventSelector, EventSelector, Selectors};
use crate::names::Arn;
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// What the trail records: management events, data events.
///
/// Selectors are sets: their order has no meaning, and of advanced ones neither
/// has their name.
/// Source: CloudTrail `GetEventSelectors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventSelectors {
    /// Classic selectors.
    pub classic: BTreeSet<Classic>,
    /// Advanced selectors: field → operator → values.
    pub advanced: BTreeSet<Fields>,
    /// Names of the advanced selectors that select management events.
    #[serde(skip)]
    pub management_names: BTreeSet<String>,
}

/// A classic selector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Classic {
    /// `All`, `ReadOnly` or `WriteOnly`.
    pub read_write_type: String,
    /// Whether management events are among them.
    pub management_events: bool,
    /// Services left out.
    pub excluded: BTreeSet<String>,
    /// Data resources: type → ARNs.
    pub data_resources: BTreeMap<String, BTreeSet<String>>,
}

const OPERATORS: [&str; 6] =
    ["equals", "starts_with", "ends_with", "not_equals", "not_starts_with", "not_ends_with"];

impl EventSelectors {
    /// Reads those of any trail, in its home Region.
    pub(crate) async fn read(clients: &Clients, trail: &Arn) -> Observation<Self> {
        let answer =
            clients.cloudtrail().get_event_selectors().trail_name(trail.to_string()).send().await;
        Observation::from_result(
            answer.at(clients, "cloudtrail:GetEventSelectors"),
            AwsError::is_not_found,
        )
        .map(|answer| {
            let advanced = answer.advanced_event_selectors();
            let named = advanced.iter().filter(|one| is_management(&fields_of_sdk(one)));
            Self {
                classic: answer.event_selectors().iter().map(Classic::of_sdk).collect(),
                advanced: advanced.iter().map(fields_of_sdk).collect(),
                management_names: named.filter_map(|one| one.name.clone()).collect(),
            }
        })
    }

    /// What is declared.
    pub(crate) fn declared(desired: &Desired) -> Self {
        let (mut classic, mut advanced) = (BTreeSet::new(), BTreeSet::new());
        match desired.config.trail.selectors() {
            Selectors::Classic(selectors) => {
                classic.extend(selectors.iter().map(Classic::of_config));
            }
            Selectors::Advanced(selectors) => {
                advanced.extend(selectors.iter().map(fields_of_config));
            }
        }
        Self { classic, advanced, management_names: BTreeSet::new() }
    }
}

impl Classic {
    fn of_sdk(selector: &sdk::EventSelector) -> Self {
        let kind = selector.read_write_type.as_ref().map_or("All", |kind| kind.as_str());
        Self {
            read_write_type: kind.to_owned(),
            management_events: selector.include_management_events.unwrap_or(true),
            excluded: selector.exclude_management_event_sources().iter().cloned().collect(),
            data_resources: selector
                .data_resources()
                .iter()
                .map(|data| {
                    let kind = data.r#type.clone().unwrap_or_default();
                    (kind, data.values().iter().cloned().collect())
                })
                .collect(),
        }
    }

    fn of_config(selector: &EventSelector) -> Self {
        let excluded = &selector.exclude_management_event_sources;
        Self {
            read_write_type: selector.read_write_type.as_str().to_owned(),
            management_events: selector.include_management_events,
            excluded: excluded.iter().map(|source| source.as_str().to_owned()).collect(),
            data_resources: selector
                .data_resources
                .iter()
                .map(|data| (data.resource_type.clone(), data.values.iter().cloned().collect()))
                .collect(),
        }
    }
}

fn fields_of_sdk(selector: &sdk::AdvancedEventSelector) -> Fields {
    let mut fields = Fields::new();
    for one in &selector.field_selectors {
        let values = [
            one.equals(),
            one.starts_with(),
            one.ends_with(),
            one.not_equals(),
            one.not_starts_with(),
            one.not_ends_with(),
        ];
        add_field(&mut fields, &one.field, values);
    }
    fields
}

fn fields_of_config(selector: &AdvancedEventSelector) -> Fields {
    let mut fields = Fields::new();
    for one in &selector.field_selectors {
        add_field(&mut fields, &one.field, one.operators().map(|(_, values)| values));
    }
    fields
}

fn add_field(fields: &mut Fields, field: &str, values: [&[String]; 6]) {
    let operators = fields.entry(field.to_owned()).or_default();
    for (operator, values) in OPERATORS.into_iter().zip(values) {
        if !values.is_empty() {
            operators.entry(operator).or_default().extend(values.iter().cloned());
        }
    }
}

fn advanced_to_sdk(
    selector: &AdvancedEventSelector,
) -> Result<sdk::AdvancedEventSelector, StepError> {
    let some = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
    let mut builder = sdk::AdvancedEventSelector::builder().set_name(selector.name.clone());
    for one in &selector.field_selectors {
        builder = builder.field_selectors(
            sdk::AdvancedFieldSelector::builder()
                .field(&one.field)
                .set_equals(some(&one.equals))
                .set_starts_with(some(&one.starts_with))
                .set_ends_with(some(&one.ends_with))
                .set_not_equals(some(&one.not_equals))
                .set_not_starts_with(some(&one.not_starts_with))
                .set_not_ends_with(some(&one.not_ends_with))
                .build()?,
        );
    }
    Ok(builder.build()?)
}

fn classic_to_sdk(selector: &EventSelector) -> sdk::EventSelector {
    let excluded: Vec<String> = selector
        .exclude_management_event_sources
        .iter()
        .map(|source| source.as_str().to_owned())
        .collect();
    let data = selector
        .data_resources
        .iter()
        .map(|data| {
            sdk::DataResource::builder()
                .r#type(&data.resource_type)
                .set_values(Some(data.values.clone()))
                .build()
        })
        .collect();
    sdk::EventSelector::builder()
        .read_write_type(sdk::ReadWriteType::from(selector.read_write_type.as_str()))
        .include_management_events(selector.include_management_events)
        .set_exclude_management_event_sources(Some(excluded))
        .set_data_resources(Some(data))
        .build()
}

impl Resource for EventSelectors {
    type State = Self;
    const ID: &'static str = "trail/event-selectors";
    const DEPENDS_ON: &'static [&'static str] = &["trail"];
    const ACTIONS: &'static [&'static str] =
        &["cloudtrail:GetEventSelectors", "cloudtrail:PutEventSelectors"];

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_part(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let wanted = Self::declared(desired);
        // A new trail records all management events.
        let recorded = found.map_or_else(Self::all_management_events, Self::recorded);
        let declared = wanted.recorded();
        let lost = recorded.beyond(&declared);
        if lost.is_empty() && declared.beyond(&recorded).is_empty() {
            return Change::nothing();
        }
        let Some(found) = found else {
            return Change::create(
                "the trail records the configured events",
                field_changes(None, &wanted),
            );
        };
        let change = Change::update(
            "the trail records exactly the configured events",
            field_changes(Some(found), &wanted),
        );
        if lost.is_empty() {
            return change;
        }
        change.irreversible(
            Confirmation::WeakenedGuard,
            format!("no longer recorded, but recorded now: {}", lost.join("; ")),
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let call = clients
            .cloudtrail()
            .put_event_selectors()
            .trail_name(context.desired.trail_arn().to_string());
        let call = match context.desired.config.trail.selectors() {
            Selectors::Classic(selectors) => {
                call.set_event_selectors(Some(selectors.iter().map(classic_to_sdk).collect()))
            }
            Selectors::Advanced(selectors) => {
                let selectors =
                    selectors.iter().map(advanced_to_sdk).collect::<Result<Vec<_>, _>>()?;
                call.set_advanced_event_selectors(Some(selectors))
            }
        };
        call.send().await.at(&clients, "cloudtrail:PutEventSelectors")?;
        Ok(())
    }
}

impl EventSelectors {
    /// The events that are recorded.
    fn recorded(&self) -> Events {
        // A trail that was never given selectors records all management events.
        if self.classic.is_empty() && self.advanced.is_empty() {
            return Self::all_management_events();
        }
        let classic = self.classic.iter().flat_map(Classic::boxes);
        Events::of(classic.chain(self.advanced.iter().cloned()))
    }

    fn all_management_events() -> Events {
        Events::of([Fields::from([("eventCategory".to_owned(), equals(["Management"]))])])
    }

    /// Reads and writes of management events that are recorded whole, each with
    /// the sources whose events come in masses and may be left out.
    pub(crate) fn management_kinds(&self) -> BTreeSet<(&'static str, &'static str)> {
        let recorded = self.recorded();
        let whole = |(side, source): &(&str, &str)| {
            let of_source = match *source {
                "" => not_equals(SOURCES.into_iter().filter(|source| !source.is_empty())),
                source => equals([source]),
            };
            let kind = Events::of([Fields::from([
                ("eventCategory".to_owned(), equals(["Management"])),
                ("readOnly".to_owned(), equals([if *side == "read" { "true" } else { "false" }])),
                ("eventSource".to_owned(), of_source),
            ])]);
            kind.beyond(&recorded).is_empty()
        };
        Self::all_management_kinds().into_iter().filter(whole).collect()
    }

    /// Every kind of management event that there is.
    pub(crate) fn all_management_kinds() -> BTreeSet<(&'static str, &'static str)> {
        SOURCES.into_iter().flat_map(|source| [("read", source), ("write", source)]).collect()
    }

    /// What another trail records, or management events, and this one does not, in words;
    /// empty where this one records at least as much as both.
    pub(crate) fn lacks(&self, other: &Self) -> Vec<String> {
        let own = self.recorded();
        let mut lacks = Self::all_management_events().beyond(&own);
        lacks.extend(other.recorded().beyond(&own));
        lacks
    }

    /// Whether a management event is recorded.
    pub(crate) fn record_management(&self, source: &str, name: &str, read_only: bool) -> bool {
        let fields = BTreeMap::from([
            ("eventCategory", "Management".to_owned()),
            ("eventSource", source.to_owned()),
            ("eventName", name.to_owned()),
            ("readOnly", read_only.to_string()),
        ]);
        self.recorded().hold(&fields)
    }

    /// Whether any data events are recorded.
    pub(crate) fn records_data_events(&self) -> bool {
        !self.recorded().of_category("Data").is_empty()
    }

    /// The data events that are recorded here and not there, in words.
    pub(crate) fn data_events_beyond(&self, other: &Self) -> Vec<String> {
        self.recorded().of_category("Data").beyond(&other.recorded())
    }
}

/// Sources whose management events may be left out; the first is all others.
const SOURCES: [&str; 3] = ["", "kms.amazonaws.com", "rdsdata.amazonaws.com"];

fn is_management(fields: &Fields) -> bool {
    let categories = fields.get("eventCategory").and_then(|operators| operators.get("equals"));
    categories.is_some_and(|values| values.contains("Management"))
}

impl Classic {
    /// The same as conditions on fields, one box for management events and one
    /// for each type of data resource.
    fn boxes(&self) -> Vec<Fields> {
        let of_category = |category: &str| {
            let mut fields = Fields::from([("eventCategory".to_owned(), equals([category]))]);
            let side = match self.read_write_type.as_str() {
                "ReadOnly" => Some("true"),
                "WriteOnly" => Some("false"),
                _ => None,
            };
            fields.extend(side.map(|side| ("readOnly".to_owned(), equals([side]))));
            fields
        };
        let management = self.management_events.then(|| {
            let mut fields = of_category("Management");
            if !self.excluded.is_empty() {
                fields.insert("eventSource".to_owned(), not_equals(self.excluded.iter().cloned()));
            }
            fields
        });
        let data =
            self.data_resources.iter().filter(|(_, arns)| !arns.is_empty()).map(|(kind, arns)| {
                let mut fields = of_category("Data");
                fields.insert("resources.type".to_owned(), equals([kind.as_str()]));
                let mut operators = BTreeMap::new();
                for arn in arns {
                    operators
                        .entry(if is_whole(arn) { "equals" } else { "starts_with" })
                        .or_insert_with(BTreeSet::new)
                        .insert(arn.clone());
                }
                fields.insert("resources.ARN".to_owned(), operators);
                fields
            });
        management.into_iter().chain(data).collect()
    }
}

/// Whether a classic selector's ARN is one whole ARN and not the beginning of
/// many: a Lambda function's.
///
/// Source: CloudTrail `DataResource.Values`, "Lambda function ARNs are exact".
fn is_whole(arn: &str) -> bool {
    arn.split(':').nth(2) == Some("lambda") && arn.contains(":function:")
}
