use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use tokio::task::LocalSet;
use tokio::time::Instant;

use super::*;
use crate::config::Environment;
use crate::ops::round::PartResult;
use crate::ops::{Connection, Outcome as Ended};
use crate::report::contract::service::Round as Stored;
use crate::serve::app::Setup;
use crate::serve::claims::DEAD_AFTER;
use crate::store::{DirectoryStore, Store};

thread_local! {
    /// When the test's clock showed [`START`]. Each test has its thread and its clock.
    static BEGAN: OnceCell<Instant> = const { OnceCell::new() };
}

const START: &str = "2026-01-01T00:00:30Z";

fn now() -> Timestamp {
    let elapsed = BEGAN.with(|began| began.get_or_init(Instant::now).elapsed());
    let start: Timestamp = START.parse().unwrap();
    start.checked_add(SignedDuration::try_from(elapsed).unwrap()).unwrap()
}

async fn until(time: &str) {
    let time: Timestamp = time.parse().unwrap();
    let wait = time.duration_since(now());
    tokio::time::sleep(Duration::try_from(wait).unwrap()).await;
}

/// A replica whose rounds take `seconds`.
fn replica(state: &Path, name: &str, schedules: &str) -> App {
    let text = format!("{}{schedules}", crate::config::SMALLEST);
    let config = text.parse().unwrap();
    let env = Env::new(Connection::default(), now).with_config(Ok(config));
    let store = Store::Directory(DirectoryStore::open(state).unwrap());
    App::new(Setup { env, environment: Environment::default(), store, replica: name.to_owned() })
        .unwrap()
}

fn schedule(name: &str, cron: &str) -> String {
    format!(
        "[[service.schedule]]\nname = \"{name}\"\nrun = [\"drift\"]\ncron = \"{cron}\"\n\
         jitter_seconds = 0\n"
    )
}

/// Rounds that take some time and find nothing wrong.
fn taking(seconds: u64) -> RunRound {
    Box::new(move |env, request| {
        Box::pin(async move {
            let started_at = env.now();
            let stopped = env.stop().requested();
            let is_stopped = tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(seconds)) => false,
                () = stopped => true,
            };
            let outcome = if is_stopped { Ended::Incomplete } else { Ended::Clean };
            let part = |part| PartResult {
                part,
                outcome,
                started_at,
                ended_at: env.now(),
                summary: "done".to_owned(),
                result: None,
            };
            let parts = request.parts.into_iter().map(part).collect();
            Ok(Round { started_at, ended_at: env.now(), parts })
        })
    })
}

/// The stored rounds, the oldest first.
async fn stored(app: &App) -> Vec<Stored> {
    let mut rounds = Vec::new();
    for id in app.rounds().newest(10_000).await.unwrap() {
        rounds.push(app.rounds().read(&id).await.unwrap().unwrap());
    }
    rounds.reverse();
    rounds
}

