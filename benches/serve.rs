//! What the service answers while a round runs, and what it needs.
//!
//! `cargo bench -- serve [--accounts 5000]`. For 500 and 5,000 accounts in 17 Regions, with
//! 1,000 rounds of history in a directory: the time until the state is read, and then the
//! times of pages and of the API under 50 clients, while the reports of a round are read and
//! written again and again. One process prepares the state, another one serves and measures,
//! so that its memory is that of the service and of the clients.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use orgtrail::compute::of_reports;
use orgtrail::report::contract::drift;
use orgtrail::report::contract::round::Part;
use orgtrail::serve::app::App;
use orgtrail::serve::evidence::Bundles;
use orgtrail::serve::http;
use orgtrail::serve::rounds::Rounds;
use orgtrail::stop::Stop;
use orgtrail::store::{DirectoryStore, Store};

use crate::quick::{Goal, QUICK, row};
use crate::usage::peak_mib;
#[path = "../src/serve/samples.rs"]
mod samples;

/// What child processes are started with.
const PREPARE: &str = "--prepare";
const MEASURE: &str = "--measure";
const CLIENTS: usize = 50;
const HISTORY: usize = 1000;
const FOR: Duration = Duration::from_secs(10);
/// What the service promises.
const START_LIMIT_MS: f64 = 1000.0;
const MEMORY_LIMIT_MIB: f64 = 300.0;

const PATHS: [&str; 8] = [
    "/",
    "/coverage",
    "/coverage?state=failed",
    "/drift",
    "/rounds",
    "/api/v1/status",
    "/api/v1/coverage?limit=100",
    "/api/v1/findings",
];

/// Runs the bench; `--accounts N` measures one organization.
pub(crate) fn run(options: &[String]) {
    let number = |text: &String| text.parse::<usize>().expect("a number of accounts");
    match options {
        [] => [500, 5_000].into_iter().for_each(|accounts| compare(accounts, MEASURE)),
        [flag] if flag == QUICK => compare(500, QUICK),
        [name, accounts] if name == "--accounts" => compare(number(accounts), MEASURE),
        [step, folder, accounts] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let (folder, accounts) = (Path::new(folder), number(accounts));
            match step.as_str() {
                PREPARE => runtime.block_on(prepare(folder, accounts)),
                MEASURE => runtime.block_on(measure(folder)).print(accounts),
                QUICK => runtime.block_on(measure(folder)).print_quick(),
                _ => panic!("expected: serve [--accounts N]"),
            }
        }
        _ => panic!("expected: serve [--accounts N]"),
    }
}

fn compare(accounts: usize, measure: &str) {
    let folder = tempfile::tempdir().unwrap();
    for step in [PREPARE, measure] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["serve", step, folder.path().to_str().unwrap(), &accounts.to_string()])
            .status();
        assert!(status.unwrap().success(), "{step}");
    }
}

/// Fills a state with the newest round's reports and a history of rounds.
async fn prepare(folder: &Path, accounts: usize) {
    let app = samples::app(folder, accounts, "").await;
    let store = Store::Directory(DirectoryStore::open(folder).unwrap());
    let rounds = Rounds::new(store);
    let board = app.board();
    let newest = board.newest().unwrap();
    for number in board.rounds.len()..HISTORY {
        let id = samples::round_id(number);
        let mut round = newest.clone();
        round.id = id;
        round.parts.iter_mut().for_each(|part| part.report_bytes = None);
        rounds.add(&round).await.unwrap();
    }
}

/// What the service answered.
struct Measured {
    /// Until the state was read. Units: milliseconds.
    start: f64,
    paths: Vec<Answers>,
    rounds: usize,
    peak_mib: f64,
}

/// The answers for a path.
struct Answers {
    path: &'static str,
    requests: usize,
    kib: usize,
    /// Units: milliseconds.
    p50: f64,
    /// Units: milliseconds.
    p95: f64,
}

