//! Operations as the service calls them: in this process, without a command line, without
//! environment variables, and with results as values.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::consolidate::source_stats::CountMethod;
use orgtrail::aws::{Pacing, WriteAuthority};
use orgtrail::checks::Severity;
use orgtrail::ops::consolidate::{self, prepare};
use orgtrail::ops::retire::Found;
use orgtrail::ops::round::{Part, PartResult, PartValue, Request, round};
use orgtrail::ops::{
    Connection, Env, Interrupted, Outcome, Progress, accounts, cost, coverage, drift, evidence,
    provision, records, retire, sources, verify,
};
use orgtrail::policy::Unmanaged;
use orgtrail::stop::Stop;
use parking_lot::Mutex;

use crate::configured::{ConfiguredEnv, parse};
use crate::retire_env::{TRAIL, config, with_legacy_trail};

/// Counts messages, and keeps the names of parts.
#[derive(Debug, Default)]
struct Watcher {
    messages: AtomicUsize,
    parts: Mutex<Vec<String>>,
}

impl Progress for Watcher {
    fn note(&self, _: &str) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    fn warn(&self, _: &str) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    fn part_started(&self, part: Part) {
        self.parts.lock().push(format!("{} starts", part.name()));
    }

    fn part_ended(&self, result: &PartResult) {
        self.parts.lock().push(format!("{} ends: {:?}", result.part.name(), result.outcome));
    }
}

fn operations(env: &ConfiguredEnv) -> Env {
    let connection = Connection {
        pacing: Pacing::Off,
        base: Some(env.sdk_config(env.administrator(), "us-east-1")),
        ..Connection::default()
    };
    // Nothing here may need the time of this machine.
    Env::new(connection, || Timestamp::UNIX_EPOCH).with_config(Ok(parse(&config())))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_the_commands_do_is_callable_as_functions() {
    let sandbox = with_legacy_trail(30).await;
    let watcher = Arc::new(Watcher::default());
    let env = operations(&sandbox).with_progress(Arc::clone(&watcher) as Arc<dyn Progress>);

    let planned = provision::plan(&env, Unmanaged::Keep).await.unwrap();
    assert_eq!(planned.outcome(), Outcome::Clean);
    let applied = planned.apply(&env, &[].into()).await.unwrap();
    assert_eq!((applied.outcome(), applied.document().steps.len()), (Outcome::Clean, 0));
    assert_eq!(env.now(), sandbox.sandbox.now(), "AWS's time is used");

    let listed = sources::sources(&env, CountMethod::Exact).await.unwrap();
    assert_eq!((listed.outcome(), listed.counted.len()), (Outcome::Clean, 1));
    assert_eq!(listed.document().sources.len(), 1);
    let accounts = accounts::accounts(&env).await.unwrap();
    assert_eq!(accounts.summary().accounts, 4);
    assert_eq!(cost::costs(&env, CountMethod::Exact).await.unwrap().outcome(), Outcome::Clean);

    // Without an authority nothing is written.
    let dry = prepare(&env, consolidate::Request::default()).await.unwrap();
    let dry = dry.run(&env, None).await.unwrap();
    assert!(dry.is_dry_run && dry.report.counts.copied > 0);
    let again = prepare(&env, consolidate::Request::default()).await.unwrap();
    let again = again.refreshed(&env).await.unwrap();
    let done = again.run(&env, Some(&WriteAuthority::granted())).await.unwrap();
    assert_eq!(done.report.counts.copied, dry.report.counts.copied);
    assert_eq!((done.outcome(), done.document().complete), (Outcome::Clean, true));
    let records = records::records(&env).await.unwrap();
    assert_eq!((records.outcome(), records.history.runs.len()), (Outcome::Clean, 1));

    let verified = verify::verify(&env, &verify::Request::default()).await.unwrap();
    assert_eq!(verified.outcome(), Outcome::Clean, "{:#?}", verified.verification.findings);
    let checked = drift::check(&env, drift::Request::everything()).await.unwrap();
    assert!(checked.run.findings.len() > 50 && !checked.run.has_unknown(Severity::Critical));
    let covered = coverage::coverage(&env, &coverage::Request::default()).await.unwrap();
    assert_eq!(covered.coverage.accounts.len(), 4);

    let folder = tempfile::tempdir().unwrap();
    let until = sandbox.sandbox.now() - SignedDuration::from_hours(4);
    let request = evidence::Request {
        target: None,
        scope: verify::Scope::default(),
        from: until - SignedDuration::from_hours(4),
        until,
        output: folder.path().join("bundle.tar.zst"),
    };
    let packed = evidence::evidence(&env, &request).await.unwrap();
    assert_eq!((packed.outcome(), packed.document().proven), (Outcome::Clean, true));

    let parts = vec![Part::Consolidate, Part::Verify, Part::Drift];
    let request = Request { parts, verify_days: Some(1), until: None, incremental: false };
    let round = round(&env, &request).await.unwrap();
    let outcomes: Vec<Outcome> = round.parts.iter().map(|part| part.outcome).collect();
    assert_eq!(outcomes[..2], [Outcome::Clean, Outcome::Clean]);
    assert_eq!(round.outcome(), Outcome::most_severe(outcomes.iter().copied()));
    assert!(matches!(round.parts[0].result, Some(PartValue::Consolidated(_))));
    assert_eq!(round.document().parts.len(), 3);
    let parts = watcher.parts.lock().clone();
    assert_eq!(parts.len(), 6, "{parts:?}");
    assert_eq!(parts[..2], ["consolidate starts", "consolidate ends: Clean"]);

    let request = retire::Request { trail: TRAIL.parse().unwrap(), may_record_less: true };
    let Found::Trail(candidate) = retire::find(&env, request).await.unwrap() else {
        panic!("the trail exists");
    };
    let examined = candidate.examine(&env).await.unwrap();
    assert!(examined.is_deletable(), "{examined:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_stopped_before_it_writes_writes_nothing() {
    let sandbox = with_legacy_trail(30).await;
    let (stopper, stop) = Stop::by_hand();
    let env = operations(&sandbox).with_stop(stop);
    stopper.request();
    let error = prepare(&env, consolidate::Request::default()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Incomplete);
    assert_eq!(error.message(), Interrupted::Early.to_string());
    assert!(sandbox.sandbox.keys_raw("acme-log-archive", "orgtrail/").is_empty());
}