fn slots(rounds: &[Stored]) -> Vec<String> {
    rounds.iter().map(|round| round.scheduled_at.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_round_runs_at_each_slot_and_none_for_the_time_before_the_first_start() {
    let state = tempfile::tempdir().unwrap();
    let app = replica(state.path(), "one", &schedule("often", "*/10 * * * *"));
    let (stopper, stop) = Stop::by_hand();
    let scheduler = Scheduler::with(app.clone(), taking(60)).run(stop);
    tokio::join!(scheduler, async {
        until("2026-01-01T00:35:00Z").await;
        stopper.request();
    });
    let rounds = stored(&app).await;
    let expected = ["2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:30:00Z"];
    assert_eq!(slots(&rounds), expected);
    assert!(rounds.iter().all(|round| round.trigger == Trigger::Schedule && round.attempt == 1));
    assert_eq!(app.board().rounds.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn after_missed_slots_one_round_catches_up() {
    let state = tempfile::tempdir().unwrap();
    let run = async |from: &str, to: &str| {
        until(from).await;
        let app = replica(state.path(), "one", &schedule("often", "*/10 * * * *"));
        app.refresh().await.unwrap();
        let (stopper, stop) = Stop::by_hand();
        tokio::join!(Scheduler::with(app.clone(), taking(60)).run(stop), async {
            until(to).await;
            stopper.request();
        });
        app
    };
    run("2026-01-01T00:01:00Z", "2026-01-01T00:15:00Z").await;
    let app = run("2026-01-01T01:05:00Z", "2026-01-01T01:15:00Z").await;
    let rounds = stored(&app).await;
    let expected = ["2026-01-01T00:10:00Z", "2026-01-01T01:00:00Z", "2026-01-01T01:10:00Z"];
    assert_eq!(slots(&rounds), expected);
    let triggers: Vec<_> = rounds.iter().map(|round| round.trigger).collect();
    assert_eq!(triggers, [Trigger::Schedule, Trigger::CatchUp, Trigger::Schedule]);
    assert_eq!(app.health().missed, 5);
}

#[tokio::test(start_paused = true)]
async fn slots_that_come_while_their_schedule_is_busy_are_skipped() {
    let state = tempfile::tempdir().unwrap();
    let replicas =
        ["one", "two"].map(|name| replica(state.path(), name, &schedule("often", "*/10 * * * *")));
    let (stopper, stop) = Stop::by_hand();
    let run = |app: &App| Scheduler::with(app.clone(), taking(25 * 60)).run(stop.clone());
    tokio::join!(run(&replicas[0]), run(&replicas[1]), async {
        until("2026-01-01T01:00:00Z").await;
        stopper.request();
    });
    // The round of 00:10 runs until 00:35, that of 00:40 beyond the end.
    let rounds = stored(&replicas[0]).await;
    let ended: Vec<_> = rounds.iter().filter(|round| round.exit_code == 0).collect();
    assert_eq!(ended.len(), 1, "{:?}", slots(&rounds));
    assert_eq!(ended[0].scheduled_at.to_string(), "2026-01-01T00:10:00Z");
    let skipped: u64 = replicas.iter().map(|app| app.health().skipped).sum();
    assert_eq!(skipped, 3, "those of 00:20, 00:30 and 00:50");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_a_round_and_keeps_what_it_found() {
    let state = tempfile::tempdir().unwrap();
    let schedule = schedule("often", "*/10 * * * *") + "deadline_minutes = 2\n";
    let app = replica(state.path(), "one", &schedule);
    let (stopper, stop) = Stop::by_hand();
    tokio::join!(Scheduler::with(app.clone(), taking(3600)).run(stop), async {
        until("2026-01-01T00:15:00Z").await;
        stopper.request();
    });
    let rounds = stored(&app).await;
    assert_eq!(rounds.len(), 1);
    let took = rounds[0].ended_at.duration_since(rounds[0].started_at).as_secs();
    assert_eq!((rounds[0].exit_code, took), (14, 120));
}

#[tokio::test(start_paused = true)]
async fn a_paused_schedule_starts_nothing_and_a_request_starts_one_round() {
    let state = tempfile::tempdir().unwrap();
    let paused = schedule("often", "*/10 * * * *") + "paused = true\n";
    let app = replica(state.path(), "one", &paused);
    let (stopper, stop) = Stop::by_hand();
    tokio::join!(Scheduler::with(app.clone(), taking(60)).run(stop), async {
        until("2026-01-01T00:25:00Z").await;
        assert!(matches!(
            app.request("other"),
            Err(crate::serve::app::RequestError::UnknownSchedule { .. })
        ));
        let requested = app.request("often").unwrap();
        until("2026-01-01T00:25:10Z").await;
        let running = app.live().round().unwrap();
        assert_eq!(running.id, requested.id);
        assert!(app.request("often").is_err(), "one runs");
        until("2026-01-01T00:30:00Z").await;
        stopper.request();
    });
    let rounds = stored(&app).await;
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].trigger, Trigger::Request);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_never_has_a_result_starts_less_often() {
    let state = tempfile::tempdir().unwrap();
    let app = replica(state.path(), "one", &schedule("often", "* * * * *"));
    let failing: RunRound =
        Box::new(|_, _| Box::pin(async { Err(OpError::new("no credentials", Ended::Unexpected)) }));
    let (stopper, stop) = Stop::by_hand();
    tokio::join!(Scheduler::with(app.clone(), failing).run(stop), async {
        until("2026-01-01T04:00:00Z").await;
        stopper.request();
    });
    let rounds = stored(&app).await;
    // Three at once, then after 30 minutes, 1 hour and 2 hours.
    assert!((5..=6).contains(&rounds.len()), "{:?}", slots(&rounds));
    assert!(app.health().credentials.unwrap().contains("no credentials"));
    assert!(app.health().skipped > 200);
}

/// Replicas are killed and restarted all day: every slot is run to its end once.
#[tokio::test(start_paused = true)]
async fn killed_replicas_lose_no_slot_and_run_none_twice() {
    let mut takeovers = 0;
    for seed in 0..2 {
        let state = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let began = now();
        let kills = Rc::new(Cell::new(0));
        let apps: Rc<RefCell<Vec<App>>> = Rc::default();
        let local = LocalSet::new();
        for number in 0..3_u64 {
            let (path, mut random) = (state.path().to_owned(), random.fork());
            let (kills, apps) = (Rc::clone(&kills), Rc::clone(&apps));
            local.spawn_local(async move {
                loop {
                    let name = format!("replica-{number}-{}", random.u32(..));
                    let app = replica(&path, &name, &schedule("often", "*/15 * * * *"));
                    let _ = app.refresh().await;
                    apps.borrow_mut().push(app.clone());
                    let run = Scheduler::with(app, taking(300)).run(Stop::never());
                    let alive = Duration::from_secs(random.u64(60..7200));
                    if tokio::time::timeout(alive, run).await.is_err() {
                        kills.set(kills.get() + 1);
                    }
                    tokio::time::sleep(Duration::from_secs(random.u64(1..240))).await;
                }
            });
        }
        local.run_until(tokio::time::sleep(Duration::from_hours(12))).await;
        drop(local);
        let app = apps.borrow()[0].clone();
        let rounds = stored(&app).await;
        let mut by_slot: BTreeMap<String, u32> = BTreeMap::new();
        for slot in slots(&rounds) {
            *by_slot.entry(slot).or_default() += 1;
        }
        let twice: Vec<_> = by_slot.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "seed {seed}: {twice:?}");
        let slots = now().duration_since(began).as_secs() / (15 * 60);
        let (slots, run) = (usize::try_from(slots).unwrap(), by_slot.len());
        // A slot is lost only if all replicas are down until the next one comes.
        assert!(run + 1 >= slots, "seed {seed}: {run} of {slots}");
        assert!(kills.get() > 8, "{}", kills.get());
        takeovers += rounds.iter().filter(|round| round.attempt > 1).count();
    }
    assert!(takeovers > 0, "no replica was killed within a round");
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_the_slot_of_a_dead_replica() {
    let state = tempfile::tempdir().unwrap();
    let first = replica(state.path(), "one", &schedule("nightly", "10 0 * * *"));
    let second = replica(state.path(), "two", &schedule("nightly", "10 0 * * *"));
    let (stopper, stop) = Stop::by_hand();
    let dying = tokio::time::timeout(
        // 00:00:30 and 11 minutes: a minute and a half into the round.
        Duration::from_mins(11),
        Scheduler::with(first, taking(3600)).run(Stop::never()),
    );
    let standby = async {
        // It starts last, so that the other one claims the slot.
        until("2026-01-01T00:10:05Z").await;
        Scheduler::with(second.clone(), taking(60)).run(stop).await;
    };
    let (died, (), ()) = tokio::join!(dying, standby, async {
        until("2026-01-01T00:20:00Z").await;
        stopper.request();
    });
    assert!(died.is_err());
    let rounds = stored(&second).await;
    assert_eq!(rounds.len(), 1);
    assert_eq!((rounds[0].attempt, &*rounds[0].replica), (2, "two"));
    let after = rounds[0].started_at.duration_since("2026-01-01T00:11:30Z".parse().unwrap());
    let dead_after = SignedDuration::try_from(DEAD_AFTER).unwrap();
    assert!(after >= dead_after - SignedDuration::from_secs(20), "{after:#}");
    assert!(after <= dead_after + SignedDuration::from_secs(60), "{after:#}");
}

#[tokio::test(start_paused = true)]
async fn a_round_goes_on_while_the_state_is_unreachable_and_is_stored_once_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (state, away) = (folder.path().join("state"), folder.path().join("away"));
    let app = replica(&state, "one", &schedule("nightly", "10 0 * * *"));
    let (stopper, stop) = Stop::by_hand();
    tokio::join!(Scheduler::with(app.clone(), taking(600)).run(stop), async {
        until("2026-01-01T00:12:00Z").await;
        std::fs::rename(&state, &away).unwrap();
        std::fs::write(&state, "in the way").unwrap();
        until("2026-01-01T00:19:00Z").await;
        assert!(app.live().round().is_some(), "it runs");
        assert!(app.health().state.is_some(), "the heartbeat fails");
        until("2026-01-01T00:25:00Z").await;
        assert!(app.live().round().is_some(), "it is not stored");
        std::fs::remove_file(&state).unwrap();
        std::fs::rename(&away, &state).unwrap();
        until("2026-01-01T00:27:00Z").await;
        assert!(app.live().round().is_none());
        stopper.request();
    });
    let rounds = stored(&app).await;
    assert_eq!(rounds.len(), 1);
    let took = rounds[0].ended_at.duration_since(rounds[0].started_at).as_secs();
    assert_eq!((rounds[0].exit_code, took), (0, 600), "it ended in time");
    assert_eq!(app.health().state, None);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_stopped_releases_its_slot_for_the_next_one() {
    let state = tempfile::tempdir().unwrap();
    let first = replica(state.path(), "one", &schedule("nightly", "10 0 * * *"));
    let (stopper, stop) = Stop::by_hand();
    tokio::join!(Scheduler::with(first.clone(), taking(3600)).run(stop), async {
        until("2026-01-01T00:12:00Z").await;
        stopper.request();
    });
    let second = replica(state.path(), "two", &schedule("nightly", "10 0 * * *"));
    second.refresh().await.unwrap();
    let (stopper, stop) = Stop::by_hand();
    tokio::join!(Scheduler::with(second.clone(), taking(60)).run(stop), async {
        until("2026-01-01T00:20:00Z").await;
        stopper.request();
    });
    let rounds = stored(&second).await;
    let found: Vec<_> = rounds.iter().map(|it| (it.attempt, it.exit_code, &*it.replica)).collect();
    assert_eq!(found, [(1, 14, "one"), (2, 0, "two")]);
}
