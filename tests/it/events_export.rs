//! `orgtrail events export` from directories of log files to directories, and from an archive
//! to a bucket.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use flate2::read::GzDecoder;
use orgtrail::events::export::COLUMNS;
use serde_json::{Value, json};

use crate::events_search::{ACCOUNT, deliver, record};
use crate::program::{Finished, NOWHERE, finish, orgtrail_at};
use crate::rounds::{ARCHIVE, LegacyEnv};

fn export(folder: &Path, arguments: &[&str]) -> Finished {
    let arguments = [&["events", "export", "--in", "logs"], arguments].concat();
    finish(&mut orgtrail_at(NOWHERE, folder, &arguments))
}

/// The files below a directory, by name.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, into);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                into.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    if root.exists() {
        walk(root, root, &mut all);
    }
    all
}

fn lines(gzip: &[u8]) -> Vec<Value> {
    let text = std::io::read_to_string(GzDecoder::new(gzip)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two days in two Regions, with copies, late events and an event around midnight.
fn some_logs(logs: &Path) {
    let (a, b, c) = (
        record("id-a", "2026-01-01T10:03:00Z", "CreateTrail"),
        record("id-b", "2026-01-01T10:01:00Z", "StopLogging"),
        record("id-c", "2026-01-01T23:59:00Z", "DeleteTrail"),
    );
    let late = record("id-late", "2026-01-01T09:00:00Z", "LateEvent");
    let next = record("id-d", "2026-01-02T00:01:00Z", "UpdateTrail");
    deliver(
        logs,
        "us-east-1",
        "2026-01-01T10:05:00Z",
        "aaaaaaaaaaaaaaaa",
        std::slice::from_ref(&a),
    );
    deliver(logs, "us-east-1", "2026-01-01T10:05:00Z", "bbbbbbbbbbbbbbbb", &[b, a]);
    deliver(logs, "us-east-1", "2026-01-02T00:05:00Z", "cccccccccccccccc", &[c, next]);
    deliver(logs, "us-east-1", "2026-01-02T12:00:00Z", "dddddddddddddddd", &[late]);
    let there = record("id-e", "2026-01-01T12:00:00Z", "DescribeTrails");
    deliver(logs, "eu-west-1", "2026-01-01T12:05:00Z", "eeeeeeeeeeeeeeee", &[there]);
}

fn day(region: &str, day: &str) -> String {
    format!("account={ACCOUNT}/region={region}/day={day}")
}

#[test]
fn each_day_becomes_a_file_with_its_events_once_and_a_manifest_of_its_sources() {
    let folder = tempfile::tempdir().unwrap();
    some_logs(&folder.path().join("logs"));
    let done = export(folder.path(), &["--to", "out", "--as", "ndjson"]);
    assert_eq!(done.code, 0, "{}", done.text());
    for part in [
        "6 events (1 more copy left out) from 5 log files of 1 account × 2 Regions",
        "written: 4 days of an account and Region, 4 files",
        "1 event delivered too late for the file of their day",
        "proof: not checked",
    ] {
        assert!(done.stdout.contains(part), "{part}: {}", done.text());
    }
    let written = files(&folder.path().join("out"));
    let first = day("us-east-1", "2026-01-01");
    let unit = format!("{ACCOUNT}-us-east-1-20260101");
    let mut wanted = vec![
        format!("events-ndjson/{first}/_manifest-{unit}.json"),
        format!("events-ndjson/{first}/part-{unit}-0000.ndjson.gz"),
        format!("events-ndjson/{first}/_manifest-{unit}-late-20260102.json"),
        format!("events-ndjson/{first}/part-{unit}-late-20260102-0000.ndjson.gz"),
    ];
    for (region, date) in [("us-east-1", "2026-01-02"), ("eu-west-1", "2026-01-01")] {
        let folder = day(region, date);
        let unit = format!("{ACCOUNT}-{region}-{}", date.replace('-', ""));
        wanted.push(format!("events-ndjson/{folder}/_manifest-{unit}.json"));
        wanted.push(format!("events-ndjson/{folder}/part-{unit}-0000.ndjson.gz"));
    }
    wanted.sort();
    assert_eq!(written.keys().cloned().collect::<Vec<_>>(), wanted);
    let rows = lines(&written[&format!("events-ndjson/{first}/part-{unit}-0000.ndjson.gz")]);
    let names: Vec<&str> = rows.iter().map(|row| row["eventName"].as_str().unwrap()).collect();
    assert_eq!(names, ["StopLogging", "CreateTrail", "DeleteTrail"]);
    assert!(rows[1]["orgtrail"]["key"].as_str().unwrap().contains("aaaaaaaaaaaaaaaa"));
    let manifest: Value =
        serde_json::from_slice(&written[&format!("events-ndjson/{first}/_manifest-{unit}.json")])
            .unwrap();
    assert_eq!((&manifest["rows"], &manifest["copies"]), (&json!(3), &json!(1)));
    let sources: Vec<(bool, &Value)> = manifest["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| (source["sha256"].as_str().is_some_and(|it| it.len() == 64), &source["rows"]))
        .collect();
    assert_eq!(sources, [(true, &json!(1)), (true, &json!(2)), (true, &json!(1))]);

    // The next run changes nothing, and the document says so.
    let again = export(folder.path(), &["--to", "out", "--as", "ndjson", "--format", "json"]);
    let report = again.json();
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!((&report["days"]["written"], &report["days"]["unchanged"]), (&json!(0), &json!(4)));
    assert_eq!((&report["events"], &report["late_events"]), (&json!(6), &json!(1)));
    assert_eq!(files(&folder.path().join("out")), written);
    // One Region and one day, in the other formats.
    for (format, table) in
        [("parquet", "events"), ("ocsf", "events-ocsf"), ("opensearch", "events-opensearch")]
    {
        let arguments = [
            "--to",
            "more",
            "--as",
            format,
            "--region",
            "us-east-1",
            "--since",
            "2026-01-02",
            "--until",
            "2026-01-02T05:00:00Z",
        ];
        let one = export(folder.path(), &arguments);
        assert_eq!(one.code, 0, "{}", one.text());
        let found = files(&folder.path().join("more"));
        let of_table: Vec<&String> =
            found.keys().filter(|name| name.starts_with(&format!("{table}/"))).collect();
        // The day, and the late event that was delivered on it.
        assert_eq!(of_table.len(), 4, "{format}: {of_table:?}");
    }
}

#[test]
fn the_short_forms_name_the_same_formats() {
    let folder = tempfile::tempdir().unwrap();
    some_logs(&folder.path().join("logs"));
    for arguments in [&["--to", "a"][..], &["--to", "b", "--format", "parquet"]] {
        assert_eq!(export(folder.path(), arguments).code, 0, "{arguments:?}");
    }
    let parquet = files(&folder.path().join("a"));
    assert_eq!(files(&folder.path().join("b")), parquet);
    let table = parquet.iter().find(|(name, _)| name.ends_with(".parquet")).unwrap().1;
    assert!(table.starts_with(b"PAR1") && table.ends_with(b"PAR1"));
    let two = export(folder.path(), &["--to", "a", "--as", "ocsf", "--format", "parquet"]);
    assert_eq!(two.code, 2, "{}", two.text());
    let csv = export(folder.path(), &["--to", "a", "--format", "csv"]);
    assert_eq!(csv.code, 2, "{}", csv.text());
}

#[test]
fn a_run_that_was_killed_is_completed_and_a_day_that_differs_is_replaced_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    some_logs(&logs);
    let out = folder.path().join("out");
    assert_eq!(export(folder.path(), &["--to", "out"]).code, 0);
    let whole = files(&out);
    // Killed between the data and the manifest, and before the data.
    let mut names = whole.keys();
    let last = whole.keys().rev().find(|name| name.contains("_manifest")).unwrap();
    fs::remove_file(out.join(last)).unwrap();
    let manifest = names.clone().find(|name| name.contains("_manifest")).unwrap();
    let data = names.find(|name| name.ends_with(".parquet")).unwrap();
    fs::remove_file(out.join(manifest)).unwrap();
    fs::remove_file(out.join(data)).unwrap();
    let completed = export(folder.path(), &["--to", "out", "--format", "json"]);
    assert_eq!(completed.code, 0, "{}", completed.text());
    assert_eq!(files(&out), whole);

    // A file of that day arrives.
    let added = record("id-f", "2026-01-01T11:00:00Z", "PutEventSelectors");
    deliver(&logs, "us-east-1", "2026-01-01T11:05:00Z", "ffffffffffffffff", &[added]);
    let differs = export(folder.path(), &["--to", "out"]);
    assert_eq!(differs.code, 12, "{}", differs.text());
    assert!(differs.stdout.contains("NOT WRITTEN: 1 day"), "{}", differs.text());
    assert!(differs.stdout.contains(&day("us-east-1", "2026-01-01")), "{}", differs.text());
    assert_eq!(files(&out), whole);
    let replaced = export(folder.path(), &["--to", "out", "--replace", "--format", "json"]);
    assert_eq!(replaced.code, 0, "{}", replaced.text());
    assert_eq!(replaced.json()["days"]["replaced"], 1, "{}", replaced.text());
    // As if it had been there from the start.
    assert_eq!(export(folder.path(), &["--to", "fresh"]).code, 0);
    assert_eq!(files(&out), files(&folder.path().join("fresh")));
}

#[test]
fn damaged_files_are_reported_and_open_days_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let a = record("id-a", "2026-01-01T10:03:00Z", "CreateTrail");
    deliver(&logs, "us-east-1", "2026-01-01T10:05:00Z", "aaaaaaaaaaaaaaaa", &[a]);
    let damaged = logs.join(format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/01/01/{ACCOUNT}_CloudTrail_us-east-1_20260101T1010Z_cccccccccccccccc.json.gz"
    ));
    fs::write(&damaged, [0x1f, 0x8b, 8, 0, 0]).unwrap();
    // A day that is not over yet.
    let future = record("id-z", "2199-01-01T10:03:00Z", "X");
    deliver(&logs, "us-east-1", "2199-01-01T10:05:00Z", "zzzzzzzzzzzzzzzz", &[future]);
    let done = export(folder.path(), &["--to", "out", "--as", "ndjson"]);
    assert_eq!(done.code, 14, "{}", done.text());
    assert!(done.stdout.contains("INCOMPLETE: 1 file could not be read"), "{}", done.text());
    let written = files(&folder.path().join("out"));
    assert_eq!(written.len(), 2, "{:?}", written.keys());
    let manifest = written.iter().find(|(name, _)| name.contains("_manifest")).unwrap().1;
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    assert!(manifest["sources"][1]["fault"].as_str().unwrap().contains("gzip"), "{manifest}");
    assert_eq!(manifest["sources"][1]["sha256"], Value::Null);
    let within = export(folder.path(), &["--to", "logs/export"]);
    assert_eq!(within.code, 12, "{}", within.text());
}

