use std::time::Duration;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::{Created, LONGEST, Replaced, StoreError, StoredFile, Version};
use crate::aws::{At as _, AwsError, Clients, WriteClients};
use crate::names::BucketName;

/// How often a write that conflicts with a concurrent one is tried again.
const TRIES: u32 = 20;

/// State in the objects of a bucket, for the processes of many machines.
#[derive(Debug, Clone)]
pub struct S3Store {
    clients: Clients,
    /// The same with write access; none of a store that is only read.
    writer: Option<WriteClients>,
    bucket: BucketName,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl S3Store {
    /// The state below a prefix of a bucket, in the bucket's Region.
    #[must_use]
    pub fn new(clients: WriteClients, bucket: BucketName, prefix: Option<&str>) -> Self {
        Self {
            writer: Some(clients.clone()),
            ..Self::read_only((*clients).clone(), bucket, prefix)
        }
    }

    /// The same, only to be read.
    #[must_use]
    pub fn read_only(clients: Clients, bucket: BucketName, prefix: Option<&str>) -> Self {
        Self { clients, writer: None, bucket, prefix: crate::names::prefix_folder(prefix) }
    }

    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        for _ in 0..TRIES {
            let put = self.put(key, &bytes)?.if_none_match("*").send().await;
            match put.at(&self.clients, "s3:PutObject") {
                Ok(put) => return Ok(Created::New(version(put.e_tag))),
                Err(error) if is_conflict(&error) => wait().await,
                Err(error) if is_precondition(&error) => {
                    // The response to an earlier try may have been lost.
                    let found = self.read(key).await?.filter(|found| found.bytes == bytes);
                    return Ok(found.map_or(Created::Taken, |found| Created::New(found.version)));
                }
                Err(source) => return Err(unwritten(key, source)),
            }
        }
        Err(StoreError::Conflicts { key: key.to_owned(), tries: TRIES })
    }

    pub(super) async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &Version,
    ) -> Result<Replaced, StoreError> {
        for _ in 0..TRIES {
            let put = self.put(key, &bytes)?.if_match(&expected.0).send().await;
            match put.at(&self.clients, "s3:PutObject") {
                Ok(put) => return Ok(Replaced::New(version(put.e_tag))),
                Err(error) if is_conflict(&error) => wait().await,
                // Deleted meanwhile.
                Err(error) if error.is_not_found() => return Ok(Replaced::Changed),
                Err(error) if is_precondition(&error) => {
                    let found = self.read(key).await?.filter(|found| found.bytes == bytes);
                    return Ok(found.map_or(Replaced::Changed, |it| Replaced::New(it.version)));
                }
                Err(source) => return Err(unwritten(key, source)),
            }
        }
        Err(StoreError::Conflicts { key: key.to_owned(), tries: TRIES })
    }

    pub(super) async fn read(&self, key: &str) -> Result<Option<StoredFile>, StoreError> {
        let get = self.clients.s3().get_object().bucket(self.bucket.as_str());
        let get = get.key(self.key(key)).send().await.at(&self.clients, "s3:GetObject");
        let got = match get {
            Ok(got) => got,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(source) => return Err(unwritten(key, source)),
        };
        let length = got.content_length().and_then(|length| u64::try_from(length).ok());
        if length.is_none_or(|length| length > LONGEST) {
            return Err(StoreError::TooLong { key: key.to_owned() });
        }
        let body = got.body.collect().await.map_err(|error| {
            unwritten(key, self.clients.malformed("s3:GetObject", &error.to_string()))
        })?;
        Ok(Some(StoredFile { bytes: body.into_bytes(), version: version(got.e_tag) }))
    }

    pub(super) async fn list(&self, folder: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let mut token = None;
        while keys.len() < limit {
            let page = i32::try_from((limit - keys.len()).min(1000)).unwrap_or(1000);
            let call = self.clients.s3().list_objects_v2().bucket(self.bucket.as_str());
            let call = call.prefix(self.key(folder)).max_keys(page);
            let answer = call.set_continuation_token(token).send().await;
            let answer = answer.at(&self.clients, "s3:ListBucket");
            let answer = answer.map_err(|source| unwritten(folder, source))?;
            let objects = answer.contents.unwrap_or_default().into_iter();
            keys.extend(
                objects
                    .filter_map(|object| Some(object.key?.strip_prefix(&self.prefix)?.to_owned())),
            );
            token = answer.next_continuation_token;
            if token.is_none() {
                break;
            }
        }
        Ok(keys)
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn put(&self, key: &str, bytes: &Bytes) -> Result<PutObjectFluentBuilder, StoreError> {
        let read_only = || StoreError::ReadOnly { key: key.to_owned() };
        let writer = self.writer.as_ref().ok_or_else(read_only)?;
        let put = writer.s3().put_object().bucket(self.bucket.as_str()).key(self.key(key));
        Ok(put.content_type("application/json").body(ByteStream::from(bytes.clone())))
    }
}

fn unwritten(key: &str, source: AwsError) -> StoreError {
    StoreError::Object { key: key.to_owned(), source }
}

fn version(e_tag: Option<String>) -> Version {
    Version(e_tag.unwrap_or_default())
}

/// Whether the key is taken, or has other content by now.
fn is_precondition(error: &AwsError) -> bool {
    error.is_code("PreconditionFailed")
}

/// Whether two conditional writes met: neither may have won yet.
fn is_conflict(error: &AwsError) -> bool {
    error.is_code("ConditionalRequestConflict")
}

async fn wait() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(50..250))).await;
}
