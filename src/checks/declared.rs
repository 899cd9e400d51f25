//! The checks that ask of managed resources nothing but that they match the
//! configuration: the plan of their `resources` is the result.

use super::judge::{
    all_of, if_configured, matches_configuration, of_bucket, of_key, of_organization, of_trail,
};
use super::{Check, CheckResult, Facts, Framework, Mapping, Rule, Severity};
use crate::config::Config;

/// What a check of this table results about.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// The trail.
    Trail,
    /// The organization.
    Organization,
    /// The archive bucket.
    Bucket,
    /// The key.
    Key,
}

/// What the configuration may leave out.
#[derive(Debug)]
pub struct Optional {
    /// The key of the configuration that declares it.
    pub key: &'static str,
    /// Whether it is declared.
    pub is_declared: fn(&Config) -> bool,
}

/// Answers for the resources of a check.
pub(super) fn judge(
    facts: &Facts,
    resources: &[&str],
    subject: Subject,
    optional: Option<&Optional>,
) -> Vec<CheckResult> {
    let mut verdict = match resources {
        [id] => matches_configuration(facts, id),
        ids => all_of(ids.iter().map(|id| matches_configuration(facts, id))),
    };
    if let Some(Optional { key, is_declared }) = optional {
        verdict = if_configured(is_declared(&facts.desired.config), key, verdict);
    }
    match subject {
        Subject::Trail => of_trail(facts, verdict),
        Subject::Organization => of_organization(verdict),
        Subject::Bucket => of_bucket(facts, verdict),
        Subject::Key => of_key(facts, verdict),
    }
}

pub(super) const TRAIL_INSIGHTS: Check = Check {
    id: "trail-insights",
    title: "Insights are recorded as declared",
    severity: Severity::Low,
    why: "Insights point at rates of calls and errors that are not usual, which nobody sees in single events.",
    fix: "orgtrail drift --fix",
    resources: &["trail/insights"],
    mappings: &[Mapping { framework: Framework::Prowler, id: "cloudtrail_insights_exist" }],
    rule: Rule::Declared {
        subject: Subject::Trail,
        optional: Some(Optional {
            key: "trail.insights",
            is_declared: |config| {
                config.trail.insights.call_rate || config.trail.insights.error_rate
            },
        }),
    },
};

pub(super) const TRAIL_TAGS: Check = Check {
    id: "trail-tags",
    title: "the declared tags are on the trail",
    severity: Severity::Low,
    why: "Tags state the owner and the cost center of a resource.",
    fix: "orgtrail drift --fix",
    resources: &["trail/tags"],
    mappings: &[Mapping { framework: Framework::SecurityHub, id: "CloudTrail.9" }],
    rule: Rule::Declared {
        subject: Subject::Trail,
        optional: Some(Optional {
            key: "trail.tags",
            is_declared: |config| !config.trail.tags.is_empty(),
        }),
    },
};

pub(super) const ORG_TRUSTED_ACCESS: Check = Check {
    id: "org-trusted-access",
    title: "CloudTrail has trusted access and its service-linked role",
    severity: Severity::Critical,
    why: "Without trusted access the organization trail silently shrinks to one account.",
    fix: "orgtrail drift --fix",
    resources: &["trusted-access", "service-linked-role"],
    mappings: &[],
    rule: Rule::Declared { subject: Subject::Organization, optional: None },
};

pub(super) const ORG_DELEGATED_ADMINS: Check = Check {
    id: "org-delegated-admins",
    title: "exactly the declared accounts administer the organization's trails",
    severity: Severity::High,
    why: "A delegated administrator can stop and delete the trail like the management account.",
    fix: "orgtrail drift --fix",
    resources: &["delegated-administrators"],
    mappings: &[],
    rule: Rule::Declared { subject: Subject::Organization, optional: None },
};

pub(super) const BUCKET_OWNERSHIP: Check = Check {
    id: "bucket-ownership",
    title: "the bucket's owner owns every object, and access control lists are off",
    severity: Severity::Medium,
    why: "With access control lists, who writes an object can keep it from the bucket's owner.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/ownership"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.12" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_acl_prohibited" },
    ],
    rule: Rule::Declared { subject: Subject::Bucket, optional: None },
};

pub(super) const BUCKET_ENCRYPTION: Check = Check {
    id: "bucket-encryption",
    title: "the bucket encrypts with the declared key by default",
    severity: Severity::High,
    why: "Who can read the bucket can read no log without the key.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/encryption"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.17" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_kms_encryption" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_145" },
    ],
    rule: Rule::Declared { subject: Subject::Bucket, optional: None },
};

