//! `orgtrail events search` on directories of log files, and on an archive.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::program::{Finished, NOWHERE, finish, orgtrail_at};
use crate::rounds::LegacyEnv;

pub(crate) const ACCOUNT: &str = "111111111111";

pub(crate) fn record(id: &str, time: &str, name: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "alice",
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/alice"), "accountId": ACCOUNT,
        },
        "eventTime": time,
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "eventID": id,
        "recipientAccountId": ACCOUNT,
    })
}

/// Writes a log file where CloudTrail would, named by its time of delivery.
pub(crate) fn deliver(root: &Path, region: &str, delivered: &str, unique: &str, records: &[Value]) {
    let at: jiff::Timestamp = delivered.parse().unwrap();
    let folder = root
        .join(format!("AWSLogs/{ACCOUNT}/CloudTrail/{region}"))
        .join(at.strftime("%Y/%m/%d").to_string());
    fs::create_dir_all(&folder).unwrap();
    let time = at.strftime("%Y%m%dT%H%MZ");
    let name = format!("{ACCOUNT}_CloudTrail_{region}_{time}_{unique}.json.gz");
    let mut file =
        GzEncoder::new(fs::File::create(folder.join(name)).unwrap(), Compression::fast());
    file.write_all(json!({ "Records": records }).to_string().as_bytes()).unwrap();
    file.finish().unwrap();
}

fn search(folder: &Path, arguments: &[&str]) -> Finished {
    let arguments = [&["events", "search"], arguments].concat();
    finish(&mut orgtrail_at(NOWHERE, folder, &arguments))
}

/// Names of events, in the order of the output.
fn names(lines: &str) -> Vec<String> {
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    lines.lines().map(|line| read(line)["eventName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_of_a_directory_are_found_in_order_once_and_without_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let (a, b) = (
        record("id-a", "2026-01-01T10:03:00Z", "CreateTrail"),
        record("id-b", "2026-01-01T10:01:00Z", "StopLogging"),
    );
    deliver(
        &logs,
        "us-east-1",
        "2026-01-01T10:05:00Z",
        "aaaaaaaaaaaaaaaa",
        std::slice::from_ref(&a),
    );
    // Another trail delivers a copy.
    deliver(&logs, "us-east-1", "2026-01-01T10:05:00Z", "bbbbbbbbbbbbbbbb", &[b, a]);
    let late = record("id-c", "2026-01-01T10:02:00Z", "DeleteTrail");
    deliver(&logs, "eu-west-1", "2026-01-01T10:20:00Z", "cccccccccccccccc", &[late]);
    let all = search(folder.path(), &["--in", "logs", "--format", "jsonl"]);
    assert_eq!(all.code, 0, "{}", all.text());
    assert_eq!(names(&all.stdout), ["StopLogging", "DeleteTrail", "CreateTrail"]);
    assert!(
        all.stderr.contains(
            "3 events (and 1 more copy of them) in 4 records, 3 log files of 1 account × 2 Regions"
        ),
        "{}",
        all.text()
    );
    for (arguments, wanted) in [
        (&["{ $.eventName = Stop* }"][..], &["StopLogging"][..]),
        (&["--event", "CreateTrail", "--event", "Delete*"], &["DeleteTrail", "CreateTrail"]),
        (&["--region", "eu-west-1"], &[]),
        (&["--since", "2026-01-01T10:02:00Z", "--until", "2026-01-01T10:02:30Z"], &["DeleteTrail"]),
        (&["--since", "2026-01-02"], &[]),
        (&["--principal", "alice", "--limit", "1"], &["StopLogging"]),
        (&["--source-ip", "203.0.113.0/24"], &[]),
        (&["--errors"], &[]),
    ] {
        let arguments = [arguments, &["--in", "logs", "--format", "jsonl"]].concat();
        let found = search(folder.path(), &arguments);
        assert_eq!(names(&found.stdout), wanted, "{arguments:?}: {}", found.text());
    }
    let text = search(folder.path(), &["--in", "logs", "--event", "StopLogging"]);
    assert!(
        text.stdout.starts_with(
            "2026-01-01T10:01:00Z  111111111111  us-east-1       StopLogging (cloudtrail)"
        ),
        "{}",
        text.text()
    );
    let csv = search(folder.path(), &["--in", "logs", "--format", "csv"]);
    assert_eq!(csv.stdout.lines().count(), 4);
    let json = search(folder.path(), &["--in", "logs", "--format", "json"]).json();
    assert_eq!(json["events"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&json["summary"]["files"]["read"], &json["summary"]["copies"]),
        (&json!(3), &json!(1))
    );
}

#[test]
fn a_negative_answer_says_what_was_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    deliver(
        &logs,
        "us-east-1",
        "2026-01-01T10:05:00Z",
        "aaaaaaaaaaaaaaaa",
        &[record("a", "2026-01-01T10:03:00Z", "X")],
    );
    deliver(&logs, "us-east-1", "2026-01-03T10:05:00Z", "bbbbbbbbbbbbbbbb", &[]);
    let damaged = logs.join(format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/01/03/{ACCOUNT}_CloudTrail_us-east-1_20260103T1010Z_cccccccccccccccc.json.gz"
    ));
    fs::write(&damaged, [0x1f, 0x8b, 8, 0, 0]).unwrap();
    let found = search(folder.path(), &["--in", "logs", "--event", "Nothing"]);
    assert_eq!(found.code, 14, "{}", found.text());
    for part in [
        "0 events in 1 record",
        "days without log files: 1, the first is 2026-01-02",
        "INCOMPLETE: 1 file could not be read",
        "cccccccccccccccc",
        "proof: not checked",
    ] {
        assert!(found.stdout.contains(part), "{part}: {}", found.text());
    }
    let nothing = folder.path().join("empty");
    fs::create_dir(&nothing).unwrap();
    let none = search(folder.path(), &["--in", "empty"]);
    assert!(
        none.stdout.contains("files: none: this says nothing about what happened"),
        "{}",
        none.text()
    );
    let missing = search(folder.path(), &["--in", "nowhere"]);
    assert_eq!(missing.code, 2, "{}", missing.text());
    assert!(
        missing.stderr.contains("hint: expected s3://BUCKET/PREFIX, a directory"),
        "{}",
        missing.text()
    );
    let wrong = search(folder.path(), &["{ $.eventName"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("the filter pattern has"), "{}", wrong.text());
}

