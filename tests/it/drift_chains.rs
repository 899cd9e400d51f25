//! Digests that are deleted from the archive while drift looks on.

use orgtrail::checks::{CATALOGUE, Facts, Run, Scope, Silent, Verdict};

use crate::configured::ConfiguredEnv;

/// Without a lock and the guard in the policy, an administrator can delete.
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

/// Where `org-digest-chain` is broken.
async fn broken(env: &ConfiguredEnv) -> Vec<String> {
    let now = env.sandbox.now();
    let facts = Box::pin(Facts::gather(&env.aws, env.desired.clone(), now, &Silent)).await;
    let run = Run::of(&facts, CATALOGUE);
    let findings = run.findings.iter().filter(|one| one.check == "org-digest-chain");
    let broken = findings.filter(|one| matches!(one.verdict, Verdict::Fail { .. }));
    let scope = |scope: &Scope| scope.to_string();
    broken.map(|one| scope(&one.scope)).collect()
}

/// Deletes digests and logs of an account and Region, from the newest back.
async fn delete(env: &ConfiguredEnv, kind: &str, account: &str, newest: usize) {
    let archive = env.archive();
    let bucket = env.desired.bucket().to_string();
    let org = env.desired.org_id();
    let folder = format!("AWSLogs/{org}/{account}/{kind}/us-east-1/");
    let listed = archive.s3().list_objects_v2().bucket(&bucket).prefix(folder);
    let listed = listed.send().await.unwrap().contents.unwrap_or_default();
    let mut keys: Vec<String> = listed.into_iter().filter_map(|object| object.key).collect();
    keys.sort();
    for key in keys.into_iter().rev().take(newest) {
        archive.s3().delete_object().bucket(&bucket).key(key).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_digests_that_were_deleted_are_found() {
    let env = ConfiguredEnv::new(CONFIG).await;
    env.converge().await;
    // Nothing is due yet.
    assert_eq!(broken(&env).await, [""; 0]);
    env.sandbox.tick(jiff::SignedDuration::from_hours(30));
    assert_eq!(broken(&env).await, [""; 0]);
    // Those of the last two hours.
    delete(&env, "CloudTrail-Digest", "333333333333", 2).await;
    assert_eq!(broken(&env).await, ["333333333333 us-east-1"]);
    // All that were ever delivered, with the logs: not even the folder is left.
    delete(&env, "CloudTrail-Digest", "222222222222", 1000).await;
    delete(&env, "CloudTrail", "222222222222", 1000).await;
    assert_eq!(broken(&env).await, ["222222222222 us-east-1", "333333333333 us-east-1"]);
}
