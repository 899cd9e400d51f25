//! Chains as they were written, cut short, interrupted and signed by others: each
//! finding in its scenario.

use std::sync::Arc;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use jiff::SignedDuration;
use orgtrail::archive::key::Root;
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::digest::{DigestDocument, sha256_hex};
use orgtrail::archive::verify::finding::{FindingKind, Severity};
use orgtrail::archive::verify::public_keys::{KeyListError, PublicKeySet};
use orgtrail::archive::verify::run::{
    DeclaredTrail, Deliveries, PublicKeySource, Request, Verification,
};
use orgtrail::names::OrgId;

use crate::forge::{Chain, gzip, inflated, key_item, key_item_of, sign, sign_with};
use crate::verified::{at, kinds, latest, only, period, six_hours, verified, verified_with};

#[test]
fn a_chain_as_written_is_proven() {
    let (bucket, _) = six_hours();
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    let delivery = &all.scopes[0];
    assert_eq!(delivery.proven, [period(0, 6)]);
    assert_eq!((delivery.chains[0].valid, delivery.logs.valid), (6, 18));
}

#[test]
fn empty_hours_are_proven_too() {
    let (mut bucket, mut chain) = six_hours();
    chain.hours(&mut bucket, 3, 0, 0);
    chain.hours(&mut bucket, 1, 2, 1);
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.scopes[0].proven, [period(0, 10)]);
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
        assert_eq!(all.scopes[0].proven, [period(0, first), period(last + 1, 6)]);
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
    assert_eq!(kinds(&all), [FindingKind::EndsEarly, FindingKind::LogsUnproven]);
    assert_eq!(all.all_findings().next().unwrap().period, Some(period(4, 6)));
    assert_eq!(all.severity(), Some(Severity::Incomplete));

    // CloudTrail knows better.
    let all = verified_with(&bucket, |request| {
        let latest = latest(&chain, 6);
        let delivery = (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest);
        request.delivered = Deliveries::known(Root::default(), [delivery]).into();
    });
    assert_eq!(kinds(&all), [FindingKind::NewestDeleted, FindingKind::LogsUnproven]);
    assert_eq!(all.severity(), Some(Severity::Broken));

    // What lies there and proves nothing was not deleted.
    let (mut damaged, chain) = six_hours();
    for digest in &chain.digests[4..] {
        damaged.objects.get_mut(digest).unwrap().bytes.clear();
    }
    let all = verified_with(&damaged, |request| {
        let latest = latest(&chain, 6);
        let delivery = (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest);
        request.delivered = Deliveries::known(Root::default(), [delivery]).into();
    });
    assert!(kinds(&all).iter().all(|kind| *kind != FindingKind::NewestDeleted));
    assert!(kinds(&all).contains(&FindingKind::DigestFormat));

    // Of a window that ends earlier it tells nothing.
    let all = verified_with(&bucket, |request| {
        let latest = latest(&chain, 6);
        let delivery = (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest);
        request.delivered = Deliveries::known(Root::default(), [delivery]).into();
        request.window = Window { since: None, until: Some(at(3)), last: Some(at(4)) };
    });
    assert_eq!(all.severity(), None);
}

