//! The digest: its document, its metadata and the text that its signature
//! covers.
//!
//! Source: CloudTrail User Guide, "CloudTrail digest file structure".

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The names of the object metadata that CloudTrail puts on a digest, without
/// S3's `x-amz-meta-`.
pub mod metadata {
    /// The signature. Shape: hexadecimal, 512 digits.
    pub const SIGNATURE: &str = "signature";
    /// The signature's algorithm; see [`super::SIGNATURE_ALGORITHM`].
    pub const SIGNATURE_ALGORITHM: &str = "signature-algorithm";
    /// When a backfill digest was written, and so which keys could sign it.
    pub const BACKFILL_GENERATION_TIMESTAMP: &str = "backfill-generation-timestamp";
}

/// The only signature algorithm there is.
pub const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";
/// The only hash algorithm there is.
pub const HASH_ALGORITHM: &str = "SHA-256";

/// A digest's document.
///
/// Shape: read as leniently as `aws cloudtrail validate-logs` reads it: six
/// fields must be there, the rest may be missing or null. Times are kept as
/// written, because the signature covers their text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestDocument {
    /// The account whose log files are listed.
    #[serde(default)]
    pub aws_account_id: Option<String>,
    /// Where the hour begins.
    pub digest_start_time: String,
    /// Where the hour ends.
    pub digest_end_time: String,
    /// The bucket that CloudTrail wrote the digest into.
    #[serde(rename = "digestS3Bucket")]
    pub digest_s3_bucket: String,
    /// The key that CloudTrail wrote the digest under.
    #[serde(rename = "digestS3Object")]
    pub digest_s3_object: String,
    /// Which public key verifies the signature. Shape: MD5 of the key's DER, in
    /// hexadecimal.
    pub digest_public_key_fingerprint: String,
    /// See [`SIGNATURE_ALGORITHM`].
    #[serde(default)]
    pub digest_signature_algorithm: Option<String>,
    /// The newest event in the listed files; null in an empty hour.
    #[serde(default)]
    pub newest_event_time: Option<String>,
    /// The oldest event in the listed files; may precede the hour.
    #[serde(default)]
    pub oldest_event_time: Option<String>,
    /// Where the chain's previous digest was written: bucket.
    #[serde(default, rename = "previousDigestS3Bucket")]
    pub previous_digest_s3_bucket: Option<String>,
    /// Where the chain's previous digest was written: key.
    #[serde(default, rename = "previousDigestS3Object")]
    pub previous_digest_s3_object: Option<String>,
    /// SHA-256 of the previous digest's inflated bytes, in hexadecimal.
    #[serde(default)]
    pub previous_digest_hash_value: Option<String>,
    /// See [`HASH_ALGORITHM`].
    #[serde(default)]
    pub previous_digest_hash_algorithm: Option<String>,
    /// The previous digest's signature; null in the first digest of a chain.
    #[serde(deserialize_with = "present_or_null")]
    pub previous_digest_signature: Option<String>,
    /// The log files delivered within the hour.
    #[serde(deserialize_with = "list_or_null")]
    pub log_files: Vec<ListedLog>,
}

/// A log file as a digest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedLog {
    /// The bucket that CloudTrail wrote the file into.
    #[serde(rename = "s3Bucket")]
    pub s3_bucket: String,
    /// The key that CloudTrail wrote the file under.
    #[serde(rename = "s3Object")]
    pub s3_object: String,
    /// SHA-256 of the file's inflated bytes, in hexadecimal.
    pub hash_value: String,
    /// See [`HASH_ALGORITHM`].
    #[serde(default)]
    pub hash_algorithm: Option<String>,
    /// The newest event in the file.
    #[serde(default)]
    pub newest_event_time: Option<String>,
    /// The oldest event in the file.
    #[serde(default)]
    pub oldest_event_time: Option<String>,
}

impl DigestDocument {
    /// Reads a document from a digest's inflated bytes.
    pub fn parse(inflated: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(inflated)
    }

