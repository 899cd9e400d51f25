//! Records of retired trails: a trail that no longer exists was ended on purpose.
//!
//! The archive has one object per trail, `orgtrail/retired/<SHA-256 of the ARN>.json`,
//! which the bucket's default retention locks. A record makes a finding a notice, never
//! none: who may write below `orgtrail/` can write one.

use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::contention::is_taken;
use super::verify::digest::sha256_hex;
use super::verify::source::{FetchError, Source};
use crate::aws::{At as _, AwsError, Clients};
use crate::names::{Arn, BucketName};

/// The folder of the records, below the archive's prefix.
const FOLDER: &str = "orgtrail/retired/";
/// The version of the records' format.
const FORMAT_VERSION: u32 = 1;

/// A trail that was retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// 1.
    pub version: u32,
    /// The trail's ARN.
    pub trail: String,
    /// The bucket that it delivered to; unknown where it had been deleted before.
    #[serde(default)]
    pub bucket: Option<String>,
    /// The caller's ARN.
    pub retired_by: String,
    /// When.
    pub retired_at: Timestamp,
    /// Whether the trail had been deleted before.
    pub was_gone: bool,
}

/// Why no record was written.
#[derive(Debug, thiserror::Error)]
pub enum RetiredError {
    /// The call failed.
    #[error("recording that the trail was retired")]
    Aws(#[from] AwsError),
    /// The record could not be encoded.
    #[error("encoding the record")]
    Encode(#[from] serde_json::Error),
}

fn key(prefix: Option<&str>, trail: &str) -> String {
    let prefix = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
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
            was_gone: bucket.is_none(),
        }
    }

    /// Every record of an archive; what is none is passed over.
    ///
    /// # Errors
    /// They could not be listed, or one could not be read.
    pub async fn all(source: &Source, prefix: Option<&str>) -> Result<Vec<Self>, String> {
        let folder = key(prefix, "");
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned() + "/";
        let mut listed = source.list(&folder, None);
        let mut all = Vec::new();
        while let Some(object) = listed.try_next().await.map_err(|it| it.source.to_string())? {
            let stored = source.fetch(None, &object.key).await.map_err(|it| it.to_string())?;
            let record = serde_json::from_slice::<Self>(&stored.bytes).ok();
            all.extend(record.filter(|record| key(prefix, &record.trail) == object.key));
        }
        Ok(all)
    }

    /// Reads the record of a trail; `None` where there is none.
    ///
    /// # Errors
    /// It could not be read, or is none of this trail.
    pub async fn read(
        source: &Source,
        prefix: Option<&str>,
        trail: &str,
    ) -> Result<Option<Self>, String> {
        let stored = match source.fetch(None, &key(prefix, trail)).await {
            Ok(stored) => stored,
            Err(FetchError::NotFound) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let record: Self =
            serde_json::from_slice(&stored.bytes).map_err(|error| error.to_string())?;
        if record.trail != trail || record.version > FORMAT_VERSION {
            return Err(format!("it is version {} of {}", record.version, record.trail));
        }
        Ok(Some(record))
    }

    /// Writes the record, unless there is one of the trail.
    ///
    /// # Errors
    /// Nothing was written, as far as is known.
    pub async fn write(
        &self,
        clients: &Clients,
        bucket: &BucketName,
        prefix: Option<&str>,
    ) -> Result<(), RetiredError> {
        let stored = serde_json::to_vec_pretty(self)?;
        let checksum = hex::decode(sha256_hex(&stored)).unwrap_or_default();
        let put = clients
            .s3()
            .put_object()
            .bucket(bucket.as_str())
            .key(key(prefix, &self.trail))
            .if_none_match("*")
            // Object Lock wants a checksum.
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(checksum))
            .content_type("application/json")
            .body(stored.into())
            .send()
            .await
            .at(clients, "s3:PutObject");
        match put {
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::source::FolderSource;

    #[tokio::test]
    async fn a_record_speaks_of_its_own_trail_alone() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(FolderSource::new(folder.path().to_owned()));
        let trail = "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy";
        assert_eq!(Retired::read(&source, None, trail).await, Ok(None));
        let by = "arn:aws:iam::111111111111:user/admin".parse().unwrap();
        let record = Retired::new(&trail.parse().unwrap(), None, &by, Timestamp::UNIX_EPOCH);
        std::fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        let write = |of: &str, text: &[u8]| {
            std::fs::write(folder.path().join(key(None, of)), text).unwrap();
        };
        let text = serde_json::to_vec(&record).unwrap();
        write(trail, &text);
        assert_eq!(Retired::read(&source, None, trail).await, Ok(Some(record.clone())));
        let other = trail.replace("legacy", "other");
        write(&other, &text);
        assert!(Retired::read(&source, None, &other).await.is_err());
        assert_eq!(Retired::all(&source, None).await, Ok(vec![record]));
        write(&other, b"{}");
        assert!(Retired::read(&source, None, &other).await.is_err());
    }
}
