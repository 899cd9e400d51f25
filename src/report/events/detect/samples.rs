//! Detections for tests.

use std::sync::Arc;

use orgtrail_events::detection::sigma::Problem;
use orgtrail_events::detection::{Certainty, EventRef, Finding, RuleInfo, SigmaSource, table};

use crate::checks::Severity;
use crate::events::answer::{Proof, ProofSummary};
use crate::events::coverage::Coverage;
use crate::events::detections::{DetectedFinding, Detections, FactsSummary, RuleSet};

fn event(id: &str, name: &str) -> EventRef {
    EventRef {
        id: Some(id.to_owned()),
        at: "2026-11-20T10:42:00Z".parse().ok(),
        source: Some("cloudtrail.amazonaws.com".to_owned()),
        name: Some(name.to_owned()),
        account: Some("111111111111".to_owned()),
        region: Some("us-east-1".to_owned()),
        principal: Some("arn:aws:iam::111111111111:user/mallory".to_owned()),
        principal_id: Some("AIDAEXAMPLE".to_owned()),
        source_ip: Some("198.51.100.7".to_owned()),
        error: None,
        key: "AWSLogs/x.json.gz".to_owned(),
    }
}

fn finding(rule: RuleInfo, event: EventRef, about: &str) -> Finding {
    Finding {
        severity: rule.severity,
        rule: Arc::new(rule),
        certainty: Certainty::Certain,
        has_failed: false,
        claims_own_apply: false,
        about: about.to_owned(),
        details: Vec::new(),
        count: 1,
        last_at: event.at,
        events: vec![event],
    }
}

fn built_in(id: &str) -> RuleInfo {
    RuleInfo::built_in(table::rules().find(|rule| rule.id == id).unwrap())
}

fn detected(finding: Finding) -> DetectedFinding {
    DetectedFinding { severity: finding.severity, proof: Some(Proof::Proven), finding }
}

fn of(findings: Vec<Finding>) -> Detections {
    Detections {
        place: "s3://logs/".to_owned(),
        at: "2026-11-21T00:00:00Z".parse().unwrap(),
        findings: findings.into_iter().map(detected).collect(),
        left_out: 0,
        coverage: coverage(),
        copies: 0,
        was_stopped: false,
        proof: Some(ProofSummary { proven: 3, ..ProofSummary::default() }),
        facts: FactsSummary {
            is_configured: true,
            unknown: vec![("the key".to_owned(), "access denied".to_owned())],
        },
        first_uses: None,
        rules: Some(RuleSet {
            directory: "rules".to_owned(),
            files: 2,
            used: 1,
            of_other_logs: 1,
            problems: vec![Problem {
                file: "aws/stop.yml".to_owned(),
                rule: Some("Trail stopped".to_owned()),
                check: "event-name",
                message: "CloudTrail never writes the event name `X`, but `Y`".to_owned(),
                is_unusable: false,
            }],
        }),
    }
}

/// A trail that was stopped, a denied attempt, an apply, and a match of a Sigma rule.
pub(crate) fn detections() -> Detections {
    let stopped = finding(built_in("trail-stopped"), event("e1", "StopLogging"), "the trail org");
    let mut denied = finding(
        built_in("bucket-lifecycle-changed"),
        EventRef { error: Some("AccessDenied".to_owned()), ..event("e2", "PutBucketLifecycle") },
        "the archive logs",
    );
    denied.has_failed = true;
    denied.severity = Severity::Medium;
    let mut own = finding(built_in("trail-updated"), event("e3", "UpdateTrail"), "the trail org");
    own.claims_own_apply = true;
    own.severity = Severity::Low;
    own.count = 3;
    own.details = vec!["isMultiRegionTrail=true".to_owned()];
    let sigma = RuleInfo {
        id: "4db60cc0-36fb-42b7-9b58-a5b53019fb74".to_owned(),
        title: "Trail stopped".to_owned(),
        severity: Severity::High,
        techniques: vec!["T1562.008".to_owned()],
        why: "Somebody stopped a trail.\nMore.".to_owned(),
        fix: String::new(),
        sigma: Some(SigmaSource {
            author: Some("A. Author".to_owned()),
            license: Some("DRL-1.1".to_owned()),
            file: "aws/stop.yml".to_owned(),
            false_positives: Vec::new(),
            references: Vec::new(),
        }),
    };
    of(vec![stopped, denied, own, finding(sigma, event("e1", "StopLogging"), "StopLogging")])
}

/// What others wrote tries to act on the reader.
pub(crate) fn hostile() -> Detections {
    let evil = "x\u{1b}[2J\nFORGED\u{202e}[a](https://example.com)".to_owned();
    let event = EventRef {
        id: Some(evil.clone()),
        name: Some(evil.clone()),
        account: Some(evil.clone()),
        region: Some(evil.clone()),
        principal: Some(evil.clone()),
        source_ip: Some(evil.clone()),
        error: Some(evil.clone()),
        key: evil.clone(),
        ..EventRef::default()
    };
    let rule = RuleInfo {
        id: evil.clone(),
        title: evil.clone(),
        severity: Severity::High,
        techniques: vec![evil.clone()],
        why: evil.clone(),
        fix: evil.clone(),
        sigma: Some(SigmaSource { author: Some(evil.clone()), ..SigmaSource::default() }),
    };
    let mut finding = finding(rule, event, &evil);
    finding.details = vec![evil.clone()];
    finding.has_failed = true;
    let mut detections = of(vec![finding]);
    detections.facts.unknown = vec![(evil.clone(), evil.clone())];
    detections.coverage.unreadable_files = vec![(evil.clone(), evil)];
    detections
}

fn coverage() -> Coverage {
    let mut coverage = Coverage::default();
    (coverage.files, coverage.records) = (3, 1234);
    coverage
}
