//! Trails that wrote below several roots of one bucket: an account's own, and the
//! organization's.

use jiff::SignedDuration;
use orgtrail::archive::key::Root;
use orgtrail::archive::verify::finding::{FindingKind, Severity};
use orgtrail::archive::verify::run::{DeclaredTrail, Deliveries, Verification};

use crate::forge::{Bucket, Chain, gzip};
use crate::verified::{at, kinds, only, period, six_hours, verified, verified_with};

const ORG: &str = "o-exampleorgid";

fn below(prefix: Option<&str>, org: Option<&str>) -> Root {
    Root { prefix: prefix.map(Into::into), org: org.map(|org| org.parse().unwrap()) }
}

fn moved(chain: &mut Chain, root: Root, into: &mut Bucket, hours: usize) {
    chain.root = root;
    chain.hours(into, hours, 2, 1);
}

/// An organization's trail that was an account's own for two hours.
fn back_and_forth(prefix: Option<&str>) -> (Bucket, Chain) {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    for (org, hours) in [(Some(ORG), 3), (None, 2), (Some(ORG), 3)] {
        moved(&mut chain, below(prefix, org), &mut bucket, hours);
    }
    (bucket, chain)
}

fn broken(all: &Verification) -> Vec<FindingKind> {
    let broken = all.all_findings().filter(|finding| finding.severity == Severity::Broken);
    broken.map(|finding| finding.kind).collect()
}

#[test]
fn a_trail_that_becomes_an_accounts_own_and_the_organizations_again_is_one_chain() {
    for prefix in [None, Some("o-exampleorgid"), Some("deep/er")] {
        let (bucket, _) = back_and_forth(prefix);
        let all = verified_with(&bucket, |request| request.window.until = Some(at(8)));
        assert_eq!(kinds(&all), [], "{prefix:?}");
        assert_eq!(all.scopes.len(), 1);
        assert_eq!(all.scopes[0].roots.len(), 2);
        assert_eq!(all.scopes[0].proven, [period(0, 8)]);
        let chain = &all.scopes[0].chains[0];
        assert_eq!((all.scopes[0].chains.len(), chain.valid, all.scopes[0].logs.valid), (1, 8, 16));
    }
}

#[test]
fn a_trail_whose_prefix_changed_within_the_bucket_is_one_chain() {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    moved(&mut chain, below(Some("one"), None), &mut bucket, 3);
    moved(&mut chain, below(Some("two"), Some(ORG)), &mut bucket, 3);
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.scopes[0].proven, [period(0, 6)]);
}

#[test]
fn a_digest_that_is_missing_below_a_sibling_root_was_deleted() {
    for nth in [2, 3, 4] {
        let (mut bucket, chain) = back_and_forth(None);
        bucket.objects.remove(&chain.digests[nth]);
        let all = verified(&bucket);
        // The first below a root has none before it below the same.
        let kind =
            if nth == 3 { FindingKind::ChainStartMissing } else { FindingKind::DigestMissing };
        assert_eq!(broken(&all), [kind], "{nth}: {:?}", kinds(&all));
        let hour = i64::try_from(nth).unwrap();
        assert_eq!(all.scopes[0].proven, [period(0, hour), period(hour + 1, 8)]);
    }
}

#[test]
fn after_the_accounts_own_trails_the_organizations_leaves_the_true_gap_alone() {
    let (mut bucket, mut own) = (Bucket::default(), Chain::new());
    moved(&mut own, below(Some(ORG), None), &mut bucket, 5);
    let mut organizations = Chain { end: at(6), ..Chain::new() };
    moved(&mut organizations, below(Some(ORG), Some(ORG)), &mut bucket, 4);
    let asked = |bucket: &Bucket, declared: &str| {
        let declared = DeclaredTrail {
            name: declared.parse().unwrap(),
            home_region: organizations.home_region.parse().unwrap(),
            org: ORG.parse().unwrap(),
        };
        verified_with(bucket, |request| {
            request.window.until = Some(at(10));
            request.delivered = Deliveries::none().with_declared_trail(Some(declared)).into();
        })
    };
    let all = asked(&bucket, &organizations.trail);
    let gap = only(&all);
    assert_eq!((gap.kind, gap.severity), (FindingKind::Gap, Severity::Incomplete));
    assert_eq!((gap.period, gap.objects), (Some(period(5, 6)), 1));
    assert_eq!(all.scopes[0].proven, [period(0, 5), period(6, 10)]);
    // Without a gap nothing is left open.
    let mut sooner = Chain { end: at(5), trail: "sooner".to_owned(), ..Chain::new() };
    moved(&mut sooner, below(Some(ORG), Some(ORG)), &mut bucket, 5);
    let all = asked(&bucket, "sooner");
    assert_eq!(all.severity(), Some(Severity::Notice), "{:?}", kinds(&all));
}

