//! Someone who can write below `orgtrail/` in the archive: run records, acceptances, quarantine.

mod acceptances;
mod mac;
mod proofs;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use orgtrail::archive::consolidate::record::{
    Counts, FORMAT_VERSION, Head, ObjectRow, Outcome, Row, Segment, segment_key, sha256_hex,
};
use serde_json::Value;

use crate::forge::gzip;
use crate::rounds::{ARCHIVE, LEGACY, LegacyEnv};

/// The head of the first record.
fn head(written_at: &str) -> Head {
    Head {
        version: FORMAT_VERSION,
        number: 0,
        previous_sha256: None,
        run_id: "forged".to_owned(),
        written_at: written_at.parse().unwrap(),
        written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        written_with: "orgtrail".to_owned(),
    }
}

/// Writes a segment with these rows as record `number`, chained to `before`.
fn forge_rows(env: &LegacyEnv, number: u64, before: Option<u64>, written_at: &str, rows: Vec<Row>) {
    let previous_sha256 = before.map(|before| {
        sha256_hex(&env.sandbox.body_raw(ARCHIVE, &segment_key(None, before)).unwrap())
    });
    let head = Head { number, previous_sha256, ..head(written_at) };
    let stored = Segment { head, rows }.encode().unwrap();
    env.sandbox.put_raw(ARCHIVE, &segment_key(None, number), stored).unwrap();
}

/// Writes a segment of a run that only ended.
fn forge_record(env: &LegacyEnv, number: u64, before: Option<u64>, written_at: &str, end: Row) {
    forge_rows(env, number, before, written_at, vec![end]);
}

/// A row of a log that was copied.
fn object_row() -> Vec<u8> {
    let row = Row::Object(ObjectRow {
        key: "k".to_owned(),
        origin_bucket: "b".to_owned(),
        origin_key: "k".to_owned(),
        size_bytes: u64::MAX,
        sha256: None,
        outcome: Outcome::Copied,
        reason: None,
        copy_method: None,
        archived: None,
        quarantined_as: None,
    });
    serde_json::to_vec(&row).unwrap()
}

