//! Copies inside S3 into an archive as `apply` makes it: locked, encrypted, and
//! never over what another put there.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{ObjectLockMode, ServerSideEncryption};
use orgtrail::archive::consolidate::record::{ObjectRow, Outcome, Row};
use orgtrail::archive::consolidate::server_side::CopyMethod;
use orgtrail::aws::Clients;
use orgtrail::sandbox::{Effect, Fault};

use crate::configured::ConfiguredEnv;
use crate::consolidate_env;
use crate::env::home;
use crate::retire_env::{BUCKET, account, config, with_legacy_trail};

const ARCHIVE: &str = "acme-log-archive";

/// An environment whose older bucket the archive's account may read.
async fn shared() -> ConfiguredEnv {
    let env = with_legacy_trail(3).await;
    let owner = env.clients(&account(), &home());
    consolidate_env::share(&owner, BUCKET, "*", env.desired.archive()).await;
    env
}

/// The rows of the records, by their keys in the archive.
async fn rows(env: &ConfiguredEnv) -> BTreeMap<String, ObjectRow> {
    let target = consolidate_env::archive(Clients::clone(&env.archive())).target;
    let rows = consolidate_env::rows(target).await;
    rows.into_iter()
        .filter_map(|row| match row {
            Row::Object(object) => Some((object.key.clone(), object)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn what_s3_copies_is_locked_and_encrypted_as_the_archive_demands() {
    let env = shared().await;
    // One at a time: all but the first object, which finds out that S3 copies.
    let ran = env
        .run(&config(), &["consolidate", "--yes", "--copy", "server", "--concurrency", "1"])
        .await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let archive = env.archive();
    let default = archive.s3().get_bucket_encryption().bucket(ARCHIVE).send().await.unwrap();
    let rules = default.server_side_encryption_configuration().unwrap().rules();
    let default = rules[0].apply_server_side_encryption_by_default().unwrap();
    let key = default.kms_master_key_id().unwrap();
    let mut copied = 0;
    for (object, row) in rows(&env).await {
        if row.copy_method != Some(CopyMethod::Server) {
            continue;
        }
        copied += 1;
        let head = archive.s3().head_object().bucket(ARCHIVE).key(&object).send().await.unwrap();
        assert_eq!(head.server_side_encryption(), Some(&ServerSideEncryption::AwsKms), "{object}");
        assert_eq!(head.ssekms_key_id(), Some(key), "{object}");
        assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Governance), "{object}");
        let until = head.object_lock_retain_until_date().unwrap().secs();
        let from = head.last_modified().unwrap().secs();
        assert_eq!((until - from + 43_200) / 86_400, 365, "{object}");
    }
    assert!(copied > 3, "{copied}");
}

#[tokio::test]
async fn a_key_that_another_takes_meanwhile_is_a_conflict() {
    let env = shared().await;
    let logs = format!("AWSLogs/{}/CloudTrail/us-east-1/", account());
    let old = (1..=6).map(|day| consolidate_env::log(&account(), day, 0));
    let old: Vec<String> = old.collect();
    for key in &old {
        env.sandbox.put_raw(BUCKET, key, consolidate_env::log_body("old")).unwrap();
    }
    let victim = old.last().unwrap();
    let root = format!("AWSLogs/{}/", env.sandbox.organization_id().unwrap());
    let taken = victim.replacen("AWSLogs/", &root, 1);
    let lane = logs.replacen("AWSLogs/", &root, 1);
    let before = env.sandbox.keys_raw(ARCHIVE, &lane).len();
    // One at a time and slowly: the other comes between the listing and the copy.
    let slow = Fault::every("s3:CopyObject", Effect::Latency { milliseconds: 600 });
    env.sandbox.faults().inject(slow);
    let arguments =
        ["consolidate", "--yes", "--copy", "server", "--concurrency", "1", "--format", "json"];
    let other = async {
        // The lane was listed before its first object arrives.
        env.until(|it| it.keys_raw(ARCHIVE, &lane).len() > before).await;
        env.sandbox.put_raw(ARCHIVE, &taken, b"another's".to_vec()).unwrap();
    };
    let config = config();
    let (ran, ()) = tokio::join!(env.run(&config, &arguments), other);
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    let said = ran.json();
    assert_eq!(said["counts"]["conflicts"], 1, "{said:#}");
    assert!(said["counts"]["copied_inside_s3"].as_u64().unwrap() > 3, "{said:#}");
    assert_eq!(said["examples"][0]["key"], taken);
    assert_eq!(rows(&env).await[&taken].outcome, Outcome::Conflict);
    assert_eq!(&env.sandbox.body_raw(ARCHIVE, &taken).unwrap()[..], b"another's");
    // In words too, and again, as long as it lies there.
    env.sandbox.faults().clear();
    let ran = env.run(&config, &["consolidate", "--yes", "--copy", "server"]).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stderr.contains("1 object in conflict"), "{}", ran.stderr);
    assert_eq!(&env.sandbox.body_raw(ARCHIVE, &taken).unwrap()[..], b"another's");
}
