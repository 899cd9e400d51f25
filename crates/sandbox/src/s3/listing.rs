//! The calls that list objects and versions, a page at a time.

use std::borrow::Cow;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::{S3Result, dto};

use super::acl;
use super::bucket::{Bucket, Settings};
use super::context::{ByAcl, CallContext, Keys};
use super::error::invalid_argument;
use super::key_encoding::KeyEncoding;
use super::object::{Object, Version, Versions};
use super::page::{Line, Scope};
use super::time::to_dto;

const MAX_KEYS: i32 = 1_000;

/// The parameters of a listing.
fn allow(
    cx: &CallContext<'_>,
    bucket: &Bucket,
    action: &str,
    prefix: Option<&String>,
    delimiter: Option<&String>,
    max_keys: Option<i32>,
) -> S3Result<()> {
    let mut keys = Keys::new();
    keys.extend(prefix.map(|prefix| ("s3:prefix", prefix.clone())));
    keys.extend(delimiter.map(|delimiter| ("s3:delimiter", delimiter.clone())));
    keys.extend(max_keys.map(|most| ("s3:max-keys", most.to_string())));
    cx.allow_bucket(bucket, action, keys, ByAcl::Bucket("READ"))
}

fn page_size(max_keys: Option<i32>) -> S3Result<i32> {
    match max_keys {
        Some(number) if number < 0 => {
            Err(invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647"))
        }
        number => Ok(number.unwrap_or(MAX_KEYS).min(MAX_KEYS)),
    }
}

fn common_prefix(prefix: &str, key_encoding: KeyEncoding) -> dto::CommonPrefix {
    dto::CommonPrefix { prefix: Some(key_encoding.write(prefix)) }
}

fn shown_object(
    cx: &CallContext<'_>,
    key: String,
    version: &Version,
    object: &Object,
    owner: Option<dto::Owner>,
) -> dto::Object {
    dto::Object {
        checksum_algorithm: Some(vec![dto::ChecksumAlgorithm::from_static(
            object.checksum.algorithm.as_str(),
        )]),
        checksum_type: Some(object.checksum.kind()),
        e_tag: Some(object.etag.dto()),
        key: Some(key),
        last_modified: Some(to_dto(version.modified)),
        owner,
        restore_status: restore_status(cx, object),
        size: i64::try_from(object.size()).ok(),
        storage_class: Some(dto::ObjectStorageClass::from(object.storage_class().to_owned())),
    }
}

/// Where access control lists are disabled, the bucket's owner owns all objects.
fn owner_of(bucket: &Bucket, settings: &Settings, object: &Object) -> dto::Owner {
    let writer = object.details.as_ref().and_then(|details| details.owner.as_ref());
    acl::owner(writer.filter(|_| !settings.acls_disabled()).unwrap_or(&bucket.owner))
}

fn restore_status(cx: &CallContext<'_>, object: &Object) -> Option<dto::RestoreStatus> {
    let restore = object.details.as_ref()?.restore.filter(|restore| cx.now < restore.expires_at)?;
    let done = restore.ready_at <= cx.now;
    Some(dto::RestoreStatus {
        is_restore_in_progress: Some(!done),
        restore_expiry_date: done.then(|| to_dto(restore.expires_at)),
    })
}

fn live(versions: &Versions) -> Option<(&Version, &Object)> {
    let object = versions.current.object.as_deref()?;
    Some((&versions.current, object))
}

pub(super) fn list_objects_v2(
    cx: &CallContext<'_>,
    input: dto::ListObjectsV2Input,
) -> S3Result<dto::ListObjectsV2Output> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
    allow(cx, &bucket, "s3:ListBucket", prefix, delimiter, input.max_keys)?;
    let most = page_size(input.max_keys)?;
    let key_encoding = KeyEncoding::new(input.encoding_type.as_ref())?;
    let after = match &input.continuation_token {
        Some(token) => Some(Cow::Owned(token_key(token)?)),
        None => input.start_after.as_deref().filter(|key| !key.is_empty()).map(Cow::Borrowed),
    };
    let scope = Scope::new(prefix, delimiter);
    let start = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let state = bucket.state.read();
    let (lines, more) = scope.page(&state.objects, start, size(most), live);
    let mut contents = Vec::new();
    let mut common_prefixes = Vec::new();
    let mut last = None;
    for line in &lines {
        match line {
            Line::Key(key, (version, object)) => {
                let owner = input.fetch_owner.unwrap_or(false);
                let owner = owner.then(|| owner_of(&bucket, &state.settings, object));
                contents.push(shown_object(cx, key_encoding.write(key), version, object, owner));
            }
            Line::Prefix(prefix) => common_prefixes.push(common_prefix(prefix, key_encoding)),
        }
        last = Some(line.text());
    }
    Ok(dto::ListObjectsV2Output {
        is_truncated: Some(more && most > 0),
        next_continuation_token: if more { last.map(|key| STANDARD.encode(key)) } else { None },
        key_count: i32::try_from(lines.len()).ok(),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        name: Some(input.bucket),
        prefix: Some(key_encoding.write(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|text| key_encoding.write(text)),
        max_keys: Some(most),
        continuation_token: input.continuation_token,
        start_after: input.start_after.as_deref().map(|text| key_encoding.write(text)),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

fn size(most: i32) -> usize {
    usize::try_from(most).unwrap_or(0)
}

fn token_key(token: &str) -> S3Result<String> {
    STANDARD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))
}

pub(super) fn list_objects(
    cx: &CallContext<'_>,
    input: dto::ListObjectsInput,
) -> S3Result<dto::ListObjectsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
    allow(cx, &bucket, "s3:ListBucket", prefix, delimiter, input.max_keys)?;
    let most = page_size(input.max_keys)?;
    let key_encoding = KeyEncoding::new(input.encoding_type.as_ref())?;
    let scope = Scope::new(prefix, delimiter);
    let marker = input.marker.as_deref().filter(|key| !key.is_empty());
    let start = marker.map_or(Bound::Unbounded, Bound::Excluded);
    let state = bucket.state.read();
    let (lines, more) = scope.page(&state.objects, start, size(most), live);
    let mut contents = Vec::new();
    let mut common_prefixes = Vec::new();
    for line in &lines {
        match line {
            Line::Key(key, (version, object)) => {
                let owner = owner_of(&bucket, &state.settings, object);
                contents.push(shown_object(
                    cx,
                    key_encoding.write(key),
                    version,
                    object,
                    Some(owner),
                ));
            }
            Line::Prefix(prefix) => common_prefixes.push(common_prefix(prefix, key_encoding)),
        }
    }
    let last = lines.last().map(|line| key_encoding.write(line.text()));
    Ok(dto::ListObjectsOutput {
        is_truncated: Some(more && most > 0),
        next_marker: if more && scope.delimiter.is_some() { last } else { None },
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        name: Some(input.bucket),
        prefix: Some(key_encoding.write(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(key_encoding.write(input.marker.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|text| key_encoding.write(text)),
        max_keys: Some(most),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

pub(super) fn list_object_versions(
    cx: &CallContext<'_>,
    input: dto::ListObjectVersionsInput,
) -> S3Result<dto::ListObjectVersionsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
    allow(cx, &bucket, "s3:ListBucketVersions", prefix, delimiter, input.max_keys)?;
    let most = page_size(input.max_keys)?;
    let key_encoding = KeyEncoding::new(input.encoding_type.as_ref())?;
    let key_marker = input.key_marker.as_deref().filter(|key| !key.is_empty());
    let id_marker = input.version_id_marker.as_deref().filter(|id| !id.is_empty());
    if id_marker.is_some() && key_marker.is_none() {
        return Err(invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let scope = Scope::new(prefix, delimiter);
    let start = match (key_marker, id_marker) {
        (Some(key), Some(_)) => Bound::Included(key),
        (Some(key), None) => Bound::Excluded(key),
        (None, _) => Bound::Unbounded,
    };
    let state = bucket.state.read();
    // Every key has a version, so a page of keys contains a page of versions.
    let (lines, more_keys) = scope.page(&state.objects, start, size(most) + 1, Some);
    let mut page = VersionPage { most: size(most), ..VersionPage::default() };
    'keys: for line in &lines {
        match line {
            Line::Prefix(prefix) => {
                if !page.room_for(prefix, None) {
                    break;
                }
                page.prefixes.push(common_prefix(prefix, key_encoding));
            }
            Line::Key(key, versions) => {
                // The marker's own version, and all newer ones, were shown.
                let skip = match (key_marker, id_marker) {
                    (Some(marker), Some(id)) if marker == *key => {
                        versions.iter().position(|version| version.id.is(id)).map_or(0, |at| at + 1)
                    }
                    _ => 0,
                };
                for (at, version) in versions.iter().enumerate().skip(skip) {
                    if !page.room_for(key, Some(version.id.to_string())) {
                        break 'keys;
                    }
                    let owner = version.object.as_ref().map_or_else(
                        || acl::owner(&bucket.owner),
                        |object| owner_of(&bucket, &state.settings, object),
                    );
                    page.add(cx, key_encoding.write(key), version, at == 0, owner);
                }
            }
        }
    }
    let truncated = page.full || more_keys;
    let next = if truncated { page.last } else { None };
    Ok(dto::ListObjectVersionsOutput {
        is_truncated: Some(truncated && most > 0),
        next_key_marker: next.as_ref().map(|(key, _)| key_encoding.write(key)),
        next_version_id_marker: next.and_then(|(_, id)| id),
        versions: Some(page.versions),
        delete_markers: Some(page.markers),
        common_prefixes: Some(page.prefixes),
        name: Some(input.bucket),
        prefix: Some(key_encoding.write(input.prefix.as_deref().unwrap_or_default())),
        key_marker: Some(key_encoding.write(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        delimiter: input.delimiter.as_deref().map(|text| key_encoding.write(text)),
        max_keys: Some(most),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

/// A page of versions as it fills.
#[derive(Default)]
struct VersionPage {
    most: usize,
    lines: usize,
    full: bool,
    last: Option<(String, Option<String>)>,
    versions: Vec<dto::ObjectVersion>,
    markers: Vec<dto::DeleteMarkerEntry>,
    prefixes: Vec<dto::CommonPrefix>,
}

impl VersionPage {
    fn room_for(&mut self, key: &str, id: Option<String>) -> bool {
        if self.lines >= self.most {
            self.full = true;
            return false;
        }
        self.lines += 1;
        self.last = Some((key.to_owned(), id));
        true
    }

    fn add(
        &mut self,
        cx: &CallContext<'_>,
        key: String,
        version: &Version,
        latest: bool,
        owner: dto::Owner,
    ) {
        let id = Some(version.id.to_string());
        let Some(object) = &version.object else {
            self.markers.push(dto::DeleteMarkerEntry {
                is_latest: Some(latest),
                key: Some(key),
                last_modified: Some(to_dto(version.modified)),
                owner: Some(owner),
                version_id: id,
            });
            return;
        };
        let shown = shown_object(cx, key, version, object, Some(owner));
        self.versions.push(dto::ObjectVersion {
            checksum_algorithm: shown.checksum_algorithm,
            checksum_type: shown.checksum_type,
            e_tag: shown.e_tag,
            is_latest: Some(latest),
            key: shown.key,
            last_modified: shown.last_modified,
            owner: shown.owner,
            restore_status: shown.restore_status,
            size: shown.size,
            storage_class: Some(dto::ObjectVersionStorageClass::from(
                object.storage_class().to_owned(),
            )),
            version_id: id,
        });
    }
}
