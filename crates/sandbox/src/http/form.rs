//! The query protocol's input: a flat form that stands for nested members.

use orgtrail_base::percent;
use serde_json::{Map, Value};

/// How many levels a dotted name may have; deeper ones are in no API, and would
/// exhaust the stack.
const MAX_LEVELS: usize = 32;

/// Decodes an `application/x-www-form-urlencoded` body into pairs.
pub(super) fn pairs(body: &str) -> Vec<(String, String)> {
    body.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Percent-decodes, and turns `+` into a space.
fn decode(text: &str) -> String {
    percent::decode_lossy(&text.replace('+', " "))
}

/// Nests the members that dotted names stand for: `Tags.member.1.Key` becomes
/// `{"Tags": [{"Key": …}]}`, `Attributes.entry.1.key` a map.
pub(super) fn nest(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let mut root = Map::new();
    for (name, value) in pairs {
        if matches!(name.as_str(), "Action" | "Version") || name.split('.').count() > MAX_LEVELS {
            continue;
        }
        let mut parts = name.split('.').peekable();
        let Some(first) = parts.next() else { continue };
        let mut slot = root.entry(first).or_insert(Value::Null);
        for part in parts {
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(members) = slot else { break };
            slot = members.entry(part).or_insert(Value::Null);
        }
        // `Tags=` is how clients send an empty list.
        *slot = Value::String(value);
    }
    collapse(Value::Object(root))
}

/// Turns `{"member": {"1": …}}` and `{"entry": {"1": {"key", "value"}}}` into
/// lists and maps.
fn collapse(value: Value) -> Value {
    let Value::Object(mut members) = value else { return value };
    if members.len() == 1 {
        if let Some(items) = members.get_mut("member").and_then(numbered) {
            return Value::Array(items.into_iter().map(collapse).collect());
        }
        if let Some(items) = members.get_mut("entry").and_then(numbered) {
            let entries = items.into_iter().filter_map(|entry| {
                let Value::Object(mut entry) = collapse(entry) else { return None };
                let key = entry.remove("key")?;
                Some((key.as_str()?.to_owned(), entry.remove("value").unwrap_or(Value::Null)))
            });
            return Value::Object(entries.collect());
        }
    }
    Value::Object(members.into_iter().map(|(name, member)| (name, collapse(member))).collect())
}

/// The values of `{"1": …, "2": …}` in numeric order, where all names are
/// numbers.
fn numbered(value: &mut Value) -> Option<Vec<Value>> {
    let members = value.as_object_mut()?;
    let mut items = Vec::with_capacity(members.len());
    for name in members.keys() {
        items.push(name.parse::<u32>().ok()?);
    }
    items.sort_unstable();
    Some(items.iter().filter_map(|number| members.remove(&number.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dotted_names_become_lists_maps_and_structures() {
        let body = "Action=X&Version=1&Name=a+b%2Fc&Tags.member.1.Key=k&Tags.member.1.Value=v\
            &Tags.member.10.Key=z&Tags.member.2.Key=m&Attributes.entry.1.key=Policy\
            &Attributes.entry.1.value=%7B%7D&Empty=";
        assert_eq!(
            nest(pairs(body)),
            json!({
                "Name": "a b/c",
                "Tags": [{"Key": "k", "Value": "v"}, {"Key": "m"}, {"Key": "z"}],
                "Attributes": {"Policy": "{}"},
                "Empty": "",
            })
        );
    }

    #[test]
    fn a_name_of_endless_levels_is_left_out() {
        let endless = "a.".repeat(1_000_000);
        assert_eq!(nest(pairs(&format!("{endless}=1&Name=x"))), json!({ "Name": "x" }));
    }
}
