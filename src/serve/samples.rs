//! An organization for the tests of pages and of the API: 17 Regions, any number of
//! accounts, and each state at least once.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests use a part of it, and stop where they fail"
)]

#[path = "role_stack_samples.rs"]
mod role_stacks;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use orgtrail::config::Environment;
use orgtrail::ops::{Connection, Env};
use orgtrail::report::contract::drift;
use orgtrail::report::contract::new_accounts::{AccountBaseline, AccountEvent, AccountStep};
use orgtrail::report::contract::round::{Outcome, Part};
use orgtrail::report::contract::service::{Round, RoundPart, Signals, Trigger};
use orgtrail::serve::accounts::{AccountHistory, Accounts};
use orgtrail::serve::app::{App, Setup};
use orgtrail::serve::board::{self, Board, Reports, Sources};
use orgtrail::serve::rounds::Rounds;
use orgtrail::store::{DirectoryStore, Store};
pub(crate) use role_stacks::role_stacks;
use serde_json::{Value, json};

/// How many accounts the usual organization has.
pub(crate) const ACCOUNTS: usize = 112;

/// The Regions that every account has.
pub(crate) const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The configuration of the organization, without `[service]`.
pub(crate) const CONFIG: &str = "[organization]\nmanagement_account = \"100000000001\"\n\
    log_archive_account = \"100000000002\"\nhome_region = \"eu-central-1\"\n\
    [archive]\nbucket = \"acme-log-archive\"\n";

/// The time of the newest round's end.
pub(crate) fn now() -> Timestamp {
    "2026-11-25T03:41:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// The id of the account of a number, from 0.
pub(crate) fn account(number: usize) -> String {
    format!("{:012}", 100_000_000_001 + number)
}

fn unit(number: usize) -> &'static str {
    match number {
        0 => "Root",
        1..=4 => "Root/Security",
        _ => ["Root/Workloads/Prod", "Root/Workloads/Test", "Root/Sandbox", "Root/Suspended"]
            [number % 4],
    }
}

/// The cell of an account in a Region, as the checks see it.
fn cell(number: usize, region: usize) -> Value {
    let delivered = |minutes: i64| json!({ "newest_log_file_at": ago(minutes), "newest_digest_at": ago(minutes + 30) });
    let with = |state: &str, mut cell: Value| {
        cell["state"] = json!(state);
        cell
    };
    match (number, region) {
        // Late: nothing for more than a day.
        (9, 3 | 4) => with("stale", delivered(26 * 60)),
        (12, _) => json!({ "state": "uncovered", "found": "no trail records there" }),
        (17, _) => json!({
            "state": "unknown",
            "reason": "AccessDenied: the role orgtrail-read may not call cloudtrail:GetTrailStatus"
        }),
        (23, _) => json!({ "state": "excluded", "reason": "the account is excluded" }),
        (_, 2 | 12) if number.is_multiple_of(3) => json!({ "state": "not_enabled" }),
        _ => with("covered", delivered(8 + i64::try_from(region).unwrap())),
    }
}

/// Whether nothing of the cell is proven yet.
fn is_unproven(number: usize, region: usize) -> bool {
    number == 31 && region == 5
}

/// Findings of a chain that fails verification, and of one that is not complete.
fn chain_findings() -> Value {
    json!([
        {
            "kind": "digest-missing", "severity": "broken",
            "meaning": "a digest that the next one names is missing",
            "account": account(7), "region": REGIONS[7], "expected": null, "found": null,
            "key": "AWSLogs/o-example/100000000008/CloudTrail-Digest/eu-central-1/2026/11/24/x.json.gz",
            "period": { "from": ago(20 * 60), "to": ago(19 * 60) }, "objects": 1
        },
        {
            "kind": "log-unreadable", "severity": "incomplete",
            "meaning": "a log file could not be read", "account": account(8),
            "region": REGIONS[1], "expected": null, "found": "AccessDenied", "key": "AWSLogs/x",
            "period": { "from": ago(120), "to": ago(60) }, "objects": 3
        }
    ])
}

