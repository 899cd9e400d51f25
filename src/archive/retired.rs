//! Records of retired trails: the trail was deleted on purpose.
//!
//! The archive has one object per trail, `orgtrail/retired/<SHA-256 of the ARN>.json`, which
//! the bucket's default retention locks. An authenticated record turns a finding into a
//! notice; anyone who can write below `orgtrail/` can write one (`authenticity.rs`).

use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authenticity::{
    Authenticity, MAC_METADATA, MacKey, RecordKind, RecordTrust, StoredRecord,
};
use super::contention::is_taken;
use super::stored::{self, nullable};
use super::verify::digest::sha256_hex;
use super::verify::source::{FetchError, FetchedObject, S3Source, Source};
use crate::aws::{At as _, AwsError, Clients, WriteClients};
use crate::names::{Arn, BucketName, prefix_folder};

/// The folder of the records, below the archive's prefix.
const FOLDER: &str = "orgtrail/retired/";
/// The name of the records, as documents.
const DOCUMENT: &str = "retired-trail";
/// The version of the records' format.
const FORMAT_VERSION: u32 = 1;

/// A trail that was retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "document", rename = "retired-trail")]
pub struct Retired {
    /// 1.
    pub version: u32,
    /// The trail's ARN.
    pub trail: String,
    /// The bucket that it delivered to; unknown if the trail was already deleted.
    #[serde(deserialize_with = "nullable")]
    pub bucket: Option<String>,
    /// The caller's ARN.
    pub retired_by: String,
    /// When.
    pub retired_at: Timestamp,
    /// Whether the trail was already deleted.
    pub already_deleted: bool,
}

