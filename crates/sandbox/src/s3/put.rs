//! Writing an object: one path for clients, for services and for copies.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use s3s::{S3ErrorCode, S3Result, dto};

use super::acl::{Acl, canonical_id};
use super::bucket::{Bucket, Ownership, Settings, Versioning};
use super::checksum::{Claims, set_checksums};
use super::context::{ByAcl, CallContext, Keys};
use super::error::{
    access_denied, invalid_argument, invalid_request, no_such_bucket, no_such_key,
    precondition_failed, refuse,
};
use super::object::{Details, Encryption, EntityTag, Object, Version, VersionId, Versions};
use super::{encryption, lock, tags};

/// The largest object of one PUT.
pub(super) const MAX_PUT_BYTES: usize = 5 * 1024 * 1024 * 1024;

/// The condition of a conditional write.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) if_match: Option<dto::ETagCondition>,
    pub(super) if_none_match: Option<dto::ETagCondition>,
}

impl Condition {
    pub(super) fn new(
        if_match: Option<dto::ETagCondition>,
        if_none_match: Option<dto::ETagCondition>,
    ) -> S3Result<Self> {
        let unsupported = if_none_match.as_ref().is_some_and(|condition| !condition.is_any())
            || if_match.as_ref().is_some_and(dto::ETagCondition::is_any)
            || (if_match.is_some() && if_none_match.is_some());
        if unsupported {
            return Err(refuse(
                S3ErrorCode::NotImplemented,
                "A header you provided implies functionality that is not implemented",
            ));
        }
        Ok(Self { if_match, if_none_match })
    }

    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(tag) = self.if_match.as_ref().and_then(dto::ETagCondition::as_etag) {
            keys.push(("s3:if-match", tag.value().to_owned()));
        }
        if self.if_none_match.is_some() {
            keys.push(("s3:if-none-match", "*".to_owned()));
        }
    }

    fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let object = current.and_then(|version| version.object.as_ref());
        if self.if_none_match.is_some() && object.is_some() {
            return Err(precondition_failed());
        }
        if let Some(condition) = &self.if_match {
            let object = object.ok_or_else(no_such_key)?;
            if !object.etag.meets(condition) {
                return Err(precondition_failed());
            }
        }
        Ok(())
    }
}

/// Access control lists and grants of a write.
#[derive(Debug, Default, Clone)]
pub(super) struct AclHeaders {
    pub(super) canned: Option<String>,
    /// (permission, header, value).
    pub(super) grants: Vec<(&'static str, &'static str, String)>,
}

impl AclHeaders {
    pub(super) fn new(canned: Option<&str>, grants: [Option<&String>; 4]) -> Self {
        const NAMES: [(&str, &str); 4] = [
            ("FULL_CONTROL", "s3:x-amz-grant-full-control"),
            ("READ", "s3:x-amz-grant-read"),
            ("READ_ACP", "s3:x-amz-grant-read-acp"),
            ("WRITE_ACP", "s3:x-amz-grant-write-acp"),
        ];
        let grants = NAMES.iter().zip(grants).filter_map(|((permission, header), value)| {
            value.map(|value| (*permission, *header, value.clone()))
        });
        Self { canned: canned.map(str::to_owned), grants: grants.collect() }
    }

    fn keys(&self, keys: &mut Keys<'_>) {
        if let Some(name) = &self.canned {
            keys.push(("s3:x-amz-acl", name.clone()));
        }
        for (_, header, value) in &self.grants {
            keys.push((header, value.clone()));
        }
    }

    fn is_beyond_bucket_owner(&self, bucket: &Bucket) -> bool {
        let owner = format!("id=\"{}\"", canonical_id(&bucket.owner));
        let canned = self.canned.as_deref().is_some_and(|name| name != "bucket-owner-full-control");
        canned
            || self
                .grants
                .iter()
                .any(|(permission, _, value)| *permission != "FULL_CONTROL" || *value != owner)
    }

