//! The checks that only require managed resources to match the configuration: the plan of
//! their `resources` must be empty.

use super::Framework::{Checkov, Cis, Prowler, SecurityHub};
use super::judge::{
    all_of, if_configured, matches_configuration, of_bucket, of_key, of_organization, of_trail,
};
use super::{Check, CheckResult, Facts, Framework, Rule, Severity};
use crate::config::Config;

/// The scope of a check of this table.
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

/// A setting that the configuration may omit.
#[derive(Debug)]
pub struct Optional {
    /// The setting.
    pub key: &'static str,
    /// Whether the configuration has it.
    pub is_declared: fn(&Config) -> bool,
}

/// The results for the resources of a check.
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

/// What the checks of this table have in common.
const fn declared(subject: Subject, optional: Option<Optional>) -> Check {
    Check {
        id: "",
        title: "",
        severity: Severity::Low,
        why: "",
        fix: "orgtrail drift --fix",
        resources: &[],
        mappings: &[],
        rule: Rule::Declared { subject, optional },
    }
}

pub(super) const TRAIL_INSIGHTS: Check = Check {
    id: "trail-insights",
    title: "Insights events are recorded as configured",
    severity: Severity::Low,
    why: "Insights detect unusual rates of calls and errors, which single events do not show.",
    resources: &["trail/insights"],
    mappings: &[Prowler.rule("cloudtrail_insights_exist")],
    ..declared(
        Subject::Trail,
        Some(Optional {
            key: "trail.insights",
            is_declared: |config| {
                config.trail.insights.call_rate || config.trail.insights.error_rate
            },
        }),
    )
};

pub(super) const TRAIL_TAGS: Check = Check {
    id: "trail-tags",
    title: "the trail has the configured tags",
    severity: Severity::Low,
    why: "Tags state the owner and the cost center of a resource.",
    resources: &["trail/tags"],
    mappings: &[SecurityHub.rule("CloudTrail.9")],
    ..declared(
        Subject::Trail,
        Some(Optional { key: "trail.tags", is_declared: |config| !config.trail.tags.is_empty() }),
    )
};

pub(super) const ORG_TRUSTED_ACCESS: Check = Check {
    id: "org-trusted-access",
    title: "CloudTrail has trusted access and its service-linked role",
    severity: Severity::Critical,
    why: "Without trusted access, the organization trail becomes a trail of a single account, without any notice.",
    resources: &["trusted-access", "service-linked-role"],
    ..declared(Subject::Organization, None)
};

pub(super) const ORG_DELEGATED_ADMINS: Check = Check {
    id: "org-delegated-admins",
    title: "exactly the configured accounts are delegated administrators of CloudTrail",
    severity: Severity::High,
    why: "A delegated administrator can stop and delete the trail, as the management account can.",
    resources: &["delegated-administrators"],
    ..declared(Subject::Organization, None)
};

pub(super) const BUCKET_OWNERSHIP: Check = Check {
    id: "bucket-ownership",
    title: "the bucket owner owns every object, and access control lists are disabled",
    severity: Severity::Medium,
    why: "With access control lists, the writer of an object can deny the bucket owner access to it.",
    resources: &["archive-bucket/ownership"],
    mappings: &[SecurityHub.rule("S3.12"), Prowler.rule("s3_bucket_acl_prohibited")],
    ..declared(Subject::Bucket, None)
};

pub(super) const BUCKET_ENCRYPTION: Check = Check {
    id: "bucket-encryption",
    title: "the bucket encrypts new objects with the configured key by default",
    severity: Severity::High,
    why: "With access to the bucket alone, nobody can read the logs: they also need the key.",
    resources: &["archive-bucket/encryption"],
    mappings: &[
        SecurityHub.rule("S3.17"),
        Prowler.rule("s3_bucket_kms_encryption"),
        Checkov.rule("CKV_AWS_145"),
    ],
    ..declared(Subject::Bucket, None)
};

