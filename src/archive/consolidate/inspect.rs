//! Inspection: whether an object is the log file or digest that its key indicates.
//!
//! The archive's objects are locked, so unwanted objects must be kept out: the administrator
//! of an account can write anything under the name of a log file.

use std::collections::HashMap;
use std::io::{BufReader, Read as _};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::binding::Unbound;
use super::copy::sha256;
use super::proof::DigestClaim;
use crate::archive::blocking::blocking;
use crate::archive::key::LogClass;
use crate::archive::verify::digest::ListedLog;
use crate::archive::verify::gzip::{GzipError, inflate};

/// The largest object that is inspected, and so the largest that is copied or quarantined:
/// CloudTrail's are smaller than 50 MB. Units: bytes, as stored.
pub const MAX_STORED_BYTES: u64 = 256 << 20;

/// The largest log file or digest. Units: bytes, inflated.
const MAX_INFLATED_BYTES: u64 = 1 << 30;

/// The requirements for copying an object.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A digest that CloudTrail signed for its key.
    Digest(Box<DigestClaim>),
    /// A log file with one of these hashes, as digests list it. Shape: SHA-256 of the
    /// inflated bytes, lower-case hexadecimal.
    Listed(Vec<Box<str>>),
    /// A log file that no digest lists.
    Unlisted(LogClass),
}

/// Why an object is not copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no content.
    #[error("it is empty")]
    Empty,
    /// It is larger than any object that CloudTrail writes.
    #[error(
        "it has {size_bytes} bytes, more than the maximum of {MAX_STORED_BYTES} for a log file"
    )]
    TooLarge {
        /// Its size, as stored.
        size_bytes: u64,
    },
    /// Its content differs from what its digest lists.
    #[error("it contradicts its digest: {found}, the digest lists SHA-256 {wanted}")]
    Contradicts {
        /// The kinds of findings.
        found: String,
        /// What the digest lists.
        wanted: String,
    },
    /// It is not a log file.
    #[error("it is not a log file: {0}")]
    NoLog(String),
    /// It is not a digest.
    #[error("it is not a digest: {0}")]
    NoDigest(String),
    /// It is a digest that CloudTrail did not sign.
    #[error("CloudTrail did not sign it: {0}")]
    Forged(String),
    /// It is a digest without proof that CloudTrail signed it.
    #[error(
        "nothing proves that CloudTrail wrote it there: {0}; `unproven_digests = \"copy\"` under \
         [[consolidate.sources]] accepts such digests, which trusts the bucket's administrators"
    )]
    Unproven(String),
    /// It is a digest whose public keys could not be read: it waits for a later run.
    #[error("its public keys could not be read: {0}")]
    Undecided(String),
    /// The archive has different, accepted content under its key.
    #[error("the archive has other content under its key, which was accepted there")]
    KeyTaken,
    /// Its source is not bound to its account or Region.
    #[error("{0}")]
    Unbound(Unbound),
}

impl Refusal {
    /// Its code, as in the metadata of quarantined objects.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::Contradicts { .. } => "contradicts-digest",
            Self::NoLog(_) => "no-log-file",
            Self::NoDigest(_) => "no-digest",
            Self::Forged(_) => "forged-digest",
            Self::Unproven(_) => "unproven-digest",
            Self::Undecided(_) => "undecided-digest",
            Self::KeyTaken => "key-taken",
            Self::Unbound(_) => "unbound",
        }
    }
}

/// Checks the size.
///
/// # Errors
/// The object must not be copied.
pub fn by_size(size_bytes: u64) -> Result<(), Refusal> {
    match size_bytes {
        0 => Err(Refusal::Empty),
        size_bytes if size_bytes > MAX_STORED_BYTES => Err(Refusal::TooLarge { size_bytes }),
        _ => Ok(()),
    }
}

/// Inspects an object's bytes on a blocking thread, and returns what a digest lists.
///
/// # Errors
/// The object must not be copied.
pub(super) async fn inspect(
    expected: &Expected,
    stored: &Bytes,
    metadata: Option<&HashMap<String, String>>,
) -> Result<Vec<ListedLog>, Refusal> {
    let _memory = match expected {
        Expected::Digest(_) => DigestClaim::memory(stored.len()).await,
        Expected::Listed(_) | Expected::Unlisted(_) => None,
    };
    let metadata = metadata.cloned().unwrap_or_default();
    let (expected, stored) = (expected.clone(), stored.clone());
    let work = move || inspect_now(&expected, &stored, &metadata);
    blocking(work).await
}

/// Inspects an object's bytes, as stored, and returns what a digest lists.
///
/// # Errors
/// The object must not be copied.
pub(super) fn inspect_now(
    expected: &Expected,
    stored: &[u8],
    metadata: &HashMap<String, String>,
) -> Result<Vec<ListedLog>, Refusal> {
    by_size(stored.len() as u64)?;
    match expected {
        Expected::Digest(claim) => claim.check(stored, metadata),
        Expected::Listed(hashes) => is_listed(stored, hashes).map(|()| Vec::new()),
        Expected::Unlisted(class) => {
            is_log(stored, *class).map(|()| Vec::new()).map_err(Refusal::NoLog)
        }
    }
}

