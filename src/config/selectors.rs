use super::section::{choice, section};

choice! {
    /// Which events, by whether they change anything.
    pub enum ReadWriteType {
        /// Reads and writes.
        All = "All",
        /// Reads only.
        ReadOnly = "ReadOnly",
        /// Writes only.
        WriteOnly = "WriteOnly",
    }
}

choice! {
    /// A service whose management events a trail may leave out.
    ///
    /// Source: CloudTrail `EventSelector.ExcludeManagementEventSources`.
    pub enum ManagementEventSource {
        /// AWS KMS: `Encrypt`, `Decrypt`, `GenerateDataKey` come in masses.
        Kms = "kms.amazonaws.com",
        /// The RDS Data API.
        RdsData = "rdsdata.amazonaws.com",
    }
}

section! {
    /// Data events of one resource type.
    pub struct DataEvents {
        /// CloudTrail's name of the type, such as `AWS::S3::Object`.
        resource_type: String = required,
        /// Which of its events: `All`, `ReadOnly` or `WriteOnly`.
        read_write_type: ReadWriteType = default(ReadWriteType::All),
        /// Prefixes of the resources' ARNs. Default: every resource of the type in the
        /// organization.
        resources: Vec<String> = default(Vec::<String>::new()),
    }
}

section! {
    /// A classic event selector.
    ///
    /// Source: CloudTrail `PutEventSelectors`, `EventSelectors`.
    pub struct EventSelector {
        /// Which events: `All`, `ReadOnly` or `WriteOnly`.
        read_write_type: ReadWriteType = default(ReadWriteType::All),
        /// Whether they include management events.
        include_management_events: bool = default(true),
        /// Services whose management events are excluded.
        exclude_management_event_sources: Vec<ManagementEventSource> =
            default(Vec::<ManagementEventSource>::new()),
        /// Resources whose data events are recorded.
        data_resources: Vec<DataResource> = default(Vec::<DataResource>::new()),
    }
}

section! {
    /// The data resources of a classic event selector.
    pub struct DataResource {
        /// `AWS::S3::Object`, `AWS::Lambda::Function` or `AWS::DynamoDB::Table`.
        resource_type: String = required,
        /// ARNs or prefixes of ARNs; `arn:aws:s3` means every bucket.
        values: Vec<String> = required,
    }
}

section! {
    /// An advanced event selector: all of its fields must match.
    ///
    /// Source: CloudTrail `PutEventSelectors`, `AdvancedEventSelectors`.
    pub struct AdvancedEventSelector {
        /// A name for people.
        name: Option<String> = default(None::<String>),
        /// The conditions, one per field.
        field_selectors: Vec<FieldSelector> = required,
    }
}

section! {
    /// A condition on one field of an event. Several values of one operator are
    /// alternatives; `not_` operators exclude each value.
    pub struct FieldSelector {
        /// `eventCategory`, `readOnly`, `eventSource`, `eventName`, `eventType`,
        /// `resources.type`, `resources.ARN`, `userIdentity.arn`,
        /// `sessionCredentialFromConsole`, `errorCode`, `vpcEndpointId`.
        field: String = required,
        /// The field is one of these.
        equals: Vec<String> = default(Vec::<String>::new()),
        /// The field begins with one of these.
        starts_with: Vec<String> = default(Vec::<String>::new()),
        /// The field ends with one of these.
        ends_with: Vec<String> = default(Vec::<String>::new()),
        /// The field is none of these.
        not_equals: Vec<String> = default(Vec::<String>::new()),
        /// The field begins with none of these.
        not_starts_with: Vec<String> = default(Vec::<String>::new()),
        /// The field ends with none of these.
        not_ends_with: Vec<String> = default(Vec::<String>::new()),
    }
}

/// A trail's selectors, of the one kind or the other: AWS keeps only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selectors {
    /// Classic event selectors.
    Classic(Vec<EventSelector>),
    /// Advanced event selectors.
    Advanced(Vec<AdvancedEventSelector>),
}

