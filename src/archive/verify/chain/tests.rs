use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn verifier() -> ChainVerifier {
    let scope = ChainScope {
        bucket: Some("b".into()),
        root: Root::default(),
        account: "111111111111".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let config = VerifierConfig {
        window: Window::default(),
        keys: Arc::default(),
        saved_keys: Arc::default(),
        declared: None,
        keys_complete: true,
        org_owner: None,
        metadata_travels: true,
        keys_given: true,
        anchors: BTreeMap::new(),
    };
    ChainVerifier::new(vec![Arc::new(scope)], config)
}

/// Takes unsigned digests that overlap each other, of a trail, and gives how many
/// wait and how many were given up.
fn overlapping(limit: Option<usize>, count: i64) -> (usize, usize) {
    let mut verifier = verifier();
    verifier.pending_limit = limit.unwrap_or(verifier.pending_limit);
    let mut out = Vec::new();
    for minute in 0..count {
        let key = format!(
            "AWSLogs/111111111111/CloudTrail-Digest/us-east-1/2026/01/10/\
             111111111111_CloudTrail-Digest_us-east-1_trail_us-east-1_20260110T09{minute:02}00Z.json.gz"
        );
        let text = format!(
            r#"{{"digestStartTime":"2026-01-10T08:00:00Z","digestEndTime":"2026-01-10T10:00:00Z",
            "digestS3Bucket":"b","digestS3Object":"{key}","digestPublicKeyFingerprint":"f",
            "previousDigestSignature":null,"logFiles":[]}}"#
        );
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let content = ParsedDigest::parse(&gzip, |_| None, false, &mut Vec::new());
        verifier.accept(FetchedDigest { key: key.parse().unwrap(), content }, &mut out);
    }
    let pending = verifier.chains.values().flatten().filter(|chain| chain.pending() > 0).count();
    for outcome in &out {
        let Outcome::Found(finding) = outcome else { panic!("proven") };
        assert_eq!(finding.kind, FindingKind::SignatureMissing);
        assert_eq!(finding.found.as_deref(), Some(TOO_MANY_PENDING));
    }
    (pending, out.len())
}

#[test]
fn pending_digests_do_not_grow_without_bound() {
    assert_eq!(overlapping(None, 50), (50, 0));
    // Room for a few.
    let (pending, given_up) = overlapping(Some(4 << 10), 50);
    assert!((1..20).contains(&pending), "{pending}");
    assert_eq!(pending + given_up, 50);
    // The newest is kept, however large it is.
    assert_eq!(overlapping(Some(0), 50), (1, 49));
}

#[test]
fn a_trail_without_digests_and_without_reported_deliveries_is_unknown() {
    let unreported = UnreportedTrail {
        trail: "trail".to_owned(),
        home_region: "us-east-1".to_owned(),
        root: Root::default(),
    };
    let reports = TrailReports { unreported: vec![unreported], ..TrailReports::default() };
    let (_, outcomes) = verifier().finish(&reports);
    let [Outcome::Found(finding)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(finding.kind, FindingKind::DeliveryUnknown);
    assert_eq!(finding.severity, Severity::Incomplete);
}