    /// The owner and list of a new object, where they differ from the bucket's
    /// owner and private.
    pub(super) fn apply(
        &self,
        cx: &CallContext<'_>,
        bucket: &Bucket,
        settings: &Settings,
        object: &mut Object,
    ) -> S3Result<()> {
        if settings.acls_disabled() {
            if self.is_beyond_bucket_owner(bucket) {
                return Err(acls_not_supported());
            }
            return Ok(());
        }
        let writer = cx.caller().map_or(&bucket.owner, |caller| &caller.account);
        let handed_over = settings.ownership == Some(Ownership::BucketOwnerPreferred)
            && self.canned.as_deref() == Some("bucket-owner-full-control");
        let owner = if handed_over { &bucket.owner } else { writer };
        let mut acl =
            Acl::canned(self.canned.as_deref().unwrap_or("private"), owner, &bucket.owner)?;
        for (permission, _, value) in &self.grants {
            acl.add_header(permission, Some(value))?;
        }
        if acl.is_public() && settings.blocks(|block| block.block_public_acls) {
            return Err(access_denied(
                "Access Denied: public ACLs are blocked by the BlockPublicAcls setting",
            ));
        }
        if *owner != bucket.owner || !self.grants.is_empty() || self.canned.is_some() {
            let details = object.details_mut();
            details.acl = Some(acl);
            details.owner = (*owner != bucket.owner).then(|| owner.clone());
        }
        Ok(())
    }
}

pub(super) fn acls_not_supported() -> s3s::S3Error {
    refuse(S3ErrorCode::AccessControlListNotSupported, "The bucket does not allow ACLs")
}

/// One write under way.
#[derive(Debug, Default)]
pub(super) struct Write<'a> {
    pub(super) key: &'a str,
    pub(super) body: Bytes,
    pub(super) claims: Claims,
    pub(super) condition: Condition,
    pub(super) encryption: encryption::RequestedEncryption,
    pub(super) lock: lock::RequestedLock,
    pub(super) acl: AclHeaders,
    pub(super) content_type: Option<Box<str>>,
    pub(super) details: Details,
    /// Condition keys of the kind of write: a copy's source.
    pub(super) keys: Keys<'a>,
}

/// What a write left.
#[derive(Debug)]
pub(super) struct Written {
    /// As the answer shows it: nothing where versions never were.
    pub(super) version_id: Option<String>,
    pub(super) modified: jiff::Timestamp,
    pub(super) object: Arc<Object>,
}

