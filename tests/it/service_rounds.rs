//! The service on an organization: rounds in this process, `orgtrail status` and `orgtrail
//! serve` as programs.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use orgtrail::aws::Pacing;
use orgtrail::config::Environment;
use orgtrail::ops::{Connection, Env};
use orgtrail::report::contract::round::Part;
use orgtrail::report::contract::service::{SignalState, Verdict};
use orgtrail::serve::app::{App, Setup};
use orgtrail::serve::board::{self, Changes, State};
use orgtrail::serve::open;
use orgtrail::serve::scheduler::Scheduler;
use orgtrail::stop::Stop;

use crate::configured::{ConfiguredEnv, parse};
use crate::env::MINIMAL;
use crate::program::signal;
use crate::retire_env::{config, with_legacy_trail};

/// Whose logs only the organization trail delivers: consolidation copies none again.
const MANAGEMENT: &str = "111111111111";
const NIGHTLY: &str = "[[service.schedule]]\nname = \"nightly\"\n\
    run = [\"consolidate\", \"verify\", \"drift\"]\ncron = \"17 3 * * *\"\n";

pub(crate) fn service_config(state: &Path) -> String {
    format!(
        "{}[service]\nlisten = \"127.0.0.1:0\"\nstate = \"{}\"\n{NIGHTLY}",
        config(),
        state.display()
    )
}

pub(crate) async fn service(env: &ConfiguredEnv, config: &str) -> App {
    let connection = Connection {
        pacing: Pacing::Off,
        base: Some(env.sdk_config(env.administrator(), "us-east-1")),
        ..Connection::default()
    };
    let env = Env::new(connection, || Timestamp::UNIX_EPOCH).with_config(Ok(parse(config)));
    let store = open::open(&env, || panic!("it has a state")).await.unwrap();
    let app = App::new(Setup {
        env,
        environment: Environment::default(),
        store,
        replica: "one".to_owned(),
    })
    .unwrap();
    open::check(&app).await.unwrap();
    app.sign_in().await.unwrap();
    app
}

