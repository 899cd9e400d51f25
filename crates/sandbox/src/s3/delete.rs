//! Deleting: markers on top, versions for good, and many at once.

use jiff::Timestamp;
use s3s::{S3Error, S3Result, dto};

use super::bucket::{Bucket, Settings, Versioning};
use super::context::{ByAcl, CallContext, Keys};
use super::error::{malformed_xml, no_such_key, precondition_failed};
use super::lock::version_key;
use super::object::{Version, VersionId, Versions};
use super::time::{from_dto, whole_seconds};

/// The parameters of one deletion.
#[derive(Debug, Default)]
struct Deletion<'a> {
    key: &'a str,
    version_id: Option<&'a String>,
    bypass: bool,
    if_match: Option<&'a dto::ETagCondition>,
    if_size: Option<i64>,
    if_modified: Option<Timestamp>,
}

/// What one deletion did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Deleted {
    /// The marker made or removed, or the version removed.
    version_id: Option<String>,
    is_marker: bool,
}

impl Deletion<'_> {
    /// A condition applies to an object only: an absent key is 404, a marker 412.
    fn check(&self, version: Option<&Version>) -> S3Result<()> {
        if self.if_match.is_none() && self.if_size.is_none() && self.if_modified.is_none() {
            return Ok(());
        }
        let version = version.ok_or_else(no_such_key)?;
        let object = version.object.as_ref().ok_or_else(precondition_failed)?;
        let other = self.if_match.is_some_and(|condition| !object.etag.meets(condition))
            || self.if_size.is_some_and(|size| size != i64::try_from(object.size()).unwrap_or(-1))
            || self.if_modified.is_some_and(|time| time != whole_seconds(version.modified));
        if other { Err(precondition_failed()) } else { Ok(()) }
    }
}

impl CallContext<'_> {
    fn delete(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        wanted: &Deletion<'_>,
    ) -> S3Result<Deleted> {
        let mut keys = Keys::new();
        version_key(wanted.version_id, &mut keys);
        let allow = |action, keys: Keys<'_>| {
            self.allow_object(bucket, settings, wanted.key, action, keys, ByAcl::Bucket("WRITE"))
        };
        let Some(id) = wanted.version_id else {
            allow("s3:DeleteObject", keys)?;
            return self.delete_current(bucket, wanted);
        };
        allow("s3:DeleteObjectVersion", keys.clone())?;
        let may_bypass = wanted.bypass && {
            self.allow_object(
                bucket,
                settings,
                wanted.key,
                "s3:BypassGovernanceRetention",
                keys,
                ByAcl::No,
            )?;
            true
        };
        self.delete_version(bucket, wanted, id, may_bypass)
    }

    fn delete_current(&self, bucket: &Bucket, wanted: &Deletion<'_>) -> S3Result<Deleted> {
        let mut state = bucket.state.write();
        wanted.check(state.objects.get(wanted.key).map(|versions| &versions.current))?;
        let id = match state.settings.versioning {
            Versioning::Off => {
                state.objects.remove(wanted.key);
                return Ok(Deleted::default());
            }
            Versioning::Enabled => self.store().new_version_id(),
            Versioning::Suspended => VersionId::NULL,
        };
        let marker = Version { id, modified: whole_seconds(self.now), object: None };
        match state.objects.get_mut(wanted.key) {
            Some(versions) => versions.push(marker),
            None => {
                state.objects.insert(wanted.key.into(), Versions::new(marker));
            }
        }
        Ok(Deleted { version_id: Some(id.to_string()), is_marker: true })
    }

    fn delete_version(
        &self,
        bucket: &Bucket,
        wanted: &Deletion<'_>,
        id: &str,
        may_bypass: bool,
    ) -> S3Result<Deleted> {
        let mut state = bucket.state.write();
        let gone = || Deleted { version_id: Some(id.to_owned()), is_marker: false };
        let Some(versions) = state.objects.get_mut(wanted.key) else { return Ok(gone()) };
        let Some(version) = versions.find(id) else { return Ok(gone()) };
        wanted.check(Some(version))?;
        let (number, is_marker) = (version.id, version.object.is_none());
        if let Some(object) = &version.object {
            self.check_unlocked(object, may_bypass)?;
        }
        if versions.remove(number).is_err() {
            state.objects.remove(wanted.key);
        }
        Ok(Deleted { version_id: Some(id.to_owned()), is_marker })
    }
}

pub(super) fn delete_object(
    cx: &CallContext<'_>,
    input: dto::DeleteObjectInput,
) -> S3Result<dto::DeleteObjectOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    if input.version_id.is_some() {
        cx.check_mfa(&bucket, &settings, input.mfa.as_deref())?;
    }
    let wanted = Deletion {
        key: &input.key,
        version_id: input.version_id.as_ref(),
        bypass: input.bypass_governance_retention.unwrap_or(false),
        if_match: input.if_match.as_ref(),
        if_size: input.if_match_size,
        if_modified: input.if_match_last_modified_time.as_ref().and_then(from_dto),
    };
    let deleted = cx.delete(&bucket, &settings, &wanted)?;
    Ok(dto::DeleteObjectOutput {
        delete_marker: deleted.is_marker.then_some(true),
        version_id: deleted.version_id,
        ..Default::default()
    })
}

pub(super) fn delete_objects(
    cx: &CallContext<'_>,
    input: dto::DeleteObjectsInput,
) -> S3Result<dto::DeleteObjectsOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > 1_000 {
        return Err(malformed_xml("between 1 and 1000 keys are expected"));
    }
    if objects.iter().any(|object| object.version_id.is_some()) {
        cx.check_mfa(&bucket, &settings, input.mfa.as_deref())?;
    }
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for object in objects {
        let condition = object.e_tag.clone().map(dto::ETagCondition::ETag);
        let wanted = Deletion {
            key: &object.key,
            version_id: object.version_id.as_ref(),
            bypass: input.bypass_governance_retention.unwrap_or(false),
            if_match: condition.as_ref(),
            if_size: object.size,
            if_modified: object.last_modified_time.as_ref().and_then(from_dto),
        };
        match cx.delete(&bucket, &settings, &wanted) {
            Ok(done) => deleted.push(dto::DeletedObject {
                delete_marker: done.is_marker.then_some(true),
                delete_marker_version_id: if done.is_marker { done.version_id } else { None },
                key: Some(object.key.clone()),
                version_id: object.version_id.clone(),
            }),
            Err(error) => errors.push(failure(&object, &error)),
        }
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    Ok(dto::DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: Some(errors),
        request_charged: None,
    })
}

fn failure(object: &dto::ObjectIdentifier, error: &S3Error) -> dto::Error {
    dto::Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(object.key.clone()),
        message: error.message().map(str::to_owned),
        version_id: object.version_id.clone(),
    }
}
