//! Keeps the claim of a round while it runs.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::app::App;
use super::claims::{HEARTBEAT_EVERY, Lease};
use super::scheduler::{STILL_RUNNING, skip, timetable};
use super::slots::Slot;
use crate::config::Schedule;

/// How often the end of a round is recorded before it is left to the heartbeat to stop.
const TRIES: u32 = 3;

/// The task that keeps a claim.
#[derive(Debug)]
pub(super) struct Keeper {
    end: Option<oneshot::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Shows that the owner is alive until [`Keeper::end`], and skips the slots of the
    /// schedule that come meanwhile. Failures of the state do not stop the round.
    #[must_use]
    pub(super) fn start(app: App, schedule: Schedule, slot: Slot, lease: Lease) -> Self {
        let (end, ended) = oneshot::channel();
        Self { end: Some(end), task: tokio::spawn(keep(app, schedule, slot, lease, ended)) }
    }

    /// The round has ended; if it is not `done`, others may run its slot at once.
    pub(super) async fn end(mut self, done: bool) {
        if let Some(end) = self.end.take() {
            // It is received unless the runtime is ending, when nothing can be recorded.
            let _ = end.send(done);
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Keeper {
    /// An owner that is gone shows no sign of life.
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    app: App,
    schedule: Schedule,
    slot: Slot,
    mut lease: Lease,
    mut ended: oneshot::Receiver<bool>,
) {
    let mut beats = interval(HEARTBEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    let mut newest = slot;
    let done = loop {
        tokio::select! {
            done = &mut ended => break done.unwrap_or(false),
            _ = beats.tick() => {}
        }
        let beat = lease.beat().await;
        app.note_state(&beat);
        if let Ok(false) = beat {
            tracing::warn!("another replica has taken over this round: both go on");
        }
        let now = timetable(&app, &schedule).last_until(app.now());
        if let Some(newer) = now.filter(|newer| *newer > newest)
            && skip(&app, &schedule.name, newer, STILL_RUNNING).await.is_ok()
        {
            newest = newer;
        }
    };
    for _ in 0..TRIES {
        let recorded = if done { lease.end().await } else { lease.release().await };
        app.note_state(&recorded);
        if recorded.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
