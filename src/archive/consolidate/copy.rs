//! Copies one object to the archive: byte for byte, with its metadata, never overwriting
//! another.

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, CompletedMultipartUpload, CompletedPart, StorageClass};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::inspect::{Expected, Refusal, inspect};
use super::record::Outcome;
use super::server_side::CopyMethod;
use crate::archive::contention::{Contended, Contention, is_taken, is_write_conflict};
use crate::archive::verify::digest::ListedLog;
use crate::aws::{At, AwsError, Clients, ErrorKind, WriteAuthority, WriteClients};
use crate::names::BucketName;

/// The part size. CloudTrail's files are smaller than 50 MB, so only unusual objects are
/// copied in parts. Units: bytes.
pub const PART_BYTES: u64 = 64 << 20;

/// Where objects are written, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// The archive's clients, in its account and Region.
    pub clients: Clients,
    /// The archive.
    pub bucket: BucketName,
    /// The storage class of the written objects.
    pub storage_class: StorageClass,
    /// Larger objects are copied in parts of this size, with one part in memory at a time.
    /// Units: bytes, at least 5 MiB.
    pub part_bytes: u64,
}

/// The archive with write access.
///
/// Derefs to its [`Target`].
#[derive(Debug, Clone)]
pub struct WriteTarget {
    target: Target,
    writer: WriteClients,
}

impl WriteTarget {
    /// Adds write access to a target.
    #[must_use]
    pub fn new(target: Target, authority: &WriteAuthority) -> Self {
        let writer = WriteClients::new(&target.clients, authority);
        Self { target, writer }
    }

    /// The clients that write to it.
    pub(in crate::archive) fn writer(&self) -> &WriteClients {
        &self.writer
    }
}

impl std::ops::Deref for WriteTarget {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

/// The object to copy.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The clients that read the bucket.
    pub clients: &'a Clients,
    /// The bucket.
    pub bucket: &'a BucketName,
    /// The object's key there.
    pub key: &'a str,
    /// Its size as listed. Units: bytes.
    pub size_bytes: u64,
    /// The listed entity tag: all parts are read from this content.
    pub etag: Option<&'a str>,
}

/// The outcome of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The outcome of it.
    pub outcome: Outcome,
    /// SHA-256 of the body as stored at the origin.
    pub sha256: [u8; 32],
    /// Units: bytes.
    pub size_bytes: u64,
    /// Whether its tags were not copied because they could not be read.
    pub tags_left: bool,
    /// How it was copied.
    pub copy_method: CopyMethod,
    /// The files that it lists, if it is an inspected digest.
    pub listed: Option<Vec<ListedLog>>,
}

/// Why an object was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The size differs from the listed one, or the object changed while it was read.
    #[error("`{key}` is {found} bytes, expected {wanted}: it changed, or the read was truncated")]
    Size {
        /// The key at the origin.
        key: String,
        /// Units: bytes.
        found: u64,
        /// Units: bytes.
        wanted: u64,
    },
    /// The object is no longer the one that was listed.
    #[error("`{key}` changed since it was listed, or while it was read")]
    Changed {
        /// The key at the origin.
        key: String,
    },
    /// It is not the kind of object that its key indicates.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// SHA-256 of its body as stored.
        sha256: [u8; 32],
    },
    /// Other writers wrote the same key at the same time in every attempt.
    #[error(transparent)]
    Contended(#[from] Contended),
    /// Its key is taken by an object of the same size that cannot be read.
    #[error(
        "the object with this key in the archive is in an archive class: it must be restored before it can be compared"
    )]
    Uncompared,
    /// The body was truncated or did not match its checksum.
    #[error("reading the body of `{key}`")]
    Body {
        /// The key at the origin.
        key: String,
        /// The stream's error.
        source: aws_smithy_types::byte_stream::error::Error,
    },
}

/// A write to the archive, whole or in parts, with all attributes of the source object
/// except its body.
macro_rules! with_attributes_of {
    ($call:expr, $target:expr, $object:expr, $tagging:expr) => {
        $call
            .bucket($target.bucket.as_str())
            .checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256)
            .set_content_type($object.content_type.clone())
            .set_content_encoding($object.content_encoding.clone())
            .set_content_language($object.content_language.clone())
            .set_content_disposition($object.content_disposition.clone())
            .set_cache_control($object.cache_control.clone())
            .set_metadata($object.metadata.clone())
            .set_tagging($tagging.clone())
            .storage_class($target.storage_class.clone())
    };
}
pub(super) use with_attributes_of;

