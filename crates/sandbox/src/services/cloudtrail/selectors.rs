//! Which events a trail records.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, find};

/// Event selectors, in the one or the other form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Selectors {
    Classic(Vec<Classic>),
    Advanced(Vec<Advanced>),
}

/// A classic selector.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Classic {
    #[serde(default = "all")]
    read_write_type: String,
    #[serde(default = "yes")]
    include_management_events: bool,
    #[serde(default)]
    data_resources: Vec<DataResource>,
    #[serde(default)]
    exclude_management_event_sources: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataResource {
    r#type: String,
    #[serde(default)]
    values: Vec<String>,
}

/// An advanced selector.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Advanced {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    field_selectors: Vec<FieldSelector>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FieldSelector {
    field: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    equals: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    starts_with: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ends_with: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_equals: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_starts_with: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_ends_with: Vec<String>,
}

fn all() -> String {
    "All".to_owned()
}

fn yes() -> bool {
    true
}

/// Sources of management events that a trail can leave out.
const EXCLUDABLE: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
/// The types of classic data resources.
const CLASSIC_TYPES: [&str; 3] =
    ["AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table"];
const MAX_CLASSIC: usize = 5;
const MAX_CLASSIC_VALUES: usize = 250;
const MAX_ADVANCED_VALUES: usize = 500;

/// What decides whether an event is recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) category: &'a str,
    pub(crate) source: &'a str,
    pub(crate) name: &'a str,
    pub(crate) read_only: bool,
    /// Type and ARN of the resource of a data event.
    pub(crate) resource: Option<(&'a str, &'a str)>,
}

impl Selectors {
    pub(super) fn logs_management(&self) -> bool {
        match self {
            Self::Classic(list) => list.iter().any(|s| s.include_management_events),
            Self::Advanced(list) => list.iter().any(|s| s.category() == Some("Management")),
        }
    }

    pub(super) fn logs_data(&self) -> bool {
        match self {
            Self::Classic(list) => list.iter().any(|s| !s.data_resources.is_empty()),
            Self::Advanced(list) => list.iter().any(|s| s.category() == Some("Data")),
        }
    }

    /// Whether an event is recorded.
    pub(crate) fn record(&self, event: &Facts<'_>) -> bool {
        match self {
            Self::Classic(list) => list.iter().any(|selector| selector.records(event)),
            Self::Advanced(list) => list.iter().any(|selector| selector.records(event)),
        }
    }
}

impl Classic {
    fn records(&self, event: &Facts<'_>) -> bool {
        let kind = match self.read_write_type.as_str() {
            "ReadOnly" => event.read_only,
            "WriteOnly" => !event.read_only,
            _ => true,
        };
        kind && match event.resource {
            None => {
                self.include_management_events
                    && event.category == "Management"
                    && !self.exclude_management_event_sources.iter().any(|s| s == event.source)
            }
            Some((of, arn)) => self.data_resources.iter().any(|resource| {
                resource.r#type == of
                    && resource.values.iter().any(|value| {
                        // `arn:aws:s3` and `arn:aws:s3:::` are all buckets; a
                        // function's ARN is that one function.
                        if value.contains(":function:") {
                            arn == value
                        } else {
                            arn.starts_with(value.as_str())
                        }
                    })
            }),
        }
    }

