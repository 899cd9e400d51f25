use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudtrail::types as sdk;
use serde::Serialize;

use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::config::{AdvancedEventSelector, EventSelector, Selectors};
use crate::names::Arn;
use crate::plan::{Change, Confirmation, field_changes};

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

/// The conditions of an advanced selector: field → operator → values.
pub(super) type Fields = BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>>;

const OPERATORS: [&str; 6] =
    ["equals", "starts_with", "ends_with", "not_equals", "not_starts_with", "not_ends_with"];

impl EventSelectors {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        Self::read(management, &desired.trail_arn()).await
    }

    /// Reads those of any trail, in its home Region.
    pub(crate) async fn read(clients: &Clients, trail: &Arn) -> Seen<Self> {
        let answer =
            clients.cloudtrail().get_event_selectors().trail_name(trail.to_string()).send().await;
        Seen::from_result(
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

    /// What a new trail has: all management events.
    fn of_a_new_trail() -> Self {
        let classic = Classic {
            read_write_type: "All".to_owned(),
            management_events: true,
            excluded: BTreeSet::new(),
            data_resources: BTreeMap::new(),
        };
        Self {
            classic: BTreeSet::from([classic]),
            advanced: BTreeSet::new(),
            management_names: BTreeSet::new(),
        }
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
    const AFTER: &'static [&'static str] = &["trail"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] =
        &["cloudtrail:GetEventSelectors", "cloudtrail:PutEventSelectors"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.event_selectors
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let wanted = Self::declared(desired);
        let Some(found) = found else {
            if wanted == Self::of_a_new_trail() {
                return Change::nothing();
            }
            return Change::create("what is recorded", field_changes(None, &wanted));
        };
        // A trail that was never given selectors records all management events.
        let silent = found.classic.is_empty() && found.advanced.is_empty();
        if silent && wanted == Self::of_a_new_trail() {
            return Change::nothing();
        }
        let change = Change::update(
            "exactly what is declared is recorded",
            field_changes(Some(found), &wanted),
        );
        if wanted.records_no_less_management(found) {
            return change;
        }
        change.irreversible(
            Confirmation::WeakenedGuard,
            "management events that are recorded now are recorded no more",
        )
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        let call = clients
            .cloudtrail()
            .put_event_selectors()
            .trail_name(hands.desired.trail_arn().to_string());
        let call = match hands.desired.config.trail.selectors() {
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
    /// Whether every kind of management event that `other` records is recorded
    /// here too. Data events are many and are the owner's choice.
    fn records_no_less_management(&self, other: &Self) -> bool {
        self.management_kinds().is_superset(&other.management_kinds())
    }

    /// Reads and writes of management events that are recorded whole, each with
    /// the sources whose events come in masses and may be left out.
    ///
    /// A selector that is narrowed by anything else records none of them whole.
    pub(crate) fn management_kinds(&self) -> BTreeSet<(&'static str, &'static str)> {
        let mut kinds = BTreeSet::new();
        let mut add = |reads: bool, writes: bool, excluded: &BTreeSet<String>| {
            for source in SOURCES.into_iter().filter(|source| !excluded.contains(*source)) {
                if reads {
                    kinds.insert(("read", source));
                }
                if writes {
                    kinds.insert(("write", source));
                }
            }
        };
        // A trail that was never given selectors records all of them.
        if self.classic.is_empty() && self.advanced.is_empty() {
            add(true, true, &BTreeSet::new());
        }
        for one in self.classic.iter().filter(|one| one.management_events) {
            let kind = one.read_write_type.as_str();
            add(kind != "WriteOnly", kind != "ReadOnly", &one.excluded);
        }
        for fields in self.advanced.iter().filter(|fields| is_management(fields)) {
            let Some(excluded) = excluded_sources(fields) else { continue };
            let (reads, writes) = reads_and_writes(fields);
            add(reads, writes, &excluded);
        }
        kinds
    }

    /// Every kind of management event that there is.
    pub(crate) fn all_management_kinds() -> BTreeSet<(&'static str, &'static str)> {
        SOURCES.into_iter().flat_map(|source| [("read", source), ("write", source)]).collect()
    }

    /// The data events that are recorded, one for each resource type, reads or
    /// writes, and beginning of an ARN; a selector that is narrowed by anything
    /// else records none of them whole.
    pub(crate) fn data_kinds(&self) -> BTreeSet<(String, &'static str, String)> {
        let mut kinds = BTreeSet::new();
        let mut add = |kind: &str, (reads, writes): (bool, bool), beginning: &str| {
            let sides = [(reads, "read"), (writes, "write")];
            for (_, side) in sides.into_iter().filter(|(recorded, _)| *recorded) {
                kinds.insert((kind.to_owned(), side, beginning.to_owned()));
            }
        };
        for one in &self.classic {
            let sides = (one.read_write_type != "WriteOnly", one.read_write_type != "ReadOnly");
            for (kind, arns) in &one.data_resources {
                for arn in arns {
                    // `arn:aws:s3` and `arn:aws:lambda` are every resource.
                    let every = arn.split(':').count() <= 3 || arn.ends_with(":::");
                    add(kind, sides, if every { "" } else { arn });
                }
            }
        }
        for fields in &self.advanced {
            let of = |field: &str, operator: &str| {
                fields.get(field).and_then(|operators| operators.get(operator))
            };
            let known = ["eventCategory", "readOnly", "resources.type", "resources.ARN"];
            let narrowed = fields.keys().any(|field| !known.contains(&field.as_str()))
                || fields.get("resources.ARN").is_some_and(|operators| {
                    operators.keys().any(|operator| *operator != "starts_with")
                });
            let is_data =
                of("eventCategory", "equals").is_some_and(|values| values.contains("Data"));
            if !is_data || narrowed {
                continue;
            }
            let every = BTreeSet::from([String::new()]);
            let beginnings = of("resources.ARN", "starts_with").unwrap_or(&every);
            for kind in of("resources.type", "equals").into_iter().flatten() {
                for beginning in beginnings {
                    add(kind, reads_and_writes(fields), beginning);
                }
            }
        }
        kinds
    }
}

/// Sources whose management events may be left out; the first is all others.
const SOURCES: [&str; 3] = ["", "kms.amazonaws.com", "rdsdata.amazonaws.com"];

fn is_management(fields: &Fields) -> bool {
    let categories = fields.get("eventCategory").and_then(|operators| operators.get("equals"));
    categories.is_some_and(|values| values.contains("Management"))
}

/// The sources that a selector of management events leaves out; none where it
/// leaves out anything else.
fn excluded_sources(fields: &Fields) -> Option<BTreeSet<String>> {
    let known = ["eventCategory", "readOnly", "eventSource"];
    if fields.keys().any(|field| !known.contains(&field.as_str())) {
        return None;
    }
    let Some(operators) = fields.get("eventSource") else { return Some(BTreeSet::new()) };
    if operators.keys().any(|operator| *operator != "not_equals") {
        return None;
    }
    Some(operators.get("not_equals").cloned().unwrap_or_default())
}

fn reads_and_writes(fields: &Fields) -> (bool, bool) {
    let Some(operators) = fields.get("readOnly") else { return (true, true) };
    let is = |value: &str| operators.get("equals").is_some_and(|values| values.contains(value));
    (is("true"), is("false"))
}
