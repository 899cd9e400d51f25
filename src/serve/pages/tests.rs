//! Pages of sample organizations, as text.

use std::sync::Arc;

use maud::Markup;

use super::query::Query;
use super::view::View;
use crate::serve::board::Board;
use crate::serve::samples;

/// A view of a board for a path.
fn view(board: Board, address: &str) -> View {
    let (_, query) = address.split_once('?').unwrap_or((address, ""));
    View {
        now: samples::now(),
        config: Arc::new(samples::CONFIG.parse().unwrap()),
        board: Arc::new(board),
        live: None,
        replica: "orgtrail-0".to_owned(),
        address: address.to_owned(),
        query: Query::of(Some(query)),
    }
}

fn sample(address: &str) -> View {
    view(samples::board(samples::ACCOUNTS), address)
}

/// The text of a page's main part, a line for each element.
fn text(page: &Markup) -> String {
    let page = &page.0;
    let main = page.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
    let mut text = String::new();
    for piece in main.split_once('>').unwrap().1.split('<') {
        let (_, content) = piece.split_once('>').unwrap_or(("", piece));
        let content = content.split_whitespace().collect::<Vec<_>>().join(" ");
        if !content.is_empty() {
            text.push_str(&content);
            text.push('\n');
        }
    }
    text
}

#[test]
fn the_overview_says_what_is_wrong_and_what_to_do() {
    insta::assert_snapshot!(text(&super::overview::overview(&sample("/"))));
}

/// Serves samples to look at with a browser, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a server to look at"]
async fn serve_samples() {
    let folder = tempfile::tempdir().unwrap();
    let small = samples::app(&folder.path().join("small"), samples::ACCOUNTS, "").await;
    let large = samples::app(&folder.path().join("large"), 5000, "").await;
    let store = crate::serve::store::DirectoryStore::open(&folder.path().join("empty")).unwrap();
    let empty = samples::empty_app(crate::serve::store::Store::Directory(store), "");
    empty.refresh().await.unwrap();
    let store = crate::serve::store::DirectoryStore::open(&folder.path().join("new")).unwrap();
    let unread = samples::empty_app(crate::serve::store::Store::Directory(store), "");
    let live = samples::app(&folder.path().join("live"), samples::ACCOUNTS, "").await;
    let _progress = live_round(&live);
    let apps = [(8787, small), (8788, large), (8789, empty), (8790, unread), (8791, live)];
    let servers = apps.map(|(port, app)| async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let routes = super::routes().fallback(|uri| async move { super::not_found_at(&uri) });
        axum::serve(listener, routes.with_state(app)).await.unwrap();
    });
    futures::future::join_all(servers).await;
}

/// A round that verifies.
fn live_round(app: &crate::serve::app::App) -> impl Sized + use<> {
    use crate::report::contract::live::{LivePart, LiveRound, PartState};
    use crate::report::contract::round::Part;
    let part = |part| LivePart {
        part,
        state: PartState::Waiting,
        started_at: None,
        ended_at: None,
        summary: None,
        outcome: None,
    };
    let started_at = samples::now() - jiff::SignedDuration::from_mins(24);
    let progress = app.live().start(LiveRound {
        id: "250999999999-nightly-00000001".to_owned(),
        schedule: "nightly".to_owned(),
        trigger: crate::report::contract::service::Trigger::CatchUp,
        scheduled_at: started_at,
        attempt: 1,
        replica: "orgtrail-0".to_owned(),
        started_at,
        parts: [Part::Consolidate, Part::Verify, Part::Drift].map(part).into(),
        phase: None,
        objects: 412,
        copied_bytes: 90_600_000,
        messages: Vec::new(),
    });
    progress.part_started(crate::ops::round::Part::Consolidate);
    progress.note("eu-central-1: 24 accounts verified");
    progress.warn("S3 returned 503 SlowDown 12 times");
    let phase = progress.phase("verifying chains", 1904);
    for _ in 0..1219 {
        phase.step_done();
    }
    (progress, phase)
}
