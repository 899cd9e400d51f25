//! Events of OCSF as Parquet: a table for each class, as Amazon Security Lake requires it of a
//! custom source.
//!
//! Source: Security Lake User Guide, "Collecting data from custom sources": Parquet, one class
//! of events in an object, sorted by time.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, RecordBatch, StructArray, new_null_array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::schema::types::ColumnPath;
use serde_json::Value;

use super::{OcsfClass, ocsf_event};
use crate::export::table::{GROUP_BYTES, GROUP_ROWS, Size, base_properties, element};
use crate::export::{ExportError, ExportedEvent};

/// Events are encoded in batches of about this size: as values they take several times as
/// much. Units: bytes of records.
const BATCH_BYTES: usize = 1 << 20;
/// The most events of a batch.
const BATCH_ROWS: usize = 1024;

/// Writes the events of a class, row group by row group.
pub(in crate::export) struct OcsfTableWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    rows: Vec<Value>,
    batch: Size,
    group: Size,
}

impl<W: Write + Send> OcsfTableWriter<W> {
    pub(in crate::export) fn new(class: OcsfClass, sink: W) -> Result<Self, ExportError> {
        let schema = schema(class);
        let mut properties = base_properties()?;
        for unlike in [&["raw_data"][..], &["api", "request", "data"], &["api", "response", "data"]]
        {
            let path: Vec<String> = unlike.iter().map(|&name| name.to_owned()).collect();
            properties = properties.set_column_dictionary_enabled(ColumnPath::new(path), false);
        }
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(sink, Arc::clone(&schema), options)?;
        let (batch, group) = (Size::default(), Size::default());
        Ok(Self { writer, schema, rows: Vec::new(), batch, group })
    }

    pub(in crate::export) fn write(&mut self, row: &ExportedEvent<'_>) -> Result<(), ExportError> {
        self.rows.push(ocsf_event(row));
        self.batch.add(row.event.raw.len());
        if self.batch.exceeds(BATCH_ROWS, BATCH_BYTES) {
            self.end_batch()?;
        }
        Ok(())
    }

    fn end_batch(&mut self) -> Result<(), ExportError> {
        let rows = std::mem::take(&mut self.rows);
        let values: Vec<Option<&Value>> = rows.iter().map(Some).collect();
        let columns = self.schema.fields().iter();
        let columns = columns.map(|field| array(field, &members(&values, field.name())));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        self.group.join(std::mem::take(&mut self.batch));
        if self.group.exceeds(GROUP_ROWS, GROUP_BYTES) {
            self.group = Size::default();
            self.writer.flush()?;
        }
        Ok(())
    }

    pub(in crate::export) fn finish(mut self) -> Result<W, ExportError> {
        if !self.rows.is_empty() {
            self.end_batch()?;
        }
        Ok(self.writer.into_inner()?)
    }
}

/// A member of each value.
fn members<'v>(values: &[Option<&'v Value>], name: &str) -> Vec<Option<&'v Value>> {
    values.iter().map(|value| value.and_then(|value| value.get(name))).collect()
}

/// Values as a column. What is not of the column's type is null; in a column of text, it is
/// JSON.
fn array(field: &Field, values: &[Option<&Value>]) -> Result<ArrayRef, ArrowError> {
    Ok(match field.data_type() {
        DataType::Utf8 => {
            let mut cells = StringBuilder::new();
            for value in values {
                match value {
                    None | Some(Value::Null) => cells.append_null(),
                    Some(Value::String(text)) => cells.append_value(text),
                    Some(other) => cells.append_value(other.to_string()),
                }
            }
            Arc::new(cells.finish())
        }
        DataType::Boolean => {
            let mut cells = BooleanBuilder::new();
            cells.extend(values.iter().map(|value| value.and_then(Value::as_bool)));
            Arc::new(cells.finish())
        }
        DataType::Int32 => {
            let number = |value: &Value| i32::try_from(value.as_i64()?).ok();
            let mut cells = Int32Builder::new();
            cells.extend(values.iter().map(|value| value.and_then(number)));
            Arc::new(cells.finish())
        }
        DataType::Int64 => {
            let mut cells = Int64Builder::new();
            cells.extend(values.iter().map(|value| value.and_then(Value::as_i64)));
            Arc::new(cells.finish())
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().map(|field| array(field, &members(values, field.name())));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let is_there = values.iter().map(|value| value.is_some_and(Value::is_object));
            let is_there = is_there.collect::<Vec<bool>>().into();
            Arc::new(StructArray::try_new(fields.clone(), columns, Some(is_there))?)
        }
        DataType::List(item) => {
            let lists: Vec<Option<&Vec<Value>>> =
                values.iter().map(|value| value.and_then(Value::as_array)).collect();
            let lengths = lists.iter().map(|list| list.map_or(0, Vec::len));
            let offsets = OffsetBuffer::from_lengths(lengths);
            let items: Vec<Option<&Value>> =
                lists.iter().copied().flatten().flatten().map(Some).collect();
            let is_there = lists.iter().map(Option::is_some).collect::<Vec<bool>>().into();
            let items = array(item, &items)?;
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, Some(is_there))?)
        }
        other => new_null_array(other, values.len()),
    })
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn part(name: &str, fields: Vec<Field>) -> Field {
    Field::new(name, DataType::Struct(Fields::from(fields)), true)
}

