//! Delivers messages: at least once each, by one replica at a time.
//!
//! Before a message is sent to a channel, a claim is created in the state; after it, a mark
//! of the result. A replica that is killed between claim and mark may have sent the message:
//! after a while another one claims it and sends it again, with the same id. An alarm that
//! arrives twice is better than one that is lost.

use futures::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::ledger::{LedgerError, LedgerFile, Pending};
use super::message::{Message, new_id};
use super::{Delivery, DeliveryResult, SendError};
use crate::store::{Created, Store};
use crate::words::with_causes;

/// After how long a claim without a result is taken for one of a killed replica: longer than
/// any message may take.
const DEAD_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// The most attempts at a message.
const MOST_ATTEMPTS: usize = 50;
/// After how long a message is given up.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// More files than a message has.
const MOST_FILES: usize = 10_000;

/// Sends a message to the channel of a name. The number is that of the attempt, from 1.
pub(super) type Send<'a> =
    dyn Fn(String, Message, usize) -> BoxFuture<'a, Result<(), SendError>> + Sync + 'a;

#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    nonce: String,
    claimed_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Mark {
    nonce: String,
    marked_at: Timestamp,
}

/// The messages of a state. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    pub(super) store: Store,
    pub(super) ledger: LedgerFile,
    pub(super) now: fn() -> Timestamp,
}

/// Whose turn it is to send a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This replica's, for the attempt of this number.
    Own(usize),
    /// Another replica's, which may be sending it.
    Other,
    /// Nobody's: it is delivered.
    Delivered,
    /// Nobody's any more.
    GivenUp,
}

impl Outbox {
    /// Delivers what is pending to these channels, the oldest message first. A channel that
    /// fails gets its messages in the next round.
    pub(super) async fn deliver(
        &self,
        channels: &[&str],
        send: &Send<'_>,
    ) -> Result<Vec<Delivery>, LedgerError> {
        let pending = self.ledger.pending().await?;
        let mut done: Vec<(String, String)> = Vec::new();
        // A channel that is unknown here may be in the configuration of another replica.
        for pending in pending.iter().filter(|pending| self.is_old(pending)) {
            let unknown = pending.channels.iter().filter(|it| !channels.contains(&it.as_str()));
            for channel in unknown {
                tracing::warn!(channel, message = pending.message, "there is no such channel now");
                done.push((pending.message.clone(), channel.clone()));
            }
        }
        let of_channels = channels.iter().map(|channel| self.deliver_to(channel, &pending, send));
        let mut deliveries = Vec::new();
        for delivery in join_all(of_channels).await.into_iter().flatten() {
            if delivery.result != DeliveryResult::Failed {
                done.push((delivery.message.clone(), delivery.channel.clone()));
            }
            deliveries.push(delivery);
        }
        if let Err(error) = self.ledger.settle(&done).await {
            // The marks say what is delivered; the next round reads them.
            tracing::warn!(error = with_causes(&error), "deliveries are not settled yet");
        }
        // What an earlier process delivered is no delivery of this one.
        deliveries.retain(|delivery| !delivery.is_known);
        Ok(deliveries)
    }