#[test]
fn log_files_below_a_root_without_digests_are_not_held_to_those_of_another() {
    let (mut bucket, own) = six_hours();
    for digest in &own.digests {
        bucket.objects.remove(digest);
    }
    moved(&mut Chain::new(), below(None, Some(ORG)), &mut bucket, 6);
    assert_eq!(only(&verified(&bucket)).kind, FindingKind::NoDigests);
}

#[test]
fn what_was_brought_below_another_root_of_its_bucket_counts_once() {
    let (mut bucket, chain) = six_hours();
    let brought = bucket.relocated(ORG, None);
    bucket.objects.extend(brought.objects);
    let there = |key: &str| key.replacen("AWSLogs/", "AWSLogs/o-exampleorgid/", 1);
    let check = |bucket: &Bucket, wanted: &[FindingKind]| {
        let all = verified(bucket);
        assert_eq!(kinds(&all), wanted);
        let chains = &all.scopes[0].chains;
        assert_eq!((chains.len(), chains[0].valid, chains[0].copies), (1, 6, 6));
        assert_eq!(all.scopes[0].logs.valid, 18);
        assert_eq!(all.scopes[0].proven, [period(0, 6)]);
    };
    check(&bucket, &[]);
    // A file that lies at one of the places is there.
    for key in [chain.logs[2][1].clone(), there(&chain.logs[2][1])] {
        let mut bucket = bucket.clone();
        bucket.objects.remove(&key);
        check(&bucket, &[FindingKind::LogElsewhere]);
    }
    // Copies of a mirror that lost their metadata.
    let mut unsigned = bucket.clone();
    for digest in &chain.digests[..5] {
        unsigned.get(digest).metadata.clear();
        unsigned.get(&there(digest)).metadata.clear();
    }
    check(&unsigned, &[FindingKind::SignatureFromSuccessor]);
    // At neither place, or altered at one, it is not.
    let mut deleted = bucket.clone();
    for key in [chain.logs[2][1].clone(), there(&chain.logs[2][1])] {
        deleted.objects.remove(&key);
    }
    assert_eq!(broken(&verified(&deleted)), [FindingKind::LogMissing; 2]);
    bucket.get(&there(&chain.logs[2][1])).bytes = gzip(b"{}");
    assert_eq!(broken(&verified(&bucket)), [FindingKind::LogHash]);
}

#[test]
fn trails_of_one_name_and_several_owners_do_not_collide() {
    for apart in [0, 600] {
        let (mut bucket, mut own) = (Bucket::default(), Chain::new());
        own.hours(&mut bucket, 6, 2, 1);
        // Where their digests' seconds differ, both fit below one root.
        if apart > 0 {
            bucket = bucket.relocated(ORG, None);
        }
        let end = at(0) + SignedDuration::from_secs(apart);
        let mut organizations = Chain { end, ..Chain::new() };
        moved(&mut organizations, below(None, Some(ORG)), &mut bucket, 6);
        let all = verified(&bucket);
        assert_eq!(kinds(&all), [], "{apart}");
        let chains: Vec<u64> = all.scopes[0].chains.iter().map(|chain| chain.valid).collect();
        assert_eq!(chains, [6, 6]);
        // What is missing in one is not hidden by the other.
        let organizations = organizations.digests[3].clone();
        bucket.objects.remove(&organizations);
        assert!(broken(&verified(&bucket)).contains(&FindingKind::DigestMissing), "{apart}");
    }
}
