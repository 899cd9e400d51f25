//! Replication: rules checked when they are put, and carried out on every
//! write, at once.

use std::sync::Arc;

use jiff::Timestamp;
use s3s::{S3ErrorCode, S3Result, dto};

use super::bucket::{Bucket, Settings, Versioning};
use super::context::CallContext;
use super::error::{absent, invalid_argument, invalid_request, malformed_xml, refuse};
use super::object::{Encryption, Object, Version, VersionId, Versions};

pub(super) fn put_bucket_replication(
    cx: &CallContext<'_>,
    input: dto::PutBucketReplicationInput,
) -> S3Result<dto::PutBucketReplicationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutReplicationConfiguration")?;
    let mut configuration = input.replication_configuration;
    check(cx, &bucket, &configuration)?;
    let mut passed = vec![("iam:PassedToService", "s3.amazonaws.com".to_owned())];
    cx.allow_account("iam:PassRole", &configuration.role, &mut passed)?;
    let number = cx.store().next_number();
    for (at, rule) in configuration.rules.iter_mut().enumerate() {
        rule.id.get_or_insert_with(|| format!("rule-{number}-{at}"));
    }
    bucket.change(|settings| settings.replication = Some(configuration));
    Ok(dto::PutBucketReplicationOutput {})
}

pub(super) fn get_bucket_replication(
    cx: &CallContext<'_>,
    input: dto::GetBucketReplicationInput,
) -> S3Result<dto::GetBucketReplicationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetReplicationConfiguration")?;
    let configuration = bucket.settings().replication.clone().ok_or_else(|| {
        absent(
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        )
    })?;
    Ok(dto::GetBucketReplicationOutput { replication_configuration: Some(configuration) })
}

pub(super) fn delete_bucket_replication(
    cx: &CallContext<'_>,
    input: dto::DeleteBucketReplicationInput,
) -> S3Result<dto::DeleteBucketReplicationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutReplicationConfiguration")?;
    bucket.change(|settings| settings.replication = None);
    Ok(dto::DeleteBucketReplicationOutput {})
}

fn check(
    cx: &CallContext<'_>,
    bucket: &Bucket,
    configuration: &dto::ReplicationConfiguration,
) -> S3Result<()> {
    let settings = bucket.settings();
    if settings.versioning != Versioning::Enabled {
        return Err(invalid_request(
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
        ));
    }
    let role = configuration.role.parse::<orgtrail_base::names::Arn>().ok();
    if !role.is_some_and(|arn| &*arn.service == "iam" && arn.resource_type() == "role") {
        return Err(invalid_argument("Invalid ARN of the replication role"));
    }
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > 1_000 {
        return Err(malformed_xml("between 1 and 1000 rules are expected"));
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.filter.is_some() && rule.priority.is_none() && rules.len() > 1 {
            return Err(malformed_xml("a rule with a filter needs a priority"));
        }
        if rule.filter.is_some() && rule.delete_marker_replication.is_none() {
            return Err(invalid_request(
                "DeleteMarkerReplication must be specified for this version of Cross Region Replication configuration schema.",
            ));
        }
        let same = |other: &dto::ReplicationRule| {
            other.priority.is_some()
                && other.priority == rule.priority
                && other.destination.bucket == rule.destination.bucket
        };
        if rules[..at].iter().any(same) {
            return Err(invalid_request("Found duplicate priority. Priorities must be unique"));
        }
        let target = destination(cx, rule)
            .ok_or_else(|| invalid_request("Destination bucket must exist."))?;
        if target.name == bucket.name {
            return Err(invalid_request("Destination bucket must not be the source bucket."));
        }
        let target_settings = target.settings();
        if target_settings.versioning != Versioning::Enabled {
            return Err(invalid_request("Destination bucket must have versioning enabled."));
        }
        if settings.lock.is_some() && target_settings.lock.is_none() {
            return Err(invalid_request(
                "Object Lock must be enabled on the destination bucket to replicate from a bucket with Object Lock",
            ));
        }
        if rule.destination.account.as_deref().is_some_and(|id| id != target.owner.as_str()) {
            return Err(refuse(
                S3ErrorCode::InvalidArgument,
                "Account must match the owner of the destination bucket",
            ));
        }
    }
    Ok(())
}

