use super::of;
use crate::archive::verify::finding::Severity;
use crate::events::answer::{Proof, ProofSummary, Searched, SearchedEvent};
use crate::events::coverage::Coverage;
use crate::events::files::Window;
use crate::events::reconcile::{HistoryEvent, Place, Reason, Reconciled};
use crate::report::contract::detections::{LintReport, Report, Rules};
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
