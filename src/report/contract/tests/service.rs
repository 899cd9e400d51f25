//! Samples of what the service stores and answers.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::of;
use crate::report::contract::Period;
use crate::report::contract::api::{
    AccountList, AccountState, Bundle, BundleList, BundleState, CellState, Chain, ChainFinding,
    ChainList, CoverageAccount, CoverageCell, CoverageList, Dependency, FailingPart, FindingList,
    Gap, NewToken, Problem, Readiness, RequestedRound, RoundDiff, RoundList, ScheduleList,
    SourceList,
};
use crate::report::contract::consolidation::{Failure, ObjectCounts};
use crate::report::contract::live::{Event, LiveRound};
use crate::report::contract::new_accounts::{
    AccountBaseline, AccountEvent, AccountStep, BaselineAccount, DepartedAccount, JoinedAccount,
    JoiningState, LandingZone,
};
use crate::report::contract::round::Part;
use crate::report::contract::service::{
    self, CellStates, Round, Running, ScheduleStatus, Signal, Signals, Status,
};

const AT: &str = "2026-01-02T03:04:05Z";
const ROUND: &str = "251634837955-nightly-0000002a";
const EARLIER: &str = "251634841555-hourly-0000002b";

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn cells() -> CellStates {
    CellStates { proven: 30, failed: 1, ..CellStates::default() }
}

fn period() -> Period {
    Period { from: of("2026-01-01T00:00:00Z"), to: of("2026-01-02T00:00:00Z") }
}

fn signal() -> Signal {
    read(json!({
        "fingerprint": "00112233445566778899aabbccddeeff", "part": "verify",
        "check": "digest-missing", "severity": "critical", "state": "failing",
        "scope": { "kind": "region", "account": "444444444444", "region": "eu-west-1" },
        "unit_path": "Root/Workloads", "title": "a digest is missing", "expected": null,
        "found": "1 object", "fix": null, "cause": null, "events": null, "suppressed": false,
        "since": AT
    }))
}

pub(super) fn service_round() -> Round {
    read(json!({
        "id": ROUND, "program": "orgtrail 0.1.0", "management_account": "111111111111",
        "schedule": "nightly", "trigger": "schedule", "scheduled_at": AT, "attempt": 1,
        "replica": "host-0000002a", "started_at": AT, "ended_at": "2026-01-02T03:14:05Z",
        "exit_code": 13, "outcome": "integrity_failure",
        "parts": [{
            "part": "verify", "exit_code": 13, "outcome": "integrity_failure", "started_at": AT,
            "ended_at": "2026-01-02T03:14:05Z", "summary": "1 digest is missing",
            "verified_from": "2026-01-01T00:00:00Z", "was_stopped": false, "report_bytes": 4096
        }],
        "knowledge": {
            "verdict": "failed", "since": AT, "verified_through": null, "cells": cells(),
            "accounts": cells(), "new": 1, "resolved": 0,
            "signals": {
                "critical": 1, "high": 0, "medium": 0, "low": 0, "unreadable": 0, "suppressed": 0
            }
        }
    }))
}

pub(super) fn service_signals() -> Signals {
    Signals { round: ROUND.to_owned(), parts: vec![Part::Verify], signals: vec![signal()] }
}

fn schedule() -> ScheduleStatus {
    ScheduleStatus {
        name: "nightly".to_owned(),
        cron: "17 3 * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        run: vec![Part::Verify],
        paused: false,
        next_at: Some(of("2026-01-03T02:17:09Z")),
    }
}

pub(super) fn service_status() -> Status {
    let signal = signal();
    Status {
        created_at: of(AT),
        management_account: of("111111111111"),
        organization: Some(of("o-exampleorgid")),
        verdict: Some(service::Verdict::Failed),
        sentence: "1 digest chain fails verification.".to_owned(),
        since: Some(of(AT)),
        verified_through: None,
        evidence_is_old: false,
        problems: vec![service::Problem {
            severity: signal.severity,
            state: signal.state,
            part: signal.part,
            check: signal.check,
            title: signal.title,
            signals: 1,
            accounts: vec![of("444444444444")],
            account_count: 1,
            since: signal.since,
            fix: None,
        }],
        running: vec![Running {
            schedule: "hourly".to_owned(),
            scheduled_at: of(AT),
            attempt: 1,
            replica: "host-0000002a".to_owned(),
            claimed_at: of(AT),
        }],
        rounds: vec![service_round()],
        schedules: vec![schedule()],
        joined: vec![joined()],
        departed: vec![departed()],
    }
}

