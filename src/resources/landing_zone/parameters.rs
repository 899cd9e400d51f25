//! The parameters of CloudFormation's calls in the Query protocol.

use std::collections::BTreeMap;

use super::OWNER_TAG;
use crate::aws::{QueryParameters, XmlElement};

/// Parameters that are built one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(QueryParameters);

impl Parameters {
    /// Those of a call about a stack set.
    pub(super) fn of_stack_set(name: &str) -> Self {
        Self::default().with("StackSetName", name)
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// A list of values.
    pub(super) fn list<S: Into<String>>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        for (at, value) in values.into_iter().enumerate() {
            self.0.push((format!("{name}.member.{}", at + 1), value.into()));
        }
        self
    }

    /// The template with its parameters, the tag of ownership, and the capability that roles
    /// with names need.
    pub(super) fn template(self, body: String, values: &BTreeMap<String, String>) -> Self {
        let mut all = self.with("TemplateBody", body);
        for (at, (key, value)) in values.iter().enumerate() {
            let member = format!("Parameters.member.{}", at + 1);
            all = all.with(&format!("{member}.ParameterKey"), key);
            all = all.with(&format!("{member}.ParameterValue"), value);
        }
        let (key, value) = OWNER_TAG;
        all.with("Tags.member.1.Key", key)
            .with("Tags.member.1.Value", value)
            .list("Capabilities", ["CAPABILITY_NAMED_IAM"])
    }

    pub(super) fn get(&self) -> &QueryParameters {
        &self.0
    }
}

/// The pairs of a list in a response.
pub(super) fn pairs(
    element: &XmlElement,
    list: &str,
    key: &str,
    value: &str,
) -> BTreeMap<String, String> {
    let pairs = element.members(list).filter_map(|item| {
        Some((item.text(key)?.to_owned(), item.text(value).unwrap_or_default().to_owned()))
    });
    pairs.collect()
}

/// Whether the tags of a stack or stack set say that orgtrail created it.
pub(super) fn is_owned(element: &XmlElement) -> bool {
    let (key, value) = OWNER_TAG;
    pairs(element, "Tags", "Key", "Value").get(key).is_some_and(|found| found == value)
}
