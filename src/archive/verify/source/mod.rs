//! Sources of objects: a bucket, or a folder that mirrors one.

mod ahead;
mod folder;
mod regular;
mod s3;
mod versions;

use std::collections::HashMap;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

pub use self::folder::{FolderSource, METADATA_SUFFIX};
pub(super) use self::regular::LastFolder;
pub use self::regular::{NotAFile, not_files};
pub use self::s3::S3Source;
use crate::stop::Stop;

/// The largest object that is read. Units: bytes, as stored.
const SIZE_LIMIT: u64 = 256 << 20;

/// A source of objects.
#[derive(Debug)]
pub enum Source {
    /// A bucket.
    S3(S3Source),
    /// A folder that mirrors a bucket: a file per object, named by its key.
    Folder(FolderSource),
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// How long it is, as stored. Units: bytes.
    pub size_bytes: u64,
}

/// A key in a listing that includes deleted objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedKey {
    /// An object.
    Object(ListedObject),
    /// A key whose newest version is a delete marker.
    Deleted {
        /// The key.
        key: String,
        /// When the delete marker was created.
        at: Option<Timestamp>,
    },
}

impl ListedKey {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Object(object) => &object.key,
            Self::Deleted { key, .. } => key,
        }
    }
}

/// The contents directly below a prefix.
#[derive(Debug, Default, Clone)]
pub struct Children {
    /// The names of the folders, in order.
    pub folders: Vec<String>,
    /// The objects.
    pub objects: Vec<ListedObject>,
}

