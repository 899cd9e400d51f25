//! `orgtrail accept`, and what `verify`, `consolidate` and bundles make of it.

use std::path::Path;

use aws_sdk_s3::types::ObjectLockMode;
use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::accept::record_key;
use orgtrail::archive::consolidate::record::sha256_hex;
use orgtrail::archive::key::ObjectKey;
use orgtrail::aws::WriteClients;
use serde_json::Value;

use crate::consolidate_env::log_body;
use crate::forge::gzip;
use crate::program::{Finished, finish, orgtrail};
use crate::rounds::{ARCHIVE, LEGACY, LegacyEnv};

const JSON: [&str; 2] = ["--format", "json"];

async fn verify(env: &LegacyEnv) -> (i32, Value) {
    let output = env.run(&["verify", "--format", "json"]).await;
    (output.code, output.json())
}

/// Accepts an object, and lists the record in the configuration.
async fn accept(env: &mut LegacyEnv, key: &str, more: &[&str]) -> Finished {
    let arguments = ["accept", key, "--reason", "known: ticket 4711", "--yes"];
    let accepted = env.run(&[&arguments[..], more].concat()).await;
    env.trust_acceptances();
    accepted
}

/// The one finding of an object.
fn of<'a>(report: &'a Value, key: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["key"] == key).unwrap_or_else(|| panic!("{report:#}"))
}

async fn put(clients: &WriteClients, key: &str, body: Vec<u8>) {
    let put = clients.s3().put_object().bucket(ARCHIVE).key(key).body(body.into());
    put.checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256).send().await.unwrap();
}

/// A log that the organization's trail delivered, in the middle of what digests cover.
fn delivered(env: &LegacyEnv) -> String {
    let first = env.delivered();
    let parsed = |key: &str| key.parse::<ObjectKey>().unwrap();
    let lane = parsed(&first);
    let folder = lane.root().folder(lane.account(), lane.kind().folder(), lane.region());
    let after = env.sandbox.now() - SignedDuration::from_hours(20);
    let keys = env.sandbox.keys_raw(ARCHIVE, &folder);
    let inner = keys.iter().find(|key| parsed(key).time() > after);
    inner.unwrap_or_else(|| panic!("{keys:#?}")).clone()
}

