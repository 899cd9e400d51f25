//! What channels were notified of, and which messages are not delivered yet: one file of the
//! state, replaced only by the replica that read it last.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::message::{Message, new_id};
use super::transitions::{Known, Seen, Transitions, transitions};
use crate::compute::of_reports;
use crate::report::contract::service::Round;
use crate::store::{Created, Replaced, Store, StoreError, Version};

const KEY: &str = "notifications/ledger.json";
const VERSION: u32 = 1;
/// How often a write that another replica's write came before is tried again.
const TRIES: u32 = 20;
/// Rounds of two replicas end in another order by less than this.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);
/// The most messages that wait for delivery; older ones are given up.
const MOST_PENDING: usize = 200;

/// A ledger that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LedgerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("notifications could not be stored")]
    Json(#[from] serde_json::Error),
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
    #[error("the state file {KEY}: other replicas replaced it {TRIES} times in a row")]
    Contention,
}

/// The ledger's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    version: u32,
    /// Makes every content unique, so that versions differ.
    nonce: String,
    /// The round that was compared last.
    round: Option<LastRound>,
    known: Known,
    /// The oldest first.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LastRound {
    id: String,
    ended_at: Timestamp,
}

impl LastRound {
    /// Whether a round was compared before, or ended before this one: then it knows less than
    /// channels do. Much earlier, and the clock was wrong.
    fn is_after(&self, round: &Round) -> bool {
        let by = self.ended_at.duration_since(round.ended_at);
        self.id == round.id || (by.is_positive() && by < CLOCK_TOLERANCE)
    }
}

/// A message that is not delivered to all channels yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    pub(super) message: String,
    /// By the clock of deliveries: rounds have AWS's time.
    pub(super) created_at: Timestamp,
    /// The channels that it is not known to be delivered to.
    pub(super) channels: BTreeSet<String>,
}

/// Reads and writes the ledger. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct LedgerFile {
    store: Store,
}

impl Ledger {
    fn new() -> Self {
        Self {
            version: VERSION,
            nonce: String::new(),
            round: None,
            known: Known::new(),
            pending: Vec::new(),
        }
    }
}

impl LedgerFile {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Compares a round with what channels know, and records the changes as pending. The
    /// message of the changes is stored before it is pending, and sent only after that: a
    /// replica that is killed in between has not lost it. `channels` are those that want a
    /// message; `now` is the time by the clock of deliveries.
    pub(super) async fn record(
        &self,
        round: &Round,
        seen: Seen<'_>,
        message: impl Fn(Transitions) -> Message,
        channels: impl Fn(&Message) -> BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        for _ in 0..TRIES {
            let (mut ledger, version) = self.read().await?;
            if ledger.round.as_ref().is_some_and(|last| last.is_after(round)) {
                return Ok(());
            }
            let (known, found) = transitions(std::mem::take(&mut ledger.known), seen);
            ledger.known = known;
            ledger.round = Some(LastRound { id: round.id.clone(), ended_at: round.ended_at });
            if !found.changes.is_empty() {
                let message = message(found);
                let channels = channels(&message);
                if !channels.is_empty() {
                    let json = serde_json::to_vec(&message)?;
                    self.store.create(&message_key(&message.id), json.into()).await?;
                    ledger.pending.push(Pending { message: message.id, created_at: now, channels });
                }
            }
            let too_many = ledger.pending.len().saturating_sub(MOST_PENDING);
            if too_many > 0 {
                tracing::warn!(too_many, "gave up notifications: too many wait for delivery");
                ledger.pending.drain(..too_many);
            }
            if self.write(ledger, version).await? {
                return Ok(());
            }
        }
        Err(LedgerError::Contention)
    }

    /// The messages that wait for delivery, the oldest first.
    pub(super) async fn pending(&self) -> Result<Vec<Pending>, LedgerError> {
        Ok(self.read().await?.0.pending)
    }

    /// Records which messages no longer wait for which channels.
    pub(super) async fn settle(&self, done: &[(String, String)]) -> Result<(), LedgerError> {
        if done.is_empty() {
            return Ok(());
        }
        for _ in 0..TRIES {
            let (mut ledger, version) = self.read().await?;
            let before = ledger.pending.clone();
            for pending in &mut ledger.pending {
                pending.channels.retain(|channel| {
                    !done.iter().any(|(message, it)| *message == pending.message && it == channel)
                });
            }
            ledger.pending.retain(|pending| !pending.channels.is_empty());
            if ledger.pending == before || self.write(ledger, version).await? {
                return Ok(());
            }
        }
        Err(LedgerError::Contention)
    }

    /// Reads a message; none if it is missing or damaged.
    pub(super) async fn message(&self, id: &str) -> Result<Option<Message>, LedgerError> {
        let key = message_key(id);
        let Some(stored) = self.store.read(&key).await? else { return Ok(None) };
        match serde_json::from_slice(&stored.bytes) {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                tracing::warn!(key, error = crate::words::json_fault(&error), "left out a message");
                Ok(None)
            }
        }
    }

    async fn read(&self) -> Result<(Ledger, Option<Version>), LedgerError> {
        let Some(stored) = self.store.read(KEY).await? else { return Ok((Ledger::new(), None)) };
        // A ledger of thousands of findings is large: reading it must not delay other tasks.
        let (bytes, version) = (stored.bytes, stored.version);
        let read = of_reports(move || serde_json::from_slice::<Ledger>(&bytes)).await?;
        let ledger = match read {
            Ok(ledger) if ledger.version == VERSION => ledger,
            // Everything that is open is sent again, which is better than nothing.
            damaged => {
                let error = damaged.err().map(|error| crate::words::json_fault(&error));
                tracing::warn!(key = KEY, error, "began again: no ledger of this version");
                Ledger::new()
            }
        };
        Ok((ledger, Some(version)))
    }

    /// Writes the ledger; false if another replica did so before.
    async fn write(&self, ledger: Ledger, version: Option<Version>) -> Result<bool, LedgerError> {
        let ledger = Ledger { nonce: new_id(), ..ledger };
        let json = of_reports(move || serde_json::to_vec(&ledger)).await??.into();
        Ok(match version {
            Some(version) => {
                matches!(self.store.replace(KEY, json, &version).await?, Replaced::New(_))
            }
            None => matches!(self.store.create(KEY, json).await?, Created::New(_)),
        })
    }
}

fn message_key(id: &str) -> String {
    format!("notifications/{id}/message.json")
}
