//! Lists the deleted objects of a bucket.
//!
//! A bucket with versioning keeps a delete marker for a deleted object, so objects that are
//! missing from an ordinary listing can be reported. Ordinary listings remain the source for
//! existing objects: their pages contain an entry count, which shows truncation.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use futures::stream::{self, BoxStream, StreamExt as _};
use jiff::Timestamp;

use super::s3::folder_name;
use super::{ListedKey, S3Source};
use crate::aws::{At as _, AwsError};

const ACTION: &str = "s3:ListBucketVersions";

/// Whether versions can be listed, as far as known.
#[derive(Debug, Default)]
pub(super) struct Versions {
    failed: AtomicBool,
}

impl Versions {
    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Records that versions cannot be listed; verification reports it once.
    fn fail(&self, error: &AwsError) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "cannot list object versions");
        }
    }
}

/// The start of the next page of a listing.
#[derive(Debug, Clone, Default)]
struct Marker {
    key: Option<String>,
    version: Option<String>,
}

impl S3Source {
    pub(super) fn lists_deleted(&self) -> bool {
        self.versions.as_ref().is_some_and(|versions| !versions.has_failed())
    }

    /// Whether listing the bucket's versions was requested and failed.
    pub(super) fn deleted_unknown(&self) -> bool {
        self.versions.as_ref().is_some_and(|versions| versions.has_failed())
    }

    /// The names of the folders below a prefix, including those with only deleted objects; empty
    /// if versions are not listed.
    pub(super) async fn folders_with_deleted(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        let Some(versions) = self.versions.as_ref().filter(|it| !it.has_failed()) else {
            return names;
        };
        let mut marker = Some(Marker::default());
        while let Some(from) = marker {
            match self.version_page(prefix, from, Some("/")).await {
                Ok(page) => {
                    let folders = page.common_prefixes().iter().filter_map(|it| it.prefix());
                    names.extend(folders.map(|folder| folder_name(prefix, folder)));
                    marker = next(&page);
                }
                Err(error) => {
                    versions.fail(&error);
                    break;
                }
            }
        }
        names
    }

    /// The keys below a prefix whose newest version is a delete marker, in order, starting after
    /// a key; ends early if a listing fails.
    pub(super) fn list_deleted(
        &self,
        prefix: &str,
        start_after: Option<String>,
    ) -> BoxStream<'static, ListedKey> {
        let (source, prefix) = (self.clone(), prefix.to_owned());
        let marker = Marker { key: start_after, version: None };
        let pages = stream::unfold(Some(marker), move |marker| {
            let (source, prefix) = (source.clone(), prefix.clone());
            async move {
                let versions = source.versions.as_ref().filter(|it| !it.has_failed())?;
                match source.version_page(&prefix, marker?, None).await {
                    Ok(page) => {
                        let next = next(&page);
                        Some((stream::iter(deleted(page)), next))
                    }
                    Err(error) => {
                        versions.fail(&error);
                        None
                    }
                }
            }
        });
        pages.flatten().boxed()
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
        // A page that announces a next page without its marker is truncated.
        let is_cut = page.is_truncated() == Some(true) && page.next_key_marker().is_none();
        if is_cut || page.is_truncated().is_none() {
            return Err(clients.malformed(ACTION, "a truncated listing of versions"));
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

/// The keys of a page whose newest version is a delete marker.
fn deleted(page: ListObjectVersionsOutput) -> Vec<ListedKey> {
    let markers = page.delete_markers.unwrap_or_default().into_iter();
    let newest = markers.filter(|marker| marker.is_latest == Some(true));
    let keys = newest.filter_map(|marker| {
        let at = marker.last_modified.and_then(|at| Timestamp::from_second(at.secs()).ok());
        Some(ListedKey::Deleted { key: marker.key?, at })
    });
    keys.collect()
}