#[test]
fn loose_files_are_exported_by_what_their_records_say() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let records = json!([
        record("b", "2026-01-02T10:03:00Z", "X"),
        record("a", "2026-01-01T10:03:00Z", "X"),
        { "eventID": "c", "awsRegion": "../../etc", "recipientAccountId": "nobody's" },
    ]);
    fs::write(logs.join("one.json"), records.to_string()).unwrap();
    fs::write(logs.join("two.json"), records.to_string()).unwrap();
    let done = export(folder.path(), &["--to", "out", "--as", "ndjson"]);
    assert_eq!(done.code, 0, "{}", done.text());
    assert!(done.stdout.contains("3 events (3 more copies left out)"), "{}", done.text());
    let written = files(&folder.path().join("out"));
    let missing = "__HIVE_DEFAULT_PARTITION__";
    let unknown = format!("events-ndjson/account={missing}/region={missing}/day={missing}/");
    assert_eq!(written.keys().filter(|name| name.starts_with(&unknown)).count(), 2);
    assert_eq!(written.len(), 6, "{:?}", written.keys());
}

#[test]
fn the_documentation_lists_the_columns() {
    let text = fs::read_to_string("docs/events.md").unwrap();
    let rows = COLUMNS.iter().map(|column| {
        format!("| `{}` | {} | {} |\n", column.name, column.type_name(), column.about)
    });
    assert!(text.contains(&rows.collect::<String>()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_exported_to_a_bucket_with_proof_and_never_into_itself() {
    let mut env = LegacyEnv::new().await;
    let account = "222222222222".parse().unwrap();
    env.bucket(&account, "acme-events").await.unwrap();
    let to = ["events", "export"];
    let unnamed = env.run(&to).await;
    assert_eq!(unnamed.code, 2, "{}", unnamed.text());
    assert!(unnamed.stderr.contains("`--to` is missing"), "{}", unnamed.text());
    env.config
        .push_str("[athena]\nfirst_day = \"2026-01-01\"\nexport = \"s3://acme-events/trail\"\n");
    let asked = env.run(&to).await;
    assert_eq!(asked.code, 2, "{}", asked.text());
    assert!(asked.stderr.contains("--yes"), "{}", asked.text());
    let arguments = [&to[..], &["--proof", "--yes", "--format", "json"]].concat();
    let done = env.run(&arguments).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let report = done.json();
    let events = report["events"].as_u64().unwrap();
    assert!(events > 0, "{report:#}");
    assert_eq!(report["proof"]["proven"], events, "{report:#}");
    let keys = env.sandbox.keys_raw("acme-events", "trail/events/");
    let tables = keys.iter().filter(|key| key.ends_with(".parquet")).count();
    assert!(tables > 0 && keys.len() == 2 * tables, "{keys:#?}");
    let manifest = keys.iter().find(|key| key.contains("/_manifest-")).unwrap();
    let manifest = env.sandbox.body_raw("acme-events", manifest).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["sources"][0]["proof"], "proven", "{manifest:#}");

    // Nothing is left to do.
    let again = env.run(&arguments).await;
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(again.json()["days"]["written"], 0, "{}", again.text());
    // Something else has the name of a file.
    let taken = keys.iter().find(|key| key.ends_with(".parquet")).unwrap();
    env.sandbox.put_raw("acme-events", taken, b"PAR1".to_vec()).unwrap();
    let differs = env.run(&arguments).await;
    assert_eq!(differs.code, 12, "{}", differs.text());

    let target = format!("s3://{ARCHIVE}/exports");
    let refused = env.run(&["events", "export", "--to", &target, "--yes"]).await;
    assert_eq!(refused.code, 12, "{}", refused.text());
    assert!(refused.stderr.contains("contains log files"), "{}", refused.text());
}
