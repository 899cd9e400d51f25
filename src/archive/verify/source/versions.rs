//! Listing a bucket with the objects that were deleted from it.
//!
//! A bucket that keeps versions leaves a delete marker where an object was deleted, so
//! what is missing from an ordinary listing can still be named.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use super::s3::folder_name;
use super::{Children, ListError, ListedKey, ListedObject, S3Source};
use crate::aws::{At as _, AwsError, ErrorKind};

const ACTION: &str = "s3:ListBucketVersions";

/// Whether versions may be listed, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Versions {
    refused: AtomicBool,
}

impl Versions {
    fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Notes why versions cannot be listed; other errors are the caller's.
    fn refuse(&self, error: AwsError) -> Result<(), AwsError> {
        let unsupported = ["NotImplemented", "MethodNotAllowed", "UnsupportedOperation"];
        let is_refused = error.kind() == ErrorKind::AccessDenied
            || unsupported.iter().any(|code| error.is_code(code));
        if !is_refused {
            return Err(error);
        }
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "cannot list object versions: deleted objects are not reported");
        }
        Ok(())
    }
}

/// Where the next page of a listing begins.
#[derive(Debug, Clone, Default)]
struct Marker {
    key: Option<String>,
    version: Option<String>,
}

impl S3Source {
    pub(super) fn lists_deleted(&self) -> bool {
        self.versions.as_ref().is_some_and(|versions| !versions.is_refused())
    }

    /// Whether the bucket's versions were to be listed, and could not be.
    pub(super) fn deleted_unknown(&self) -> bool {
        self.versions.as_ref().is_some_and(|versions| versions.is_refused())
    }

    /// The folders and objects below a prefix; `None` where versions are not to be, or
    /// cannot be listed.
    pub(super) async fn children_with_deleted(
        &self,
        prefix: &str,
    ) -> Result<Option<Children>, ListError> {
        let Some(versions) = self.versions.as_ref().filter(|_| self.lists_deleted()) else {
            return Ok(None);
        };
        let failed =
            |error: AwsError| ListError { prefix: prefix.to_owned(), source: error.into() };
        let mut children = Children::default();
        let mut marker = Some(Marker::default());
        while let Some(from) = marker {
            let page = match self.version_page(prefix, from, Some("/")).await {
                Ok(page) => page,
                Err(error) => return versions.refuse(error).map(|()| None).map_err(failed),
            };
            let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            children.folders.extend(folders.map(|folder| folder_name(prefix, folder)));
            marker = next(&page);
            children.objects.extend(keys(page).into_iter().filter_map(|key| match key {
                ListedKey::Object(object) => Some(object),
                ListedKey::Deleted { .. } => None,
            }));
        }
        Ok(Some(children))
    }

    /// All keys below a prefix in their order, from after a key on.
    pub(super) fn list_with_deleted(
        &self,
        prefix: &str,
        start_after: Option<String>,
    ) -> BoxStream<'static, Result<ListedKey, ListError>> {
        let source = self.clone();
        let prefix = prefix.to_owned();
        let marker = Marker { key: start_after, version: None };
        let pages = stream::try_unfold(Some(marker), move |marker| {
            let (source, prefix) = (source.clone(), prefix.clone());
            async move {
                let Some(marker) = marker else { return Ok(None) };
                let after = marker.key.clone();
                match source.version_page(&prefix, marker, None).await {
                    Ok(page) => {
                        let next = next(&page);
                        let keys: VecDeque<_> = keys(page).into_iter().map(Ok).collect();
                        Ok(Some((stream::iter(keys).boxed(), next)))
                    }
                    Err(error) => {
                        let failed = |error: AwsError| ListError {
                            prefix: prefix.clone(),
                            source: error.into(),
                        };
                        if let Some(versions) = &source.versions {
                            versions.refuse(error).map_err(failed)?;
                        }
                        let rest = source.list(&prefix, after).map_ok(ListedKey::Object).boxed();
                        Ok(Some((rest, None)))
                    }
                }
            }
        });
        pages.try_flatten().boxed()
    }

    async fn version_page(
        &self,
        prefix: &str,
        from: Marker,
        delimiter: Option<&str>,
    ) -> Result<ListObjectVersionsOutput, AwsError> {
        let clients = self.clients();
        let page = clients
            .s3()
            .list_object_versions()
            .bucket(self.bucket())
            .prefix(prefix)
            .set_key_marker(from.key)
            .set_version_id_marker(from.version)
            .set_delimiter(delimiter.map(str::to_owned))
            .send()
            .await
            .at(clients, ACTION)?;
        // A page that names no next one, and says that there is one, was cut.
        if page.is_truncated() == Some(true) && page.next_key_marker().is_none()
            || page.is_truncated().is_none()
        {
            return Err(clients.malformed(ACTION, "a listing of versions that was cut"));
        }
        Ok(page)
    }
}

fn next(page: &ListObjectVersionsOutput) -> Option<Marker> {
    (page.is_truncated() == Some(true)).then(|| Marker {
        key: page.next_key_marker().map(str::to_owned),
        version: page.next_version_id_marker().map(str::to_owned),
    })
}

/// The newest versions of a page, in the order of their keys: objects and delete markers
/// are listed apart.
fn keys(page: ListObjectVersionsOutput) -> Vec<ListedKey> {
    let is_newest = |is_latest: Option<bool>| is_latest == Some(true);
    let objects = page.versions.unwrap_or_default().into_iter().filter_map(|version| {
        let size_bytes = version.size.unwrap_or_default().unsigned_abs();
        let key = version.key.filter(|_| is_newest(version.is_latest))?;
        Some(ListedKey::Object(ListedObject { key, size_bytes }))
    });
    let deleted = page.delete_markers.unwrap_or_default().into_iter().filter_map(|marker| {
        let at = marker.last_modified.and_then(|at| Timestamp::from_second(at.secs()).ok());
        let key = marker.key.filter(|_| is_newest(marker.is_latest))?;
        Some(ListedKey::Deleted { key, at })
    });
    let mut keys: Vec<ListedKey> = objects.chain(deleted).collect();
    keys.sort_by(|a, b| a.key().cmp(b.key()));
    keys
}