/// Copies one object unless the key exists or the object is not as `expected`. `None` skips
/// the inspection, if it was done before.
///
/// Concurrent writers are safe: the write is conditional (`If-None-Match: *`). An existing
/// object is compared by content: equal content is [`Outcome::AlreadyThere`], anything else
/// [`Outcome::Conflict`].
///
/// # Errors
/// Nothing was written; another run can retry.
pub async fn copy(
    target: &WriteTarget,
    origin: Origin<'_>,
    key: &str,
    expected: Option<&Expected>,
) -> Result<Copied, CopyError> {
    if origin.size_bytes > target.part_bytes {
        return super::multipart::copy(target, origin, key).await;
    }
    let (object, body) = fetch(origin, None).await?;
    let sha256 = sha256(&body);
    let listed = match expected {
        Some(expected) => Some(is_expected(expected, &object, &body, sha256).await?),
        None => None,
    };
    let (tagging, tags_left) = tags(origin, &object).await?;
    let checksum = BASE64_STANDARD.encode(sha256);
    // If the response of a write was lost, the retry finds the key with its own content.
    let mut contention = Contention::new();
    let result = loop {
        let put = with_attributes_of!(target.writer().s3().put_object(), target, object, tagging)
            .key(key)
            .if_none_match("*")
            .checksum_sha256(&checksum)
            .body(body.clone().into())
            .send()
            .await
            .at(&target.clients, "s3:PutObject");
        match put {
            Err(error) if is_write_conflict(&error) => contention.wait(key).await?,
            other => break other,
        }
    };
    let outcome = match result {
        Ok(_) => Outcome::Copied,
        Err(error) if is_taken(&error) => compare(target, key, origin.size_bytes, &sha256).await?,
        Err(error) => return Err(error.into()),
    };
    let size_bytes = origin.size_bytes;
    Ok(Copied { outcome, sha256, size_bytes, tags_left, copy_method: CopyMethod::Client, listed })
}

/// An object that was read and inspected.
#[derive(Debug)]
pub(super) struct Inspected {
    /// The files that it lists, if it is a digest.
    pub(super) listed: Vec<ListedLog>,
    /// SHA-256 of its body as stored.
    pub(super) sha256: [u8; 32],
}

/// Reads and inspects an object, without writing it.
///
/// # Errors
/// It is not as expected, could not be read, or is not the object that was listed.
pub(super) async fn read_and_inspect(
    origin: Origin<'_>,
    expected: &Expected,
) -> Result<Inspected, CopyError> {
    let (object, body) = fetch(origin, None).await?;
    if origin.etag.is_some() && object.e_tag() != origin.etag {
        return Err(CopyError::Changed { key: origin.key.to_owned() });
    }
    let sha256 = sha256(&body);
    Ok(Inspected { listed: is_expected(expected, &object, &body, sha256).await?, sha256 })
}

async fn is_expected(
    expected: &Expected,
    object: &GetObjectOutput,
    body: &Bytes,
    sha256: [u8; 32],
) -> Result<Vec<ListedLog>, CopyError> {
    inspect(expected, body, object.metadata.as_ref())
        .await
        .map_err(|refusal| CopyError::Refused { refusal, sha256 })
}

/// Compares an object with the one at its key in the archive, without writing.
///
/// # Errors
/// One of the two could not be read.
pub async fn compare_with_archive(
    target: &Target,
    origin: Origin<'_>,
    key: &str,
) -> Result<Copied, CopyError> {
    let sha256 = hash(origin, target.part_bytes).await?;
    let outcome = compare(target, key, origin.size_bytes, &sha256).await?;
    let size_bytes = origin.size_bytes;
    let copy_method = CopyMethod::Client;
    Ok(Copied { outcome, sha256, size_bytes, tags_left: false, copy_method, listed: None })
}

/// Compares with the existing object at a key: the same content, or a conflict.
pub(super) async fn compare(
    target: &Target,
    key: &str,
    size_bytes: u64,
    sha256: &[u8; 32],
) -> Result<Outcome, CopyError> {
    let same = |same| if same { Outcome::AlreadyThere } else { Outcome::Conflict };
    let head = target
        .clients
        .s3()
        .head_object()
        .bucket(target.bucket.as_str())
        .key(key)
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .at(&target.clients, "s3:GetObject")?;
    let size = head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    if size != size_bytes {
        return Ok(Outcome::Conflict);
    }
    // A composite checksum (of parts) does not cover the whole object.
    if let Some(checksum) = head.checksum_sha256().filter(|sum| !sum.contains('-')) {
        return Ok(same(checksum == BASE64_STANDARD.encode(sha256)));
    }
    let etag = head.e_tag();
    let here = Origin { clients: &target.clients, bucket: &target.bucket, key, size_bytes, etag };
    match hash(here, target.part_bytes).await {
        Ok(hash) => Ok(same(hash == *sha256)),
        Err(CopyError::Aws(error)) if error.is_code("InvalidObjectState") => {
            Err(CopyError::Uncompared)
        }
        Err(error) => Err(error),
    }
}

