//! `requestParameters` and `responseElements` of what clients called: members as CloudTrail
//! names them, without secrets.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::api::{ApiError, Call, Reply, Service};
use crate::simulator::record::expiration;

/// What no record has: secrets and content.
const LEFT_OUT: [&str; 13] = [
    "SecretAccessKey",
    "SessionToken",
    "TokenCode",
    "AuthenticationCode1",
    "AuthenticationCode2",
    "Base32StringSeed",
    "QRCodePNG",
    "Password",
    "Plaintext",
    "CiphertextBlob",
    "EncryptedKeyMaterial",
    "ImportToken",
    "Mac",
];
/// Members that are maps, whose keys are the client's own.
const MAPS: [&str; 4] = ["EncryptionContext", "Attributes", "Tags", "tags"];
/// Members of the query protocol that are numbers.
const NUMBERS: [&str; 6] = [
    "DurationSeconds",
    "MaxItems",
    "MaxSessionDuration",
    "TimeoutInMinutes",
    "VerificationCount",
    "PackedPolicySize",
];

/// What the client asked for. A refused call to STS leaves it out.
pub(super) fn parameters(call: &Call<'_>, refusal: Option<&ApiError>) -> Value {
    let is_denied = refusal.is_some_and(|error| error.code.starts_with("AccessDenied"));
    if is_denied && call.service == Service::Sts {
        return Value::Null;
    }
    non_empty(renamed(call, call.input))
}

/// What the service answered, where the call changes something or gives out credentials.
pub(super) fn answer(call: &Call<'_>, read_only: bool, reply: &Reply) -> Value {
    let gives_out = call.service == Service::Sts && call.operation != "GetCallerIdentity";
    match reply {
        Ok(reply) if !read_only || gives_out => non_empty(renamed(call, reply)),
        _ => Value::Null,
    }
}

fn non_empty(value: Value) -> Value {
    if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value }
}

fn renamed(call: &Call<'_>, value: &Value) -> Value {
    let is_form = matches!(
        call.service,
        Service::Iam | Service::Sts | Service::Sns | Service::CloudFormation
    );
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(name, value)| {
                let is_content = call.service == Service::Kms && *name == "Message";
                !value.is_null() && !is_content && !LEFT_OUT.contains(&name.as_str())
            });
            Value::Object(
                members
                    .map(|(name, value)| (lower(name), member(call, is_form, name, value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(|item| renamed(call, item)).collect(),
        other => other.clone(),
    }
}

fn member(call: &Call<'_>, is_form: bool, name: &str, value: &Value) -> Value {
    match value {
        Value::Object(_) if MAPS.contains(&name) => value.clone(),
        Value::String(text) if is_form && NUMBERS.contains(&name) => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Value::from)
        }
        Value::String(text) if is_form && matches!(text.as_str(), "true" | "false") => {
            (text == "true").into()
        }
        // Who gets a topic's messages is personal.
        Value::String(_) if call.service == Service::Sns && name == "Endpoint" => {
            "HIDDEN_DUE_TO_SECURITY_REASONS".into()
        }
        Value::Number(number) if is_time(name) => {
            let seconds = number.as_f64().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
            let time = Timestamp::from_second(seconds as i64);
            time.map_or_else(|_| value.clone(), |time| expiration(time).into())
        }
        _ => renamed(call, value),
    }
}

fn is_time(name: &str) -> bool {
    ["Date", "Time", "Timestamp"].iter().any(|end| name.ends_with(end)) || name == "Expiration"
}

/// A member's name as CloudTrail has it: with a small letter first.
fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_a_small_letter() {
        assert_eq!(lower("S3BucketName"), "s3BucketName");
        assert_eq!(lower("TrailARN"), "trailARN");
        assert_eq!(lower("logGroupName"), "logGroupName");
        assert_eq!(lower(""), "");
    }
}
