//! Chains as they were written, and as they were tampered with: each finding in
//! its scenario.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::key::{LogClass, ObjectKey, ObjectKind};
use orgtrail::archive::verify::chain::{LatestDelivery, Window};
use orgtrail::archive::verify::digest::DigestDocument;
use orgtrail::archive::verify::finding::{Finding, FindingKind, Severity};
use orgtrail::archive::verify::period::Period;
use orgtrail::archive::verify::public_keys::PublicKeySet;
use orgtrail::archive::verify::run::{
    Concurrency, Deliveries, KeyRing, OtherBuckets, Request, Selection, Silent, Verification,
    verify,
};
use orgtrail::archive::verify::source::{FolderSource, Source};
use proptest::prelude::*;

use crate::forge::{Bucket, Chain, Object, gzip, inflated, key_item, key_set, sign};

/// Six hours of three log files each, and a bucket that holds them.
fn six_hours() -> (Bucket, Chain) {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    chain.hours(&mut bucket, 6, 3, 2);
    (bucket, chain)
}

fn verified(bucket: &Bucket) -> Verification {
    verified_with(bucket, |_| {})
}

fn verified_with(bucket: &Bucket, change: impl FnOnce(&mut Request)) -> Verification {
    let folder = tempfile::tempdir().unwrap();
    bucket.write_to(folder.path());
    let mut request = Request {
        source: Arc::new(Source::Folder(FolderSource::new(folder.path().to_owned()))),
        prefix: String::new(),
        selection: Selection::default(),
        window: Window::default(),
        keys: KeyRing::Given(Arc::new(key_set())),
        declared: None,
        delivered: Deliveries::none(),
        other_buckets: OtherBuckets::none(),
        concurrency: Concurrency::default(),
        kept: None,
    };
    change(&mut request);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(verify(request, Arc::new(Silent))).unwrap()
}

fn kinds(verification: &Verification) -> Vec<FindingKind> {
    verification.all_findings().map(|finding| finding.kind).collect()
}

/// The one finding that there is.
fn only(verification: &Verification) -> &Finding {
    let all: Vec<_> = verification.all_findings().collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0]
}

fn at(hour: i64) -> Timestamp {
    crate::forge::START.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour)
}

/// What CloudTrail says of a trail's newest digest.
fn latest(chain: &Chain, hour: i64) -> LatestDelivery {
    LatestDelivery {
        trail: chain.trail.clone(),
        home_region: chain.home_region.clone(),
        at: at(hour),
    }
}

fn period(from: i64, to: i64) -> Period {
    Period { from: at(from), to: at(to) }
}

#[test]
fn a_chain_as_written_is_proven() {
    let (bucket, _) = six_hours();
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    let lane = &all.lanes[0];
    assert_eq!(lane.proven, [period(0, 6)]);
    assert_eq!((lane.chains[0].valid, lane.logs.valid), (6, 18));
}

#[test]
fn empty_hours_are_proven_too() {
    let (mut bucket, mut chain) = six_hours();
    chain.hours(&mut bucket, 3, 0, 0);
    chain.hours(&mut bucket, 1, 2, 1);
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.lanes[0].proven, [period(0, 10)]);
}

#[test]
fn an_altered_log_file_is_found() {
    let (mut bucket, chain) = six_hours();
    let log = bucket.get(&chain.logs[2][1]);
    let text = String::from_utf8(inflated(&log.bytes)).unwrap().replacen("AROA", "BROA", 1);
    log.bytes = gzip(text.as_bytes());
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!(found.kind, FindingKind::LogHash);
    assert_eq!(found.key.as_deref(), Some(chain.logs[2][1].as_str()));
    assert_eq!(all.lanes[0].proven, [period(0, 2), period(3, 6)]);
    assert_eq!(all.severity(), Some(Severity::Broken));
}

