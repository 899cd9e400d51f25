//! Archives into which trails deliver while they are verified, and of which one
//! trail's digests lag behind another's.

use jiff::SignedDuration;
use orgtrail::archive::verify::finding::{FindingKind, Severity};
use orgtrail::archive::verify::run::Verification;
use orgtrail::sandbox::{Effect, Fault};

use crate::forge::{Bucket, Chain};
use crate::rounds::LegacyEnv;
use crate::verified::verified;

/// Five hours of an old trail, of whose digests the last two did not arrive, and
/// so many hours of the organization's, which found nothing to record.
fn lagging(hours: usize) -> (Bucket, Chain) {
    let (mut bucket, mut old) = (Bucket::default(), Chain::new());
    old.hours(&mut bucket, 5, 2, 1);
    for digest in &old.digests[3..] {
        bucket.objects.remove(digest);
    }
    let mut organizations = Chain { trail: "orgtrail".to_owned(), ..Chain::new() };
    organizations.hours(&mut bucket, hours, 0, 0);
    (bucket, old)
}

fn printed(verification: &Verification) -> Vec<(FindingKind, Severity, u64)> {
    let findings = verification.all_findings();
    findings.map(|it| (it.kind, it.severity, it.objects)).collect()
}

#[test]
fn files_whose_trail_lags_behind_another_are_unproven_and_not_foreign() {
    let (bucket, _) = lagging(8);
    let waiting = (FindingKind::LogsUnproven, Severity::Incomplete, 4);
    assert_eq!(printed(&verified(&bucket)), [waiting]);
}

#[test]
fn files_of_hours_that_every_trail_has_told_of_are_foreign() {
    let (mut bucket, old) = lagging(8);
    // One more, in an hour that the old trail's digests cover too.
    let planted = old.logs[1][0].replace("_20260110T0905Z_", "_20260110T0920Z_");
    assert_ne!(planted, old.logs[1][0]);
    let object = bucket.objects[&old.logs[1][0]].clone();
    bucket.objects.insert(planted.clone(), object);
    let all = verified(&bucket);
    let broken = all.all_findings().find(|it| it.severity == Severity::Broken).unwrap();
    assert_eq!((broken.kind, broken.key.as_deref()), (FindingKind::LogUnlisted, Some(&*planted)));
}

#[test]
fn files_of_a_trail_that_stays_behind_are_unproven_and_only_later_ones_foreign() {
    let (bucket, _) = lagging(3 + 24);
    assert_eq!(printed(&verified(&bucket)), [(FindingKind::LogsUnproven, Severity::Incomplete, 4)]);
    let (mut bucket, old) = lagging(3 + 72);
    let unproven = (FindingKind::LogsUnproven, Severity::Incomplete, 4);
    assert_eq!(printed(&verified(&bucket)), [unproven]);
    // Two days after the old trail's newest digest.
    let planted =
        old.logs[4][0].replace("2026/01/10/", "2026/01/12/").replace("20260110T", "20260112T");
    assert_ne!(planted, old.logs[4][0]);
    let object = bucket.objects[&old.logs[4][0]].clone();
    bucket.objects.insert(planted, object);
    let foreign = (FindingKind::LogUnlisted, Severity::Broken, 1);
    assert_eq!(printed(&verified(&bucket)), [foreign, unproven]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_delivered_meanwhile_is_not_said_to_be_deleted() {
    let env = LegacyEnv::new().await;
    let slow = Effect::Latency { milliseconds: 1500 };
    env.sandbox.faults().inject(Fault::every("cloudtrail:GetTrailStatus", slow));
    let deliver = async {
        env.until_struck().await;
        env.sandbox.tick(SignedDuration::from_hours(3));
    };
    let (verified, ()) = tokio::join!(env.run(&["verify"]), deliver);
    assert_eq!(verified.code, 0, "{}", verified.text());
}
