//! Conditions, with AWS's rules for missing keys, many values and negation.
//!
//! The values of numbers, dates and networks are compared by `iam-rs`. The rest
//! is ours: that crate compares ARNs across their colons and `ArnEquals`
//! literally, takes keys by their case, and does not know the `IfExists` forms
//! of set operators.

use std::borrow::Cow;

use iam_rs::{
    Arn, Context, ContextValue, Decision, EvaluationOptions, IAMPolicy, IAMRequest,
    PolicyEvaluator, Principal, PrincipalId,
};
use serde_json::{Value, json};

use super::pattern::{Pattern, matches, matches_arn};

/// Where conditions and variables find their values.
pub trait ConditionKeys {
    /// The values of a key, by its name in small letters; empty where the
    /// request has no such key.
    fn values(&self, key: &str) -> Vec<Cow<'_, str>>;
}

/// One key of one operator of a statement.
#[derive(Debug)]
pub(super) struct Condition {
    key: String,
    set: Set,
    negated: bool,
    if_exists: bool,
    test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    None,
    ForAnyValue,
    ForAllValues,
}

#[derive(Debug)]
enum Test {
    /// Whether the key is missing.
    Null(bool),
    Equals(Vec<Pattern>, Case),
    Like(Vec<Pattern>),
    Arn(Vec<Pattern>),
    Bool(Vec<bool>),
    /// One evaluator a value: numbers, dates, networks.
    Compare(Vec<PolicyEvaluator>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Ignored,
}

/// The name under which `iam-rs` sees a value.
const VALUE: &str = "value";

impl Condition {
    /// Compiles one entry of a `Condition` block.
    ///
    /// # Errors
    /// What is wrong with it, for the message of a malformed policy.
    pub(super) fn new(
        operator: &str,
        key: &str,
        values: &Value,
        variables: bool,
    ) -> Result<Self, String> {
        let (set, name) = match operator.split_once(':') {
            None => (Set::None, operator),
            Some(("ForAnyValue", name)) => (Set::ForAnyValue, name),
            Some(("ForAllValues", name)) => (Set::ForAllValues, name),
            Some(_) => return Err(format!("Invalid Condition type : {operator}")),
        };
        let (name, if_exists) =
            name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let plain = name.replacen("Not", "", 1);
        let negated = plain != name;
        let values = texts(values)
            .ok_or_else(|| format!("Condition {operator} on {key} needs strings as values"))?;
        let patterns =
            || values.iter().map(|value| Pattern::new(value, variables)).collect::<Vec<_>>();
        let literal = || {
            values.iter().map(|value| Pattern::new_literal(value, variables)).collect::<Vec<_>>()
        };
        let flags = || {
            values
                .iter()
                .map(|value| value.to_ascii_lowercase().parse::<bool>())
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| format!("Condition {operator} on {key} needs true or false"))
        };
        let test = match plain.as_str() {
            "Null" if set == Set::None && !if_exists && !negated => {
                Test::Null(flags()?.first().copied().unwrap_or(false))
            }
            "StringEquals" | "BinaryEquals" => Test::Equals(literal(), Case::Exact),
            "StringEqualsIgnoreCase" => Test::Equals(literal(), Case::Ignored),
            "StringLike" => Test::Like(patterns()),
            "ArnEquals" | "ArnLike" => Test::Arn(patterns()),
            "Bool" if !negated => Test::Bool(flags()?),
            "NumericEquals"
            | "NumericLessThan"
            | "NumericLessThanEquals"
            | "NumericGreaterThan"
            | "NumericGreaterThanEquals"
            | "DateEquals"
            | "DateLessThan"
            | "DateLessThanEquals"
            | "DateGreaterThan"
            | "DateGreaterThanEquals"
            | "IpAddress" => Test::Compare(
                values.iter().map(|value| comparison(&plain, value)).collect::<Result<_, _>>()?,
            ),
            _ => return Err(format!("Invalid Condition type : {operator}")),
        };
        Ok(Self { key: key.to_ascii_lowercase(), set, negated, if_exists, test })
    }

