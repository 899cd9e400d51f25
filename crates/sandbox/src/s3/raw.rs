//! Past all policies: how tests and the demo set scenes and commit crimes.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use s3s::S3Result;

use super::Store;
use super::bucket::Versioning;
use super::checksum::Algorithm;
use super::error::{no_such_bucket, no_such_key};
use super::object::{Encryption, EntityTag, Object, Version, VersionId, Versions};

impl Store {
    /// Puts an object without authorization.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) fn put_raw(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        modified: Timestamp,
    ) -> S3Result<()> {
        let bucket = self.bucket(bucket)?;
        let object = Object {
            etag: EntityTag::of(&body),
            checksum: Algorithm::Crc64Nvme.of(&body),
            body,
            encryption: Encryption::S3,
            content_type: None,
            details: None,
        };
        let mut state = bucket.state.write();
        if state.deleted {
            return Err(no_such_bucket());
        }
        let id = match state.settings.versioning {
            Versioning::Enabled => self.new_version_id(),
            Versioning::Off | Versioning::Suspended => VersionId::NULL,
        };
        let version = Version { id, modified, object: Some(Arc::new(object)) };
        match state.objects.get_mut(key) {
            Some(versions) => versions.push(version),
            None => {
                state.objects.insert(key.into(), Versions::new(version));
            }
        }
        Ok(())
    }

    /// The content of a current object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(crate) fn body_raw(&self, bucket: &str, key: &str) -> S3Result<Bytes> {
        let bucket = self.bucket(bucket)?;
        let state = bucket.state.read();
        let object = state.objects.get(key).and_then(|versions| versions.current.object.as_ref());
        object.map(|object| object.body.clone()).ok_or_else(no_such_key)
    }

    /// Changes the content of a current object and its checksum; version, time and
    /// entity tag stay as they were.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(crate) fn tamper(
        &self,
        bucket: &str,
        key: &str,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> S3Result<()> {
        let bucket = self.bucket(bucket)?;
        let mut state = bucket.state.write();
        let versions = state.objects.get_mut(key).ok_or_else(no_such_key)?;
        let object = versions.current.object.as_mut().ok_or_else(no_such_key)?;
        let mut body = object.body.to_vec();
        change(&mut body);
        let object = Arc::make_mut(object);
        // Clients check checksums by themselves; a thorough criminal redoes them.
        object.checksum = object.checksum.algorithm.of(&body);
        object.body = body.into();
        Ok(())
    }

    /// Deletes a key with all its versions, locked or not.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(crate) fn delete_raw(&self, bucket: &str, key: &str) -> S3Result<()> {
        let bucket = self.bucket(bucket)?;
        let gone = bucket.state.write().objects.remove(key);
        gone.map(drop).ok_or_else(no_such_key)
    }

    /// The keys of current objects that begin with `prefix`, in order.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) fn keys_raw(&self, bucket: &str, prefix: &str) -> S3Result<Vec<String>> {
        let bucket = self.bucket(bucket)?;
        let state = bucket.state.read();
        let from = (std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded);
        Ok(state
            .objects
            .range::<str, _>(from)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, versions)| versions.current.object.is_some())
            .map(|(key, _)| key.to_string())
            .collect())
    }
}