#[test]
fn truncated_appended_corrupt_and_missing_log_files_are_told_apart() {
    let (bucket, chain) = six_hours();
    let key = &chain.logs[3][0];
    let whole = bucket.objects[key].bytes.clone();
    let mut corrupt = whole.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 8].fill(0xff);
    for (bytes, kind) in [
        (whole[..whole.len() - 9].to_vec(), FindingKind::LogHash),
        (corrupt, FindingKind::LogFormat),
        ([&whole[..], b"more"].concat(), FindingKind::LogTrailingData),
        ([&whole[..], &gzip(b"{}")].concat(), FindingKind::LogTrailingData),
        (b"plain text".to_vec(), FindingKind::LogFormat),
        (Vec::new(), FindingKind::LogHash),
    ] {
        let mut bucket = bucket.clone();
        bucket.get(key).bytes = bytes;
        assert_eq!(only(&verified(&bucket)).kind, kind);
    }
    let mut bucket = bucket;
    bucket.objects.remove(key);
    assert_eq!(only(&verified(&bucket)).kind, FindingKind::LogMissing);
}

#[test]
fn an_altered_digest_is_found_and_its_successor_still_holds() {
    let (mut bucket, chain) = six_hours();
    let digest = bucket.get(&chain.digests[2]);
    let text = String::from_utf8(inflated(&digest.bytes)).unwrap();
    digest.bytes = gzip(text.replacen("SHA-256", "SHA-512", 1).as_bytes());
    let all = verified(&bucket);
    let found: Vec<_> =
        all.all_findings().filter(|finding| finding.severity == Severity::Broken).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, FindingKind::DigestSignature);
    assert_eq!(all.lanes[0].proven, [period(0, 2), period(3, 6)]);
    // Its three log files are no longer vouched for.
    assert!(kinds(&all).contains(&FindingKind::LogsUnproven));
}