    /// Whether the condition is met.
    pub(super) fn holds(&self, keys: &dyn ConditionKeys) -> bool {
        let found = keys.values(&self.key);
        if let Test::Null(missing) = self.test {
            return found.is_empty() == missing;
        }
        if found.is_empty() {
            return self.if_exists
                || match self.set {
                    Set::ForAllValues => true,
                    Set::ForAnyValue => false,
                    // A missing key equals nothing.
                    Set::None => self.negated,
                };
        }
        let variable = |key: &str| keys.values(key).into_iter().next().map(Cow::into_owned);
        let satisfies = |value: &Cow<'_, str>| self.test.accepts(value, &variable) != self.negated;
        let any = match self.set {
            Set::ForAnyValue => true,
            Set::ForAllValues => false,
            Set::None => !self.negated,
        };
        if any { found.iter().any(satisfies) } else { found.iter().all(satisfies) }
    }
}

impl Test {
    /// Whether one of the condition's values accepts this value.
    fn accepts(&self, value: &str, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        let any = |patterns: &[Pattern], test: &dyn Fn(&[u8]) -> bool| {
            patterns
                .iter()
                .any(|pattern| pattern.expand(variable).is_some_and(|pattern| test(&pattern)))
        };
        match self {
            Self::Null(_) => false,
            Self::Equals(patterns, Case::Exact) => {
                any(patterns, &|pattern| pattern == value.as_bytes())
            }
            Self::Equals(patterns, Case::Ignored) => {
                any(patterns, &|pattern| pattern.eq_ignore_ascii_case(value.as_bytes()))
            }
            Self::Like(patterns) => {
                any(patterns, &|pattern| matches(pattern, value.as_bytes(), false))
            }
            Self::Arn(patterns) => any(patterns, &|pattern| matches_arn(pattern, value)),
            Self::Bool(flags) => {
                flags.iter().any(|flag| value.eq_ignore_ascii_case(&flag.to_string()))
            }
            Self::Compare(evaluators) => {
                let request = probe(value);
                evaluators.iter().any(|evaluator| {
                    evaluator
                        .evaluate(&request)
                        .is_ok_and(|result| result.decision == Decision::Allow)
                })
            }
        }
    }
}

/// An evaluator that allows exactly what `operator` accepts against `expected`.
fn comparison(operator: &str, expected: &str) -> Result<PolicyEvaluator, String> {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": { operator: { VALUE: expected } },
        }],
    });
    let invalid = || format!("Invalid value for condition {operator}: {expected}");
    let policy = IAMPolicy::from_json(&policy.to_string()).map_err(|_| invalid())?;
    let options =
        EvaluationOptions { ignore_resource_constraints: true, ..EvaluationOptions::default() };
    let evaluator = PolicyEvaluator::with_policies(vec![policy]).with_options(options);
    // A value that cannot be read at all shows at the first comparison.
    let readable = if operator.starts_with("Date") {
        "2026-01-01T00:00:00Z"
    } else if operator == "IpAddress" {
        "127.0.0.1"
    } else {
        "1"
    };
    evaluator.evaluate(&probe(readable)).map_err(|_| invalid())?;
    Ok(evaluator)
}

fn probe(value: &str) -> IAMRequest {
    let mut context = Context::new();
    context.insert(VALUE.to_owned(), ContextValue::String(value.to_owned()));
    IAMRequest::new_with_context(
        Principal::Service(PrincipalId::String("sandbox.amazonaws.com".to_owned())),
        "sandbox:Compare",
        Arn {
            partition: "aws".to_owned(),
            service: "sandbox".to_owned(),
            region: String::new(),
            account_id: String::new(),
            resource: VALUE.to_owned(),
        },
        context,
    )
}

