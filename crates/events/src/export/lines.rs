use serde::Serialize;

/// What orgtrail adds to a record.
#[derive(Serialize)]
struct Added<'e> {
    key: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'e str>,
}

/// A record on one line, as CloudTrail wrote it, with a last member `orgtrail`: the key of its
/// file, and whether it is proven.
///
/// # Errors
/// None that a text can cause.
pub fn json_line(raw: &str, key: &str, proof: Option<&str>) -> Result<String, serde_json::Error> {
    let added = serde_json::to_string(&Added { key, proof })?;
    let record = raw.trim_end();
    let open = record.strip_suffix('}').unwrap_or(record).trim_end();
    let comma = if open.ends_with('{') { "" } else { "," };
    // JSON has no line breaks within strings.
    let line = format!("{open}{comma}\"orgtrail\":{added}}}");
    if memchr::memchr2(b'\n', b'\r', line.as_bytes()).is_none() {
        return Ok(line);
    }
    Ok(line.replace(['\n', '\r'], " "))
}

/// An action of OpenSearch's `_bulk`.
#[derive(Serialize)]
struct Action<'e> {
    create: Target<'e>,
}

#[derive(Serialize)]
struct Target<'e> {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<&'e str>,
}

/// The two lines of a record for OpenSearch's `_bulk`: it is created under its id, so that
/// sending it twice adds nothing.
///
/// # Errors
/// As of [`json_line`].
pub fn bulk_lines(
    raw: &str,
    id: Option<&str>,
    key: &str,
    proof: Option<&str>,
) -> Result<String, serde_json::Error> {
    let action = serde_json::to_string(&Action { create: Target { id } })?;
    Ok(format!("{action}\n{}", json_line(raw, key, proof)?))
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
            let line = json_line(raw, "k", None).unwrap();
            assert!(line.starts_with(begins) && !line.contains('\n'), "{line}");
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["orgtrail"], serde_json::json!({ "key": "k" }));
        }
    }

    #[test]
    fn a_record_is_created_under_its_id() {
        let lines = bulk_lines("{\n\"a\":1}", Some("x\"y"), "k", Some("proven")).unwrap();
        let all: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all[0]["create"]["_id"], "x\"y");
        assert_eq!((&all[1]["a"], &all[1]["orgtrail"]["proof"]), (&1.into(), &"proven".into()));
        assert_eq!(all.len(), 2);
        assert!(bulk_lines("{}", None, "k", None).unwrap().starts_with("{\"create\":{}}\n"));
    }
}