impl FieldSelector {
    /// The condition that a field is one of some values.
    #[must_use]
    pub fn equals<V: Into<String>>(field: &str, values: impl IntoIterator<Item = V>) -> Self {
        let equals = values.into_iter().map(Into::into).collect();
        Self { equals, ..Self::about(field) }
    }

    /// The number of values over all operators, which AWS counts as conditions.
    #[must_use]
    pub fn conditions(&self) -> usize {
        self.operators().iter().map(|(_, values)| values.len()).sum()
    }

    /// Each operator's key and values.
    #[must_use]
    pub fn operators(&self) -> [(&'static str, &[String]); 6] {
        [
            ("equals", &self.equals),
            ("starts_with", &self.starts_with),
            ("ends_with", &self.ends_with),
            ("not_equals", &self.not_equals),
            ("not_starts_with", &self.not_starts_with),
            ("not_ends_with", &self.not_ends_with),
        ]
    }

    fn about(field: &str) -> Self {
        Self {
            field: field.to_owned(),
            equals: Vec::new(),
            starts_with: Vec::new(),
            ends_with: Vec::new(),
            not_equals: Vec::new(),
            not_starts_with: Vec::new(),
            not_ends_with: Vec::new(),
        }
    }
}

impl AdvancedEventSelector {
    /// The category of the events that it selects.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.only_value("eventCategory")
    }

    /// The one value that a field must equal, where it is only one.
    #[must_use]
    pub fn only_value(&self, field: &str) -> Option<&str> {
        let selector = self.field_selectors.iter().find(|selector| selector.field == field)?;
        match selector.equals.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The selector for management events.
    #[must_use]
    pub fn management(kind: ReadWriteType, excluded: &[ManagementEventSource]) -> Self {
        let mut fields = vec![FieldSelector::equals("eventCategory", ["Management"])];
        fields.extend(read_only(kind));
        if !excluded.is_empty() {
            fields.push(FieldSelector {
                not_equals: excluded.iter().map(ToString::to_string).collect(),
                ..FieldSelector::about("eventSource")
            });
        }
        // The name by which scanners find it.
        Self { name: Some("Management events selector".to_owned()), field_selectors: fields }
    }

    /// The selector for the data events of one resource type.
    #[must_use]
    pub fn data(events: &DataEvents) -> Self {
        let mut fields = vec![
            FieldSelector::equals("eventCategory", ["Data"]),
            FieldSelector::equals("resources.type", [events.resource_type.as_str()]),
        ];
        fields.extend(read_only(events.read_write_type));
        // AWS refuses a value that is listed twice.
        let mut resources: Vec<String> = Vec::new();
        for resource in &events.resources {
            if !resources.contains(resource) {
                resources.push(resource.clone());
            }
        }
        if !resources.is_empty() {
            fields.push(FieldSelector {
                starts_with: resources,
                ..FieldSelector::about("resources.ARN")
            });
        }
        let name = format!("data events of {}", events.resource_type);
        Self { name: Some(name), field_selectors: fields }
    }
}

fn read_only(kind: ReadWriteType) -> Option<FieldSelector> {
    let value = match kind {
        ReadWriteType::All => return None,
        ReadWriteType::ReadOnly => "true",
        ReadWriteType::WriteOnly => "false",
    };
    Some(FieldSelector::equals("readOnly", [value]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_that_is_listed_twice_is_sent_once() {
        let arn = |name: &str| format!("arn:aws:s3:::{name}/");
        let selector = AdvancedEventSelector::data(&DataEvents {
            resource_type: "AWS::S3::Object".to_owned(),
            read_write_type: ReadWriteType::All,
            resources: vec![arn("b"), arn("a"), arn("b")],
        });
        let last = selector.field_selectors.last().unwrap();
        assert_eq!(
            (last.field.as_str(), &last.starts_with),
            ("resources.ARN", &vec![arn("b"), arn("a")])
        );
    }
}
