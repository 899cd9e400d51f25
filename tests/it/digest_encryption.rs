//! Digests that come with the trail's key, and digests that come under SSE-S3.

use jiff::SignedDuration;
use orgtrail::checks::{CATALOGUE, Facts, Finding, Run, Severity, Silent, Verdict};
use orgtrail::report::drift::text;
use orgtrail::sandbox::DigestEncryption;
use serde_json::{Value, json};

use crate::configured::ConfiguredEnv;
use crate::retire_env;

/// Without the guard in the policy, an administrator can change it.
const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1", "eu-central-1"]
[archive]
bucket = "acme-log-archive"
mfa_delete = "off"
object_lock = { mode = "off" }
"#;

const BUCKET: &str = "acme-log-archive";

async fn recorded(with: DigestEncryption) -> ConfiguredEnv {
    let env = ConfiguredEnv::new(CONFIG).await;
    env.sandbox.encrypt_digests(with);
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(26));
    env
}

async fn drift(env: &ConfiguredEnv) -> Run {
    let now = env.sandbox.now();
    let facts = Box::pin(Facts::gather(&env.aws, env.desired.clone(), now, &Silent)).await;
    Run::of(&facts, CATALOGUE)
}

fn finding<'a>(run: &'a Run, check: &str) -> &'a Finding {
    run.findings.iter().find(|finding| finding.check == check).unwrap()
}

/// How the newest digest of the management account is encrypted.
async fn encryption(env: &ConfiguredEnv) -> String {
    let archive = env.archive();
    let folder =
        format!("AWSLogs/{}/111111111111/CloudTrail-Digest/us-east-1/", env.desired.org_id());
    let newest = env.sandbox.keys_raw(BUCKET, &folder).into_iter().max().unwrap();
    let head = archive.s3().head_object().bucket(BUCKET).key(newest).send().await.unwrap();
    head.server_side_encryption.unwrap().as_str().to_owned()
}

/// Has the bucket's policy refuse what does not come with an encryption.
async fn take_only(env: &ConfiguredEnv, encryption: &str) {
    let archive = env.archive();
    let found = archive.s3().get_bucket_policy().bucket(BUCKET).send().await.unwrap();
    let mut policy: Value = serde_json::from_str(found.policy().unwrap()).unwrap();
    policy["Statement"].as_array_mut().unwrap().push(json!({
        "Sid": "Only", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": format!("arn:aws:s3:::{BUCKET}/*"),
        "Condition": { "StringNotEquals": { "s3:x-amz-server-side-encryption": encryption } },
    }));
    let put = archive.s3().put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
    put.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_declared_policy_takes_digests_either_way() {
    for (with, wanted) in
        [(DigestEncryption::TrailKey, "aws:kms"), (DigestEncryption::SseS3, "AES256")]
    {
        let env = recorded(with).await;
        assert_eq!(encryption(&env).await, wanted);
        let run = drift(&env).await;
        assert!(!run.has_drift(Severity::Low) && !run.has_unknown(Severity::Low), "{}", text(&run));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_takes_the_key_alone_is_right_where_digests_come_with_it() {
    let env = recorded(DigestEncryption::TrailKey).await;
    take_only(&env, "aws:kms").await;
    env.sandbox.tick(SignedDuration::from_hours(8));
    let run = drift(&env).await;
    assert_eq!(finding(&run, "bucket-policy-digest-safe").verdict, Verdict::Pass);
    assert_eq!(finding(&run, "org-delivery-freshness").verdict, Verdict::Pass);

    let env = recorded(DigestEncryption::SseS3).await;
    take_only(&env, "aws:kms").await;
    let run = drift(&env).await;
    let found = finding(&run, "bucket-policy-digest-safe");
    assert!(matches!(&found.verdict, Verdict::Fail { found, .. } if found.contains("AES256")));
}

/// Has the key refuse its use for reading to everybody but CloudTrail.
async fn keep_from_decrypting(env: &ConfiguredEnv) -> String {
    let archive = env.archive();
    let alias = env.desired.config.key.alias.to_string();
    let key = archive.kms().describe_key().key_id(alias).send().await.unwrap();
    let (id, arn) = key.key_metadata.map(|key| (key.key_id, key.arn.unwrap())).unwrap();
    let found = archive.kms().get_key_policy().key_id(&id).policy_name("default");
    let found = found.send().await.unwrap().policy.unwrap();
    let mut policy: Value = serde_json::from_str(&found).unwrap();
    policy["Statement"].as_array_mut().unwrap().push(json!({
        "Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": { "StringLike": { "aws:PrincipalArn": "*" } },
    }));
    let put = archive.kms().put_key_policy().key_id(&id).policy_name("default");
    put.policy(policy.to_string()).send().await.unwrap();
    arn
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_that_cannot_be_decrypted_are_unknown_and_name_the_key() {
    let env = recorded(DigestEncryption::TrailKey).await;
    let key = keep_from_decrypting(&env).await;
    let run = drift(&env).await;
    let found = finding(&run, "org-digest-chain");
    let Verdict::Unknown { reason, permission } = &found.verdict else {
        panic!("{}", text(&run));
    };
    assert_eq!(permission.as_deref(), Some("kms:Decrypt"));
    assert!(reason.contains("kms:Decrypt") && reason.contains(&key), "{reason}");
    assert!(run.causes.iter().any(|cause| cause.id == "denied:kms:Decrypt"), "{}", text(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_is_incomplete_where_digests_cannot_be_decrypted() {
    let env = retire_env::with_legacy_trail(6).await;
    let key = keep_from_decrypting(&env).await;
    let ran = env.run(&retire_env::config(), &["verify"]).await;
    assert_eq!(ran.code, 14, "{}{}", ran.stdout, ran.stderr);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains(&format!("lacks kms:Decrypt on {key}")), "{said}");
}
