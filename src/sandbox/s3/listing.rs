//! Listings: keys in the order of their UTF-8 bytes, a page at a time.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _, ops::Bound};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use s3s::{S3Result, dto};

use super::{
    acl,
    bucket::Bucket,
    context::{ByAcl, Cx, Keys},
    error::invalid_argument,
    object::{Object, Version, Versions},
    time::to_dto,
};

const MAX_KEYS: i32 = 1_000;

/// One line of a listing.
#[derive(Debug)]
enum Line<'a, T> {
    Key(&'a str, T),
    /// All keys up to the delimiter after the prefix, rolled up.
    Prefix(String),
}

/// What a listing shows of the keys that begin with `prefix`.
#[derive(Debug, Clone, Copy)]
struct Scope<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
}

impl<'a> Scope<'a> {
    fn new(prefix: Option<&'a String>, delimiter: Option<&'a String>) -> Self {
        Self {
            prefix: prefix.map_or("", String::as_str),
            delimiter: delimiter.map(String::as_str).filter(|text| !text.is_empty()),
        }
    }

    /// The rolled-up prefix that `key` falls under.
    fn rolled_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }

    /// Where to go on after everything that begins with `prefix`.
    fn past(prefix: &str) -> Option<String> {
        let mut chars: Vec<char> = prefix.chars().collect();
        while let Some(last) = chars.pop() {
            let next = (u32::from(last) + 1..=0x10_ffff).find_map(char::from_u32);
            if let Some(next) = next {
                chars.push(next);
                return Some(chars.into_iter().collect());
            }
        }
        None
    }

    /// Up to `most` lines after `start`, and whether there are more. Costs a
    /// search per line at most, however many keys a prefix rolls up.
    fn page<'m, V, T>(
        &self,
        map: &'m BTreeMap<Box<str>, V>,
        start: Bound<&str>,
        most: usize,
        mut show: impl FnMut(&'m V) -> Option<T>,
    ) -> (Vec<Line<'m, T>>, bool) {
        let mut lines = Vec::new();
        let mut from: Bound<String> = match start {
            Bound::Excluded(key) if key >= self.prefix => match self.rolled_up(key) {
                // A marker inside a rolled-up prefix: the prefix was shown.
                Some(rolled) if key.starts_with(self.prefix) => match Self::past(rolled) {
                    Some(next) => Bound::Included(next),
                    None => return (lines, false),
                },
                _ => Bound::Excluded(key.to_owned()),
            },
            Bound::Included(key) if key >= self.prefix => Bound::Included(key.to_owned()),
            _ => Bound::Included(self.prefix.to_owned()),
        };
        loop {
            let range = map.range::<str, _>((as_str(&from), Bound::Unbounded));
            let mut jump = None;
            for (key, value) in range {
                if !key.starts_with(self.prefix) {
                    return (lines, false);
                }
                let rolled = self.rolled_up(key);
                if rolled.is_none() || lines.len() >= most {
                    let Some(shown) = show(value) else { continue };
                    if lines.len() >= most {
                        return (lines, true);
                    }
                    lines.push(Line::Key(key, shown));
                } else if let Some(rolled) = rolled {
                    if show(value).is_none() {
                        continue;
                    }
                    lines.push(Line::Prefix(rolled.to_owned()));
                    jump = Some(Self::past(rolled));
                    break;
                }
            }
            match jump {
                Some(Some(next)) => from = Bound::Included(next),
                Some(None) | None => return (lines, false),
            }
        }
    }
}

