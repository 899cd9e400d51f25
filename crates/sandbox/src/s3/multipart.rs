//! Multipart uploads.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use md5::Digest as _;
use orgtrail_base::names::AccountId;
use s3s::{S3ErrorCode, S3Result, dto};

use super::bucket::{Bucket, Settings};
use super::checksum::{Algorithm, Checksum, Claims, set_checksums};
use super::context::{ByAcl, CallContext, Keys};
use super::error::{invalid_argument, invalid_request, malformed_xml, refuse};
use super::object::{Details, Encryption, EntityTag, Object, PartSummary};
use super::put::{AclHeaders, Condition, Write, acl_of, details_of, encryption_of, lock_of};
use super::time::to_dto;
use super::{encryption, lock};

/// The least size of a part that is not the last.
const MIN_PART_BYTES: usize = 5 * 1024 * 1024;
const MAX_PARTS: i32 = 10_000;

/// An upload under way.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) initiated: Timestamp,
    pub(super) initiator: AccountId,
    content_type: Option<Box<str>>,
    pub(super) details: Details,
    encryption: Encryption,
    lock: lock::RequestedLock,
    acl: AclHeaders,
    pub(super) algorithm: Algorithm,
    pub(super) composite: bool,
    pub(super) parts: BTreeMap<u16, Part>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) body: Bytes,
    pub(super) md5: EntityTag,
    pub(super) checksum: Checksum,
    pub(super) modified: Timestamp,
}

pub(super) fn no_such_upload() -> s3s::S3Error {
    refuse(
        S3ErrorCode::NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
}

fn part_number(number: i32) -> S3Result<u16> {
    u16::try_from(number).ok().filter(|n| (1..=MAX_PARTS).contains(&i32::from(*n))).ok_or_else(
        || invalid_argument("Part number must be an integer between 1 and 10000, inclusive"),
    )
}

pub(super) fn create_multipart_upload(
    cx: &CallContext<'_>,
    mut input: dto::CreateMultipartUploadInput,
) -> S3Result<dto::CreateMultipartUploadOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let write = Write {
        encryption: encryption_of!(input)?,
        lock: lock_of!(cx, &settings, input)?,
        acl: acl_of!(input),
        content_type: input.content_type.take().map(Into::into),
        details: details_of!(input),
        key: &input.key,
        ..Write::default()
    };
    cx.allow_write(&bucket, &settings, &write)?;
    let encryption = cx.encrypt(&bucket, &settings, &input.key, &write.encryption)?;
    let algorithm = match &input.checksum_algorithm {
        Some(name) => Algorithm::parse(name.as_str())?,
        None => Algorithm::Crc64Nvme,
    };
    let composite = match input.checksum_type.as_ref().map(dto::ChecksumType::as_str) {
        None => algorithm.is_composite_by_default(),
        Some("COMPOSITE") if algorithm != Algorithm::Crc64Nvme => true,
        Some("FULL_OBJECT") if !matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256) => false,
        Some(kind) => {
            return Err(invalid_request(format!(
                "The {kind} checksum type cannot be used with the {} checksum algorithm.",
                algorithm.as_str()
            )));
        }
    };
    let (server_side_encryption, ssekms_key_id, bucket_key_enabled) =
        encryption::describe(&encryption);
    let upload = Upload {
        initiated: cx.now,
        initiator: cx.caller().map_or_else(|| bucket.owner.clone(), |c| c.account.clone()),
        content_type: write.content_type,
        details: write.details,
        encryption,
        lock: write.lock,
        acl: write.acl,
        algorithm,
        composite,
        parts: BTreeMap::new(),
    };
    let id = cx.store().new_version_id().to_string();
    bucket.state.write().uploads.insert((input.key.clone(), id.clone()), upload);
    Ok(dto::CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        bucket_key_enabled,
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: Some(kind(composite)),
        key: Some(input.key),
        server_side_encryption,
        ssekms_key_id,
        upload_id: Some(id),
        ..Default::default()
    })
}

pub(super) fn kind(composite: bool) -> dto::ChecksumType {
    dto::ChecksumType::from_static(if composite {
        dto::ChecksumType::COMPOSITE
    } else {
        dto::ChecksumType::FULL_OBJECT
    })
}