fn list(name: &str, item: Field) -> Field {
    Field::new(name, DataType::List(Arc::new(item)), true)
}

fn texts<const N: usize>(names: [&str; N]) -> Vec<Field> {
    names.into_iter().map(text).collect()
}

fn account() -> Field {
    part("account", vec![text("type"), number("type_id"), text("uid")])
}

fn user() -> Field {
    let mut fields = vec![text("type"), number("type_id")];
    fields.extend(texts(["name", "uid", "uid_alt", "credential_uid"]));
    fields.push(account());
    part("user", fields)
}

fn session() -> Field {
    let mut fields = vec![long("created_time"), flag("is_mfa")];
    fields.extend(texts(["issuer", "credential_uid", "uid_alt"]));
    part("session", fields)
}

fn named(name: &str) -> Field {
    part(name, vec![text("name")])
}

/// The columns of a class: all that its events may have. The time is the first, by which they
/// are sorted.
fn schema(class: OcsfClass) -> SchemaRef {
    let mut fields = vec![long("time"), number("class_uid"), number("category_uid")];
    fields.extend([number("activity_id"), long("type_uid"), number("severity_id")]);
    fields.push(number("status_id"));
    fields.extend(texts([
        "class_name",
        "category_name",
        "activity_name",
        "type_name",
        "severity",
        "status",
        "status_code",
        "status_detail",
    ]));
    let mut metadata = texts(["version", "uid", "correlation_uid", "event_code", "original_time"]);
    let mut product = texts(["name", "vendor_name", "version"]);
    product.push(named("feature"));
    metadata.extend([part("product", product), list("profiles", element())]);
    let actor = vec![user(), session(), text("invoked_by"), text("app_name"), named("idp")];
    let api = vec![
        text("operation"),
        named("service"),
        part("request", texts(["uid", "data"])),
        part("response", texts(["error", "error_message", "data"])),
    ];
    fields.extend([
        part("metadata", metadata),
        part("cloud", vec![text("provider"), text("region"), account()]),
        part("actor", actor),
        part("api", api),
        part("src_endpoint", texts(["ip", "svc_name", "uid", "name"])),
        part("http_request", texts(["user_agent"])),
    ]);
    match class {
        OcsfClass::ApiActivity => {
            let owner = part("owner", vec![account()]);
            let resource = vec![text("uid"), text("type"), owner];
            fields.push(list("resources", part("element", resource)));
        }
        OcsfClass::Authentication => {
            fields.extend([user(), flag("is_mfa"), named("service"), session()]);
        }
        OcsfClass::AccountChange => fields.push(user()),
    }
    let own = part("orgtrail", texts(["key", "proof", "person", "person_strength"]));
    fields.extend([text("raw_data"), part("unmapped", vec![own])]);
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Int32Type, Int64Type};
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use serde_json::{Map, json};

    use super::*;
    use crate::Event;
    use crate::export::{ExportFile, Format, Person, ocsf_class};

    /// What a cell of a table says, with nothing for what is null.
    fn value(array: &dyn Array, row: usize) -> Option<Value> {
        if array.is_null(row) {
            return None;
        }
        Some(match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value(row).into(),
            DataType::Boolean => array.as_boolean().value(row).into(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let named = |(field, column): (&Arc<Field>, &ArrayRef)| {
                    Some((field.name().clone(), value(column, row)?))
                };
                fields.iter().zip(columns).filter_map(named).collect::<Map<_, _>>().into()
            }
            DataType::List(_) => {
                let items = array.as_list::<i32>().value(row);
                (0..items.len()).map(|item| value(&items, item)).collect::<Option<Vec<_>>>()?.into()
            }
            other => panic!("{other}"),
        })
    }

    fn read_back(bytes: Vec<u8>) -> Vec<Value> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
        let batches = reader.build().unwrap().map(|batch| StructArray::from(batch.unwrap()));
        batches
            .flat_map(|batch| {
                (0..batch.len()).map(|row| value(&batch, row).unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// A record with everything that an event may take from it.
    fn record(source: &str, name: &str) -> String {
        json!({
            "eventVersion": "1.11", "eventID": "e", "sharedEventID": "s", "requestID": "r",
            "eventTime": "2026-11-20T10:42:00Z", "eventSource": source, "eventName": name,
            "eventCategory": "Management", "awsRegion": "us-east-1", "vpcEndpointId": "vpce-1",
            "recipientAccountId": "111111111111", "sourceIPAddress": "198.51.100.7",
            "userAgent": "aws-cli", "errorCode": "Denied", "errorMessage": "no",
            "userIdentity": {
                "type": "AssumedRole", "accountId": "111111111111", "accessKeyId": "ASIAX",
                "arn": "arn:aws:sts::111111111111:assumed-role/deploy/alice",
                "principalId": "AROAX:alice", "userName": "alice", "invokedBy": "x.amazonaws.com",
                "identityProvider": "idp",
                "sessionContext": {
                    "attributes": { "creationDate": "2026-11-20T10:00:00Z", "mfaAuthenticated": "true" },
                    "sessionIssuer": { "arn": "arn:aws:iam::111111111111:role/deploy" },
                    "sourceIdentity": "alice",
                },
            },
            "requestParameters": { "userName": "bob", "userId": "AIDAB", "deep": [{ "x": null }] },
            "responseElements": { "ok": [1, 2] },
            "additionalEventData": { "MFAUsed": "Yes" },
            "resources": [
                { "ARN": "arn:aws:s3:::b", "accountId": "222222222222", "type": "AWS::S3::Bucket" },
                { "ARN": "arn:aws:s3:::c" },
            ],
        })
        .to_string()
    }

    #[test]
    fn a_table_has_all_that_the_events_of_its_class_say() {
        for (class, source, name) in [
            (OcsfClass::ApiActivity, "s3.amazonaws.com", "GetObject"),
            (OcsfClass::Authentication, "signin.amazonaws.com", "ConsoleLogin"),
            (OcsfClass::AccountChange, "iam.amazonaws.com", "CreateUser"),
        ] {
            let whole = record(source, name);
            let mut file = ExportFile::new(Format::SecurityLake, Some(class), Vec::new()).unwrap();
            let mut expected = Vec::new();
            for record in [whole.as_str(), "{}", whole.as_str()] {
                let mut row = ExportedEvent::new(Event::parse(record).unwrap(), "AWSLogs/key");
                row.proof = Some("proven");
                row.person = Some(Person { principal: "alice", strength: "bounded" });
                if record != "{}" {
                    assert_eq!(ocsf_class(&row), class);
                }
                file.write(&row).unwrap();
                let mut event = ocsf_event(&row);
                for part in ["request", "response"] {
                    if let Some(data) = event["api"].get_mut(part).and_then(|it| it.get_mut("data"))
                    {
                        *data = data.to_string().into();
                    }
                }
                expected.push(event);
            }
            assert_eq!(read_back(file.finish().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn what_has_another_type_than_its_column_is_null_or_text() {
        let cell = |field: Field, cell: Value| value(&array(&field, &[Some(&cell)]).unwrap(), 0);
        assert_eq!(cell(text("x"), json!({ "a": 1 })), Some(json!("{\"a\":1}")));
        for field in
            [flag("x"), number("x"), long("x"), part("x", texts(["y"])), list("x", text("y"))]
        {
            assert_eq!(cell(field, json!("text")), None);
        }
        assert_eq!(cell(number("x"), json!(1_u64 << 40)), None);
        assert_eq!(cell(list("x", text("y")), json!([])), Some(json!([])));
    }
}
