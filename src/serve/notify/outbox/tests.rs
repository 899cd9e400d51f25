use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::FutureExt as _;
use parking_lot::Mutex;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::transitions::Seen;
use super::*;
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::notification::Transition;
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{
    CellStates, Knowledge, Round, Signal, SignalCounts, SignalState, Signals, Trigger, Verdict,
};
use crate::store::DirectoryStore;

thread_local! {
    static HOUR: Cell<i64> = const { Cell::new(0) };
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600 + HOUR.get() * 3600).unwrap()
}

fn outbox(folder: &std::path::Path) -> Outbox {
    let store = Store::Directory(DirectoryStore::open(folder).unwrap());
    Outbox { ledger: LedgerFile::new(store.clone()), store, now }
}

fn round() -> Round {
    Round {
        id: format!("round-{}", HOUR.get()),
        program: "orgtrail".to_owned(),
        management_account: "111111111111".parse().unwrap(),
        schedule: "nightly".to_owned(),
        trigger: Trigger::Schedule,
        scheduled_at: now(),
        attempt: 1,
        replica: "a".to_owned(),
        started_at: now(),
        ended_at: now(),
        exit_code: 11,
        outcome: Outcome::Drift,
        parts: Vec::new(),
        knowledge: Knowledge {
            verdict: Verdict::Attention,
            since: now(),
            verified_through: None,
            cells: CellStates::default(),
            accounts: CellStates::default(),
            signals: SignalCounts::default(),
            new: 0,
            resolved: 0,
        },
    }
}

fn signals(numbers: &BTreeSet<u8>) -> Signals {
    let signal = |number: &u8| Signal {
        fingerprint: number.to_string(),
        part: Part::Drift,
        check: "check".to_owned(),
        severity: Severity::Low,
        state: SignalState::Failing,
        scope: Scope::Organization,
        unit_path: None,
        title: "title".to_owned(),
        expected: None,
        found: "found".to_owned(),
        fix: None,
        cause: None,
        events: None,
        suppressed: false,
        since: now(),
    };
    Signals {
        round: String::new(),
        parts: vec![Part::Drift],
        signals: numbers.iter().map(signal).collect(),
    }
}

const CHANNELS: [&str; 2] = ["first", "second"];

async fn record(outbox: &Outbox, numbers: &BTreeSet<u8>) {
    record_round(outbox, round(), numbers).await;
}

async fn record_round(outbox: &Outbox, round: Round, numbers: &BTreeSet<u8>) {
    let signals = signals(numbers);
    let seen = Seen { ran: &[Part::Drift], signals: &signals, at: now() };
    let message = |changes| Message::of_round(&round, String::new(), changes);
    let channels = |_: &Message| CHANNELS.iter().map(|&it| it.to_owned()).collect();
    outbox.ledger.record(&round, seen, message, channels, now()).await.unwrap();
}

/// What channels received, in order.
type Inbox = Arc<Mutex<Vec<(String, Message)>>>;

async fn deliver(outbox: &Outbox, inbox: &Inbox, failing: Option<&'static str>) -> Vec<Delivery> {
    let send = move |channel: String, message: Message, _attempt: usize| {
        let inbox = Arc::clone(inbox);
        async move {
            if failing == Some(channel.as_str()) {
                return Err(SendError::Refused("no".to_owned()));
            }
            inbox.lock().push((channel, message));
            Ok(())
        }
        .boxed()
    };
    outbox.deliver(&CHANNELS, &send).await.unwrap()
}

/// Where a replica is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    Never,
    BeforeRecording,
    AfterRecording,
    AfterClaim,
    AfterSending,
}

#[derive(Debug, Clone)]
struct Step {
    open: BTreeSet<u8>,
    kill: Kill,
    failing: Option<&'static str>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kills = select(vec![
        Kill::Never,
        Kill::Never,
        Kill::BeforeRecording,
        Kill::AfterRecording,
        Kill::AfterClaim,
        Kill::AfterSending,
    ]);
    let failing = select(vec![None, None, Some(CHANNELS[0]), Some(CHANNELS[1])]);
    let step = (btree_set(0_u8..4, 0..4), kills, failing);
    vec(step.prop_map(|(open, kill, failing)| Step { open, kill, failing }), 1..8)
}

