use super::{CLOUD_LOG, call_rules};
use crate::detection::facts::Kind;
use crate::detection::rule::{About, Calls, Condition};

const BUCKET: About = About::Resource(Kind::Bucket);
const DESTRUCTION: &[&str] = &["T1485", "T1685.002", "T1562.008"];
/// Log files and digests, as opposed to records and reports.
const OF_LOGS: Condition = Condition { parameter: "key", values: &["AWSLogs/"], contains: true };

pub(super) const CALLS: &[Calls] = call_rules! {
    "bucket-deleted" Critical "s3.amazonaws.com" ["DeleteBucket"]
        about BUCKET;
        techniques DESTRUCTION;
        title "A bucket of the trail was deleted";
        why "Logs are no longer delivered, and the next owner of the bucket's name receives them.";
        fix "Create the bucket again (`orgtrail apply`) before someone else takes its name, and restore its content from the vault.";
    "bucket-policy-deleted" Critical "s3.amazonaws.com" ["DeleteBucketPolicy"]
        about BUCKET;
        techniques CLOUD_LOG;
        title "The policy of a bucket of the trail was deleted";
        why "CloudTrail can no longer deliver logs, and nothing denies deleting them.";
        fix "Restore the policy (`orgtrail apply`), and verify the logs of that time (`orgtrail verify`).";
    "bucket-policy-changed" High "s3.amazonaws.com" ["PutBucketPolicy"] applied true
        about BUCKET;
        techniques CLOUD_LOG;
        title "The policy of a bucket of the trail was changed";
        why "The policy decides who delivers, reads and deletes logs.";
        fix "Compare the policy with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-access-changed" Medium "s3.amazonaws.com"
        ["PutBucketAcl", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"] applied true
        about BUCKET;
        techniques &["T1530", "T1222"];
        title "ACLs or object ownership of a bucket of the trail were changed";
        why "ACLs grant access beside the policy, and objects of other owners cannot be read or protected.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-lifecycle-changed" High "s3.amazonaws.com"
        ["PutBucketLifecycle", "DeleteBucketLifecycle"] applied true
        about BUCKET;
        techniques &["T1485.001", "T1685.002", "T1562.008"];
        title "The lifecycle of a bucket of the trail was changed";
        why "A lifecycle rule deletes logs without any further call, and no event records the deletions.";
        fix "Compare the lifecycle with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`) within a day: rules run once a day.";
    "bucket-versioning-changed" High "s3.amazonaws.com" ["PutBucketVersioning"] applied true
        about BUCKET;
        techniques &["T1490", "T1685.002", "T1562.008"];
        title "Versioning of a bucket of the trail was changed";
        why "Without versioning, overwriting or deleting a log is final.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-object-lock-changed" High "s3.amazonaws.com" ["PutBucketObjectLockConfiguration"] applied true
        about BUCKET;
        techniques &["T1490", "T1685.002", "T1562.008"];
        title "Object Lock of a bucket of the trail was changed";
        why "New logs are locked for a shorter time, or not at all.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-encryption-changed" Medium "s3.amazonaws.com"
        ["PutBucketEncryption", "DeleteBucketEncryption"] applied true
        about BUCKET;
        techniques CLOUD_LOG;
        title "The encryption of a bucket of the trail was changed";
        why "With another key, its owner decides who reads the logs, and can make them unreadable.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-replication-changed" High "s3.amazonaws.com"
        ["PutBucketReplication", "DeleteBucketReplication"] applied true
        about BUCKET;
        techniques &["T1490", "T1537"];
        title "The replication of a bucket of the trail was changed";
        why "Logs are no longer copied to the vault, or are copied to someone else.";
        fix "Compare the replication with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-notification-changed" Medium "s3.amazonaws.com" ["PutBucketNotification"] applied true
        about BUCKET;
        techniques CLOUD_LOG;
        title "The notifications of a bucket of the trail were changed";
        why "What reads new logs is no longer notified, or someone else is.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "bucket-public-access-changed" High "s3.amazonaws.com"
        ["PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock"] applied true
        about BUCKET;
        techniques &["T1530"];
        title "The public access block of a bucket of the trail was changed";
        why "Without it, a policy or ACL can make the logs public.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "account-public-access-changed" High "s3.amazonaws.com"
        ["PutAccountPublicAccessBlock", "DeleteAccountPublicAccessBlock"]
        about About::ArchiveAccount;
        techniques &["T1530"];
        title "The public access block of the archive's account was changed";
        why "Without it, a policy or ACL can make buckets of the account public.";
        fix "Restore the public access block of the account in S3, and check its buckets.";
    "bucket-logging-changed" Medium "s3.amazonaws.com" ["PutBucketLogging"] applied true
        about BUCKET;
        techniques CLOUD_LOG;
        title "Access logging of a bucket of the trail was changed";
        why "Who reads and deletes logs is no longer recorded by S3.";
        fix "Compare the bucket with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "log-deleted" High "s3.amazonaws.com" ["DeleteObject", "DeleteObjects"]
        about BUCKET, if OF_LOGS;
        techniques DESTRUCTION;
        title "Log files or digests were deleted";
        why "Deleted logs no longer show what happened; deleted digests no longer prove the logs.";
        fix "Restore the deleted versions, or copy them from the vault, and verify the time (`orgtrail verify`).";
    "log-lock-changed" High "s3.amazonaws.com" ["PutObjectRetention", "PutObjectLegalHold"]
        about BUCKET, if OF_LOGS;
        techniques &["T1490", "T1685.002", "T1562.008"];
        title "The lock of log files or digests was changed";
        why "A shorter lock lets logs be deleted.";
        fix "Restore the lock, and verify that no log was deleted (`orgtrail verify`).";
};
