use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A policy document as AWS stores and returns it.
///
/// Keeps the form it was read in; [`PolicyDocument::means_the_same`] compares
/// what two documents say.
/// Source: IAM User Guide, "Grammar of the IAM JSON policy language".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PolicyDocument {
    /// The version of the language: `2012-10-17` or `2008-10-17`.
    #[serde(default = "old_version")]
    pub version: String,
    /// An optional name, without meaning to AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The statements; their order has no meaning.
    #[serde(rename = "Statement", deserialize_with = "one_or_many")]
    pub statements: Vec<Statement>,
}

/// One statement of a policy.
///
/// Of each pair of element and negated element (`Action`, `NotAction`) a valid
/// statement has at most one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// The statement's name; the only sign of its author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Whether the statement allows or denies.
    pub effect: Effect,
    /// Its principals; absent in role permissions and service control policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The principals it does not apply to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_principal: Option<Principal>,
    /// The actions, wildcards allowed, in any case.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub action: Strings,
    /// The actions it does not apply to.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub not_action: Strings,
    /// The resources; absent in trust policies.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub resource: Strings,
    /// The resources it does not apply to.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub not_resource: Strings,
    /// Operator → key → values: all operators and keys must hold, one value
    /// suffices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, Strings>>,
}

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Effect {
    /// Permits, unless something denies.
    Allow,
    /// Forbids, whatever permits.
    Deny,
}

/// The principals of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// `"*"`: anyone at all.
    Anyone,
    /// By kind: `AWS`, `Service`, `Federated`, `CanonicalUser`.
    Of(BTreeMap<String, Strings>),
}

/// A list that AWS also accepts as a single value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strings(pub Vec<String>);

/// Condition keys by which AWS takes a statement for anyone as not public.
///
/// Source: S3 User Guide, "The meaning of public"; KMS Developer Guide,
/// `kms:CallerAccount`.
const CLOSING_KEYS: [&str; 14] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
];

/// Operators by which such a key closes: those that need it to be there.
const CLOSING_OPERATORS: [&str; 4] = ["arnequals", "arnlike", "stringequals", "stringlike"];

/// A text that is no policy document.
#[derive(Debug, thiserror::Error)]
#[error("the policy cannot be interpreted")]
pub struct PolicyError {
    #[from]
    source: serde_json::Error,
}

impl PolicyDocument {
    /// An empty document in the current version of the language.
    #[must_use]
    pub fn new(statements: Vec<Statement>) -> Self {
        Self { version: "2012-10-17".into(), id: None, statements }
    }

    /// The document as compact JSON, the form in which AWS counts its size.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps with string keys and no floats cannot fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a document that IAM returns percent-encoded (RFC 3986).
    pub fn from_percent_encoded(text: &str) -> Result<Self, PolicyError> {
        crate::percent::decode_lossy(text).parse()
    }

    /// Whether both say the same, whatever their form: order, single value or
    /// list, case of actions and condition keys, account id or root ARN, one
    /// statement or several, names.
    #[must_use]
    pub fn means_the_same(&self, other: &Self) -> bool {
        super::meaning::same(self, other)
    }
}