    /// The document as CloudTrail writes it: compact, with `/` as `\/`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, EscapedSlashes))?;
        Ok(bytes)
    }

    /// The hour as instants: start and end.
    pub fn hour(&self) -> Result<(Timestamp, Timestamp), jiff::Error> {
        Ok((self.digest_start_time.parse()?, self.digest_end_time.parse()?))
    }

    /// The text that this document's signature covers.
    ///
    /// `inflated` are the bytes that the document was read from; what
    /// [`to_bytes`](Self::to_bytes) gives may differ from what CloudTrail wrote.
    #[must_use]
    pub fn string_to_sign(&self, inflated: &[u8]) -> String {
        string_to_sign(
            &self.digest_end_time,
            &self.digest_s3_bucket,
            &self.digest_s3_object,
            &sha256_hex(inflated),
            self.previous_digest_signature.as_deref(),
        )
    }
}

/// The text that a digest's signature covers.
///
/// Shape: four lines without a newline after the last; the end time as written
/// in the document, the original address, the SHA-256 of the inflated bytes in
/// hexadecimal, the previous signature or `null`.
#[must_use]
pub fn string_to_sign(
    digest_end_time: &str,
    bucket: &str,
    key: &str,
    sha256_hex: &str,
    previous_signature: Option<&str>,
) -> String {
    let previous = previous_signature.unwrap_or("null");
    format!("{digest_end_time}\n{bucket}/{key}\n{sha256_hex}\n{previous}")
}

/// SHA-256 in lower-case hexadecimal, as digests write it.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// Requires the field, and takes null for it.
fn present_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(from)
}

fn list_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ListedLog>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Writes compact JSON with `/` escaped, as CloudTrail does.
struct EscapedSlashes;

impl serde_json::ser::Formatter for EscapedSlashes {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut pieces = fragment.split('/');
        if let Some(first) = pieces.next() {
            to.write_all(first.as_bytes())?;
        }
        for piece in pieces {
            to.write_all(b"\\/")?;
            to.write_all(piece.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"digestStartTime":"2026-01-01T00:00:00Z","digestEndTime":"2026-01-01T01:00:00Z","digestS3Bucket":"b","digestS3Object":"AWSLogs\/k","digestPublicKeyFingerprint":"00","previousDigestSignature":null,"logFiles":[]}"#;

    #[test]
    fn six_fields_and_the_list_are_enough() {
        let document = DigestDocument::parse(FIRST.as_bytes()).unwrap();
        assert_eq!(document.digest_s3_object, "AWSLogs/k");
        assert_eq!(document.previous_digest_s3_object, None);
        assert!(document.log_files.is_empty());
    }

    #[test]
    fn each_required_field_is_required() {
        let whole: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(FIRST).unwrap();
        for field in whole.keys() {
            let mut less = whole.clone();
            less.remove(field);
            let text = serde_json::to_vec(&less).unwrap();
            assert!(DigestDocument::parse(&text).is_err(), "{field}");
        }
    }

    #[test]
    fn a_null_list_is_an_empty_one() {
        let text = FIRST.replace("[]", "null");
        assert!(DigestDocument::parse(text.as_bytes()).unwrap().log_files.is_empty());
    }

    #[test]
    fn slashes_are_written_escaped() {
        let document = DigestDocument::parse(FIRST.as_bytes()).unwrap();
        let bytes = document.to_bytes().unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(r#""digestS3Object":"AWSLogs\/k""#));
        assert_eq!(DigestDocument::parse(&bytes).unwrap(), document);
    }

    #[test]
    fn the_signed_text_has_four_lines() {
        let document = DigestDocument::parse(FIRST.as_bytes()).unwrap();
        assert_eq!(
            document.string_to_sign(b""),
            "2026-01-01T01:00:00Z\nb/AWSLogs/k\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nnull"
        );
        let next = DigestDocument { previous_digest_signature: Some("ab".into()), ..document };
        assert!(next.string_to_sign(b"").ends_with("\nab"));
    }
}
