use aws_lc_rs::digest::{SHA256, digest};

use super::{RecordError, Segment};

/// The SHA-256 of a segment as stored, in hex.
#[must_use]
pub fn sha256_hex(stored: &[u8]) -> String {
    hex::encode(digest(&SHA256, stored))
}

/// Checks segments one after the other, with one hash in memory.
#[derive(Debug, Default)]
pub struct ChainChecker {
    next: u64,
    previous_sha256: Option<String>,
}

impl ChainChecker {
    /// Checks the next stored segment; `None` if it is missing and a later one exists.
    ///
    /// After a broken or unreadable segment the check continues from its bytes,
    /// so that one bad segment is one finding.
    pub fn check(&mut self, stored: Option<&[u8]>) -> Result<Segment, RecordError> {
        let number = self.next;
        self.next += 1;
        let Some(stored) = stored else {
            self.previous_sha256 = None;
            return Err(RecordError::Missing { number });
        };
        let previous = self.previous_sha256.replace(sha256_hex(stored));
        let segment = Segment::decode(number, stored)?;
        // After a missing segment there is no hash to compare with.
        let comparable = number == 0 || previous.is_some();
        if comparable && segment.head.previous_sha256 != previous {
            let named = |hash: Option<String>| hash.unwrap_or_else(|| "none".to_owned());
            return Err(RecordError::BrokenChain {
                number,
                found: named(segment.head.previous_sha256),
                wanted: named(previous),
            });
        }
        Ok(segment)
    }

    /// Skips all segments before `number`, which do not exist.
    pub fn skip_to(&mut self, number: u64) {
        self.next = number;
        self.previous_sha256 = None;
    }
}
