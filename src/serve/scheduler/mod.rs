//! Runs the rounds of the schedules, one at a time, in turn with other replicas.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::config::{RoundPart, Schedule, ScheduleName};
use crate::ops::round::{Part, Request, Round, round};
use crate::ops::{Env, OpError};
use crate::report::contract::live::{EventKind, LivePart, LiveRound, PartState};
use crate::report::contract::round::Outcome;
use crate::report::contract::service::Trigger;
use crate::serve::app::{App, Requested};
use crate::serve::claims::{Claimed, Lease, Seen, Watched};
use crate::serve::keeper::Keeper;
use crate::serve::record::record;
use crate::serve::rounds::Rounds;
use crate::serve::slots::{Slot, Timetable};
use crate::stop::{GRACE, Stop, Stopper};
use crate::store::StoreError;

/// Why a slot is skipped whose schedule is busy.
pub(in crate::serve) const STILL_RUNNING: &str = "the previous round is still running";
/// The longest wait between two looks at the schedules.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long a stopped process goes on to send notifications.
const AFTER_STOP: Duration = Duration::from_secs(2);
/// The wait after the state could not be reached.
const WAIT_FOR_STATE: Duration = Duration::from_secs(10);
/// From how many rounds in a row without any result a schedule starts less often.
const FAILURES: u32 = 3;
/// The shortest time between two rounds of a schedule that fails; it doubles with each.
const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_mins(30);
/// The longest.
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_hours(6);

/// What runs a round: [`round`], except in tests of the scheduler.
pub type RunRound = Box<dyn Fn(Env, Request) -> LocalBoxFuture<'static, Result<Round, OpError>>>;

/// The scheduler of a process.
pub struct Scheduler {
    app: App,
    run_round: RunRound,
    memory: HashMap<ScheduleName, Memory>,
}

/// What the scheduler knows about a schedule.
#[derive(Debug, Default)]
struct Memory {
    /// The newest slot with which nothing is left to do.
    done: Option<Timestamp>,
    /// A slot that another replica runs.
    watched: Option<(Slot, Watched)>,
}

/// A round that this replica is to run.
struct Task<'a> {
    schedule: &'a Schedule,
    slot: Slot,
    trigger: Trigger,
    id: Option<String>,
}

