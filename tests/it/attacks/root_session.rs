//! Centralized root access: a session of the log-archive account's root user, from the
//! management account and without MFA.

use aws_credential_types::Credentials;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_sts::types::PolicyDescriptorType;
use jiff::SignedDuration;

use crate::configured::ConfiguredEnv;
use crate::env::{HOME, MINIMAL, session_keys, working_day};

const ARCHIVE: &str = "222222222222";
const TASK: &str = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy";

async fn provisioned(config: &str) -> ConfiguredEnv {
    let env = ConfiguredEnv::at(config, working_day()).await;
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(3));
    let management = env.management();
    let enable = management.organizations().enable_aws_service_access();
    enable.service_principal("iam.amazonaws.com").send().await.unwrap();
    management.iam().enable_organizations_root_sessions().send().await.unwrap();
    env
}

/// A session of the archive's root user, or the code of the refusal.
async fn root_session(env: &ConfiguredEnv) -> Result<Credentials, String> {
    let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
    let task = PolicyDescriptorType::builder().arn(TASK).build();
    let assume = sts.assume_root().target_principal(ARCHIVE).task_policy_arn(task);
    match assume.send().await {
        Ok(session) => Ok(session_keys(session.credentials.unwrap())),
        Err(error) => Err(error.code().unwrap_or_default().to_owned()),
    }
}

/// Tries to delete the bucket policy as root: `ok`, or the code of the refusal.
async fn delete_policy(env: &ConfiguredEnv, root: Credentials) -> String {
    let s3 = env.s3_client(root, HOME);
    let bucket = env.desired.bucket().as_str();
    match s3.delete_bucket_policy().bucket(bucket).send().await {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or_default().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_session_deletes_the_bucket_policy_without_a_guardrail_and_locked_logs_stay() {
    let env = provisioned(MINIMAL).await;
    let drift = env.run(MINIMAL, &["drift", "--check", "org-root-access"]).await;
    assert_eq!(drift.code, 11, "{}", drift.text());
    assert!(drift.stdout.contains("root sessions are enabled"), "{}", drift.stdout);
    let root = root_session(&env).await.unwrap();
    // The session is for its task only.
    let s3 = env.s3_client(root.clone(), HOME);
    let bucket = env.desired.bucket().as_str();
    assert!(s3.list_objects_v2().bucket(bucket).send().await.is_err());
    assert_eq!(delete_policy(&env, root).await, "ok");
    // Object Lock still protects what was delivered.
    let key = env.sandbox.keys_raw(bucket, "AWSLogs/").remove(0);
    let archive = env.archive();
    let head = archive.s3().head_object().bucket(bucket).key(&key).send().await.unwrap();
    let delete = archive.s3().delete_object().bucket(bucket).key(&key);
    let deleted = delete.version_id(head.version_id.unwrap()).send().await;
    assert_eq!(deleted.unwrap_err().code(), Some("AccessDenied"));
    // The lost policy is drift.
    let drift = env.run(MINIMAL, &["drift"]).await;
    assert_eq!(drift.code, 11, "{}", drift.text());
    assert!(drift.stdout.contains("bucket-tls-only"), "{}", drift.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardrail_binds_a_root_session() {
    let config = format!("{MINIMAL}[guardrail]\nenabled = true\n");
    let env = provisioned(&config).await;
    let drift = env.run(&config, &["drift", "--check", "org-root-access"]).await;
    assert_eq!(drift.code, 0, "{}", drift.text());
    let root = root_session(&env).await.unwrap();
    assert_eq!(delete_policy(&env, root).await, "AccessDenied");
    // Without root sessions, nobody assumes the root user.
    let off = env.management();
    off.iam().disable_organizations_root_sessions().send().await.unwrap();
    assert_eq!(root_session(&env).await.unwrap_err(), "AccessDenied");
}
