use std::io::{BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProvenUnit;
use crate::archive::stored::{self, nullable};
use crate::names::BucketName;
use crate::words::json_fault;

/// The version of the records' format.
pub const FORMAT_VERSION: u32 = 1;

/// The most that a record may inflate to; more is hostile. Units: bytes.
const MAX_BYTES: u64 = 256 << 20;

/// The most units of a record: 10,000 accounts in 30 Regions.
const MAX_UNITS: usize = 300_000;

/// The longest row. Units: bytes.
const MAX_ROW_BYTES: usize = 1 << 20;

/// The head of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "document", rename = "proof-record")]
pub struct Head {
    /// [`FORMAT_VERSION`] when it was written.
    pub version: u32,
    /// The record's place in the sequence, from 0.
    pub number: u64,
    /// SHA-256 of the record before, as stored (gzipped), in hexadecimal; null for the first.
    #[serde(deserialize_with = "nullable")]
    pub previous_sha256: Option<String>,
    /// The archive.
    pub bucket: BucketName,
    /// When the verification was made.
    pub written_at: Timestamp,
    /// Who made it: the caller's ARN.
    pub written_by: String,
    /// The program and its version.
    #[serde(rename = "program")]
    pub written_with: String,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofRecord {
    /// Its head.
    pub head: Head,
    /// Its rows.
    pub units: Vec<ProvenUnit>,
}

/// Why an object is no proof record.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RecordFault {
    reason: String,
}

impl RecordFault {
    pub(super) fn new(reason: impl ToString) -> Self {
        Self { reason: reason.to_string() }
    }
}

impl ProofRecord {
    /// The record as stored.
    ///
    /// # Errors
    /// It could not be encoded.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut gzip, &self.head)?;
        gzip.write_all(b"\n")?;
        for unit in &self.units {
            serde_json::to_writer(&mut gzip, unit)?;
            gzip.write_all(b"\n")?;
        }
        gzip.finish()
    }

    /// Reads a stored record, which must be the one numbered `number` of the archive `bucket`.
    ///
    /// # Errors
    /// It is malformed, too large, or another.
    pub fn decode(number: u64, bucket: &str, stored: &[u8]) -> Result<Self, RecordFault> {
        let mut inflated = BufReader::new(GzDecoder::new(stored).take(MAX_BYTES + 1));
        let mut lines = inflated.by_ref().lines();
        let head = lines.next().ok_or_else(|| RecordFault::new("it is empty"))?;
        let head = head.map_err(RecordFault::new)?;
        let head: Head = stored::read(head.as_bytes(), "proof-record", FORMAT_VERSION)
            .map_err(RecordFault::new)?;
        if head.number != number {
            let reason = format!("its head says that it is number {}", head.number);
            return Err(RecordFault::new(reason));
        }
        if head.bucket.as_str() != bucket {
            let reason = format!("its head says that it is of the archive `{}`", head.bucket);
            return Err(RecordFault::new(reason));
        }
        let mut units = Vec::new();
        for line in lines {
            let line = line.map_err(RecordFault::new)?;
            if line.len() > MAX_ROW_BYTES || units.len() >= MAX_UNITS {
                let reason = format!(
                    "more than {MAX_UNITS} rows, or one of more than {MAX_ROW_BYTES} bytes"
                );
                return Err(RecordFault::new(reason));
            }
            let unit = serde_json::from_str(&line).map_err(|error| {
                RecordFault::new(format!("a row is malformed: {}", json_fault(&error)))
            })?;
            units.push(unit);
        }
        // If the limit cuts the text between two rows, the rest would be missing unnoticed.
        if inflated.into_inner().limit() == 0 {
            return Err(RecordFault::new(format!("it inflates to more than {MAX_BYTES} bytes")));
        }
        Ok(Self { head, units })
    }
}