fn is_listed(stored: &[u8], hashes: &[Box<str>]) -> Result<(), Refusal> {
    let is_one = |found: &str| hashes.iter().any(|hash| hash.eq_ignore_ascii_case(found));
    let mut hash = Context::new(&SHA256);
    let inflated = inflate(stored, MAX_INFLATED_BYTES, &mut Vec::new(), |piece| hash.update(piece));
    let found = match &inflated {
        Ok(_) => format!("SHA-256 {}", hex::encode(hash.finish())),
        Err(error) => error.to_string(),
    };
    if found.strip_prefix("SHA-256 ").is_some_and(is_one) {
        return Ok(());
    }
    // A tool decompressed it in transit; its content is still proven.
    if matches!(inflated, Err(GzipError::Corrupt { inflated: 0 }))
        && is_one(&hex::encode(sha256(stored)))
    {
        return Ok(());
    }
    let wanted = hashes.first().map(ToString::to_string).unwrap_or_default();
    Err(Refusal::Contradicts { found, wanted })
}

/// The structure of a log file: an object with a list of records.
#[derive(Deserialize)]
struct LogFile {
    #[serde(rename = "Records")]
    _records: Vec<IgnoredAny>,
}

fn is_log(stored: &[u8], class: LogClass) -> Result<(), String> {
    // Check first that it is one complete gzip member: a JSON reader stops at the end of its
    // value.
    inflate(stored, MAX_INFLATED_BYTES, &mut Vec::new(), |_| {})
        .map_err(|error| error.to_string())?;
    let text = BufReader::with_capacity(1 << 16, GzDecoder::new(stored).take(MAX_INFLATED_BYTES));
    let read = match class {
        // The format of aggregated events is not documented.
        LogClass::Aggregated => {
            serde_json::from_reader::<_, serde_json::Map<String, serde_json::Value>>(text).map(drop)
        }
        LogClass::Events | LogClass::Insight | LogClass::NetworkActivity => {
            serde_json::from_reader::<_, LogFile>(text).map(drop)
        }
    };
    read.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::archive::verify::digest::sha256_hex;

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn a_log_file_has_records_and_nothing_after_them() {
        let log = Expected::Unlisted(LogClass::Events);
        for text in [r#"{"Records":[]}"#, r#"{"more":{"a":[1]},"Records":[{"eventID":"a"},7]}"#] {
            assert_eq!(inspect_now(&log, &gzip(text), &HashMap::new()), Ok(Vec::new()), "{text}");
        }
        assert_eq!(inspect_now(&log, b"", &HashMap::new()), Err(Refusal::Empty));
        let whole = gzip(r#"{"Records":[]}"#);
        for stored in [
            gzip(""),
            gzip("[]"),
            gzip(r#"{"records":[]}"#),
            gzip(r#"{"Records":{}}"#),
            gzip(r#"{"Records":[]} more"#),
            b"{\"Records\":[]}".to_vec(),
            whole[..whole.len() - 1].to_vec(),
            [&whole[..], b"\0"].concat(),
            [&whole[..], &whole].concat(),
        ] {
            let refused = inspect_now(&log, &stored, &HashMap::new()).unwrap_err();
            assert_eq!(refused.code(), "no-log-file", "{refused}");
        }
        assert_eq!(
            inspect_now(&Expected::Unlisted(LogClass::Aggregated), &gzip("{}"), &HashMap::new()),
            Ok(Vec::new())
        );
    }

    #[test]
    fn a_listed_file_has_the_hash_that_its_digest_lists() {
        let text = "whatever CloudTrail wrote";
        let listed = Expected::Listed(vec!["00".into(), sha256_hex(text.as_bytes()).into()]);
        assert_eq!(inspect_now(&listed, &gzip(text), &HashMap::new()), Ok(Vec::new()));
        // Inflated by a browser or a tool.
        assert_eq!(inspect_now(&listed, text.as_bytes(), &HashMap::new()), Ok(Vec::new()));
        for stored in [gzip("another"), b"another".to_vec(), [&gzip(text)[..], b"\0"].concat()] {
            let refused = inspect_now(&listed, &stored, &HashMap::new()).unwrap_err();
            assert_eq!(refused.code(), "contradicts-digest", "{refused}");
        }
        assert_eq!(inspect_now(&listed, b"", &HashMap::new()), Err(Refusal::Empty));
    }

    #[test]
    fn an_object_larger_than_any_log_file_is_refused_by_its_size() {
        assert_eq!(by_size(MAX_STORED_BYTES), Ok(()));
        assert_eq!(by_size(MAX_STORED_BYTES + 1).unwrap_err().code(), "too-large");
    }
}
