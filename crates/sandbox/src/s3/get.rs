//! Reading an object: GET, HEAD and their attributes.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, dto};

use super::bucket::{Bucket, Settings, Versioning};
use super::checksum::set_checksums;
use super::context::{ByAcl, CallContext, Keys};
use super::error::{
    access_denied, custom, invalid_argument, invalid_request, no_such_key, no_such_version,
    precondition_failed, refuse,
};
use super::lock::version_key;
use super::object::{Object, Version, VersionId};
use super::time::{from_dto, http_date, to_dto, whole_seconds};
use super::{encryption, tags};

/// What a read found, once it may be shown.
pub(super) struct Found {
    pub(super) bucket: Arc<Bucket>,
    pub(super) settings: Arc<Settings>,
    pub(super) version: Version,
    pub(super) object: Arc<Object>,
}

/// A read's conditions, by the names of their headers.
#[expect(clippy::struct_field_names, reason = "the headers' own names")]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a dto::ETagCondition>,
    pub(super) if_none_match: Option<&'a dto::ETagCondition>,
    pub(super) if_modified_since: Option<&'a dto::Timestamp>,
    pub(super) if_unmodified_since: Option<&'a dto::Timestamp>,
}

impl Conditions<'_> {
    /// `Ok(false)` when what the client has is still current.
    fn hold(&self, version: &Version, object: &Object) -> S3Result<bool> {
        let modified = whole_seconds(version.modified);
        let since = |time: &dto::Timestamp| from_dto(time);
        match (self.if_match, self.if_unmodified_since.and_then(since)) {
            (Some(condition), _) if !object.etag.meets(condition) => {
                return Err(precondition_failed());
            }
            (None, Some(time)) if modified > time => return Err(precondition_failed()),
            _ => {}
        }
        Ok(match (self.if_none_match, self.if_modified_since.and_then(since)) {
            (Some(condition), _) => !object.etag.meets(condition),
            (None, Some(time)) => modified > time,
            (None, None) => true,
        })
    }

    /// Checks a copy's source, which is never "not modified".
    pub(super) fn check_copy(&self, version: &Version, object: &Object) -> S3Result<()> {
        if self.hold(version, object)? { Ok(()) } else { Err(precondition_failed()) }
    }

    fn check(&self, version: &Version, object: &Object) -> S3Result<()> {
        if self.hold(version, object)? {
            return Ok(());
        }
        let mut error = S3Error::new(S3ErrorCode::NotModified);
        error.set_status_code(StatusCode::NOT_MODIFIED);
        let mut headers = HeaderMap::new();
        let mut set = |name, text: String| {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        set("etag", format!("\"{}\"", object.etag));
        set("last-modified", http_date(version.modified));
        error.set_headers(headers);
        Err(error)
    }
}

impl CallContext<'_> {
    /// Finds a version that the caller may read with `action`, or with
    /// `version_action` where the request names a version.
    pub(super) fn read(
        &self,
        bucket: Arc<Bucket>,
        key: &str,
        version_id: Option<&String>,
        actions: (&str, &str),
    ) -> S3Result<Found> {
        let (settings, version, has_key) = {
            let state = bucket.state.read();
            let versions = state.objects.get(key);
            let version = match version_id {
                None => versions.map(|versions| versions.current.clone()),
                Some(id) => versions.and_then(|versions| versions.find(id)).cloned(),
            };
            (Arc::clone(&state.settings), version, versions.is_some())
        };
        let object = version.as_ref().and_then(|version| version.object.as_ref());
        let action = if version_id.is_some() { actions.1 } else { actions.0 };
        let tag_keys = object.map(|object| tags::existing_keys(object.tags())).unwrap_or_default();
        let mut keys = Keys::new();
        version_key(version_id, &mut keys);
        keys.extend(tag_keys.iter().map(|(key, value)| (key.as_str(), value.clone())));
        let acl = ByAcl::Object("READ", object.map(Arc::as_ref));
        self.allow_object(&bucket, &settings, key, action, keys, acl)?;
        let Some(version) = version else {
            // Only callers that may list learn whether a key exists.
            let listing =
                self.allow_bucket(&bucket, "s3:ListBucket", Keys::new(), ByAcl::Bucket("READ"));
            if listing.is_err() {
                return Err(access_denied("Access Denied"));
            }
            return Err(match version_id {
                Some(_) if has_key => no_such_version(),
                Some(id) if id != "null" && id.len() != 32 => {
                    invalid_argument("Invalid version id specified")
                }
                Some(_) => no_such_version(),
                None => no_such_key(),
            });
        };
        let Some(object) = version.object.clone() else {
            return Err(delete_marker(&version, version_id.is_some()));
        };
        Ok(Found { bucket, settings, version, object })
    }
}

