//! Someone who can delete objects in the archive, by delete markers or with all their
//! versions: an account, a Region or a chain that is gone as a whole is reported.

use jiff::SignedDuration;
use orgtrail::sandbox::{Effect, Fault};

use crate::env::writer;
use crate::rounds::{ARCHIVE, LEGACY, LegacyEnv};

const MEMBER: &str = "333333333333";
const OTHER: &str = "100000000004";
const VERIFY: [&str; 3] = ["verify", "--since", "2026-03-04T20:00:00Z"];

/// The archive's keys of an account and Region, digests and logs.
fn keys(env: &LegacyEnv, account: &str, region: &str) -> Vec<String> {
    let org = env.sandbox.organization_id().unwrap();
    let folder = format!("AWSLogs/{org}/{account}/");
    let keys = env.sandbox.keys_raw(ARCHIVE, &folder);
    let keys: Vec<String> =
        keys.into_iter().filter(|key| key.contains(&format!("/{region}/"))).collect();
    assert!(keys.len() > 20, "{keys:?}");
    keys
}

/// The folder of an account's digests in the Region that is deleted, as findings name it.
fn folder(account: &str) -> String {
    format!("/{account}/CloudTrail-Digest/eu-central-1/")
}

/// Deletes as S3 does where versions are kept.
async fn delete(env: &LegacyEnv, keys: &[String]) {
    for key in keys {
        let archive = env.archive();
        archive.s3().delete_object().bucket(ARCHIVE).key(key).send().await.unwrap();
    }
}

fn vanish(env: &LegacyEnv, keys: &[String]) {
    for key in keys {
        env.sandbox.delete_raw(ARCHIVE, key).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_region_deleted_by_markers_is_broken_in_a_window_too() {
    let env = LegacyEnv::new().await;
    let before = env.run(&VERIFY).await;
    assert_eq!(before.code, 0, "{}", before.text());
    delete(&env, &keys(&env, MEMBER, "eu-central-1")).await;
    for window in [&VERIFY[..], &["verify", "--until", "2026-03-05T06:00:00Z"], &["verify"]] {
        let ran = env.run(window).await;
        assert_eq!(ran.code, 13, "{window:?}: {}", ran.text());
        assert!(ran.text().contains("delete markers"), "{}", ran.text());
        assert!(ran.text().contains("eu-central-1"), "{}", ran.text());
    }
    let chosen = ["verify", "--account", MEMBER, "--region", "eu-central-1"];
    assert_eq!(env.run(&chosen).await.code, 13);
    // Nothing is said against what was not deleted.
    let other = env.run(&["verify", "--account", OTHER]).await;
    assert_eq!(other.code, 0, "{}", other.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_region_deleted_with_its_versions_is_not_proven() {
    let env = LegacyEnv::new().await;
    env.sandbox.tick(SignedDuration::from_hours(24));
    vanish(&env, &keys(&env, MEMBER, "eu-central-1"));
    // A status reports the newest digest alone: of a window in the past, it says nothing.
    for window in [&VERIFY[..], &["verify", "--until", "2026-03-06T00:00:00Z"], &["verify"]] {
        let ran = env.run(window).await;
        assert!([13, 14].contains(&ran.code), "{window:?}: {}", ran.text());
        assert!(ran.text().contains(&folder(MEMBER)), "{}", ran.text());
    }
    let out = tempfile::tempdir().unwrap();
    let bundle = out.path().join("evidence.tar.zst");
    let bundle = bundle.to_str().unwrap();
    let (from, until) = ("2026-03-04T20:00:00Z", "2026-03-06T00:00:00Z");
    let evidence = ["evidence", "--from", from, "--until", until, "--output", bundle];
    let evidence = env.run(&evidence).await;
    assert_eq!(evidence.code, 14, "{}", evidence.text());
    assert!(evidence.text().contains(&folder(MEMBER)), "{}", evidence.text());
    // Whoever verifies the bundle reads what was missing.
    let verified = env.run(&["verify", bundle]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains("account-missing"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_deleted_for_every_account_is_not_proven() {
    let env = LegacyEnv::new().await;
    for account in ["111111111111", "222222222222", MEMBER, OTHER] {
        vanish(&env, &keys(&env, account, "eu-central-1"));
    }
    let ran = env.run(&VERIFY).await;
    assert!([13, 14].contains(&ran.code), "{}", ran.text());
    assert!(ran.text().contains(&folder("111111111111")), "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_consolidated_chain_and_all_of_it_are_missed() {
    let env = LegacyEnv::new().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let window = ["verify", "--since", "2026-03-03T00:00:00Z"];
    let before = env.run(&window).await;
    assert!(!before.text().contains("delete marker"), "{}", before.text());
    let relocated = env.legacy.iter().map(|key| env.relocated(key));
    let mut digests: Vec<String> =
        relocated.filter(|key| key.contains("/CloudTrail-Digest/us-east-1/")).collect();
    digests.sort();
    let end = digests.split_off(digests.len() - 3);
    delete(&env, &end).await;
    let ran = env.run(&window).await;
    assert_eq!(ran.code, 13, "{}", ran.text());
    assert!(ran.text().contains("3 delete markers"), "{}", ran.text());
    delete(&env, &digests).await;
    let ran = env.run(&window).await;
    assert_eq!(ran.code, 13, "{}", ran.text());
    // Consolidation copies them again: they lie in their source.
    assert!(env.sandbox.keys_raw(LEGACY, "AWSLogs/").len() > 48);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_may_not_be_listed_leave_the_archive_unproven() {
    let env = LegacyEnv::new().await;
    env.sandbox.faults().inject(Fault::every("s3:ListObjectVersions", Effect::Deny));
    let ran = env.run(&VERIFY).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert!(ran.text().contains("s3:ListBucketVersions"), "{}", ran.text());
    // Of a bucket that no configuration guards, it is noted.
    let other = format!("s3://{LEGACY}");
    let ran = env.run(&["verify", &other, "--bucket-owner", MEMBER]).await;
    assert!(ran.text().contains("NOTE deleted-unknown"), "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_joined_today_is_not_missed() {
    let env = LegacyEnv::new().await;
    let clients = writer(&env.aws.own_clients());
    let create = clients.organizations().create_account();
    create.account_name("new").email("new@example.com").send().await.unwrap();
    let ran = env.run(&VERIFY).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
}