#[test]
fn a_digest_that_is_no_digest_is_found() {
    let (bucket, chain) = six_hours();
    let whole = bucket.objects[&chain.digests[2]].bytes.clone();
    for bytes in [
        b"nothing".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        [&whole[..], &whole].concat(),
        gzip(b"[]"),
        gzip(br#"{"digestEndTime":"2026-01-10T11:00:00Z"}"#),
    ] {
        let mut bucket = bucket.clone();
        bucket.get(&chain.digests[2]).bytes = bytes;
        let all = verified(&bucket);
        assert_eq!(
            kinds(&all).iter().filter(|kind| **kind == FindingKind::DigestFormat).count(),
            1
        );
        assert_eq!(all.lanes[0].proven, [period(0, 2), period(3, 6)]);
    }
}

#[test]
fn deleted_digests_are_one_interval_with_their_hours() {
    for (deleted, hours) in [(vec![2], 1), (vec![2, 3], 2), (vec![1, 2, 3, 4], 4)] {
        let (mut bucket, chain) = six_hours();
        for nth in &deleted {
            bucket.objects.remove(&chain.digests[*nth]);
        }
        let all = verified(&bucket);
        let found =
            all.all_findings().find(|finding| finding.kind == FindingKind::DigestMissing).unwrap();
        assert_eq!(found.objects, hours);
        let first = i64::try_from(deleted[0]).unwrap();
        let last = i64::try_from(*deleted.last().unwrap()).unwrap();
        assert_eq!(found.period, Some(period(first, last + 1)));
        // The one that the next digest names.
        assert_eq!(found.key.as_deref(), Some(chain.digests[*deleted.last().unwrap()].as_str()));
        assert_eq!(all.lanes[0].proven, [period(0, first), period(last + 1, 6)]);
    }
}

#[test]
fn deleted_digests_beside_an_altered_one_are_noticed() {
    let (mut bucket, chain) = six_hours();
    bucket.objects.remove(&chain.digests[2]);
    bucket.get(&chain.digests[3]).bytes = gzip(b"{}");
    let all = verified(&bucket);
    let kinds = kinds(&all);
    assert!(kinds.contains(&FindingKind::DigestFormat), "{kinds:?}");
    assert!(kinds.contains(&FindingKind::DigestMissing), "{kinds:?}");
}

#[test]
fn newest_digests_deleted_leave_the_window_open() {
    let (mut bucket, chain) = six_hours();
    bucket.objects.remove(&chain.digests[5]);
    bucket.objects.remove(&chain.digests[4]);
    let until = |request: &mut Request| request.window.until = Some(at(6));
    let all = verified_with(&bucket, until);
    let found = only(&all);
    assert_eq!((found.kind, found.period), (FindingKind::EndsEarly, Some(period(4, 6))));
    assert_eq!(all.severity(), Some(Severity::Incomplete));

    // CloudTrail knows better.
    let all = verified_with(&bucket, |request| {
        let latest = latest(&chain, 6);
        let lane = (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest);
        request.delivered = Deliveries::known(vec![lane]);
    });
    assert_eq!(only(&all).kind, FindingKind::NewestDeleted);
    assert_eq!(all.severity(), Some(Severity::Broken));

    // Of a window that ends earlier it tells nothing.
    let all = verified_with(&bucket, |request| {
        let latest = latest(&chain, 6);
        let lane = (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest);
        request.delivered = Deliveries::known(vec![lane]);
        request.window = Window { since: None, until: Some(at(3)), last: Some(at(4)) };
    });
    assert_eq!(kinds(&all), []);
}

#[test]
fn a_trail_whose_digests_are_all_deleted_is_found() {
    let (mut bucket, chain) = six_hours();
    let mut other = Chain { trail: "other".to_owned(), ..Chain::new() };
    other.hours(&mut bucket, 6, 0, 0);
    for digest in &other.digests {
        bucket.objects.remove(digest);
    }
    let told = |trails: &[&Chain]| {
        let lane = |chain: &&Chain| {
            (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest(chain, 6))
        };
        Deliveries::known(trails.iter().map(lane).collect())
    };
    let all = verified_with(&bucket, |request| request.delivered = told(&[&chain]));
    assert_eq!(kinds(&all), []);
    let all = verified_with(&bucket, |request| request.delivered = told(&[&chain, &other]));
    let found = only(&all);
    assert_eq!(found.kind, FindingKind::NewestDeleted);
    assert!(found.expected.as_ref().unwrap().contains("the digest of other"));

    // Of what was moved here, CloudTrail tells nothing: the trail may still be
    // writing where it always did.
    let moved = six_hours().0.relocated("o-exampleorgid", None);
    let all = verified_with(&moved, |request| {
        let lane = (chain.account.parse().unwrap(), chain.region.parse().unwrap());
        request.delivered = Deliveries::known(vec![(lane.0, lane.1, latest(&chain, 48))]);
    });
    assert_eq!(kinds(&all), []);
}

#[test]
fn a_deleted_beginning_is_noticed() {
    let (mut bucket, chain) = six_hours();
    bucket.objects.remove(&chain.digests[0]);
    let all = verified(&bucket);
    assert!(kinds(&all).contains(&FindingKind::ChainStartMissing));
    // Unless the window begins later.
    let all = verified_with(&bucket, |request| request.window.since = Some(at(1)));
    assert_eq!(kinds(&all), []);
    assert_eq!(all.lanes[0].proven, [period(1, 6)]);
    // In the window, the interval is known.
    let all = verified_with(&bucket, |request| request.window.since = Some(at(0)));
    let found = all.all_findings().find(|f| f.kind == FindingKind::DigestMissing).unwrap();
    assert_eq!(found.period, Some(period(0, 1)));
}

#[test]
fn a_window_looks_at_its_hours_only() {
    let (mut bucket, chain) = six_hours();
    bucket.objects.remove(&chain.logs[0][0]);
    bucket.objects.remove(&chain.logs[5][0]);
    let all = verified_with(&bucket, |request| {
        request.window = Window { since: Some(at(2)), until: Some(at(4)), last: Some(at(5)) };
    });
    assert_eq!(kinds(&all), []);
    assert_eq!(all.lanes[0].proven, [period(1, 5)]);
}

#[test]
fn a_restarted_chain_leaves_a_gap() {
    let (mut bucket, mut chain) = six_hours();
    chain.restart_after(SignedDuration::from_hours(5));
    chain.hours(&mut bucket, 2, 1, 1);
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.period), (FindingKind::Gap, Some(period(6, 11))));
    assert_eq!(all.severity(), Some(Severity::Incomplete));
    assert_eq!(all.lanes[0].proven, [period(0, 6), period(11, 13)]);
}