#[test]
fn a_trail_whose_digests_are_all_deleted_is_found() {
    let (mut bucket, chain) = six_hours();
    let mut other = Chain { trail: "other".to_owned(), ..Chain::new() };
    other.hours(&mut bucket, 6, 0, 0);
    for digest in &other.digests {
        bucket.objects.remove(digest);
    }
    let printed = |trails: &[&Chain]| {
        let delivery = |chain: &&Chain| {
            (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest(chain, 6))
        };
        Deliveries::known(Root::default(), trails.iter().map(delivery))
    };
    let all = verified_with(&bucket, |request| request.delivered = printed(&[&chain]).into());
    assert_eq!(kinds(&all), []);
    let all =
        verified_with(&bucket, |request| request.delivered = printed(&[&chain, &other]).into());
    let found = only(&all);
    assert_eq!(found.kind, FindingKind::NewestDeleted);
    assert!(found.expected.as_ref().unwrap().contains("the digest of other"));
    // The trail may have been moved here since.
    assert_eq!(found.severity, Severity::Incomplete);

    // Its digests of another Region came earlier: it was here.
    let mut west =
        Chain { trail: "other".to_owned(), region: "us-west-2".to_owned(), ..Chain::new() };
    west.hours(&mut bucket, 6, 0, 0);
    let all =
        verified_with(&bucket, |request| request.delivered = printed(&[&chain, &other]).into());
    let found = only(&all);
    assert_eq!((found.kind, found.severity), (FindingKind::NewestDeleted, Severity::Broken));
    assert_eq!(found.found.as_deref(), Some("no digest of this trail"));
    // Not those of another account's trail of the same name.
    for digest in &west.digests {
        bucket.objects.remove(digest);
    }
    let mut namesake = Chain { account: "222222222222".to_owned(), ..west };
    (namesake.end, namesake.previous) = (at(0), None);
    namesake.hours(&mut bucket, 6, 0, 0);
    let all =
        verified_with(&bucket, |request| request.delivered = printed(&[&chain, &other]).into());
    assert_eq!(only(&all).severity, Severity::Incomplete);

    // Nor is a trail taken to be new here that left earlier log files.
    let (mut bucket, chain) = six_hours();
    for digest in &chain.digests {
        bucket.objects.remove(digest);
    }
    let all = verified_with(&bucket, |request| request.delivered = printed(&[&chain]).into());
    assert_eq!(all.severity(), Some(Severity::Broken));
    assert!(kinds(&all).contains(&FindingKind::NewestDeleted));

    // Of what was moved here, CloudTrail tells nothing: the trail may still be
    // writing where it always did.
    let moved = six_hours().0.relocated("o-exampleorgid", None);
    let all = verified_with(&moved, |request| {
        let latest = latest(&chain, 48);
        let delivery = (chain.account.parse().unwrap(), chain.region.parse().unwrap(), latest);
        let root = Root { org: Some("o-exampleorgid".parse().unwrap()), prefix: None };
        request.delivered = Deliveries::known(root, [delivery]).into();
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
    assert_eq!(all.scopes[0].proven, [period(1, 6)]);
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
    // What lies beyond is said to be there.
    assert_eq!(kinds(&all), [FindingKind::BeyondWindow]);
    assert_eq!(all.severity(), Some(Severity::Notice));
    assert_eq!(all.scopes[0].proven, [period(1, 5)]);
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
    assert_eq!(all.scopes[0].proven, [period(0, 6), period(11, 13)]);
}

#[test]
fn a_gap_that_another_chain_fills_is_a_notice() {
    let (mut bucket, mut chain) = six_hours();
    chain.restart_after(SignedDuration::from_hours(5));
    chain.hours(&mut bucket, 2, 1, 1);
    let mut other = Chain { trail: "other".to_owned(), ..Chain::new() };
    other.hours(&mut bucket, 20, 0, 0);
    let asked = |declared: Option<DeclaredTrail>| {
        verified_with(&bucket, |request| {
            request.window.until = Some(at(20));
            request.delivered = Deliveries::none().with_declared_trail(declared).into();
        })
    };
    // Nobody knows what the other recorded.
    let all = asked(None);
    let mut found = kinds(&all);
    found.sort();
    assert_eq!(found, [FindingKind::Gap, FindingKind::EndsEarly]);
    assert_eq!(all.severity(), Some(Severity::Incomplete));
    let why = all.all_findings().next().unwrap().found.clone().unwrap();
    assert!(why.contains("it is not known what the trail other recorded then"), "{why}");

    // The declared trail of the organization records what it is declared to.
    let org: OrgId = "o-exampleorgid".parse().unwrap();
    let mut organizations = Chain { trail: "orgtrail".to_owned(), ..Chain::new() };
    organizations.root.org = Some(org.clone());
    organizations.hours(&mut bucket, 20, 0, 0);
    let declared = |name: &str| {
        let home_region = "us-east-1".parse().unwrap();
        Some(DeclaredTrail { name: name.parse().unwrap(), home_region, org: org.clone() })
    };
    let asked = |declared: Option<DeclaredTrail>| {
        verified_with(&bucket, |request| {
            request.window.until = Some(at(20));
            request.delivered = Deliveries::none().with_declared_trail(declared).into();
        })
    };
    let all = asked(declared("orgtrail"));
    let mut found = kinds(&all);
    found.sort();
    assert_eq!(found, [FindingKind::Gap, FindingKind::ChainEnded]);
    assert_eq!(all.severity(), Some(Severity::Notice));
    assert_eq!(all.scopes[0].proven, [period(0, 20)]);
    // Not one of the same name that is an account's own, nor another of the organization.
    for name in ["other", "another"] {
        assert_eq!(asked(declared(name)).severity(), Some(Severity::Incomplete), "{name}");
    }
}

#[test]
fn a_backfill_chain_is_apart() {
    let (mut bucket, _) = six_hours();
    let mut backfill = Chain { backfill: true, ..Chain::new() };
    backfill.hours(&mut bucket, 4, 0, 0);
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.scopes[0].chains.len(), 2);
    // Without its generation time, no key can be looked up.
    bucket.get(&backfill.digests[1]).metadata.remove("backfill-generation-timestamp");
    assert_eq!(kinds(&verified(&bucket)), [FindingKind::DigestFormat]);
}

#[test]
fn wrong_expired_and_foreign_keys_prove_nothing() {
    let (bucket, _) = six_hours();
    let keys = |item| {
        let mut set = PublicKeySet::default();
        set.add_item(&item).unwrap();
        PublicKeySource::Given(Arc::new(set))
    };
    let expired = orgtrail::archive::verify::public_keys::KeyItem {
        validity_end_time: Some(at(-48)),
        ..key_item()
    };
    let all = verified_with(&bucket, |request| request.keys = keys(expired));
    let not_found = |all: &Verification| {
        kinds(all).iter().filter(|kind| **kind == FindingKind::PublicKeyNotFound).count()
    };
    assert_eq!(not_found(&all), 6);
    assert_eq!(all.severity(), Some(Severity::Broken));
    assert!(all.scopes[0].proven.is_empty());

    // Of another Region: nothing speaks against the digests, and nothing for them.
    let of_another_region = orgtrail::archive::verify::public_keys::KeyItem {
        region: Some("eu-west-1".parse().unwrap()),
        ..key_item()
    };
    let all = verified_with(&bucket, |request| request.keys = keys(of_another_region));
    assert_eq!(all.severity(), Some(Severity::Incomplete));
    assert!(all.scopes[0].proven.is_empty());
    let missing = all.all_findings().find(|it| it.kind == FindingKind::PublicKeyMissing).unwrap();
    assert_eq!(missing.objects, 6);
    assert_eq!(missing.found.as_deref(), Some("no public key for us-east-1 was given"));
}

#[test]
fn a_digest_by_an_unknown_key_is_broken_where_the_regions_keys_are_at_hand() {
    let stranger = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // All digests of an account, signed anew by somebody else; another account of the
    // same Region is as CloudTrail wrote it.
    let (mut bucket, chain) = six_hours();
    for digest in &chain.digests {
        let object = bucket.get(digest);
        let mut document = DigestDocument::parse(&inflated(&object.bytes)).unwrap();
        document.digest_public_key_fingerprint = key_item_of(&stranger).fingerprint;
        let (bytes, signature) = sign_with(&stranger, &document);
        object.bytes = gzip(&bytes);
        object.metadata.insert("signature".to_owned(), signature);
    }
    assert_eq!(verified(&bucket).severity(), Some(Severity::Incomplete));
    Chain { account: "222222222222".to_owned(), ..Chain::new() }.hours(&mut bucket, 2, 1, 1);
    let all = verified(&bucket);
    assert_eq!(all.severity(), Some(Severity::Broken));
    let not_found = |kind: &&FindingKind| **kind == FindingKind::PublicKeyNotFound;
    assert_eq!(kinds(&all).iter().filter(not_found).count(), 6);
}

#[test]
fn a_window_without_a_digest_is_not_proven() {
    let (mut bucket, chain) = six_hours();
    let window = |since, until| {
        let last = until + SignedDuration::from_hours(1);
        move |request: &mut Request| {
            request.window = Window { since: Some(since), until: Some(until), last: Some(last) };
        }
    };
    // Before all digests, and after them.
    for (since, until) in [(at(-48), at(-24)), (at(24), at(48))] {
        let all = verified_with(&bucket, window(since, until));
        assert_eq!(all.severity(), Some(Severity::Incomplete));
        assert!(kinds(&all).contains(&FindingKind::WindowEmpty), "{:?}", kinds(&all));
    }
    // An account that came later is nothing to be missed there.
    Chain { account: "222222222222".to_owned(), end: at(-30), ..Chain::new() }.hours(
        &mut bucket,
        8,
        1,
        1,
    );
    let all = verified_with(&bucket, window(at(-30), at(-24)));
    assert_eq!(all.severity(), Some(Severity::Notice), "{:#?}", all.findings);
    // Unless its first digest at hand is not the first of its chain.
    bucket.objects.remove(&chain.digests[0]);
    let all = verified_with(&bucket, window(at(-30), at(-24)));
    assert_eq!(all.severity(), Some(Severity::Incomplete));
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
fn what_a_stranger_signs_with_a_key_of_its_own_is_not_proven() {
    let stranger = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let item = key_item_of(&stranger);
    // A log that was swapped, and the newest digest written anew to fit it: once
    // under the stranger's key, once under the name of AWS's.
    for (fingerprint, kind) in [
        (item.fingerprint.clone(), FindingKind::PublicKeyNotFound),
        (key_item().fingerprint, FindingKind::DigestSignature),
    ] {
        let (mut bucket, chain) = six_hours();
        let log = bucket.get(&chain.logs[5][0]);
        log.bytes = gzip(b"{\"Records\":[]}");
        let digest = bucket.get(&chain.digests[5]);
        let mut document = DigestDocument::parse(&inflated(&digest.bytes)).unwrap();
        document.digest_public_key_fingerprint = fingerprint;
        document.log_files[0].hash_value = sha256_hex(b"{\"Records\":[]}");
        let (bytes, signature) = sign_with(&stranger, &document);
        digest.bytes = gzip(&bytes);
        digest.metadata.insert("signature".to_owned(), signature);
        let all = verified(&bucket);
        assert!(kinds(&all).contains(&kind), "{:?}", kinds(&all));
        assert_eq!(all.severity(), Some(Severity::Broken));
        assert_eq!(all.scopes[0].proven, [period(0, 5)]);
    }
}

#[test]
fn a_strangers_key_does_not_pass_under_the_name_of_another() {
    let stranger = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let planted = orgtrail::archive::verify::public_keys::KeyItem {
        fingerprint: key_item().fingerprint,
        ..key_item_of(&stranger)
    };
    let mut set = PublicKeySet::default();
    let refused = set.add_item(&planted).unwrap_err();
    assert!(matches!(refused, KeyListError::WrongFingerprint { .. }), "{refused}");
    assert!(set.is_empty());
}
