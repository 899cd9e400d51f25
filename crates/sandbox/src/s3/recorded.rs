//! Which calls CloudTrail records as management events, by which name, and with what.
//!
//! Source: S3 User Guide, "Amazon S3 CloudTrail events".

use std::any::Any;
use std::sync::Arc;

use http::Uri;
use orgtrail_base::names::{AccountId, Region};
use orgtrail_base::percent;
use s3s::{S3Error, S3Request, dto};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::session::Session;
use crate::simulation::Simulation;
use crate::simulator::{BucketCall, record_bucket_call};

/// The event's name of an operation of the protocol crate; nothing for data events.
pub(super) fn event_name(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "create_bucket" => "CreateBucket",
        "delete_bucket" => "DeleteBucket",
        "delete_bucket_encryption" => "DeleteBucketEncryption",
        "delete_bucket_lifecycle" => "DeleteBucketLifecycle",
        "delete_bucket_ownership_controls" => "DeleteBucketOwnershipControls",
        "delete_bucket_policy" => "DeleteBucketPolicy",
        "delete_bucket_replication" => "DeleteBucketReplication",
        "delete_bucket_tagging" => "DeleteBucketTagging",
        "delete_public_access_block" => "DeleteBucketPublicAccessBlock",
        "get_bucket_acl" => "GetBucketAcl",
        "get_bucket_encryption" => "GetBucketEncryption",
        "get_bucket_lifecycle_configuration" => "GetBucketLifecycle",
        "get_bucket_location" => "GetBucketLocation",
        "get_bucket_logging" => "GetBucketLogging",
        "get_bucket_notification_configuration" => "GetBucketNotification",
        "get_bucket_ownership_controls" => "GetBucketOwnershipControls",
        "get_bucket_policy" => "GetBucketPolicy",
        "get_bucket_policy_status" => "GetBucketPolicyStatus",
        "get_bucket_replication" => "GetBucketReplication",
        "get_bucket_request_payment" => "GetBucketRequestPayment",
        "get_bucket_tagging" => "GetBucketTagging",
        "get_bucket_versioning" => "GetBucketVersioning",
        "get_object_lock_configuration" => "GetBucketObjectLockConfiguration",
        "get_public_access_block" => "GetBucketPublicAccessBlock",
        "list_buckets" => "ListBuckets",
        "put_bucket_acl" => "PutBucketAcl",
        "put_bucket_encryption" => "PutBucketEncryption",
        "put_bucket_lifecycle_configuration" => "PutBucketLifecycle",
        "put_bucket_logging" => "PutBucketLogging",
        "put_bucket_notification_configuration" => "PutBucketNotification",
        "put_bucket_ownership_controls" => "PutBucketOwnershipControls",
        "put_bucket_policy" => "PutBucketPolicy",
        "put_bucket_replication" => "PutBucketReplication",
        "put_bucket_request_payment" => "PutBucketRequestPayment",
        "put_bucket_tagging" => "PutBucketTagging",
        "put_bucket_versioning" => "PutBucketVersioning",
        "put_object_lock_configuration" => "PutBucketObjectLockConfiguration",
        "put_public_access_block" => "PutBucketPublicAccessBlock",
        _ => return None,
    })
}

/// A call that is to be recorded, once it is known how it ends.
pub(super) struct Recorded {
    name: &'static str,
    session: Arc<Session>,
    region: Region,
    bucket: Option<(String, AccountId)>,
    parameters: Value,
}

impl Recorded {
    /// A call before it is made, which may take the bucket away.
    pub(super) fn new<I: 'static>(
        simulation: &Simulation,
        name: &'static str,
        session: &Arc<Session>,
        region: Option<&Region>,
        req: &S3Request<I>,
    ) -> Option<Self> {
        session.caller.as_ref()?;
        let named = bucket(&req.uri);
        let host = req.headers.get("host").and_then(|host| host.to_str().ok());
        let parameters = parameters(named.as_deref(), host, &req.uri, &req.input);
        let found = named.as_ref().and_then(|name| simulation.s3.bucket(name).ok());
        let region = found.as_ref().map(|bucket| &bucket.region).or(region);
        let region = region.unwrap_or(&simulation.home_region).clone();
        let bucket = named.zip(found.map(|bucket| bucket.owner.clone()));
        Some(Self { name, session: Arc::clone(session), region, bucket, parameters })
    }

    /// Records it. Called without locks held.
    pub(super) fn record(self, simulation: &Simulation, error: Option<&S3Error>) {
        let Some(caller) = &self.session.caller else { return };
        let error = error.map(|error| {
            let message = error.message().unwrap_or_default();
            (error.code().as_str().to_owned(), message.to_owned())
        });
        record_bucket_call(
            simulation,
            BucketCall {
                name: self.name,
                caller,
                region: self.region,
                bucket: self.bucket.as_ref().map(|(name, owner)| (name.as_str(), owner.clone())),
                parameters: self.parameters,
                error,
            },
        );
    }
}

/// The bucket that a request's path names.
fn bucket(uri: &Uri) -> Option<String> {
    let path = uri.path().trim_start_matches('/');
    let name = path.split_once('/').map_or(path, |(bucket, _)| bucket);
    (!name.is_empty()).then(|| percent::decode(name)).flatten()
}