fn as_str(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// What a listing needs to be asked for.
fn allow(
    cx: &Cx<'_>,
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

/// How keys are written: as they are, or percent-encoded.
#[derive(Clone, Copy)]
pub(super) struct Spelling(bool);

impl Spelling {
    pub(super) fn new(encoding_type: Option<&dto::EncodingType>) -> S3Result<Self> {
        match encoding_type.map(dto::EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(invalid_argument("Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn write(self, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let mut written = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                    written.push(char::from(byte));
                }
                b' ' => written.push('+'),
                _ => {
                    // Writing to a string does not fail.
                    let _ = write!(written, "%{byte:02X}");
                }
            }
        }
        written
    }
}

/// Undoes percent-encoding; `None` for what is none.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

fn common_prefix(prefix: &str, spelling: Spelling) -> dto::CommonPrefix {
    dto::CommonPrefix { prefix: Some(spelling.write(prefix)) }
}

fn shown_object(
    cx: &Cx<'_>,
    bucket: &Bucket,
    key: String,
    version: &Version,
    object: &Object,
    owner: bool,
) -> dto::Object {
    dto::Object {
        checksum_algorithm: Some(vec![dto::ChecksumAlgorithm::from_static(
            object.checksum.algorithm.as_str(),
        )]),
        checksum_type: Some(object.checksum.kind()),
        e_tag: Some(object.etag.dto()),
        key: Some(key),
        last_modified: Some(to_dto(version.modified)),
        owner: owner.then(|| owner_of(bucket, object)),
        restore_status: restore_status(cx, object),
        size: i64::try_from(object.size()).ok(),
        storage_class: Some(dto::ObjectStorageClass::from(object.storage_class().to_owned())),
    }
}

fn owner_of(bucket: &Bucket, object: &Object) -> dto::Owner {
    let writer = object.details.as_ref().and_then(|details| details.owner.as_ref());
    acl::owner(writer.unwrap_or(&bucket.owner))
}

fn restore_status(cx: &Cx<'_>, object: &Object) -> Option<dto::RestoreStatus> {
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
    cx: &Cx<'_>,
    input: dto::ListObjectsV2Input,
) -> S3Result<dto::ListObjectsV2Output> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
    allow(cx, &bucket, "s3:ListBucket", prefix, delimiter, input.max_keys)?;
    let most = page_size(input.max_keys)?;
    let spelling = Spelling::new(input.encoding_type.as_ref())?;
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
                let key = spelling.write(key);
                contents.push(shown_object(cx, &bucket, key, version, object, owner));
            }
            Line::Prefix(prefix) => common_prefixes.push(common_prefix(prefix, spelling)),
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
        prefix: Some(spelling.write(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|text| spelling.write(text)),
        max_keys: Some(most),
        continuation_token: input.continuation_token,
        start_after: input.start_after.as_deref().map(|text| spelling.write(text)),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

impl<T> Line<'_, T> {
    fn text(&self) -> &str {
        match self {
            Self::Key(key, _) => key,
            Self::Prefix(prefix) => prefix,
        }
    }
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
    cx: &Cx<'_>,
    input: dto::ListObjectsInput,
) -> S3Result<dto::ListObjectsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
    allow(cx, &bucket, "s3:ListBucket", prefix, delimiter, input.max_keys)?;
    let most = page_size(input.max_keys)?;
    let spelling = Spelling::new(input.encoding_type.as_ref())?;
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
                let key = spelling.write(key);
                contents.push(shown_object(cx, &bucket, key, version, object, true));
            }
            Line::Prefix(prefix) => common_prefixes.push(common_prefix(prefix, spelling)),
        }
    }
    let last = lines.last().map(|line| spelling.write(line.text()));
    Ok(dto::ListObjectsOutput {
        is_truncated: Some(more && most > 0),
        next_marker: if more && scope.delimiter.is_some() { last } else { None },
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        name: Some(input.bucket),
        prefix: Some(spelling.write(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(spelling.write(input.marker.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(|text| spelling.write(text)),
        max_keys: Some(most),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

pub(super) fn list_object_versions(
    cx: &Cx<'_>,
    input: dto::ListObjectVersionsInput,
) -> S3Result<dto::ListObjectVersionsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
    allow(cx, &bucket, "s3:ListBucketVersions", prefix, delimiter, input.max_keys)?;
    let most = page_size(input.max_keys)?;
    let spelling = Spelling::new(input.encoding_type.as_ref())?;
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
    // Every key has a version, so that a page of keys holds a page of versions.
    let (lines, more_keys) = scope.page(&state.objects, start, size(most) + 1, Some);
    let mut page = VersionPage { most: size(most), ..VersionPage::default() };
    'keys: for line in &lines {
        match line {
            Line::Prefix(prefix) => {
                if !page.room_for(prefix, None) {
                    break;
                }
                page.prefixes.push(common_prefix(prefix, spelling));
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
                    page.add(cx, &bucket, spelling.write(key), version, at == 0);
                }
            }
        }
    }
    let truncated = page.full || more_keys;
    let next = if truncated { page.last } else { None };
    Ok(dto::ListObjectVersionsOutput {
        is_truncated: Some(truncated && most > 0),
        next_key_marker: next.as_ref().map(|(key, _)| spelling.write(key)),
        next_version_id_marker: next.and_then(|(_, id)| id),
        versions: Some(page.versions),
        delete_markers: Some(page.markers),
        common_prefixes: Some(page.prefixes),
        name: Some(input.bucket),
        prefix: Some(spelling.write(input.prefix.as_deref().unwrap_or_default())),
        key_marker: Some(spelling.write(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        delimiter: input.delimiter.as_deref().map(|text| spelling.write(text)),
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

    fn add(&mut self, cx: &Cx<'_>, bucket: &Bucket, key: String, version: &Version, latest: bool) {
        let id = Some(version.id.to_string());
        let Some(object) = &version.object else {
            self.markers.push(dto::DeleteMarkerEntry {
                is_latest: Some(latest),
                key: Some(key),
                last_modified: Some(to_dto(version.modified)),
                owner: Some(acl::owner(&bucket.owner)),
                version_id: id,
            });
            return;
        };
        let shown = shown_object(cx, bucket, key, version, object, true);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_spelled_as_s3_spells_them() {
        let url = Spelling::new(Some(&dto::EncodingType::from_static("url"))).unwrap();
        assert_eq!(url.write("a b/ü+*"), "a+b/%C3%BC%2B*");
        assert_eq!(percent_decode("a+b/%C3%BC%2B*").as_deref(), Some("a b/ü+*"));
    }

    fn lines_of(keys: &std::collections::BTreeSet<String>, scope: Scope<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        for key in keys.iter().filter(|key| key.starts_with(scope.prefix)) {
            let line = scope.rolled_up(key).unwrap_or(key).to_owned();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines
    }

    proptest! {
        /// Pages of any size, put together, are the whole listing.
        #[test]
        fn pages_join_to_the_listing(
            keys in proptest::collection::btree_set("[ab/é]{1,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in proptest::option::of("[/b]"),
            most in 1_usize..5,
        ) {
            let map: BTreeMap<Box<str>, u8> =
                keys.iter().map(|key| (key.as_str().into(), 0)).collect();
            let scope = Scope { prefix: &prefix, delimiter: delimiter.as_deref() };
            let mut found: Vec<String> = Vec::new();
            loop {
                let start = found.last().cloned();
                let start = start.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let (lines, more) = scope.page(&map, start, most, Some);
                prop_assert!(lines.len() <= most);
                found.extend(lines.iter().map(|line| line.text().to_owned()));
                if !more {
                    break;
                }
                prop_assert_eq!(lines.len(), most);
            }
            prop_assert_eq!(found, lines_of(&keys, scope));
        }
    }
}