#[test]
fn a_gap_that_another_chain_fills_is_a_notice() {
    let (mut bucket, mut chain) = six_hours();
    chain.restart_after(SignedDuration::from_hours(5));
    chain.hours(&mut bucket, 2, 1, 1);
    let mut other = Chain { trail: "other".to_owned(), ..Chain::new() };
    other.hours(&mut bucket, 20, 0, 0);
    let all = verified_with(&bucket, |request| request.window.until = Some(at(20)));
    let mut found = kinds(&all);
    found.sort();
    assert_eq!(found, [FindingKind::Gap, FindingKind::ChainEnded]);
    assert_eq!(all.severity(), Some(Severity::Notice));
    assert_eq!(all.lanes[0].proven, [period(0, 20)]);
}

#[test]
fn a_backfill_chain_is_apart() {
    let (mut bucket, _) = six_hours();
    let mut backfill = Chain { backfill: true, ..Chain::new() };
    backfill.hours(&mut bucket, 4, 0, 0);
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.lanes[0].chains.len(), 2);
    // Without its generation time, no key can be looked up.
    bucket.get(&backfill.digests[1]).metadata.remove("backfill-generation-timestamp");
    assert_eq!(kinds(&verified(&bucket)), [FindingKind::DigestFormat]);
}

#[test]
fn a_relocated_archive_is_proven_where_it_is() {
    let (bucket, _) = six_hours();
    for prefix in [None, Some("archive/logs")] {
        let moved = bucket.relocated("o-exampleorgid", prefix);
        let all = verified(&moved);
        assert_eq!(kinds(&all), []);
        assert_eq!((all.lanes[0].chains[0].valid, all.lanes[0].chains[0].relocated), (6, 6));
        let declared: ObjectKey = moved.objects.keys().next().unwrap().parse().unwrap();
        let all = verified_with(&moved, |request| request.declared = Some(declared.root().clone()));
        assert_eq!(kinds(&all), []);
    }
    // Somewhere else than the mapping says, it is authentic and not in place.
    let moved = bucket.relocated("o-exampleorgid", Some("elsewhere"));
    let all = verified_with(&moved, |request| {
        let wanted: ObjectKey = bucket
            .relocated("o-exampleorgid", None)
            .objects
            .keys()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        request.declared = Some(wanted.root().clone());
    });
    let found = all.all_findings().find(|f| f.kind == FindingKind::DigestMoved).unwrap();
    assert!(found.found.as_ref().unwrap().ends_with("it is authentic there"));
}

#[test]
fn a_digest_in_anothers_place_is_moved() {
    let (mut bucket, chain) = six_hours();
    let old = bucket.objects[&chain.digests[1]].clone();
    bucket.objects.insert(chain.digests[3].clone(), old);
    let all = verified(&bucket);
    let moved: Vec<_> = all.all_findings().filter(|f| f.severity == Severity::Broken).collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].kind, FindingKind::DigestMoved);
    assert_eq!(moved[0].key.as_deref(), Some(chain.digests[3].as_str()));
}

