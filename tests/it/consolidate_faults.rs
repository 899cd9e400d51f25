//! Consolidation when the wire, the credentials or a source fail under it:
//! nothing is lost, nothing is corrupt, all is printed, and a later run completes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use orgtrail::archive::consolidate::ledger::LedgerError;
use orgtrail::archive::consolidate::record::{Outcome, Row};
use orgtrail::archive::consolidate::run::Report;
use orgtrail::archive::sequence::SequenceError;
use orgtrail::sandbox::{Effect, Fault};

use super::consolidate_env::{
    ARCHIVE, BUCKETS, ConsolidateEnv, Object, Started, digest, digest_body, log, log_body,
    metadata_of, relocated,
};

/// An environment with five logs and a digest on each of four days, and what the
/// archive holds once all arrived.
async fn filled() -> (ConsolidateEnv, BTreeMap<String, Object>) {
    let env = ConsolidateEnv::new().await;
    let member = &env.members[0];
    let mut objects = Vec::new();
    for day in 1..=4 {
        for number in 0..5 {
            let body = log_body(&format!("log {day} {number}"));
            objects.push((0, log(member, day, number), body));
        }
        let key = digest(member, day, 1);
        let body = digest_body(&key, "", &[]);
        objects.push((0, key, body));
    }
    env.put_all(&objects).await;
    let whole = objects.into_iter().map(|(_, key, body)| {
        (relocated(&key), {
            let own = metadata_of(&body);
            (body, own)
        })
    });
    let whole = whole.collect();
    (env, whole)
}

/// What lies in the archive is what the source has, byte for byte.
async fn nothing_corrupt(env: &ConsolidateEnv, whole: &BTreeMap<String, Object>) -> usize {
    let archived = env.archived().await;
    for (key, object) in &archived {
        assert_eq!(Some(object), whole.get(key), "{key}");
    }
    archived.len()
}

/// What a run says of itself is so: counts, archive and records agree.
async fn all_told(env: &ConsolidateEnv, whole: &BTreeMap<String, Object>, report: &Report) {
    let arrived = nothing_corrupt(env, whole).await as u64;
    let counts = &report.counts;
    assert_eq!(report.complete(), arrived == whole.len() as u64, "{report:?}");
    // A write whose answer was lost is printed as failed, though it arrived.
    assert!(arrived >= counts.copied + counts.present, "{report:?}");
    let printed = counts.copied + counts.present + counts.failed + counts.held_back;
    assert_eq!(counts.source, printed, "{report:?}");
    let rows = env.records().await;
    let failed = |row: &&Row| matches!(row, Row::Object(o) if o.outcome == Outcome::Failed && o.reason.is_some());
    assert_eq!(rows.iter().filter(failed).count() as u64, counts.failed);
    assert!(matches!(rows.last(), Some(Row::End { totals, .. }) if totals == counts));
}

/// A later run, with nothing in its way, has all in the archive.
async fn a_later_run_completes(env: &ConsolidateEnv, whole: &BTreeMap<String, Object>) {
    env.sandbox.faults().clear();
    let report = env.run(&Started::new(None)).await.unwrap();
    assert!(report.complete(), "{report:?}");
    assert_eq!(nothing_corrupt(env, whole).await, whole.len());
}

/// Runs under faults, which do strike.
async fn run_under(env: &ConsolidateEnv, faults: &[Fault]) -> Result<Report, LedgerError> {
    for fault in faults {
        env.sandbox.faults().inject(fault.clone());
    }
    let result = env.run(&Started::new(None)).await;
    let struck = env.sandbox.faults().triggered();
    assert!(struck.iter().all(|(_, times)| *times > 0), "{struck:?}");
    env.sandbox.faults().clear();
    result
}

/// Runs, and does something to the sandbox once five objects are done.
async fn run_and_half_way(env: &ConsolidateEnv, change: impl AsyncFnOnce()) -> Report {
    // Slow enough that half-way is half-way.
    let slow = Fault::every("s3:PutObject", Effect::Latency { milliseconds: 40 });
    env.sandbox.faults().inject(slow);
    let started = Started::new(None);
    let half_way = async {
        env.until(|_| started.progress.done.load(Ordering::Relaxed) >= 5).await;
        change().await;
    };
    let (report, ()) = tokio::join!(env.run(&started), half_way);
    report.unwrap()
}