impl CallContext<'_> {
    /// Asks for everything that a write needs, before anything is read or
    /// computed.
    pub(super) fn allow_write(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        write: &Write<'_>,
    ) -> S3Result<()> {
        let mut keys = write.keys.clone();
        write.acl.keys(&mut keys);
        write.encryption.keys(&mut keys);
        write.condition.keys(&mut keys);
        if let Some(class) = &write.details.storage_class {
            keys.push(("s3:x-amz-storage-class", class.to_string()));
        }
        let mut lock_keys = Keys::new();
        write.lock.keys(self.now, &mut lock_keys);
        keys.extend(lock_keys);
        let tag_keys = tags::request_keys(&write.details.tags);
        keys.extend(tag_keys.iter().map(|(key, value)| (key.as_str(), value.clone())));
        let allow = |action, keys: Keys<'_>, acl| {
            self.allow_object(bucket, settings, write.key, action, keys, acl)
        };
        allow("s3:PutObject", keys.clone(), ByAcl::Bucket("WRITE"))?;
        if write.lock.retention.is_some() {
            allow("s3:PutObjectRetention", keys.clone(), ByAcl::No)?;
        }
        if write.lock.legal_hold.is_some() {
            allow("s3:PutObjectLegalHold", keys.clone(), ByAcl::No)?;
        }
        if !write.details.tags.is_empty() {
            allow("s3:PutObjectTagging", keys.clone(), ByAcl::No)?;
        }
        if !settings.acls_disabled() && write.acl.is_beyond_bucket_owner(bucket) {
            allow("s3:PutObjectAcl", keys.clone(), ByAcl::No)?;
        }
        if write.condition.if_match.is_some() {
            allow("s3:GetObject", keys, ByAcl::No)?;
        }
        Ok(())
    }

    /// Writes an object whose caller may.
    pub(super) fn write(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        write: Write<'_>,
    ) -> S3Result<Written> {
        check_details(&write.details)?;
        let md5 = EntityTag::of(&write.body);
        let checksum = write.claims.verify(&write.body, md5.digest)?;
        let encryption = self.encrypt(bucket, settings, write.key, &write.encryption)?;
        let etag = match encryption {
            Encryption::S3 => md5,
            Encryption::Kms { .. } => self.store().opaque_tag(),
        };
        let details = write.details;
        let plain = details.is_empty();
        let mut object = Object {
            body: write.body,
            etag,
            checksum,
            encryption,
            content_type: write.content_type,
            details: (!plain).then(|| Box::new(details)),
        };
        write.acl.apply(self, bucket, settings, &mut object)?;
        write.lock.lock(&mut object, settings, self.now);
        self.insert(bucket, write.key, object, &write.condition)
    }

    /// Puts a finished object on top of its key, if its condition is met.
    pub(super) fn insert(
        &self,
        bucket: &Bucket,
        key: &str,
        mut object: Object,
        condition: &Condition,
    ) -> S3Result<Written> {
        super::replication::mark(bucket, key, &mut object);
        let object = Arc::new(object);
        let modified = super::time::whole_seconds(self.now);
        let version_id = {
            let mut state = bucket.state.write();
            if state.deleted {
                return Err(no_such_bucket());
            }
            let versioning = state.settings.versioning;
            condition.check(state.objects.get(key).map(|versions| &versions.current))?;
            let id = match versioning {
                Versioning::Enabled => self.store().new_version_id(),
                Versioning::Off | Versioning::Suspended => VersionId::NULL,
            };
            let version = Version { id, modified, object: Some(Arc::clone(&object)) };
            match state.objects.get_mut(key) {
                Some(versions) => versions.push(version),
                None => {
                    state.objects.insert(key.into(), Versions::new(version));
                }
            }
            (versioning != Versioning::Off).then_some(id)
        };
        super::replication::replicate(self, bucket, key, version_id, modified, &object);
        Ok(Written { version_id: version_id.map(|id| id.to_string()), modified, object })
    }
}

impl Details {
    fn is_empty(&self) -> bool {
        self.metadata.is_empty()
            && self.cache_control.is_none()
            && self.content_disposition.is_none()
            && self.content_encoding.is_none()
            && self.content_language.is_none()
            && self.expires.is_none()
            && self.website_redirect.is_none()
            && self.storage_class.is_none()
            && self.tags.is_empty()
            && self.parts.is_empty()
            && self.acl.is_none()
    }
}