#[test]
fn swapped_digests_are_both_moved() {
    let (mut bucket, chain) = six_hours();
    let (a, b) =
        (bucket.objects[&chain.digests[1]].clone(), bucket.objects[&chain.digests[2]].clone());
    bucket.objects.insert(chain.digests[1].clone(), b);
    bucket.objects.insert(chain.digests[2].clone(), a);
    let all = verified(&bucket);
    let broken: Vec<_> =
        all.all_findings().filter(|f| f.severity == Severity::Broken).map(|f| f.kind).collect();
    assert_eq!(broken, [FindingKind::DigestMoved; 2]);
}

#[test]
fn a_foreign_digest_does_not_hide_the_chain_behind_it() {
    let (mut bucket, chain) = six_hours();
    let copy = bucket.objects[&chain.digests[1]].clone();
    let between = chain.digests[2].replace("T110000Z", "T113000Z");
    assert_ne!(between, chain.digests[2]);
    bucket.objects.insert(between.clone(), copy);
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.key.as_deref()), (FindingKind::DigestMoved, Some(&*between)));
    assert_eq!(all.lanes[0].proven, [period(0, 6)]);
}

#[test]
fn swapped_log_files_are_both_found() {
    let (mut bucket, chain) = six_hours();
    let (a, b) =
        (bucket.objects[&chain.logs[1][0]].clone(), bucket.objects[&chain.logs[2][0]].clone());
    bucket.objects.insert(chain.logs[1][0].clone(), b);
    bucket.objects.insert(chain.logs[2][0].clone(), a);
    assert_eq!(kinds(&verified(&bucket)), [FindingKind::LogHash; 2]);
}

#[test]
fn lost_signatures_are_proven_by_their_successors() {
    let (mut bucket, chain) = six_hours();
    for nth in [1, 2, 4] {
        bucket.get(&chain.digests[nth]).metadata.clear();
    }
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.objects), (FindingKind::SignatureFromSuccessor, 3));
    assert_eq!(all.severity(), Some(Severity::Notice));
    assert_eq!(all.lanes[0].proven, [period(0, 6)]);
    assert_eq!(all.lanes[0].logs.valid, 18);

    // Nobody records the newest one's.
    bucket.get(&chain.digests[5]).metadata.clear();
    let all = verified(&bucket);
    assert!(kinds(&all).contains(&FindingKind::SignatureMissing));
    assert_eq!(all.severity(), Some(Severity::Incomplete));
    assert_eq!(all.lanes[0].proven, [period(0, 5)]);
}

#[test]
fn an_altered_digest_without_signature_is_found_by_its_successor() {
    let (mut bucket, chain) = six_hours();
    let digest = bucket.get(&chain.digests[2]);
    digest.metadata.clear();
    let text = String::from_utf8(inflated(&digest.bytes)).unwrap();
    digest.bytes = gzip(text.replacen("SHA-256", "SHA-512", 1).as_bytes());
    let all = verified(&bucket);
    assert!(kinds(&all).contains(&FindingKind::DigestSignature));
    assert_eq!(all.severity(), Some(Severity::Broken));
}

#[test]
fn wrong_expired_and_foreign_keys_prove_nothing() {
    let (bucket, _) = six_hours();
    let keys = |item| {
        let mut set = PublicKeySet::default();
        set.add_item(&item).unwrap();
        KeyRing::Given(Arc::new(set))
    };
    let expired = orgtrail::archive::verify::public_keys::KeyItem {
        validity_end_time: Some(at(-48)),
        ..key_item()
    };
    let of_another_region = orgtrail::archive::verify::public_keys::KeyItem {
        region: Some("eu-west-1".parse().unwrap()),
        ..key_item()
    };
    for item in [expired, of_another_region] {
        let all = verified_with(&bucket, |request| request.keys = keys(item));
        assert_eq!(
            kinds(&all).iter().filter(|kind| **kind == FindingKind::PublicKeyNotFound).count(),
            6
        );
        assert_eq!(all.severity(), Some(Severity::Broken));
        assert!(all.lanes[0].proven.is_empty());
    }
}

