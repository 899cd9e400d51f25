use std::collections::BTreeSet;

use super::{Checker, repeated};
use crate::config::{AdvancedEventSelector, Config, EventSelector, FieldSelector, Selectors};

// CloudTrail's own limits, for one trail.
const MOST_CLASSIC: usize = 5;
const MOST_DATA_RESOURCES: usize = 250;
const MOST_CONDITIONS: usize = 500;

/// The types that classic selectors know, with the service in their ARNs.
const CLASSIC_TYPES: [(&str, &str); 3] = [
    ("AWS::S3::Object", "s3"),
    ("AWS::Lambda::Function", "lambda"),
    ("AWS::DynamoDB::Table", "dynamodb"),
];

/// The fields that a trail can select each category of events by.
///
/// Source: CloudTrail `AdvancedFieldSelector`.
const FIELDS: [(&str, &[&str]); 3] = [
    ("Management", &["eventCategory", "readOnly", "eventSource"]),
    (
        "Data",
        &[
            "eventCategory",
            "readOnly",
            "resources.type",
            "resources.ARN",
            "eventName",
            "eventSource",
            "eventType",
            "userIdentity.arn",
            "sessionCredentialFromConsole",
        ],
    ),
    (
        "NetworkActivity",
        &["eventCategory", "eventSource", "eventName", "errorCode", "vpcEndpointId"],
    ),
];

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    classic(config, checker);
    for (at, selector) in config.trail.advanced_event_selectors.iter().enumerate() {
        advanced(selector, &format!("trail.advanced_event_selectors[{at}]"), checker);
    }
    if let Selectors::Advanced(selectors) = config.trail.selectors() {
        let fields = selectors.iter().flat_map(|selector| &selector.field_selectors);
        let conditions: usize = fields.map(FieldSelector::conditions).sum();
        if conditions > MOST_CONDITIONS {
            checker.error(
                &["trail.advanced_event_selectors", "trail.data_events"],
                format!(
                    "found {conditions} values in all conditions of the trail, expected at most \
                     {MOST_CONDITIONS}"
                ),
            );
        }
    }
}

fn classic(config: &Config, checker: &mut Checker<'_>) {
    let key = "trail.event_selectors";
    let selectors = &config.trail.event_selectors;
    if selectors.len() > MOST_CLASSIC {
        checker
            .error(
                &[key],
                format!(
                    "found {} event selectors, expected at most {MOST_CLASSIC}",
                    selectors.len()
                ),
            )
            .hint("`advanced_event_selectors` have no such limit");
    }
    let resources: usize = selectors
        .iter()
        .flat_map(|selector| &selector.data_resources)
        .map(|resource| resource.values.iter().filter(|arn| names_resources(arn)).count())
        .sum();
    if resources > MOST_DATA_RESOURCES {
        checker
            .error(
                &[key],
                format!(
                    "found {resources} data resources in the trail's event selectors, expected at \
                     most {MOST_DATA_RESOURCES}"
                ),
            )
            .hint("a bucket's whole ARN counts once, and all of a service's resources not at all");
    }
    for (at, selector) in selectors.iter().enumerate() {
        one_classic(config, selector, &format!("{key}[{at}]"), checker);
    }
}

/// What an event data store can select management events by besides, and a trail
/// cannot.
const OF_EVENT_DATA_STORES: [&str; 4] =
    ["eventName", "eventType", "sessionCredentialFromConsole", "userIdentity.arn"];

/// Whether an ARN names some of a service's resources rather than all of them.
fn names_resources(arn: &str) -> bool {
    arn.split(':').count() > 3
}

fn one_classic(config: &Config, selector: &EventSelector, key: &str, checker: &mut Checker<'_>) {
    if !selector.include_management_events {
        if selector.data_resources.is_empty() {
            checker.error(
                &[key],
                "the selector selects nothing: neither management events nor data resources",
            );
        }
        if !selector.exclude_management_event_sources.is_empty() {
            checker.error(
                &[&format!("{key}.exclude_management_event_sources")],
                "excludes sources of management events, but no management events are recorded",
            );
        }
    }
    for (at, resource) in selector.data_resources.iter().enumerate() {
        let place = format!("{key}.data_resources[{at}]");
        let known = CLASSIC_TYPES.iter().find(|(kind, _)| *kind == resource.resource_type);
        if known.is_none() {
            checker
                .error(
                    &[&format!("{place}.resource_type")],
                    format!(
                        "found {}, expected AWS::S3::Object, AWS::Lambda::Function or \
                         AWS::DynamoDB::Table",
                        resource.resource_type
                    ),
                )
                .hint("`data_events` and `advanced_event_selectors` take every type");
        }
        if resource.values.is_empty() {
            checker.error(
                &[&format!("{place}.values")],
                "found no ARN, expected at least one, as in `arn:aws:s3` for every bucket",
            );
        }
        for (nth, arn) in resource.values.iter().enumerate() {
            let place = format!("{place}.values[{nth}]");
            arn_beginning(config, checker, &place, arn);
            let service = arn.split(':').nth(2).unwrap_or_default();
            if let Some((kind, wanted)) = known
                && !service.is_empty()
                && service != *wanted
            {
                checker.error(
                    &[&place],
                    format!("found {arn}, which is no {kind}, expected an ARN of `{wanted}`"),
                );
            }
        }
    }
}