    async fn deliver_to(
        &self,
        channel: &str,
        pending: &[Pending],
        send: &Send<'_>,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for pending in pending.iter().filter(|pending| pending.channels.contains(channel)) {
            let delivery = |result, error: Option<String>| Delivery {
                channel: channel.to_owned(),
                message: pending.message.clone(),
                result,
                error,
                is_known: false,
            };
            let delivery = match self.send(channel, pending, send).await {
                Ok(Some(known)) => {
                    Delivery { is_known: known, ..delivery(DeliveryResult::Delivered, None) }
                }
                // Another replica sends it, and what follows it must wait.
                Ok(None) => break,
                Err(Undelivered::GivenUp) => delivery(
                    DeliveryResult::Abandoned,
                    Some("the channel failed for too long".to_owned()),
                ),
                Err(Undelivered::Failed(error)) => delivery(DeliveryResult::Failed, Some(error)),
            };
            let has_failed = delivery.result == DeliveryResult::Failed;
            deliveries.push(delivery);
            // Its messages arrive in their order, or not yet.
            if has_failed {
                break;
            }
        }
        deliveries
    }

    /// Sends a message, if it is this replica's turn. True if it was delivered before.
    async fn send(
        &self,
        channel: &str,
        pending: &Pending,
        send: &Send<'_>,
    ) -> Result<Option<bool>, Undelivered> {
        let attempt = match self.turn(channel, pending).await? {
            Turn::Own(attempt) => attempt,
            Turn::Other => return Ok(None),
            Turn::Delivered => return Ok(Some(true)),
            Turn::GivenUp => return Err(Undelivered::GivenUp),
        };
        let Some(message) = self.ledger.message(&pending.message).await? else {
            return Err(Undelivered::GivenUp);
        };
        match send(channel.to_owned(), message, attempt).await {
            Ok(()) => {
                self.mark(&pending.message, channel, None).await?;
                Ok(Some(false))
            }
            Err(error) => {
                self.mark(&pending.message, channel, Some(attempt)).await?;
                Err(Undelivered::Failed(with_causes(&error)))
            }
        }
    }

    /// Claims a message for a channel.
    pub(super) async fn turn(&self, channel: &str, pending: &Pending) -> Result<Turn, LedgerError> {
        let folder = format!("notifications/{}/", pending.message);
        let keys = self.store.list(&folder, MOST_FILES).await?;
        let names: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix(&folder)).collect();
        let has = |name: &str| names.contains(&name);
        if has(&format!("{channel}.delivered")) {
            return Ok(Turn::Delivered);
        }
        let own = format!("{channel}.");
        let attempts = names.iter().filter_map(|name| name.strip_prefix(&own)?.parse().ok());
        let last: usize = attempts.max().unwrap_or(0);
        let now = (self.now)();
        if last > 0 && !has(&format!("{channel}.{last}.failed")) {
            let claim = self.store.read(&format!("{folder}{channel}.{last}")).await?;
            let claim = claim.and_then(|it| serde_json::from_slice::<Claim>(&it.bytes).ok());
            if claim.is_some_and(|it| now.duration_since(it.claimed_at) < DEAD_AFTER) {
                return Ok(Turn::Other);
            }
        }
        if last >= MOST_ATTEMPTS || (last > 0 && self.is_old(pending)) {
            return Ok(Turn::GivenUp);
        }
        let attempt = last + 1;
        let claim = serde_json::to_vec(&Claim { nonce: new_id(), claimed_at: now })?;
        let key = format!("{folder}{channel}.{attempt}");
        Ok(match self.store.create(&key, claim.into()).await? {
            Created::New(_) => Turn::Own(attempt),
            Created::Taken => Turn::Other,
        })
    }

    fn is_old(&self, pending: &Pending) -> bool {
        (self.now)().duration_since(pending.created_at) > GIVE_UP_AFTER
    }

    /// Marks a message as delivered to a channel, or an attempt at it as failed.
    pub(super) async fn mark(
        &self,
        message: &str,
        channel: &str,
        failed: Option<usize>,
    ) -> Result<(), LedgerError> {
        let mark = Mark { nonce: new_id(), marked_at: (self.now)() };
        let mark = serde_json::to_vec(&mark)?;
        let name = failed.map_or("delivered".to_owned(), |attempt| format!("{attempt}.failed"));
        self.store
            .create(&format!("notifications/{message}/{channel}.{name}"), mark.into())
            .await?;
        Ok(())
    }
}

/// Why a message is not delivered.
enum Undelivered {
    Failed(String),
    GivenUp,
}

impl From<LedgerError> for Undelivered {
    fn from(error: LedgerError) -> Self {
        Self::Failed(with_causes(&error))
    }
}

#[cfg(test)]
mod tests;