/// The verification report, as far as the service reads it.
pub(crate) fn verification(accounts: usize) -> Value {
    let chain = json!({
        "trail": "arn:aws:cloudtrail:eu-central-1:100000000001:trail/org",
        "home_region": "eu-central-1", "owner": account(0)
    });
    let scope = |number: usize, region: usize| {
        let proven = match (number, region) {
            (7, 7) => json!([
                { "from": ago(30 * 24 * 60), "to": ago(20 * 60) },
                { "from": ago(19 * 60), "to": ago(41) }
            ]),
            _ if is_unproven(number, region) => json!([]),
            _ => json!([{ "from": ago(30 * 24 * 60), "to": ago(41) }]),
        };
        json!({
            "account": account(number), "region": REGIONS[region],
            "chains": [chain.clone()], "proven": proven
        })
    };
    let is_recorded = |number: usize, region: usize| {
        let state = &cell(number, region)["state"];
        state == "covered" || state == "stale"
    };
    let scopes: Vec<Value> = (0..accounts)
        .flat_map(|number| (0..REGIONS.len()).map(move |region| (number, region)))
        .filter(|(number, region)| is_recorded(*number, *region))
        .map(|(number, region)| scope(number, region))
        .collect();
    json!({
        "document": "verification-report", "version": 1, "created_at": now(),
        "window": { "from": null, "to": null }, "scopes": scopes, "findings": chain_findings()
    })
}

/// The drift report.
pub(crate) fn drift(accounts: usize) -> Value {
    let of_account = |number: usize| {
        let cells: Vec<Value> = (0..REGIONS.len()).map(|region| cell(number, region)).collect();
        json!({
            "account": account(number), "unit_path": unit(number), "cells": cells,
            "name": match number { 0 => "management".to_owned(), 1 => "log-archive".to_owned(), _ => format!("workload-{number:03}") }
        })
    };
    let check = |id: &str, severity: &str, title: &str, fix: &str| {
        json!({
            "id": id, "severity": severity, "title": title, "why": "events could be lost",
            "fix": fix, "resources": [], "mappings": []
        })
    };
    let counts = json!({
        "failed": 2, "unknown": 1, "suppressed": 1, "not_configured": 0, "passed": 400
    });
    let mut summary = counts;
    summary["by_severity"] = json!([]);
    summary["coverage"] = json!({
        "covered": 0, "stale": 0, "uncovered": 0, "unknown": 0, "not_enabled": 0, "excluded": 0
    });
    json!({
        "document": "drift-report", "version": 1,
        "created_at": now(), "organization": "o-exampleorgid",
        "management_account": account(0), "home_region": "eu-central-1",
        "trail": "arn:aws:cloudtrail:eu-central-1:100000000001:trail/org",
        "bucket": "acme-log-archive", "summary": summary,
        "findings": [
            {
                "check": "bucket-tls-only", "severity": "high",
                "scope": { "kind": "bucket", "bucket": "acme-log-archive" },
                "verdict": "fail", "found": "the policy allows plain HTTP",
                "expected": "the policy denies plain HTTP", "suppression": null, "cause": null
            },
            {
                "check": "coverage", "severity": "critical",
                "scope": { "kind": "account", "account": account(12) },
                "verdict": "fail", "found": "no trail records there",
                "expected": "the organization trail", "suppression": null, "cause": "c1"
            },
            {
                "check": "trail-status", "severity": "medium",
                "scope": { "kind": "account", "account": account(17) },
                "verdict": "unknown", "reason": "AccessDenied", "suppression": null,
                "cause": null, "permission": "cloudtrail:GetTrailStatus"
            },
            {
                "check": "key-rotation", "severity": "low", "scope": { "kind": "organization" },
                "verdict": "fail", "found": "rotation is off", "expected": "rotation is on",
                "suppression": {
                    "reason": "moved next quarter", "last_day": "2027-01-31", "expired": false
                },
                "cause": null
            },
            {
                "check": "bucket-versioning", "severity": "high",
                "scope": { "kind": "bucket", "bucket": "acme-log-archive" },
                "verdict": "pass", "suppression": null, "cause": null
            }
        ],
        "causes": [{
            "id": "c1", "severity": "critical", "title": "an account records nothing",
            "fix": "attach the account to the organization", "failed": 1, "unknown": 0,
            "accounts": 1, "regions": 17, "checks": { "coverage": 1 }
        }],
        "coverage": {
            "regions": REGIONS,
            "accounts": (0..accounts).map(of_account).collect::<Vec<_>>()
        },
        "comparison": null,
        "checks": [
            check("bucket-tls-only", "high", "the archive denies plain HTTP", "run `orgtrail apply`"),
            check("coverage", "critical", "every account is recorded", "run `orgtrail apply`"),
            check("trail-status", "medium", "the trail records", "allow the call"),
            check("key-rotation", "low", "the key is rotated", "run `orgtrail apply`"),
        ]
    })
}

