//! Event patterns: which events a rule wants.
//!
//! Source: EventBridge User Guide, "Creating Amazon EventBridge event patterns" and
//! "Comparison operators". What is not read here is refused when the rule is put.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A pattern that was checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Pattern {
    text: String,
    fields: Map<String, Value>,
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > 4096 {
            return Err("Event pattern is too long".to_owned());
        }
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let Value::Object(fields) = value else {
            return Err("Filter is not an object".to_owned());
        };
        check(&fields)?;
        Ok(Self { text, fields })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl Pattern {
    /// As it was put.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether an event is one that the rule wants.
    pub(super) fn matches(&self, event: &Value) -> bool {
        matches(&self.fields, Some(event))
    }
}

fn check(fields: &Map<String, Value>) -> Result<(), String> {
    if fields.is_empty() {
        return Err("Empty objects are not allowed".to_owned());
    }
    for (name, value) in fields {
        if name.starts_with('$') {
            return Err(format!("the sandbox does not support {name} in event patterns"));
        }
        match value {
            Value::Object(inner) => check(inner)?,
            Value::Array(values) if values.is_empty() => {
                return Err("Empty arrays are not allowed".to_owned());
            }
            Value::Array(values) => values.iter().try_for_each(check_value)?,
            _ => return Err(format!("\"{name}\" must be an object or an array")),
        }
    }
    Ok(())
}

fn check_value(value: &Value) -> Result<(), String> {
    let Value::Object(operator) = value else {
        return if value.is_array() {
            Err("Match value must be String, number, true, false, or null".to_owned())
        } else {
            Ok(())
        };
    };
    let mut operators = operator.iter();
    let (Some((name, operand)), None) = (operators.next(), operators.next()) else {
        return Err("Only one key allowed in match expression".to_owned());
    };
    let is_valid = match name.as_str() {
        "prefix" | "suffix" | "equals-ignore-case" => operand.is_string(),
        "exists" => operand.is_boolean(),
        "anything-but" => match operand {
            Value::Array(values) => {
                !values.is_empty() && values.iter().all(|it| it.is_string() || it.is_number())
            }
            value => value.is_string() || value.is_number(),
        },
        _ => return Err(format!("the sandbox does not support `{name}` in event patterns")),
    };
    if is_valid { Ok(()) } else { Err(format!("the value of \"{name}\" is not valid")) }
}

fn matches(fields: &Map<String, Value>, event: Option<&Value>) -> bool {
    fields.iter().all(|(name, wanted)| {
        let found = event.and_then(|event| event.get(name));
        match wanted {
            Value::Object(inner) => matches(inner, found),
            Value::Array(values) => values.iter().any(|value| fits(value, found)),
            _ => false,
        }
    })
}

/// Whether a value of the event is one that the pattern lists; of an array, one is enough.
fn fits(wanted: &Value, found: Option<&Value>) -> bool {
    if let Some(exists) = wanted.get("exists").and_then(Value::as_bool) {
        // Only leaves exist.
        let is_leaf = found.is_some_and(|found| !found.is_object());
        return exists == is_leaf;
    }
    match found {
        None => false,
        Some(Value::Array(values)) => values.iter().any(|one| fits_one(wanted, one)),
        Some(found) => fits_one(wanted, found),
    }
}

fn fits_one(wanted: &Value, found: &Value) -> bool {
    let Value::Object(operator) = wanted else { return wanted == found };
    operator.iter().all(|(name, operand)| {
        let texts = found.as_str().zip(operand.as_str());
        match name.as_str() {
            "prefix" => texts.is_some_and(|(found, prefix)| found.starts_with(prefix)),
            "suffix" => texts.is_some_and(|(found, suffix)| found.ends_with(suffix)),
            "equals-ignore-case" => {
                texts.is_some_and(|(found, text)| found.eq_ignore_ascii_case(text))
            }
            "anything-but" => match operand {
                Value::Array(values) => !values.contains(found),
                value => value != found,
            },
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pattern(pattern: &Value) -> Result<Pattern, String> {
        Pattern::try_from(pattern.to_string())
    }

    #[test]
    fn every_field_must_match_one_of_its_values() {
        let wanted = json!({
            "source": ["aws.organizations", "aws.controltower"],
            "detail": { "eventName": ["MoveAccount"], "errorCode": [{ "exists": false }] },
        });
        let wanted = pattern(&wanted).unwrap();
        let event = json!({
            "source": "aws.organizations", "detail": { "eventName": "MoveAccount", "more": 1 },
        });
        assert!(wanted.matches(&event));
        let mut other = event.clone();
        other["detail"]["eventName"] = "CreateAccount".into();
        assert!(!wanted.matches(&other));
        let mut failed = event.clone();
        failed["detail"]["errorCode"] = "AccessDenied".into();
        assert!(!wanted.matches(&failed));
        assert!(!wanted.matches(&json!({ "source": "aws.organizations" })));
    }

    #[test]
    fn operators_compare_as_documented() {
        for (operator, value, fits) in [
            (json!({ "prefix": "aws." }), json!("aws.s3"), true),
            (json!({ "prefix": "aws." }), json!(1), false),
            (json!({ "suffix": ".s3" }), json!(["a", "aws.s3"]), true),
            (json!({ "equals-ignore-case": "A" }), json!("a"), true),
            (json!({ "anything-but": ["a", "b"] }), json!("c"), true),
            (json!({ "anything-but": "a" }), json!("a"), false),
            (json!(null), json!(null), true),
        ] {
            let wanted = pattern(&json!({ "field": [operator] })).unwrap();
            assert_eq!(wanted.matches(&json!({ "field": value })), fits, "{}", wanted.text());
            assert!(!wanted.matches(&json!({})), "{}", wanted.text());
        }
    }

    #[test]
    fn patterns_that_are_invalid_or_unsupported_are_refused() {
        for refused in [
            json!({}),
            json!([]),
            json!({ "source": "aws.s3" }),
            json!({ "source": [] }),
            json!({ "source": [["a"]] }),
            json!({ "detail": {} }),
            json!({ "source": [{ "wildcard": "*" }] }),
            json!({ "source": [{ "prefix": 1 }] }),
            json!({ "source": [{ "prefix": "a", "suffix": "b" }] }),
            json!({ "$or": [{ "source": ["a"] }] }),
        ] {
            assert!(pattern(&refused).is_err(), "{refused}");
        }
        assert!(Pattern::try_from("{".to_owned()).is_err());
    }
}
