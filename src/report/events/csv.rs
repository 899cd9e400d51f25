use crate::events::Event;
use crate::events::answer::{Proof, SearchedEvent};
use crate::report::spreadsheet::guarded;

const HEADER: [&str; 16] = [
    "time",
    "account",
    "region",
    "source",
    "name",
    "principal",
    "principal_type",
    "principal_id",
    "access_key",
    "source_ip",
    "user_agent",
    "error",
    "read_only",
    "event_id",
    "key",
    "proof",
];

/// The line of names.
pub fn csv_header() -> Result<String, ::csv::Error> {
    line(HEADER)
}

/// The line of an event.
///
/// A value that a spreadsheet would treat as a formula gets an apostrophe before it.
pub fn csv_row(event: &SearchedEvent) -> Result<String, ::csv::Error> {
    let SearchedEvent { raw, file, proof } = event;
    let event = Event::parse(raw).unwrap_or_default();
    let failure = event.failure();
    let identity = &event.identity;
    let text = |field: Option<&str>| guarded(field.unwrap_or_default()).into_owned();
    line([
        text(event.time.as_deref()),
        text(event.account()),
        text(event.region.as_deref()),
        text(event.source.as_deref()),
        text(event.name.as_deref()),
        text(identity.principal()),
        text(identity.kind.as_deref()),
        text(identity.principal_id.as_deref()),
        text(identity.access_key.as_deref()),
        text(event.source_ip.as_deref()),
        text(event.user_agent.as_deref()),
        text(failure.as_ref().map(|failure| &*failure.code)),
        text(event.read_only.map(|flag| if flag { "true" } else { "false" })),
        text(event.id.as_deref()),
        text(Some(file)),
        text(proof.map(Proof::as_str)),
    ])
}

fn line<T: AsRef<[u8]>>(fields: [T; HEADER.len()]) -> Result<String, ::csv::Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    let bytes = writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let raw =
            r#"{"eventName":"=HYPERLINK(\"x\")","userAgent":"@SUM(A1)","sourceIPAddress":"a\n,b"}"#;
        let event = SearchedEvent { raw: raw.into(), file: "-k".to_owned(), proof: None };
        let text = format!("{}\n{}\n", csv_header().unwrap(), csv_row(&event).unwrap());
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!((&row[4], &row[10], &row[14]), ("'=HYPERLINK(\"x\")", "'@SUM(A1)", "'-k"));
        assert_eq!(&row[9], "a\n,b");
    }
}
