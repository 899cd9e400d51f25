//! Names that rules use and CloudTrail does not.
//!
//! Source: Amazon S3 User Guide, "Amazon S3 CloudTrail events", which lists the names of events
//! that differ from the names of operations; Lambda's events carry the version of its API; and
//! real records.

/// Operations and IAM actions that records name differently: service, name, name in records.
const EVENTS: &[(&str, &str, &str)] = &[
    ("s3", "PutBucketLifecycleConfiguration", "PutBucketLifecycle"),
    ("s3", "PutLifecycleConfiguration", "PutBucketLifecycle"),
    ("s3", "DeleteLifecycleConfiguration", "DeleteBucketLifecycle"),
    ("s3", "DeleteBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
    ("s3", "GetBucketLifecycleConfiguration", "GetBucketLifecycle"),
    ("s3", "GetLifecycleConfiguration", "GetBucketLifecycle"),
    ("s3", "PutEncryptionConfiguration", "PutBucketEncryption"),
    ("s3", "DeleteEncryptionConfiguration", "DeleteBucketEncryption"),
    ("s3", "GetEncryptionConfiguration", "GetBucketEncryption"),
    ("s3", "PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("s3", "DeletePublicAccessBlock", "DeleteBucketPublicAccessBlock"),
    ("s3", "GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("s3", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("s3", "GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("s3", "PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("s3", "GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("s3", "PutReplicationConfiguration", "PutBucketReplication"),
    ("s3", "DeleteReplicationConfiguration", "DeleteBucketReplication"),
    ("s3", "GetReplicationConfiguration", "GetBucketReplication"),
    ("s3", "PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("s3", "GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("s3", "ListObjectsV2", "ListObjects"),
    ("s3", "ListBucket", "ListObjects"),
    ("s3", "ListAllMyBuckets", "ListBuckets"),
    ("s3", "DeleteObjectVersion", "DeleteObject"),
    ("s3", "GetObjectVersion", "GetObject"),
    ("lambda", "CreateFunction", "CreateFunction20150331"),
    ("lambda", "DeleteFunction", "DeleteFunction20150331"),
    ("lambda", "GetFunction", "GetFunction20150331v2"),
    ("lambda", "ListFunctions", "ListFunctions20150331"),
    ("lambda", "UpdateFunctionCode", "UpdateFunctionCode20150331v2"),
    ("lambda", "UpdateFunctionConfiguration", "UpdateFunctionConfiguration20150331v2"),
    ("lambda", "AddPermission", "AddPermission20150331v2"),
    ("lambda", "RemovePermission", "RemovePermission20150331v2"),
    ("lambda", "CreateEventSourceMapping", "CreateEventSourceMapping20150331"),
    ("lambda", "PublishLayerVersion", "PublishLayerVersion20181031"),
    ("lambda", "InvokeFunction", "Invoke"),
    ("kms", "ReEncryptFrom", "ReEncrypt"),
    ("kms", "ReEncryptTo", "ReEncrypt"),
];

/// Names of services that records write differently: the beginning of `eventSource`.
const SERVICES: &[(&str, &str)] = &[
    ("cloudwatch", "monitoring"),
    ("cloudwatchlogs", "logs"),
    ("eventbridge", "events"),
    ("stepfunctions", "states"),
    ("efs", "elasticfilesystem"),
    ("emr", "elasticmapreduce"),
    ("elb", "elasticloadbalancing"),
    ("elbv2", "elasticloadbalancing"),
    ("opensearch", "es"),
    ("organization", "organizations"),
    ("sso-admin", "sso"),
    ("systemsmanager", "ssm"),
];

/// What records write as `eventSource`, after the name of the service.
const DOMAINS: [&str; 2] = [".amazonaws.com", ".amazon.com"];

/// How CloudTrail writes the name of an event, if that differs. The source is
/// `s3.amazonaws.com`, or empty if it is not known.
#[must_use]
pub fn written_as(source: &str, name: &str) -> Option<&'static str> {
    let service = source.split('.').next().unwrap_or_default();
    let found = EVENTS.iter().find(|(of, wrong, _)| {
        (service.is_empty() || service.eq_ignore_ascii_case(of)) && wrong.eq_ignore_ascii_case(name)
    });
    found.map(|(_, _, right)| *right)
}

/// What is wrong with a value of `eventSource`, if anything.
pub(super) fn source_problem(source: &str) -> Option<String> {
    let lower = source.to_ascii_lowercase();
    let Some(service) = DOMAINS.iter().find_map(|domain| lower.strip_suffix(domain)) else {
        return Some(format!(
            "CloudTrail writes `eventSource` with its domain: `{}.amazonaws.com`",
            service_of(&lower)
        ));
    };
    let right = SERVICES.iter().find(|(wrong, _)| *wrong == service);
    right.map(|(_, right)| format!("CloudTrail writes `{right}.amazonaws.com` for `{source}`"))
}

fn service_of(source: &str) -> &str {
    let service = source.split('.').next().unwrap_or_default();
    SERVICES.iter().find(|(wrong, _)| *wrong == service).map_or(service, |(_, right)| *right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_operations_are_told_from_names_in_records() {
        let s3 = "s3.amazonaws.com";
        assert_eq!(written_as(s3, "PutLifecycleConfiguration"), Some("PutBucketLifecycle"));
        assert_eq!(
            written_as("", "deletepublicaccessblock"),
            Some("DeleteBucketPublicAccessBlock")
        );
        assert_eq!(written_as(s3, "PutBucketLifecycle"), None);
        // EventBridge and others have operations of the same name.
        assert_eq!(written_as("sns.amazonaws.com", "AddPermission"), None);
        for (_, _, right) in EVENTS {
            assert_eq!(written_as("", right), None);
        }
    }

    #[test]
    fn sources_have_their_domain_and_the_names_of_records() {
        assert_eq!(source_problem("s3.amazonaws.com"), None);
        assert!(source_problem("s3").unwrap().contains("`s3.amazonaws.com`"));
        assert!(source_problem("cloudwatch").unwrap().contains("`monitoring.amazonaws.com`"));
        assert!(source_problem("cloudwatch.amazonaws.com").unwrap().contains("monitoring"));
    }
}