fn check_details(details: &Details) -> S3Result<()> {
    let size: usize = details.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > 2 * 1024 {
        return Err(refuse(
            S3ErrorCode::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    Ok(())
}

/// The storage class of a write, `None` for STANDARD.
pub(super) fn storage_class(class: Option<&dto::StorageClass>) -> S3Result<Option<Box<str>>> {
    match class.map(dto::StorageClass::as_str) {
        None | Some("STANDARD") => Ok(None),
        Some(
            class @ ("REDUCED_REDUNDANCY"
            | "STANDARD_IA"
            | "ONEZONE_IA"
            | "INTELLIGENT_TIERING"
            | "GLACIER"
            | "DEEP_ARCHIVE"
            | "GLACIER_IR"),
        ) => Ok(Some(class.into())),
        Some(_) => Err(refuse(
            S3ErrorCode::InvalidStorageClass,
            "The storage class you specified is not valid",
        )),
    }
}

/// User metadata, sorted.
pub(super) fn metadata(metadata: Option<dto::Metadata>) -> BTreeMap<Box<str>, Box<str>> {
    metadata.into_iter().flatten().map(|(key, value)| (key.into(), value.into())).collect()
}

/// The members that `PutObject`, `CopyObject` and `CreateMultipartUpload` share.
macro_rules! details_of {
    ($input:expr) => {{
        let input = &mut $input;
        $crate::s3::object::Details {
            metadata: $crate::s3::put::metadata(input.metadata.take()),
            cache_control: input.cache_control.take().map(Into::into),
            content_disposition: input.content_disposition.take().map(Into::into),
            content_encoding: $crate::s3::put::encoding(input.content_encoding.take()),
            content_language: input.content_language.take().map(Into::into),
            expires: input.expires.take(),
            website_redirect: input.website_redirect_location.take().map(Into::into),
            storage_class: $crate::s3::put::storage_class(input.storage_class.as_ref())?,
            tags: $crate::s3::tags::parse_header(input.tagging.as_deref())?,
            ..Default::default()
        }
    }};
}
pub(super) use details_of;

/// The ACL members that the same three share.
macro_rules! acl_of {
    ($input:expr) => {
        $crate::s3::put::AclHeaders::new(
            $input.acl.as_ref().map(|acl| acl.as_str()),
            [
                $input.grant_full_control.as_ref(),
                $input.grant_read.as_ref(),
                $input.grant_read_acp.as_ref(),
                $input.grant_write_acp.as_ref(),
            ],
        )
    };
}
pub(super) use acl_of;

/// The encryption members that the same three share.
macro_rules! encryption_of {
    ($input:expr) => {
        $crate::s3::encryption::RequestedEncryption::new(
            $input.server_side_encryption.as_ref(),
            $input.ssekms_key_id.as_ref(),
            $input.bucket_key_enabled,
            $input.ssekms_encryption_context.as_ref(),
            $input.sse_customer_key.as_ref(),
        )
    };
}
pub(super) use encryption_of;

/// The lock members that the same three share.
macro_rules! lock_of {
    ($cx:expr, $settings:expr, $input:expr) => {
        $crate::s3::lock::RequestedLock::new(
            $cx,
            $settings,
            $input.object_lock_mode.as_ref(),
            $input.object_lock_retain_until_date.as_ref(),
            $input.object_lock_legal_hold_status.as_ref(),
        )
    };
}
pub(super) use lock_of;

/// A content encoding without the framing that the upload itself used.
pub(super) fn encoding(text: Option<String>) -> Option<Box<str>> {
    let text = text?;
    if !text.contains("aws-chunked") {
        return Some(text.into());
    }
    let kept: Vec<&str> =
        text.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(",").into())
}

pub(super) fn put_object(
    cx: &CallContext<'_>,
    mut input: dto::PutObjectInput,
    body: Bytes,
    claims: Claims,
) -> S3Result<dto::PutObjectOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    if body.len() > MAX_PUT_BYTES {
        return Err(refuse(
            S3ErrorCode::EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size",
        ));
    }
    if input.write_offset_bytes.is_some() {
        return Err(invalid_argument("appends are for directory buckets only"));
    }
    let write = Write {
        body,
        claims,
        condition: Condition::new(input.if_match.take(), input.if_none_match.take())?,
        encryption: encryption_of!(input)?,
        lock: lock_of!(cx, &settings, input)?,
        acl: acl_of!(input),
        content_type: input.content_type.take().map(Into::into),
        details: details_of!(input),
        key: &input.key,
        keys: Keys::new(),
    };
    cx.allow_write(&bucket, &settings, &write)?;
    let locks =
        write.lock.retention.is_some() || settings.lock.is_some_and(|lock| lock.default.is_some());
    if locks && !write.claims.any() {
        return Err(invalid_request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
        ));
    }
    let written = cx.write(&bucket, &settings, write)?;
    let object = &written.object;
    let (server_side_encryption, ssekms_key_id, bucket_key_enabled) =
        encryption::describe(&object.encryption);
    let mut output = dto::PutObjectOutput {
        bucket_key_enabled,
        checksum_type: Some(object.checksum.kind()),
        e_tag: Some(object.etag.dto()),
        expiration: super::lifecycle::expiration_header(
            &settings,
            &input.key,
            object,
            written.modified,
        ),
        ssekms_key_id,
        server_side_encryption,
        version_id: written.version_id,
        ..Default::default()
    };
    set_checksums!(output, object.checksum);
    Ok(output)
}
