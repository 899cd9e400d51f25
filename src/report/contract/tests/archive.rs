use serde_json::json;

use super::consolidation::counts;
use super::{TRAIL, of};
use crate::archive::authenticity::Authenticity;
use crate::archive::consolidate::history;
use crate::archive::verify::chain::ProvenDigest;
use crate::archive::{accept, proofs, retire};
use crate::report::contract::{acceptance, evidence, prices, records, retirement};

pub(super) fn acceptance() -> accept::Acceptance {
    accept::Acceptance {
        version: 1,
        number: 3,
        previous_sha256: Some("aa00".to_owned()),
        key: "AWSLogs/x".to_owned(),
        version_id: Some("v1".to_owned()),
        sha256: "bb11".to_owned(),
        size_bytes: 7,
        findings: vec!["log-unlisted".to_owned()],
        contradicts_digest: false,
        reason: "ticket 4711".to_owned(),
        accepted_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        accepted_at: of("2026-01-02T03:04:05Z"),
        accepted_with: "orgtrail 0.1.0".to_owned(),
    }
}

pub(super) fn proof_record() -> (proofs::Head, proofs::ProvenUnit) {
    let head = proofs::Head {
        version: proofs::FORMAT_VERSION,
        number: 3,
        previous_sha256: Some("aa00".to_owned()),
        bucket: of("acme-log-archive"),
        written_at: of("2026-01-02T03:04:05Z"),
        written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
        written_with: "orgtrail 0.1.0".to_owned(),
    };
    let unit = proofs::ProvenUnit {
        account: of("222222222222"),
        region: of("us-east-1"),
        roots: ["AWSLogs/o-exampleorgid/".to_owned()].into(),
        from: of("2026-01-01T00:00:00Z"),
        to: of("2026-01-02T03:00:00Z"),
        whole_at: of("2026-01-01T03:04:05Z"),
        chains: vec![ProvenDigest {
            key: "AWSLogs/o-exampleorgid/222222222222/CloudTrail-Digest/x".to_owned(),
            sha256: "bb11".to_owned(),
            start: of("2026-01-02T02:00:00Z"),
            end: of("2026-01-02T03:00:00Z"),
        }],
    };
    (head, unit)
}

pub(super) fn acceptance_list() -> acceptance::List {
    let record = |authenticated| accept::AcceptanceRecord {
        acceptance: acceptance(),
        record: "orgtrail/accepted/000000000003.json".to_owned(),
        record_sha256: "cc22".to_owned(),
        authenticated,
    };
    let reason = || "it has no MAC".to_owned();
    let records = [
        record(Authenticity::Mac { mac_key: "arn:aws:kms:us-east-1:1:key/k".to_owned() }),
        record(Authenticity::Listed),
        record(Authenticity::Unauthenticated { reason: reason() }),
        record(Authenticity::Unknown { reason: reason() }),
    ];
    let fault = ("orgtrail/accepted/x".to_owned(), "the name is not that of a record".to_owned());
    acceptance::List::new(&records, &[fault])
}

pub(super) fn acceptance_report() -> acceptance::Report {
    acceptance::Report {
        acceptance: (&acceptance()).into(),
        record_key: "orgtrail/accepted/000000000003.json".to_owned(),
        record_sha256: "cc22".to_owned(),
        mac_key: None,
        locked_until: Some(of("2033-01-02T03:04:05Z")),
    }
}

pub(super) fn evidence_report() -> evidence::Report {
    evidence::Report {
        bundle: "january.tar.zst".to_owned(),
        files: 4,
        size_bytes: 700,
        manifest_sha256: "aa00".to_owned(),
        proven: true,
        omitted: vec!["the public keys of eu-west-1: access denied".to_owned()],
    }
}

pub(super) fn records_report() -> records::Report {
    let fault = |first| history::Fault { first, last: first, reason: "missing".to_owned() };
    let mut history = history::History::default();
    (history.records, history.authenticated_records, history.before_mac_key) = (2, 1, 1);
    (history.faults, history.unchecked) = (vec![fault(1)], vec![fault(2)]);
    let mut report = records::Report::new(
        &history,
        Some("arn:aws:kms:us-east-1:222222222222:key/k".to_owned()),
        Some("1 of 2 records have a valid MAC".to_owned()),
    );
    report.runs.push(records::Run {
        run_id: "20260102T030405Z-00000000".to_owned(),
        first_record: 0,
        last_record: 2,
        started_at: of("2026-01-02T03:04:05Z"),
        caller: "arn:aws:iam::111111111111:user/admin".to_owned(),
        program: "orgtrail 0.1.0".to_owned(),
        options: Some(json!({ "dry_run": false })),
        counts: counts().into(),
        complete: Some(true),
        records: 2,
        authenticated_records: 1,
    });
    report
}

pub(super) fn retirement_report() -> retirement::Report {
    let condition = |status| retire::Condition {
        name: retire::DELIVERED,
        status,
        reason: "us-east-1 is proven".to_owned(),
    };
    let all = [
        retire::ConditionStatus::Met,
        retire::ConditionStatus::Unreadable,
        retire::ConditionStatus::NotMet,
    ];
    retirement::Report {
        trail: of(TRAIL),
        conditions: all.map(|status| retirement::Condition::from(&condition(status))).into(),
        deletable: false,
        retired: false,
        bucket: Some(retirement::KeptBucket {
            bucket: "legacy".to_owned(),
            objects: 3,
            size_bytes: 70,
            usd_per_month: 0.5,
            deep_archive_usd_per_month: 0.25,
            prices: prices::PriceList::current(),
        }),
    }
}