    fn check(&self, partition: orgtrail_base::names::Partition) -> Result<(), String> {
        if !matches!(self.read_write_type.as_str(), "All" | "ReadOnly" | "WriteOnly") {
            return Err(format!(
                "ReadWriteType {} is none of All, ReadOnly, WriteOnly",
                self.read_write_type
            ));
        }
        for source in &self.exclude_management_event_sources {
            if !EXCLUDABLE.contains(&source.as_str()) {
                return Err(format!(
                    "management events of {source} cannot be excluded; only those of {EXCLUDABLE:?}"
                ));
            }
        }
        if !self.include_management_events && !self.exclude_management_event_sources.is_empty() {
            return Err("ExcludeManagementEventSources needs IncludeManagementEvents".to_owned());
        }
        for resource in &self.data_resources {
            if !CLASSIC_TYPES.contains(&resource.r#type.as_str()) {
                return Err(format!(
                    "data resource type {} is none of {CLASSIC_TYPES:?}",
                    resource.r#type
                ));
            }
            let service = match resource.r#type.as_str() {
                "AWS::S3::Object" => "s3",
                "AWS::Lambda::Function" => "lambda",
                _ => "dynamodb",
            };
            let prefix = format!("arn:{partition}:{service}");
            if let Some(value) = resource.values.iter().find(|value| !value.starts_with(&prefix)) {
                return Err(format!(
                    "Value {value} for {} must begin with {prefix}",
                    resource.r#type
                ));
            }
        }
        Ok(())
    }
}

impl Advanced {
    fn category(&self) -> Option<&str> {
        let field = self.field_selectors.iter().find(|field| field.field == "eventCategory")?;
        field.equals.first().map(String::as_str)
    }

