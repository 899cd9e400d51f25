//! How the sandbox's other services use buckets: as service principals, through
//! the same policies, locks and encryption as everybody.

use bytes::Bytes;
use http::HeaderMap;
use s3s::{S3Result, dto};

use super::checksum::Claims;
use super::context::{ByAcl, CallContext, Keys};
use super::encryption;
use super::object::Details;
use super::put::{AclHeaders, Write};
use super::session::Session;
use crate::auth::Caller;
use crate::simulation::{Control, Simulation};

/// An object that a service delivers.
#[derive(Debug, Default)]
pub(crate) struct Delivery<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: Bytes,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) content_encoding: Option<&'a str>,
    /// User metadata, names without `x-amz-meta-`.
    pub(crate) metadata: &'a [(&'a str, String)],
    /// A canned list: `bucket-owner-full-control`.
    pub(crate) acl: Option<&'a str>,
    /// SSE-KMS with this key; else SSE-S3 where `sse_s3`, else as the bucket
    /// does by default.
    pub(crate) kms_key: Option<&'a str>,
    pub(crate) sse_s3: bool,
    /// What the data key is bound to: `aws:cloudtrail:arn`.
    pub(crate) kms_context: &'a [(&'a str, String)],
}

/// Writes an object as `caller`, if the bucket lets it.
///
/// # Errors
/// As S3 answers: `NoSuchBucket`, `AccessDenied`, a key that is disabled…
pub(crate) fn deliver(
    simulation: &Simulation,
    control: &Control,
    caller: Caller,
    bucket: &str,
    delivery: Delivery<'_>,
) -> S3Result<()> {
    let session = Session::internal(caller);
    let headers = HeaderMap::new();
    let cx = CallContext::new(simulation, control, &session, &headers);
    let bucket = cx.bucket(bucket, None)?;
    let settings = bucket.settings();
    let algorithm = match delivery.kms_key {
        Some(_) => Some("aws:kms"),
        None => delivery.sse_s3.then_some("AES256"),
    };
    let algorithm = algorithm.map(dto::ServerSideEncryption::from_static);
    let key = delivery.kms_key.map(str::to_owned);
    let metadata = delivery.metadata.iter();
    let write = Write {
        key: delivery.key,
        body: delivery.body,
        claims: Claims::default(),
        encryption: encryption::RequestedEncryption {
            context: delivery
                .kms_context
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect(),
            ..encryption::RequestedEncryption::new(
                algorithm.as_ref(),
                key.as_ref(),
                None,
                None,
                None,
            )?
        },
        acl: AclHeaders::new(delivery.acl, [None; 4]),
        content_type: delivery.content_type.map(Into::into),
        details: Details {
            metadata: metadata.map(|(k, v)| ((*k).into(), v.as_str().into())).collect(),
            content_encoding: delivery.content_encoding.map(Into::into),
            ..Details::default()
        },
        ..Write::default()
    };
    cx.allow_write(&bucket, &settings, &write)?;
    cx.write(&bucket, &settings, write)?;
    Ok(())
}

/// May `caller` do `action` to a bucket, or to an object of it?
///
/// # Errors
/// `NoSuchBucket`, `AccessDenied`.
pub(crate) fn check(
    simulation: &Simulation,
    control: &Control,
    caller: Caller,
    bucket: &str,
    action: &str,
    key: Option<&str>,
    condition_keys: &[(&str, String)],
) -> S3Result<()> {
    let session = Session::internal(caller);
    let headers = HeaderMap::new();
    let cx = CallContext::new(simulation, control, &session, &headers);
    let bucket = cx.bucket(bucket, None)?;
    let keys: Keys<'_> = condition_keys.to_vec();
    match key {
        None => cx.allow_bucket(&bucket, action, keys, ByAcl::No),
        Some(key) => cx.allow_object(&bucket, &bucket.settings(), key, action, keys, ByAcl::No),
    }
}
