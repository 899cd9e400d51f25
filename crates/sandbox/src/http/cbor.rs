//! Smithy RPC v2 CBOR: the protocol of CloudWatch's newer clients.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ciborium::value::{Integer, Value as Cbor};
use serde_json::{Map, Number, Value as Json};

use super::protocol::is_timestamp;

/// CBOR's tag for seconds since the epoch.
const EPOCH_TAG: u64 = 1;

/// Reads a body; `None` where it is no CBOR map.
pub(super) fn decode(body: &[u8]) -> Option<Json> {
    if body.is_empty() {
        return Some(Json::Object(Map::new()));
    }
    let value: Cbor = ciborium::from_reader(body).ok()?;
    matches!(value, Cbor::Map(_)).then(|| to_json(value))
}

/// Writes an answer.
pub(super) fn encode(output: &Json) -> Vec<u8> {
    let mut body = Vec::new();
    // Writing into memory does not fail.
    drop(ciborium::into_writer(&to_cbor("", output), &mut body));
    body
}

fn to_json(value: Cbor) -> Json {
    match value {
        Cbor::Integer(number) => {
            let number = i128::from(number);
            i64::try_from(number)
                .map(Json::from)
                .or_else(|_| u64::try_from(number).map(Json::from))
                .unwrap_or(Json::Null)
        }
        Cbor::Bytes(bytes) => Json::String(BASE64.encode(bytes)),
        Cbor::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Cbor::Text(text) => Json::String(text),
        Cbor::Bool(flag) => Json::Bool(flag),
        Cbor::Tag(_, inner) => to_json(*inner),
        Cbor::Array(items) => Json::Array(items.into_iter().map(to_json).collect()),
        Cbor::Map(entries) => Json::Object(
            entries
                .into_iter()
                .filter_map(|(key, value)| Some((key.into_text().ok()?, to_json(value))))
                // A member sent as null is a member not sent.
                .filter(|(_, value)| !value.is_null())
                .collect(),
        ),
        _ => Json::Null,
    }
}

fn to_cbor(name: &str, value: &Json) -> Cbor {
    match value {
        Json::Null => Cbor::Null,
        Json::Bool(flag) => Cbor::Bool(*flag),
        Json::Number(number) if is_timestamp(name) => {
            Cbor::Tag(EPOCH_TAG, Box::new(Cbor::Float(number.as_f64().unwrap_or_default())))
        }
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Cbor::Integer(Integer::from(number)),
            (None, Some(number)) => Cbor::Integer(Integer::from(number)),
            (None, None) => Cbor::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Cbor::Text(text.clone()),
        Json::Array(items) => Cbor::Array(items.iter().map(|item| to_cbor(name, item)).collect()),
        Json::Object(members) => Cbor::Map(
            members
                .iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (Cbor::Text(name.clone()), to_cbor(name, member)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({
            "AlarmName": "root-use",
            "Threshold": 1.0,
            "Period": 300,
            "ActionsEnabled": true,
            "AlarmActions": ["arn"],
            "StateUpdatedTimestamp": 1_767_225_600.0,
        });
        assert_eq!(decode(&encode(&value)).unwrap(), value);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert_eq!(decode(b"\x01"), None);
        assert_eq!(decode(b"\xff\xff"), None);
        assert_eq!(decode(b""), Some(json!({})));
    }
}