impl Scheduler {
    /// The scheduler of a service.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self::with(
            app,
            Box::new(|env, request| Box::pin(async move { round(&env, &request).await })),
        )
    }

    /// The same with another way to run a round.
    #[must_use]
    pub fn with(app: App, run_round: RunRound) -> Self {
        Self { app, run_round, memory: HashMap::new() }
    }

    /// Runs rounds until a stop is requested; then what runs is stopped and stored.
    pub async fn run(mut self, stop: Stop) {
        let Some(mut requests) = self.app.take_requests() else {
            tracing::error!("a process has one scheduler");
            return;
        };
        while !stop.is_requested() {
            let looked = self.look(&mut requests, &stop).await;
            self.app.note_state(&looked);
            if let Err(error) = &looked {
                tracing::warn!(
                    error = crate::words::with_causes(error),
                    "the state is unreachable"
                );
            }
            let wait = match looked {
                Ok(()) => self.until_next().min(LONGEST_WAIT),
                Err(_) => WAIT_FOR_STATE,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.requested() => {}
                Some(request) = requests.recv() => self.requested(request, &stop).await,
            }
        }
    }

    /// How long until the next slot of any schedule is due.
    fn until_next(&self) -> Duration {
        let (config, now) = (self.app.config(), self.app.now());
        let account = &config.organization.management_account;
        let schedules = config.service.schedule.iter().filter(|schedule| !schedule.paused);
        let next = schedules.filter_map(|it| Timetable::new(it, account).next_after(now)).min();
        let wait = next.map(|slot| slot.due_at.duration_since(now));
        wait.map_or(LONGEST_WAIT, |wait| {
            Duration::try_from(wait).unwrap_or_default() + Duration::from_millis(1)
        })
    }

    /// Runs what is due.
    async fn look(
        &mut self,
        requests: &mut mpsc::Receiver<Requested>,
        stop: &Stop,
    ) -> Result<(), StoreError> {
        let config = self.app.config();
        for schedule in config.service.schedule.iter().filter(|schedule| !schedule.paused) {
            if let Ok(request) = requests.try_recv() {
                self.requested(request, stop).await;
            }
            if stop.is_requested() {
                break;
            }
            self.turn(schedule, stop).await?;
        }
        Ok(())
    }

    /// Looks at the newest slot of a schedule, and runs it if nobody else does.
    async fn turn(&mut self, schedule: &Schedule, stop: &Stop) -> Result<(), StoreError> {
        let (app, name) = (self.app.clone(), &schedule.name);
        let timetable = timetable(&app, schedule);
        let now = app.now();
        let Some(slot) = timetable.last_until(now) else { return Ok(()) };
        let memory = self.memory.entry(name.clone()).or_default();
        if memory.done.is_some_and(|done| slot.scheduled_at <= done) {
            return Ok(());
        }
        let is_missed = slot.due_at < app.started_at();
        if is_missed && !app.claims().was_known(name, slot).await? {
            // The schedule is new: what was due before is not missing.
            memory.done = Some(slot.scheduled_at);
            return Ok(());
        }
        if let Some((old, watched)) = memory.watched.take_if(|(old, _)| *old < slot)
            && let Seen::Running(watched) = app.claims().look(name, old, Some(&watched)).await?
        {
            memory.watched = Some((old, watched));
            self.skip(name, slot, STILL_RUNNING).await?;
            return Ok(());
        }
        if let Some(reason) = back_off(&app, name, now) {
            self.skip(name, slot, &reason).await?;
            return Ok(());
        }
        let watched = memory.watched.take().map(|(_, watched)| watched);
        match app.claims().claim(name, slot, now, watched.as_ref()).await? {
            Claimed::Other(watched) => memory.watched = Some((slot, watched)),
            Claimed::Done => memory.done = Some(slot.scheduled_at),
            Claimed::Own(lease) => {
                memory.done = Some(slot.scheduled_at);
                let trigger = if is_missed && lease.attempt == 1 {
                    let missed = missed(&app, &timetable, name, slot);
                    app.set_health(|health| health.missed += missed);
                    Trigger::CatchUp
                } else {
                    Trigger::Schedule
                };
                self.run_task(Task { schedule, slot, trigger, id: None }, lease, stop).await;
            }
        }
        Ok(())
    }

    async fn skip(
        &mut self,
        name: &ScheduleName,
        slot: Slot,
        reason: &str,
    ) -> Result<(), StoreError> {
        let skipped = skip(&self.app, name, slot, reason).await?;
        let seen =
            if skipped { Seen::Done } else { self.app.claims().look(name, slot, None).await? };
        let memory = self.memory.entry(name.clone()).or_default();
        match seen {
            Seen::Done => memory.done = Some(slot.scheduled_at),
            // Another replica did not see what this one saw.
            Seen::Running(watched) => memory.watched = Some((slot, watched)),
            Seen::Free { .. } => {}
        }
        Ok(())
    }

    /// Runs a round that somebody asked for.
    async fn requested(&mut self, request: Requested, stop: &Stop) {
        let Requested { id, schedule: name, requested_at } = request;
        let config = self.app.config();
        let schedule = config.service.schedule.iter().find(|it| it.name == name);
        let Some(schedule) = schedule else { return };
        let slot = Slot { scheduled_at: requested_at, due_at: requested_at };
        let claimed = self.app.claims().claim(&name, slot, requested_at, None).await;
        self.app.note_state(&claimed);
        match claimed {
            Ok(Claimed::Own(lease)) => {
                let task = Task { schedule, slot, trigger: Trigger::Request, id: Some(id) };
                self.run_task(task, lease, stop).await;
            }
            Ok(_) => tracing::warn!(schedule = name.as_str(), "the request was claimed already"),
            Err(error) => {
                let error = crate::words::with_causes(&error);
                tracing::warn!(schedule = name.as_str(), error, "a requested round does not start");
            }
        }
    }

    async fn run_task(&self, task: Task<'_>, lease: Lease, stop: &Stop) {
        let started_at = self.app.now();
        let id = task.id.clone();
        let id = id.unwrap_or_else(|| Rounds::new_id(&task.schedule.name, started_at));
        let span = tracing::info_span!("round", id, schedule = task.schedule.name.as_str());
        Box::pin(self.run_round(task, id, started_at, lease, stop)).instrument(span).await;
    }

    async fn run_round(
        &self,
        task: Task<'_>,
        id: String,
        started_at: Timestamp,
        lease: Lease,
        stop: &Stop,
    ) {
        let Task { schedule, slot, trigger, id: _ } = task;
        let app = &self.app;
        let live = LiveRound {
            id,
            schedule: schedule.name.as_str().to_owned(),
            trigger,
            scheduled_at: slot.scheduled_at,
            attempt: lease.attempt,
            replica: app.replica().to_owned(),
            started_at,
            parts: schedule.run.iter().map(|part| waiting(*part)).collect(),
            phase: None,
            objects: 0,
            copied_bytes: 0,
            messages: Vec::new(),
        };
        let progress = app.live().start(live.clone());
        let keeper = Keeper::start(app.clone(), schedule.clone(), slot, lease);
        let (stopper, round_stop) = Stop::by_hand();
        let env = app.env_of_round().with_stop(round_stop).with_progress(progress);
        let days = schedule.verify_days.map(|days| u16::try_from(days).unwrap_or(u16::MAX));
        let request = Request {
            until: None,
            parts: schedule.run.iter().copied().map(Part::from).collect(),
            verify_days: days,
            incremental: schedule.incremental,
        };
        let deadline = Duration::from_secs(60 * u64::from(schedule.deadline_minutes));
        let notifier = app.notifier();
        let work = with(notifier.started(schedule), (self.run_round)(env, request));
        let result = until_stopped(work, &stopper, stop, deadline).await;
        let recorded = record(app, &live, result, stop).await;
        app.live().end(recorded.outcome, recorded.stored.is_some());
        // A round that was stopped for a restart is run again by another replica, or after the restart.
        keeper.end(!stop.is_requested()).await;
        if let Some((round, signals)) = recorded.stored {
            let board = app.board();
            tokio::select! {
                _ = notifier.after(&round, &signals, &board) => {}
                // What is not sent is sent after the next round.
                () = stop.over(AFTER_STOP) => {}
            }
        }
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("memory", &self.memory).finish_non_exhaustive()
    }
}