fn destination(cx: &CallContext<'_>, rule: &dto::ReplicationRule) -> Option<Arc<Bucket>> {
    let name = rule.destination.bucket.rsplit(':').next()?;
    cx.store().bucket(name).ok()
}

fn matching<'s>(
    settings: &'s Settings,
    key: &str,
    object: &Object,
) -> Option<&'s dto::ReplicationRule> {
    let rules = &settings.replication.as_ref()?.rules;
    let fits = |rule: &&dto::ReplicationRule| {
        let filter = rule.filter.as_ref();
        let and = filter.and_then(|filter| filter.and.as_ref());
        let prefix = rule
            .prefix
            .as_deref()
            .or(filter.and_then(|filter| filter.prefix.as_deref()))
            .or(and.and_then(|and| and.prefix.as_deref()))
            .unwrap_or_default();
        let tags = filter.and_then(|filter| filter.tag.as_ref()).into_iter();
        let mut tags = tags.chain(and.and_then(|and| and.tags.as_ref()).into_iter().flatten());
        let under_kms = matches!(object.encryption, Encryption::Kms { .. });
        let takes_kms = rule
            .source_selection_criteria
            .as_ref()
            .and_then(|criteria| criteria.sse_kms_encrypted_objects.as_ref())
            .is_some_and(|kms| kms.status.as_str() == "Enabled");
        rule.status.as_str() == "Enabled"
            && key.starts_with(prefix)
            && (!under_kms || takes_kms)
            && tags.all(|tag| {
                tag.key.as_ref().is_some_and(|key| {
                    object.tags().get(key).map(String::as_str) == tag.value.as_deref()
                })
            })
    };
    rules.iter().filter(fits).max_by_key(|rule| rule.priority.unwrap_or(0))
}

/// Notes on a new object that it will be replicated.
pub(super) fn mark(bucket: &Bucket, key: &str, object: &mut Object) {
    let settings = bucket.settings();
    if settings.replication.is_some() && matching(&settings, key, object).is_some() {
        object.details_mut().replication = Some("PENDING".into());
    }
}

/// Writes a new version into the destination, under the same id.
pub(super) fn replicate(
    cx: &CallContext<'_>,
    bucket: &Bucket,
    key: &str,
    version_id: Option<VersionId>,
    modified: Timestamp,
    object: &Arc<Object>,
) {
    let Some(id) = version_id else { return };
    if object.details.as_ref().is_none_or(|details| details.replication.is_none()) {
        return;
    }
    let settings = bucket.settings();
    let Some(rule) = matching(&settings, key, object) else { return };
    let done = deliver(cx, rule, key, id, modified, object);
    let status = if done { "COMPLETED" } else { "FAILED" };
    let mut state = bucket.state.write();
    let source = state.objects.get_mut(key).and_then(|v| v.find_mut(&id.to_string()));
    if let Some(object) = source.and_then(|version| version.object.as_mut()) {
        Arc::make_mut(object).details_mut().replication = Some(status.into());
    }
}

fn deliver(
    cx: &CallContext<'_>,
    rule: &dto::ReplicationRule,
    key: &str,
    id: VersionId,
    modified: Timestamp,
    object: &Arc<Object>,
) -> bool {
    let Some(target) = destination(cx, rule) else { return false };
    let mut replica = Object::clone(object);
    if let Encryption::Kms { key, .. } = &mut replica.encryption {
        let configuration = rule.destination.encryption_configuration.as_ref();
        let Some(named) = configuration.and_then(|c| c.replica_kms_key_id.as_deref()) else {
            return false;
        };
        *key = named.into();
    }
    let details = replica.details_mut();
    details.replication = Some("REPLICA".into());
    if let Some(class) = &rule.destination.storage_class {
        details.storage_class = Some(class.as_str().into());
    }
    let mut state = target.state.write();
    if state.deleted || state.settings.versioning != Versioning::Enabled {
        return false;
    }
    let version = Version { id, modified, object: Some(Arc::new(replica)) };
    match state.objects.get_mut(key) {
        Some(versions) => versions.push(version),
        None => {
            state.objects.insert(key.into(), Versions::new(version));
        }
    }
    true
}
