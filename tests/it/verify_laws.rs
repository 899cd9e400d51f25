//! Laws of verification: what holds for every chain and every change.

use jiff::SignedDuration;
use orgtrail::archive::verify::finding::{FindingKind, Severity};
use proptest::prelude::*;

use crate::forge::{Bucket, Chain};
use crate::verified::{at, kinds, six_hours, verified, verified_with};

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