/// Runs a round up to where the replica is killed.
async fn run(outbox: &Outbox, inbox: &Inbox, step: &Step) {
    if step.kill == Kill::BeforeRecording {
        return;
    }
    record(outbox, &step.open).await;
    match step.kill {
        Kill::AfterClaim | Kill::AfterSending => {
            let pending = outbox.ledger.pending().await.unwrap();
            let Some(oldest) = pending.first() else { return };
            let Some(channel) = oldest.channels.first() else { return };
            let turn = outbox.turn(channel, oldest).await.unwrap();
            let message = outbox.ledger.message(&oldest.message).await.unwrap().unwrap();
            if step.kill == Kill::AfterSending && matches!(turn, Turn::Own(_)) {
                inbox.lock().push((channel.clone(), message));
            }
        }
        Kill::Never => drop(deliver(outbox, inbox, step.failing).await),
        Kill::BeforeRecording | Kill::AfterRecording => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However often replicas are killed and channels fail: what a channel received says what
    /// is open, nothing is sent twice unless a replica was killed after it had sent it, and
    /// such a message has the same id.
    #[test]
    fn no_change_is_lost_and_none_is_sent_twice(mut steps in steps()) {
        let open = steps.last().unwrap().open.clone();
        steps.push(Step { open: open.clone(), kill: Kill::Never, failing: None });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let inbox = Inbox::default();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            for (hour, step) in (0..).zip(&steps) {
                HOUR.set(hour);
                run(&outbox(folder.path()), &inbox, step).await;
            }
            let left = outbox(folder.path()).ledger.pending().await.unwrap();
            assert!(left.is_empty(), "{left:?}");
        });
        let killed_after_sending = steps.iter().filter(|it| it.kill == Kill::AfterSending).count();
        for channel in CHANNELS {
            let inbox = inbox.lock();
            let received = inbox.iter().filter(|(it, _)| it == channel).map(|(_, message)| message);
            let mut times: HashMap<&str, usize> = HashMap::new();
            let mut view = BTreeSet::new();
            for message in received {
                let times = times.entry(&message.id).or_default();
                *times += 1;
                if *times > 1 {
                    continue;
                }
                for change in &message.changes {
                    let fingerprint = change.finding.fingerprint.clone();
                    let was = !view.insert(fingerprint.clone());
                    match change.transition {
                        Transition::Resolved => {
                            prop_assert!(was);
                            view.remove(&fingerprint);
                        }
                        transition => prop_assert_eq!(was, transition != Transition::New),
                    }
                }
            }
            let again: usize = times.values().map(|times| times - 1).sum();
            prop_assert!(again <= killed_after_sending, "{times:?}");
            let known: BTreeSet<u8> = view.iter().map(|it| it.parse().unwrap()).collect();
            prop_assert_eq!(&known, &open);
        }
    }
}

#[tokio::test]
async fn two_replicas_send_a_message_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (outbox(folder.path()), outbox(folder.path()));
    record(&one, &[1].into()).await;
    // The slot was run twice, because one replica was paused.
    record(&other, &[1].into()).await;
    let inbox = Inbox::default();
    tokio::join!(deliver(&one, &inbox, None), deliver(&other, &inbox, None));
    let mut channels: Vec<String> = inbox.lock().iter().map(|(it, _)| it.clone()).collect();
    channels.sort_unstable();
    assert_eq!(channels, CHANNELS);
}

#[tokio::test]
async fn a_channel_that_failed_gets_its_messages_later_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (outbox(folder.path()), Inbox::default());
    for (hour, number) in (0..).zip([1, 2]) {
        HOUR.set(hour);
        record(&outbox, &[number].into()).await;
        let deliveries = deliver(&outbox, &inbox, Some("first")).await;
        let failed: Vec<&Delivery> =
            deliveries.iter().filter(|it| it.result == DeliveryResult::Failed).collect();
        assert!(failed.len() == 1 && failed[0].error.as_deref() == Some("no"), "{deliveries:?}");
    }
    HOUR.set(2);
    let deliveries = deliver(&outbox, &inbox, None).await;
    assert_eq!(deliveries.len(), 2);
    let inbox = inbox.lock();
    let first = inbox.iter().filter(|(it, _)| it == "first").map(|(_, message)| &message.round);
    assert_eq!(first.collect::<Vec<_>>(), ["round-0", "round-1"]);
}

#[tokio::test]
async fn a_channel_that_fails_for_a_week_loses_the_message_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (outbox(folder.path()), Inbox::default());
    HOUR.set(0);
    record(&outbox, &[1].into()).await;
    for hour in [0, 100, 160] {
        HOUR.set(hour);
        deliver(&outbox, &inbox, Some("first")).await;
    }
    HOUR.set(170);
    let deliveries = deliver(&outbox, &inbox, Some("first")).await;
    assert_eq!(deliveries[0].result, DeliveryResult::Abandoned);
    assert!(outbox.ledger.pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_waits_for_a_channel_of_another_replica_and_not_forever() {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (outbox(folder.path()), Inbox::default());
    HOUR.set(0);
    record(&outbox, &[1].into()).await;
    let send = |_: String, _: Message, _: usize| async { Ok(()) }.boxed();
    // This replica has the configuration of before.
    assert_eq!(outbox.deliver(&["second"], &send).await.unwrap().len(), 1);
    assert_eq!(deliver(&outbox, &inbox, None).await.len(), 1);
    assert_eq!(inbox.lock()[0].0, "first");
    record_round(&outbox, Round { id: "next".to_owned(), ..round() }, &[].into()).await;
    HOUR.set(8 * 24);
    // Nobody has the channel any more.
    assert_eq!(outbox.deliver(&["second"], &send).await.unwrap().len(), 1);
    assert!(outbox.ledger.pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_ledger_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, inbox) = (outbox(folder.path()), Inbox::default());
    HOUR.set(0);
    std::fs::create_dir_all(folder.path().join("notifications")).unwrap();
    std::fs::write(folder.path().join("notifications/ledger.json"), "{").unwrap();
    record(&outbox, &[1].into()).await;
    assert_eq!(deliver(&outbox, &inbox, None).await.len(), 2);
}

#[tokio::test]
async fn a_round_that_ended_before_one_that_was_compared_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = outbox(folder.path());
    HOUR.set(2);
    record(&outbox, &[1].into()).await;
    let earlier = |minutes| {
        let by = SignedDuration::from_mins(minutes);
        Round { id: "other".to_owned(), ended_at: now().checked_sub(by).unwrap(), ..round() }
    };
    record_round(&outbox, earlier(1), &[].into()).await;
    assert_eq!(outbox.ledger.pending().await.unwrap().len(), 1);
    // A clock that was wrong for one round does not silence those after it.
    record_round(&outbox, earlier(90), &[].into()).await;
    assert_eq!(outbox.ledger.pending().await.unwrap().len(), 2);
}
