use super::of;
use crate::archive::accept::apply::AcceptedBy;
use crate::archive::verify::chain;
use crate::archive::verify::finding::{self, FindingKind};
use crate::archive::verify::run::{LogTally, ScopeReport, Verification};
use crate::checks::table::holding;
use crate::report::contract::verification;
use crate::report::verification::{BundleFacts, KeyOrigin, KeyUsed, Subject};

pub(super) fn verification_report() -> verification::Report {
    let (from, to) = (of("2026-01-01T00:00:00Z"), of("2026-01-02T00:00:00Z"));
    let missing = finding::Finding {
        origin: Some(finding::Origin {
            bucket: "legacy".to_owned(),
            key: "AWSLogs/444444444444/x".to_owned(),
        }),
        ..finding::Finding::new(FindingKind::LogMissing)
            .at(Some("acme-log-archive"), "AWSLogs/o-exampleorgid/444444444444/x")
            .with_mismatch("the log file", "nothing")
            .with_period(from, to)
    };
    let accepted = finding::Finding {
        severity: finding::Severity::Notice,
        accepted: Some(AcceptedBy {
            record: 3,
            by: "arn:aws:iam::111111111111:user/admin".to_owned(),
            at: to,
            reason: "ticket 4711".to_owned(),
            instead_of: finding::Severity::Broken,
        }),
        ..finding::Finding::new(FindingKind::LogUnlisted)
            .with_files(2, vec!["a".to_owned(), "b".to_owned()])
    };
    // The chains of a real verification, of an archive that the sandbox filled.
    let facts = holding();
    let verified = facts.chains.present().unwrap();
    let logs = LogTally { valid: 2, invalid: 1, unreadable: 0, inflated_bytes: 70 };
    let scope =
        ScopeReport { logs, findings: vec![accepted, missing], ..verified.scopes[0].clone() };

    let subject = Subject {
        target: "s3://acme-log-archive".to_owned(),
        window: chain::Window { since: Some(from), until: None, last: None },
        at: to,
        keys: vec![KeyUsed { origin: KeyOrigin::Given, fingerprint: "dd33".to_owned() }],
        bundle: Some(BundleFacts {
            manifest_sha256: "ee44".to_owned(),
            unproven: vec!["report.txt".to_owned()],
        }),
        overrides: Vec::new(),
    };
    let verification = Verification {
        scopes: vec![scope],
        findings: vec![finding::Finding::new(FindingKind::AccountsUnknown)],
    };
    verification::Report::new(&subject, &verification)
}