#[tokio::test]
async fn a_throttling_storm_loses_nothing() {
    let (env, whole) = filled().await;
    let storm = ["s3:GetObject", "s3:PutObject"]
        .map(|call| Fault::every(call, Effect::Throttle).rate(0.6).times(60));
    // The record waits for nobody: where it cannot be written, the run says so.
    if let Ok(report) = run_under(&env, &storm).await {
        all_told(&env, &whole, &report).await;
    }
    nothing_corrupt(&env, &whole).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn a_storm_that_does_not_end_is_told_of_every_object() {
    let (env, whole) = filled().await;
    let report = run_under(&env, &[Fault::every("s3:GetObject", Effect::Throttle)]).await;
    let report = report.unwrap();
    // The logs wait for the digests of their hour.
    let counts = &report.counts;
    assert_eq!((counts.copied, counts.failed, counts.held_back), (0, 4, 20), "{report:?}");
    all_told(&env, &whole, &report).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn calls_that_are_never_answered_time_out() {
    let (env, whole) = filled().await;
    let hang = ["s3:GetObject", "s3:ListObjectsV2"]
        .map(|call| Fault::every(call, Effect::Hang).after(2).times(2));
    let report = run_under(&env, &hang).await.unwrap();
    all_told(&env, &whole, &report).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn answers_that_break_off_are_never_taken_for_whole() {
    let (env, whole) = filled().await;
    let resets = [
        Fault::every("s3:GetObject", Effect::ResetInBody).rate(0.5),
        Fault::every("s3:PutObject", Effect::Reset).after(3).times(6),
    ];
    let report = run_under(&env, &resets).await.unwrap();
    all_told(&env, &whole, &report).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_there() {
    let (env, whole) = filled().await;
    let lost = [Fault::every("s3:PutObject", Effect::ResetInBody).times(8)];
    let report = run_under(&env, &lost).await.unwrap();
    all_told(&env, &whole, &report).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn truncated_bodies_are_not_copied() {
    let (env, whole) = filled().await;
    let cut = [Fault::every("s3:GetObject", Effect::Truncate)];
    let report = run_under(&env, &cut).await.unwrap();
    // The logs wait for the digests of their hour.
    let counts = &report.counts;
    assert_eq!((counts.copied, counts.failed, counts.held_back), (0, 4, 20), "{report:?}");
    let reason = report.examples[0].reason.as_deref().unwrap();
    assert!(reason.contains("expected"), "{reason}");
    all_told(&env, &whole, &report).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn a_listing_that_is_cut_is_no_end_of_the_listing() {
    let (env, whole) = filled().await;
    let cut = [Fault::every("s3:ListObjectsV2", Effect::Truncate).after(8)];
    let report = run_under(&env, &cut).await.unwrap();
    assert!(!report.complete() && !report.failures.is_empty(), "{report:?}");
    nothing_corrupt(&env, &whole).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn bodies_that_do_not_match_their_checksum_are_not_copied() {
    let (env, whole) = filled().await;
    let altered = [Fault::every("s3:GetObject", Effect::Alter)];
    let report = run_under(&env, &altered).await.unwrap();
    // The logs wait for the digests of their hour.
    let counts = &report.counts;
    assert_eq!((counts.copied, counts.failed, counts.held_back), (0, 4, 20), "{report:?}");
    all_told(&env, &whole, &report).await;
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn credentials_that_expire_half_way_are_renewed() {
    let (env, whole) = filled().await;
    let report = run_and_half_way(&env, async || env.sandbox.expire_sessions()).await;
    assert!(report.complete(), "{report:?}");
    all_told(&env, &whole, &report).await;
}

#[tokio::test]
async fn access_that_is_revoked_half_way_is_told_and_stops_no_record() {
    let (env, whole) = filled().await;
    let member = env.members[0].to_string();
    let report = run_and_half_way(&env, async || env.sandbox.revoke(&member)).await;
    assert!(report.counts.copied >= 5 && !report.complete(), "{report:?}");
    all_told(&env, &whole, &report).await;
    env.sandbox.restore(&member);
    a_later_run_completes(&env, &whole).await;
}

#[tokio::test]
async fn a_source_that_is_deleted_half_way_takes_nothing_out_of_the_archive() {
    let (env, whole) = filled().await;
    let report = run_and_half_way(&env, async || {
        for key in env.sandbox.keys_raw(BUCKETS[0], "") {
            env.sandbox.delete_raw(BUCKETS[0], &key).unwrap();
        }
    })
    .await;
    assert!(report.counts.copied >= 5 && !report.complete(), "{report:?}");
    all_told(&env, &whole, &report).await;
    let arrived = nothing_corrupt(&env, &whole).await;
    env.sandbox.faults().clear();
    // What is gone at the source is gone; what arrived stays and is not touched.
    let later = env.run(&Started::new(None)).await.unwrap();
    assert!(later.complete() && later.counts.copied == 0, "{later:?}");
    assert_eq!(nothing_corrupt(&env, &whole).await, arrived);
}

#[tokio::test]
async fn writes_that_always_meet_others_are_given_up() {
    let (env, whole) = filled().await;
    // All but the first digest, which the record then names as failed.
    let conflict = Fault::every("s3:PutObject", Effect::WriteConflict);
    let copies = [conflict.clone().times(4 * 21)];
    let report = run_under(&env, &copies).await.unwrap();
    assert_eq!((report.counts.failed, report.counts.held_back), (4, 0), "{report:?}");
    let reason = report.examples[0].reason.as_deref().unwrap();
    assert!(reason.contains("at the same time") && reason.contains("run again"), "{reason}");
    a_later_run_completes(&env, &whole).await;

    // So is the record of a run.
    env.sandbox.faults().inject(conflict);
    let result = env.run(&Started::new(None)).await;
    assert!(
        matches!(result, Err(LedgerError::Sequence(SequenceError::Contended(_)))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_written_ends_the_run_and_not_the_copies() {
    let (env, whole) = filled().await;
    // The last write of a run is its record.
    let denied = [Fault::every("s3:PutObject", Effect::Deny).after(24)];
    let result = run_under(&env, &denied).await;
    assert!(matches!(result, Err(LedgerError::Sequence(SequenceError::Aws(_)))), "{result:?}");
    assert_eq!(nothing_corrupt(&env, &whole).await, whole.len());
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "orgtrail/"), Vec::<String>::new());
    a_later_run_completes(&env, &whole).await;
}
