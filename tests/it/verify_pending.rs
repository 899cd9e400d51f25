//! Archives of which a consolidation left a part at the source: what was never copied
//! is not said to be deleted.

use crate::rounds::{ARCHIVE, LegacyEnv};

const LEGACY: &str = "old-trail-333";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limited_consolidation_left_is_pending_and_not_deleted() {
    let env = LegacyEnv::new().await;
    let digests = env.legacy.iter().filter(|key| key.contains("/CloudTrail-Digest/"));
    let limit = (digests.count() + 5).to_string();
    let done = env.run(&["consolidate", "--yes", "--limit", &limit]).await;
    assert_eq!(done.code, 14, "{}", done.text());
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    let text = verified.text();
    assert!(text.contains("not-consolidated") && text.contains("PARTLY PROVEN"), "{text}");
    assert!(!text.contains("log-missing") && !text.contains("digest-missing"), "{text}");

    // What a run copied was deleted since, wherever else it lies.
    let is_there = |key: &&String| {
        key.contains("/CloudTrail/") && env.sandbox.body_raw(ARCHIVE, &env.relocated(key)).is_ok()
    };
    let copied = env.legacy.iter().find(is_there).expect("a log was copied");
    let there = env.relocated(copied);
    let body = env.sandbox.body_raw(ARCHIVE, &there).unwrap().to_vec();
    env.sandbox.delete_raw(ARCHIVE, &there).unwrap();
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 13, "{}", verified.text());
    assert!(verified.text().contains("log-missing (1)"), "{}", verified.text());
    env.sandbox.put_raw(ARCHIVE, &there, body).unwrap();

    // What is gone at its source as well is gone.
    let left = env.legacy.iter().filter(|key| key.contains("/CloudTrail/"));
    let left = left.clone().find(|key| !is_there(key)).expect("a log was left");
    let body = env.sandbox.body_raw(LEGACY, left).unwrap().to_vec();
    env.sandbox.delete_raw(LEGACY, left).unwrap();
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 13, "{}", verified.text());
    env.sandbox.put_raw(LEGACY, left, body).unwrap();

    let done = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 0, "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_before_the_first_day_of_a_consolidation_is_pending() {
    let env = LegacyEnv::new().await;
    let day = |key: &String| key.split('/').rev().skip(1).take(3).collect::<Vec<_>>().join("/");
    let mut days: Vec<String> = env.legacy.iter().map(day).collect();
    days.sort_by_key(|day| day.split('/').rev().map(str::to_owned).collect::<Vec<_>>());
    let last: Vec<&str> = days.last().unwrap().split('/').rev().collect();
    let done = env.run(&["consolidate", "--yes", "--since", &last.join("-")]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let verified = env.run(&["verify"]).await;
    let whole = days.first() == days.last();
    assert_eq!(verified.code, if whole { 0 } else { 14 }, "{}", verified.text());
    assert!(whole || verified.text().contains("not-consolidated"), "{}", verified.text());
}