/// Records that a slot is skipped; whether it was free.
pub(in crate::serve) async fn skip(
    app: &App,
    schedule: &ScheduleName,
    slot: Slot,
    reason: &str,
) -> Result<bool, StoreError> {
    let skipped = app.claims().skip(schedule, slot, app.now(), reason).await?;
    if skipped {
        app.set_health(|health| {
            health.skipped += 1;
            health.backed_off += u64::from(reason != STILL_RUNNING);
        });
        app.live().add(EventKind::SlotSkipped {
            schedule: schedule.as_str().to_owned(),
            scheduled_at: slot.scheduled_at,
            reason: reason.to_owned(),
        });
    }
    Ok(skipped)
}

pub(in crate::serve) fn timetable(app: &App, schedule: &Schedule) -> Timetable {
    Timetable::new(schedule, &app.config().organization.management_account)
}

/// Work that a stop of the process or its deadline stops. A second stop, or the end of the
/// grace period, ends it at once.
async fn until_stopped<T>(
    work: impl Future<Output = T>,
    stopper: &Stopper,
    stop: &Stop,
    deadline: Duration,
) -> T {
    let stopping = async {
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(deadline) => tracing::warn!("the round reached its deadline"),
        }
        stopper.request();
        tokio::select! {
            () = stop.requested_again() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        stopper.request();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        done = work => done,
        () = stopping => unreachable!("it never ends"),
    }
}

/// The result of work, beside which something else happens that it does not wait for.
async fn with<T>(beside: impl Future, work: impl Future<Output = T>) -> T {
    let beside = async {
        beside.await;
        std::future::pending::<T>().await
    };
    tokio::select! {
        done = work => done,
        never = beside => never,
    }
}

/// Why a slot is skipped after rounds of the schedule had no result at all, if it is.
fn back_off(app: &App, schedule: &ScheduleName, now: Timestamp) -> Option<String> {
    let board = app.board();
    let mut rounds = board.rounds.iter().filter(|round| round.schedule == schedule.as_str());
    let has_result = |round: &&Arc<crate::report::contract::service::Round>| {
        round.parts.iter().any(|it| it.report_bytes.is_some() || it.outcome == Outcome::Clean)
    };
    let failed: Vec<_> = rounds.by_ref().take_while(|round| !has_result(round)).take(16).collect();
    let failures = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    let doubled = failures.checked_sub(FAILURES)?;
    let wait = FIRST_BACK_OFF.saturating_mul(1 << doubled).min(LONGEST_BACK_OFF);
    let ended_at = failed.first()?.ended_at;
    let is_early = now.duration_since(ended_at) < wait;
    is_early.then(|| format!("{failures} rounds in a row had no result: waiting {wait:#}"))
}

/// The slots between the schedule's newest round and one that catches up.
fn missed(app: &App, timetable: &Timetable, schedule: &ScheduleName, slot: Slot) -> u64 {
    let board = app.board();
    let newest = board
        .rounds
        .iter()
        .find(|round| round.schedule == schedule.as_str() && round.trigger != Trigger::Request);
    let Some(newest) = newest else { return 1 };
    let missed = timetable.missed(newest.started_at, slot.due_at);
    missed.map_or(1, |missed| missed.count as u64)
}

fn waiting(part: RoundPart) -> LivePart {
    LivePart {
        part: part.into(),
        state: PartState::Waiting,
        started_at: None,
        ended_at: None,
        summary: None,
        outcome: None,
    }
}

impl From<RoundPart> for Part {
    fn from(part: RoundPart) -> Self {
        match part {
            RoundPart::Consolidate => Self::Consolidate,
            RoundPart::Verify => Self::Verify,
            RoundPart::Drift => Self::Drift,
            RoundPart::Reconcile => Self::Reconcile,
            RoundPart::Detect => Self::Detect,
        }
    }
}

#[cfg(test)]
mod tests;
