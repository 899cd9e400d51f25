use serde::Serialize;

use crate::events::answer::SearchedEvent;

/// What orgtrail adds to a record.
#[derive(Serialize)]
struct Added<'e> {
    key: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'static str>,
}

/// A record on one line, as CloudTrail wrote it, with a last member `orgtrail`: the key of its
/// file, and whether it is proven.
pub fn json_line(event: &SearchedEvent) -> Result<String, serde_json::Error> {
    let proof = event.proof.map(|proof| proof.as_str());
    let added = serde_json::to_string(&Added { key: &event.file, proof })?;
    let record = event.raw.trim_end();
    let open = record.strip_suffix('}').unwrap_or(record).trim_end();
    let comma = if open.ends_with('{') { "" } else { "," };
    // JSON has no line breaks within strings.
    Ok(format!("{open}{comma}\"orgtrail\":{added}}}").replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_record_keeps_its_text_and_becomes_one_line() {
        for (raw, begins) in [
            (r#"{"eventName":"A\nB","x":1.50}"#, r#"{"eventName":"A\nB","x":1.50,"orgtrail":"#),
            ("{\n  \"a\": 1\n}\n", "{   \"a\": 1,\"orgtrail\":"),
            ("{ }", "{\"orgtrail\":"),
        ] {
            let event = SearchedEvent { raw: raw.into(), file: "k".to_owned(), proof: None };
            let line = json_line(&event).unwrap();
            assert!(line.starts_with(begins) && !line.contains('\n'), "{line}");
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["orgtrail"], serde_json::json!({ "key": "k" }));
        }
    }
}