#[test]
fn a_record_that_differs_from_its_predecessor_is_found() {
    // Signed by the right key, and chained to another predecessor.
    for (field, kind) in [
        ("hash", FindingKind::LinkHash),
        ("signature", FindingKind::LinkSignature),
        ("bucket", FindingKind::LinkAddress),
    ] {
        let (mut bucket, chain) = six_hours();
        let last = bucket.get(&chain.digests[5]);
        let mut document = DigestDocument::parse(&inflated(&last.bytes)).unwrap();
        match field {
            "hash" => document.previous_digest_hash_value = Some("0".repeat(64)),
            "signature" => document.previous_digest_signature = Some("0".repeat(512)),
            _ => document.previous_digest_s3_bucket = Some("another".to_owned()),
        }
        let (bytes, signature) = sign(&document);
        last.bytes = gzip(&bytes);
        last.metadata.insert("signature".to_owned(), signature);
        assert_eq!(only(&verified(&bucket)).kind, kind);
    }
}

#[test]
fn a_log_file_that_no_digest_lists_is_found() {
    let (mut bucket, chain) = six_hours();
    let kind = ObjectKind::Log { class: LogClass::Events, unique: "ForeignForeign01".into() };
    let key = chain.key(at(2) + SignedDuration::from_mins(30), kind).to_string();
    let object = bucket.objects[&chain.logs[2][0]].clone();
    bucket.objects.insert(key.clone(), object);
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.key.as_deref()), (FindingKind::LogUnlisted, Some(key.as_str())));
    assert_eq!(all.severity(), Some(Severity::Broken));
}

#[test]
fn an_object_that_cloudtrail_would_not_write_is_foreign() {
    let (mut bucket, chain) = six_hours();
    let beside = chain.logs[2][0].replace(".json.gz", ".json.gz.exe");
    let object = Object { bytes: Vec::new(), metadata: std::collections::BTreeMap::new() };
    bucket.objects.insert(beside, object);
    assert_eq!(only(&verified(&bucket)).kind, FindingKind::ForeignObject);
}

#[test]
fn log_files_without_digests_are_incomplete() {
    let (mut bucket, chain) = six_hours();
    for digest in &chain.digests {
        bucket.objects.remove(digest);
    }
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.objects), (FindingKind::NoDigests, 18));
    assert_eq!(all.severity(), Some(Severity::Incomplete));
}

#[test]
fn organizations_and_accounts_are_verified_together_and_selected() {
    let (mut bucket, _) = six_hours();
    let root = orgtrail::archive::key::Root {
        prefix: Some("o-exampleorgid".into()),
        org: Some("o-exampleorgid".parse().unwrap()),
    };
    for (account, region) in [("222222222222", "eu-west-1"), ("333333333333", "us-east-1")] {
        let mut chain = Chain {
            root: root.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            trail: "org".to_owned(),
            ..Chain::new()
        };
        chain.hours(&mut bucket, 2, 1, 1);
    }
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.lanes.len(), 3);
    let lanes = |change: fn(&mut Request)| verified_with(&bucket, change).lanes.len();
    assert_eq!(lanes(|r| r.selection.accounts = ["222222222222".parse().unwrap()].into()), 1);
    assert_eq!(lanes(|r| r.selection.regions = ["us-east-1".parse().unwrap()].into()), 2);
    assert_eq!(lanes(|r| r.prefix = "o-exampleorgid/".to_owned()), 2);
    assert_eq!(lanes(|r| r.prefix = "AWSLogs/111111111111/".to_owned()), 1);
    assert_eq!(
        lanes(|r| r.prefix = "o-exampleorgid/AWSLogs/o-exampleorgid/333333333333/".to_owned()),
        1
    );
}

#[test]
fn a_trail_that_changed_its_bucket_continues_elsewhere() {
    let (mut bucket, mut chain) = six_hours();
    bucket.objects.clear();
    "another-bucket".clone_into(&mut chain.bucket);
    chain.hours(&mut bucket, 2, 1, 1);
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!(found.kind, FindingKind::ContinuesElsewhere);
    assert!(found.expected.as_ref().unwrap().contains(&chain.digests[5]));
    assert!(found.found.as_ref().unwrap().contains("not followed"));
}

