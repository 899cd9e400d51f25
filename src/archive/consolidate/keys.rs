//! Saves the public keys in the archive: AWS deletes old keys, and an auditor may work
//! offline.

use aws_sdk_s3::types::ChecksumAlgorithm;
use tokio::io::AsyncReadExt as _;

use super::copy::{Target, WriteTarget};
use super::record::sha256_hex;
use crate::archive::contention::{Contended, Contention, is_taken, is_write_conflict};
use crate::archive::verify::public_keys::{PublicKeySet, SAVED_KEYS};
use crate::aws::{At, AwsError};

/// The maximum size of the saved keys. Units: bytes.
const MAX_SAVED_BYTES: u64 = 16 << 20;

/// Why keys could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveKeysError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The body was truncated.
    #[error("reading the saved public keys")]
    Body(#[from] std::io::Error),
    /// Other runs saved keys at the same time in every attempt.
    #[error(transparent)]
    Contended(#[from] Contended),
    /// The list could not be encoded.
    #[error("encoding the public keys")]
    Encode(#[from] serde_json::Error),
}

/// The result of saving keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Whether any key was new.
    pub is_new: bool,
    /// The object whose content was not a list of keys and was replaced.
    pub replaced: Option<String>,
}

/// Adds keys to those saved in the archive.
///
/// The write is conditional on the version that was read, so concurrent runs do not lose
/// keys.
pub async fn save(
    target: &WriteTarget,
    prefix: Option<&str>,
    keys: &PublicKeySet,
) -> Result<Saved, SaveKeysError> {
    let key = saved_key(prefix);
    let mut contention = Contention::new();
    loop {
        let (saved, etag) = read(target, &key).await?;
        let replaced = saved.is_none().then(|| key.clone());
        let mut all = saved.unwrap_or_default();
        let before = serde_json::to_vec(&all.to_list())?;
        all.extend(keys);
        let body = serde_json::to_vec(&all.to_list())?;
        if replaced.is_none() && etag.is_some() && sha256_hex(&before) == sha256_hex(&body) {
            return Ok(Saved { is_new: false, replaced });
        }
        let put = target
            .writer()
            .s3()
            .put_object()
            .bucket(target.bucket.as_str())
            .key(&key)
            .set_if_none_match(etag.is_none().then(|| "*".to_owned()))
            .set_if_match(etag)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .content_type("application/json")
            .body(body.into())
            .send()
            .await
            .at(&target.clients, "s3:PutObject");
        match put {
            Ok(_) => return Ok(Saved { is_new: true, replaced }),
            // Another run saved keys in the meantime.
            Err(error) if is_taken(&error) || is_write_conflict(&error) => {
                contention.wait(&key).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The keys that are saved in the archive; empty if the object is not a list of keys.
///
/// # Errors
/// They could not be read.
pub async fn saved(target: &Target, prefix: Option<&str>) -> Result<PublicKeySet, SaveKeysError> {
    let (keys, _) = read(target, &saved_key(prefix)).await?;
    Ok(keys.unwrap_or_default())
}

fn saved_key(prefix: Option<&str>) -> String {
    match prefix {
        Some(prefix) => format!("{prefix}/{SAVED_KEYS}"),
        None => SAVED_KEYS.to_owned(),
    }
}

/// The saved keys (`None` if the object is not a list of keys) and the object's entity tag.
async fn read(
    target: &Target,
    key: &str,
) -> Result<(Option<PublicKeySet>, Option<String>), SaveKeysError> {
    let saved = target
        .clients
        .s3()
        .get_object()
        .bucket(target.bucket.as_str())
        .key(key)
        .send()
        .await
        .at(&target.clients, "s3:GetObject");
    match saved {
        Ok(saved) => {
            let etag = saved.e_tag().map(str::to_owned);
            let mut body = Vec::new();
            saved.body.into_async_read().take(MAX_SAVED_BYTES + 1).read_to_end(&mut body).await?;
            // An object that is not a list of keys is replaced (its version remains), so it
            // cannot prevent saving keys that AWS deletes later.
            let is_whole = body.len() as u64 <= MAX_SAVED_BYTES;
            let keys = is_whole.then(|| PublicKeySet::from_json(&body).ok()).flatten();
            Ok((keys, etag))
        }
        Err(error) if error.is_not_found() => Ok((Some(PublicKeySet::default()), None)),
        Err(error) => Err(error.into()),
    }
}