pub(super) const BUCKET_VERSIONING: Check = Check {
    id: "bucket-versioning",
    title: "versioning is on",
    severity: Severity::High,
    why: "An object that is overwritten or deleted is kept as a noncurrent version.",
    resources: &["archive-bucket/versioning"],
    mappings: &[
        SecurityHub.rule("S3.14"),
        Prowler.rule("s3_bucket_object_versioning"),
        Checkov.rule("CKV_AWS_21"),
    ],
    ..declared(Subject::Bucket, None)
};

pub(super) const BUCKET_LIFECYCLE: Check = Check {
    id: "bucket-lifecycle",
    title: "lifecycle rules transition and expire logs as configured",
    severity: Severity::Medium,
    why: "Logs that never expire cost more every year; logs that expire too soon are missing when they are needed.",
    resources: &["archive-bucket/lifecycle"],
    mappings: &[
        SecurityHub.rule("S3.10"),
        SecurityHub.rule("S3.13"),
        Prowler.rule("s3_bucket_lifecycle_enabled"),
        Checkov.rule("CKV2_AWS_61"),
    ],
    ..declared(Subject::Bucket, None)
};

pub(super) const BUCKET_ACCESS_LOGGING: Check = Check {
    id: "bucket-access-logging",
    title: "access to the archive is logged",
    severity: Severity::Medium,
    why: "S3 access logs show who read the logs.",
    resources: &["archive-bucket/access-logging", "access-log-bucket"],
    mappings: &[
        Cis.rule("3.4"),
        SecurityHub.rule("CloudTrail.7"),
        SecurityHub.rule("S3.9"),
        Prowler.rule("cloudtrail_logs_s3_bucket_access_logging_enabled"),
    ],
    ..declared(
        Subject::Bucket,
        Some(Optional {
            key: "archive.access_logging",
            is_declared: |config| config.archive.access_logging.enabled,
        }),
    )
};

pub(super) const BUCKET_REPLICATION: Check = Check {
    id: "bucket-replication",
    title: "the archive replicates as configured",
    severity: Severity::Low,
    why: "A copy in another account survives the loss of the archive.",
    resources: &["archive-bucket/replication", "replication-role", "vault"],
    mappings: &[SecurityHub.rule("S3.7"), Prowler.rule("s3_bucket_cross_region_replication")],
    ..declared(
        Subject::Bucket,
        Some(Optional {
            key: "archive.replication",
            is_declared: |config| config.archive.replication.is_some(),
        }),
    )
};

pub(super) const BUCKET_NOTIFICATIONS: Check = Check {
    id: "bucket-notifications",
    title: "the bucket notifies the configured targets of new objects",
    severity: Severity::Low,
    why: "Consumers of new logs depend on these notifications.",
    resources: &["archive-bucket/notifications"],
    mappings: &[SecurityHub.rule("S3.11"), Prowler.rule("s3_bucket_event_notifications_enabled")],
    ..declared(
        Subject::Bucket,
        Some(Optional {
            key: "archive.notifications",
            is_declared: |config| !config.archive.notifications.is_empty(),
        }),
    )
};

pub(super) const KEY_ENABLED: Check = Check {
    id: "key-enabled",
    title: "the key is enabled, in the bucket's Region, and not pending deletion",
    severity: Severity::Critical,
    why: "While the key is disabled, no log can be delivered or read; once it is deleted, all logs are lost.",
    fix: "orgtrail drift --fix; for a key pending deletion, aws kms cancel-key-deletion --key-id ID",
    resources: &["kms-key", "kms-key/alias"],
    mappings: &[SecurityHub.rule("KMS.3"), Prowler.rule("kms_cmk_not_deleted_unintentionally")],
    ..declared(Subject::Key, None)
};

pub(super) const KEY_ROTATION: Check = Check {
    id: "key-rotation",
    title: "the key is rotated as configured",
    severity: Severity::High,
    why: "Without rotation, the same key material encrypts more and more data.",
    resources: &["kms-key/rotation"],
    mappings: &[
        Cis.rule("3.6"),
        SecurityHub.rule("KMS.4"),
        Framework::Config.rule("cmk-backing-key-rotation-enabled"),
        Prowler.rule("kms_cmk_rotation_enabled"),
        Checkov.rule("CKV_AWS_7"),
    ],
    ..declared(Subject::Key, None)
};
