use std::cmp::Ordering;

use serde_json::Value;

use super::{Expression, FilterPattern, Literal, Operator, Segment, Test, number};

impl FilterPattern {
    /// Whether the pattern matches an event.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        matches(&self.0, event)
    }
}

fn matches(expression: &Expression, event: &Value) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| matches(part, event)),
        Expression::Any(parts) => parts.iter().any(|part| matches(part, event)),
        Expression::Property(path, test) => passes(test, find(path, event)),
    }
}

fn find<'e>(path: &[Segment], event: &'e Value) -> Option<&'e Value> {
    path.iter().try_fold(event, |value, segment| match segment {
        Segment::Key(key) => value.as_object()?.get(key),
        Segment::Index(index) => value.as_array()?.get(*index),
    })
}

fn passes(test: &Test, found: Option<&Value>) -> bool {
    match test {
        Test::IsNull => found.is_some_and(Value::is_null),
        Test::IsTrue => found == Some(&Value::Bool(true)),
        Test::IsFalse => found == Some(&Value::Bool(false)),
        Test::NotExists => found.is_none(),
        // What is missing is neither equal nor unequal to anything.
        Test::Compare(operator, literal) => {
            found.is_some_and(|found| compare(*operator, literal, found))
        }
    }
}

fn compare(operator: Operator, literal: &Literal, found: &Value) -> bool {
    let equal = match (literal, found) {
        (Literal::Quoted(expected) | Literal::Bare(expected), Value::String(found)) => {
            is_like(expected, found)
        }
        (Literal::Bare(expected), Value::Number(found)) => match (number(expected), found.as_f64())
        {
            (Some(expected), Some(found)) => {
                return ordered(operator, found.partial_cmp(&expected));
            }
            _ => is_like(expected, &found.to_string()),
        },
        // AWS does not say what a text is to a boolean, or a quoted text to a number.
        // Not to match is what an alarm can be judged by: none is relied on that might
        // not be raised.
        (_, _) => return false,
    };
    match operator {
        Operator::Equal => equal,
        Operator::NotEqual => !equal,
        // Only numbers have an order.
        _ => false,
    }
}

fn ordered(operator: Operator, found: Option<Ordering>) -> bool {
    match operator {
        Operator::Equal => found == Some(Ordering::Equal),
        Operator::NotEqual => found != Some(Ordering::Equal),
        Operator::Less => found == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(found, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => found == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(found, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// Whether `found` matches `expected`, in which `*` matches any characters.
#[must_use]
pub fn is_like(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