/// The consolidation report, as far as the service reads it.
pub(crate) fn consolidation() -> Value {
    let counts = |at_source: u64, copied: u64, conflicts: u64| {
        json!({
            "at_source": at_source, "present": at_source - copied - conflicts, "uncompared": 0,
            "copied": copied, "copied_bytes": copied * 4096, "copied_inside_s3": copied,
            "conflicts": conflicts, "failed": 0, "archived": 0, "unexpected": 0, "left": 0,
            "quarantined": 0, "quarantined_digests": 0, "accepted": 0, "held_back": 0,
            "unbound": 0
        })
    };
    json!({
        "document": "consolidation-report", "version": 1, "complete": false,
        "counts": counts(1_250_000, 4200, 1),
        "by_source": {
            "s3://legacy-trail-eu": counts(1_000_000, 4200, 0),
            "s3://legacy-trail-us/logs": counts(250_000, 0, 1)
        },
        "failures": [{
            "place": "s3://legacy-trail-ap", "reason": "AccessDenied",
            "hint": "allow s3:ListBucket"
        }],
        "unreadable_regions": [{ "account": account(17), "region": REGIONS[0] }]
    })
}

/// The newest reports of the rounds.
fn reports(accounts: usize) -> Reports {
    let drift: drift::Report = serde_json::from_value(drift(accounts)).unwrap();
    Reports {
        reconciliation: None,
        detections: None,
        drift: Some((round_id(0), drift)),
        verifications: vec![serde_json::from_value(verification(accounts)).unwrap()],
        sources: Some(Sources {
            as_of: now(),
            seconds: 600,
            round: round_id(0),
            report: serde_json::from_value(consolidation()).unwrap(),
        }),
    }
}

/// The id of the round that is the number-th newest.
pub(crate) fn round_id(number: usize) -> String {
    format!("{:012}-{}-{number:08x}", 251_000_000_000_usize + number * 3600, schedule(number))
}

fn schedule(number: usize) -> &'static str {
    if number.is_multiple_of(24) { "nightly" } else { "hourly" }
}

fn part(part: Part, outcome: Outcome, summary: &str, number: usize) -> RoundPart {
    let started_at = ago(60 * i64::try_from(number).unwrap() + 18);
    let part = json!({
        "part": part, "exit_code": outcome.exit_code(), "outcome": outcome,
        "started_at": started_at, "ended_at": started_at + SignedDuration::from_mins(5),
        "summary": summary, "verified_from": null, "was_stopped": false,
        "report_bytes": (number == 0).then_some(100_000)
    });
    serde_json::from_value(part).unwrap()
}

/// A board of an organization with this many accounts, after 30 rounds.
pub(crate) fn board(accounts: usize) -> Board {
    let mut board = Board::of(reports(accounts));
    let rounds = (0..30).map(|number| {
        let parts = vec![
            part(Part::Consolidate, Outcome::Incomplete, "4,200 copied, 1 source failed", number),
            part(Part::Verify, Outcome::IntegrityFailure, "1 digest is missing", number),
            part(Part::Drift, Outcome::Drift, "2 checks fail", number),
        ];
        let parts = if number.is_multiple_of(24) { parts } else { parts[1..].to_vec() };
        round(number, parts)
    });
    board.rounds = rounds.map(Arc::new).collect();
    let signals = signals_of(&board);
    for round in &mut board.rounds {
        let round = Arc::make_mut(round);
        round.knowledge = board::knowledge(&Board::of(reports(accounts)), &signals, ago(41), None);
        if accounts > 1000 {
            break;
        }
    }
    board.signals = Some(Arc::new(signals));
    board
}

fn signals_of(board: &Board) -> Signals {
    let mut signals = board::signals(board, None);
    // One is older than the others.
    if let Some(signal) = signals.signals.first_mut() {
        signal.since = ago(3 * 24 * 60);
    }
    signals
}

