//! The same of what stands beside the archive and guards it: the vault, the
//! notifications, locks, aliases, roles; and the guard by a second factor.

use std::collections::BTreeSet;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{
    DefaultRetention, NotificationConfiguration, ObjectLockConfiguration, ObjectLockRetentionMode,
    ObjectLockRule,
};
use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::drift_mutations::{broken, each_is_named_and_mended};
use crate::env::MINIMAL;

const BUCKET: &str = "acme-log-archive";
const VAULT: &str = "acme-vault";

/// Locked for days that governance may end, copied, and printed of.
const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1"]
[archive]
bucket = "acme-log-archive"
mfa_delete = "off"
object_lock = { mode = "GOVERNANCE", days = 30 }
[archive.replication]
bucket = "acme-vault"
[[archive.notifications]]
target = "arn:aws:sqs:us-east-1:222222222222:new-logs"
[drift]
chain_hours = 0
"#;

/// What is changed, and which checks it breaks.
const MUTATIONS: &[(&str, &[&str])] = &[
    ("service-linked role", &["org-trusted-access"]),
    ("key alias", &["key-enabled"]),
    ("shorter lock", &["bucket-object-lock"]),
    ("no lock", &["bucket-object-lock"]),
    ("replication", &["bucket-replication"]),
    ("replication role", &["bucket-replication"]),
    ("vault", &["bucket-replication"]),
    ("notifications", &["bucket-notifications"]),
    ("access-log bucket", &["bucket-access-logging"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn drift_names_what_was_broken_beside_the_archive_and_the_plan_mends_it() {
    let env = ConfiguredEnv::new(CONFIG).await;
    env.converge().await;
    env.sandbox.tick(jiff::SignedDuration::from_hours(2));
    each_is_named_and_mended(&env, MUTATIONS, mutate).await;
}

async fn mutate(env: &ConfiguredEnv, what: &str) {
    let (management, archive) = (env.management(), env.archive());
    let s3 = archive.s3();
    let lock = |rule: Option<ObjectLockRule>| async {
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(aws_sdk_s3::types::ObjectLockEnabled::Enabled)
            .set_rule(rule);
        let call = s3.put_object_lock_configuration().bucket(BUCKET);
        call.object_lock_configuration(lock.build()).send().await.unwrap();
    };
    match what {
        "service-linked role" => {
            let call = management.iam().delete_service_linked_role();
            call.role_name("AWSServiceRoleForCloudTrail").send().await.unwrap();
        }
        "key alias" => {
            let alias = env.desired.config.key.alias.to_string();
            archive.kms().delete_alias().alias_name(alias).send().await.unwrap();
        }
        "shorter lock" => {
            let retention = DefaultRetention::builder()
                .mode(ObjectLockRetentionMode::Governance)
                .days(1)
                .build();
            lock(Some(ObjectLockRule::builder().default_retention(retention).build())).await;
        }
        "no lock" => lock(None).await,
        "replication" => {
            s3.delete_bucket_replication().bucket(BUCKET).send().await.unwrap();
        }
        "replication role" => {
            let role = &env.desired.config.archive.replication.as_ref().unwrap().role;
            let policies = archive.iam().list_role_policies().role_name(role.to_string());
            for policy in policies.send().await.unwrap().policy_names() {
                let call = archive.iam().delete_role_policy().role_name(role.to_string());
                call.policy_name(policy).send().await.unwrap();
            }
        }
        "vault" => {
            s3.delete_public_access_block().bucket(VAULT).send().await.unwrap();
        }
        "notifications" => {
            let none = NotificationConfiguration::builder().build();
            let call = s3.put_bucket_notification_configuration().bucket(BUCKET);
            call.notification_configuration(none).send().await.unwrap();
        }
        "access-log bucket" => {
            let bucket = env.desired.config.archive.access_logging.bucket.to_string();
            s3.delete_public_access_block().bucket(bucket).send().await.unwrap();
        }
        other => panic!("no such mutation: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_the_guard_by_a_second_factor_is_named_and_mended() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.sandbox.tick(jiff::SignedDuration::from_hours(2));
    assert!(!broken(&env).await.contains("bucket-mfa-delete"));
    // Of what the guard refuses, orgtrail's own role may change the settings alone.
    let s3 = env.archive().s3().clone();
    let refused = s3.delete_bucket().bucket(BUCKET).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));

    let found = s3.get_bucket_policy().bucket(BUCKET).send().await.unwrap();
    let mut policy: Value = serde_json::from_str(found.policy().unwrap()).unwrap();
    let statements = policy["Statement"].as_array_mut().unwrap();
    let before = statements.len();
    statements.retain(|statement| !statement["Condition"].to_string().contains("MultiFactorAuth"));
    assert!(statements.len() < before);
    let call = s3.put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
    call.send().await.unwrap();
    assert_eq!(broken(&env).await, BTreeSet::from(["bucket-mfa-delete".to_owned()]));
    env.apply().await;
    assert_eq!(broken(&env).await, BTreeSet::new());
}
