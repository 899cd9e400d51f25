use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, RecordBatch};
use bytes::Bytes;
use flate2::read::GzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::columns::Read;
use super::table::TableWriter;
use super::*;

fn file(format: Format, records: &[String]) -> Vec<u8> {
    let mut file = ExportFile::new(format, None, Vec::new()).unwrap();
    for record in records {
        let mut row = ExportedEvent::new(Event::parse(record).unwrap(), "AWSLogs/key");
        row.proof = Some("proven");
        row.account = Some("222222222222");
        file.write(&row).unwrap();
    }
    file.finish().unwrap()
}

fn batches(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    reader.build().unwrap().map(|batch| batch.unwrap()).collect()
}

/// The rows of a table as texts, read back.
fn rows(bytes: Vec<u8>) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for batch in batches(bytes) {
        for row in 0..batch.num_rows() {
            let cell = |(column, about): (&Arc<dyn arrow_array::Array>, &Column)| {
                if column.is_null(row) {
                    return None;
                }
                Some(match about.read {
                    Read::Text(_) => column.as_string::<i32>().value(row).to_owned(),
                    Read::Flag(_) => column.as_boolean().value(row).to_string(),
                    Read::Time(_) => {
                        let at = column.as_primitive::<TimestampMicrosecondType>().value(row);
                        jiff::Timestamp::from_microsecond(at).unwrap().to_string()
                    }
                    Read::Texts(_) => {
                        let all = column.as_list::<i32>().value(row);
                        let all = all.as_string::<i32>();
                        all.iter().flatten().collect::<Vec<_>>().join(" ")
                    }
                })
            };
            rows.push(batch.columns().iter().zip(COLUMNS).map(cell).collect());
        }
    }
    rows
}

fn at<'a>(row: &'a [Option<String>], name: &str) -> Option<&'a str> {
    let place = COLUMNS.iter().position(|column| column.name == name).unwrap();
    row[place].as_deref()
}

#[test]
fn a_table_has_what_the_records_say() {
    let record = json!({
        "eventTime": "2026-11-20T10:42:00Z", "eventID": "e1", "eventName": "GetObject",
        "awsRegion": "us-east-1", "readOnly": true, "managementEvent": false,
        "userIdentity": { "principalId": "AROAX:alice", "sessionContext": { "attributes": {
            "creationDate": "2026-11-20T10:00:00Z", "mfaAuthenticated": "false" } } },
        "responseElements": { "errorCode": "Denied", "errorMessage": "no" },
        "requestParameters": { "b": [1, null] },
        "resources": [{ "ARN": "arn:aws:s3:::b" }, { "ARN": "arn:aws:s3:::b/k" }],
    })
    .to_string();
    let bytes = file(Format::Parquet, &[record.clone(), "{}".to_owned()]);
    let rows = rows(bytes.clone());
    for (name, value) in [
        ("event_time", "2026-11-20T10:42:00Z"),
        ("event_id", "e1"),
        ("account", "222222222222"),
        ("region", "us-east-1"),
        ("read_only", "true"),
        ("management_event", "false"),
        ("session_name", "alice"),
        ("session_created_at", "2026-11-20T10:00:00Z"),
        ("mfa_authenticated", "false"),
        ("error_code", "Denied"),
        ("error_message", "no"),
        ("failed", "true"),
        ("resources", "arn:aws:s3:::b arn:aws:s3:::b/k"),
        ("request_parameters", "{\"b\":[1,null]}"),
        ("raw", record.as_str()),
        ("source_key", "AWSLogs/key"),
        ("proof", "proven"),
    ] {
        assert_eq!(at(&rows[0], name), Some(value), "{name}");
    }
    let set: Vec<&str> = COLUMNS
        .iter()
        .map(|column| column.name)
        .filter(|name| at(&rows[1], name).is_some())
        .collect();
    assert_eq!(set, ["account", "failed", "resources", "raw", "source_key", "proof"]);
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    assert_eq!(reader.metadata().file_metadata().created_by(), Some("orgtrail"));
}

#[test]
fn a_large_table_has_several_row_groups_and_every_row() {
    // Batches end at 2 MiB, row groups with the first batch after 3.
    let padding = "x".repeat(1 << 20);
    let mut table = TableWriter::with_groups_of(3 << 20, Vec::new()).unwrap();
    for number in 0..7 {
        let record = json!({ "eventID": format!("{number}"), "pad": padding }).to_string();
        table.write(&ExportedEvent::new(Event::parse(&record).unwrap(), "k")).unwrap();
    }
    let bytes = table.finish().unwrap();
    let reader = SerializedFileReader::new(Bytes::from(bytes.clone())).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let found = rows(bytes);
    let ids: Vec<_> = found.iter().map(|row| at(row, "event_id").unwrap().to_owned()).collect();
    assert_eq!(ids, (0..7).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_empty_table_can_be_read() {
    assert!(rows(file(Format::Parquet, &[])).is_empty());
}

#[test]
fn lines_are_one_event_each() {
    let records = ["{\"eventID\":\"a\"}".to_owned(), "{\n\"eventID\":\"b\"}".to_owned()];
    for (format, lines) in [(Format::Ocsf, 2), (Format::Ndjson, 2), (Format::OpenSearch, 4)] {
        let bytes = file(format, &records);
        assert_eq!(bytes, file(format, &records));
        let text = std::io::read_to_string(GzDecoder::new(&*bytes)).unwrap();
        let all: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all.len(), lines, "{text}");
        assert!(text.ends_with('\n'));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\:\u{e9}\u{1f600}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z]{0,4}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_records_say_a_table_gives_it_back(
        records in prop::collection::vec(prop::collection::vec((
            prop::sample::select(vec![
                "eventTime", "eventID", "eventName", "userIdentity", "resources", "readOnly",
                "requestParameters", "responseElements", "errorCode", "tlsDetails", "other",
            ]),
            any_value(),
        ), 0..6), 0..12),
    ) {
        let records: Vec<String> = records
            .into_iter()
            .map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect()).to_string()
            })
            .collect();
        let bytes = file(Format::Parquet, &records);
        prop_assert_eq!(&bytes, &file(Format::Parquet, &records));
        let found = rows(bytes);
        prop_assert_eq!(found.len(), records.len());
        for (row, record) in found.iter().zip(&records) {
            let event = Event::parse(record).unwrap();
            prop_assert_eq!(at(row, "raw"), Some(record.as_str()));
            prop_assert_eq!(at(row, "event_id"), event.id.as_deref());
            prop_assert_eq!(at(row, "failed") == Some("true"), event.failure().is_some());
            let request = event.request.map(|value| value.get().to_owned());
            prop_assert_eq!(at(row, "request_parameters"), request.as_deref());
            // Nothing makes the other formats fail.
            let exported = ExportedEvent::new(event, "k");
            prop_assert!(ocsf_event(&exported)["class_uid"].is_u64());
        }
    }
}
