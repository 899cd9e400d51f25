use super::of;
use crate::archive::verify::finding::Severity;
use crate::events::answer::{Proof, ProofSummary, Searched, SearchedEvent};
use crate::events::coverage::Coverage;
use crate::events::export::{ExportManifest, ManifestFile, ManifestSource, ProofWord};
use crate::events::files::Window;
use crate::events::reconcile::{HistoryEvent, Place, Reason, Reconciled};
use crate::report::contract::detections::{LintReport, Report, Rules};
use crate::report::contract::event_export;
use crate::report::contract::events::{FoundEvent, ReconcileReport, SearchReport, SearchSummary};
use crate::report::events::detect::samples;

pub(super) fn event_search() -> SearchReport {
    let window = Window { since: Some(of("2026-03-01T00:00:00Z")), until: None };
    let mut coverage = Coverage::new(window);
    coverage.add_place(of("111111111111"), of("us-east-1"));
    coverage.records = 12;
    coverage.unreadable = 1;
    coverage.unreadable_files = vec![("AWSLogs/a.json.gz".to_owned(), "not found".to_owned())];
    let searched = Searched {
        place: "s3://acme-log-archive/".to_owned(),
        at: of("2026-03-01T12:00:00Z"),
        coverage,
        matched: 1,
        copies: 1,
        late: 0,
        is_cut: false,
        was_stopped: false,
        proof: Some(ProofSummary {
            proven: 1,
            unproven: 0,
            contradicted: 0,
            severity: Some(Severity::Incomplete),
            findings: vec!["log-missing: AWSLogs/b.json.gz".to_owned()],
        }),
    };
    let event = SearchedEvent {
        raw: r#"{"eventName":"StopLogging","eventTime":"2026-03-01T10:42:00Z"}"#.into(),
        file: "AWSLogs/c.json.gz".to_owned(),
        proof: Some(Proof::Proven),
    };
    let events = vec![FoundEvent::new(&event).unwrap()];
    SearchReport { events, summary: SearchSummary::new(&searched) }
}

pub(super) fn event_detections() -> Report {
    Report::from(&samples::detections())
}

pub(super) fn event_rules() -> LintReport {
    let detections = samples::detections();
    LintReport { rules: Rules::from(detections.rules.as_ref().unwrap()) }
}

pub(super) fn event_reconciliation() -> ReconcileReport {
    let event = |id: &str| HistoryEvent {
        id: id.to_owned(),
        at: of("2026-03-01T10:42:00Z"),
        name: "CreateUser".to_owned(),
        source: "iam.amazonaws.com".to_owned(),
        read_only: Some(false),
    };
    let mut place = Place::new(of("111111111111"), of("us-east-1"));
    place.add(event("found"), true, None);
    place.add(event("left-out"), false, Some(Reason::Selectors));
    place.add(event("missing"), false, None);
    let mut denied = Place::new(of("222222222222"), of("us-east-1"));
    denied.unknown = Some("Event history: access denied".to_owned());
    ReconcileReport::new(&Reconciled {
        at: of("2026-03-01T12:00:00Z"),
        from: of("2026-02-22T11:00:00Z"),
        to: of("2026-03-01T11:00:00Z"),
        places: vec![place, denied],
        notes: Vec::new(),
        was_stopped: false,
    })
}

pub(super) fn event_export() -> event_export::Report {
    let SearchReport { summary, .. } = event_search();
    event_export::Report {
        from: "s3://acme-log-archive/".to_owned(),
        to: "./lake".to_owned(),
        format: event_export::FileFormat::Parquet,
        last_day: of("2026-03-01"),
        days: event_export::Days {
            written: 2,
            replaced: 0,
            unchanged: 1,
            differing: 1,
            first_differing: vec!["events/account=111111111111".to_owned()],
            held_back: 0,
            first_held_back: Vec::new(),
        },
        events: 1234,
        copies: 1,
        late_events: 0,
        files: event_export::WrittenFiles { files: 2, size_bytes: 5678 },
        log_files: summary.files,
        records: summary.records,
        malformed_records: summary.malformed_records,
        stopped: false,
        proof: summary.proof,
    }
}

pub(super) fn export_manifest() -> ExportManifest {
    ExportManifest {
        version: 1,
        account: Some(of("111111111111")),
        region: Some(of("us-east-1")),
        day: Some(of("2026-03-01")),
        delivered_on: None,
        format: "parquet".to_owned(),
        schema_version: 1,
        rows: 12,
        copies: 1,
        files: vec![ManifestFile {
            class_uid: None,
            name: "part-111111111111-us-east-1-20260301-0000.parquet".to_owned(),
            sha256: "aa00".to_owned(),
            size_bytes: 3456,
            rows: 12,
        }],
        sources: vec![ManifestSource {
            key: "AWSLogs/a.json.gz".to_owned(),
            sha256: Some("bb11".to_owned()),
            size_bytes: 789,
            records: 13,
            malformed_records: 0,
            rows: 13,
            proof: Some(ProofWord::Proven),
            fault: None,
        }],
    }
}
