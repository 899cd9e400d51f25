use super::of;
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::notification::{
    Change, ChangeCounts, Group, Notification, TestDelivery, TestReport, Transition, Unit,
};
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{Signal, SignalState, Verdict};

pub(super) fn service_notification() -> Notification {
    let finding = Signal {
        fingerprint: "0123456789abcdef0123456789abcdef".to_owned(),
        part: Part::Drift,
        check: "org-coverage".to_owned(),
        severity: Severity::High,
        state: SignalState::Unreadable,
        scope: Scope::Account { account: of("444444444444") },
        unit_path: Some("Root/Workloads".to_owned()),
        title: "every account and Region is covered".to_owned(),
        expected: None,
        found: "access denied".to_owned(),
        fix: Some("allow `cloudtrail:DescribeTrails`".to_owned()),
        cause: None,
        events: None,
        suppressed: false,
        since: of("2026-01-02T02:17:00Z"),
    };
    Notification {
        id: "fedcba9876543210fedcba9876543210".to_owned(),
        is_test: false,
        management_account: of("111111111111"),
        round: "251634977354-nightly-0badcafe".to_owned(),
        schedule: "nightly".to_owned(),
        created_at: of("2026-01-02T03:19:12Z"),
        exit_code: 14,
        outcome: Outcome::Incomplete,
        verdict: Verdict::Unknown,
        sentence: "1 account is unreadable.".to_owned(),
        url: Some("https://orgtrail.example/rounds/251634977354-nightly-0badcafe".to_owned()),
        changes: ChangeCounts { unreadable: 1, ..ChangeCounts::default() },
        groups: vec![Group {
            transition: Transition::Unreadable,
            severity: finding.severity,
            state: finding.state,
            part: finding.part,
            check: finding.check.clone(),
            title: finding.title.clone(),
            found: finding.found.clone(),
            fix: finding.fix.clone(),
            since: finding.since,
            findings: 1,
            places: vec!["444444444444".to_owned()],
            account_count: 1,
            units: vec![Unit { unit_path: "Root/Workloads".to_owned(), findings: 1 }],
            unit_count: 1,
        }],
        groups_left_out: 0,
        findings: vec![Change {
            transition: Transition::Unreadable,
            changed_at: of("2026-01-02T03:19:12Z"),
            severity_before: None,
            finding,
        }],
        findings_left_out: 0,
        findings_not_followed: 0,
    }
}

pub(super) fn notification_test() -> TestReport {
    let delivery = |channel: &str, error: Option<&str>| TestDelivery {
        channel: channel.to_owned(),
        is_delivered: error.is_none(),
        error: error.map(str::to_owned),
    };
    TestReport {
        deliveries: vec![
            delivery("security-team", None),
            delivery("alerts", Some("https://alerts.example: it responded with 401")),
        ],
    }
}
