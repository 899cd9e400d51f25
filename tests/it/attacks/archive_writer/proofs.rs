//! Proof records, and someone who writes one.

use jiff::SignedDuration;
use orgtrail::archive::proofs::ProofRecord;
use serde_json::Value;

use super::mac::started;
use crate::rounds::{ARCHIVE, LegacyEnv};

fn key(number: u64) -> String {
    format!("orgtrail/proofs/{number:012}.jsonl.gz")
}

fn record(env: &LegacyEnv, number: u64) -> ProofRecord {
    let stored = env.sandbox.body_raw(ARCHIVE, &key(number)).unwrap();
    ProofRecord::decode(number, ARCHIVE, &stored).unwrap()
}

async fn incremental(env: &LegacyEnv) -> (i32, Value, String) {
    let output = env.run(&["verify", "--incremental", "--format", "json"]).await;
    (output.code, output.json(), output.text())
}

/// The parts that were not verified now.
fn earlier(report: &Value) -> Vec<&Value> {
    let scopes = report["scopes"].as_array().unwrap().iter();
    scopes.map(|scope| &scope["earlier"]).filter(|earlier| !earlier.is_null()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_leaves_a_record_and_only_one_with_a_mac_is_continued() {
    let (env, ..) = started().await;
    let (code, report, text) = incremental(&env).await;
    assert_eq!(code, 0, "{text}");
    assert!(earlier(&report).is_empty(), "{report:#}");
    assert!(text.contains("there is no usable proof record"), "{text}");

    let ran = env.run(&["run", "consolidate,verify", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    let first = record(&env, 0);
    assert_eq!((first.head.number, &first.head.previous_sha256), (0, &None));
    assert!(first.units.len() > 3, "{}", first.units.len());
    let body = env.sandbox.body_raw(ARCHIVE, &key(0)).unwrap();

    env.sandbox.tick(SignedDuration::from_hours(5));
    let (code, report, text) = incremental(&env).await;
    assert_eq!(code, 0, "{text}");
    let parts = earlier(&report);
    assert_eq!(parts.len(), first.units.len(), "{report:#}");
    for part in &parts {
        assert_eq!(part["record"], key(0));
        assert_eq!(part["is_authenticated"], true);
        assert!(part["before"].as_str() > part["from"].as_str(), "{part:#}");
    }
    let whole = env.run(&["verify", "--format", "json"]).await.json();
    let digests = |report: &Value| report["summary"]["digests"]["valid"].as_u64().unwrap();
    assert!(digests(&report) * 2 < digests(&whole), "{} of {}", digests(&report), digests(&whole));
    let text = env.run(&["verify", "--incremental"]).await.text();
    for part in ["not verified now", &key(0), "PROVEN, and earlier time as recorded at"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // The same content as a later record has no valid MAC, and neither has a forged one.
    env.sandbox.put_raw(ARCHIVE, &key(1), body.to_vec()).unwrap();
    let mut forged = first.clone();
    forged.head.number = 2;
    forged.head.written_at = env.sandbox.now();
    env.sandbox.put_raw(ARCHIVE, &key(2), forged.encode().unwrap()).unwrap();
    let (code, report, text) = incremental(&env).await;
    assert_eq!(code, 0, "{text}");
    assert_eq!(earlier(&report).len(), first.units.len());
    assert!(earlier(&report).iter().all(|part| part["record"] == key(0)), "{report:#}");
    assert!(text.contains("it has no MAC"), "{text}");

    // The next one follows them.
    let refused = env.run(&["verify", "--incremental", "--record"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(refused.text().contains("--yes"), "{}", refused.text());
    let ran = env.run(&["verify", "--incremental", "--record", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains(&format!("recorded as {}", key(3))), "{}", ran.text());
    let next = record(&env, 3);
    assert_eq!(next.units.len(), first.units.len());
    for (next, first) in next.units.iter().zip(&first.units) {
        assert!(next.to > first.to, "{next:?}");
        assert_eq!((next.from, next.whole_at), (first.from, first.whole_at), "{next:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mac_key_the_newest_week_is_verified_whatever_a_record_says() {
    let env = LegacyEnv::new().await;
    let ran = env.run(&["verify", "--record", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    // All of the archive is younger than a week.
    let (code, report, text) = incremental(&env).await;
    assert_eq!(code, 0, "{text}");
    assert!(earlier(&report).is_empty(), "{report:#}");

    // A file that is lost is found, although the record says that its day is proven.
    let logs = env.sandbox.keys_raw(ARCHIVE, "AWSLogs/");
    let log = logs.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    env.sandbox.delete_raw(ARCHIVE, log).unwrap();
    let (code, report, text) = incremental(&env).await;
    assert_eq!(code, 13, "{text}");
    assert!(report.to_string().contains("log-missing"), "{report:#}");
    let units = record(&env, 0).units.len();
    let ran = env.run(&["verify", "--record", "--yes"]).await;
    assert_eq!(ran.code, 13, "{}", ran.text());
    assert_eq!(record(&env, 1).units.len(), units - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_of_the_whole_archive_up_to_now() {
    let env = LegacyEnv::provisioned(2).await;
    for more in [
        &["--since", "2026-01-01T00:00:00Z"][..],
        &["--trail", "orgtrail"],
        &["--public-keys", "keys.json"],
        &["s3://acme-log-archive"],
    ] {
        for option in ["--incremental", "--record"] {
            let arguments = [&["verify", option, "--yes"], more].concat();
            let refused = env.run(&arguments).await;
            assert_eq!(refused.code, 2, "{arguments:?}: {}", refused.text());
            assert!(refused.text().contains("cannot be used with"), "{}", refused.text());
        }
    }
    assert!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/proofs/").is_empty());
}
