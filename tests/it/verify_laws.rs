//! Laws of verification: what holds for every chain and every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use orgtrail::archive::key::{LogClass, ObjectKey, ObjectKind};
use orgtrail::archive::shard::{Shard, ShardNumber, Unit, assign_by_size};
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::finding::{FindingKind, Severity};
use orgtrail::archive::verify::run::{Examined, PublicKeySource, Verification};
use proptest::prelude::*;

use crate::forge::{Bucket, Chain, Object, gzip, try_inflated};
use crate::verified::{at, examined_with, kinds, six_hours, verified, verified_with};

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
        prop_assert_eq!(all.scopes[0].logs.valid, 2 * (hours * logs) as u64);
    }

    #[test]
    fn any_flipped_bit_is_found(which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut bucket, _) = six_hours();
        let key = bucket.objects.keys().nth(which.index(bucket.objects.len())).unwrap().clone();
        let bytes = &mut bucket.get(&key).bytes;
        let at = place.index(bytes.len());
        let content = try_inflated(bytes);
        bytes[at] ^= 1 << bit;
        // Bits of the header and those that fill up the last byte of the compressed data are
        // no part of the content, which alone is hashed.
        prop_assume!(try_inflated(bytes) != content);
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
        prop_assert_eq!(&here.scopes[0].proven, &there.scopes[0].proven);
        prop_assert_eq!(here.scopes[0].logs, there.scopes[0].logs);
    }
}

const ACCOUNTS: [&str; 3] = ["111111111111", "222222222222", "333333333333"];
const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "eu-north-7"];
const FOLDERS: [LogClass; 4] = LogClass::ALL;

/// Something that somebody does to an object of a bucket.
#[derive(Debug, Clone)]
enum Change {
    Plant { account: usize, region: usize, class: usize, minutes: i64, odd: u8 },
    Delete(prop::sample::Index),
    Truncate(prop::sample::Index),
    Replace(prop::sample::Index),
    Rename(prop::sample::Index),
    Move(prop::sample::Index, usize, usize),
    Strip(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0usize..3, 0usize..3, 0usize..4, -180i64..600, 0u8..9).prop_map(
            |(account, region, class, minutes, odd)| Change::Plant { account, region, class, minutes, odd }
        ),
        1 => index().prop_map(Change::Delete),
        1 => index().prop_map(Change::Truncate),
        1 => index().prop_map(Change::Replace),
        1 => index().prop_map(Change::Rename),
        1 => (index(), 0usize..3, 0usize..3).prop_map(|(it, account, region)| Change::Move(it, account, region)),
        1 => index().prop_map(Change::Strip),
    ]
}

/// Two accounts in two Regions, each with a trail of eight hours, and in one lane a
/// second trail that was stopped after four.
fn two_accounts() -> &'static Bucket {
    static BUCKET: std::sync::OnceLock<Bucket> = std::sync::OnceLock::new();
    BUCKET.get_or_init(|| {
        let mut bucket = Bucket::default();
        for account in &ACCOUNTS[..2] {
            for region in &REGIONS[..2] {
                let (account, region) = ((*account).to_owned(), (*region).to_owned());
                Chain { account, region, ..Chain::new() }.hours(&mut bucket, 8, 2, 1);
            }
        }
        Chain { trail: "second".to_owned(), ..Chain::new() }.hours(&mut bucket, 4, 0, 0);
        bucket
    })
}