/// One value or many, as text.
fn texts(values: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match values {
        Value::Array(values) => values.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Known(HashMap<&'static str, Vec<&'static str>>);

    impl ConditionKeys for Known {
        fn values(&self, key: &str) -> Vec<Cow<'_, str>> {
            self.0.get(key).into_iter().flatten().map(|value| Cow::Borrowed(*value)).collect()
        }
    }

    fn known() -> Known {
        Known(HashMap::from([
            ("aws:username", vec!["Anna"]),
            ("aws:sourceip", vec!["10.1.2.3"]),
            ("aws:currenttime", vec!["2026-06-01T00:00:00Z"]),
            ("aws:multifactorauthage", vec!["300"]),
            ("aws:securetransport", vec!["true"]),
            ("aws:principalarn", vec!["arn:aws:iam::111111111111:role/a/b"]),
            ("aws:tagkeys", vec!["one", "two"]),
        ]))
    }

    #[test]
    fn conditions_hold_as_documented() {
        for (operator, key, values, expected) in [
            ("StringEquals", "aws:username", json!("Anna"), true),
            ("StringEquals", "aws:username", json!("anna"), false),
            ("StringEquals", "AWS:UserName", json!(["x", "Anna"]), true),
            ("StringEquals", "aws:username", json!("An*"), false),
            ("StringEqualsIgnoreCase", "aws:username", json!("aNNA"), true),
            ("StringNotEqualsIgnoreCase", "aws:username", json!("aNNA"), false),
            ("StringLike", "aws:username", json!("A*a"), true),
            ("StringLike", "aws:username", json!("a*"), false),
            ("StringLike", "aws:username", json!("${aws:username}"), true),
            ("StringEquals", "aws:username", json!("${aws:none}"), false),
            ("StringEquals", "aws:username", json!("${aws:none, 'Anna'}"), true),
            ("StringNotEquals", "aws:username", json!(["Anna", "Bert"]), false),
            ("StringNotEquals", "aws:username", json!(["Bert", "Carl"]), true),
            ("StringNotLike", "aws:username", json!(["A*", "B*"]), false),
            // Missing keys.
            ("StringEquals", "aws:none", json!("x"), false),
            ("StringNotEquals", "aws:none", json!("x"), true),
            ("StringLike", "aws:none", json!("*"), false),
            ("StringEqualsIfExists", "aws:none", json!("x"), true),
            ("StringEqualsIfExists", "aws:username", json!("x"), false),
            ("ArnNotLike", "aws:none", json!("*"), true),
            ("Bool", "aws:none", json!("false"), false),
            ("BoolIfExists", "aws:none", json!("false"), true),
            ("NumericLessThan", "aws:none", json!("1"), false),
            ("NumericLessThanIfExists", "aws:none", json!("1"), true),
            ("NumericNotEquals", "aws:none", json!("1"), true),
            ("NotIpAddress", "aws:none", json!("10.0.0.0/8"), true),
            ("DateNotEquals", "aws:none", json!("2026-01-01T00:00:00Z"), true),
            ("Null", "aws:none", json!("true"), true),
            ("Null", "aws:none", json!("false"), false),
            ("Null", "aws:username", json!("false"), true),
            ("Null", "aws:username", json!(true), false),
            // Booleans.
            ("Bool", "aws:securetransport", json!("true"), true),
            ("Bool", "aws:securetransport", json!(false), false),
            ("Bool", "aws:securetransport", json!("True"), true),
            // Numbers.
            ("NumericLessThan", "aws:multifactorauthage", json!("3600"), true),
            ("NumericLessThan", "aws:multifactorauthage", json!(300), false),
            ("NumericLessThanEquals", "aws:multifactorauthage", json!(300), true),
            ("NumericGreaterThan", "aws:multifactorauthage", json!("299.5"), true),
            ("NumericGreaterThanEquals", "aws:multifactorauthage", json!("301"), false),
            ("NumericEquals", "aws:multifactorauthage", json!(["1", "300"]), true),
            ("NumericNotEquals", "aws:multifactorauthage", json!(["1", "300"]), false),
            ("NumericEquals", "aws:username", json!("1"), false),
            // Dates.
            ("DateGreaterThan", "aws:currenttime", json!("2026-05-31T23:59:59Z"), true),
            ("DateLessThan", "aws:currenttime", json!("2026-05-31T23:59:59Z"), false),
            ("DateEquals", "aws:currenttime", json!("2026-06-01T00:00:00Z"), true),
            ("DateLessThanEquals", "aws:currenttime", json!("1780272000"), true),
            ("DateNotEquals", "aws:currenttime", json!("2026-06-01T00:00:00Z"), false),
            // Networks.
            ("IpAddress", "aws:sourceip", json!("10.0.0.0/8"), true),
            ("IpAddress", "aws:sourceip", json!("10.1.2.3"), true),
            ("IpAddress", "aws:sourceip", json!(["192.168.0.0/16", "10.2.0.0/16"]), false),
            ("NotIpAddress", "aws:sourceip", json!(["192.168.0.0/16", "10.0.0.0/8"]), false),
            ("NotIpAddress", "aws:sourceip", json!("192.168.0.0/16"), true),
            // ARNs: both operators take wildcards, none reaches over a colon.
            ("ArnLike", "aws:principalarn", json!("arn:aws:iam::*:role/a/*"), true),
            ("ArnEquals", "aws:principalarn", json!("arn:aws:iam::*:role/a/*"), true),
            ("ArnLike", "aws:principalarn", json!("arn:*:role/a/b"), false),
            ("ArnNotLike", "aws:principalarn", json!("arn:aws:iam::*:role/*"), false),
            ("ArnNotEquals", "aws:principalarn", json!("arn:aws:iam::*:role/x"), true),
            ("StringLike", "aws:principalarn", json!("arn:*:role/a/b"), true),
            // Sets.
            ("ForAnyValue:StringEquals", "aws:tagkeys", json!(["two", "three"]), true),
            ("ForAnyValue:StringEquals", "aws:tagkeys", json!("three"), false),
            ("ForAllValues:StringEquals", "aws:tagkeys", json!(["one", "two", "three"]), true),
            ("ForAllValues:StringEquals", "aws:tagkeys", json!(["one"]), false),
            ("ForAnyValue:StringNotEquals", "aws:tagkeys", json!("one"), true),
            ("ForAllValues:StringNotEquals", "aws:tagkeys", json!("one"), false),
            ("ForAllValues:StringNotLike", "aws:tagkeys", json!(["x*", "y*"]), true),
            ("ForAllValues:StringEquals", "aws:none", json!("x"), true),
            ("ForAnyValue:StringEquals", "aws:none", json!("x"), false),
            ("ForAnyValue:StringNotEquals", "aws:none", json!("x"), false),
            ("ForAnyValue:StringLikeIfExists", "aws:none", json!("x"), true),
            ("ForAnyValue:StringLikeIfExists", "aws:tagkeys", json!("o*"), true),
            ("ForAllValues:ArnLike", "aws:principalarn", json!("arn:aws:iam::*:role/*"), true),
        ] {
            let condition = Condition::new(operator, key, &values, true).unwrap();
            assert_eq!(condition.holds(&known()), expected, "{operator} {key} {values}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for (operator, values) in [
            ("StringIs", json!("x")),
            ("ForSomeValues:StringEquals", json!("x")),
            ("NotBool", json!("true")),
            ("Bool", json!("perhaps")),
            ("NullIfExists", json!("true")),
            ("NumericEquals", json!("many")),
            ("DateEquals", json!("soon")),
            ("IpAddress", json!("everywhere")),
            ("StringEquals", json!({"a": 1})),
        ] {
            assert!(
                Condition::new(operator, "aws:username", &values, true).is_err(),
                "{operator} {values}"
            );
        }
    }
}
