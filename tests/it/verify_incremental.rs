//! Laws of incremental verification: a record of what was proven decides what is read, and never
//! what is said of it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use jiff::SignedDuration;
use orgtrail::archive::proofs::{Earlier, ProvenUnit, next_units};
use orgtrail::archive::shard::Unit;
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::finding::Severity;
use orgtrail::archive::verify::run::{Depth, ScopeReport, Verification};
use proptest::prelude::*;

use crate::forge::{Bucket, Chain};
use crate::verified::{at, verified_with};

const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];

/// Hours up to the record, and up to now.
const RECORDED: i64 = 52;
const NOW: i64 = 60;

/// Two accounts: as they are, and as they were when the record was written.
fn buckets() -> &'static (Bucket, Bucket) {
    static BUCKETS: OnceLock<(Bucket, Bucket)> = OnceLock::new();
    BUCKETS.get_or_init(|| {
        let mut bucket = Bucket::default();
        let mut chains =
            ACCOUNTS.map(|account| Chain { account: account.to_owned(), ..Chain::new() });
        let hours = |hours: i64| usize::try_from(hours).unwrap();
        for chain in &mut chains {
            chain.hours(&mut bucket, hours(RECORDED), 1, 1);
        }
        let recorded = bucket.clone();
        for chain in &mut chains {
            chain.hours(&mut bucket, hours(NOW - RECORDED), 1, 1);
        }
        (bucket, recorded)
    })
}

fn verified(bucket: &Bucket, until: i64, depth: Depth) -> Verification {
    verified_with(bucket, |request| {
        request.window = Window { since: None, until: Some(at(until)), last: None };
        request.depth = depth;
    })
}

/// The record of the time before.
fn earlier() -> Earlier {
    static EARLIER: OnceLock<Earlier> = OnceLock::new();
    EARLIER.get_or_init(recorded).clone()
}

fn recorded() -> Earlier {
    let verification = verified(&buckets().1, RECORDED, Depth::Whole);
    assert_eq!(verification.severity(), None);
    let units = next_units(&verification, None, at(RECORDED));
    Earlier {
        units: units.into_iter().map(|proven| (unit(&proven), proven)).collect(),
        record: "orgtrail/proofs/000000000000.jsonl.gz".to_owned(),
        written_at: at(RECORDED),
        is_authenticated: true,
        at_most: None,
    }
}

fn unit(proven: &ProvenUnit) -> Unit {
    Unit { account: proven.account.clone(), region: proven.region.clone() }
}

fn incremental(bucket: &Bucket, earlier: &Earlier) -> Verification {
    verified(bucket, NOW, Depth::Incremental(Arc::new(earlier.clone())))
}

#[test]
fn only_what_is_new_and_a_day_of_the_rest_are_read() {
    let earlier = earlier();
    assert_eq!(earlier.units.len(), 2);
    let verification = incremental(&buckets().0, &earlier);
    assert_eq!(verification.severity(), None, "{verification:#?}");
    let mut days = BTreeSet::new();
    for scope in &verification.scopes {
        let part = scope.earlier.as_ref().unwrap();
        // The last digest of the record is read again, and the one that ends where it begins.
        assert_eq!(part.before, at(RECORDED - 1));
        let valid: u64 = scope.chains.iter().map(|chain| chain.valid).sum();
        assert_eq!(valid, u64::try_from(NOW - RECORDED + 2).unwrap());
        assert_eq!((scope.proven[0].from, scope.proven[0].to), (at(RECORDED - 2), at(NOW)));
        let sample = part.sample.unwrap();
        // Also the digests at the edges of the day.
        assert!((24..=26).contains(&sample.digests), "{sample:?}");
        assert!(sample.log_files >= 24, "{sample:?}");
        days.insert(sample.period.from);
    }
    // What comes of it continues both: the record after it has everything up to now.
    let units = next_units(&verification, Some(&earlier), at(NOW));
    for proven in &units {
        assert_eq!((proven.from, proven.to), (at(0), at(NOW)), "{proven:?}");
        // All of it was verified at once when the first record was written.
        assert_eq!(proven.whole_at, at(RECORDED));
    }
    assert_eq!(units.len(), 2);
}

#[test]
fn nothing_authenticates_a_record_then_the_newest_days_are_verified_in_any_case() {
    let earlier = Earlier { is_authenticated: false, at_most: Some(at(20)), ..earlier() };
    let verification = incremental(&buckets().0, &earlier);
    assert_eq!(verification.severity(), None);
    for scope in &verification.scopes {
        assert_eq!(scope.earlier.as_ref().unwrap().before, at(20));
        assert_eq!(scope.proven[0].from, at(19));
    }
}

#[test]
fn what_is_not_proven_is_in_no_record_and_is_found_again_every_time() {
    let (bucket, recorded) = buckets();
    let lost = |bucket: &Bucket| {
        let mut bucket = bucket.clone();
        let log = bucket
            .objects
            .keys()
            .find(|key| key.contains(ACCOUNTS[0]) && key.contains("/CloudTrail/"));
        let log = log.unwrap().clone();
        bucket.objects.remove(&log);
        bucket
    };
    let verification = verified(&lost(recorded), RECORDED, Depth::Whole);
    assert_eq!(verification.severity(), Some(Severity::Broken));
    // Nor does it stay in one that is older.
    let earlier = earlier();
    let units = next_units(&verification, Some(&earlier), at(RECORDED));
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].account.as_str(), ACCOUNTS[1]);
    let units = units.into_iter().map(|proven| (unit(&proven), proven)).collect();
    let verification = incremental(&lost(bucket), &Earlier { units, ..earlier });
    assert_eq!(verification.severity(), Some(Severity::Broken));
    let is_whole = |scope: &ScopeReport| scope.earlier.is_none();
    assert_eq!(verification.scopes.iter().map(is_whole).collect::<Vec<_>>(), [true, false]);
}