    fn records(&self, event: &Facts<'_>) -> bool {
        self.field_selectors.iter().all(|field| {
            let value = match field.field.as_str() {
                "eventCategory" => event.category,
                "eventSource" => event.source,
                "eventName" => event.name,
                "readOnly" if event.read_only => "true",
                "readOnly" => "false",
                "resources.type" => event.resource.map_or("", |(kind, _)| kind),
                "resources.ARN" => event.resource.map_or("", |(_, arn)| arn),
                _ => "",
            };
            field.takes(value)
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.name.as_ref().is_some_and(|name| name.chars().count() > 1000) {
            return Err(
                "the name of an advanced event selector has at most 1000 characters".to_owned()
            );
        }
        let Some(category) = self.category() else {
            return Err(
                "an advanced event selector needs eventCategory Equals one value".to_owned()
            );
        };
        let allowed: &[&str] = match category {
            "Management" => &["eventCategory", "eventSource", "readOnly"],
            "Data" => &[
                "eventCategory",
                "eventSource",
                "eventName",
                "eventType",
                "readOnly",
                "resources.type",
                "resources.ARN",
                "sessionCredentialFromConsole",
                "userIdentity.arn",
            ],
            "NetworkActivity" => {
                &["eventCategory", "eventSource", "eventName", "errorCode", "vpcEndpointId"]
            }
            other => return Err(format!("eventCategory {other} cannot be recorded by a trail")),
        };
        let mut fields: Vec<&str> = Vec::new();
        for field in &self.field_selectors {
            let name = field.field.as_str();
            if !allowed.contains(&name) {
                return Err(format!("field {name} cannot be used with eventCategory {category}"));
            }
            if fields.contains(&name) {
                return Err(format!("field {name} stands twice in one advanced event selector"));
            }
            fields.push(name);
            field.check(category)?;
        }
        if category == "Data" && !fields.contains(&"resources.type") {
            return Err(
                "an advanced event selector for data events needs resources.type".to_owned()
            );
        }
        if category == "NetworkActivity" && !fields.contains(&"eventSource") {
            return Err(
                "an advanced event selector for network activity needs eventSource".to_owned()
            );
        }
        Ok(())
    }
}

impl FieldSelector {
    fn lists(&self) -> [&Vec<String>; 6] {
        [
            &self.equals,
            &self.starts_with,
            &self.ends_with,
            &self.not_equals,
            &self.not_starts_with,
            &self.not_ends_with,
        ]
    }

    fn takes(&self, value: &str) -> bool {
        let any = |list: &[String], fits: fn(&str, &str) -> bool| {
            list.iter().any(|pattern| fits(value, pattern))
        };
        let positive = [&self.equals, &self.starts_with, &self.ends_with];
        let wanted = positive.iter().all(|list| list.is_empty())
            || any(&self.equals, |value, pattern| value == pattern)
            || any(&self.starts_with, |value, pattern| value.starts_with(pattern))
            || any(&self.ends_with, |value, pattern| value.ends_with(pattern));
        wanted
            && !any(&self.not_equals, |value, pattern| value == pattern)
            && !any(&self.not_starts_with, |value, pattern| value.starts_with(pattern))
            && !any(&self.not_ends_with, |value, pattern| value.ends_with(pattern))
    }

    fn check(&self, category: &str) -> Result<(), String> {
        let name = self.field.as_str();
        if self.lists().iter().all(|list| list.is_empty()) {
            return Err(format!("field {name} has no operator with a value"));
        }
        let only_equals = self.lists()[1..].iter().all(|list| list.is_empty());
        if matches!(name, "eventCategory" | "readOnly" | "resources.type")
            && (!only_equals || self.equals.len() != 1)
        {
            return Err(format!("field {name} takes Equals with one value only"));
        }
        if name == "readOnly" && !matches!(self.equals[0].as_str(), "true" | "false") {
            return Err(format!("readOnly is true or false, not {}", self.equals[0]));
        }
        if name == "eventSource" && category == "Management" {
            let only_not_equals = self.lists().iter().filter(|list| !list.is_empty()).count() == 1
                && self.not_equals.iter().all(|source| EXCLUDABLE.contains(&source.as_str()));
            if !only_not_equals || self.not_equals.is_empty() {
                return Err(format!(
                    "for management events eventSource takes NotEquals {EXCLUDABLE:?} only"
                ));
            }
        }
        Ok(())
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidEventSelectorsException", message)
}

fn read(call: &Call<'_>) -> Result<Selectors, ApiError> {
    let given = |name: &str| call.input.get(name).filter(|value| !value.is_null());
    match (given("EventSelectors"), given("AdvancedEventSelectors")) {
        (Some(classic), None) => {
            let list: Vec<Classic> = serde_json::from_value(classic.clone())
                .map_err(|error| invalid(error.to_string()))?;
            if list.is_empty() || list.len() > MAX_CLASSIC {
                return Err(invalid(format!(
                    "1 to {MAX_CLASSIC} event selectors, not {}",
                    list.len()
                )));
            }
            let values: usize =
                list.iter().flat_map(|s| &s.data_resources).map(|r| r.values.len()).sum();
            if values > MAX_CLASSIC_VALUES {
                return Err(invalid(format!(
                    "at most {MAX_CLASSIC_VALUES} data resources, not {values}"
                )));
            }
            for selector in &list {
                selector.check(call.caller.partition).map_err(invalid)?;
            }
            Ok(Selectors::Classic(list))
        }
        (None, Some(advanced)) => {
            let list: Vec<Advanced> = serde_json::from_value(advanced.clone())
                .map_err(|error| invalid(error.to_string()))?;
            if list.is_empty() {
                return Err(invalid("at least one advanced event selector is needed"));
            }
            let values: usize = list
                .iter()
                .flat_map(|s| &s.field_selectors)
                .flat_map(FieldSelector::lists)
                .map(Vec::len)
                .sum();
            if values > MAX_ADVANCED_VALUES {
                return Err(invalid(format!("at most {MAX_ADVANCED_VALUES} values, not {values}")));
            }
            for selector in &list {
                selector.check().map_err(invalid)?;
            }
            Ok(Selectors::Advanced(list))
        }
        _ => {
            Err(invalid("either EventSelectors or AdvancedEventSelectors must be given, not both"))
        }
    }
}

fn answer(trail: &super::Trail) -> Value {
    let arn = &trail.arn;
    match &trail.selectors {
        Some(Selectors::Classic(list)) => json!({ "TrailARN": arn, "EventSelectors": list }),
        Some(Selectors::Advanced(list)) => {
            json!({ "TrailARN": arn, "AdvancedEventSelectors": list })
        }
        // What a trail records by default.
        None => json!({
            "TrailARN": arn,
            "EventSelectors": [{
                "ReadWriteType": "All",
                "IncludeManagementEvents": true,
                "DataResources": [],
                "ExcludeManagementEventSources": [],
            }],
        }),
    }
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("TrailName")?;
    let selectors = read(call)?;
    let trail = find::manage(control, call, name)?;
    trail.selectors = Some(selectors);
    Ok(answer(trail))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = call.required("TrailName")?;
    let trail = find::find(control, call, name)?;
    find::allow(control, call, trail)?;
    // Members see the trail, not what it selects.
    if trail.owner != call.caller.account
        && !super::organization::administers(control, &call.caller.account)
    {
        return Err(find::not_found(call, name));
    }
    Ok(answer(trail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advanced(json: Value) -> Advanced {
        serde_json::from_value(json).unwrap()
    }

    const WRITE: Facts<'_> = Facts {
        category: "Management",
        source: "kms.amazonaws.com",
        name: "ScheduleKeyDeletion",
        read_only: false,
        resource: None,
    };

    #[test]
    fn a_classic_selector_leaves_out_what_it_excludes() {
        let selector: Classic = serde_json::from_value(json!({
            "ExcludeManagementEventSources": ["kms.amazonaws.com"],
            "DataResources": [{ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::a/"] }],
        }))
        .unwrap();
        assert_eq!(selector.check(orgtrail_base::names::Partition::Aws), Ok(()));
        assert!(!selector.records(&WRITE));
        assert!(selector.records(&Facts { source: "iam.amazonaws.com", ..WRITE }));
        let data =
            |arn| Facts { category: "Data", resource: Some(("AWS::S3::Object", arn)), ..WRITE };
        assert!(selector.records(&data("arn:aws:s3:::a/key")));
        assert!(!selector.records(&data("arn:aws:s3:::b/key")));
        let function = "arn:aws:lambda:us-east-1:111111111111:function:hello";
        let selector: Classic = serde_json::from_value(json!({
            "DataResources": [{ "Type": "AWS::Lambda::Function", "Values": [function] }],
        }))
        .unwrap();
        let call = |arn| Facts {
            category: "Data",
            resource: Some(("AWS::Lambda::Function", arn)),
            ..WRITE
        };
        assert!(selector.records(&call(function)));
        let other = format!("{function}2");
        assert!(!selector.records(&call(&other)));
    }

    #[test]
    fn an_advanced_selector_takes_what_all_its_fields_take() {
        let selector = advanced(json!({ "FieldSelectors": [
            { "Field": "eventCategory", "Equals": ["Management"] },
            { "Field": "readOnly", "Equals": ["false"] },
        ]}));
        assert_eq!(selector.check(), Ok(()));
        assert!(selector.records(&WRITE));
        assert!(!selector.records(&Facts { read_only: true, ..WRITE }));
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for bad in [
            json!([]),
            json!([{ "Field": "eventCategory", "Equals": ["Data"] }]),
            json!([{ "Field": "eventCategory", "Equals": ["Insight"] }]),
            json!([{ "Field": "eventCategory", "Equals": ["Management"] }, { "Field": "resources.ARN", "Equals": ["x"] }]),
            json!([{ "Field": "eventCategory", "Equals": ["Management"] }, { "Field": "readOnly", "Equals": ["maybe"] }]),
            json!([{ "Field": "eventCategory", "Equals": ["Management"] }, { "Field": "readOnly", "NotEquals": ["true"] }]),
            json!([{ "Field": "eventCategory", "Equals": ["Management"] }, { "Field": "eventSource", "NotEquals": ["iam.amazonaws.com"] }]),
            json!([{ "Field": "eventCategory", "Equals": ["Management"] }, { "Field": "readOnly" }]),
        ] {
            assert!(advanced(json!({ "FieldSelectors": bad })).check().is_err(), "{bad}");
        }
    }
}