impl Change {
    fn apply(&self, bucket: &mut Bucket) {
        let key_of = |bucket: &Bucket, index: &prop::sample::Index| {
            let nth = index.index(bucket.objects.len().max(1));
            bucket.objects.keys().nth(nth).cloned()
        };
        match self {
            Self::Plant { account, region, class, minutes, odd } => {
                let chain = Chain {
                    account: ACCOUNTS[*account].to_owned(),
                    region: REGIONS[*region].to_owned(),
                    ..Chain::new()
                };
                let time = at(0) + SignedDuration::from_mins(*minutes);
                let kind =
                    ObjectKind::Log { class: FOLDERS[*class], unique: "planted000000000".into() };
                let key = chain.key(time, kind).to_string();
                let (folder, name) = key.rsplit_once('/').unwrap();
                let key = match odd {
                    0 => format!("{folder}/x.json.gz"),
                    1 => key.replacen("/2026/", "/2026/x/", 1),
                    2 => key.replacen("/2026/", "/x2026/", 1),
                    3 => key.replacen("CloudTrail", "CloudTrails", 1),
                    4 => format!("AWSLogs/{}/{name}", ACCOUNTS[*account]),
                    _ => key.clone(),
                };
                let object = Object { bytes: gzip(b"{\"Records\":[]}"), metadata: BTreeMap::new() };
                bucket.objects.insert(key, object);
            }
            Self::Delete(index) => {
                let key = key_of(bucket, index);
                key.map(|key| bucket.objects.remove(&key));
            }
            Self::Truncate(index) => {
                if let Some(key) = key_of(bucket, index) {
                    let bytes = &mut bucket.get(&key).bytes;
                    bytes.truncate(bytes.len() / 2);
                }
            }
            Self::Replace(index) => {
                if let Some(key) = key_of(bucket, index) {
                    bucket.get(&key).bytes = gzip(b"{\"Records\":[{}]}");
                }
            }
            Self::Rename(index) => {
                if let Some(key) = key_of(bucket, index) {
                    let object = bucket.objects.remove(&key).unwrap();
                    bucket.objects.insert(key.replace(".json.gz", ".json"), object);
                }
            }
            Self::Move(index, account, region) => {
                let Some(key) = key_of(bucket, index) else { return };
                let object = bucket.objects.remove(&key).unwrap();
                let there =
                    ACCOUNTS.iter().fold(key, |key, one| key.replace(one, ACCOUNTS[*account]));
                let there = REGIONS.iter().fold(there, |key, one| {
                    // Not the home Region that a digest's name ends with.
                    key.replacen(one, REGIONS[*region], 2)
                });
                bucket.objects.insert(there, object);
            }
            Self::Strip(index) => {
                if let Some(key) = key_of(bucket, index) {
                    bucket.get(&key).metadata.clear();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever was done to a bucket: no window is proven that has a file which no
    /// verified digest lists as it is, whichever accounts and Regions are asked for.
    #[test]
    fn no_window_is_proven_in_which_a_file_lacks_a_verified_digest(
        changes in prop::collection::vec(change(), 1..3),
        since in prop::option::of(0i64..7),
        hours in prop::option::of(1i64..8),
        account in prop::option::of(0usize..2),
        region in prop::option::of(0usize..2),
    ) {
        let original = two_accounts();
        let mut bucket = original.clone();
        for change in &changes {
            change.apply(&mut bucket);
        }
        let until = hours.map(|hours| at((since.unwrap_or(0) + hours).min(8)));
        let since = since.map(at);
        let window = Window {
            since,
            until,
            last: until.map(|until| until + SignedDuration::from_hours(1)),
        };
        let (account, region) = (account.map(|at| ACCOUNTS[at]), region.map(|at| REGIONS[at]));
        let all = verified_with(&bucket, |request| {
            request.window = window;
            request.selection.accounts = account.into_iter().map(|it| it.parse().unwrap()).collect();
            request.selection.regions = region.into_iter().map(|it| it.parse().unwrap()).collect();
        });
        if all.severity() > Some(Severity::Notice) {
            return Ok(());
        }
        for (key, object) in &bucket.objects {
            let in_scope = |part: Option<&str>| part.is_none_or(|it| key.contains(&format!("/{it}/")));
            let in_window = key.parse::<ObjectKey>().ok().is_none_or(|key| {
                window.since.is_none_or(|since| key.time() >= since)
                    && window.until.is_none_or(|until| key.time() <= until)
            });
            let is_as_written = original.objects.get(key).is_some_and(|it| it.bytes == object.bytes);
            prop_assert!(
                is_as_written || !in_window || !in_scope(account) || !in_scope(region),
                "{key} after {changes:?} in {window:?}: {:?}", kinds(&all)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Shards say together what one verification of everything says: for every number of them,
    /// in every order, whichever of them was done again, and however units were distributed.
    #[test]
    fn joined_shards_say_what_a_single_verification_says(
        changes in prop::collection::vec(change(), 0..4),
        until in prop::option::of(1i64..8),
        count in 1u32..6,
        order in any::<prop::sample::Index>(),
        by_size in any::<bool>(),
        has_keys in prop::bool::weighted(0.8),
    ) {
        let mut bucket = two_accounts().clone();
        for change in &changes {
            change.apply(&mut bucket);
        }
        let window = Window { since: None, until: until.map(at), last: until.map(|it| at(it + 1)) };
        let units = (0..4).map(|nth| (unit(nth), nth as u64)).collect();
        let assignment = Arc::new(assign_by_size(&units, count.try_into().unwrap()));
        let examined = |shard: Option<Shard>| examined_with(&bucket, |request| {
            request.window = window;
            request.selection.shard = shard;
            if !has_keys {
                request.keys = PublicKeySource::Given(Arc::default());
            }
        });
        let mut shards: Vec<Examined> = (1..=count).map(|number| {
            let number = ShardNumber::new(number, count).unwrap();
            let shard = if by_size {
                Shard::assigned(number, Arc::clone(&assignment))
            } else {
                Shard::new(number)
            };
            let kept = serde_json::to_vec(&examined(Some(shard))).unwrap();
            serde_json::from_slice(&kept).unwrap()
        }).collect();
        let first = order.index(shards.len());
        shards.rotate_left(first);
        let joined = Examined::join(shards).unwrap().conclude();
        prop_assert_eq!(said(&joined), said(&examined(None).conclude()));
    }
}

fn unit(nth: usize) -> Unit {
    let (account, region) = (ACCOUNTS[nth / 2], REGIONS[nth % 2]);
    Unit { account: account.parse().unwrap(), region: region.parse().unwrap() }
}

/// Everything that a verification says. Findings about no account and Region have no order.
fn said(verification: &Verification) -> (String, Vec<String>) {
    let scopes = format!("{:#?}", verification.scopes);
    let mut findings: Vec<String> =
        verification.findings.iter().map(|finding| format!("{finding:?}")).collect();
    findings.sort();
    (scopes, findings)
}
