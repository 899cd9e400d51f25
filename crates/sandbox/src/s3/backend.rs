//! What the protocol crate calls: every operation, handed on to its file.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use orgtrail_base::names::Region;
use s3s::dto::StreamingBlob;
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, dto};

use super::checksum::Claims;
use super::context::CallContext;
use super::error::{access_denied, refuse};
use super::put::MAX_PUT_BYTES;
use super::recorded::{self, Recorded};
use super::session::Session;
use super::{
    acl_calls, buckets, copy, delete, encryption, get, lifecycle, listing, lock, multipart,
    multipart_listing, put, replication, restore, settings, tags, versioning,
};
use crate::simulation::Simulation;

/// How much memory a claimed length reserves at most; beyond, it follows what
/// arrives, because it is not known yet whether the caller may write.
const MAX_RESERVED_BYTES: usize = 64 << 20;

/// The backend of the protocol crate.
pub(super) struct Backend(pub(super) Arc<Simulation>);

/// An input that carries content.
trait Content {
    fn take(&mut self) -> Option<StreamingBlob>;
    fn length(&self) -> Option<i64>;
}

impl Content for dto::PutObjectInput {
    fn take(&mut self) -> Option<StreamingBlob> {
        self.body.take()
    }
    fn length(&self) -> Option<i64> {
        self.content_length
    }
}

impl Content for dto::UploadPartInput {
    fn take(&mut self) -> Option<StreamingBlob> {
        self.body.take()
    }
    fn length(&self) -> Option<i64> {
        self.content_length
    }
}

impl Backend {
    fn run<I: 'static, O>(
        &self,
        name: &str,
        req: S3Request<I>,
        op: impl FnOnce(&CallContext<'_>, I) -> S3Result<O>,
    ) -> S3Result<S3Response<O>> {
        let Some(session) = req.extensions.get::<Arc<Session>>().map(Arc::clone) else {
            return Err(access_denied("Access Denied"));
        };
        let region = req.region.as_ref().and_then(|region| region.as_str().parse::<Region>().ok());
        let recorded = recorded::event_name(name)
            .and_then(|name| Recorded::new(&self.0, name, &session, region.as_ref(), &req));
        let control = self.0.control.read();
        let mut cx = CallContext::new(&self.0, &control, &session, &req.headers);
        cx.region = region.as_ref();
        let output = op(&cx, req.input);
        let status = cx.status.get();
        drop(control);
        if let Some(recorded) = recorded {
            recorded.record(&self.0, output.as_ref().err());
        }
        let output = output?;
        if !req.method.is_safe() {
            self.0.touch();
        }
        Ok(S3Response { status, ..S3Response::new(output) })
    }

    async fn run_with_content<I: Content + 'static, O>(
        &self,
        name: &str,
        mut req: S3Request<I>,
        op: impl FnOnce(&CallContext<'_>, I, Bytes, Claims) -> S3Result<O>,
    ) -> S3Result<S3Response<O>> {
        let body = content(req.input.take(), req.input.length()).await?;
        // Trailers are there once the content has been read.
        let trailers = req.trailing_headers.take().and_then(|trailers| trailers.take());
        let claims = Claims::read(&req.headers, trailers.as_ref())?;
        self.run(name, req, |cx, input| op(cx, input, body, claims))
    }
}

/// Reads all of a body into memory of its own, so that what is stored does not
/// keep a connection's buffers alive.
async fn content(blob: Option<StreamingBlob>, length: Option<i64>) -> S3Result<Bytes> {
    let Some(mut blob) = blob else { return Ok(Bytes::new()) };
    let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = reserve(expected);
    while let Some(chunk) = blob.next().await {
        let chunk = chunk.map_err(|error| bad_body(error.as_ref()))?;
        if body.len() + chunk.len() > MAX_PUT_BYTES {
            return Err(refuse(
                S3ErrorCode::EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size",
            ));
        }
        body.extend_from_slice(&chunk);
    }
    if body.len() < expected {
        return Err(refuse(
            S3ErrorCode::IncompleteBody,
            "The request body terminated unexpectedly",
        ));
    }
    Ok(body.freeze())
}