/// `requestParameters`: the bucket, the host, the sub-resource, and the setting that is put.
fn parameters(bucket: Option<&str>, host: Option<&str>, uri: &Uri, input: &dyn Any) -> Value {
    let mut parameters = Map::new();
    for (name, value) in [("bucketName", bucket), ("Host", host)] {
        if let Some(value) = value {
            parameters.insert(name.to_owned(), value.into());
        }
    }
    let query = uri.query().unwrap_or_default().split('&');
    // What names the operation for the SDKs only is no parameter.
    let names = query.filter(|pair| !pair.is_empty() && !pair.starts_with("x-id="));
    for pair in names {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_signature = name.to_ascii_lowercase().starts_with("x-amz-");
        if let (Some(name), Some(value), false) =
            (percent::decode(name), percent::decode(value), is_signature)
        {
            parameters.insert(name, value.into());
        }
    }
    if let Some((name, setting)) = setting(input) {
        parameters.insert(name.to_owned(), setting);
    }
    Value::Object(parameters)
}

/// The setting that a call puts, by its name in events.
fn setting(input: &dyn Any) -> Option<(&'static str, Value)> {
    if let Some(put) = input.downcast_ref::<dto::PutBucketPolicyInput>() {
        let policy = serde_json::from_str(&put.policy);
        let policy = policy.unwrap_or_else(|_| Value::String(put.policy.clone()));
        return Some(("bucketPolicy", policy));
    }
    if let Some(put) = input.downcast_ref::<dto::PutBucketOwnershipControlsInput>() {
        let rules = put.ownership_controls.rules.iter();
        let rules = rules.map(|rule| json!({ "ObjectOwnership": rule.object_ownership.as_str() }));
        return Some(("OwnershipControls", json!({ "Rule": rules.collect::<Vec<_>>() })));
    }
    if let Some(put) = input.downcast_ref::<dto::PutBucketLoggingInput>() {
        let enabled = put.bucket_logging_status.logging_enabled.as_ref().map(
            |to| json!({ "TargetBucket": to.target_bucket, "TargetPrefix": to.target_prefix }),
        );
        let status = enabled.map_or_else(|| json!({}), |to| json!({ "LoggingEnabled": to }));
        return Some(("BucketLoggingStatus", status));
    }
    macro_rules! configuration {
        ($($input:ident . $member:ident => $name:literal,)*) => {
            $(if let Some(put) = input.downcast_ref::<dto::$input>() {
                return Some(($name, written(&put.$member)));
            })*
        };
    }
    configuration! {
        PutBucketVersioningInput.versioning_configuration => "VersioningConfiguration",
        PutPublicAccessBlockInput.public_access_block_configuration => "PublicAccessBlockConfiguration",
        PutBucketLifecycleConfigurationInput.lifecycle_configuration => "LifecycleConfiguration",
        PutObjectLockConfigurationInput.object_lock_configuration => "ObjectLockConfiguration",
        PutBucketEncryptionInput.server_side_encryption_configuration => "ServerSideEncryptionConfiguration",
        PutBucketReplicationInput.replication_configuration => "ReplicationConfiguration",
        PutBucketNotificationConfigurationInput.notification_configuration => "NotificationConfiguration",
        PutBucketTaggingInput.tagging => "Tagging",
        CreateBucketInput.create_bucket_configuration => "CreateBucketConfiguration",
    }
    None
}

/// A setting with the names that its elements have in S3's XML, as far as it is set.
fn written(setting: &impl Serialize) -> Value {
    serde_json::to_value(setting).map_or(Value::Null, renamed)
}

fn renamed(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(name, value)| (element(&name), renamed(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(renamed).collect(),
        other => other,
    }
}

/// `noncurrent_days` is `NoncurrentDays`; a list of rules repeats its element.
fn element(member: &str) -> String {
    match member {
        "id" => return "ID".to_owned(),
        "rules" => return "Rule".to_owned(),
        _ => {}
    }
    member
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_names_of_their_elements() {
        let status = Some(dto::BucketVersioningStatus::from_static("Suspended"));
        let put = dto::PutBucketVersioningInput::builder()
            .bucket("trail-logs".to_owned())
            .versioning_configuration(dto::VersioningConfiguration { mfa_delete: None, status })
            .build()
            .unwrap();
        let uri = Uri::from_static("/trail-logs?versioning&x-id=PutBucketVersioning");
        assert_eq!(bucket(&uri).as_deref(), Some("trail-logs"));
        assert_eq!(
            parameters(bucket(&uri).as_deref(), Some("localhost"), &uri, &put),
            json!({
                "bucketName": "trail-logs",
                "Host": "localhost",
                "versioning": "",
                "VersioningConfiguration": { "Status": "Suspended" },
            })
        );
        assert_eq!(element("noncurrent_version_expiration"), "NoncurrentVersionExpiration");
        assert_eq!(bucket(&Uri::from_static("/")), None);
        assert_eq!(event_name("put_object"), None);
    }
}
