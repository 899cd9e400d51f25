use std::io::{BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{FORMAT_VERSION, Head, Row};
use crate::archive::stored;
use crate::words::json_fault;

/// The most that a segment may inflate to; more is hostile. Units: bytes.
const MAX_SEGMENT_BYTES: u64 = 128 << 20;

/// The most rows of a segment; more is hostile, since each takes memory. A run writes
/// about 20,000.
pub(super) const MAX_ROWS: usize = 100_000;

/// The longest row but for a run's end, which names every log prefix. Units: bytes.
pub(super) const MAX_ROW_BYTES: usize = 1 << 20;

/// The longest row of a run's end. Units: bytes.
pub(super) const MAX_END_BYTES: usize = 64 << 20;

/// A segment: a file of the sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its head.
    pub head: Head,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not a segment.
    #[error("run record {number} cannot be read: {reason}")]
    Unreadable {
        /// The segment.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// The segment does not follow the one before it.
    #[error(
        "run record {number} does not follow the one before it: it names SHA-256 {found}, the record before has {wanted}"
    )]
    BrokenChain {
        /// The segment.
        number: u64,
        /// The hash in its head.
        found: String,
        /// The hash of the segment before.
        wanted: String,
    },
    /// A segment is missing.
    #[error("run record {number} is missing")]
    Missing {
        /// The segment.
        number: u64,
    },
}

impl Segment {
    /// The segment as stored.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut gzip, &self.head)?;
        gzip.write_all(b"\n")?;
        for row in &self.rows {
            serde_json::to_writer(&mut gzip, row)?;
            gzip.write_all(b"\n")?;
        }
        gzip.finish()
    }

    /// Reads a stored segment, which must be the one numbered `number`.
    pub fn decode(number: u64, stored: &[u8]) -> Result<Self, RecordError> {
        Self::within(number, stored, MAX_SEGMENT_BYTES)
    }

    pub(super) fn within(number: u64, stored: &[u8], limit: u64) -> Result<Self, RecordError> {
        let refuse = |reason: String| RecordError::Unreadable { number, reason };
        let mut inflated = BufReader::new(GzDecoder::new(stored).take(limit + 1));
        let mut lines = inflated.by_ref().lines();
        let head = lines
            .next()
            .ok_or_else(|| refuse("it is empty".to_owned()))?
            .map_err(|error| refuse(error.to_string()))?;
        let head: Head = stored::read(head.as_bytes(), "run-record", FORMAT_VERSION)
            .map_err(|fault| refuse(fault.to_string()))?;
        if head.number != number {
            return Err(refuse(format!("its head says that it is number {}", head.number)));
        }
        let (mut rows, mut begins) = (Vec::new(), 0);
        for line in lines {
            let line = line.map_err(|error| refuse(error.to_string()))?;
            let limit = if is_end(&line) { MAX_END_BYTES } else { MAX_ROW_BYTES };
            if line.len() > limit {
                return Err(refuse(format!("a row has {} bytes, at most {limit}", line.len())));
            }
            let row: Row = serde_json::from_str(&line)
                .map_err(|error| refuse(format!("a row is malformed: {}", json_fault(&error))))?;
            begins += usize::from(matches!(row, Row::Begin { .. }));
            rows.push(row);
            if rows.len() > MAX_ROWS || begins > 1 {
                let reason = format!("it has more than 1 begin row or more than {MAX_ROWS} rows");
                return Err(refuse(reason));
            }
        }
        // If the limit cuts the text between two rows, the rest would be missing unnoticed.
        let gzip = inflated.into_inner();
        if gzip.limit() == 0 {
            return Err(refuse(format!("it inflates to more than {limit} bytes")));
        }
        if !gzip.into_inner().into_inner().is_empty() {
            return Err(refuse("data follows the end of its gzip stream".to_owned()));
        }
        Ok(Self { head, rows })
    }
}

/// Whether a line is the end of a run, as orgtrail writes it.
fn is_end(line: &str) -> bool {
    line.starts_with("{\"row\":\"end\"")
}
