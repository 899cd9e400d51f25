//! Small files with conditional writes: the state of the service, and the results of shards.
//!
//! Every write is conditional: a file is created only if its key is free, and replaced only
//! if nobody else has. Nothing is deleted.

mod directory;
mod s3;

use bytes::Bytes;

pub use self::directory::DirectoryStore;
pub use self::s3::S3Store;
use crate::aws::AwsError;

/// The longest file that is read. Units: bytes.
pub const LONGEST: u64 = 64 << 20;

/// Files by key: in a directory, or in a bucket.
#[derive(Debug, Clone)]
pub enum Store {
    /// Files below a directory of this machine.
    Directory(DirectoryStore),
    /// Objects below a prefix of a bucket.
    S3(S3Store),
}

/// One content of a file. Equal contents may have equal versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its content.
    pub bytes: Bytes,
    /// The version of the content.
    pub version: Version,
}

/// The result of creating a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The key was free.
    New(Version),
    /// The key was taken, and its file has other content.
    Taken,
}

/// The result of replacing a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// The file had the expected version.
    New(Version),
    /// Somebody else replaced or deleted the file.
    Changed,
}

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// In a directory.
    #[error("the file {key}")]
    File {
        /// The file's key.
        key: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// In a bucket.
    #[error("the object {key}")]
    Object {
        /// The object's key below the prefix.
        key: String,
        /// Why not.
        #[source]
        source: AwsError,
    },
    /// Concurrent writes of the key conflicted too often.
    #[error("the object {key}: concurrent writes conflicted {tries} times in a row")]
    Conflicts {
        /// The object's key below the prefix.
        key: String,
        /// How often.
        tries: u32,
    },
    /// It is longer than any file that is read.
    #[error("the file {key} is longer than {LONGEST} bytes")]
    TooLong {
        /// The file's key.
        key: String,
    },
    /// The store was opened only to be read.
    #[error("the object {key}: its store is only read")]
    ReadOnly {
        /// The object's key below the prefix.
        key: String,
    },
    /// A key that could leave the store.
    #[error("`{key}` is not a key of a store")]
    NotAKey {
        /// The key.
        key: String,
    },
}

impl Store {
    /// Whether a file cannot be created twice.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub async fn refuses_to_overwrite(&self) -> Result<bool, StoreError> {
        let key = format!("probes/{:032x}", fastrand::u128(..));
        let first = self.create(&key, Bytes::from_static(b"1")).await?;
        let second = self.create(&key, Bytes::from_static(b"2")).await?;
        Ok(matches!((first, second), (Created::New(_), Created::Taken)))
    }

    /// Creates a file, if its key is free. If a lost response made the caller try again, the
    /// file that it created itself counts as new: contents must be unique for that.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        check_key(key)?;
        match self {
            Self::Directory(directory) => directory.create(key, bytes).await,
            Self::S3(s3) => s3.create(key, bytes).await,
        }
    }

    /// Replaces a file, if it has a version.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        version: &Version,
    ) -> Result<Replaced, StoreError> {
        check_key(key)?;
        match self {
            Self::Directory(directory) => directory.replace(key, bytes, version).await,
            Self::S3(s3) => s3.replace(key, bytes, version).await,
        }
    }

    /// Reads a file; none if it is missing.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub async fn read(&self, key: &str) -> Result<Option<StoredFile>, StoreError> {
        check_key(key)?;
        match self {
            Self::Directory(directory) => directory.read(key).await,
            Self::S3(s3) => s3.read(key).await,
        }
    }

    /// The keys below a folder (`rounds/`), the first `limit` in the order of their bytes.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub async fn list(&self, folder: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        check_key(folder.trim_end_matches('/'))?;
        match self {
            Self::Directory(directory) => directory.list(folder, limit).await,
            Self::S3(s3) => s3.list(folder, limit).await,
        }
    }
}

/// Refuses keys that are not plain: names come from the configuration and from times.
fn check_key(key: &str) -> Result<(), StoreError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name =
        |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain);
    if key.len() <= 512 && key.split('/').all(is_name) {
        return Ok(());
    }
    Err(StoreError::NotAKey { key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leaves_the_store() {
        for key in ["claims/nightly/20260101T031700Z/1", "rounds/7f-0a.json"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "/etc/passwd", "a/../b", "a//b", ".lock", "a/.tmp", "a b", "ä", "a\0"] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }
}
