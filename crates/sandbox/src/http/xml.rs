//! The query protocol's answers.

use std::fmt::Write as _;

use serde_json::Value;

use super::protocol::is_timestamp;
use crate::api::ApiError;

/// Members that are maps, which XML writes as entries: SNS's attributes, IAM's
/// account summary.
const MAPS: [&str; 2] = ["Attributes", "SummaryMap"];

/// The answer to a successful call.
pub(super) fn success(namespace: &str, operation: &str, output: &Value, id: &str) -> String {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">");
    if output.as_object().is_some_and(|members| !members.is_empty()) {
        let _ = write!(xml, "<{operation}Result>");
        members(&mut xml, output);
        let _ = write!(xml, "</{operation}Result>");
    } else if output.is_object() {
        // Clients look for the element even where nothing is in it.
        let _ = write!(xml, "<{operation}Result/>");
    }
    let _ = write!(
        xml,
        "<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    xml
}

/// The answer to a refused call.
pub(super) fn error(namespace: &str, code: &str, error: &ApiError, id: &str) -> String {
    let fault = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
        escape(&error.message)
    )
}

fn members(xml: &mut String, value: &Value) {
    let Value::Object(members) = value else { return };
    for (name, member) in members {
        element(xml, name, member);
    }
}

fn element(xml: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    let _ = write!(xml, "<{name}>");
    match value {
        Value::Array(items) => items.iter().for_each(|item| element(xml, "member", item)),
        Value::Object(entries) if MAPS.contains(&name) => {
            for (key, value) in entries {
                let _ = write!(xml, "<entry><key>{}</key>", escape(key));
                element(xml, "value", value);
                xml.push_str("</entry>");
            }
        }
        Value::Object(_) => members(xml, value),
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Number(number) => match number.as_f64() {
            Some(seconds) if is_timestamp(name) => xml.push_str(&iso8601(seconds)),
            _ => {
                let _ = write!(xml, "{number}");
            }
        },
        Value::Bool(flag) => {
            let _ = write!(xml, "{flag}");
        }
        Value::Null => {}
    }
    let _ = write!(xml, "</{name}>");
}

#[expect(clippy::cast_possible_truncation, reason = "whole seconds are what AWS gives here")]
fn iso8601(seconds: f64) -> String {
    jiff::Timestamp::from_second(seconds as i64).unwrap_or_default().to_string()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other if is_reference(other) => reference(&mut escaped, other),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An answer whose text has control characters written as references, as S3
/// writes those of keys: bare, no client reads them.
pub(super) fn with_references(answer: &str) -> String {
    let mut written = String::with_capacity(answer.len() + 16);
    for character in answer.chars() {
        if is_reference(character) {
            reference(&mut written, character);
        } else {
            written.push(character);
        }
    }
    written
}

/// Whether a character cannot stand in XML as it is, or would come back as
/// another one.
pub(super) fn is_reference(character: char) -> bool {
    character.is_ascii_control() && !matches!(character, '\n' | '\t')
}

fn reference(xml: &mut String, character: char) {
    let _ = write!(xml, "&#x{:x};", u32::from(character));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_maps_and_times_are_written_as_the_query_protocol_wants() {
        let output = json!({
            "Roles": [{"RoleName": "a<b\u{1}\r", "CreateDate": 0}],
            "SummaryMap": {"AccountMFAEnabled": 1},
            "Marker": null,
        });
        let xml = success("ns", "ListRoles", &output, "r1");
        assert_eq!(
            xml,
            "<ListRolesResponse xmlns=\"ns\"><ListRolesResult>\
             <Roles><member><CreateDate>1970-01-01T00:00:00Z</CreateDate>\
             <RoleName>a&lt;b&#x1;&#xd;</RoleName></member></Roles>\
             <SummaryMap><entry><key>AccountMFAEnabled</key><value>1</value></entry></SummaryMap>\
             </ListRolesResult><ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata>\
             </ListRolesResponse>"
        );
    }
}