impl std::str::FromStr for PolicyDocument {
    type Err = PolicyError;
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl Statement {
    /// A statement that allows.
    #[must_use]
    pub fn allow(sid: &str) -> Self {
        Self::with(sid, Effect::Allow)
    }

    /// A statement that denies.
    #[must_use]
    pub fn deny(sid: &str) -> Self {
        Self::with(sid, Effect::Deny)
    }

    /// Whether a statement that allows is for anyone at all: no principal that it
    /// names, and no condition, keeps strangers out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let anyone = match &self.principal {
            Some(Principal::Anyone) => true,
            Some(Principal::Of(kinds)) => {
                kinds.get("AWS").is_some_and(|names| names.iter().any(|name| name == "*"))
            }
            None => self.not_principal.is_some(),
        };
        let closes = |(operator, keys): (&String, &BTreeMap<String, Strings>)| {
            let operator = operator.to_ascii_lowercase();
            CLOSING_OPERATORS.contains(&operator.as_str())
                && keys.iter().any(|(key, values)| {
                    CLOSING_KEYS.contains(&key.to_ascii_lowercase().as_str())
                        && values.iter().all(|value| !value.starts_with('*'))
                })
        };
        anyone && !self.condition.iter().any(closes)
    }

    /// Speaks of anyone at all.
    #[must_use]
    pub fn anyone(mut self) -> Self {
        self.principal = Some(Principal::Anyone);
        self
    }

    /// Speaks of an AWS service.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.principal = Some(Principal::Of(BTreeMap::from([("Service".into(), service.into())])));
        self
    }

    /// Speaks of accounts, roles and users, by ARN or account id.
    #[must_use]
    pub fn principals<S: Into<String>>(mut self, arns: impl IntoIterator<Item = S>) -> Self {
        self.principal =
            Some(Principal::Of(BTreeMap::from([("AWS".into(), Strings::from_iter(arns))])));
        self
    }

    /// Speaks of these calls.
    #[must_use]
    pub fn actions<S: Into<String>>(mut self, actions: impl IntoIterator<Item = S>) -> Self {
        self.action = Strings::from_iter(actions);
        self
    }

    /// Speaks of these resources.
    #[must_use]
    pub fn resources<S: Into<String>>(mut self, arns: impl IntoIterator<Item = S>) -> Self {
        self.resource = Strings::from_iter(arns);
        self
    }

    /// Applies only when the key compares so with one of the values.
    #[must_use]
    pub fn when<S: Into<String>>(
        mut self,
        operator: &str,
        key: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        self.condition
            .entry(operator.into())
            .or_default()
            .insert(key.into(), Strings::from_iter(values));
        self
    }

    fn with(sid: &str, effect: Effect) -> Self {
        Self {
            sid: Some(sid.into()),
            effect,
            principal: None,
            not_principal: None,
            action: Strings::default(),
            not_action: Strings::default(),
            resource: Strings::default(),
            not_resource: Strings::default(),
            condition: BTreeMap::new(),
        }
    }
}

impl Strings {
    /// Whether the list has no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl From<&str> for Strings {
    fn from(value: &str) -> Self {
        Self(vec![value.into()])
    }
}

impl<S: Into<String>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> Self {
        Self(values.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Strings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                Value::Bool(value) => Ok(value.to_string()),
                Value::Number(value) => Ok(value.to_string()),
                other => Err(serde::de::Error::custom(format!(
                    "found `{other}`, expected a string, a number or a boolean"
                ))),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Anyone => serializer.serialize_str("*"),
            Self::Of(kinds) => kinds.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "*" => Ok(Self::Anyone),
            Value::String(text) => Err(serde::de::Error::custom(format!(
                "found principal `{text}`, expected `*` or principals by kind"
            ))),
            kinds => serde_json::from_value(kinds).map(Self::Of).map_err(serde::de::Error::custom),
        }
    }
}

/// The version that AWS assumes where a document names none.
fn old_version() -> String {
    "2008-10-17".into()
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Statement>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(many) => many.into_iter().map(serde_json::from_value).collect(),
        one => serde_json::from_value(one).map(|statement| vec![statement]),
    }
    .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_returns_is_read_and_written_back_the_same() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","Principal":"*","Action":["s3:*","s3:Put*"],"Resource":"arn:aws:s3:::b","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
        assert_eq!(text.parse::<PolicyDocument>().unwrap().to_json(), text);
    }

    #[test]
    fn a_single_statement_and_bare_values_are_accepted() {
        let document: PolicyDocument = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:TlsVersion":1.2}}}}"#
            .parse()
            .unwrap();
        assert_eq!(document.version, "2008-10-17");
        let condition = &document.statements[0].condition;
        assert_eq!(condition["Bool"]["aws:SecureTransport"], "true".into());
        assert_eq!(condition["NumericLessThan"]["s3:TlsVersion"], "1.2".into());
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"Statement":[{"Effect":"Maybe","Action":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":"arn:aws:iam::1:root"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":[["a"]]}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Actions":"a"}]}"#,
        ] {
            assert!(text.parse::<PolicyDocument>().is_err(), "{text}");
        }
    }

    #[test]
    fn iam_answers_percent_encoded() {
        let text = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        assert_eq!(
            PolicyDocument::from_percent_encoded(text).unwrap(),
            PolicyDocument::new(Vec::new())
        );
    }
}