impl Bucket {
    /// The object of a version, for those who may already.
    pub(super) fn find(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> S3Result<(VersionId, Arc<Object>)> {
        let state = self.state.read();
        let versions = state.objects.get(key).ok_or_else(no_such_key)?;
        let version = match version_id {
            None => &versions.current,
            Some(id) => versions.find(id).ok_or_else(no_such_version)?,
        };
        match &version.object {
            Some(object) => Ok((version.id, Arc::clone(object))),
            None => Err(delete_marker(version, version_id.is_some())),
        }
    }

    /// Changes what hangs on a version, in place.
    pub(super) fn edit(
        &self,
        key: &str,
        version_id: Option<&str>,
        change: impl FnOnce(&mut Object) -> S3Result<()>,
    ) -> S3Result<VersionId> {
        let mut state = self.state.write();
        let versions = state.objects.get_mut(key).ok_or_else(no_such_key)?;
        let version = match version_id {
            None => &mut versions.current,
            Some(id) => versions.find_mut(id).ok_or_else(no_such_version)?,
        };
        let id = version.id;
        let Some(object) = &mut version.object else {
            return Err(delete_marker(version, version_id.is_some()));
        };
        change(Arc::make_mut(object))?;
        Ok(id)
    }
}

/// A delete marker can be named, but not read.
fn delete_marker(version: &Version, named: bool) -> S3Error {
    let mut error = if named {
        refuse(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        )
    } else {
        no_such_key()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::try_from(version.id.to_string()) {
        headers.insert("x-amz-version-id", id);
    }
    if let (true, Ok(date)) = (named, HeaderValue::try_from(http_date(version.modified))) {
        headers.insert("last-modified", date);
    }
    error.set_headers(headers);
    error
}

impl Found {
    pub(super) fn shown_version_id(&self) -> Option<String> {
        (self.settings.versioning != Versioning::Off).then(|| self.version.id.to_string())
    }
}

/// The members that `GetObject` and `HeadObject` share.
macro_rules! describe {
    ($output:ident, $cx:expr, $found:expr, $input:expr) => {{
        let (cx, found, input) = ($cx, &$found, &$input);
        let object = &*found.object;
        let (algorithm, key, bucket_key) = encryption::describe(&object.encryption);
        $output.accept_ranges = Some("bytes".to_owned());
        $output.server_side_encryption = algorithm;
        $output.ssekms_key_id = key;
        $output.bucket_key_enabled = bucket_key;
        $output.e_tag = Some(object.etag.dto());
        $output.last_modified = Some(to_dto(found.version.modified));
        $output.version_id = found.shown_version_id();
        $output.content_type =
            Some(object.content_type.as_deref().unwrap_or("binary/octet-stream").to_owned());
        $output.expiration = super::lifecycle::expiration_header(
            &found.settings,
            &input.key,
            object,
            found.version.modified,
        );
        if input.checksum_mode.is_some() && input.range.is_none() && input.part_number.is_none() {
            set_checksums!($output, object.checksum);
            $output.checksum_type = Some(object.checksum.kind());
        }
        if let Some(details) = &object.details {
            let text = |value: &Option<Box<str>>| value.as_deref().map(str::to_owned);
            $output.cache_control = text(&details.cache_control);
            $output.content_disposition = text(&details.content_disposition);
            $output.content_encoding = text(&details.content_encoding);
            $output.content_language = text(&details.content_language);
            $output.expires = details.expires.clone();
            $output.website_redirect_location = text(&details.website_redirect);
            $output.storage_class = text(&details.storage_class).map(dto::StorageClass::from);
            $output.replication_status =
                text(&details.replication).map(dto::ReplicationStatus::from);
            $output.metadata = (!details.metadata.is_empty()).then(|| {
                details.metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
            });
            let may = |action| {
                cx.allow_object(
                    &found.bucket,
                    &found.settings,
                    &input.key,
                    action,
                    Keys::new(),
                    ByAcl::No,
                )
                .is_ok()
            };
            if details.retention.is_some() && may("s3:GetObjectRetention") {
                let retention = details.retention;
                $output.object_lock_mode =
                    retention.map(|r| dto::ObjectLockMode::from_static(r.mode.as_str()));
                $output.object_lock_retain_until_date = retention.map(|r| to_dto(r.until));
            }
            if details.legal_hold.is_some() && may("s3:GetObjectLegalHold") {
                $output.object_lock_legal_hold_status = details.legal_hold.map(|on| {
                    dto::ObjectLockLegalHoldStatus::from_static(if on { "ON" } else { "OFF" })
                });
            }
            let restored = details.restore.filter(|restore| cx.now < restore.expires_at);
            $output.restore = restored.map(|restore| {
                if restore.ready_at > cx.now {
                    "ongoing-request=\"true\"".to_owned()
                } else {
                    format!(
                        "ongoing-request=\"false\", expiry-date=\"{}\"",
                        http_date(restore.expires_at)
                    )
                }
            });
            if input.part_number.is_some() && !details.parts.is_empty() {
                $output.parts_count = i32::try_from(details.parts.len()).ok();
            }
        }
    }};
}

/// The bytes that a range or a part number asks for, and whether that is not
/// all of them.
fn slice(
    object: &Object,
    range: Option<dto::Range>,
    part: Option<i32>,
) -> S3Result<(std::ops::Range<u64>, bool)> {
    let size = object.size();
    let unsatisfiable =
        || refuse(S3ErrorCode::InvalidRange, "The requested range is not satisfiable");
    if let Some(number) = part {
        if range.is_some() {
            return Err(invalid_request(
                "Cannot specify both Range header and partNumber query parameter.",
            ));
        }
        let parts =
            object.details.as_ref().map(|details| details.parts.as_slice()).unwrap_or_default();
        if parts.is_empty() && number == 1 {
            return Ok((0..size, false));
        }
        let mut start = 0;
        for part in parts {
            if i32::from(part.number) == number {
                return Ok((start..start + part.size, true));
            }
            start += part.size;
        }
        return Err(custom(
            "InvalidPartNumber",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The requested partnumber is not satisfiable",
        ));
    }
    match range {
        None => Ok((0..size, false)),
        Some(range) => Ok((range.check(size).map_err(|_| unsatisfiable())?, true)),
    }
}

pub(super) fn get_object(
    cx: &CallContext<'_>,
    input: dto::GetObjectInput,
) -> S3Result<dto::GetObjectOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let actions = ("s3:GetObject", "s3:GetObjectVersion");
    let found = cx.read(bucket, &input.key, input.version_id.as_ref(), actions)?;
    let object = &found.object;
    conditions_of(&input).check(&found.version, object)?;
    if object.is_archived_at(cx.now) {
        return Err(refuse(
            S3ErrorCode::InvalidObjectState,
            "The operation is not valid for the object's storage class",
        ));
    }
    cx.decrypt(&found.bucket, &input.key, &object.encryption)?;
    let (range, partial) = slice(object, input.range, input.part_number)?;
    let body = slice_of(&object.body, &range);
    let mut output = dto::GetObjectOutput {
        content_length: i64::try_from(body.len()).ok(),
        content_range: partial.then(|| {
            format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size())
        }),
        body: Some(dto::StreamingBlob::from(Body::from(body))),
        ..Default::default()
    };
    describe!(output, cx, found, input);
    let tags = object.tags().len();
    if tags > 0 {
        output.tag_count = i32::try_from(tags).ok();
    }
    Ok(output)
}

