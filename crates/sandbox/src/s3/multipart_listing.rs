//! Listing uploads under way and their parts.

use s3s::{S3Result, dto};

use super::acl;
use super::checksum::set_checksums;
use super::context::{ByAcl, CallContext, Keys};
use super::key_encoding::KeyEncoding;
use super::multipart::{Part, kind, no_such_upload};
use super::time::to_dto;

pub(super) fn list_parts(
    cx: &CallContext<'_>,
    input: dto::ListPartsInput,
) -> S3Result<dto::ListPartsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    cx.allow_upload(&bucket, &bucket.settings(), &input.key, "s3:ListMultipartUploadParts")?;
    let id = (input.key.clone(), input.upload_id.clone());
    let state = bucket.state.read();
    let upload = state.uploads.get(&id).ok_or_else(no_such_upload)?;
    let marker = input.part_number_marker.unwrap_or(0);
    let most = input.max_parts.unwrap_or(1_000).clamp(0, 1_000);
    let after: Vec<(&u16, &Part)> =
        upload.parts.iter().filter(|(number, _)| i32::from(**number) > marker).collect();
    let count = usize::try_from(most).unwrap_or(0);
    let more = after.len() > count;
    let shown: Vec<dto::Part> = after
        .iter()
        .take(count)
        .map(|(number, part)| {
            let mut shown = dto::Part {
                e_tag: Some(part.md5.dto()),
                last_modified: Some(to_dto(part.modified)),
                part_number: Some(i32::from(**number)),
                size: i64::try_from(part.body.len()).ok(),
                ..Default::default()
            };
            set_checksums!(shown, part.checksum);
            shown
        })
        .collect();
    Ok(dto::ListPartsOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: Some(dto::ChecksumAlgorithm::from_static(upload.algorithm.as_str())),
        checksum_type: Some(kind(upload.composite)),
        initiator: Some(dto::Initiator {
            display_name: None,
            id: Some(acl::canonical_id(&upload.initiator)),
        }),
        is_truncated: Some(more),
        key: Some(input.key),
        max_parts: Some(most),
        next_part_number_marker: shown.last().and_then(|part| part.part_number).filter(|_| more),
        owner: Some(acl::owner(&bucket.owner)),
        part_number_marker: Some(marker),
        parts: Some(shown),
        storage_class: upload.details.storage_class.as_deref().map(|c| c.to_owned().into()),
        upload_id: Some(input.upload_id),
        ..Default::default()
    })
}

pub(super) fn list_multipart_uploads(
    cx: &CallContext<'_>,
    input: dto::ListMultipartUploadsInput,
) -> S3Result<dto::ListMultipartUploadsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let action = "s3:ListBucketMultipartUploads";
    cx.allow_bucket(&bucket, action, Keys::new(), ByAcl::Bucket("READ"))?;
    let key_encoding = KeyEncoding::new(input.encoding_type.as_ref())?;
    let most = input.max_uploads.unwrap_or(1_000).clamp(0, 1_000);
    let count = usize::try_from(most).unwrap_or(0);
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|text| !text.is_empty());
    let key_marker = input.key_marker.as_deref().unwrap_or_default();
    let id_marker = input.upload_id_marker.as_deref().unwrap_or_default();
    let state = bucket.state.read();
    let mut uploads: Vec<dto::MultipartUpload> = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut more = false;
    for ((key, id), upload) in &state.uploads {
        if !key.starts_with(prefix) || key.as_str() < key_marker {
            continue;
        }
        if key == key_marker && (id_marker.is_empty() || id.as_str() <= id_marker) {
            continue;
        }
        let rolled = delimiter.and_then(|delimiter| {
            let at = key[prefix.len()..].find(delimiter)?;
            Some(&key[..prefix.len() + at + delimiter.len()])
        });
        if rolled.is_some_and(|rolled| {
            prefixes.last().map(String::as_str) == Some(rolled) || key_marker.starts_with(rolled)
        }) {
            continue;
        }
        if uploads.len() + prefixes.len() >= count {
            more = true;
            break;
        }
        match rolled {
            Some(rolled) => prefixes.push(rolled.to_owned()),
            None => uploads.push(dto::MultipartUpload {
                checksum_algorithm: Some(dto::ChecksumAlgorithm::from_static(
                    upload.algorithm.as_str(),
                )),
                checksum_type: Some(kind(upload.composite)),
                initiated: Some(to_dto(upload.initiated)),
                initiator: Some(dto::Initiator {
                    display_name: None,
                    id: Some(acl::canonical_id(&upload.initiator)),
                }),
                key: Some(key.clone()),
                owner: Some(acl::owner(&bucket.owner)),
                storage_class: upload.details.storage_class.as_deref().map(|c| c.to_owned().into()),
                upload_id: Some(id.clone()),
            }),
        }
    }
    let last = uploads.last().filter(|_| more);
    let last_prefix = prefixes.last().filter(|_| more).cloned();
    let next_key = last.and_then(|upload| upload.key.clone()).max(last_prefix);
    let next_upload_id =
        last.filter(|upload| upload.key == next_key).and_then(|upload| upload.upload_id.clone());
    let spelled = |text: Option<String>| text.map(|text| key_encoding.write(&text));
    for upload in &mut uploads {
        upload.key = spelled(upload.key.take());
    }
    Ok(dto::ListMultipartUploadsOutput {
        next_upload_id_marker: next_upload_id,
        next_key_marker: spelled(next_key),
        bucket: Some(input.bucket),
        common_prefixes: Some(
            prefixes.into_iter().map(|p| dto::CommonPrefix { prefix: spelled(Some(p)) }).collect(),
        ),
        delimiter: spelled(input.delimiter),
        encoding_type: input.encoding_type,
        is_truncated: Some(more),
        key_marker: spelled(input.key_marker),
        max_uploads: Some(most),
        prefix: spelled(input.prefix),
        request_charged: None,
        upload_id_marker: input.upload_id_marker,
        uploads: Some(uploads),
    })
}