fn joined() -> JoinedAccount {
    JoinedAccount {
        account: of("555555555555"),
        name: "payments".to_owned(),
        state: JoiningState::Covered,
        joined_at: of(AT),
        role_assumed_at: Some(of("2026-01-02T03:06:05Z")),
        trail_logging_at: Some(of("2026-01-02T03:10:05Z")),
        covered_at: Some(of("2026-01-02T03:13:05Z")),
        covered_after_seconds: Some(540),
        reason: None,
    }
}

fn departed() -> DepartedAccount {
    DepartedAccount {
        account: of("666666666666"),
        name: "old".to_owned(),
        joined_at: of("2025-01-02T03:04:05Z"),
        departed_at: of(AT),
    }
}

pub(super) fn service_account_baseline() -> AccountBaseline {
    AccountBaseline {
        read_at: of(AT),
        accounts: vec![BaselineAccount {
            account: of("111111111111"),
            name: "management".to_owned(),
            joined_at: of("2025-01-02T03:04:05Z"),
        }],
    }
}

pub(super) fn service_account_event() -> AccountEvent {
    AccountEvent {
        account: of("555555555555"),
        name: "payments".to_owned(),
        joined_at: of(AT),
        step: AccountStep::TrailLogging,
        noticed_at: of("2026-01-02T03:10:05Z"),
    }
}

pub(super) fn service_landing_zone() -> LandingZone {
    let late = JoinedAccount {
        account: of("777777777777"),
        name: "late".to_owned(),
        state: JoiningState::Late,
        trail_logging_at: None,
        covered_at: None,
        covered_after_seconds: None,
        reason: Some("the trail is not logging in eu-west-1".to_owned()),
        ..joined()
    };
    LandingZone {
        as_of: Some(of("2026-01-02T06:04:05Z")),
        error: None,
        accounts: Some(40),
        has_queue: true,
        covered_within_minutes: 120,
        joined: vec![joined(), late],
        departed: vec![departed()],
    }
}

pub(super) fn service_live_round() -> LiveRound {
    read(json!({
        "id": ROUND, "schedule": "nightly", "trigger": "schedule", "scheduled_at": AT,
        "attempt": 1, "replica": "host-0000002a", "started_at": AT,
        "parts": [{
            "part": "verify", "state": "running", "started_at": AT, "ended_at": null,
            "summary": null, "outcome": null
        }],
        "phase": { "name": "verifying", "done": 7, "steps": 40 }, "objects": 0, "copied_bytes": 0,
        "messages": [{ "at": AT, "text": "verifying", "warning": false }]
    }))
}

pub(super) fn service_event() -> Event {
    read(json!({
        "id": 7, "at": AT, "kind": "part_ended", "round": ROUND, "part": "verify",
        "outcome": "integrity_failure", "summary": "1 digest is missing"
    }))
}

pub(super) fn service_event_gap() -> Gap {
    Gap { first: Some(8) }
}

pub(super) fn service_problem() -> Problem {
    Problem {
        kind: "about:blank",
        title: "Not Found".to_owned(),
        status: 404,
        detail: "there is no round `x`".to_owned(),
    }
}

pub(super) fn service_rounds() -> RoundList {
    let next = Some(ROUND.to_owned());
    RoundList { rounds: vec![service_round()], next, unreadable_rounds: 0 }
}

pub(super) fn service_requested_round() -> RequestedRound {
    RequestedRound { id: ROUND.to_owned(), schedule: "nightly".to_owned(), requested_at: of(AT) }
}

