//! Multipart copies of large objects: with their metadata, and never overwriting.

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedPart};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::copy::{
    Copied, CopyError, Origin, WriteTarget, compare, completed, fetch, finish, sha256, tags,
    with_attributes_of,
};
use super::record::Outcome;
use super::server_side::CopyMethod;
use crate::archive::contention::is_taken;
use crate::aws::{At, AwsError};

/// Copies an object in parts of [`part_bytes`](super::copy::Target::part_bytes), with one
/// part in memory.
///
/// # Errors
/// The upload was aborted; nothing was written.
pub(super) async fn copy(
    target: &WriteTarget,
    origin: Origin<'_>,
    key: &str,
) -> Result<Copied, CopyError> {
    let first = (0, target.part_bytes.min(origin.size_bytes));
    let (object, body) = fetch(origin, Some(first)).await?;
    let (tagging, tags_left) = tags(origin, &object).await?;
    let create = target.writer().s3().create_multipart_upload();
    let upload = with_attributes_of!(create, target, object, tagging)
        .key(key)
        .send()
        .await
        .at(&target.clients, "s3:PutObject")?;
    let upload_id = upload.upload_id().unwrap_or_default();
    // Use the first part's entity tag if the listing has none.
    let pinned = Origin { etag: origin.etag.or(object.e_tag()), ..origin };
    let written = parts(target, pinned, key, upload_id, body).await;
    let (parts, hash) = match written {
        Ok(written) => written,
        Err(error) => {
            abort(target, key, upload_id).await;
            return Err(error);
        }
    };
    let complete = target
        .writer()
        .s3()
        .complete_multipart_upload()
        .bucket(target.bucket.as_str())
        .key(key)
        .upload_id(upload_id)
        .if_none_match("*")
        .multipart_upload(completed(parts))
        .send()
        .await
        .at(&target.clients, "s3:PutObject");
    let outcome = match complete {
        Ok(_) => Outcome::Copied,
        Err(error) => {
            abort(target, key, upload_id).await;
            if !is_taken(&error) {
                return Err(error.into());
            }
            compare(target, key, origin.size_bytes, &hash).await?
        }
    };
    let size_bytes = origin.size_bytes;
    let copy_method = CopyMethod::Client;
    Ok(Copied { outcome, sha256: hash, size_bytes, tags_left, copy_method, listed: None })
}

async fn parts(
    target: &WriteTarget,
    origin: Origin<'_>,
    key: &str,
    upload_id: &str,
    first: bytes::Bytes,
) -> Result<(Vec<CompletedPart>, [u8; 32]), CopyError> {
    let mut whole = Context::new(&SHA256);
    let mut parts = Vec::new();
    let mut body = first;
    let mut at = 0;
    loop {
        whole.update(&body);
        at += body.len() as u64;
        let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
        parts.push(upload(target, key, upload_id, number, body).await?);
        if at >= origin.size_bytes {
            return Ok((parts, finish(whole)));
        }
        let range = (at, (at + target.part_bytes).min(origin.size_bytes));
        body = fetch(origin, Some(range)).await?.1;
    }
}

async fn upload(
    target: &WriteTarget,
    key: &str,
    upload_id: &str,
    number: i32,
    body: bytes::Bytes,
) -> Result<CompletedPart, AwsError> {
    let checksum = BASE64_STANDARD.encode(sha256(&body));
    let part = target
        .writer()
        .s3()
        .upload_part()
        .bucket(target.bucket.as_str())
        .key(key)
        .upload_id(upload_id)
        .part_number(number)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .checksum_sha256(&checksum)
        .body(body.into())
        .send()
        .await
        .at(&target.clients, "s3:PutObject")?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag)
        .checksum_sha256(checksum)
        .build())
}

/// The archive's lifecycle rule removes uploads that could not be aborted.
async fn abort(target: &WriteTarget, key: &str, upload_id: &str) {
    let aborted = target
        .writer()
        .s3()
        .abort_multipart_upload()
        .bucket(target.bucket.as_str())
        .key(key)
        .upload_id(upload_id)
        .send()
        .await
        .at(&target.clients, "s3:AbortMultipartUpload");
    if let Err(error) = aborted {
        tracing::warn!(%error, "an unfinished upload was left behind");
    }
}
