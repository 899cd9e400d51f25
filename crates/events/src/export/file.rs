use std::fmt;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::ocsf::table::OcsfTableWriter;
use super::table::TableWriter;
use super::{ExportedEvent, OcsfClass, bulk_lines, json_line, ocsf_class, ocsf_event};

/// What a file of events is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Format {
    /// A table for DuckDB, Athena and Spark.
    #[default]
    Parquet,
    /// Events of OCSF, one a line.
    Ocsf,
    /// Records, one a line, each with the key of its file and whether it is proven.
    Ndjson,
    /// Records for OpenSearch's `_bulk`, two lines each.
    OpenSearch,
    /// Tables of OCSF events, one for each class, for Amazon Security Lake.
    SecurityLake,
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The table could not be encoded or written.
    #[error("writing Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The columns do not fit the table.
    #[error("encoding a table")]
    Table(#[from] arrow_schema::ArrowError),
    /// A record could not be encoded.
    #[error("encoding a record")]
    Json(#[from] serde_json::Error),
    /// The file could not be written.
    #[error("writing a file of events")]
    Write(#[from] io::Error),
}

/// A file of events that is being written. The same events in the same order make the same
/// bytes.
pub struct ExportFile<W: Write + Send>(Writer<W>);

enum Writer<W: Write + Send> {
    Table(Box<TableWriter<W>>),
    OcsfTable(Box<OcsfTableWriter<W>>),
    Lines(Format, Box<GzEncoder<W>>),
}

impl Format {
    /// Its word, as in options and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ocsf => "ocsf",
            Self::Ndjson => "ndjson",
            Self::OpenSearch => "opensearch",
            Self::SecurityLake => "security-lake",
        }
    }

    /// The class of an event, if files have events of one class each.
    #[must_use]
    pub fn class(self, row: &ExportedEvent<'_>) -> Option<OcsfClass> {
        (self == Self::SecurityLake).then(|| ocsf_class(row))
    }

    /// What the names of its files end in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet | Self::SecurityLake => "parquet",
            Self::Ocsf => "ocsf.ndjson.gz",
            Self::Ndjson => "ndjson.gz",
            Self::OpenSearch => "bulk.ndjson.gz",
        }
    }

    /// The media type of its files.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Parquet | Self::SecurityLake => "application/vnd.apache.parquet",
            Self::Ocsf | Self::Ndjson | Self::OpenSearch => "application/gzip",
        }
    }
}

impl<W: Write + Send> ExportFile<W> {
    /// A file that is written to `sink`. `class` is that of its events where files have events
    /// of one class each: see [`Format::class`].
    ///
    /// # Errors
    /// The beginning of the file could not be written.
    pub fn new(format: Format, class: Option<OcsfClass>, sink: W) -> Result<Self, ExportError> {
        Ok(Self(match format {
            Format::SecurityLake => {
                let class = class.unwrap_or(OcsfClass::ApiActivity);
                Writer::OcsfTable(Box::new(OcsfTableWriter::new(class, sink)?))
            }
            Format::Parquet => Writer::Table(Box::new(TableWriter::new(sink)?)),
            // The stream has neither a name nor a time.
            lines => Writer::Lines(lines, Box::new(GzEncoder::new(sink, Compression::new(3)))),
        }))
    }

    /// Adds an event.
    ///
    /// # Errors
    /// It could not be written.
    pub fn write(&mut self, row: &ExportedEvent<'_>) -> Result<(), ExportError> {
        let (format, sink) = match &mut self.0 {
            Writer::Table(table) => return table.write(row),
            Writer::OcsfTable(table) => return table.write(row),
            Writer::Lines(format, sink) => (*format, sink),
        };
        let line = match format {
            Format::Ocsf => serde_json::to_string(&ocsf_event(row))?,
            Format::OpenSearch => {
                bulk_lines(row.event.raw, row.event.id.as_deref(), row.key, row.proof)?
            }
            Format::Parquet | Format::SecurityLake | Format::Ndjson => {
                json_line(row.event.raw, row.key, row.proof)?
            }
        };
        sink.write_all(line.as_bytes())?;
        sink.write_all(b"\n")?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Its end could not be written.
    pub fn finish(self) -> Result<W, ExportError> {
        match self.0 {
            Writer::Table(table) => table.finish(),
            Writer::OcsfTable(table) => table.finish(),
            Writer::Lines(_, sink) => Ok(sink.finish()?),
        }
    }
}

impl<W: Write + Send> fmt::Debug for ExportFile<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match &self.0 {
            Writer::Table(_) => Format::Parquet,
            Writer::OcsfTable(_) => Format::SecurityLake,
            Writer::Lines(format, _) => *format,
        };
        f.debug_tuple("ExportFile").field(&format).finish()
    }
}
