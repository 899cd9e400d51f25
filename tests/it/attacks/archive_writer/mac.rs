//! An archive whose configuration declares a MAC key, before who can write below
//! `orgtrail/` and cannot use the key.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use aws_sdk_s3::types::ChecksumAlgorithm;
use orgtrail::archive::accept::record_key;
use orgtrail::archive::consolidate::record::segment_key;
use orgtrail::aws::WriteClients;
use serde_json::Value;

use super::acceptances::{forged, of, plant, verify};
use super::{forge_record, forged_end};
use crate::env::{MINIMAL, home};
use crate::program::finish_apart;
use crate::rounds::{ARCHIVE, LegacyEnv};

/// An archive with a MAC key, and the clients of the key's account.
pub(super) async fn started() -> (LegacyEnv, WriteClients, String) {
    let mut env = LegacyEnv::new().await;
    let management = "111111111111".parse().unwrap();
    let clients = env.clients(&management, &"eu-central-1".parse().unwrap());
    let create = clients.kms().create_key().key_spec(KeySpec::Hmac256);
    let made = create.key_usage(KeyUsageType::GenerateVerifyMac).send().await.unwrap();
    let arn = made.key_metadata.unwrap().arn.unwrap();
    env.config = format!("{MINIMAL}[records]\nmac_key = \"{arn}\"\n");
    (env, clients, arn)
}

async fn records(env: &LegacyEnv) -> (i32, Value) {
    let output = env.run(&["records", "--format", "json"]).await;
    (output.code, output.json())
}