impl Measured {
    fn print(&self, accounts: usize) {
        println!(
            "serve: {accounts} accounts x {} Regions: {HISTORY} rounds read in {:.0} ms, {:.2} of the limit",
            samples::REGIONS.len(),
            self.start,
            self.start / START_LIMIT_MS
        );
        println!(
            "{:>28}  {:>8}  {:>8}  {:>8}  {:>8}",
            "path", "requests", "KiB", "p50 ms", "p95 ms"
        );
        for Answers { path, requests, kib, p50, p95 } in &self.paths {
            println!("{path:>28}  {requests:>8}  {kib:>8}  {p50:>8.1}  {p95:>8.1}");
        }
        println!(
            "{} rounds beside; peak {:.0} MiB, {:.2} of the limit of {MEMORY_LIMIT_MIB} MiB",
            self.rounds,
            self.peak_mib,
            self.peak_mib / MEMORY_LIMIT_MIB
        );
    }

    fn print_quick(&self) {
        let slowest = self.paths.iter().map(|answers| answers.p95).fold(0.0, f64::max);
        row(
            "service: time until it is ready",
            self.start / START_LIMIT_MS,
            "1 s",
            Goal::AtMost(1.0),
        );
        row("service: slowest page, 95th percentile", slowest / 100.0, "100 ms", Goal::AtMost(1.0));
        let memory = self.peak_mib / MEMORY_LIMIT_MIB;
        row("service: peak memory with 50 clients", memory, "300 MiB", Goal::AtMost(1.0));
    }
}

async fn measure(folder: &Path) -> Measured {
    let store = Store::Directory(DirectoryStore::open(folder).unwrap());
    let app = samples::empty_app(store, "[service]\nlisten = \"127.0.0.1:0\"\n");
    let began = Instant::now();
    app.refresh().await.unwrap();
    let start = began.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(app.board().rounds.len(), HISTORY);
    let bound = http::bind(&app.config()).await.unwrap();
    let address = bound.address().unwrap();
    let (stopper, stop) = Stop::by_hand();
    let bundles = Bundles::open(folder).unwrap();
    let server = tokio::spawn(http::serve(app.clone(), bound, bundles, stop));
    let is_over = Arc::new(AtomicBool::new(false));
    let round = tokio::spawn(round(app.clone(), Arc::clone(&is_over)));
    let mut paths = Vec::new();
    for path in PATHS {
        let clients = (0..CLIENTS).map(|_| client(address, path));
        let answers = futures::future::join_all(clients).await;
        let bytes = answers.iter().map(|(_, bytes)| *bytes).max().unwrap();
        let mut times: Vec<Duration> = answers.into_iter().flat_map(|(times, _)| times).collect();
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1000.0;
        let (requests, kib) = (times.len(), bytes / 1024);
        paths.push(Answers { path, requests, kib, p50: at(50), p95: at(95) });
    }
    is_over.store(true, Ordering::Relaxed);
    let rounds = round.await.unwrap();
    stopper.request();
    server.await.unwrap().unwrap();
    Measured { start, paths, rounds, peak_mib: peak_mib() }
}

/// One client that asks again and again over one connection; its times, and the size of an
/// answer.
async fn client(address: std::net::SocketAddr, path: &str) -> (Vec<Duration>, usize) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection): (SendRequest<Empty<Bytes>>, _) =
        handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let (mut times, mut bytes) = (Vec::new(), 0);
    let until = Instant::now() + FOR / u32::try_from(PATHS.len()).unwrap();
    while Instant::now() < until {
        let request = hyper::Request::get(path).header("host", address.to_string());
        sender.ready().await.unwrap();
        let began = Instant::now();
        let request = request.body(Empty::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        bytes = answer.into_body().collect().await.unwrap().to_bytes().len();
        times.push(began.elapsed());
    }
    drop(sender);
    let _ = connection.await;
    (times, bytes)
}

/// What a round does to this process at its end: it writes its reports, and reads the newest
/// ones to make a board of them. How often it was done.
async fn round(app: App, is_over: Arc<AtomicBool>) -> usize {
    let mut rounds = 0;
    while !is_over.load(Ordering::Relaxed) {
        let newest = app.board().newest().unwrap().id.clone();
        let report = app.rounds().report(&newest, Part::Drift).await.unwrap().unwrap();
        let written = of_reports(move || {
            let report: drift::Report = serde_json::from_slice(&report).unwrap();
            serde_json::to_vec(&report).unwrap().len()
        });
        assert!(written.await.unwrap() > 0);
        let board = app.loader().load(None).await.unwrap().unwrap();
        assert!(board.coverage.is_some());
        rounds += 1;
    }
    rounds
}