/// Why no record was written.
#[derive(Debug, thiserror::Error)]
pub enum RetiredError {
    /// The call failed.
    #[error("recording that the trail was retired")]
    Aws(#[from] AwsError),
    /// KMS did not compute the MAC of the record.
    #[error("authenticating the record that the trail was retired")]
    Mac(#[source] AwsError),
    /// The record could not be encoded.
    #[error("encoding the record")]
    Encode(#[from] serde_json::Error),
}

/// A record, and whether its writer is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredRecord {
    /// Its content.
    pub retired: Retired,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Whether its writer is authenticated.
    pub authenticated: Authenticity,
}

/// The fields of a record that its MAC covers.
fn statement<'a>(key: &'a str, sha256: &'a str) -> StoredRecord<'a> {
    StoredRecord { kind: RecordKind::RetiredTrail, key, number: 0, previous_sha256: None, sha256 }
}

async fn authenticity(
    key: &str,
    stored: &FetchedObject,
    trust: &RecordTrust,
) -> (String, Authenticity) {
    let sha256 = sha256_hex(&stored.bytes);
    let authenticated = trust.of(statement(key, &sha256), &stored.metadata).await;
    (sha256, authenticated)
}

fn key(prefix: Option<&str>, trail: &str) -> String {
    let prefix = prefix_folder(prefix);
    format!("{prefix}{FOLDER}{}.json", sha256_hex(trail.as_bytes()))
}

impl Retired {
    /// The record of a trail.
    #[must_use]
    pub fn new(
        trail: &Arn,
        bucket: Option<&BucketName>,
        retired_by: &Arn,
        retired_at: Timestamp,
    ) -> Self {
        Self {
            version: FORMAT_VERSION,
            trail: trail.to_string(),
            bucket: bucket.map(ToString::to_string),
            retired_by: retired_by.to_string(),
            retired_at,
            already_deleted: bucket.is_none(),
        }
    }

    /// Every authenticated record of an archive; other objects are skipped.
    ///
    /// # Errors
    /// The records could not be listed, or one could not be read or its MAC not checked.
    pub async fn all(
        source: &Source,
        prefix: Option<&str>,
        trust: &RecordTrust,
    ) -> Result<Vec<Self>, String> {
        let folder = key(prefix, "");
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned() + "/";
        let mut listed = source.list(&folder, None);
        let mut all = Vec::new();
        while let Some(object) = listed.try_next().await.map_err(|it| it.source.to_string())? {
            let stored = source.fetch(None, &object.key).await.map_err(|it| it.to_string())?;
            let record = stored::read::<Self>(&stored.bytes, DOCUMENT, FORMAT_VERSION).ok();
            let record = record.filter(|record| key(prefix, &record.trail) == object.key);
            let Some(record) = record else { continue };
            match authenticity(&object.key, &stored, trust).await.1 {
                Authenticity::Mac { .. } | Authenticity::Listed => all.push(record),
                Authenticity::Unauthenticated { .. } => {}
                Authenticity::Unknown { reason } => return Err(reason),
            }
        }
        Ok(all)
    }

    /// Reads the record of a trail; `None` if it does not exist.
    ///
    /// # Errors
    /// It could not be read, or belongs to another trail.
    pub async fn read(
        source: &Source,
        prefix: Option<&str>,
        trail: &str,
        trust: &RecordTrust,
    ) -> Result<Option<RetiredRecord>, String> {
        let key = key(prefix, trail);
        let stored = match source.fetch(None, &key).await {
            Ok(stored) => stored,
            Err(FetchError::NotFound) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let record: Self = stored::read(&stored.bytes, DOCUMENT, FORMAT_VERSION)
            .map_err(|fault| fault.to_string())?;
        if record.trail != trail {
            return Err(format!("it is of {}", record.trail));
        }
        let (sha256, authenticated) = authenticity(&key, &stored, trust).await;
        Ok(Some(RetiredRecord { retired: record, sha256, authenticated }))
    }

    /// Writes the record, unless an authenticated one exists, with a MAC if `trust` has a MAC
    /// key. Returns the SHA-256 of the record.
    ///
    /// # Errors
    /// Nothing was written, as far as can be determined.
    pub async fn write(
        &self,
        clients: &WriteClients,
        bucket: &BucketName,
        prefix: Option<&str>,
        trust: &RecordTrust,
    ) -> Result<String, RetiredError> {
        let mac_key = trust.mac_key.as_ref();
        if let Some(sha256) = self.put(clients, bucket, prefix, mac_key, true).await? {
            return Ok(sha256);
        }
        let source = Source::S3(S3Source::new(Clients::clone(clients), bucket.as_str()));
        match Self::read(&source, prefix, &self.trail, trust).await {
            Ok(Some(found)) if found.authenticated.is_authenticated() => Ok(found.sha256),
            // Anyone may have written it: write ours as a newer version.
            _ => {
                let put = self.put(clients, bucket, prefix, mac_key, false).await?;
                Ok(put.unwrap_or_default())
            }
        }
    }

    /// Puts the record; `None` if `create` is set and a record exists.
    async fn put(
        &self,
        clients: &WriteClients,
        bucket: &BucketName,
        prefix: Option<&str>,
        mac_key: Option<&MacKey>,
        create: bool,
    ) -> Result<Option<String>, RetiredError> {
        let stored = serde_json::to_vec_pretty(self)?;
        let (sha256, key) = (sha256_hex(&stored), key(prefix, &self.trail));
        let checksum = hex::decode(&sha256).unwrap_or_default();
        let code = match mac_key {
            Some(mac_key) => {
                let code = mac_key.code(statement(&key, &sha256)).await;
                Some(code.map_err(RetiredError::Mac)?)
            }
            None => None,
        };
        let put = clients
            .s3()
            .put_object()
            .bucket(bucket.as_str())
            .key(key)
            .set_if_none_match(create.then(|| "*".to_owned()))
            .set_metadata(code.map(|code| [(MAC_METADATA.to_owned(), code)].into()))
            // Object Lock requires a checksum.
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(checksum))
            .content_type("application/json")
            .body(stored.into())
            .send()
            .await
            .at(clients, "s3:PutObject");
        match put {
            Ok(_) => Ok(Some(sha256)),
            Err(error) if create && is_taken(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::source::FolderSource;

    #[tokio::test]
    async fn a_record_applies_only_to_its_own_trail() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(FolderSource::new(folder.path().to_owned()));
        let trail = "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy";
        assert_eq!(Retired::read(&source, None, trail, &RecordTrust::default()).await, Ok(None));
        let by = "arn:aws:iam::111111111111:user/admin".parse().unwrap();
        let record = Retired::new(&trail.parse().unwrap(), None, &by, Timestamp::UNIX_EPOCH);
        std::fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        let write = |of: &str, text: &[u8]| {
            std::fs::write(folder.path().join(key(None, of)), text).unwrap();
        };
        let text = serde_json::to_vec(&record).unwrap();
        write(trail, &text);
        let sha256 = sha256_hex(&text);
        let trust = RecordTrust::listed([&sha256]);
        let found = Retired::read(&source, None, trail, &trust).await.unwrap().unwrap();
        assert_eq!((&found.retired, &found.sha256), (&record, &sha256));
        assert_eq!(found.authenticated, Authenticity::Listed);
        let unlisted = Retired::read(&source, None, trail, &RecordTrust::default()).await;
        assert!(!unlisted.unwrap().unwrap().authenticated.is_authenticated());
        let other = trail.replace("legacy", "other");
        write(&other, &text);
        assert!(Retired::read(&source, None, &other, &trust).await.is_err());
        assert_eq!(Retired::all(&source, None, &trust).await, Ok(vec![record]));
        assert_eq!(Retired::all(&source, None, &RecordTrust::default()).await, Ok(Vec::new()));
        write(&other, b"{}");
        assert!(Retired::read(&source, None, &other, &trust).await.is_err());
    }
}