#[test]
fn log_files_without_their_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let records =
        json!([record("a", "2026-01-01T10:03:00Z", "X"), { "eventID": 7, "eventName": ["no"] }]);
    fs::write(logs.join("one.json"), records.to_string()).unwrap();
    fs::write(logs.join("notes.txt"), "not a log file").unwrap();
    fs::write(logs.join("other.json"), r#"{"Events":[]}"#).unwrap();
    let found = search(folder.path(), &["--in", "logs", "--event", "X", "--format", "jsonl"]);
    assert_eq!((found.code, names(&found.stdout)), (14, vec!["X".to_owned()]), "{}", found.text());
    assert!(
        found.stderr.contains("other.json: the file has no member `Records`"),
        "{}",
        found.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_archive_are_marked_by_the_digests_that_list_their_files() {
    let env = LegacyEnv::new().await;
    let searched =
        env.run(&["events", "search", "--proof", "--limit", "5", "--format", "jsonl"]).await;
    assert_eq!(searched.code, 0, "{}", searched.text());
    let lines: Vec<Value> =
        searched.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line["orgtrail"]["proof"] == "proven"), "{}", searched.text());
    // Another file in the place of one that a digest lists.
    let key = lines[0]["orgtrail"]["key"].as_str().unwrap();
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    let forged = record("forged", lines[0]["eventTime"].as_str().unwrap(), "Forged");
    file.write_all(json!({ "Records": [forged] }).to_string().as_bytes()).unwrap();
    env.sandbox.put_raw("acme-log-archive", key, file.finish().unwrap()).unwrap();
    let altered =
        env.run(&["events", "search", "--proof", "--event", "Forged", "--format", "jsonl"]).await;
    assert_eq!(altered.code, 13, "{}", altered.text());
    assert!(altered.stdout.contains("\"proof\":\"contradicted\""), "{}", altered.text());
}