/// A row that states every lane of the legacy source complete through a day.
fn forged_end(env: &LegacyEnv, day: &str) -> Row {
    let lane = |key: &String| {
        let folder = key.splitn(5, '/').take(4).collect::<Vec<_>>().join("/");
        (format!("s3://{LEGACY}/{folder}/"), day.parse().unwrap())
    };
    let proven_through: BTreeMap<_, _> = env.legacy.iter().map(lane).collect();
    Row::End {
        totals: Counts::default(),
        complete: true,
        proven_through,
        full_listing_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_run_record_makes_no_run_skip_a_day() {
    let env = LegacyEnv::new().await;
    let at = env.sandbox.now().to_string();
    let through = env.sandbox.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let yesterday = through.yesterday().unwrap().to_string();
    forge_record(&env, 0, None, &at, forged_end(&env, &yesterday));
    forge_record(&env, 1, Some(0), &at, forged_end(&env, "2099-01-01"));
    forge_record(&env, 2, Some(1), "2099-01-02T00:00:00Z", forged_end(&env, "2099-01-01"));
    // The first is dated as a genuine record would be: its day is over and closed.
    let folder = format!("/{}/", yesterday.replace('-', "/"));
    assert!(env.legacy.iter().any(|key| key.contains(&folder)), "{:#?}", env.legacy);
    let ran = env.run(&["consolidate", "--yes", "--overlap-days", "0"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("in the future"), "{}", ran.text());
    assert!(ran.text().contains("through 2099-01-01"), "{}", ran.text());
    for key in &env.legacy {
        let there = env.relocated(key);
        assert!(env.sandbox.body_raw(ARCHIVE, &there).is_ok(), "{there}");
    }
    let records = env.run(&["records"]).await;
    assert_eq!(records.code, 13, "{}", records.text());
    assert!(records.text().contains("not authenticated"), "{}", records.text());
    assert!(records.text().contains("through 2099-01-01"), "{}", records.text());

    // The genuine record behind them is chained on, and another run ends well.
    let again = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(again.code, 0, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_among_the_run_records_stops_no_run() {
    let env = LegacyEnv::new().await;
    let put = |key: &str, body: &[u8]| {
        env.sandbox.put_raw(ARCHIVE, key, body.to_vec()).unwrap();
    };
    for number in (0..70).chain([72, 999_999_999_999]) {
        put(&segment_key(None, number), b"x");
    }
    put("orgtrail/runs/18446744073709551615.jsonl.gz", b"x");
    put("orgtrail/public-keys.json", b"x");
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("not used: orgtrail/runs/"), "{}", ran.text());
    assert!(ran.text().contains("follow a gap"), "{}", ran.text());
    assert!(env.sandbox.body_raw(ARCHIVE, &segment_key(None, 70)).is_ok());
    let keys = env.sandbox.body_raw(ARCHIVE, "orgtrail/public-keys.json").unwrap();
    assert!(keys.len() > 1);
    assert!(ran.text().contains("not used: orgtrail/public-keys.json"), "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_end_is_not_what_its_rows_add_up_to_is_reported_and_not_trusted() {
    let env = LegacyEnv::new().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    // The neighbour: a genuine record is trusted.
    let trusting = ["consolidate", "--yes", "--trust-records"];
    let ran = env.run(&trusting).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(!ran.text().contains("not used"), "{}", ran.text());
    assert_eq!(env.run(&["records"]).await.code, 0);
    let yesterday = env.sandbox.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let yesterday = yesterday.yesterday().unwrap().to_string();
    let Row::End { proven_through, .. } = forged_end(&env, &yesterday) else { return };
    let end = Row::End {
        totals: Counts { copied: 7, ..Counts::default() },
        complete: true,
        proven_through,
        full_listing_at: env.sandbox.now(),
    };
    let at = env.sandbox.now().to_string();
    forge_rows(&env, 2, Some(1), &at, vec![Row::Begin { options: Value::Null }, end]);
    let records = env.run(&["records"]).await;
    assert_eq!(records.code, 13, "{}", records.text());
    let reason = "its end states 7 copied, but its rows add up to 0";
    assert!(records.text().contains(reason), "{}", records.text());
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    let there = env.relocated(log);
    env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    let ran = env.run(&[&trusting[..], &["--overlap-days", "0"]].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains(reason), "{}", ran.text());
    assert!(env.sandbox.body_raw(ARCHIVE, &there).is_ok(), "{there} was not listed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_or_become_huge_are_skipped_and_reported() {
    let env = LegacyEnv::new().await;
    // One line that inflates to 200 MB, 200,000 rows, and more bytes than a record has.
    let zeros = gzip(&vec![b'0'; 200 << 20]);
    let head = Head { number: 1, ..head("2026-01-01T00:00:00Z") };
    let mut rows = serde_json::to_vec(&head).unwrap();
    for _ in 0..200_000 {
        rows.extend(b"\n");
        rows.extend(object_row());
    }
    let put = |number, body| {
        env.sandbox.put_raw(ARCHIVE, &segment_key(None, number), body).unwrap();
    };
    put(0, zeros);
    put(1, gzip(&rows));
    put(2, vec![b'0'; (64 << 20) + 1]);
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(ran.text().matches("not used: orgtrail/runs/").count(), 3, "{}", ran.text());
    assert!(ran.text().contains("than 100000 rows"), "{}", ran.text());
    assert!(ran.text().contains("more than the maximum of 67108864"), "{}", ran.text());
    let records = env.run(&["records"]).await;
    assert_eq!(records.code, 13, "{}", records.text());
    assert_eq!(env.run(&["verify"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_record_makes_no_deleted_file_one_that_may_still_come() {
    let env = LegacyEnv::new().await;
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror");
    for key in env.sandbox.keys_raw(ARCHIVE, "AWSLogs/") {
        let path = mirror.join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, env.sandbox.body_raw(ARCHIVE, &key).unwrap()).unwrap();
    }
    let saved = env.sandbox.body_raw(ARCHIVE, "orgtrail/public-keys.json").unwrap();
    std::fs::write(folder.path().join("keys.json"), saved).unwrap();
    let arguments = ["verify", "mirror", "--offline", "--public-keys", "keys.json"];
    let verified = env.run_in(folder.path(), &arguments).await;
    assert_ne!(verified.code, 13, "{}", verified.text());
    let log = env.legacy.iter().find(|key| key.contains("/CloudTrail/")).unwrap();
    std::fs::remove_file(mirror.join(env.relocated(log))).unwrap();
    // A run that was killed while it copied.
    let head = head(&env.sandbox.now().to_string());
    let forged = Segment { head, rows: vec![Row::Begin { options: Value::Null }] };
    let path = mirror.join(segment_key(None, 0));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, forged.encode().unwrap()).unwrap();
    let verified = env.run_in(folder.path(), &arguments).await;
    assert_eq!(verified.code, 13, "{}", verified.text());
    assert!(verified.text().contains("log-missing"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_record_is_followed_by_a_full_listing_within_a_week() {
    let env = LegacyEnv::new().await;
    // All days of the source are closed.
    let round = ["consolidate", "--yes", "--overlap-days", "0"];
    assert_eq!(env.run(&round).await.code, 0);
    let genuine = env.sandbox.body_raw(ARCHIVE, &segment_key(None, 0)).unwrap();
    let genuine = Segment::decode(0, &genuine).unwrap();
    let Some(Row::End { proven_through, .. }) = genuine.rows.last() else { panic!("{genuine:?}") };
    let day = |key: &&String| {
        key.contains("/CloudTrail/")
            && proven_through.iter().any(|(lane, through)| {
                let lane = lane.strip_prefix(&format!("s3://{LEGACY}/")).unwrap_or("-");
                let day = key.strip_prefix(lane).map(|rest| rest[..10].replace('/', "-"));
                day.is_some_and(|day| day <= through.to_string())
            })
    };
    let there = env.relocated(env.legacy.iter().find(day).expect("a day is proven"));
    let trusting = [&round[..], &["--trust-records"]].concat();
    let now = env.sandbox.now();
    let hour = SignedDuration::from_hours(1);
    for (nth, (listed_at, lists)) in
        [(now - hour * 24 * 6, false), (now - hour * 24 * 7, true), (now + hour, true)]
            .into_iter()
            .enumerate()
    {
        // A run that trusted its record left it missing.
        env.sandbox.delete_raw(ARCHIVE, &there).ok();
        let number = 2 * nth as u64 + 1;
        let mut rows = genuine.rows.clone();
        if let Some(Row::End { full_listing_at, .. }) = rows.last_mut() {
            *full_listing_at = listed_at;
        }
        forge_rows(&env, number, Some(number - 1), &now.to_string(), rows);
        let ran = env.run(&trusting).await;
        assert_eq!(ran.code, 0, "{listed_at:?}: {}", ran.text());
        let says = ran.text().contains("every day was listed");
        let listed = env.sandbox.body_raw(ARCHIVE, &there).is_ok();
        assert_eq!((says, listed), (lists, lists), "{listed_at:?}: {}", ran.text());
    }
}