fn round(number: usize, parts: Vec<RoundPart>) -> Round {
    let started_at = parts[0].started_at;
    let empty = board::knowledge(
        &Board::default(),
        &Signals { round: String::new(), parts: Vec::new(), signals: Vec::new() },
        started_at,
        None,
    );
    Round {
        id: round_id(number),
        program: "orgtrail 0.1.0".to_owned(),
        management_account: account(0).parse().unwrap(),
        schedule: schedule(number).to_owned(),
        trigger: if number == 5 { Trigger::Request } else { Trigger::Schedule },
        scheduled_at: started_at,
        attempt: 1,
        replica: "replica-a".to_owned(),
        started_at,
        ended_at: started_at + SignedDuration::from_mins(16),
        exit_code: 13,
        outcome: Outcome::IntegrityFailure,
        parts,
        knowledge: empty,
    }
}

/// A service of such an organization with its state in a folder, `service` in its
/// configuration, and the board loaded from the state.
pub(crate) async fn app(folder: &Path, accounts: usize, service: &str) -> App {
    let store = Store::Directory(DirectoryStore::open(folder).unwrap());
    let rounds = Rounds::new(store.clone());
    let board = board(accounts);
    let json = |document: Value| Bytes::from(serde_json::to_vec(&document).unwrap());
    let newest = round_id(0);
    for (part, report) in [
        (Part::Drift, drift(accounts)),
        (Part::Verify, verification(accounts)),
        (Part::Consolidate, consolidation()),
    ] {
        rounds.add_report(&newest, part, json(report)).await.unwrap();
    }
    let signals = board.signals.as_deref().unwrap();
    rounds.add_signals(signals).await.unwrap();
    let mut before = signals.clone();
    before.round = round_id(1);
    before.signals.truncate(2);
    rounds.add_signals(&before).await.unwrap();
    for round in &board.rounds {
        rounds.add(round).await.unwrap();
    }
    let app = empty_app(store, service);
    app.refresh().await.unwrap();
    app.set_accounts(memberships());
    app
}

/// Accounts that joined and left: one that is covered, one that is late, and one that is gone.
pub(crate) fn memberships() -> Accounts {
    let event = |number: usize, joined: i64, step, noticed: i64| AccountEvent {
        account: account(number).parse().unwrap(),
        name: format!("<b>joined-{number}</b>"),
        joined_at: ago(joined),
        step,
        noticed_at: ago(noticed),
    };
    let baseline = AccountBaseline { read_at: ago(24 * 60), accounts: Vec::new() };
    let events = [
        event(40, 600, AccountStep::Joined, 599),
        event(40, 600, AccountStep::RoleAssumed, 598),
        event(40, 600, AccountStep::TrailLogging, 594),
        event(40, 600, AccountStep::Covered, 591),
        event(41, 300, AccountStep::Joined, 299),
        event(42, 900, AccountStep::Joined, 899),
        event(42, 900, AccountStep::Covered, 890),
        event(42, 900, AccountStep::Departed, 20),
    ];
    let mut accounts = Accounts::of(AccountHistory::of(Some(&baseline), &events));
    (accounts.as_of, accounts.count) = (Some(ago(12)), Some(ACCOUNTS));
    accounts.role_stacks = Some(Arc::new(role_stacks("", ACCOUNTS)));
    accounts
}

/// The same before its first round.
pub(crate) fn empty_app(store: Store, service: &str) -> App {
    let config = format!("{CONFIG}{service}").parse().unwrap();
    let env = Env::new(Connection::default(), now).with_config(Ok(config));
    App::new(Setup {
        env,
        environment: Environment::default(),
        store,
        replica: "replica-a".to_owned(),
    })
    .unwrap()
}

#[test]
fn the_sample_organization_has_every_state() {
    let cells = board(ACCOUNTS).coverage.unwrap().cells();
    let counts = [
        cells.proven,
        cells.delivering,
        cells.late,
        cells.failed,
        cells.dark,
        cells.unreadable,
        cells.excluded,
    ];
    assert!(counts.iter().all(|count| *count > 0), "{cells:?}");
    assert_eq!(counts.iter().sum::<usize>(), ACCOUNTS * REGIONS.len());
}
