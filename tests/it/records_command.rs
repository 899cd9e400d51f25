//! `orgtrail records`: the runs are shown, and what was done to their records.

use aws_sdk_s3::types::StorageClass;
use orgtrail::archive::consolidate::copy::{Target, WriteTarget};
use orgtrail::archive::consolidate::ledger::{Ledger, Tip};
use orgtrail::archive::consolidate::record::{
    Counts, FORMAT_VERSION, Head, ObjectRow, Outcome, Row, Segment, segment_key,
};
use orgtrail::aws::{Clients, WriteAuthority};
use orgtrail::sandbox::{Effect, Fault};
use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;

const BUCKET: &str = "acme-log-archive";

/// An archive with the records of four runs, the second of them killed.
async fn recorded() -> ConfiguredEnv {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let ledger = Ledger::new(target(&env), None);
    let writer = WriteTarget::new(target(&env), &WriteAuthority::granted());
    let mut tip = Tip::default();
    for number in 0..4_u64 {
        let head = Head { run_id: format!("run-{number}"), ..head(0) };
        let totals = Counts { source: 7, copied: 7, copied_bytes: 70, ..Counts::default() };
        let mut rows = vec![Row::Begin { options: Value::Null }];
        rows.extend((0..7).map(|_| Row::Object(copied())));
        if number != 1 {
            rows.push(Row::End {
                totals,
                complete: true,
                proven_through: [].into(),
                full_listing_at: jiff::Timestamp::UNIX_EPOCH,
            });
        }
        ledger.append(&writer, &mut tip, head, rows).await.unwrap();
    }
    env
}

/// A log of 10 bytes that a run copied.
fn copied() -> ObjectRow {
    ObjectRow {
        key: "AWSLogs/x".to_owned(),
        origin_bucket: "old".to_owned(),
        origin_key: "AWSLogs/x".to_owned(),
        size_bytes: 10,
        sha256: None,
        outcome: Outcome::Copied,
        reason: None,
        copy_method: None,
        archived: None,
        quarantined_as: None,
    }
}

fn target(env: &ConfiguredEnv) -> Target {
    Target {
        clients: Clients::clone(&env.archive()),
        bucket: BUCKET.parse().unwrap(),
        storage_class: StorageClass::Standard,
        part_bytes: 5 << 20,
    }
}

/// Who writes, and when.
fn head(number: u64) -> Head {
    Head {
        version: FORMAT_VERSION,
        number,
        previous_sha256: None,
        run_id: "run".to_owned(),
        written_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        written_with: "orgtrail test".to_owned(),
    }
}

#[tokio::test]
async fn a_segment_that_arrived_without_an_answer_is_not_written_again() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let ledger = Ledger::new(target(&env), None);
    let writer = WriteTarget::new(target(&env), &WriteAuthority::granted());
    let rows = |asked: &str| vec![Row::Begin { options: asked.into() }];
    let (mut ours, mut theirs) = (Tip::default(), Tip::default());
    ledger.append(&writer, &mut ours, head(0), rows("ours")).await.unwrap();
    // Another run has written behind it, when its writer tries again.
    ledger.append(&writer, &mut theirs, head(0), rows("theirs")).await.unwrap();
    let mut again = Tip::default();
    ledger.append(&writer, &mut again, head(0), rows("ours")).await.unwrap();
    assert_eq!(again, theirs);
    assert_eq!(ledger.numbers().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_record_with_the_last_number_blocks_no_other() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let last = 999_999_999_999;
    let segment = Segment { head: head(last), rows: Vec::new() };
    let put = env.archive().s3().put_object().bucket(BUCKET).key(segment_key(None, last));
    put.body(segment.encode().unwrap().into()).send().await.unwrap();
    let ledger = Ledger::new(target(&env), None);
    let writer = WriteTarget::new(target(&env), &WriteAuthority::granted());
    let mut end = ledger.end(head(0).written_at, false).await.unwrap();
    assert_eq!((end.tip.next, end.faults.len()), (0, 1), "{end:?}");
    ledger.append(&writer, &mut end.tip, head(0), Vec::new()).await.unwrap();
    assert_eq!(end.tip.next, 1);
}

async fn records(env: &ConfiguredEnv) -> (i32, Value) {
    let ran = env.run(MINIMAL, &["records", "--format", "json"]).await;
    (ran.code, ran.json())
}

#[tokio::test]
async fn whole_records_are_proven_and_their_runs_shown() {
    let env = recorded().await;
    let (code, said) = records(&env).await;
    assert_eq!(code, 0, "{said:#}");
    assert_eq!((&said["consistent"], &said["records"]), (&true.into(), &4.into()));
    assert_eq!(said["authenticated"], false);
    let runs = said["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    assert_eq!(runs[0]["counts"]["copied"], 7);
    assert_eq!((&runs[0]["complete"], &runs[1]["complete"]), (&true.into(), &Value::Null));
    let text = env.run(MINIMAL, &["records"]).await.stdout;
    assert!(text.contains("killed") && text.contains("CONSISTENT: 4 records of 4 runs"), "{text}");
}

#[tokio::test]
async fn a_record_that_was_taken_away_shows() {
    for number in [0, 2, 3] {
        let env = recorded().await;
        let s3 = env.archive();
        let key = segment_key(None, number);
        s3.s3().delete_object().bucket(BUCKET).key(&key).send().await.unwrap();
        let (code, said) = records(&env).await;
        assert_eq!(code, 13, "{number}: {said:#}");
        assert_eq!(said["faults"].as_array().unwrap().len(), 1, "{said:#}");
        assert_eq!(said["faults"][0]["first_record"], number);
    }
}

#[tokio::test]
async fn a_record_that_was_written_over_shows() {
    let env = recorded().await;
    let s3 = env.archive();
    let ledger = Ledger::new(target(&env), None);
    let numbers = ledger.numbers().await.unwrap();
    let other = ledger.stored(2, numbers[2].1).await.unwrap();
    let put = s3.s3().put_object().bucket(BUCKET).key(segment_key(None, 1));
    put.body(other.to_vec().into()).send().await.unwrap();
    let (code, said) = records(&env).await;
    assert_eq!(code, 13, "{said:#}");
    let faults = said["faults"].as_array().unwrap();
    assert!(faults.iter().any(|f| f["first_record"] == 1), "{said:#}");
    assert!(faults.iter().any(|f| f["reason"].as_str().unwrap().contains("overwritten")));
    // The one after it no longer follows.
    assert!(faults.iter().any(|f| f["first_record"] == 2), "{said:#}");
}

#[tokio::test]
async fn a_name_that_is_far_ahead_is_one_fault() {
    let env = recorded().await;
    let s3 = env.archive();
    let foreign = ["orgtrail/runs/5.jsonl.gz", "orgtrail/runs/18446744073709551615.jsonl.gz"];
    for key in [segment_key(None, 999_999_999_999)].into_iter().chain(foreign.map(str::to_owned)) {
        let put = s3.s3().put_object().bucket(BUCKET).key(key);
        put.body(b"nothing".to_vec().into()).send().await.unwrap();
    }
    let (code, said) = records(&env).await;
    assert_eq!(code, 13, "{said:#}");
    // What is missing before it, and itself.
    assert_eq!(said["faults"].as_array().unwrap().len(), 2, "{said:#}");
}

#[tokio::test]
async fn a_listing_of_versions_that_is_cut_proves_nothing() {
    let env = recorded().await;
    env.sandbox.faults().inject(Fault::every("s3:ListObjectVersions", Effect::Truncate));
    let ran = env.run(MINIMAL, &["records"]).await;
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("CONSISTENT"), "{}", ran.stdout);
}
