//! Tags of buckets and objects.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use orgtrail_base::percent;
use s3s::{S3Error, S3ErrorCode, S3Result, dto};

use super::bucket::Versioning;
use super::context::{ByAcl, CallContext, Keys};
use super::error::{absent, custom, invalid_argument, refuse};
use super::lock::version_key;

fn invalid(message: &'static str) -> S3Error {
    refuse(S3ErrorCode::InvalidTag, message)
}

fn insert(tags: &mut BTreeMap<String, String>, key: String, value: String) -> S3Result<()> {
    if key.is_empty() || key.chars().count() > 128 {
        return Err(invalid("The TagKey you have provided is invalid"));
    }
    if value.chars().count() > 256 {
        return Err(invalid("The TagValue you have provided is invalid"));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(invalid("System tags cannot be added/updated by requester"));
    }
    if tags.insert(key, value).is_some() {
        return Err(invalid("Cannot provide multiple Tags with the same key"));
    }
    Ok(())
}

/// Reads `x-amz-tagging`: a query string.
pub(super) fn parse_header(header: Option<&str>) -> S3Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for pair in header.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent::decode(&text.replace('+', " "));
        let (Some(key), Some(value)) = (decode(key), decode(value)) else {
            return Err(invalid_argument(
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            ));
        };
        insert(&mut tags, key, value)?;
    }
    if tags.len() > 10 {
        return Err(custom(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            "Object tags cannot be greater than 10",
        ));
    }
    Ok(tags)
}

fn parse(tagging: dto::Tagging, most: usize) -> S3Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for tag in tagging.tag_set {
        insert(&mut tags, tag.key.unwrap_or_default(), tag.value.unwrap_or_default())?;
    }
    if tags.len() > most {
        return Err(custom(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            format!("Tags cannot be greater than {most}"),
        ));
    }
    Ok(tags)
}

fn tag_set(tags: &BTreeMap<String, String>) -> Vec<dto::Tag> {
    tags.iter()
        .map(|(key, value)| dto::Tag { key: Some(key.clone()), value: Some(value.clone()) })
        .collect()
}

/// The condition keys of tags that a request brings.
pub(super) fn request_keys(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let keys: BTreeSet<&String> = tags.keys().collect();
    let names = keys.into_iter().map(|key| ("s3:RequestObjectTagKeys".to_owned(), key.clone()));
    let values =
        tags.iter().map(|(key, value)| (format!("s3:RequestObjectTag/{key}"), value.clone()));
    names.chain(values).collect()
}

/// The condition keys of tags that an object has.
pub(super) fn existing_keys(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| (format!("s3:ExistingObjectTag/{key}"), value.clone())).collect()
}

pub(super) fn put_bucket_tagging(
    cx: &CallContext<'_>,
    input: dto::PutBucketTaggingInput,
) -> S3Result<dto::PutBucketTaggingOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketTagging")?;
    let tags = parse(input.tagging, 50)?;
    bucket.change(|settings| settings.tags = tags);
    Ok(dto::PutBucketTaggingOutput {})
}

pub(super) fn get_bucket_tagging(
    cx: &CallContext<'_>,
    input: dto::GetBucketTaggingInput,
) -> S3Result<dto::GetBucketTaggingOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetBucketTagging")?;
    let settings = bucket.settings();
    if settings.tags.is_empty() {
        return Err(absent("NoSuchTagSet", "The TagSet does not exist"));
    }
    Ok(dto::GetBucketTaggingOutput { tag_set: tag_set(&settings.tags) })
}

pub(super) fn delete_bucket_tagging(
    cx: &CallContext<'_>,
    input: dto::DeleteBucketTaggingInput,
) -> S3Result<dto::DeleteBucketTaggingOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutBucketTagging")?;
    bucket.change(|settings| settings.tags.clear());
    Ok(dto::DeleteBucketTaggingOutput {})
}

pub(super) fn put_object_tagging(
    cx: &CallContext<'_>,
    input: dto::PutObjectTaggingInput,
) -> S3Result<dto::PutObjectTaggingOutput> {
    let tags = parse(input.tagging, 10)?;
    let version_id = set(
        cx,
        (&input.bucket, input.expected_bucket_owner.as_deref()),
        (&input.key, input.version_id.as_ref()),
        ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
        tags,
    )?;
    Ok(dto::PutObjectTaggingOutput { version_id })
}

pub(super) fn delete_object_tagging(
    cx: &CallContext<'_>,
    input: dto::DeleteObjectTaggingInput,
) -> S3Result<dto::DeleteObjectTaggingOutput> {
    let version_id = set(
        cx,
        (&input.bucket, input.expected_bucket_owner.as_deref()),
        (&input.key, input.version_id.as_ref()),
        ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
        BTreeMap::new(),
    )?;
    Ok(dto::DeleteObjectTaggingOutput { version_id })
}

fn set(
    cx: &CallContext<'_>,
    (bucket, expected_owner): (&str, Option<&str>),
    (key, version_id): (&str, Option<&String>),
    actions: (&str, &str),
    tags: BTreeMap<String, String>,
) -> S3Result<Option<String>> {
    let bucket = cx.bucket(bucket, expected_owner)?;
    let settings = bucket.settings();
    let action = if version_id.is_some() { actions.1 } else { actions.0 };
    let named = request_keys(&tags);
    let mut keys: Keys<'_> =
        named.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    version_key(version_id, &mut keys);
    cx.allow_object(&bucket, &settings, key, action, keys, ByAcl::No)?;
    let id = bucket.edit(key, version_id.map(String::as_str), |object| {
        object.details_mut().tags = tags;
        Ok(())
    })?;
    Ok((settings.versioning != Versioning::Off).then(|| id.to_string()))
}

pub(super) fn get_object_tagging(
    cx: &CallContext<'_>,
    input: dto::GetObjectTaggingInput,
) -> S3Result<dto::GetObjectTaggingOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let actions = ("s3:GetObjectTagging", "s3:GetObjectVersionTagging");
    let found = cx.read(bucket, &input.key, input.version_id.as_ref(), actions)?;
    Ok(dto::GetObjectTaggingOutput {
        tag_set: tag_set(found.object.tags()),
        version_id: found.shown_version_id(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tagging_header_is_a_query_string() {
        let tags = parse_header(Some("a=1&b%20c=x+y")).unwrap();
        assert_eq!(tags["a"], "1");
        assert_eq!(tags["b c"], "x y");
    }

    #[test]
    fn duplicate_system_garbled_and_too_many_tags_are_refused() {
        let many = ["a=", "b=", "c=", "d=", "e=", "f=", "g=", "h=", "i=", "j=", "k="].join("&");
        for header in ["a=1&a=2", "aws:x=1", "=1", "a=%zz", many.as_str()] {
            assert!(parse_header(Some(header)).is_err(), "{header}");
        }
    }
}
