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
    let stage = ConfiguredEnv::new(CONFIG).await;
    stage.sandbox.encrypt_digests(with);
    stage.converge().await;
    stage.sandbox.tick(SignedDuration::from_hours(26));
    stage
}

async fn drift(stage: &ConfiguredEnv) -> Run {
    let now = stage.sandbox.now();
    let facts = Box::pin(Facts::gather(&stage.aws, stage.desired.clone(), now, &Silent)).await;
    Run::of(&facts, CATALOGUE)
}

fn finding<'a>(run: &'a Run, check: &str) -> &'a Finding {
    run.findings.iter().find(|finding| finding.check == check).unwrap()
}

/// How the newest digest of the management account is encrypted.
async fn encryption(stage: &ConfiguredEnv) -> String {
    let archive = stage.archive();
    let folder =
        format!("AWSLogs/{}/111111111111/CloudTrail-Digest/us-east-1/", stage.desired.org_id());
    let newest = stage.sandbox.keys_raw(BUCKET, &folder).into_iter().max().unwrap();
    let head = archive.s3().head_object().bucket(BUCKET).key(newest).send().await.unwrap();
    head.server_side_encryption.unwrap().as_str().to_owned()
}

/// Has the bucket's policy refuse what does not come with an encryption.
async fn take_only(stage: &ConfiguredEnv, encryption: &str) {
    let archive = stage.archive();
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
        let stage = recorded(with).await;
        assert_eq!(encryption(&stage).await, wanted);
        let run = drift(&stage).await;
        assert!(!run.has_drift(Severity::Low) && !run.has_unknown(Severity::Low), "{}", text(&run));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_takes_the_key_alone_is_right_where_digests_come_with_it() {
    let stage = recorded(DigestEncryption::TrailKey).await;
    take_only(&stage, "aws:kms").await;
    stage.sandbox.tick(SignedDuration::from_hours(8));
    let run = drift(&stage).await;
    assert_eq!(finding(&run, "bucket-policy-digest-safe").verdict, Verdict::Holds);
    assert_eq!(finding(&run, "org-delivery-freshness").verdict, Verdict::Holds);

    let stage = recorded(DigestEncryption::SseS3).await;
    take_only(&stage, "aws:kms").await;
    let run = drift(&stage).await;
    let found = finding(&run, "bucket-policy-digest-safe");
    assert!(matches!(&found.verdict, Verdict::Broken { found, .. } if found.contains("AES256")));
}

/// Has the key refuse its use for reading to everybody but CloudTrail.
async fn keep_from_decrypting(stage: &ConfiguredEnv) -> String {
    let archive = stage.archive();
    let alias = stage.desired.config.key.alias.to_string();
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
    let stage = recorded(DigestEncryption::TrailKey).await;
    let key = keep_from_decrypting(&stage).await;
    let run = drift(&stage).await;
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
    let stage = retire_env::with_legacy_trail(6).await;
    let key = keep_from_decrypting(&stage).await;
    let ran = stage.run(&retire_env::config(), &["verify"]).await;
    assert_eq!(ran.code, 14, "{}{}", ran.stdout, ran.stderr);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains(&format!("lacks kms:Decrypt on {key}")), "{said}");
}
