//! A parsed digest: decompressed, hashed and parsed, but not verified.

use jiff::Timestamp;

use super::digest::{DigestDocument, ListedLog, metadata, sha256_hex, string_to_sign};
use super::gzip::{GzipError, inflate};
use super::public_keys::SignedAt;
use crate::archive::key::ObjectKey;

/// The largest digest that is read. Units: bytes, inflated.
///
/// A listed log file takes about 500 bytes, so this is more than 60,000 files
/// an hour.
pub(super) const LIMIT: u64 = 32 << 20;

/// A listed digest with the result of fetching it.
#[derive(Debug)]
pub struct FetchedDigest {
    /// Its key.
    pub key: ObjectKey,
    /// Its content.
    pub content: Result<ParsedDigest, DigestFault>,
}

/// A parsed digest. Nothing in it is proven.
#[derive(Debug)]
pub struct ParsedDigest {
    pub(super) document: DigestDocument,
    /// The hash of the decompressed bytes, in hexadecimal.
    pub(super) sha256: String,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// From the object's metadata.
    pub(super) signature: Option<String>,
    pub(super) signed_at: SignedAt,
    /// Its approximate memory. Units: bytes.
    pub(super) memory: usize,
    /// Its share of the memory for unproven digests.
    pub(super) held: Option<tokio::sync::OwnedSemaphorePermit>,
    /// Whether it is stored uncompressed, as saved by a browser or an HTTP client.
    pub(super) stored_inflated: bool,
}

/// Why a digest cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DigestFault {
    /// It is not one complete gzip stream.
    #[error(transparent)]
    Gzip(#[from] GzipError),
    /// It is not a digest document.
    #[error("not a digest: {}", crate::words::json_fault(.0))]
    Json(#[from] serde_json::Error),
    /// Its hour cannot be read.
    #[error("its hour is `{start}` to `{end}`, expected two times")]
    Hour {
        /// The start as written.
        start: String,
        /// The end as written.
        end: String,
    },
    /// A backfill digest without its generation time.
    #[error("a backfill digest without `{}`", metadata::BACKFILL_GENERATION_TIMESTAMP)]
    NoGenerationTime,
    /// It could not be fetched.
    #[error("{0}")]
    Unreadable(String),
}

impl ParsedDigest {
    /// Reads a digest from its object.
    ///
    /// `metadata` gives the object's metadata by name, without `x-amz-meta-`.
    pub fn parse<'m>(
        stored: &[u8],
        metadata: impl Fn(&str) -> Option<&'m str>,
        backfill: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, DigestFault> {
        let (inflated, stored_inflated) = contents(stored, buffer)?;
        let document = DigestDocument::parse(&inflated)?;
        let (start, end) = document.hour().map_err(|_| DigestFault::Hour {
            start: document.digest_start_time.clone(),
            end: document.digest_end_time.clone(),
        })?;
        let signed_at = if backfill {
            let generated = metadata(metadata::BACKFILL_GENERATION_TIMESTAMP)
                .and_then(|time| time.parse().ok())
                .ok_or(DigestFault::NoGenerationTime)?;
            SignedAt::Backfill(generated)
        } else {
            SignedAt::Hour { start, end }
        };
        let signature = metadata(metadata::SIGNATURE_ALGORITHM)
            .and_then(|_| metadata(metadata::SIGNATURE))
            .map(str::to_owned);
        let listed = document.log_files.capacity().saturating_mul(size_of::<ListedLog>());
        Ok(Self {
            sha256: sha256_hex(&inflated),
            memory: inflated.len().saturating_add(listed),
            document,
            start,
            end,
            signature,
            signed_at,
            held: None,
            stored_inflated,
        })
    }

    /// The text that its signature covers.
    pub(super) fn string_to_sign(&self) -> String {
        string_to_sign(
            &self.document.digest_end_time,
            &self.document.digest_s3_bucket,
            &self.document.digest_s3_object,
            &self.sha256,
            self.document.previous_digest_signature.as_deref(),
        )
    }

    /// The original address of the previous digest: bucket and key.
    pub(super) fn previous(&self) -> Option<(&str, &str)> {
        let document = &self.document;
        document
            .previous_digest_s3_bucket
            .as_deref()
            .zip(document.previous_digest_s3_object.as_deref())
    }
}

/// A digest's text, and whether it is stored uncompressed.
///
/// CloudTrail sets `Content-Encoding: gzip`, so browsers and HTTP clients save the text
/// itself. The signature covers the text.
pub(crate) fn contents(stored: &[u8], buffer: &mut Vec<u8>) -> Result<(Vec<u8>, bool), GzipError> {
    let mut inflated = Vec::new();
    match inflate(stored, LIMIT, buffer, |piece| inflated.extend_from_slice(piece)) {
        Ok(_) => Ok((inflated, false)),
        Err(_) if stored.first() == Some(&b'{') && stored.len() as u64 <= LIMIT => {
            Ok((stored.to_vec(), true))
        }
        Err(error) => Err(error),
    }
}