/// How somebody alters a record, or the archive.
#[derive(Debug, Clone)]
enum Change {
    Delete(prop::sample::Index),
    Truncate(prop::sample::Index),
    Strip(prop::sample::Index),
    /// The record says that everything up to another hour is proven, with the hash of the digest
    /// or without.
    Anchor(usize, i64, bool),
    /// It says that more is proven, or less.
    From(usize, i64),
    Roots(usize),
    NoChains(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => index().prop_map(Change::Delete),
        2 => index().prop_map(Change::Truncate),
        1 => index().prop_map(Change::Strip),
        3 => (0_usize..2, 1..=NOW, any::<bool>()).prop_map(|(unit, hour, is_right)| Change::Anchor(unit, hour, is_right)),
        2 => (0_usize..2, -100_i64..100).prop_map(|(unit, hour)| Change::From(unit, hour)),
        1 => (0_usize..2).prop_map(Change::Roots),
        1 => (0_usize..2).prop_map(Change::NoChains),
    ]
}

impl Change {
    fn apply(&self, bucket: &mut Bucket, earlier: &mut Earlier) {
        let key_of = |bucket: &Bucket, index: &prop::sample::Index| {
            bucket.objects.keys().nth(index.index(bucket.objects.len())).unwrap().clone()
        };
        let of_unit = |earlier: &mut Earlier, nth: usize| -> ProvenUnit {
            earlier.units.values().nth(nth).unwrap().clone()
        };
        match self {
            Self::Delete(index) => {
                bucket.objects.remove(&key_of(bucket, index));
            }
            Self::Truncate(index) => {
                let key = key_of(bucket, index);
                bucket.get(&key).bytes.truncate(40);
            }
            Self::Strip(index) => {
                let key = key_of(bucket, index);
                bucket.get(&key).metadata.clear();
            }
            Self::Anchor(nth, hour, is_right) => {
                let window = Window { since: None, until: Some(at(*hour)), last: Some(at(*hour)) };
                let then = verified_with(&buckets().0, |request| request.window = window);
                let account = of_unit(earlier, *nth).account;
                let mut units = next_units(&then, None, at(*hour)).into_iter();
                let Some(mut proven) = units.find(|proven| proven.account == account) else {
                    return;
                };
                if !is_right {
                    proven.chains[0].sha256 = "00".repeat(32);
                }
                earlier.units.insert(unit(&proven), proven);
            }
            Self::From(nth, hour) => {
                let proven = ProvenUnit { from: at(*hour), ..of_unit(earlier, *nth) };
                earlier.units.insert(unit(&proven), proven);
            }
            Self::Roots(nth) => {
                let proven = ProvenUnit { roots: BTreeSet::new(), ..of_unit(earlier, *nth) };
                earlier.units.insert(unit(&proven), proven);
            }
            Self::NoChains(nth) => {
                let proven = ProvenUnit { chains: Vec::new(), ..of_unit(earlier, *nth) };
                earlier.units.insert(unit(&proven), proven);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever was done to the archive, and whatever the record says: what is said to be verified
    /// now is so, and the rest is what a verification without the record says.
    #[test]
    fn no_record_makes_anything_verified_that_is_not(
        changes in prop::collection::vec(change(), 1..4),
        day in prop::option::of(0_i64..30),
    ) {
        let mut bucket = buckets().0.clone();
        let mut earlier = Earlier { at_most: day.map(at), ..earlier() };
        for change in &changes {
            change.apply(&mut bucket, &mut earlier);
        }
        let found = incremental(&bucket, &earlier);
        let whole = verified(&bucket, NOW, Depth::Whole);
        prop_assert!(found.severity() <= whole.severity(), "{changes:?}");
        prop_assert_eq!(found.scopes.len(), whole.scopes.len());
        for (scope, whole) in found.scopes.iter().zip(&whole.scopes) {
            let Some(part) = &scope.earlier else {
                prop_assert_eq!(format!("{scope:?}"), format!("{whole:?}"), "{:?}", changes);
                continue;
            };
            // Its first digest ends at this time.
            let first = part.before - SignedDuration::from_hours(1);
            prop_assert!(scope.proven.iter().all(|period| period.from >= first), "{scope:?}");
            // A verification of that time alone says the same.
            let window = Window { since: Some(part.before), until: Some(at(NOW)), last: None };
            let alone = verified_with(&bucket, |request| {
                request.window = window;
                request.selection.accounts = [scope.account.clone()].into();
            });
            prop_assert!(alone.severity() <= Some(Severity::Notice), "{changes:?}: {alone:#?}");
            prop_assert_eq!(&alone.scopes[0].proven, &scope.proven);
            prop_assert_eq!(alone.scopes[0].logs, scope.logs);
            if let Some(sample) = part.sample {
                let window = Window {
                    since: Some(sample.period.from),
                    until: Some(sample.period.to),
                    last: Some(sample.period.to),
                };
                let alone = verified_with(&bucket, |request| {
                    request.window = window;
                    request.selection.accounts = [scope.account.clone()].into();
                });
                prop_assert!(alone.severity() <= Some(Severity::Notice), "{changes:?}: {alone:#?}");
            }
        }
    }
}
