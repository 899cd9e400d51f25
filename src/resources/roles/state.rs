//! What the service needs where its state is, in a bucket.

use super::grant::{Grant, Scope};
use crate::config::{Config, Place};
use crate::names::{AccountId, prefix_folder};

/// The account of the state bucket, if the configuration declares it.
pub(super) fn owner(config: &Config) -> Option<&AccountId> {
    config.service.state.as_ref()?.bucket()?;
    config.service.state_owner(&config.organization.log_archive_account)
}

/// Writing the state; every role may read the buckets of the organization.
pub(super) fn write(scope: &Scope<'_>) -> Option<Grant> {
    let Place::Bucket { bucket, prefix } = scope.config.service.state.as_ref()?.place() else {
        return None;
    };
    Some(Grant::new(
        "WriteState",
        ["s3:PutObject"],
        [scope.s3(format!("{bucket}/{}*", prefix_folder(prefix.as_ref())))],
        "Stores the rounds, claims and notifications of the service.",
    ))
}

/// Creating and configuring the state bucket, if orgtrail manages it.
pub(super) fn configure(scope: &Scope<'_>) -> Option<Grant> {
    let service = &scope.config.service;
    let bucket = service.state.as_ref()?.bucket().filter(|_| service.manage_state)?;
    Some(Grant::new(
        "ConfigureState",
        [
            "s3:CreateBucket",
            "s3:GetBucketObjectLockConfiguration",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketVersioning",
            "s3:GetLifecycleConfiguration",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutLifecycleConfiguration",
        ],
        [scope.s3(bucket.as_str())],
        "Creates the bucket of the service's state and configures it.",
    ))
}