/// The SHA-256 of the current object at a key in the archive.
///
/// # Errors
/// It could not be read.
pub(super) async fn hash_in_archive(target: &Target, key: &str) -> Result<[u8; 32], CopyError> {
    let head = target.clients.s3().head_object().bucket(target.bucket.as_str()).key(key);
    let head = head.send().await.at(&target.clients, "s3:GetObject")?;
    let size_bytes = head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    let etag = head.e_tag();
    let here = Origin { clients: &target.clients, bucket: &target.bucket, key, size_bytes, etag };
    hash(here, target.part_bytes).await
}

/// The SHA-256 of an object, read in parts of the same content.
pub(super) async fn hash(origin: Origin<'_>, part_bytes: u64) -> Result<[u8; 32], CopyError> {
    let mut context = Context::new(&SHA256);
    let mut seen = None;
    let mut at = 0;
    while at < origin.size_bytes {
        let end = (at + part_bytes).min(origin.size_bytes);
        let pinned = Origin { etag: origin.etag.or(seen.as_deref()), ..origin };
        let (object, body) = fetch(pinned, Some((at, end))).await?;
        context.update(&body);
        seen = seen.or(object.e_tag);
        at = end;
    }
    Ok(finish(context))
}

/// Reads an object, or the bytes `[from, to)` of it.
///
/// INVARIANT: a part belongs to the content with [`Origin::etag`], so two contents are never
/// mixed. A whole read always returns one content.
pub(in crate::archive) async fn fetch(
    origin: Origin<'_>,
    range: Option<(u64, u64)>,
) -> Result<(GetObjectOutput, Bytes), CopyError> {
    let wanted = range.map_or(origin.size_bytes, |(from, to)| to - from);
    let mut object = origin
        .clients
        .s3()
        .get_object()
        .bucket(origin.bucket.as_str())
        .key(origin.key)
        .checksum_mode(ChecksumMode::Enabled)
        .set_range(range.map(|(from, to)| format!("bytes={from}-{}", to.saturating_sub(1))))
        .set_if_match(range.and(origin.etag).map(str::to_owned))
        .send()
        .await
        .at(origin.clients, "s3:GetObject")
        .map_err(|error| match range {
            Some(_) if error.is_code("PreconditionFailed") => {
                CopyError::Changed { key: origin.key.to_owned() }
            }
            _ => error.into(),
        })?;
    let size = |found| CopyError::Size { key: origin.key.to_owned(), found, wanted };
    let length = object.content_length().and_then(|length| u64::try_from(length).ok());
    // Check before the body: an object that is larger than listed is not read.
    if let Some(found) = length.filter(|found| *found != wanted) {
        return Err(size(found));
    }
    let body = std::mem::take(&mut object.body)
        .collect()
        .await
        .map_err(|source| CopyError::Body { key: origin.key.to_owned(), source })?
        .into_bytes();
    if body.len() as u64 != wanted {
        return Err(size(body.len() as u64));
    }
    Ok((object, body))
}

/// The object's tags as a query string, and whether they could not be read.
pub(super) async fn tags(
    origin: Origin<'_>,
    object: &GetObjectOutput,
) -> Result<(Option<String>, bool), CopyError> {
    if object.tag_count().unwrap_or(0) == 0 {
        return Ok((None, false));
    }
    let tags = origin
        .clients
        .s3()
        .get_object_tagging()
        .bucket(origin.bucket.as_str())
        .key(origin.key)
        .send()
        .await
        .at(origin.clients, "s3:GetObjectTagging");
    match tags {
        Ok(tags) => Ok((Some(tagging(tags.tag_set())), false)),
        // Tags prove nothing: copy the log without them.
        Err(error) if error.kind() == ErrorKind::AccessDenied => Ok((None, true)),
        Err(error) => Err(error.into()),
    }
}

fn tagging(tags: &[aws_sdk_s3::types::Tag]) -> String {
    let pairs = tags.iter().map(|tag| (tag.key(), tag.value()));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The SHA-256 of bytes in memory.
pub(in crate::archive) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    finish(context)
}

pub(super) fn finish(context: Context) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    sha256
}

/// The written parts, for completing an upload.
pub(super) fn completed(parts: Vec<CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts)).build()
}