/// An object as fetched, byte for byte as stored.
#[derive(Debug)]
pub struct FetchedObject {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its metadata, by name without `x-amz-meta-`.
    pub metadata: HashMap<String, String>,
    /// Its share of the memory for objects.
    held: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl FetchedObject {
    fn new(bytes: Bytes, metadata: HashMap<String, String>) -> Self {
        Self { bytes, metadata, held: None }
    }

    /// Releases its memory permit: for small objects, and for objects that wait for others.
    pub(crate) fn release(&mut self) {
        self.held = None;
    }
}

/// Why a listing failed.
#[derive(Debug, thiserror::Error)]
#[error("listing {}", if prefix.is_empty() { "the bucket".to_owned() } else { format!("`{prefix}`") })]
pub struct ListError {
    /// The listed prefix.
    pub prefix: String,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl ListError {
    /// The error for a listing that was stopped.
    pub(super) fn stopped(prefix: &str, stop: &Stop) -> Self {
        let source = format!("{} stopped the command", stop.cause()).into();
        Self { prefix: prefix.to_owned(), source }
    }
}

/// Why an object could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It does not exist.
    #[error("not found")]
    NotFound,
    /// It is larger than any object that CloudTrail writes.
    #[error("{size_bytes} bytes, more than the limit of {SIZE_LIMIT}")]
    TooLarge {
        /// How long it is.
        size_bytes: u64,
    },
    /// Reading it failed.
    #[error("{0}")]
    Failed(String),
}

impl Source {
    /// The bucket; unknown for a plain folder.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3(s3) => Some(s3.bucket()),
            Self::Folder(folder) => folder.bucket(),
        }
    }

    /// Whether objects have their metadata: a plain folder does not; a folder with a known
    /// bucket was packed with it.
    #[must_use]
    pub fn keeps_metadata(&self) -> bool {
        self.bucket().is_some()
    }

    /// Whether it is a plain folder of files that people may have listed.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        matches!(self, Self::Folder(folder) if folder.bucket().is_none())
    }

    /// The names of the folders directly below a prefix, in order, as of
    /// [`Self::children`].
    ///
    /// `prefix` is empty or ends in a slash.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, ListError> {
        match self {
            Self::S3(s3) => Ok(s3.children(prefix).await?.folders),
            Self::Folder(folder) => folder.folders(prefix).await,
        }
    }

    /// The folders and objects directly below a prefix. If deleted objects are listed, also the
    /// folders with only deleted objects.
    ///
    /// `prefix` is empty or ends in a slash.
    pub async fn children(&self, prefix: &str) -> Result<Children, ListError> {
        match self {
            Self::S3(s3) => s3.children(prefix).await,
            Self::Folder(folder) => folder.children(prefix).await,
        }
    }

    /// All objects below a prefix, in the order of their keys, starting after a key.
    ///
    /// `prefix` is empty or ends in a slash.
    pub fn list(
        &self,
        prefix: &str,
        start_after: Option<String>,
    ) -> BoxStream<'static, Result<ListedObject, ListError>> {
        match self {
            Self::S3(s3) => s3.list(prefix, start_after).boxed(),
            Self::Folder(folder) => folder.list(prefix, start_after),
        }
    }

    /// Lists also the keys of deleted objects, if the bucket keeps versions and they can be
    /// listed.
    pub fn list_with_deleted(
        &self,
        prefix: &str,
        start_after: Option<String>,
    ) -> BoxStream<'static, Result<ListedKey, ListError>> {
        let listed = self.list(prefix, start_after.clone()).map_ok(ListedKey::Object).boxed();
        match self {
            Self::S3(s3) if s3.lists_deleted() => {
                in_order(listed, s3.list_deleted(prefix, start_after))
            }
            _ => listed,
        }
    }

    /// Whether deleted objects are listed.
    #[must_use]
    pub fn lists_deleted(&self) -> bool {
        matches!(self, Self::S3(s3) if s3.lists_deleted())
    }

    /// Whether listing deleted objects was requested and failed.
    #[must_use]
    pub fn deleted_unknown(&self) -> bool {
        matches!(self, Self::S3(s3) if s3.deleted_unknown())
    }

    /// Fetches an object; `bucket` is for sources that span several.
    pub async fn fetch(
        &self,
        bucket: Option<&str>,
        key: &str,
    ) -> Result<FetchedObject, FetchError> {
        match self {
            Self::S3(s3) => s3.fetch(bucket, key).await,
            Self::Folder(folder) => folder.fetch(bucket, key).await,
        }
    }

    /// The current version of an object; `None` without versioning.
    pub async fn version(&self, key: &str) -> Result<Option<String>, FetchError> {
        match self {
            Self::S3(s3) => s3.version(key).await,
            Self::Folder(_) => Ok(None),
        }
    }

    /// Whether an object exists.
    pub async fn exists(&self, key: &str) -> Result<bool, FetchError> {
        match self {
            Self::S3(s3) => s3.exists(key).await,
            Self::Folder(folder) => match folder.fetch(None, key).await {
                Ok(_) => Ok(true),
                Err(FetchError::NotFound) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// Fetches an object again through the SDK, before it is reported as damaged.
    pub async fn fetch_again(
        &self,
        bucket: Option<&str>,
        key: &str,
    ) -> Result<FetchedObject, FetchError> {
        match self {
            Self::S3(s3) => s3.fetch_again(bucket, key).await,
            Self::Folder(folder) => folder.fetch(bucket, key).await,
        }
    }
}

/// Merges existing and deleted objects in key order.
fn in_order(
    listed: BoxStream<'static, Result<ListedKey, ListError>>,
    deleted: BoxStream<'static, ListedKey>,
) -> BoxStream<'static, Result<ListedKey, ListError>> {
    let both = (Box::pin(listed.peekable()), Box::pin(deleted.peekable()));
    let merged = stream::unfold(both, |(mut listed, mut deleted)| async move {
        let is_deleted = match futures::join!(listed.as_mut().peek(), deleted.as_mut().peek()) {
            (Some(Ok(one)), Some(other)) => other.key() < one.key(),
            (None, Some(_)) => true,
            (Some(_), _) => false,
            (None, None) => return None,
        };
        let next = if is_deleted { deleted.next().await.map(Ok) } else { listed.next().await };
        Some((next?, (listed, deleted)))
    });
    merged.boxed()
}