impl CallContext<'_> {
    pub(super) fn allow_upload(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        key: &str,
        action: &str,
    ) -> S3Result<()> {
        self.allow_object(bucket, settings, key, action, Keys::new(), ByAcl::Bucket("WRITE"))
    }

    /// Adds a part to an upload.
    fn add_part(
        &self,
        bucket: &Bucket,
        key: &str,
        upload_id: &str,
        number: u16,
        body: Bytes,
        mut claims: Claims,
    ) -> S3Result<(Part, Encryption)> {
        let id = (key.to_owned(), upload_id.to_owned());
        let (algorithm, encryption) = {
            let state = bucket.state.read();
            let upload = state.uploads.get(&id).ok_or_else(no_such_upload)?;
            (upload.algorithm, upload.encryption.clone())
        };
        if let Some((claimed, _)) = &claims.checksum
            && *claimed != algorithm
            && algorithm != Algorithm::Crc64Nvme
        {
            return Err(invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.as_str().to_ascii_lowercase(),
                claimed.as_str().to_ascii_lowercase(),
            )));
        }
        claims.algorithm = Some(algorithm);
        let md5 = EntityTag::of(&body);
        claims.verify(&body, md5.digest)?;
        let checksum = algorithm.of(&body);
        let part = Part { body, md5, checksum, modified: self.now };
        let mut state = bucket.state.write();
        let upload = state.uploads.get_mut(&id).ok_or_else(no_such_upload)?;
        upload.parts.insert(number, part.clone());
        Ok((part, encryption))
    }
}

pub(super) fn upload_part(
    cx: &CallContext<'_>,
    input: dto::UploadPartInput,
    body: Bytes,
    claims: Claims,
) -> S3Result<dto::UploadPartOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    cx.allow_upload(&bucket, &bucket.settings(), &input.key, "s3:PutObject")?;
    let number = part_number(input.part_number)?;
    let (part, encryption) =
        cx.add_part(&bucket, &input.key, &input.upload_id, number, body, claims)?;
    let (server_side_encryption, ssekms_key_id, bucket_key_enabled) =
        encryption::describe(&encryption);
    let mut output = dto::UploadPartOutput {
        bucket_key_enabled,
        e_tag: Some(part.md5.dto()),
        server_side_encryption,
        ssekms_key_id,
        ..Default::default()
    };
    set_checksums!(output, part.checksum);
    Ok(output)
}

pub(super) fn upload_part_copy(
    cx: &CallContext<'_>,
    input: dto::UploadPartCopyInput,
) -> S3Result<dto::UploadPartCopyOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    cx.allow_upload(&bucket, &bucket.settings(), &input.key, "s3:PutObject")?;
    let number = part_number(input.part_number)?;
    let conditions = super::get::Conditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    let owner = input.expected_source_bucket_owner.as_deref();
    let source = super::copy::read_source(cx, &input.copy_source, owner, &conditions)?;
    let whole = &source.found.object.body;
    let body = match &input.copy_source_range {
        None => whole.clone(),
        Some(text) => {
            let range = dto::Range::parse(text).ok().filter(|range| {
                matches!(range, dto::Range::Int { last: Some(last), .. } if *last < whole.len() as u64)
            });
            let range = range.and_then(|range| range.check(whole.len() as u64).ok());
            let range = range.ok_or_else(|| {
                invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
            })?;
            super::get::slice_of(whole, &range)
        }
    };
    let claims = Claims::default();
    let (part, encryption) =
        cx.add_part(&bucket, &input.key, &input.upload_id, number, body, claims)?;
    let (server_side_encryption, ssekms_key_id, bucket_key_enabled) =
        encryption::describe(&encryption);
    let mut result = dto::CopyPartResult {
        e_tag: Some(part.md5.dto()),
        last_modified: Some(to_dto(part.modified)),
        ..Default::default()
    };
    set_checksums!(result, part.checksum);
    Ok(dto::UploadPartCopyOutput {
        bucket_key_enabled,
        copy_part_result: Some(result),
        copy_source_version_id: source.found.shown_version_id(),
        server_side_encryption,
        ssekms_key_id,
        ..Default::default()
    })
}

