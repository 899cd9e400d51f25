//! What `sources`, `consolidate` and `cost` do with a legacy trail.

use aws_sdk_s3::types::StorageClass;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::json;

use crate::env::home;
use crate::program::stop_twice;
use crate::retire_env::{
    BUCKET, MEMBER, TRAIL, account, config, consolidated, orgtrail, trail_is_there,
    with_legacy_trail,
};

#[tokio::test]
async fn copies_of_events_and_the_archive_have_their_price() {
    let env = with_legacy_trail(30).await;
    consolidated(&env).await;
    let said = orgtrail(&env, &["cost", "--exact", "--format", "json"]).await;
    assert_eq!(said.code, 0, "{}", said.stderr);
    let said = said.json();
    assert_eq!(said["organization_trail_logging"], true);
    // All of the older trail's events are a day old, or two.
    let copies = &said["duplicates"][0];
    assert_eq!(copies["source"], format!("s3://{BUCKET}"));
    assert_eq!(copies["trails"][0], TRAIL);
    let read = &copies["basis"]["sampled_management_events"];
    assert!(read.as_u64().unwrap() > 0, "{said:#}");
    assert!(copies["usd_per_month"].as_f64().unwrap() > 0.0, "{said:#}");
    let objects = env.sandbox.keys_raw("acme-log-archive", "").len();
    assert_eq!(said["storage"][0]["storage_class"], "STANDARD");
    assert_eq!(said["storage"][0]["objects"], objects);
    let sampled = orgtrail(&env, &["cost"]).await;
    assert_eq!(sampled.code, 0, "{}", sampled.stderr);
    assert!(sampled.stdout.contains("STANDARD") && sampled.stdout.contains("per month: "));
}

#[tokio::test]
async fn what_the_config_excludes_is_neither_retired_nor_reckoned() {
    let env = with_legacy_trail(3).await;
    let config = format!("{}[consolidate]\nexclude = [\"s3://{BUCKET}\"]\n", config());
    let ran = env.run(&config, &["retire", TRAIL, "--yes"]).await;
    assert_eq!(ran.code, 12, "{}", ran.stderr);
    assert!(ran.stderr.contains("is excluded from consolidation"), "{}", ran.stderr);
    assert!(trail_is_there(&env).await);
    let ran = env.run(&config, &["cost", "--format", "json"]).await;
    let said = ran.json();
    assert_eq!(said["duplicates"], json!([]));
    assert_eq!(said["excluded_sources"][0]["bucket"], BUCKET);
}

#[tokio::test]
async fn what_the_config_declares_is_reckoned_too() {
    let env = with_legacy_trail(3).await;
    let owner = env.clients(&account(), &home());
    owner.s3().create_bucket().bucket("old-logs").send().await.unwrap();
    let config = format!(
        "{}[[consolidate.sources]]\nbucket = \"old-logs\"\naccount = \"{MEMBER}\"\n",
        config()
    );
    let ran = env.run(&config, &["cost", "--format", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = ran.json();
    let sources: Vec<&str> = said["duplicates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, [format!("s3://{BUCKET}").as_str(), "s3://old-logs"]);
}

#[tokio::test]
async fn a_dry_run_tells_once_of_when_its_prices_are() {
    let env = with_legacy_trail(3).await;
    let owner = env.clients(&account(), &home());
    let key = format!(
        "AWSLogs/{MEMBER}/CloudTrail/us-east-1/2020/01/01/\
         {MEMBER}_CloudTrail_us-east-1_20200101T0005Z_0000000000000000.json.gz"
    );
    let put = owner.s3().put_object().bucket(BUCKET).key(key);
    put.storage_class(StorageClass::Glacier).send().await.unwrap();
    let ran = orgtrail(&env, &["consolidate", "--dry-run"]).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("--restore-tier bulk"), "{said}");
    assert_eq!(said.matches("list prices as of").count(), 1, "{said}");
}

#[tokio::test]
async fn regions_that_cannot_be_listed_may_hold_trails() {
    let env = with_legacy_trail(3).await;
    consolidated(&env).await;
    env.sandbox.faults().inject(Fault::every("account:ListRegions", Effect::Deny));
    for arguments in [&["sources"][..], &["consolidate", "--yes"], &["cost"]] {
        let ran = orgtrail(&env, arguments).await;
        assert_eq!(ran.code, 14, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("ListRegions"), "{arguments:?}: {}", ran.stderr);
    }
    // Of those that are declared, none can be missed.
    let named = config().replace("[organization]", "[organization]\nregions = [\"us-east-1\"]");
    let ran = env.run(&named, &["sources"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[tokio::test]
async fn an_account_that_left_nothing_does_not_pass_for_one_that_is_done() {
    let env = with_legacy_trail(3).await;
    let said = "no CloudTrail objects of the selected accounts and Regions";
    for (account, printed) in [("999999999999", true), (MEMBER, false)] {
        let ran = orgtrail(&env, &["consolidate", "--dry-run", "--account", account]).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains(said), printed, "{account}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_saved_hide_nothing_of_what_was_done() {
    let env = with_legacy_trail(3).await;
    // The keys of both Regions are read for the copies, and cannot be read again afterwards.
    let denied = Fault::every("cloudtrail:ListPublicKeys", Effect::Deny);
    env.sandbox.faults().inject(denied.after(2));
    let ran = orgtrail(&env, &["consolidate", "--yes", "--format", "json"]).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    let said = ran.json();
    assert_eq!(said["complete"], false);
    assert!(said["counts"]["copied"].as_u64().unwrap() > 0, "{said:#}");
    let reason = said["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("ListPublicKeys"), "{reason}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_interruption_ends_at_once() {
    use std::process::Stdio;

    let env = with_legacy_trail(3).await;
    env.sandbox.faults().inject(Fault::every("s3:PutObject", Effect::Hang));
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["consolidate", "--yes"];
    let mut command = env.command(folder.path(), &config(), &arguments);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    env.until_struck().await;
    let within = std::time::Duration::from_secs(30);
    let (code, said) = stop_twice(child, ["-INT"; 2], within).await;
    assert_eq!(code, Some(14), "{said}");
    assert!(said.contains("stopped immediately"), "{said}");
}

#[tokio::test]
async fn a_key_writes_no_line_of_its_own() {
    let env = with_legacy_trail(3).await;
    let owner = env.clients(&account(), &home());
    for key in ["Con\nfig/file", "CloudTrail/us-east-1/2020/01/01/read\nme"] {
        let put = owner.s3().put_object().bucket(BUCKET).key(format!("AWSLogs/{MEMBER}/{key}"));
        put.send().await.unwrap();
    }
    for (arguments, shown) in [
        (&["sources"][..], r"/Con\nfig/"),
        (&["consolidate", "--dry-run"], r"/Con\nfig/"),
        (&["consolidate", "--dry-run"], r"/read\nme: "),
    ] {
        let ran = orgtrail(&env, arguments).await;
        assert!(ran.stderr.contains(shown), "{arguments:?}: {}", ran.stderr);
        let alone = |line: &str| line.starts_with("fig") || line.starts_with("me");
        assert!(!ran.stderr.lines().any(alone), "{arguments:?}: {}", ran.stderr);
    }
}
