//! What AWS answers for a while about something that was created a moment before.

use super::faults::{Effect, Fault};

/// Call, error code, HTTP status and message.
///
/// Source: the errors of each operation in its API reference; the messages are
/// AWS's own where it documents them, and alike where it does not.
const ERRORS: [(&str, &str, u16, &str); 30] = [
    (
        "cloudtrail:CreateTrail",
        "CloudTrailAccessNotEnabledException",
        400,
        "CloudTrail service access is not enabled for your organization.",
    ),
    ("cloudtrail:CreateTrail", "S3BucketDoesNotExistException", 400, "S3 bucket does not exist!"),
    (
        "cloudtrail:CreateTrail",
        "KmsKeyNotFoundException",
        400,
        "KMS key does not exist, or is not in the Region of the S3 bucket.",
    ),
    (
        "cloudtrail:CreateTrail",
        "InsufficientDependencyServiceAccessPermissionException",
        400,
        "The IAM identity does not have the permissions that the operation needs in a dependent service.",
    ),
    (
        "cloudtrail:CreateTrail",
        "InsufficientS3BucketPolicyException",
        400,
        "Incorrect S3 bucket policy is detected for bucket.",
    ),
    (
        "cloudtrail:CreateTrail",
        "InsufficientEncryptionPolicyException",
        400,
        "Insufficient permissions to access S3 bucket or KMS key.",
    ),
    (
        "cloudtrail:CreateTrail",
        "InvalidCloudWatchLogsRoleArnException",
        400,
        "Access denied. Check the trust relationships for your role.",
    ),
    (
        "cloudtrail:CreateTrail",
        "InvalidCloudWatchLogsLogGroupArnException",
        400,
        "CloudTrail cannot validate the specified log group ARN.",
    ),
    ("cloudtrail:CreateTrail", "ConflictException", 400, NOT_READY),
    ("cloudtrail:StartLogging", "ConflictException", 400, NOT_READY),
    ("cloudtrail:StartLogging", "TrailNotFoundException", 400, "Unknown trail"),
    ("cloudtrail:PutEventSelectors", "ConflictException", 400, NOT_READY),
    ("cloudtrail:PutEventSelectors", "TrailNotFoundException", 400, "Unknown trail"),
    ("organizations:EnableAWSServiceAccess", "ConcurrentModificationException", 400, CONCURRENT),
    ("organizations:EnablePolicyType", "ConcurrentModificationException", 400, CONCURRENT),
    ("organizations:CreatePolicy", "ConcurrentModificationException", 400, CONCURRENT),
    ("organizations:AttachPolicy", "ConcurrentModificationException", 400, CONCURRENT),
    (
        "organizations:AttachPolicy",
        "PolicyNotFoundException",
        400,
        "A policy with the specified name or ID doesn't exist.",
    ),
    ("kms:EnableKeyRotation", "NotFoundException", 400, "Invalid keyId"),
    ("kms:CreateAlias", "NotFoundException", 400, "Invalid keyId"),
    (
        "logs:PutRetentionPolicy",
        "OperationAbortedException",
        400,
        "A conflicting operation is currently in progress against this resource. Please try again.",
    ),
    (
        "logs:PutRetentionPolicy",
        "ResourceNotFoundException",
        400,
        "The specified log group does not exist.",
    ),
    ("s3:PutBucketVersioning", "NoSuchBucket", 404, NO_BUCKET),
    ("s3:PutBucketPolicy", "NoSuchBucket", 404, NO_BUCKET),
    ("s3:PutBucketEncryption", "NoSuchBucket", 404, NO_BUCKET),
    ("s3:PutBucketLifecycleConfiguration", "NoSuchBucket", 404, NO_BUCKET),
    ("s3:PutPublicAccessBlock", "OperationAborted", 409, ABORTED),
    (
        "s3:PutObjectLockConfiguration",
        "InvalidBucketState",
        409,
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    ),
    (
        "s3:PutBucketReplication",
        "InvalidRequest",
        400,
        "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
    ),
    ("s3:PutBucketReplication", "NoSuchBucket", 404, NO_BUCKET),
];

const NOT_READY: &str = "The resource is not ready for the operation. Wait a few minutes, and then try the operation again.";
const CONCURRENT: &str = "AWS Organizations can't complete your request because it conflicts with another attempt to modify the same entity. Try again later.";
const NO_BUCKET: &str = "The specified bucket does not exist";
const ABORTED: &str = "A conflicting conditional operation is currently in progress against this resource. Please try again.";

/// One fault for each error that AWS is known to answer for a while about what was
/// created a moment before, such as `ConflictException` of `StartLogging`: of all
/// calls, until [`Fault::times`] bounds it.
#[must_use]
pub fn transient() -> Vec<Fault> {
    ERRORS
        .iter()
        .map(|(call, code, status, message)| {
            let (code, message) = ((*code).to_owned(), (*message).to_owned());
            Fault::every(*call, Effect::Refuse { code, message, status: *status })
        })
        .collect()
}