/// The parts that a completion names, in order and all there.
fn named_parts(upload: &Upload, wanted: &[dto::CompletedPart]) -> S3Result<Vec<(u16, Part)>> {
    if wanted.is_empty() {
        return Err(malformed_xml("You must specify at least one part"));
    }
    let mut parts: Vec<(u16, Part)> = Vec::with_capacity(wanted.len());
    for part in wanted {
        let number = part_number(part.part_number.unwrap_or(0))?;
        if parts.last().is_some_and(|(last, _)| *last >= number) {
            return Err(refuse(
                S3ErrorCode::InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            ));
        }
        let invalid = || {
            refuse(
                S3ErrorCode::InvalidPart,
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
            )
        };
        let there = upload.parts.get(&number).ok_or_else(invalid)?;
        if part.e_tag.as_ref().is_none_or(|tag| tag.value() != there.md5.to_string()) {
            return Err(invalid());
        }
        let claimed = [
            (Algorithm::Crc32, &part.checksum_crc32),
            (Algorithm::Crc32c, &part.checksum_crc32c),
            (Algorithm::Crc64Nvme, &part.checksum_crc64nvme),
            (Algorithm::Sha1, &part.checksum_sha1),
            (Algorithm::Sha256, &part.checksum_sha256),
        ];
        for (algorithm, text) in claimed {
            if text.as_ref().is_some_and(|text| {
                there.checksum.text_of(algorithm).is_some_and(|actual| actual != *text)
            }) {
                return Err(invalid());
            }
        }
        parts.push((number, there.clone()));
    }
    let too_small =
        parts[..parts.len() - 1].iter().any(|(_, part)| part.body.len() < MIN_PART_BYTES);
    if too_small {
        return Err(refuse(
            S3ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    Ok(parts)
}

pub(super) fn complete_multipart_upload(
    cx: &CallContext<'_>,
    mut input: dto::CompleteMultipartUploadInput,
) -> S3Result<dto::CompleteMultipartUploadOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    cx.allow_upload(&bucket, &settings, &input.key, "s3:PutObject")?;
    let condition = Condition::new(input.if_match.take(), input.if_none_match.take())?;
    let id = (input.key.clone(), input.upload_id.clone());
    let wanted = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
    // INVARIANT: the upload is out before its parts are joined, so that no other
    // completion makes a version of it, and no part or abort that comes
    // meanwhile gets a success response.
    let upload = bucket.state.write().uploads.remove(&id).ok_or_else(no_such_upload)?;
    let assembled = assemble(cx, &bucket, &settings, &input, &upload, &wanted);
    let written = assembled.and_then(|object| cx.insert(&bucket, &input.key, object, &condition));
    let written = match written {
        Ok(written) => written,
        Err(refusal) => {
            bucket.state.write().uploads.insert(id, upload);
            return Err(refusal);
        }
    };
    let object = &written.object;
    let (server_side_encryption, ssekms_key_id, bucket_key_enabled) =
        encryption::describe(&object.encryption);
    let mut output = dto::CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        bucket_key_enabled,
        checksum_type: Some(object.checksum.kind()),
        e_tag: Some(object.etag.dto()),
        key: Some(input.key),
        server_side_encryption,
        ssekms_key_id,
        version_id: written.version_id,
        ..Default::default()
    };
    set_checksums!(output, object.checksum);
    Ok(output)
}

/// The object that a completion makes of its upload's parts.
fn assemble(
    cx: &CallContext<'_>,
    bucket: &Bucket,
    settings: &Settings,
    input: &dto::CompleteMultipartUploadInput,
    upload: &Upload,
    wanted: &[dto::CompletedPart],
) -> S3Result<Object> {
    let parts = named_parts(upload, wanted)?;
    let mut object = join(upload, &parts);
    if let Encryption::Kms { .. } = object.encryption {
        object.etag.digest = cx.store().opaque_tag().digest;
    }
    upload.lock.lock(&mut object, settings, cx.now);
    if input.mpu_object_size.is_some_and(|size| size != i64::try_from(object.size()).unwrap_or(-1))
    {
        return Err(invalid_request(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
        ));
    }
    check_claim(input, &object.checksum)?;
    upload.acl.apply(cx, bucket, settings, &mut object)?;
    Ok(object)
}

fn join(upload: &Upload, parts: &[(u16, Part)]) -> Object {
    let mut body = BytesMut::with_capacity(parts.iter().map(|(_, part)| part.body.len()).sum());
    let mut digests = md5::Md5::new();
    for (_, part) in parts {
        body.extend_from_slice(&part.body);
        digests.update(part.md5.digest);
    }
    let body = body.freeze();
    let checksum = if upload.composite {
        let checksums: Vec<Checksum> = parts.iter().map(|(_, part)| part.checksum).collect();
        Checksum::composite(upload.algorithm, &checksums)
    } else {
        upload.algorithm.of(&body)
    };
    let mut details = upload.details.clone();
    details.parts = parts
        .iter()
        .map(|(number, part)| PartSummary {
            number: *number,
            size: part.body.len() as u64,
            checksum: part.checksum,
        })
        .collect();
    Object {
        body,
        etag: EntityTag {
            digest: digests.finalize().into(),
            parts: u16::try_from(parts.len()).ok(),
        },
        checksum,
        encryption: upload.encryption.clone(),
        content_type: upload.content_type.clone(),
        details: Some(Box::new(details)),
    }
}

/// Holds the whole object's checksum against what the completion claims.
fn check_claim(input: &dto::CompleteMultipartUploadInput, checksum: &Checksum) -> S3Result<()> {
    let claimed = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    for (algorithm, text) in claimed {
        let Some(text) = text else { continue };
        let actual = checksum.text_of(algorithm);
        let plain = actual.as_deref().map(|actual| actual.split('-').next().unwrap_or(actual));
        if actual.as_deref() != Some(text) && plain != Some(text) {
            return Err(refuse(
                S3ErrorCode::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.as_str()
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn abort_multipart_upload(
    cx: &CallContext<'_>,
    input: dto::AbortMultipartUploadInput,
) -> S3Result<dto::AbortMultipartUploadOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    cx.allow_upload(&bucket, &bucket.settings(), &input.key, "s3:AbortMultipartUpload")?;
    let id = (input.key, input.upload_id);
    bucket.state.write().uploads.remove(&id).ok_or_else(no_such_upload)?;
    Ok(dto::AbortMultipartUploadOutput::default())
}
