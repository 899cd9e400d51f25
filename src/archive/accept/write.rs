use std::sync::Arc;

use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{Acceptance, Acceptances, FORMAT_VERSION, record_key};
use crate::archive::authenticity::{MAC_METADATA, RecordKind, RecordTrust, StoredRecord};
use crate::archive::contention::{Contended, Contention, is_taken, is_write_conflict};
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::source::{S3Source, Source};
use crate::aws::{At as _, AwsError, Clients, WriteClients};
use crate::names::BucketName;

/// An acceptance to write.
#[derive(Debug, Clone)]
pub struct Accepting {
    /// The record; its number and previous hash are filled in.
    pub record: Acceptance,
}

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Other runs wrote acceptances at the same time in every attempt.
    #[error(transparent)]
    Contended(#[from] Contended),
    /// The records could not be read, so no record can be appended.
    #[error("the records of accepted findings could not be read: `{key}`: {reason}")]
    Unreadable {
        /// What.
        key: String,
        /// Why.
        reason: String,
    },
    /// KMS did not compute the MAC of the record.
    #[error("authenticating the record")]
    Mac(#[source] AwsError),
    /// The record could not be encoded.
    #[error("encoding the record")]
    Encode(#[from] serde_json::Error),
}

/// A record that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its key.
    pub key: String,
    /// Its content.
    pub acceptance: Acceptance,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// Appends a record, with a MAC if `trust` has a MAC key.
///
/// # Errors
/// Nothing was written, as far as can be determined.
pub async fn accept(
    clients: &WriteClients,
    bucket: &BucketName,
    prefix: Option<&str>,
    accepting: Accepting,
    trust: &RecordTrust,
) -> Result<Written, AcceptError> {
    let source = Arc::new(Source::S3(S3Source::new(Clients::clone(clients), bucket.as_str())));
    let mut contention = Contention::new();
    loop {
        let all = Acceptances::read(Arc::clone(&source), prefix, &RecordTrust::default()).await;
        if let Some((key, reason)) = all.unreadable.into_iter().next() {
            return Err(AcceptError::Unreadable { key, reason });
        }
        let record = Acceptance {
            version: FORMAT_VERSION,
            number: all.next,
            previous_sha256: all.tip_sha256,
            ..accepting.record.clone()
        };
        let key = record_key(prefix, record.number);
        let stored = serde_json::to_vec_pretty(&record)?;
        let sha256 = sha256_hex(&stored);
        let checksum = hex::decode(&sha256).unwrap_or_default();
        let code = match &trust.mac_key {
            Some(mac_key) => {
                let as_stored = StoredRecord {
                    kind: RecordKind::Acceptance,
                    key: &key,
                    number: record.number,
                    previous_sha256: record.previous_sha256.as_deref(),
                    sha256: &sha256,
                };
                Some(mac_key.code(as_stored).await.map_err(AcceptError::Mac)?)
            }
            None => None,
        };
        let put = clients
            .s3()
            .put_object()
            .bucket(bucket.as_str())
            .key(&key)
            .if_none_match("*")
            // Object Lock requires a checksum.
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(checksum))
            .content_type("application/json")
            .set_metadata(code.map(|code| [(MAC_METADATA.to_owned(), code)].into()))
            .body(stored.into())
            .send()
            .await
            .at(clients, "s3:PutObject");
        match put {
            Ok(_) => return Ok(Written { key, acceptance: record, sha256 }),
            Err(error) if is_taken(&error) || is_write_conflict(&error) => {
                contention.wait(&key).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
