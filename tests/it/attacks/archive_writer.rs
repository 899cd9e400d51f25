//! Someone who can write below `orgtrail/` in the archive: run records, acceptances, quarantine.

use std::collections::BTreeMap;

use orgtrail::archive::consolidate::record::{
    Counts, FORMAT_VERSION, Head, Row, Segment, segment_key, sha256_hex,
};

use crate::rounds::{ARCHIVE, Ground, LEGACY, code, said};

/// Writes a segment with these rows as record `number`, chained to `before`.
fn forge_record(ground: &Ground, number: u64, before: Option<u64>, written_at: &str, end: Row) {
    let before = before.map(|before| {
        sha256_hex(&ground.sandbox.body_raw(ARCHIVE, &segment_key(None, before)).unwrap())
    });
    let head = Head {
        version: FORMAT_VERSION,
        number,
        previous_sha256: before,
        run_id: "forged".to_owned(),
        written_at: written_at.parse().unwrap(),
        written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        written_with: "orgtrail".to_owned(),
    };
    let stored = Segment { head, rows: vec![end] }.encode().unwrap();
    ground.sandbox.put_raw(ARCHIVE, &segment_key(None, number), stored).unwrap();
}

/// A row that states every lane of the legacy source complete through a day.
fn forged_end(ground: &Ground, day: &str) -> Row {
    let lane = |key: &String| {
        let folder = key.splitn(5, '/').take(4).collect::<Vec<_>>().join("/");
        (format!("s3://{LEGACY}/{folder}/"), day.parse().unwrap())
    };
    let proven_through: BTreeMap<_, _> = ground.legacy.iter().map(lane).collect();
    Row::End { totals: Counts::default(), complete: true, proven_through, full_listing_at: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_run_record_makes_no_run_skip_a_day() {
    let ground = Ground::lay().await;
    let at = ground.sandbox.now().to_string();
    let through = ground.sandbox.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let yesterday = through.yesterday().unwrap().to_string();
    forge_record(&ground, 0, None, &at, forged_end(&ground, &yesterday));
    forge_record(&ground, 1, Some(0), &at, forged_end(&ground, "2099-01-01"));
    forge_record(&ground, 2, Some(1), "2099-01-02T00:00:00Z", forged_end(&ground, "2099-01-01"));
    // The first is dated as a genuine record would be: its day is over and closed.
    let folder = format!("/{}/", yesterday.replace('-', "/"));
    assert!(ground.legacy.iter().any(|key| key.contains(&folder)), "{:#?}", ground.legacy);
    let ran = ground.run(&["consolidate", "--yes", "--overlap-days", "0"]).await;
    assert_eq!(code(&ran), 0, "{}", said(&ran));
    assert!(said(&ran).contains("in the future"), "{}", said(&ran));
    assert!(said(&ran).contains("through 2099-01-01"), "{}", said(&ran));
    for key in &ground.legacy {
        let there = ground.relocated(key);
        assert!(ground.sandbox.body_raw(ARCHIVE, &there).is_ok(), "{there}");
    }
    let records = ground.run(&["records"]).await;
    assert_eq!(code(&records), 13, "{}", said(&records));
    assert!(said(&records).contains("not authenticated"), "{}", said(&records));
    assert!(said(&records).contains("through 2099-01-01"), "{}", said(&records));

    // The genuine record behind them is chained on, and another run ends well.
    let again = ground.run(&["consolidate", "--yes"]).await;
    assert_eq!(code(&again), 0, "{}", said(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_among_the_run_records_stops_no_run() {
    let ground = Ground::lay().await;
    let put = |key: &str, body: &[u8]| {
        ground.sandbox.put_raw(ARCHIVE, key, body.to_vec()).unwrap();
    };
    for number in (0..70).chain([72, 999_999_999_999]) {
        put(&segment_key(None, number), b"x");
    }
    put("orgtrail/runs/18446744073709551615.jsonl.gz", b"x");
    put("orgtrail/public-keys.json", b"x");
    let ran = ground.run(&["consolidate", "--yes"]).await;
    assert_eq!(code(&ran), 0, "{}", said(&ran));
    assert!(said(&ran).contains("not used: orgtrail/runs/"), "{}", said(&ran));
    assert!(said(&ran).contains("follow a gap"), "{}", said(&ran));
    assert!(ground.sandbox.body_raw(ARCHIVE, &segment_key(None, 70)).is_ok());
    let keys = ground.sandbox.body_raw(ARCHIVE, "orgtrail/public-keys.json").unwrap();
    assert!(keys.len() > 1);
    assert!(said(&ran).contains("not used: orgtrail/public-keys.json"), "{}", said(&ran));
}
