//! What this process is doing: the round that runs, and what happened lately.
//!
//! Nothing here waits for a reader. Events are in a ring of limited size: a reader that is
//! too slow misses some, and learns it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::archive::consolidate::run::Progress as Copied;
use crate::ops::round::{Part, PartResult};
use crate::ops::{Phase, Progress};
use crate::report::contract::live::{
    Event, EventKind, LivePart, LivePhase, LiveRound, Message, PartState,
};
use crate::report::contract::round::{self as contract, Outcome};

/// How many events are kept.
const EVENTS: usize = 1024;
/// How many messages of a round are kept.
const MESSAGES: usize = 50;
/// The longest message that is kept. Units: bytes.
const LONGEST_MESSAGE: usize = 2000;

/// The round that runs, and what happened lately. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: fn() -> Timestamp,
    running: Mutex<Option<Running>>,
    events: Mutex<VecDeque<Event>>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
    /// The objects that ended rounds copied, and their size.
    copied_before: Mutex<(u64, u64)>,
}

#[derive(Debug)]
struct Running {
    round: LiveRound,
    phase: Option<Arc<Steps>>,
    copied: Option<Arc<Copied>>,
}

impl Running {
    fn copied(&self) -> (u64, u64) {
        let copied = self.copied.as_ref();
        copied.map_or((0, 0), |copied| {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            (count(&copied.done), count(&copied.copied_bytes))
        })
    }
}

/// The steps of a phase.
#[derive(Debug)]
struct Steps {
    name: Mutex<String>,
    done: AtomicU64,
    /// 0 while their number is not known.
    all: AtomicU64,
}

/// The events after one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsAfter {
    /// The events, the oldest first.
    pub events: Vec<Event>,
    /// Whether some in between are gone, or the number is of an earlier process.
    pub is_incomplete: bool,
}

impl Live {
    /// A process that does nothing yet.
    #[must_use]
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self(Arc::new(Shared {
            clock,
            running: Mutex::default(),
            events: Mutex::default(),
            newest: watch::Sender::new(0),
            copied_before: Mutex::default(),
        }))
    }

    /// The round that runs.
    #[must_use]
    pub fn round(&self) -> Option<LiveRound> {
        let running = self.0.running.lock();
        let running = running.as_ref()?;
        let mut round = running.round.clone();
        round.phase = running.phase.as_ref().map(|steps| {
            let known = steps.all.load(Ordering::Relaxed);
            LivePhase {
                name: steps.name.lock().clone(),
                done: steps.done.load(Ordering::Relaxed),
                steps: (known > 0).then_some(known),
            }
        });
        if let Some(copied) = &running.copied {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            round.objects = count(&copied.done) + count(&copied.present);
            round.copied_bytes = count(&copied.copied_bytes);
        }
        Some(round)
    }

    /// The objects that this process has copied, and their size in bytes.
    #[must_use]
    pub fn copied(&self) -> (u64, u64) {
        let running = self.0.running.lock();
        let before = *self.0.copied_before.lock();
        let now = running.as_ref().map(Running::copied).unwrap_or_default();
        (before.0 + now.0, before.1 + now.1)
    }

    /// The events after the one of a number; 0 for all that are kept.
    #[must_use]
    pub fn events_after(&self, id: u64) -> EventsAfter {
        let events = self.0.events.lock();
        let oldest = events.front().map_or(1, |event| event.id);
        let newest = events.back().map_or(0, |event| event.id);
        let is_incomplete = id > newest || (id > 0 && id + 1 < oldest);
        let after = if id > newest { 0 } else { id };
        let events = events.iter().filter(|event| event.id > after).cloned().collect();
        EventsAfter { events, is_incomplete }
    }

    /// The number of the newest event, which changes with each one.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// Adds an event.
    pub fn add(&self, kind: EventKind) {
        let mut events = self.0.events.lock();
        let id = *self.0.newest.borrow() + 1;
        if events.len() == EVENTS {
            events.pop_front();
        }
        events.push_back(Event { id, at: (self.0.clock)(), kind });
        self.0.newest.send_replace(id);
    }

    /// A round starts, and reports its progress to what this returns.
    #[must_use]
    pub fn start(&self, round: LiveRound) -> Arc<dyn Progress> {
        let (id, schedule) = (round.id.clone(), round.schedule.clone());
        *self.0.running.lock() = Some(Running { round, phase: None, copied: None });
        self.add(EventKind::RoundStarted { round: id, schedule });
        Arc::new(RoundProgress(self.clone()))
    }

    /// The round has ended.
    pub fn end(&self, outcome: Outcome, stored: bool) {
        let ended = {
            let mut running = self.0.running.lock();
            let copied = running.as_ref().map(Running::copied).unwrap_or_default();
            let mut before = self.0.copied_before.lock();
            *before = (before.0 + copied.0, before.1 + copied.1);
            running.take()
        };
        if let Some(Running { round, .. }) = ended {
            self.add(EventKind::RoundEnded { round: round.id, outcome, stored });
        }
    }

    fn with(&self, change: impl FnOnce(&mut Running)) {
        if let Some(running) = &mut *self.0.running.lock() {
            change(running);
        }
    }

    fn message(&self, text: &str, warning: bool) {
        let mut text = text.to_owned();
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        let at = (self.0.clock)();
        self.with(|running| {
            let messages = &mut running.round.messages;
            if messages.len() == MESSAGES {
                messages.remove(0);
            }
            messages.push(Message { at, text, warning });
        });
    }

    fn set_part(&self, part: Part, change: impl FnOnce(&mut LivePart)) -> Option<String> {
        let part = contract::Part::from(part);
        let mut running = self.0.running.lock();
        let round = &mut running.as_mut()?.round;
        change(round.parts.iter_mut().find(|it| it.part == part)?);
        Some(round.id.clone())
    }
}

