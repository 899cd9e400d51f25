use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::Semaphore;

use super::ahead::Ahead;
use super::versions::Versions;
use super::{Children, FetchError, FetchedObject, ListError, ListedObject, SIZE_LIMIT};
use crate::archive::inventory::whole;
use crate::aws::{At as _, AwsError, Clients, ErrorKind, Object, Objects};

/// The memory for objects. Units: KiB, as stored.
const HELD_KIB: u32 = 128 * 1024;

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3Source {
    objects: Objects,
    bucket: Box<str>,
    /// In KiB, to bound the memory for large objects.
    held: Arc<Semaphore>,
    /// Set if deleted objects are listed.
    pub(super) versions: Option<Arc<Versions>>,
    pub(super) ahead: Arc<Ahead>,
}

impl S3Source {
    /// A bucket, read with the clients of its Region.
    #[must_use]
    pub fn new(clients: Clients, bucket: &str) -> Self {
        let held = Arc::new(Semaphore::new(HELD_KIB as usize));
        Self {
            objects: Objects::new(clients),
            bucket: bucket.into(),
            held,
            versions: None,
            ahead: Arc::default(),
        }
    }

    /// Also lists the deleted objects of a bucket with versioning, so delete markers hide
    /// nothing.
    #[must_use]
    pub fn with_deleted(self) -> Self {
        Self { versions: Some(Arc::default()), ..self }
    }

    pub(super) fn clients(&self) -> &Clients {
        self.objects.clients()
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) async fn children(&self, prefix: &str) -> Result<Children, ListError> {
        if let Some(listed) = self.ahead.children(prefix) {
            return Ok(listed);
        }
        let (children, with_deleted) =
            futures::join!(self.existing_children(prefix), self.folders_with_deleted(prefix));
        let mut children = children?;
        children.folders.extend(with_deleted);
        children.folders.sort();
        children.folders.dedup();
        Ok(children)
    }

    async fn existing_children(&self, prefix: &str) -> Result<Children, ListError> {
        let mut pages = std::pin::pin!(self.pages(prefix, None, Some("/")));
        let mut children = Children::default();
        while let Some(page) = pages.try_next().await? {
            let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            children.folders.extend(folders.map(|folder| folder_name(prefix, folder)));
            let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let size_bytes = object.size.unwrap_or_default().unsigned_abs();
                Some(ListedObject { key: object.key?, size_bytes })
            });
            children.objects.extend(objects);
        }
        Ok(children)
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        start_after: Option<String>,
    ) -> impl Stream<Item = Result<ListedObject, ListError>> + use<> {
        self.pages(prefix, start_after, None)
            .map_ok(|page| {
                let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                    let size_bytes = object.size.unwrap_or_default().unsigned_abs();
                    Some(Ok(ListedObject { key: object.key?, size_bytes }))
                });
                stream::iter(objects.collect::<Vec<_>>())
            })
            .try_flatten()
    }

    fn pages(
        &self,
        prefix: &str,
        start_after: Option<String>,
        delimiter: Option<&str>,
    ) -> impl Stream<
        Item = Result<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output, ListError>,
    > + use<> {
        let clients = self.objects.clients().clone();
        let request = clients
            .s3()
            .list_objects_v2()
            .bucket(&*self.bucket)
            .prefix(prefix)
            .set_start_after(start_after)
            .set_delimiter(delimiter.map(str::to_owned));
        let prefix = prefix.to_owned();
        stream::try_unfold(Some(None::<String>), move |token| {
            let (request, clients, prefix) = (request.clone(), clients.clone(), prefix.clone());
            async move {
                let Some(token) = token else { return Ok(None) };
                let page = request
                    .set_continuation_token(token)
                    .send()
                    .await
                    .at(&clients, "s3:ListBucket")
                    .and_then(|page| whole(&clients, page))
                    .map_err(|error| ListError { prefix, source: error.into() })?;
                let next = page.next_continuation_token.clone();
                Ok(Some((page, next.map(Some))))
            }
        })
        .boxed()
    }

    pub(super) async fn fetch(
        &self,
        bucket: Option<&str>,
        key: &str,
    ) -> Result<FetchedObject, FetchError> {
        let bucket = bucket.unwrap_or(&self.bucket);
        let object = self.objects.get(bucket, key).await.map_err(|error| fetch_error(&error))?;
        match self.read(object).await {
            // The body was truncated: let the SDK retry.
            Err(FetchError::Failed(_)) => self.fetch_again(Some(bucket), key).await,
            read => read,
        }
    }

    pub(super) async fn version(&self, key: &str) -> Result<Option<String>, FetchError> {
        let clients = self.objects.clients();
        let head = clients.s3().head_object().bucket(&*self.bucket).key(key).send().await;
        let head = head.at(clients, "s3:GetObject").map_err(|error| fetch_error(&error))?;
        // Objects from before versioning have the version `null`.
        Ok(head.version_id)
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, FetchError> {
        match self.version(key).await {
            Ok(_) => Ok(true),
            Err(FetchError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn fetch_again(
        &self,
        bucket: Option<&str>,
        key: &str,
    ) -> Result<FetchedObject, FetchError> {
        let bucket = bucket.unwrap_or(&self.bucket);
        let object = self.objects.get_again(bucket, key).await;
        self.read(object.map_err(|error| fetch_error(&error))?).await
    }

    async fn read(&self, mut object: Object) -> Result<FetchedObject, FetchError> {
        let size_bytes = object.size_bytes;
        if size_bytes > SIZE_LIMIT {
            return Err(FetchError::TooLarge { size_bytes });
        }
        let kib = u32::try_from(size_bytes / 1024 + 1).unwrap_or(HELD_KIB).min(HELD_KIB);
        let failed = |error: &dyn std::error::Error| FetchError::Failed(error.to_string());
        let held =
            Arc::clone(&self.held).acquire_many_owned(kib).await.map_err(|error| failed(&error))?;
        let metadata = std::mem::take(&mut object.metadata);
        let bytes = object.bytes().await.map_err(|error| failed(&*error))?;
        Ok(FetchedObject { held: Some(held), ..FetchedObject::new(bytes, metadata) })
    }
}

/// The name of a folder below a prefix.
pub(super) fn folder_name(prefix: &str, folder: &str) -> String {
    let name = folder.strip_prefix(prefix).unwrap_or(folder);
    name.strip_suffix('/').unwrap_or(name).to_owned()
}

fn fetch_error(error: &AwsError) -> FetchError {
    if error.is_not_found() {
        return FetchError::NotFound;
    }
    match error.hint() {
        // The hint names the missing permission and the key.
        Some(hint) if error.kind() == ErrorKind::AccessDenied => {
            FetchError::Failed(format!("{error}; {hint}"))
        }
        _ => FetchError::Failed(error.to_string()),
    }
}
