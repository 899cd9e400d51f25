//! Copying an object inside S3.

use s3s::{S3ErrorCode, S3Result, dto};

use super::checksum::{Algorithm, Claims, set_checksums};
use super::context::{ByAcl, CallContext, Keys};
use super::encryption;
use super::error::{invalid_argument, invalid_request, refuse};
use super::get::{Conditions, Found};
use super::object::Details;
use super::put::{Condition, MAX_PUT_BYTES, Write, acl_of, details_of, encryption_of, lock_of};
use super::time::to_dto;

/// A copy's source, read.
pub(super) struct Source {
    pub(super) found: Found,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) named_version: bool,
}

/// Reads a copy's source as its caller may.
pub(super) fn read_source(
    cx: &CallContext<'_>,
    source: &dto::CopySource,
    expected_owner: Option<&str>,
    conditions: &Conditions<'_>,
) -> S3Result<Source> {
    let dto::CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(refuse(
            S3ErrorCode::NotImplemented,
            "the sandbox copies from buckets, not from access points",
        ));
    };
    // A source may lie in any Region.
    let from = cx.bucket_anywhere(bucket, expected_owner)?;
    let version_id = version_id.as_deref().map(str::to_owned);
    let actions = ("s3:GetObject", "s3:GetObjectVersion");
    let found = cx.read(from, key, version_id.as_ref(), actions)?;
    conditions.check_copy(&found.version, &found.object)?;
    if found.object.is_archived_at(cx.now) {
        return Err(refuse(
            S3ErrorCode::InvalidObjectState,
            "Operation is not valid for the source object's storage class",
        ));
    }
    cx.decrypt(&found.bucket, key, &found.object.encryption)?;
    Ok(Source {
        found,
        bucket: bucket.to_string(),
        key: key.to_string(),
        named_version: version_id.is_some(),
    })
}

/// Which of COPY and REPLACE a directive says.
fn replaces(directive: Option<&str>, what: &str) -> S3Result<bool> {
    match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(invalid_argument(format!("Unknown {what} directive."))),
    }
}

pub(super) fn copy_object(
    cx: &CallContext<'_>,
    mut input: dto::CopyObjectInput,
) -> S3Result<dto::CopyObjectOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let conditions = Conditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    let owner = input.expected_source_bucket_owner.as_deref();
    let source = read_source(cx, &input.copy_source, owner, &conditions)?;
    let object = &source.found.object;
    if object.body.len() > MAX_PUT_BYTES {
        return Err(invalid_request(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let directive = input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str);
    let new_metadata = replaces(directive, "metadata")?;
    let tagging = input.tagging_directive.as_ref().map(dto::TaggingDirective::as_str);
    let new_tags = replaces(tagging, "tagging")?;
    let onto_itself = source.bucket == input.bucket && source.key == input.key;
    let changes_something = new_metadata
        || source.named_version
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some()
        || input.checksum_algorithm.is_some();
    if onto_itself && !changes_something {
        return Err(invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut keys: Keys<'_> =
        vec![("s3:x-amz-copy-source", format!("{}/{}", source.bucket, source.key))];
    if let Some(directive) = directive {
        keys.push(("s3:x-amz-metadata-directive", directive.to_owned()));
    }
    let algorithm = match &input.checksum_algorithm {
        Some(name) => Algorithm::parse(name.as_str())?,
        None => object.checksum.algorithm,
    };
    let mut details = details_of!(input);
    let mut content_type = input.content_type.take().map(Into::into);
    if !new_metadata {
        let redirect = details.website_redirect.take();
        let kept = object.details.as_deref().cloned().unwrap_or_default();
        details = Details {
            metadata: kept.metadata,
            cache_control: kept.cache_control,
            content_disposition: kept.content_disposition,
            content_encoding: kept.content_encoding,
            content_language: kept.content_language,
            expires: kept.expires,
            website_redirect: redirect,
            storage_class: details.storage_class,
            tags: details.tags,
            ..Details::default()
        };
        content_type.clone_from(&object.content_type);
    }
    if !new_tags {
        details.tags.clear();
        if !object.tags().is_empty() {
            let action = if source.named_version {
                "s3:GetObjectVersionTagging"
            } else {
                "s3:GetObjectTagging"
            };
            let from = &source.found;
            cx.allow_object(
                &from.bucket,
                &from.settings,
                &source.key,
                action,
                Keys::new(),
                ByAcl::No,
            )?;
            details.tags.clone_from(object.tags());
        }
    }
    let write = Write {
        body: object.body.clone(),
        claims: Claims { algorithm: Some(algorithm), ..Claims::default() },
        condition: condition(cx)?,
        encryption: encryption_of!(input)?,
        lock: lock_of!(cx, &settings, input)?,
        acl: acl_of!(input),
        content_type,
        details,
        keys,
        key: &input.key,
    };
    cx.allow_write(&bucket, &settings, &write)?;
    let written = cx.write(&bucket, &settings, write)?;
    let copy = &written.object;
    let (server_side_encryption, ssekms_key_id, bucket_key_enabled) =
        encryption::describe(&copy.encryption);
    let mut result = dto::CopyObjectResult {
        checksum_type: Some(copy.checksum.kind()),
        e_tag: Some(copy.etag.dto()),
        last_modified: Some(to_dto(written.modified)),
        ..Default::default()
    };
    set_checksums!(result, copy.checksum);
    Ok(dto::CopyObjectOutput {
        bucket_key_enabled,
        copy_object_result: Some(result),
        copy_source_version_id: source.found.shown_version_id(),
        server_side_encryption,
        ssekms_key_id,
        version_id: written.version_id,
        ..Default::default()
    })
}

/// The destination's condition, which the protocol crate does not parse for
/// copies.
fn condition(cx: &CallContext<'_>) -> S3Result<Condition> {
    let read = |name: &str| match cx.headers.get(name) {
        None => Ok(None),
        Some(value) => dto::ETagCondition::parse_http_header(value.as_bytes())
            .map(Some)
            .map_err(|_| invalid_argument(format!("invalid header: {name}"))),
    };
    Condition::new(read("if-match")?, read("if-none-match")?)
}