/// Where a round reports its progress.
#[derive(Debug)]
struct RoundProgress(Live);

impl Progress for RoundProgress {
    fn note(&self, text: &str) {
        tracing::info!("{text}");
        self.0.message(text, false);
    }

    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
        self.0.message(text, true);
    }

    fn phase(&self, name: &str, steps: usize) -> Box<dyn Phase> {
        let steps = Arc::new(Steps {
            name: Mutex::new(name.to_owned()),
            done: AtomicU64::new(0),
            all: AtomicU64::new(steps as u64),
        });
        self.0.with(|running| running.phase = Some(Arc::clone(&steps)));
        Box::new(RoundPhase { live: self.0.clone(), steps })
    }

    fn copying(&self, copied: &Arc<Copied>) -> Box<dyn Phase> {
        self.0.with(|running| running.copied = Some(Arc::clone(copied)));
        self.phase("copying", 0)
    }

    fn part_started(&self, part: Part) {
        let at = (self.0.0.clock)();
        let round = self.0.set_part(part, |it| {
            it.state = PartState::Running;
            it.started_at = Some(at);
        });
        if let Some(round) = round {
            self.0.add(EventKind::PartStarted { round, part: part.into() });
        }
    }

    fn part_ended(&self, result: &PartResult) {
        let (outcome, summary) = (result.outcome.into(), result.summary.clone());
        let round = self.0.set_part(result.part, |it| {
            it.state = PartState::Done;
            it.started_at.get_or_insert(result.started_at);
            it.ended_at = Some(result.ended_at);
            it.summary = Some(summary.clone());
            it.outcome = Some(outcome);
        });
        if let Some(round) = round {
            let part = result.part.into();
            self.0.add(EventKind::PartEnded { round, part, outcome, summary });
        }
    }
}

#[derive(Debug)]
struct RoundPhase {
    live: Live,
    steps: Arc<Steps>,
}

impl Phase for RoundPhase {
    fn set_steps(&self, steps: usize) {
        self.steps.all.store(steps as u64, Ordering::Relaxed);
    }

    fn step_done(&self) {
        self.steps.done.fetch_add(1, Ordering::Relaxed);
    }

    fn set_name(&self, name: &str) {
        name.clone_into(&mut self.steps.name.lock());
    }
}

impl Drop for RoundPhase {
    fn drop(&mut self) {
        self.live.with(|running| {
            running.phase.take_if(|current| Arc::ptr_eq(current, &self.steps));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Live {
        Live::new(|| Timestamp::UNIX_EPOCH)
    }

    fn skipped(number: i64) -> EventKind {
        EventKind::SlotSkipped {
            schedule: "nightly".to_owned(),
            scheduled_at: Timestamp::from_second(number).unwrap(),
            reason: "paused".to_owned(),
        }
    }

    fn round() -> LiveRound {
        LiveRound {
            id: "1".to_owned(),
            schedule: "nightly".to_owned(),
            trigger: crate::report::contract::service::Trigger::Schedule,
            scheduled_at: Timestamp::UNIX_EPOCH,
            attempt: 1,
            replica: "one".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            parts: vec![LivePart {
                part: contract::Part::Drift,
                state: PartState::Waiting,
                started_at: None,
                ended_at: None,
                summary: None,
                outcome: None,
            }],
            phase: None,
            objects: 0,
            copied_bytes: 0,
            messages: Vec::new(),
        }
    }

    #[test]
    fn a_reader_gets_each_event_once_and_learns_what_it_missed() {
        let live = live();
        for number in 0..10 {
            live.add(skipped(number));
        }
        let ids = |after: u64| {
            let EventsAfter { events, is_incomplete } = live.events_after(after);
            (events.iter().map(|event| event.id).collect::<Vec<_>>(), is_incomplete)
        };
        assert_eq!(ids(7), (vec![8, 9, 10], false));
        assert_eq!(ids(10), (vec![], false));
        // A number of an earlier process.
        assert_eq!(ids(11), ((1..=10).collect(), true));
        for number in 0..EVENTS {
            live.add(skipped(i64::try_from(number).unwrap()));
        }
        let (found, is_incomplete) = ids(5);
        assert!(is_incomplete && found.len() == EVENTS && found[0] == 11, "{is_incomplete}");
        assert!(!ids(10).1);
    }

    #[test]
    fn progress_shows_the_phase_and_the_newest_messages() {
        let live = live();
        let progress = live.start(round());
        progress.part_started(Part::Drift);
        let phase = progress.phase("checking accounts", 0);
        phase.set_steps(3);
        phase.step_done();
        for number in 0..MESSAGES + 5 {
            progress.warn(&format!("{number} {}", "ä".repeat(LONGEST_MESSAGE)));
        }
        let shown = live.round().unwrap();
        let expected = LivePhase { name: "checking accounts".to_owned(), done: 1, steps: Some(3) };
        assert_eq!(shown.phase, Some(expected));
        assert_eq!(shown.parts[0].state, PartState::Running);
        assert_eq!(shown.messages.len(), MESSAGES);
        assert!(shown.messages[0].text.starts_with("5 "));
        assert!(shown.messages.iter().all(|it| it.text.len() <= LONGEST_MESSAGE));
        drop(phase);
        assert_eq!(live.round().unwrap().phase, None);
        live.end(Outcome::Clean, true);
        assert_eq!(live.round(), None);
        let kinds = live.events_after(0).events;
        assert_eq!(kinds.len(), 3, "{kinds:?}");
    }
}