/// Memory for a body that is claimed to have `expected` bytes.
fn reserve(expected: usize) -> BytesMut {
    BytesMut::with_capacity(expected.min(MAX_RESERVED_BYTES))
}

/// What the protocol crate found wrong with a body as it came.
fn bad_body(error: &(dyn std::error::Error + Send + Sync + 'static)) -> s3s::S3Error {
    let text = format!("{error} {error:?}").to_ascii_lowercase();
    if text.contains("signature") {
        refuse(
            S3ErrorCode::SignatureDoesNotMatch,
            "The signature of a chunk does not match the content",
        )
    } else if text.contains("checksum") || text.contains("sha256") {
        refuse(
            S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else {
        refuse(S3ErrorCode::IncompleteBody, "The request body terminated unexpectedly")
    }
}

/// Implements the protocol crate's trait: `operation: Input => Output, path`.
macro_rules! backend {
    (
        { $($name:ident: $input:ident => $output:ident, $path:path;)* }
        with content
        { $($body_name:ident: $body_input:ident => $body_output:ident, $body_path:path;)* }
    ) => {
        #[async_trait::async_trait]
        impl S3 for Backend {
            $(async fn $name(
                &self,
                req: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                self.run(stringify!($name), req, $path)
            })*
            $(async fn $body_name(
                &self,
                req: S3Request<dto::$body_input>,
            ) -> S3Result<S3Response<dto::$body_output>> {
                self.run_with_content(stringify!($body_name), req, $body_path).await
            })*
        }
    };
}

backend! {
    {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput, multipart::abort_multipart_upload;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput, multipart::complete_multipart_upload;
    copy_object: CopyObjectInput => CopyObjectOutput, copy::copy_object;
    create_bucket: CreateBucketInput => CreateBucketOutput, buckets::create_bucket;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput, multipart::create_multipart_upload;
    delete_bucket: DeleteBucketInput => DeleteBucketOutput, buckets::delete_bucket;
    delete_bucket_encryption: DeleteBucketEncryptionInput => DeleteBucketEncryptionOutput, encryption::delete_bucket_encryption;
    delete_bucket_lifecycle: DeleteBucketLifecycleInput => DeleteBucketLifecycleOutput, lifecycle::delete_bucket_lifecycle;
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput => DeleteBucketOwnershipControlsOutput, settings::delete_bucket_ownership_controls;
    delete_bucket_policy: DeleteBucketPolicyInput => DeleteBucketPolicyOutput, settings::delete_bucket_policy;
    delete_bucket_replication: DeleteBucketReplicationInput => DeleteBucketReplicationOutput, replication::delete_bucket_replication;
    delete_bucket_tagging: DeleteBucketTaggingInput => DeleteBucketTaggingOutput, tags::delete_bucket_tagging;
    delete_object: DeleteObjectInput => DeleteObjectOutput, delete::delete_object;
    delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput, tags::delete_object_tagging;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput, delete::delete_objects;
    delete_public_access_block: DeletePublicAccessBlockInput => DeletePublicAccessBlockOutput, settings::delete_public_access_block;
    get_bucket_acl: GetBucketAclInput => GetBucketAclOutput, acl_calls::get_bucket_acl;
    get_bucket_encryption: GetBucketEncryptionInput => GetBucketEncryptionOutput, encryption::get_bucket_encryption;
    get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput => GetBucketLifecycleConfigurationOutput, lifecycle::get_bucket_lifecycle_configuration;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput, buckets::get_bucket_location;
    get_bucket_logging: GetBucketLoggingInput => GetBucketLoggingOutput, settings::get_bucket_logging;
    get_bucket_notification_configuration: GetBucketNotificationConfigurationInput => GetBucketNotificationConfigurationOutput, settings::get_bucket_notification_configuration;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput => GetBucketOwnershipControlsOutput, settings::get_bucket_ownership_controls;
    get_bucket_policy: GetBucketPolicyInput => GetBucketPolicyOutput, settings::get_bucket_policy;
    get_bucket_policy_status: GetBucketPolicyStatusInput => GetBucketPolicyStatusOutput, settings::get_bucket_policy_status;
    get_bucket_replication: GetBucketReplicationInput => GetBucketReplicationOutput, replication::get_bucket_replication;
    get_bucket_request_payment: GetBucketRequestPaymentInput => GetBucketRequestPaymentOutput, settings::get_bucket_request_payment;
    get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput, tags::get_bucket_tagging;
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput, versioning::get_bucket_versioning;
    get_object: GetObjectInput => GetObjectOutput, get::get_object;
    get_object_acl: GetObjectAclInput => GetObjectAclOutput, acl_calls::get_object_acl;
    get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput, get::get_object_attributes;
    get_object_legal_hold: GetObjectLegalHoldInput => GetObjectLegalHoldOutput, lock::get_object_legal_hold;
    get_object_lock_configuration: GetObjectLockConfigurationInput => GetObjectLockConfigurationOutput, lock::get_object_lock_configuration;
    get_object_retention: GetObjectRetentionInput => GetObjectRetentionOutput, lock::get_object_retention;
    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput, tags::get_object_tagging;
    get_public_access_block: GetPublicAccessBlockInput => GetPublicAccessBlockOutput, settings::get_public_access_block;
    head_bucket: HeadBucketInput => HeadBucketOutput, buckets::head_bucket;
    head_object: HeadObjectInput => HeadObjectOutput, get::head_object;
    list_buckets: ListBucketsInput => ListBucketsOutput, buckets::list_buckets;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput, multipart_listing::list_multipart_uploads;
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput, listing::list_object_versions;
    list_objects: ListObjectsInput => ListObjectsOutput, listing::list_objects;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output, listing::list_objects_v2;
    list_parts: ListPartsInput => ListPartsOutput, multipart_listing::list_parts;
    put_bucket_acl: PutBucketAclInput => PutBucketAclOutput, acl_calls::put_bucket_acl;
    put_bucket_encryption: PutBucketEncryptionInput => PutBucketEncryptionOutput, encryption::put_bucket_encryption;
    put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput => PutBucketLifecycleConfigurationOutput, lifecycle::put_bucket_lifecycle_configuration;
    put_bucket_logging: PutBucketLoggingInput => PutBucketLoggingOutput, settings::put_bucket_logging;
    put_bucket_notification_configuration: PutBucketNotificationConfigurationInput => PutBucketNotificationConfigurationOutput, settings::put_bucket_notification_configuration;
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput => PutBucketOwnershipControlsOutput, settings::put_bucket_ownership_controls;
    put_bucket_policy: PutBucketPolicyInput => PutBucketPolicyOutput, settings::put_bucket_policy;
    put_bucket_replication: PutBucketReplicationInput => PutBucketReplicationOutput, replication::put_bucket_replication;
    put_bucket_request_payment: PutBucketRequestPaymentInput => PutBucketRequestPaymentOutput, settings::put_bucket_request_payment;
    put_bucket_tagging: PutBucketTaggingInput => PutBucketTaggingOutput, tags::put_bucket_tagging;
    put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput, versioning::put_bucket_versioning;
    put_object_acl: PutObjectAclInput => PutObjectAclOutput, acl_calls::put_object_acl;
    put_object_legal_hold: PutObjectLegalHoldInput => PutObjectLegalHoldOutput, lock::put_object_legal_hold;
    put_object_lock_configuration: PutObjectLockConfigurationInput => PutObjectLockConfigurationOutput, lock::put_object_lock_configuration;
    put_object_retention: PutObjectRetentionInput => PutObjectRetentionOutput, lock::put_object_retention;
    put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput, tags::put_object_tagging;
    put_public_access_block: PutPublicAccessBlockInput => PutPublicAccessBlockOutput, settings::put_public_access_block;
    restore_object: RestoreObjectInput => RestoreObjectOutput, restore::restore_object;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput, multipart::upload_part_copy;
    }
    with content
    {
    put_object: PutObjectInput => PutObjectOutput, put::put_object;
    upload_part: UploadPartInput => UploadPartOutput, multipart::upload_part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_length_alone_takes_little_memory() {
        assert_eq!(reserve(10).capacity(), 10);
        assert_eq!(reserve(MAX_PUT_BYTES).capacity(), MAX_RESERVED_BYTES);
    }
}
