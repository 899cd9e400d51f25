//! What orgtrail does in the log-archive account: it configures the archive and writes to it.

use super::grant::{Grant, Scope};
use super::hub::read_event_data_stores;
use super::service_role;
use crate::config::ObjectLockMode;
use crate::names::prefix_folder;

pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let archive = &scope.config.archive;
    let mut grants = vec![configure_archive(scope), write_logs(scope)];
    if scope.archive() != scope.management() {
        grants.extend(read_event_data_stores(scope));
    }
    if archive.access_logging.enabled {
        grants.push(configure_access_logs(scope));
    }
    if let Some(vault) = &archive.replication {
        let role = scope.role(scope.archive(), &vault.role);
        grants.push(service_role("ManageReplicationRole", &role));
        grants.push(
            Grant::new(
                "PassReplicationRole",
                ["iam:PassRole"],
                [role],
                "Gives S3 the role with which it replicates, and no other service or role.",
            )
            .when("StringEquals", "iam:PassedToService", ["s3.amazonaws.com"]),
        );
    }
    grants
}

fn configure_archive(scope: &Scope<'_>) -> Grant {
    let archive = &scope.config.archive;
    let mut actions = vec![
        "s3:CreateBucket",
        "s3:GetBucketLogging",
        "s3:GetBucketNotification",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration",
        "s3:ListBucketVersions",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
    ];
    let conditional = [
        (archive.access_logging.enabled, "s3:PutBucketLogging"),
        (!archive.notifications.is_empty(), "s3:PutBucketNotification"),
        (archive.object_lock.mode != ObjectLockMode::Off, "s3:PutBucketObjectLockConfiguration"),
        (!scope.config.trail.tags.is_empty(), "s3:PutBucketTagging"),
        (archive.replication.is_some(), "s3:PutReplicationConfiguration"),
    ];
    actions.extend(conditional.iter().filter(|(is_declared, _)| *is_declared).map(|(_, it)| it));
    Grant::new(
        "ConfigureArchive",
        actions,
        [scope.s3(archive.bucket.as_str())],
        "Creates the archive bucket and configures its guards.",
    )
}

fn write_logs(scope: &Scope<'_>) -> Grant {
    let archive = &scope.config.archive;
    let prefix = prefix_folder(archive.prefix.as_ref());
    let below = |folder: &str| scope.s3(format!("{}/{prefix}{folder}/*", archive.bucket));
    Grant::new(
        "WriteLogs",
        ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectTagging"],
        [below("AWSLogs"), below("orgtrail")],
        "Copies logs and digests into the archive, and writes orgtrail's records and quarantine.",
    )
}

fn configure_access_logs(scope: &Scope<'_>) -> Grant {
    Grant::new(
        "ConfigureAccessLogs",
        [
            "s3:CreateBucket",
            "s3:GetBucketObjectLockConfiguration",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutLifecycleConfiguration",
        ],
        [scope.s3(scope.config.archive.access_logging.bucket.as_str())],
        "Creates the bucket of the archive's access logs and configures it.",
    )
}

/// The bucket that the archive replicates into, in its account.
pub(super) fn vault(scope: &Scope<'_>) -> Option<Grant> {
    let archive = &scope.config.archive;
    let vault = archive.replication.as_ref()?;
    let mut actions = vec![
        "s3:CreateBucket",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
    ];
    if archive.object_lock.mode != ObjectLockMode::Off {
        actions.push("s3:PutBucketObjectLockConfiguration");
    }
    Some(Grant::new(
        "ConfigureVault",
        actions,
        [scope.s3(vault.bucket.as_str())],
        "Creates the vault, the bucket that the archive replicates into, and configures it.",
    ))
}
