use std::io::Write;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{
    BooleanBuilder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use jiff::Timestamp;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;

use super::columns::{COLUMNS, Read, SCHEMA_VERSION};
use super::{ExportError, ExportedEvent};

/// Records are encoded in batches of about this size. Units: bytes of records.
const BATCH_BYTES: usize = 2 << 20;
/// The most records of a batch.
const BATCH_ROWS: usize = 4096;
/// A row group ends at this size: its compressed columns are in memory until then. Units:
/// bytes of records.
pub(super) const GROUP_BYTES: usize = 64 << 20;
/// The most records of a row group.
pub(super) const GROUP_ROWS: usize = 1 << 17;
/// What files say about who wrote them. It has no version, so that the next one writes the
/// same bytes.
const CREATED_BY: &str = "orgtrail";
const UTC: &str = "UTC";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |column: &super::Column| {
        let kind = match column.read {
            Read::Text(_) => DataType::Utf8,
            Read::Flag(_) => DataType::Boolean,
            Read::Time(_) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Read::Texts(_) => DataType::List(Arc::new(element())),
        };
        Field::new(column.name, kind, true)
    };
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Fields>()))
});

/// What a list contains, with the name that Parquet's documentation gives it.
pub(super) fn element() -> Field {
    Field::new("element", DataType::Utf8, true)
}

/// Writes the table, row group by row group.
pub(super) struct TableWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    cells: Vec<Cells>,
    batch: Size,
    group: Size,
    /// Where a row group ends. Units: bytes of records.
    group_bytes: usize,
}

/// How much a batch or a row group has.
#[derive(Default)]
pub(super) struct Size {
    rows: usize,
    bytes: usize,
}

enum Cells {
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Texts(ListBuilder<StringBuilder>),
}

impl<W: Write + Send> TableWriter<W> {
    pub(super) fn new(sink: W) -> Result<Self, ExportError> {
        Self::with_groups_of(GROUP_BYTES, sink)
    }

    /// A table with row groups of another size. Units: bytes of records.
    pub(super) fn with_groups_of(group_bytes: usize, sink: W) -> Result<Self, ExportError> {
        let options =
            ArrowWriterOptions::new().with_properties(properties()?).with_skip_arrow_metadata(true);
        Ok(Self {
            writer: ArrowWriter::try_new_with_options(sink, Arc::clone(&SCHEMA), options)?,
            cells: COLUMNS.iter().map(|column| Cells::new(column.read)).collect(),
            batch: Size::default(),
            group: Size::default(),
            group_bytes,
        })
    }

    pub(super) fn write(&mut self, row: &ExportedEvent<'_>) -> Result<(), ExportError> {
        for (cells, column) in self.cells.iter_mut().zip(COLUMNS) {
            cells.push(row, column.read);
        }
        self.batch.add(row.event.raw.len());
        if self.batch.exceeds(BATCH_ROWS, BATCH_BYTES) {
            self.end_batch()?;
        }
        Ok(())
    }

    fn end_batch(&mut self) -> Result<(), ExportError> {
        let columns: Vec<ArrayRef> = self.cells.iter_mut().map(Cells::finish).collect();
        self.writer.write(&RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)?;
        self.group.join(std::mem::take(&mut self.batch));
        if self.group.exceeds(GROUP_ROWS, self.group_bytes) {
            self.group = Size::default();
            self.writer.flush()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W, ExportError> {
        if self.batch.rows > 0 {
            self.end_batch()?;
        }
        Ok(self.writer.into_inner()?)
    }
}

impl Size {
    pub(super) fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes;
    }

    pub(super) fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }

    pub(super) fn exceeds(&self, rows: usize, bytes: usize) -> bool {
        self.rows >= rows || self.bytes >= bytes
    }
}

impl Cells {
    fn new(read: Read) -> Self {
        match read {
            Read::Text(_) => Self::Text(StringBuilder::new()),
            Read::Flag(_) => Self::Flag(BooleanBuilder::new()),
            Read::Time(_) => Self::Time(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            Read::Texts(_) => {
                Self::Texts(ListBuilder::new(StringBuilder::new()).with_field(element()))
            }
        }
    }

    fn push(&mut self, row: &ExportedEvent<'_>, read: Read) {
        match (self, read) {
            (Self::Text(cells), Read::Text(read)) => cells.append_option(read(row)),
            (Self::Flag(cells), Read::Flag(read)) => cells.append_option(read(row)),
            (Self::Time(cells), Read::Time(read)) => {
                cells.append_option(read(row).map(Timestamp::as_microsecond));
            }
            (Self::Texts(cells), Read::Texts(read)) => {
                for text in read(row) {
                    cells.values().append_value(text);
                }
                cells.append(true);
            }
            // The cells were made from the same columns.
            (Self::Text(cells), _) => cells.append_null(),
            (Self::Flag(cells), _) => cells.append_null(),
            (Self::Time(cells), _) => cells.append_null(),
            (Self::Texts(cells), _) => cells.append(false),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(cells) => Arc::new(cells.finish()),
            Self::Flag(cells) => Arc::new(cells.finish()),
            Self::Time(cells) => Arc::new(cells.finish()),
            Self::Texts(cells) => Arc::new(cells.finish()),
        }
    }
}

/// What all tables have in common. Their first column is the time.
pub(super) fn base_properties() -> Result<WriterPropertiesBuilder, ExportError> {
    let version = KeyValue::new("orgtrail.schema_version".to_owned(), SCHEMA_VERSION.to_string());
    Ok(WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(2 * GROUP_ROWS))
        .set_key_value_metadata(Some(vec![version]))
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: true,
        }])))
}

fn properties() -> Result<WriterProperties, ExportError> {
    let mut properties = base_properties()?;
    for column in COLUMNS.iter().filter(|column| !column.repeats) {
        let path = ColumnPath::from(column.name);
        properties = properties.set_column_dictionary_enabled(path.clone(), false);
        // Minima of long texts find nothing, and are long.
        if matches!(column.read, Read::Text(_)) {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(properties.build())
}
