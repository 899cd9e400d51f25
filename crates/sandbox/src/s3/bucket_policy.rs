//! Bucket policies: what is refused when one is put, and whether one is public.

use orgtrail_base::names::Partition;
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde_json::Value;

use super::bucket::Policy;
use super::error::refuse;
use crate::policy::{Document, PolicyType};
use crate::principals;
use crate::simulation::Control;

/// The longest policy that S3 takes.
const MAX_BYTES: usize = 20 * 1024;

/// Conditions on these keep a statement for everybody from being public, where
/// they compare with fixed values.
const NARROWING_KEYS: [&str; 14] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointarn",
];

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::MalformedPolicy, message)
}

/// Parses a policy that was accepted before.
pub(super) fn parse(text: String) -> Result<Policy, String> {
    let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let is_public = statements(&json).iter().any(|statement| is_public(statement));
    let document = Document::new(text, PolicyType::Resource).map_err(|malformed| malformed.0)?;
    Ok(Policy { document, is_public })
}

/// Checks a policy as S3 does when it is put on a bucket.
///
/// # Errors
/// `MalformedPolicy`, saying what is wrong.
pub(super) fn check(
    text: &str,
    partition: Partition,
    bucket: &str,
    control: &Control,
) -> S3Result<Policy> {
    if text.len() > MAX_BYTES {
        return Err(malformed("Policies must be no longer than 20480 bytes"));
    }
    if !text.starts_with('{') {
        return Err(malformed("Policies must be valid JSON and the first byte must be '{'"));
    }
    let text = principals::resolved(control, partition, text)
        .map_err(|_| malformed("Invalid principal in policy"))?;
    let json: Value =
        serde_json::from_str(&text).map_err(|_| malformed("This policy contains invalid Json"))?;
    let policy = parse(text).map_err(malformed)?;
    let arn = format!("arn:{partition}:s3:::{bucket}");
    for statement in statements(&json) {
        let both = |name, not| [name, not].map(|field| statement.get(field)).into_iter().flatten();
        for action in both("Action", "NotAction").flat_map(texts) {
            let known = action == "*"
                || action
                    .split_once(':')
                    .is_some_and(|(service, _)| service.eq_ignore_ascii_case("s3"));
            if !known {
                return Err(malformed("Policy has invalid action"));
            }
        }
        for resource in both("Resource", "NotResource").flat_map(texts) {
            let inside = resource
                .strip_prefix(&arn)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*']));
            if !inside {
                return Err(malformed("Policy has invalid resource"));
            }
        }
    }
    Ok(policy)
}

fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// A string, or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_for_everybody(principal: &Value) -> bool {
    principal.as_str() == Some("*")
        || principal.get("AWS").is_some_and(|ids| texts(ids).contains(&"*"))
}

/// Whether a statement makes its bucket public, as S3 defines it: allows
/// everybody, under no condition on a fixed value of a narrowing key.
fn is_public(statement: &Value) -> bool {
    if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
        return false;
    }
    let everybody = statement.get("Principal").is_some_and(is_for_everybody)
        || statement.get("NotPrincipal").is_some();
    if !everybody {
        return false;
    }
    let conditions = statement.get("Condition").and_then(Value::as_object);
    !conditions.into_iter().flatten().any(|(operator, keys)| {
        let compares = operator.starts_with("StringEquals")
            || operator.starts_with("StringLike")
            || operator.starts_with("Arn")
            || operator.starts_with("IpAddress")
            || operator.starts_with("ForAnyValue:String");
        compares
            && !operator.contains("Not")
            && keys.as_object().into_iter().flatten().any(|(key, values)| {
                NARROWING_KEYS.contains(&key.to_ascii_lowercase().as_str())
                    && texts(values).iter().all(|value| {
                        *value != "*" && !value.contains("${") && *value != "0.0.0.0/0"
                    })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(text: &str) -> Result<Policy, String> {
        check(text, Partition::Aws, "acme", &Control::default()).map_err(|error| error.to_string())
    }

    fn statement(principal: &str, condition: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::acme/*","Condition":{condition}}}]}}"#
        )
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"Version":"2012-10-17","Statement":[]}"#,
            r#"{"Version":"2013-01-01","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::acme"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::acme"}]}"#,
            r#"{"Statement":[{"Effect":"Maybe","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::acme"}]}"#,
            r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"arn:aws:s3:::acme"}]}"#,
            r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::other"}]}"#,
            &statement(r#"{"AWS":"999999999999"}"#, "{}"),
            &statement(r#"{"AWS":"nonsense"}"#, "{}"),
            &format!("{{\"Id\":\"{}\"}}", "x".repeat(MAX_BYTES)),
        ] {
            assert!(check_one(text).unwrap_err().contains("MalformedPolicy"), "{text}");
        }
    }

    #[test]
    fn public_is_everybody_under_no_narrowing_condition() {
        let public =
            |principal, condition| check_one(&statement(principal, condition)).unwrap().is_public;
        assert!(public(r#""*""#, "{}"));
        assert!(public(r#"{"AWS":"*"}"#, r#"{"Bool":{"aws:SecureTransport":"true"}}"#));

        assert!(!public(r#""*""#, r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#));
        assert!(!public(r#"{"Service":"cloudtrail.amazonaws.com"}"#, "{}"));
    }
}
