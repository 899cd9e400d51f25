//! Pages of sample organizations.

mod any_board;
mod responses;
mod states;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use jiff::SignedDuration;
use maud::Markup;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::query::Query;
use super::view::{Allowed, View};
use crate::ops::round::Part;
use crate::report::contract::live::{LivePart, LiveRound, PartState};
use crate::report::contract::round::Part as ReportedPart;
use crate::report::contract::service::Trigger;
use crate::serve::app::App;
use crate::serve::board::{self, Board, Reports, Sources};
use crate::serve::samples;
use crate::store::{DirectoryStore, Store};

/// A view of a board for a path.
fn view(board: Board, address: &str) -> View {
    let (_, query) = address.split_once('?').unwrap_or((address, ""));
    View {
        now: samples::now(),
        config: Arc::new(samples::CONFIG.parse().unwrap()),
        board: Arc::new(board),
        accounts: Arc::default(),
        live: None,
        replica: "orgtrail-0".to_owned(),
        address: address.to_owned(),
        query: Query::of(Some(query)),
        allowed: Allowed::default(),
    }
}

fn sample(address: &str) -> View {
    view(samples_board(samples::ACCOUNTS), address)
}

/// A board of as many accounts, which is made once.
fn samples_board(accounts: usize) -> Board {
    static BOARDS: Mutex<BTreeMap<usize, Board>> = Mutex::new(BTreeMap::new());
    let make = || samples::board(accounts);
    BOARDS.lock().entry(accounts).or_insert_with(make).clone()
}

/// A board of an organization in which nothing is wrong.
fn fine() -> Board {
    let changed = |mut report: Value, changes: &[(&str, Value)]| {
        for (name, value) in changes {
            report[*name] = value.clone();
        }
        report
    };
    let round = samples_board(20).rounds[0].clone();
    let mut round = std::sync::Arc::unwrap_or_clone(round);
    let drift = changed(samples::drift(6), &[("findings", json!([])), ("causes", json!([]))]);
    let verification = changed(samples::verification(6), &[("findings", json!([]))]);
    let sources = changed(
        samples::consolidation(),
        &[
            ("complete", json!(true)),
            ("failures", json!([])),
            ("unreadable_regions", json!([])),
            ("by_source", json!({})),
        ],
    );
    let mut sources: crate::serve::board::Consolidation = serde_json::from_value(sources).unwrap();
    sources.counts.conflicts = 0;
    let mut board = Board::of(Reports {
        reconciliation: None,
        detections: None,
        drift: Some((round.id.clone(), serde_json::from_value(drift).unwrap())),
        verifications: vec![serde_json::from_value(verification).unwrap()],
        sources: Some(Sources {
            as_of: samples::now(),
            seconds: 60,
            round: round.id.clone(),
            report: sources,
        }),
    });
    let signals = board::signals(&board, None);
    round.exit_code = 0;
    round.outcome = crate::report::contract::round::Outcome::Clean;
    for part in &mut round.parts {
        (part.exit_code, part.outcome) = (0, round.outcome);
        part.summary = "everything is fine".to_owned();
    }
    round.knowledge = board::knowledge(&board, &signals, round.started_at, None);
    board.rounds = vec![Arc::new(round)];
    board.signals = Some(Arc::new(signals));
    board
}

/// The service before its first round.
fn empty(folder: &std::path::Path) -> App {
    samples::empty_app(Store::Directory(DirectoryStore::open(folder).unwrap()), "")
}

/// The text of a page's main part, a line for each block.
fn text(page: &Markup) -> String {
    let page = &page.0;
    let main = page.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
    let mut text = String::new();
    for piece in main.split_once('>').unwrap().1.split('<') {
        let (tag, content) = piece.split_once('>').unwrap_or(("", piece));
        let tag = tag.split(' ').next().unwrap();
        match tag {
            "/td" | "/th" | "/dt" | "/option" => text.push_str(" | "),
            "/span" | "/a" | "/h3" => text.push(' '),
            "/p" | "/li" | "/tr" | "/dd" | "/h1" | "/h2" | "/summary" | "/pre" | "/caption"
            | "/label" | "/button" => text.push('\n'),
            _ => {}
        }
        text.push_str(content);
    }
    let text = text.replace(" .", ".").replace(" ,", ",");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A round that runs.
fn live_round() -> LiveRound {
    let started_at = samples::now() - SignedDuration::from_mins(24);
    let part = |part, state, started_at, summary: Option<&str>| LivePart {
        part,
        state,
        started_at,
        ended_at: None,
        summary: summary.map(str::to_owned),
        outcome: None,
    };
    LiveRound {
        id: "250999999999-nightly-00000001".to_owned(),
        schedule: "nightly".to_owned(),
        trigger: Trigger::CatchUp,
        scheduled_at: started_at,
        attempt: 2,
        replica: "orgtrail-0".to_owned(),
        started_at,
        parts: vec![
            part(
                ReportedPart::Consolidate,
                PartState::Done,
                Some(started_at),
                Some("412 objects copied"),
            ),
            part(ReportedPart::Verify, PartState::Running, Some(started_at), None),
            part(ReportedPart::Drift, PartState::Waiting, None, None),
        ],
        phase: None,
        objects: 412,
        copied_bytes: 90_600_000,
        messages: Vec::new(),
    }
}

/// Serves samples for `tests/peers/pages.py`, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a server for tests/peers/pages.py"]
async fn serve_samples() {
    let folder = tempfile::tempdir().unwrap();
    let folder = |name: &str| folder.path().join(name);
    let small = samples::app(&folder("small"), samples::ACCOUNTS, "").await;
    let large = samples::app(&folder("large"), 5000, "").await;
    let live = samples::app(&folder("live"), samples::ACCOUNTS, "").await;
    let (waiting, unread) = (empty(&folder("empty")), empty(&folder("unread")));
    waiting.refresh().await.unwrap();
    let progress = live.live().start(live_round());
    progress.part_started(Part::Verify);
    progress.note("eu-central-1: 24 accounts verified");
    progress.warn("S3 returned 503 SlowDown 12 times");
    let phase = progress.phase("verifying chains", 1904);
    for _ in 0..1219 {
        phase.step_done();
    }
    let apps = [(18787, small), (18788, large), (18789, waiting), (18790, unread), (18791, live)];
    let servers = apps.map(|(port, app)| async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        // Without the API: a stream of events that ends at once.
        let events = || async { ([(CONTENT_TYPE, "text/event-stream")], ": none\n\n") };
        let routes = super::routes().route("/api/v1/events", get(events));
        let routes = routes.fallback(|uri| async move { super::not_found_at(&uri) });
        axum::serve(listener, routes.with_state(app)).await.unwrap();
    });
    futures::future::join_all(servers).await;
}
