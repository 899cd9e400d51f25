//! Objects that are not what their keys say, and logs without their digest: what
//! consolidation keeps out of the log prefixes.

use aws_sdk_s3::types::StorageClass;
use orgtrail::archive::consolidate::record::{ObjectRow, Outcome, Row};
use orgtrail::archive::consolidate::run::Report;

use crate::consolidate_env::{
    ARCHIVE, BUCKETS, ConsolidateEnv, Started, digest, digest_body, log, log_body, relocated,
};
use crate::forge::gzip;

async fn run(env: &ConsolidateEnv) -> Report {
    env.run(&Started::new(None)).await.unwrap()
}

/// What the records say of an object.
async fn row(env: &ConsolidateEnv, key: &str) -> ObjectRow {
    let of_it = |row| match row {
        Row::Object(object) if object.origin_key == key => Some(object),
        _ => None,
    };
    env.records().await.into_iter().filter_map(of_it).next_back().unwrap()
}

/// A bucket with an hour of three logs of which one was altered, and with what is no
/// log file or digest.
async fn with_bad(bucket: usize) -> (ConsolidateEnv, Vec<String>, Vec<(String, &'static str)>) {
    let env = ConsolidateEnv::new().await;
    let member = env.members[bucket].clone();
    let good: Vec<String> = vec![log(&member, 1, 0), log(&member, 1, 1), digest(&member, 1, 1)];
    let altered = log(&member, 1, 2);
    let listed: Vec<_> =
        [&good[0], &good[1], &altered].map(|key| (key.clone(), log_body(key))).into();
    let digest_of_hour = digest_body(&good[2], "", &listed);
    let bad = vec![
        (altered, log_body("altered"), "contradicts-digest"),
        (log(&member, 1, 3), Vec::new(), "empty"),
        (log(&member, 2, 0), b"no gzip".to_vec(), "no-log-file"),
        (log(&member, 2, 1), gzip(b"{\"events\":[]}"), "no-log-file"),
        (log(&member, 2, 2), [log_body("more"), b"more".to_vec()].concat(), "no-log-file"),
        (digest(&member, 3, 1), gzip(b"{}"), "no-digest"),
        (digest(&member, 3, 2), digest_of_hour.clone(), "no-digest"),
        (digest(&member, 3, 3), Vec::new(), "empty"),
    ];
    let mut objects: Vec<_> =
        listed[..2].iter().map(|(key, body)| (bucket, key.clone(), body.clone())).collect();
    objects.push((bucket, good[2].clone(), digest_of_hour));
    objects.extend(bad.iter().map(|(key, body, _)| (bucket, key.clone(), body.clone())));
    env.put_all(&objects).await;
    (env, good, bad.into_iter().map(|(key, _, code)| (key, code)).collect())
}

/// The same however the bytes go: through this machine, and inside S3.
async fn what_is_no_log_file_is_kept_apart(bucket: usize) {
    let (env, good, bad) = with_bad(bucket).await;
    let report = run(&env).await;
    assert!(!report.complete(), "{report:?}");
    assert_eq!(report.counts.copied, good.len() as u64, "{report:?}");
    assert_eq!(report.counts.quarantined, bad.len() as u64, "{report:?}");
    assert_eq!((report.counts.failed, report.counts.held_back), (0, 0), "{report:?}");
    let archived: Vec<String> = env.archived().await.into_keys().collect();
    let mut wanted: Vec<String> = good.iter().map(|key| relocated(key)).collect();
    wanted.sort();
    assert_eq!(archived, wanted);
    for (key, code) in &bad {
        let row = row(&env, key).await;
        assert_eq!(row.outcome, Outcome::Quarantined, "{row:?}");
        let kept = row.quarantined_as.unwrap();
        assert!(kept.starts_with("orgtrail/quarantine/") && kept.ends_with(&relocated(key)));
        let body = env.sandbox.body_raw(ARCHIVE, &kept).unwrap();
        assert_eq!(body, env.sandbox.body_raw(BUCKETS[bucket], key).unwrap());
        let metadata = env.archived_metadata(&kept).await;
        assert_eq!(metadata["orgtrail-reason"], *code, "{key}");
        assert_eq!(metadata["orgtrail-origin"], format!("s3://{}/{key}", BUCKETS[bucket]));
        assert!(metadata.contains_key("signature"));
    }
    // The same again is kept once; it is printed as long as it is there.
    let before = env.sandbox.keys_raw(ARCHIVE, "orgtrail/quarantine/");
    let again = run(&env).await;
    assert_eq!(again.counts.quarantined, bad.len() as u64, "{again:?}");
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/quarantine/"), before);
    assert_eq!(before.len(), bad.len());
}

#[tokio::test]
async fn what_is_no_log_file_does_not_come_among_the_logs() {
    what_is_no_log_file_is_kept_apart(0).await;
}

#[tokio::test]
async fn what_is_no_log_file_does_not_come_among_the_logs_inside_s3() {
    what_is_no_log_file_is_kept_apart(1).await;
}

#[tokio::test]
async fn an_object_that_is_replaced_is_kept_beside_the_one_before() {
    let env = ConsolidateEnv::new().await;
    let key = log(&env.members[0], 1, 0);
    for body in [b"one".to_vec(), b"other".to_vec()] {
        env.put_all(&[(0, key.clone(), body)]).await;
        assert_eq!(run(&env).await.counts.quarantined, 1);
    }
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/quarantine/").len(), 2);
    // Once it is a log file, it is copied.
    env.put_all(&[(0, key.clone(), log_body("at last"))]).await;
    let report = run(&env).await;
    assert!(report.complete() && report.counts.copied == 1, "{report:?}");
}

#[tokio::test]
async fn of_two_digests_of_one_key_the_second_stays_with_its_logs() {
    let env = ConsolidateEnv::new().await;
    let member = env.members[0].clone();
    let key = digest(&member, 1, 1);
    let logs = |bucket: u8| -> Vec<(String, Vec<u8>)> {
        let log =
            |number: u8| (log(&member, 1, 10 * bucket + number), log_body(&number.to_string()));
        (0..3).map(log).collect()
    };
    let mut objects = Vec::new();
    for bucket in [0_u8, 1] {
        let body = digest_body(&key, &bucket.to_string(), &logs(bucket));
        objects.push((usize::from(bucket), key.clone(), body));
        let logs = logs(bucket).into_iter();
        objects.extend(logs.map(|(key, body)| (usize::from(bucket), key, body)));
    }
    // One that no digest lists goes with either.
    objects.push((0, log(&member, 1, 90), log_body("unlisted")));
    objects.push((1, log(&member, 1, 91), log_body("unlisted")));
    env.put_all(&objects).await;
    for _ in 0..2 {
        let report = run(&env).await;
        assert!(!report.complete(), "{report:?}");
        assert_eq!((report.counts.conflicts, report.counts.held_back), (1, 3), "{report:?}");
        let archived = env.archived().await;
        assert_eq!(archived.len(), 1 + 3 + 2, "{:?}", archived.keys());
        let first = objects
            .iter()
            .find(|(_, key, body)| *key == objects[0].1 && archived[&relocated(key)].0 == *body);
        let bucket = first.unwrap().0;
        for (of, key, _) in &objects {
            let is_there = archived.contains_key(&relocated(key));
            assert_eq!(
                is_there,
                *of == bucket || !logs(u8::from(bucket == 0)).iter().any(|(log, _)| log == key)
            );
        }
    }
    let reason = row(&env, &objects[1].1).await.reason;
    let other = row(&env, &objects[5].1).await.reason;
    let printed = reason.or(other).unwrap();
    assert!(printed.contains("the digest that lists it is not in the archive"), "{printed}");
}

#[tokio::test]
async fn logs_of_the_hour_of_a_digest_that_cannot_be_read_wait_for_it() {
    let env = ConsolidateEnv::new().await;
    let member = env.members[0].clone();
    let key = digest(&member, 1, 1);
    let body = digest_body(&key, "", &[]);
    env.put_cold(StorageClass::Glacier, 0, &key, &body).await;
    // In its hour, and in another's.
    let logs = [log(&member, 1, 0), log(&member, 2, 0)];
    let objects: Vec<_> = logs.iter().map(|key| (0, key.clone(), log_body("log"))).collect();
    env.put_all(&objects).await;
    let report = run(&env).await;
    let counts = &report.counts;
    assert_eq!((counts.archived, counts.held_back, counts.copied), (1, 1, 1), "{report:?}");
    assert_eq!(row(&env, &logs[0]).await.outcome, Outcome::HeldBack);
    let archived: Vec<String> = env.archived().await.into_keys().collect();
    assert_eq!(archived, [relocated(&logs[1])]);
}

#[tokio::test]
async fn what_a_limit_leaves_is_counted_to_the_end() {
    let env = ConsolidateEnv::new().await;
    let member = env.members[0].clone();
    let objects: Vec<_> = (1..=28)
        .flat_map(|day| (0..14).map(move |number| (day, number)))
        .map(|(day, number)| (0, log(&member, day, number), log_body("log")))
        .collect();
    env.put_all(&objects).await;
    let report = env.run(&Started::new(Some(2))).await.unwrap();
    assert!(report.stopped && !report.left_is_lower_bound, "{report:?}");
    assert_eq!((report.counts.copied, report.counts.left), (2, 390), "{report:?}");
    // A person does not wait for that.
    let started = Started::new(None);
    started.progress.stop();
    let report = env.run(&started).await.unwrap();
    assert!(
        report.stopped && report.left_is_lower_bound && report.counts.copied == 0,
        "{report:?}"
    );
}