fn advanced(selector: &AdvancedEventSelector, key: &str, checker: &mut Checker<'_>) {
    if selector.name.as_ref().is_some_and(|name| name.chars().count() > 1000) {
        checker.error(&[&format!("{key}.name")], "found a name of more than 1000 characters");
    }
    let place = format!("{key}.field_selectors");
    for (at, field) in selector.field_selectors.iter().enumerate() {
        operators(field, &format!("{place}[{at}]"), checker);
    }
    let names: Vec<&str> =
        selector.field_selectors.iter().map(|field| field.field.as_str()).collect();
    for (at, name) in repeated(&names) {
        checker
            .error(&[&format!("{place}[{at}].field")], format!("the field {name} is listed twice"))
            .hint("one field selector takes several operators and values");
    }
    let Some(category) = selector.category() else {
        checker.error(
            &[&place],
            "found no single `eventCategory`, expected `equals` one of Management, Data, \
             NetworkActivity",
        );
        return;
    };
    let Some((_, allowed)) = FIELDS.iter().find(|(name, _)| *name == category) else {
        checker.error(
            &[&place],
            format!(
                "found the event category {category}, expected Management, Data or NetworkActivity"
            ),
        );
        return;
    };
    for (at, field) in selector.field_selectors.iter().enumerate() {
        if !allowed.contains(&field.field.as_str()) {
            let key = format!("{place}[{at}].field");
            let finding = checker.error(
                &[&key],
                format!(
                    "found the field {}, expected one that {category} events can be selected by: {}",
                    field.field,
                    allowed.join(", ")
                ),
            );
            if category == "Management" && OF_EVENT_DATA_STORES.contains(&field.field.as_str()) {
                finding.hint("only event data stores can select management events by it");
            } else if let Some(near) = crate::config::read::nearest(&field.field, allowed) {
                finding.hint(format!("did you mean `{near}`?"));
            }
        }
    }
    match category {
        "Data" => match selector.only_value("resources.type") {
            Some(kind) => resource_type(checker, &place, kind),
            None => {
                checker.error(
                    &[&place],
                    "found no single `resources.type`, by which data events are selected, \
                     expected `equals` one type",
                );
            }
        },
        "NetworkActivity" if !names.contains(&"eventSource") => {
            checker.error(
                &[&place],
                "found no `eventSource`, by which network activity events are selected",
            );
        }
        _ => {}
    }
}

fn operators(field: &FieldSelector, key: &str, checker: &mut Checker<'_>) {
    if field.conditions() == 0 {
        checker
            .error(&[key], format!("found no value for the field {}, expected one", field.field))
            .hint("as in `equals = [\"…\"]`");
    }
    for (operator, values) in field.operators() {
        let distinct: BTreeSet<&String> = values.iter().collect();
        if distinct.len() != values.len() {
            checker.error(&[&format!("{key}.{operator}")], "a value is listed twice");
        }
        if values.iter().any(|value| !(1..=2048).contains(&value.len())) {
            checker.error(
                &[&format!("{key}.{operator}")],
                "found an empty value or one longer than 2048 characters",
            );
        }
        let equals_only = ["readOnly", "eventCategory", "resources.type"];
        if operator != "equals" && !values.is_empty() && equals_only.contains(&&*field.field) {
            checker.error(
                &[&format!("{key}.{operator}")],
                format!("the field {} takes `equals` only, found `{operator}`", field.field),
            );
        }
    }
    let truth = field.equals.iter().all(|value| value == "true" || value == "false");
    if field.field == "readOnly" && (!truth || field.equals.len() > 1) {
        checker.error(
            &[&format!("{key}.equals")],
            format!(
                "found {} for readOnly, expected one of \"true\", \"false\"",
                field.equals.join(", ")
            ),
        );
    }
}

/// That a resource type has AWS's shape; new ones appear all the time.
pub(super) fn resource_type(checker: &mut Checker<'_>, key: &str, kind: &str) {
    let parts: Vec<&str> = kind.split("::").collect();
    let holds = parts.len() == 3
        && parts[0] == "AWS"
        && parts.iter().all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    if !holds {
        checker
            .error(&[key], format!("found the resource type {kind}, expected `AWS::Service::Type`"))
            .hint("as in `AWS::S3::Object`");
    }
}

/// That a string begins an ARN, of the organization's partition.
pub(super) fn arn_beginning(config: &Config, checker: &mut Checker<'_>, key: &str, arn: &str) {
    let wanted = config.partition();
    let mut fields = arn.split(':');
    let begins = fields.next() == Some("arn")
        && fields.next() == Some(wanted.as_str())
        && fields.next().is_some_and(|service| !service.is_empty());
    let bucket = arn.split_once(":s3:::").map(|(_, bucket)| bucket);
    if begins && bucket.is_some_and(|bucket| !bucket.is_empty() && !bucket.contains('/')) {
        checker
            .warning(
                &[key],
                format!(
                    "found {arn}, which is also a prefix of the ARNs of objects in other buckets"
                ),
            )
            .hint(format!("add a slash to select that bucket only: `{arn}/`"));
    }
    if !begins {
        checker.error(
            &[key],
            format!("found {arn}, expected the prefix of an ARN, `arn:{wanted}:service…`"),
        );
    }
}