/// A part of a body, sharing its memory.
pub(super) fn slice_of(body: &bytes::Bytes, range: &std::ops::Range<u64>) -> bytes::Bytes {
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(body.len());
    body.slice(at(range.start)..at(range.end))
}

pub(super) fn head_object(
    cx: &CallContext<'_>,
    input: dto::HeadObjectInput,
) -> S3Result<dto::HeadObjectOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let actions = ("s3:GetObject", "s3:GetObjectVersion");
    let found = cx.read(bucket, &input.key, input.version_id.as_ref(), actions)?;
    let object = &found.object;
    Conditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    }
    .check(&found.version, object)?;
    let (range, partial) = slice(object, input.range, input.part_number)?;
    let mut output = dto::HeadObjectOutput {
        content_length: i64::try_from(range.end - range.start).ok(),
        content_range: partial.then(|| {
            format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size())
        }),
        ..Default::default()
    };
    describe!(output, cx, found, input);
    Ok(output)
}

fn conditions_of(input: &dto::GetObjectInput) -> Conditions<'_> {
    Conditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    }
}

pub(super) fn get_object_attributes(
    cx: &CallContext<'_>,
    input: dto::GetObjectAttributesInput,
) -> S3Result<dto::GetObjectAttributesOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let read = ("s3:GetObject", "s3:GetObjectVersion");
    let found = cx.read(Arc::clone(&bucket), &input.key, input.version_id.as_ref(), read)?;
    let attributes = ("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes");
    cx.read(bucket, &input.key, input.version_id.as_ref(), attributes)?;
    let object = &found.object;
    let wants =
        |name: &str| input.object_attributes.iter().any(|attribute| attribute.as_str() == name);
    let mut output = dto::GetObjectAttributesOutput {
        last_modified: Some(to_dto(found.version.modified)),
        version_id: found.shown_version_id(),
        e_tag: wants("ETag").then(|| object.etag.dto()),
        object_size: wants("ObjectSize").then(|| i64::try_from(object.size()).unwrap_or(i64::MAX)),
        storage_class: wants("StorageClass")
            .then(|| dto::StorageClass::from(object.storage_class().to_owned())),
        ..Default::default()
    };
    if wants("Checksum") {
        let mut checksum = dto::Checksum::default();
        set_checksums!(checksum, object.checksum);
        checksum.checksum_type = Some(object.checksum.kind());
        output.checksum = Some(checksum);
    }
    let parts = object.details.as_ref().map(|d| d.parts.as_slice()).unwrap_or_default();
    if wants("ObjectParts") && !parts.is_empty() {
        let marker = input.part_number_marker.unwrap_or(0);
        let most = usize::try_from(input.max_parts.unwrap_or(1_000).clamp(0, 1_000)).unwrap_or(0);
        let after: Vec<_> = parts.iter().filter(|p| i32::from(p.number) > marker).collect();
        let shown = after.iter().take(most).map(|part| {
            let mut shown = dto::ObjectPart {
                part_number: Some(i32::from(part.number)),
                size: i64::try_from(part.size).ok(),
                ..Default::default()
            };
            set_checksums!(shown, part.checksum);
            shown
        });
        output.object_parts = Some(dto::GetObjectAttributesParts {
            is_truncated: Some(after.len() > most),
            max_parts: i32::try_from(most).ok(),
            next_part_number_marker: after.get(most.wrapping_sub(1)).map(|p| i32::from(p.number)),
            part_number_marker: Some(marker),
            parts: Some(shown.collect()),
            total_parts_count: i32::try_from(parts.len()).ok(),
        });
    }
    Ok(output)
}