/// A log's key beside another that nobody wrote.
fn beside(key: &str) -> String {
    let (rest, _) = key.rsplit_once('_').unwrap();
    format!("{rest}_bbbbbbbbbbbbbbbb.json.gz")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_is_accepted_is_a_notice_with_who_and_why() {
    let mut env = LegacyEnv::new().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let archive = env.archive();
    let listed = delivered(&env);
    let foreign = beside(&listed);
    put(&archive, &foreign, log_body("nobody's")).await;
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &foreign)["kind"]), (13, &"log-unlisted".into()), "{report:#}");

    // Nobody is there to ask, and nothing is accepted that is not found.
    let unasked = env.run(&["accept", &foreign, "--reason", "why"]).await;
    assert_eq!(unasked.code, 2, "{}", unasked.text());
    let fine = accept(&mut env, &listed, &[]).await;
    assert_eq!(fine.code, 12, "{}", fine.text());
    let absent = accept(&mut env, &foreign.replace(&"b".repeat(16), &"c".repeat(16)), &[]).await;
    assert_eq!(absent.code, 2, "{}", absent.text());
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/accepted/"), Vec::<String>::new());

    let accepted = accept(&mut env, &foreign, &JSON).await;
    assert_eq!(accepted.code, 0, "{}", accepted.text());
    let printed = accepted.json();
    assert_eq!(printed["record_key"], "orgtrail/accepted/000000000000.json");
    assert!(printed["locked_until"].is_string(), "{printed:#}");
    let head = archive.s3().head_object().bucket(ARCHIVE);
    let head = head.key(printed["record_key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Governance));

    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 0, "{report:#}");
    let finding = of(&report, &foreign);
    assert_eq!(finding["severity"], "notice");
    assert_eq!(finding["accepted"]["reason"], "known: ticket 4711");
    assert_eq!(finding["accepted"]["original_severity"], "broken");
    assert!(
        finding["accepted"]["accepted_by"].as_str().unwrap().starts_with("arn:aws:"),
        "{finding:#}"
    );
    assert_eq!(report["summary"]["findings"]["accepted"], 1);
    let text = env.run(&["verify"]).await.text();
    assert!(text.contains("accepted: by arn:aws:") && text.contains("ticket 4711"), "{text}");
    assert!(text.contains("1 finding was accepted"), "{text}");
    let listed = env.run(&["accept", "--list"]).await;
    assert_eq!(listed.code, 0, "{}", listed.text());
    assert!(listed.text().contains(&foreign) && listed.text().contains("ticket 4711"));

    // It holds for these bytes and this version: not for others, nor for the same again.
    for body in [log_body("nobodyS"), log_body("nobody's")] {
        put(&archive, &foreign, body).await;
        let (exit, report) = verify(&env).await;
        assert_eq!(exit, 13, "{report:#}");
        let found = of(&report, &foreign)["found"].as_str().unwrap().to_owned();
        assert!(found.contains("accepts a different version or different bytes"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_file_contradicts_its_digest_must_be_named() {
    let mut env = LegacyEnv::new().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let archive = env.archive();
    let log = delivered(&env);
    let foreign = beside(&log);
    put(&archive, &log, gzip(b"{\"Records\":[]}")).await;
    put(&archive, &foreign, log_body("nobody's")).await;
    assert_eq!(verify(&env).await.0, 13);
    let refused = accept(&mut env, &log, &[]).await;
    assert_eq!(refused.code, 12, "{}", refused.text());
    assert!(refused.text().contains("--contradicts-digest"), "{}", refused.text());
    let accepted = accept(&mut env, &log, &["--contradicts-digest"]).await;
    assert_eq!(accepted.code, 0, "{}", accepted.text());
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 13, "{report:#}");
    assert_eq!(of(&report, &log)["severity"], "notice");
    assert_eq!(accept(&mut env, &foreign, &[]).await.code, 0);
    assert_eq!(verify(&env).await.0, 0);

    // A record that says less than it takes, and one that is changed, accept nothing.
    let key = "orgtrail/accepted/000000000000.json";
    let record = env.sandbox.body_raw(ARCHIVE, key).unwrap().to_vec();
    let weaker = String::from_utf8(record.clone()).unwrap();
    // It states AWS's time, which this machine's clock is a day behind.
    let stated: Value = serde_json::from_str(&weaker).unwrap();
    let at: Timestamp = stated["accepted_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(env.sandbox.now().duration_since(at).as_mins(), 0, "{weaker}");
    let weaker = weaker.replace("\"contradicts_digest\": true", "\"contradicts_digest\": false");
    put(&archive, key, weaker.into_bytes()).await;
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &log)["severity"]), (13, &"broken".into()), "{report:#}");
    let invalid = of(&report, "orgtrail/accepted/000000000001.json");
    assert_eq!(invalid["kind"], "acceptance-invalid", "{report:#}");
    assert_eq!(env.run(&["accept", "--list"]).await.code, 13);
    put(&archive, key, record).await;

    // Who copies the record to other numbers accepts no other object.
    let other = env.sandbox.body_raw(ARCHIVE, key).unwrap().to_vec();
    put(&archive, "orgtrail/accepted/000000000002.json", other).await;
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 13, "{report:#}");
    let invalid = of(&report, "orgtrail/accepted/000000000002.json");
    assert_eq!(invalid["kind"], "acceptance-invalid", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_in_quarantine_ends_the_waiting_and_stays_told() {
    let mut env = LegacyEnv::new().await;
    // The member replaced a log of its trail, and put a file beside it.
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap().clone();
    let junk = beside(&log);
    env.sandbox.put_raw(LEGACY, &log, gzip(b"{\"Records\":[]}")).unwrap();
    env.sandbox.put_raw(LEGACY, &junk, Vec::new()).unwrap();
    let consolidated = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(consolidated.code, 14, "{}", consolidated.text());
    assert!(consolidated.text().contains("2 objects in quarantine"), "{}", consolidated.text());
    let kept = env.sandbox.keys_raw(ARCHIVE, "orgtrail/quarantine/");
    let kept = |key: &str| {
        let there = env.relocated(key);
        kept.iter().find(|kept| kept.ends_with(&there)).unwrap().clone()
    };
    let (kept_junk, kept_log) = (kept(&junk), kept(&log));
    // The log is missing, as its digest says; what no digest lists is not missed.
    let there = env.relocated(&log);
    let (exit, report) = verify(&env).await;
    assert_eq!((exit, &of(&report, &there)["kind"]), (13, &"log-missing".into()), "{report:#}");
    assert!(!report.to_string().contains(&env.relocated(&junk)), "{report:#}");

    assert_eq!(accept(&mut env, &kept_junk, &[]).await.code, 0);
    assert_eq!(accept(&mut env, &kept_log, &[]).await.code, 12);
    let accepted = accept(&mut env, &kept_log, &["--contradicts-digest"]).await;
    assert_eq!(accepted.code, 0, "{}", accepted.text());
    let (exit, report) = verify(&env).await;
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(of(&report, &there)["accepted"]["reason"], "known: ticket 4711");
    let consolidated = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(consolidated.code, 0, "{}", consolidated.text());
    assert!(consolidated.text().contains("2 objects in quarantine, and accepted"));

    // A bundle takes the records along, and what they speak of.
    let folder = tempfile::tempdir().unwrap();
    let from = env.sandbox.now() - SignedDuration::from_hours(60);
    // All whose digests are delivered by now, whenever the bundle is opened.
    let until = env.sandbox.now() - SignedDuration::from_hours(2);
    let window = [from.to_string(), until.to_string()];
    let pack = ["evidence", "--from", &window[0], "--until", &window[1], "-o", "b.tar.zst"];
    let packed = env.run_in(folder.path(), &pack).await;
    assert!([0, 14].contains(&packed.code), "{}", packed.text());
    // Whoever packed the bundle may have written the acceptances in it.
    let (exit, report) = offline(folder.path(), "b.tar.zst", &[]);
    assert_eq!((exit, &of(&report, &there)["severity"]), (13, &"broken".into()), "{report:#}");
    let record = sha256_hex(&env.sandbox.body_raw(ARCHIVE, &record_key(None, 1)).unwrap());
    let trail = "arn:aws:cloudtrail:us-east-1:111111111111:trail/orgtrail";
    let trusted = ["--acceptance", &record.to_uppercase(), "--declared-trail", trail];
    let (exit, report) = offline(folder.path(), "b.tar.zst", &trusted);
    assert_eq!(exit, packed.code, "{report:#}");
    assert_eq!(of(&report, &there)["severity"], "notice", "{report:#}");
    assert_eq!(of(&report, &there)["accepted"]["number"], 1);
}

/// The keys that AWS listed when a bundle was packed, as a file: the sandbox that listed
/// them is trusted here, a bundle never is.
pub(crate) fn keys_of_aws(folder: &Path, bundle: &str) -> String {
    let unpacked = orgtrail::archive::bundle::unpack(&folder.join(bundle), folder).unwrap();
    let keys = folder.join("keys.json");
    std::fs::copy(unpacked.path("public-keys.json"), &keys).unwrap();
    keys.to_str().unwrap().to_owned()
}

/// Verifies without a network or an account.
fn offline(folder: &Path, bundle: &str, more: &[&str]) -> (i32, Value) {
    // The configuration of who packed it is no part of who verifies it.
    std::fs::remove_file(folder.join("orgtrail.toml")).ok();
    let arguments = ["verify", bundle, "--offline", "--format", "json"];
    let mut command = orgtrail(folder, &[&arguments[..], more].concat());
    let output = finish(command.args(["--public-keys", &keys_of_aws(folder, bundle)]));
    (output.code, output.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_object_that_takes_a_digests_key_can_be_accepted_and_blocks_nothing() {
    let mut env = LegacyEnv::new().await;
    let digest = env.legacy.iter().find(|key| key.contains("/CloudTrail-Digest/")).unwrap();
    let taken = env.relocated(digest);
    env.sandbox.put_raw(ARCHIVE, &taken, crate::forge::gzip(b"{\"planted\":true}")).unwrap();
    let ran = env.run(&["consolidate", "--yes", "--format", "json"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert_eq!(ran.json()["counts"]["conflicts"], 1, "{}", ran.text());

    let accepted = accept(&mut env, &taken, &["--contradicts-digest"]).await;
    assert_eq!(accepted.code, 0, "{}", accepted.text());
    for arguments in
        [&["consolidate", "--dry-run"][..], &["consolidate", "--yes"], &["consolidate", "--yes"]]
    {
        let ran = env.run(&[arguments, &["--format", "json"]].concat()).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.text());
        let counts = &ran.json()["counts"];
        assert_eq!((&counts["conflicts"], &counts["accepted"]), (&0.into(), &1.into()));
    }
    // What CloudTrail wrote is kept, and the archive's object is as it was.
    let kept = env.sandbox.keys_raw(ARCHIVE, "orgtrail/quarantine/");
    assert_eq!(kept.len(), 1, "{kept:#?}");
    assert!(kept[0].ends_with(&taken), "{kept:#?}");

    // Another object under the key was not accepted.
    env.sandbox.put_raw(ARCHIVE, &taken, crate::forge::gzip(b"{\"another\":true}")).unwrap();
    let ran = env.run(&["consolidate", "--yes", "--format", "json"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert_eq!(ran.json()["counts"]["conflicts"], 1, "{}", ran.text());
}