/// Runs a round of the schedule `nightly` to its end.
pub(crate) async fn round(app: &App) {
    let (stopper, stop) = Stop::by_hand();
    let mut boards = app.boards();
    boards.mark_unchanged();
    app.request("nightly").unwrap();
    let ended = async {
        boards.changed().await.unwrap();
        // The claim is ended after the round is stored.
        while app.live().round().is_some() {
            tokio::task::yield_now().await;
        }
        stopper.request();
    };
    tokio::join!(Scheduler::new(app.clone()).run(stop), ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_shows_what_is_proven_and_the_next_one_what_changed() {
    let env = with_legacy_trail(30).await;
    let state = tempfile::tempdir().unwrap();
    let config = service_config(state.path());
    let app = service(&env, &config).await;
    round(&app).await;

    let board = app.board();
    let first = board.newest().unwrap().clone();
    assert_eq!(first.parts.len(), 3);
    assert!(first.parts.iter().all(|part| part.report_bytes.is_some()), "{first:#?}");
    assert_eq!(first.knowledge.cells.failed + first.knowledge.cells.dark, 0);
    assert!(first.knowledge.verified_through.is_some(), "{:#?}", first.knowledge);
    let coverage = board.coverage.as_ref().unwrap();
    // The sandbox delivers digests in two Regions only.
    let proven = |account: &board::Account| {
        account.cells.iter().filter(|cell| cell.state == State::Proven).count()
    };
    assert!(coverage.accounts.iter().all(|account| proven(account) == 2), "{coverage:#?}");
    let sources = board.sources.as_ref().unwrap();
    assert!(sources.report.by_source.values().any(|counts| counts.copied > 0), "{sources:?}");

    // A log file of the archive is deleted.
    let key = env
        .sandbox
        .keys_raw("acme-log-archive", "")
        .into_iter()
        .find(|key| key.contains("/CloudTrail/us-east-1/") && key.contains(MANAGEMENT));
    let key = key.unwrap();
    env.sandbox.delete_raw("acme-log-archive", &key).unwrap();
    env.sandbox.tick(SignedDuration::from_secs(60));
    let app = service(&env, &config).await;
    round(&app).await;

    let board = app.board();
    let second = board.newest().unwrap();
    assert_eq!(second.exit_code, 13, "{second:#?}");
    assert_eq!(second.knowledge.verdict, Verdict::Failed);
    assert_eq!(second.knowledge.since, second.started_at);
    let sentence = board::sentence(&board);
    assert!(sentence.starts_with("1 digest chain fails verification"), "{sentence}");
    let account = coverage_of(&board);
    assert_eq!(account, State::Failed);
    let [before, after] = [&first.id, &second.id].map(|id| app.rounds().signals(id));
    let (before, after) = (before.await.unwrap().unwrap(), after.await.unwrap().unwrap());
    let changes = Changes::between(&before, &after);
    let new = changes.new.iter().find(|it| it.check == "log-missing").unwrap();
    assert_eq!((new.part, new.state), (Part::Verify, SignalState::Failing));
    assert!(second.knowledge.new >= 1);

    // The program reads the same state.
    let ran = env.run(&config, &["status"]).await;
    assert_eq!(ran.code, 13, "{}", ran.text());
    assert!(ran.stdout.starts_with("1 digest chain fails verification"), "{}", ran.stdout);
    for expected in ["SEVERITY", "critical", "nightly", "NEXT ROUND"] {
        assert!(ran.stdout.contains(expected), "no {expected} in {}", ran.stdout);
    }
    let ran = env.run(&config, &["status", "--format", "json"]).await;
    let status = ran.json();
    assert_eq!(status["verdict"], "failed");
    assert_eq!(status["rounds"].as_array().unwrap().len(), 2);

    // It does not show the rounds of another organization as this one's.
    let other = config.replace("111111111111", "666666666666");
    for command in ["serve", "status"] {
        let ran = env.run(&other, &[command]).await;
        assert_eq!(ran.code, 2, "{}", ran.text());
        assert!(ran.stderr.contains("111111111111, expected 666666666666"), "{}", ran.stderr);
    }
}

fn coverage_of(board: &board::Board) -> State {
    let coverage = board.coverage.as_ref().unwrap();
    coverage.account(&MANAGEMENT.parse().unwrap()).unwrap().worst()
}

#[tokio::test]
async fn before_the_first_round_nothing_is_known() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let state = tempfile::tempdir().unwrap();
    let config = format!(
        "{MINIMAL}[service]\nlisten = \"127.0.0.1:0\"\nstate = \"{}\"\n",
        state.path().display()
    );
    let ran = env.run(&config, &["status"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert!(ran.stdout.starts_with("No round has finished yet."), "{}", ran.stdout);
    for schedule in ["hourly", "nightly", "weekly"] {
        assert!(ran.stdout.contains(schedule), "{}", ran.stdout);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_service_reads_its_configuration_again_and_ends_cleanly() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let config = format!(
        "{MINIMAL}[service]\nlisten = \"127.0.0.1:0\"\nstate = \"{}\"\n{NIGHTLY}",
        state.display()
    );
    let mut command = env.command(folder.path(), &config, &["serve", "--log-json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let path = folder.path().join("orgtrail.toml");
    let ended = tokio::task::spawn_blocking(move || {
        let mut lines = lines.map(Result::unwrap);
        let mut until = |text: &str| {
            let line = lines.by_ref().find(|line| line.contains(text));
            line.unwrap_or_else(|| panic!("no line with {text}"))
        };
        until("next round at");
        std::fs::write(&path, "nonsense").unwrap();
        signal(child.id(), "-HUP");
        let line = until("the old configuration stays in use");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["level"], "ERROR");
        std::fs::write(&path, config.replace("17 3", "18 3")).unwrap();
        signal(child.id(), "-HUP");
        until("uses the new configuration");
        std::fs::write(&path, config.replace("/state", "/elsewhere")).unwrap();
        signal(child.id(), "-HUP");
        until("`service.state` changed");
        signal(child.id(), "-TERM");
        until("stopping (SIGTERM)");
        child.wait().unwrap().code()
    });
    assert_eq!(ended.await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_state_that_is_the_archive_is_refused() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let config = format!(
        "{MINIMAL}[service]\nlisten = \"127.0.0.1:0\"\nstate = \"s3://acme-log-archive/state\"\n"
    );
    let ran = env.run(&config, &["serve"]).await;
    assert_eq!(ran.code, 2, "{}", ran.text());
    assert!(ran.stderr.contains("the state is in the archive"), "{}", ran.stderr);
}