#[test]
fn a_trail_that_changed_to_the_archive_is_one_chain_once_its_past_is_brought_there() {
    let (bucket, mut chain) = six_hours();
    let mut archive = bucket.relocated("o-exampleorgid", Some("p"));
    let key: ObjectKey = archive.objects.keys().next().unwrap().parse().unwrap();
    chain.root = key.root().clone();
    "archive".clone_into(&mut chain.bucket);
    chain.hours(&mut archive, 2, 1, 1);
    let all = verified(&archive);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.lanes[0].proven, [period(0, 8)]);
    assert_eq!((all.lanes[0].chains[0].valid, all.lanes[0].chains[0].relocated), (8, 6));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_chain_is_always_proven(
        hours in 1usize..9, logs in 0usize..4, org in any::<bool>(), restart in 0i64..3,
    ) {
        let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
        chain.hours(&mut bucket, hours, logs, 1);
        chain.restart_after(SignedDuration::from_hours(restart));
        chain.hours(&mut bucket, hours, logs, 1);
        let bucket = if org { bucket.relocated("o-exampleorgid", Some("p")) } else { bucket };
        let all = verified(&bucket);
        let expected: &[FindingKind] = if restart > 0 { &[FindingKind::Gap] } else { &[] };
        prop_assert_eq!(kinds(&all), expected);
        prop_assert_eq!(all.lanes[0].logs.valid, 2 * (hours * logs) as u64);
    }

    #[test]
    fn any_flipped_bit_is_found(which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut bucket, _) = six_hours();
        let key = bucket.objects.keys().nth(which.index(bucket.objects.len())).unwrap().clone();
        let bytes = &mut bucket.get(&key).bytes;
        let at = place.index(bytes.len());
        // Of the gzip header, time, flags and system are no part of the content.
        prop_assume!(!(4..10).contains(&at));
        bytes[at] ^= 1 << bit;
        let all = verified(&bucket);
        let named = all.all_findings().any(|finding| {
            finding.severity == Severity::Broken && finding.key.as_deref() == Some(key.as_str())
        });
        prop_assert!(named, "{key} at {at}: {:#?}", all.all_findings().collect::<Vec<_>>());
    }

    #[test]
    fn any_dropped_file_but_the_last_digest_is_found(which in any::<prop::sample::Index>()) {
        let (mut bucket, chain) = six_hours();
        let key = bucket.objects.keys().nth(which.index(bucket.objects.len())).unwrap().clone();
        bucket.objects.remove(&key);
        let all = verified_with(&bucket, |request| request.window.until = Some(at(6)));
        let wanted = if chain.digests.last() == Some(&key) { Severity::Incomplete } else { Severity::Broken };
        prop_assert_eq!(all.severity(), Some(wanted));
    }

    #[test]
    fn relocating_and_verifying_commute(
        which in any::<prop::sample::Index>(), what in 0u8..4, prefix in prop::option::of("[a-z]{1,8}")
    ) {
        let (mut bucket, _) = six_hours();
        let key = bucket.objects.keys().nth(which.index(bucket.objects.len())).unwrap().clone();
        match what {
            0 => { bucket.objects.remove(&key); }
            1 => bucket.get(&key).bytes[30] ^= 1,
            2 => bucket.get(&key).metadata.clear(),
            _ => {}
        }
        let here = verified(&bucket);
        let there = verified(&bucket.relocated("o-exampleorgid", prefix.as_deref()));
        prop_assert_eq!(kinds(&here), kinds(&there));
        prop_assert_eq!(&here.lanes[0].proven, &there.lanes[0].proven);
        prop_assert_eq!(here.lanes[0].logs, there.lanes[0].logs);
    }
}