pub(super) fn service_round_diff() -> RoundDiff {
    RoundDiff {
        earlier: EARLIER.to_owned(),
        later: ROUND.to_owned(),
        new: vec![signal()],
        changed: Vec::new(),
        unreadable: Vec::new(),
        resolved: Vec::new(),
        unchanged: 3,
    }
}

pub(super) fn service_coverage() -> CoverageList {
    CoverageList {
        as_of: Some(of(AT)),
        cells: cells(),
        regions: vec![of("eu-west-1")],
        accounts: vec![CoverageAccount {
            account: of("444444444444"),
            name: "workload".to_owned(),
            unit_path: "Root/Workloads".to_owned(),
            state: CellState::Failed,
            cells: vec![CoverageCell {
                state: CellState::Failed,
                reason: Some("a digest is missing".to_owned()),
                newest_log_file_at: Some(of(AT)),
                newest_digest_at: None,
                proven_through: Some(period().to),
            }],
        }],
        matching: 31,
        next: Some(of("444444444444")),
    }
}

pub(super) fn service_accounts() -> AccountList {
    AccountList {
        as_of: Some(of(AT)),
        states: cells(),
        accounts: vec![AccountState {
            account: of("444444444444"),
            name: "workload".to_owned(),
            unit_path: "Root/Workloads".to_owned(),
            state: CellState::Proven,
            verified_through: Some(period().to),
        }],
        next: None,
    }
}

pub(super) fn service_chains() -> ChainList {
    ChainList {
        as_of: Some(of(AT)),
        chains: vec![Chain {
            account: of("444444444444"),
            region: of("eu-west-1"),
            trails: vec![super::TRAIL.to_owned()],
            proven: vec![period()],
            findings: vec![ChainFinding {
                kind: "digest-missing".to_owned(),
                broken: true,
                meaning: "a digest is missing".to_owned(),
                key: Some("AWSLogs/x".to_owned()),
                expected: None,
                found: None,
                period: Some(period()),
                objects: 1,
            }],
        }],
        general: Vec::new(),
    }
}

pub(super) fn service_findings() -> FindingList {
    let (round, findings) = (Some(ROUND.to_owned()), vec![signal()]);
    FindingList { round, findings, matching: 1, next: None }
}

pub(super) fn service_sources() -> SourceList {
    let counts: ObjectCounts = crate::archive::consolidate::record::Counts::default().into();
    SourceList {
        as_of: Some(of(AT)),
        round: Some(ROUND.to_owned()),
        seconds: 600,
        complete: false,
        by_source: [("s3://legacy".to_owned(), counts)].into(),
        failures: vec![Failure {
            place: "s3://legacy-ap".to_owned(),
            reason: "access denied".to_owned(),
            hint: Some("allow s3:ListBucket".to_owned()),
        }],
        unreadable_regions: 1,
    }
}

pub(super) fn service_schedules() -> ScheduleList {
    ScheduleList { schedules: vec![schedule()] }
}

pub(super) fn service_bundle() -> Bundle {
    Bundle {
        id: "20260102t030405z-0000002a".to_owned(),
        requested_at: of(AT),
        period: period(),
        accounts: vec![of("444444444444")],
        regions: Vec::new(),
        state: BundleState::Ready,
        reason: None,
        proven: Some(true),
        files: Some(7),
        size_bytes: Some(4096),
        manifest_sha256: Some("aa00".to_owned()),
        omitted: Vec::new(),
    }
}

pub(super) fn service_bundles() -> BundleList {
    BundleList { bundles: vec![service_bundle()] }
}

pub(super) fn service_readiness() -> Readiness {
    let reason = Some("access denied".to_owned());
    Readiness { ready: false, failing: vec![FailingPart { part: Dependency::State, reason }] }
}

pub(super) fn service_token() -> NewToken {
    NewToken {
        token: "orgtrail_example".to_owned(),
        id: "0011aabb".to_owned(),
        name: "grafana".to_owned(),
        scopes: vec!["metrics".to_owned()],
        expires_at: of(AT),
        file: "/etc/orgtrail/tokens.toml".to_owned(),
    }
}
