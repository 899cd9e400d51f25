//! Digests and log files that were tampered with: each finding in its scenario.

use jiff::SignedDuration;
use orgtrail::archive::key::{LogClass, ObjectKind};
use orgtrail::archive::verify::finding::{FindingKind, Severity};

use crate::forge::{Object, gzip, inflated};
use crate::verified::{at, kinds, only, period, six_hours, verified};

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
    assert_eq!(all.scopes[0].proven, [period(0, 2), period(3, 6)]);
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
    assert_eq!(all.scopes[0].proven, [period(0, 2), period(3, 6)]);
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
        assert_eq!(all.scopes[0].proven, [period(0, 2), period(3, 6)]);
    }
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
    assert_eq!(all.scopes[0].proven, [period(0, 6)]);
    assert_eq!(all.scopes[0].logs.valid, 18);

    // Nobody records the newest one's.
    bucket.get(&chain.digests[5]).metadata.clear();
    let all = verified(&bucket);
    assert!(kinds(&all).contains(&FindingKind::SignatureMissing));
    assert_eq!(all.severity(), Some(Severity::Incomplete));
    assert_eq!(all.scopes[0].proven, [period(0, 5)]);
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
    assert_eq!(only(&verified(&bucket)).kind, FindingKind::UnexpectedObject);
}

#[test]
fn a_whole_key_of_cloudtrails_in_a_folder_further_down_is_foreign() {
    let (mut bucket, chain) = six_hours();
    for key in [&chain.digests[2], &chain.logs[2][0]] {
        let object = bucket.objects[key].clone();
        let (folder, _) = key.rsplit_once('/').unwrap();
        bucket.objects.insert(format!("{folder}/{key}"), object);
    }
    let all = verified(&bucket);
    assert_eq!(kinds(&all), [FindingKind::UnexpectedObject; 2]);
    assert_eq!(all.scopes[0].chains[0].valid, 6);
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
fn files_that_a_browser_inflated_are_proven_with_a_notice() {
    let (whole, chain) = six_hours();
    let mut bucket = whole.clone();
    for log in chain.logs.iter().flatten() {
        let object = bucket.get(log);
        object.bytes = inflated(&object.bytes);
    }
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.objects), (FindingKind::StoredInflated, 18));
    assert_eq!(all.severity(), Some(Severity::Notice));
    assert_eq!((all.scopes[0].logs.valid, &*all.scopes[0].proven), (18, &[period(0, 6)][..]));

    for digest in &chain.digests {
        let object = bucket.get(digest);
        object.bytes = inflated(&object.bytes);
    }
    let all = verified(&bucket);
    assert_eq!(kinds(&all), [FindingKind::StoredInflated; 2]);
    assert_eq!(all.scopes[0].chains[0].valid, 6);

    // Other bytes are not, however they are stored.
    let log = bucket.get(&chain.logs[2][1]);
    log.bytes[20] ^= 1;
    let digest = bucket.get(&chain.digests[4]);
    let text = String::from_utf8(digest.bytes.clone()).unwrap();
    digest.bytes = text.replacen("SHA-256", "SHA-512", 1).into_bytes();
    let all = verified(&bucket);
    let broken: Vec<_> =
        all.all_findings().filter(|it| it.severity == Severity::Broken).map(|it| it.kind).collect();
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken.contains(&FindingKind::DigestSignature), "{broken:?}");
}

#[test]
fn what_operating_systems_leave_in_a_mirror_is_a_notice() {
    let (mut bucket, chain) = six_hours();
    let object = Object { bytes: b"Bud1".to_vec(), metadata: std::collections::BTreeMap::new() };
    for (key, name) in [
        (&chain.logs[2][0], ".DS_Store"),
        (&chain.digests[1], "Thumbs.db"),
        (&chain.logs[3][0], "@eaDir/x.json.gz"),
    ] {
        let (folder, _) = key.rsplit_once('/').unwrap();
        bucket.objects.insert(format!("{folder}/{name}"), object.clone());
    }
    let (folder, name) = chain.logs[4][0].rsplit_once('/').unwrap();
    bucket.objects.insert(format!("{folder}/._{name}"), object);
    let all = verified(&bucket);
    assert_eq!(kinds(&all), [FindingKind::Clutter; 4]);
    assert_eq!(all.severity(), Some(Severity::Notice));
}