/// Copies an object of the archive with its metadata.
async fn copy(env: &LegacyEnv, from: &str, to: &str) {
    let archive = env.archive();
    let read = archive.s3().get_object().bucket(ARCHIVE).key(from).send().await.unwrap();
    let metadata = read.metadata.unwrap();
    let put = archive.s3().put_object().bucket(ARCHIVE).key(to);
    let put = put.set_metadata(Some(metadata)).checksum_algorithm(ChecksumAlgorithm::Sha256);
    let body = read.body.collect().await.unwrap().into_bytes();
    put.body(body.into()).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_valid_mac_are_not_trusted_and_those_with_one_are() {
    let (env, _, arn) = started().await;
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    let (exit, report) = records(&env).await;
    assert_eq!((exit, &report["authenticated"]), (0, &true.into()), "{report:#}");
    assert_eq!(report["mac_key"], arn);
    assert_eq!(report["runs"][0]["authenticated_records"], 1, "{report:#}");
    let text = env.run(&["records"]).await.text();
    assert!(text.contains("authenticated: every record has a valid MAC"), "{text}");

    // What a genuine record states complete is not listed again.
    let day = |days: i64| {
        let now = env.sandbox.now().to_zoned(jiff::tz::TimeZone::UTC);
        now.date().checked_sub(jiff::Span::new().days(days)).unwrap().to_string()
    };
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    let there = env.relocated(log);
    env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    let trusting = ["consolidate", "--yes", "--trust-records", "--overlap-days", "0"];
    let at = env.sandbox.now().to_string();
    // Nor a forged one believed, or a genuine one that was copied behind it.
    forge_record(&env, 1, Some(0), &at, forged_end(&env, &day(1)));
    copy(&env, &segment_key(None, 0), &segment_key(None, 2)).await;
    let ran = env.run(&trusting).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("it has no MAC"), "{}", ran.text());
    assert!(ran.text().contains("its head says that it is number 0"), "{}", ran.text());
    assert!(env.sandbox.body_raw(ARCHIVE, &there).is_ok(), "{there} was not listed again");
    let (exit, report) = records(&env).await;
    assert_eq!((exit, &report["authenticated"]), (13, &false.into()), "{report:#}");
    assert!(report["faults"].to_string().contains("it has no MAC"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mac_of_one_acceptance_authenticates_no_other() {
    let (env, ..) = started().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let planted = plant(&env).await;
    let accept = ["accept", &planted, "--reason", "ticket 1", "--yes"];
    let accepted = env.run(&accept).await;
    assert_eq!(accepted.code, 0, "{}", accepted.text());
    assert!(!accepted.text().contains("the record is not authenticated"), "{}", accepted.text());
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &planted)["severity"]), (0, &"notice".into()), "{report:#}");
    let listed = env.run(&["accept", "--list"]).await;
    assert_eq!(listed.code, 0, "{}", listed.text());
    assert!(listed.text().contains("by its MAC"), "{}", listed.text());

    // The attacker alters what was accepted, and writes an acceptance with its metadata.
    env.sandbox.put_raw(ARCHIVE, &planted, b"altered".to_vec()).unwrap();
    let archive = env.archive();
    let head = archive.s3().head_object().bucket(ARCHIVE).key(record_key(None, 0));
    let metadata = head.send().await.unwrap().metadata.unwrap();
    assert_eq!(metadata.len(), 1, "{metadata:?}");
    let body = forged(&env, &planted, 0, None);
    let put = archive.s3().put_object().bucket(ARCHIVE).key(record_key(None, 0));
    let put = put.set_metadata(Some(metadata)).body(body.into());
    put.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 13, "{report:#}");
    let finding = of(&report, &record_key(None, 0));
    assert_eq!(finding["kind"], "acceptance-unauthenticated", "{report:#}");
    assert!(finding["found"].to_string().contains("its MAC is not valid"), "{finding:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_kms_does_not_answer_nothing_is_authenticated_and_nothing_copied() {
    let (env, clients, arn) = started().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let planted = plant(&env).await;
    let accept = ["accept", &planted, "--reason", "ticket 1", "--yes"];
    assert_eq!(env.run(&accept).await.code, 0);
    let late = env.legacy.last().unwrap();
    let there = env.relocated(late);
    env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    let kept = env.sandbox.keys_raw(ARCHIVE, "orgtrail/");
    clients.kms().disable_key().key_id(&arn).send().await.unwrap();
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert!(ran.text().contains("GenerateMac"), "{}", ran.text());
    assert!(env.sandbox.body_raw(ARCHIVE, &there).is_err(), "nothing is copied unrecorded");
    let dry = env.run(&["consolidate", "--dry-run"]).await;
    assert_eq!(dry.code, 14, "{}", dry.text());
    assert!(dry.text().contains("its MAC was not checked"), "{}", dry.text());
    let (exit, report) = records(&env).await;
    assert_eq!((exit, &report["authenticated"]), (14, &false.into()), "{report:#}");
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &planted)["severity"]), (13, &"broken".into()), "{report:#}");
    assert!(report.to_string().contains("its MAC was not checked"), "{report:#}");
    let again = env.run(&accept).await;
    assert_eq!(again.code, 14, "{}", again.text());
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/"), kept, "nothing was written");

    // With the key, all is as it was.
    clients.kms().enable_key().key_id(&arn).send().await.unwrap();
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(verify(&env).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_gets_a_mac_key_later_keeps_its_records() {
    let (mut env, ..) = started().await;
    let with_key = std::mem::replace(&mut env.config, MINIMAL.to_owned());
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    env.config = with_key;
    let (exit, report) = records(&env).await;
    assert_eq!((exit, &report["records_before_mac_key"]), (14, &1.into()), "{report:#}");
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let (exit, report) = records(&env).await;
    assert_eq!((exit, &report["authenticated"]), (0, &false.into()), "{report:#}");
    let reason = report["not_authenticated_reason"].as_str().unwrap();
    assert!(reason.contains("1 of 2 records have a valid MAC"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_declares_no_mac_key() {
    let (env, _, arn) = started().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = env.command(folder.path(), MINIMAL, &["records"]);
    command.env("ORGTRAIL__RECORDS__MAC_KEY", arn);
    let output = finish_apart(command).await;
    assert_eq!(output.code, 2, "{}", output.text());
    assert!(output.text().contains("identity key"), "{}", output.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retirement_counts_with_its_mac_and_not_without() {
    const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:333333333333:trail/old-trail";
    let (env, clients, arn) = started().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let member = "333333333333".parse().unwrap();
    let member = env.clients(&member, &home());
    member.cloudtrail().delete_trail().name(TRAIL).send().await.unwrap();
    assert_eq!(verify(&env).await.0, 14);
    // Where KMS gives no code, nothing is recorded.
    clients.kms().disable_key().key_id(&arn).send().await.unwrap();
    assert_eq!(env.run(&["retire", TRAIL, "--yes"]).await.code, 14);
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/retired/"), Vec::<String>::new());
    clients.kms().enable_key().key_id(&arn).send().await.unwrap();
    let retired = env.run(&["retire", TRAIL, "--yes"]).await;
    assert_eq!(retired.code, 0, "{}", retired.text());
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 0, "{report:#}");
    // The same record without its code is anybody's, and retiring again replaces it.
    let record = env.sandbox.keys_raw(ARCHIVE, "orgtrail/retired/").pop().unwrap();
    let body = env.sandbox.body_raw(ARCHIVE, &record).unwrap().to_vec();
    env.sandbox.put_raw(ARCHIVE, &record, body).unwrap();
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 14, "{report:#}");
    assert!(report.to_string().contains("it has no MAC"), "{report:#}");
    assert_eq!(env.run(&["retire", TRAIL, "--yes"]).await.code, 0);
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 0, "{report:#}");
}
