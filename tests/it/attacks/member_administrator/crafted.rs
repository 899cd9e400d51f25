//! Crafted digests: what pretends to be one costs little, and is found.

use std::collections::BTreeMap;

use orgtrail::archive::verify::digest::{DigestDocument, ListedLog};
use orgtrail::archive::verify::finding::{FindingKind, Severity};

use crate::forge::{Chain, Object, gzip, inflated};
use crate::verified::{six_hours, verified};

/// A genuine digest's text with so many log files more.
fn with_log_files(text: &[u8], count: usize) -> Vec<u8> {
    let mut document = DigestDocument::parse(text).unwrap();
    let listed = ListedLog {
        s3_bucket: "b".to_owned(),
        s3_object: "AWSLogs/111111111111/CloudTrail/us-east-1/x".to_owned(),
        hash_value: "0".repeat(64),
        hash_algorithm: None,
        newest_event_time: None,
        oldest_event_time: None,
    };
    document.log_files.extend(std::iter::repeat_n(listed, count));
    document.to_bytes().unwrap()
}

#[test]
fn digests_that_inflate_without_end_or_list_what_nobody_wrote_are_found() {
    let (mut bucket, chain) = six_hours();
    let genuine = bucket.objects[&chain.digests[2]].clone();
    let bomb = gzip(&vec![b' '; 33 << 20]);
    let crowded = gzip(&with_log_files(&inflated(&genuine.bytes), 100_000));
    for nth in 0..32_u32 {
        // Names of other trails: a chain of each.
        let name = format!("_trail{nth}_");
        let key = chain.digests[2].replace("_old_trail_", &name);
        let bytes = if nth % 4 == 0 { bomb.clone() } else { crowded.clone() };
        bucket.objects.insert(key, Object { bytes, metadata: genuine.metadata.clone() });
    }
    let all = verified(&bucket);
    assert_eq!(all.severity(), Some(Severity::Broken));
    let mut found = BTreeMap::<FindingKind, usize>::new();
    for finding in all.all_findings().filter(|it| it.severity == Severity::Broken) {
        *found.entry(finding.kind).or_default() += 1;
    }
    assert_eq!(found.get(&FindingKind::DigestFormat), Some(&8), "{found:?}");
    assert_eq!(found.get(&FindingKind::DigestMoved), Some(&24), "{found:?}");
    // The genuine chain is proven beside them.
    let own = all.scopes[0].chains.iter().find(|it| it.trail == Chain::new().trail).unwrap();
    assert_eq!((own.valid, all.scopes[0].logs.valid), (6, 18));
}