pub(super) const BUCKET_VERSIONING: Check = Check {
    id: "bucket-versioning",
    title: "old versions of objects are kept",
    severity: Severity::High,
    why: "What is overwritten or deleted stays as an older version.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/versioning"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.14" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_object_versioning" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_21" },
    ],
    rule: Rule::Declared { subject: Subject::Bucket, optional: None },
};

pub(super) const BUCKET_LIFECYCLE: Check = Check {
    id: "bucket-lifecycle",
    title: "logs move and end as declared",
    severity: Severity::Medium,
    why: "Logs that never end cost more each year; logs that end too soon are missing when they are asked for.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/lifecycle"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.10" },
        Mapping { framework: Framework::SecurityHub, id: "S3.13" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_lifecycle_enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV2_AWS_61" },
    ],
    rule: Rule::Declared { subject: Subject::Bucket, optional: None },
};

pub(super) const BUCKET_ACCESS_LOGGING: Check = Check {
    id: "bucket-access-logging",
    title: "who reads and writes the archive is itself recorded",
    severity: Severity::Medium,
    why: "S3 access logs record who read the logs.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/access-logging", "access-log-bucket"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.4" },
        Mapping { framework: Framework::SecurityHub, id: "CloudTrail.7" },
        Mapping { framework: Framework::SecurityHub, id: "S3.9" },
        Mapping {
            framework: Framework::Prowler,
            id: "cloudtrail_logs_s3_bucket_access_logging_enabled",
        },
    ],
    rule: Rule::Declared {
        subject: Subject::Bucket,
        optional: Some(Optional {
            key: "archive.access_logging",
            is_declared: |config| config.archive.access_logging.enabled,
        }),
    },
};

pub(super) const BUCKET_REPLICATION: Check = Check {
    id: "bucket-replication",
    title: "the archive replicates as declared",
    severity: Severity::Low,
    why: "A copy in another account outlives the loss of this one.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/replication", "replication-role", "vault"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.7" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_cross_region_replication" },
    ],
    rule: Rule::Declared {
        subject: Subject::Bucket,
        optional: Some(Optional {
            key: "archive.replication",
            is_declared: |config| config.archive.replication.is_some(),
        }),
    },
};

pub(super) const BUCKET_NOTIFICATIONS: Check = Check {
    id: "bucket-notifications",
    title: "the declared targets hear of the archive's objects",
    severity: Severity::Low,
    why: "Who waits for new logs hears of them by these notifications.",
    fix: "orgtrail drift --fix",
    resources: &["archive-bucket/notifications"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "S3.11" },
        Mapping { framework: Framework::Prowler, id: "s3_bucket_event_notifications_enabled" },
    ],
    rule: Rule::Declared {
        subject: Subject::Bucket,
        optional: Some(Optional {
            key: "archive.notifications",
            is_declared: |config| !config.archive.notifications.is_empty(),
        }),
    },
};

pub(super) const KEY_ENABLED: Check = Check {
    id: "key-enabled",
    title: "the key is enabled, in the bucket's Region, and not pending deletion",
    severity: Severity::Critical,
    why: "With a disabled key no log arrives and none can be read; with a deleted one they are lost for ever.",
    fix: "orgtrail drift --fix; for a key pending deletion aws kms cancel-key-deletion --key-id ID",
    resources: &["kms-key", "kms-key/alias"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "KMS.3" },
        Mapping { framework: Framework::Prowler, id: "kms_cmk_not_deleted_unintentionally" },
    ],
    rule: Rule::Declared { subject: Subject::Key, optional: None },
};

pub(super) const KEY_ROTATION: Check = Check {
    id: "key-rotation",
    title: "the key is rotated as declared",
    severity: Severity::High,
    why: "A key that is never rotated encrypts more and more under one secret.",
    fix: "orgtrail drift --fix",
    resources: &["kms-key/rotation"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.6" },
        Mapping { framework: Framework::SecurityHub, id: "KMS.4" },
        Mapping { framework: Framework::Config, id: "cmk-backing-key-rotation-enabled" },
        Mapping { framework: Framework::Prowler, id: "kms_cmk_rotation_enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_7" },
    ],
    rule: Rule::Declared { subject: Subject::Key, optional: None },
};
