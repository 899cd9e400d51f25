use jiff::Timestamp;

use super::{FOLDER, FORMAT_VERSION, Head, ProofRecord, ProvenUnit};
use crate::archive::authenticity::{MacKey, RecordKind};
use crate::archive::consolidate::copy::{Target, WriteTarget};
use crate::archive::sequence::{Sequence, SequenceError};

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its key.
    pub key: String,
    /// The number of accounts and Regions that it contains.
    pub units: usize,
}

/// Writes the next proof record of an archive, locked by its default retention.
///
/// # Errors
/// Nothing was written, as far as can be determined.
pub async fn write(
    target: &WriteTarget,
    prefix: Option<&str>,
    mac_key: Option<MacKey>,
    (written_by, written_at): (&str, Timestamp),
    units: Vec<ProvenUnit>,
) -> Result<Written, SequenceError> {
    let archive = Target::clone(target);
    let records = Sequence::new(archive, prefix, FOLDER, RecordKind::ProofRecord, mac_key);
    let mut tip = records.tip().await?;
    let head = Head {
        version: FORMAT_VERSION,
        number: 0,
        previous_sha256: None,
        bucket: target.bucket.clone(),
        written_at,
        written_by: written_by.to_owned(),
        written_with: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
    };
    let mut record = ProofRecord { head, units };
    let number = records
        .append(target, &mut tip, |tip| {
            record.head.number = tip.next;
            record.head.previous_sha256.clone_from(&tip.sha256);
            record.encode()
        })
        .await?;
    Ok(Written { key: records.key(number), units: record.units.len() })
}
