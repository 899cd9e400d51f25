use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// A digest of what was observed: lower-case hexadecimal SHA-256 of its JSON
/// with sorted keys.
#[must_use]
pub fn fingerprint(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    hex::encode(digest(&SHA256, text.as_bytes()))
}

/// The digest over the digests of all resources.
#[must_use]
pub fn fingerprint_of_all(parts: &BTreeMap<String, String>) -> String {
    let all = parts.iter().map(|(id, digest)| (id.clone(), Value::String(digest.clone())));
    fingerprint(&Value::Object(all.collect()))
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            text.push('{');
            for (at, (name, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_canonical(value, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count_and_values_do() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[true,{"c":"x","d":null}]}"#).unwrap();
        let other: Value =
            serde_json::from_str(r#"{"b":[true,{"d":null,"c":"x"}],"a":1}"#).unwrap();
        assert_eq!(fingerprint(&one), fingerprint(&other));
        assert_ne!(fingerprint(&one), fingerprint(&json!({"a": 2})));
        assert_eq!(
            fingerprint(&json!({})),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }
}
