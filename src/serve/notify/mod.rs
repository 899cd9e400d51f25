//! Notifications: what changed with a round, sent to the channels of the configuration.
//!
//! After a round, its findings are compared with what channels know (`transitions`), what
//! changed is stored as one message (`ledger`), and the message is delivered to each channel
//! at least once (`outbox`). Failures never fail a round: they are logged and counted, and
//! what was not delivered is delivered after the next round.

mod alertmanager;
mod channel;
mod dead_man;
mod event_bridge;
mod example;
mod ledger;
mod message;
mod ocsf;
mod opensearch;
mod outbox;
mod security_hub;
mod slack;
mod sns;
mod text;
mod transitions;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

pub use self::channel::ChannelError;
use self::channel::{Built, Channel};
use self::dead_man::DeadMan;
pub use self::example::send_examples;
use self::ledger::{LedgerError, LedgerFile};
use self::message::Message;
use self::outbox::Outbox;
use self::transitions::Seen;
use super::board::{self, Board};
use crate::aws::{Aws, AwsError};
use crate::config::{Config, Environment, Schedule, WebUrl};
use crate::ops::{Env, OpError, Session};
use crate::report::contract::service::{Round, Signals};
use crate::serve::outgoing::{HttpError, Limits};
use crate::store::Store;
use crate::words::with_causes;

/// The longest that one message may take to one channel.
const SEND_LIMIT: Duration = Duration::from_mins(5);

/// Sends notifications. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    configured: Configured,
    outbox: Outbox,
    totals: Totals,
}

/// How many deliveries there were, by channel and result. Clones share it.
type Totals = Arc<Mutex<BTreeMap<(String, DeliveryResult), u64>>>;

/// The channels of a configuration.
#[derive(Debug)]
struct Configured {
    env: Env,
    channels: Vec<Channel>,
    dead_men: Vec<DeadMan>,
    public_url: Option<WebUrl>,
}

/// A message to a channel, and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The channel.
    pub channel: String,
    /// The id of the message; empty for monitors of rounds.
    pub message: String,
    /// The result.
    pub result: DeliveryResult,
    /// Why it failed, without secrets.
    pub error: Option<String>,
    /// Whether an earlier process delivered it.
    is_known: bool,
}

/// The result of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryResult {
    /// The channel accepted it.
    Delivered,
    /// The channel did not, and gets it after the next round.
    Failed,
    /// The channel did not for too long.
    Abandoned,
}

impl DeliveryResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Abandoned];

    /// Its word, for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A message that a channel did not accept.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("{0}")]
    SignIn(String),
    #[error("{0}")]
    Refused(String),
    #[error("it took longer than {} seconds", .0.as_secs())]
    Slow(Duration),
    #[error("the message or its response is not valid")]
    Json(#[from] serde_json::Error),
}

impl Configured {
    /// Makes the channels ready: reads secrets, and checks addresses.
    fn new(env: &Env, environment: &Environment, limits: Limits) -> Result<Self, OpError> {
        let service = &env.config()?.service;
        let (mut channels, mut dead_men) = (Vec::new(), Vec::new());
        for notify in &service.notify {
            match channel::build(notify, environment, limits)? {
                Built::Channel(channel) => channels.push(channel),
                Built::DeadMan(monitor) => dead_men.push(monitor),
            }
        }
        let public_url = service.public_url.clone();
        Ok(Self { env: env.clone(), channels, dead_men, public_url })
    }

    fn connection(&self) -> Connection<'_> {
        Connection { configured: self, aws: OnceCell::new() }
    }
}

/// The channels that cannot be used as they are configured, and why: a secret is missing, or a
/// URL is refused. Sends nothing.
#[must_use]
pub fn check_channels(config: &Config, environment: &Environment) -> Vec<(String, String)> {
    let built = config
        .service
        .notify
        .iter()
        .map(|notify| channel::build(notify, environment, Limits::default()));
    built
        .filter_map(Result::err)
        .map(|error| (error.channel.clone(), with_causes(&error)))
        .collect()
}

impl Notifier {
    /// The channels of the configuration of `env`. Secrets are read here, once.
    ///
    /// # Errors
    /// The configuration is invalid, a secret is missing, or a URL is refused.
    pub fn new(env: &Env, environment: &Environment, store: Store) -> Result<Self, OpError> {
        Self::with(env, environment, store, Limits::default(), Totals::default())
    }

    /// The same with the channels of another configuration.
    ///
    /// # Errors
    /// As of [`Notifier::new`]: then this one stays in use.
    pub fn reloaded(&self, env: &Env, environment: &Environment) -> Result<Self, OpError> {
        let (store, totals) = (self.0.outbox.store.clone(), Arc::clone(&self.0.totals));
        Self::with(env, environment, store, Limits::default(), totals)
    }

    fn with(
        env: &Env,
        environment: &Environment,
        store: Store,
        limits: Limits,
        totals: Totals,
    ) -> Result<Self, OpError> {
        let configured = Configured::new(env, environment, limits)?;
        let ledger = LedgerFile::new(store.clone());
        let outbox = Outbox { ledger, store, now: env.clock() };
        Ok(Self(Arc::new(Shared { configured, outbox, totals })))
    }

    /// Notifies monitors that a round of a schedule starts.
    pub async fn started(&self, schedule: &Schedule) -> Vec<Delivery> {
        let monitors = self.0.configured.dead_men.iter().filter(|it| it.expects(schedule));
        let pings = monitors.map(async |monitor| {
            let ping = limited(monitor.started()).await;
            delivery_of(&monitor.name, String::new(), ping)
        });
        self.counted(join_all(pings).await)
    }

    /// Sends what changed with a round, after it was stored, and what was not delivered
    /// before. Never fails a round.
    pub async fn after(&self, round: &Round, signals: &Signals, board: &Board) -> Vec<Delivery> {
        let monitors = self.0.configured.dead_men.iter().filter(|it| it.is_proven(round));
        let pings = monitors.map(async |monitor| {
            let ping = limited(monitor.ended(round.exit_code)).await;
            delivery_of(&monitor.name, String::new(), ping)
        });
        let (pings, messages) = tokio::join!(join_all(pings), self.messages(round, signals, board));
        let deliveries = pings.into_iter().chain(messages).collect();
        self.counted(deliveries)
    }

    /// How many deliveries there were, by channel and result.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<(String, DeliveryResult), u64> {
        self.0.totals.lock().clone()
    }

    async fn messages(&self, round: &Round, signals: &Signals, board: &Board) -> Vec<Delivery> {
        if self.0.configured.channels.is_empty() {
            return Vec::new();
        }
        match self.delivered(round, signals, board).await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                let failed = |channel: &Channel| Delivery {
                    error: Some(with_causes(&error)),
                    ..delivery_of(&channel.name, String::new(), Ok(()))
                };
                let failed = self.0.configured.channels.iter().map(failed);
                failed.map(|it| Delivery { result: DeliveryResult::Failed, ..it }).collect()
            }
        }
    }

    async fn delivered(
        &self,
        round: &Round,
        signals: &Signals,
        board: &Board,
    ) -> Result<Vec<Delivery>, LedgerError> {
        let ran: Vec<_> = round.parts.iter().map(|part| part.part).collect();
        let seen = Seen { ran: &ran, signals, at: round.ended_at };
        let message = |changes| Message::of_round(round, board::sentence(board), changes);
        let wanted = |message: &Message| -> BTreeSet<String> {
            let channels =
                self.0.configured.channels.iter().filter(|it| message.has(it.min_severity));
            channels.map(|channel| channel.name.clone()).collect()
        };
        let now = (self.0.outbox.now)();
        self.0.outbox.ledger.record(round, seen, message, wanted, now).await?;
        self.deliver().await
    }

    /// Delivers what is pending.
    async fn deliver(&self) -> Result<Vec<Delivery>, LedgerError> {
        let names: Vec<&str> =
            self.0.configured.channels.iter().map(|it| it.name.as_str()).collect();
        let connection = self.0.configured.connection();
        let connection = &connection;
        let send = move |name: String, message: Message, attempt: usize| {
            async move {
                let channel =
                    self.0.configured.channels.iter().find(|channel| channel.name == name);
                let Some(channel) = channel else { return Ok(()) };
                limited(Box::pin(channel.send(&message, attempt, connection))).await
            }
            .boxed()
        };
        self.0.outbox.deliver(&names, &send).await
    }

    /// Logs and counts deliveries.
    fn counted(&self, deliveries: Vec<Delivery>) -> Vec<Delivery> {
        let mut totals = self.0.totals.lock();
        for delivery in &deliveries {
            let Delivery { channel, message, result, error, .. } = delivery;
            *totals.entry((channel.clone(), *result)).or_default() += 1;
            if let Some(error) = error {
                tracing::warn!(channel, message, error, "a notification was not delivered");
            } else {
                tracing::info!(channel, message, "a notification was delivered");
            }
        }
        deliveries
    }
}

/// What channels send with.
struct Connection<'a> {
    configured: &'a Configured,
    /// Signed in once for all channels, if one needs it.
    aws: OnceCell<Aws>,
}

impl Connection<'_> {
    fn now(&self) -> Timestamp {
        self.configured.env.now()
    }

    /// The page of a message's round.
    fn page(&self, message: &Message) -> Option<String> {
        let url = self.configured.public_url.as_ref()?;
        Some(url.join(&format!("rounds/{}", message.round)))
    }

    async fn aws(&self) -> Result<&Aws, SendError> {
        let sign_in = async || {
            let env = self.configured.env.clone().in_session(Session::default());
            let aws = env.aws_to_notify().await;
            aws.map_err(|error| SendError::SignIn(error.message()))
        };
        self.aws.get_or_try_init(sign_in).await
    }
}

async fn limited(send: impl Future<Output = Result<(), SendError>>) -> Result<(), SendError> {
    tokio::time::timeout(SEND_LIMIT, send).await.unwrap_or(Err(SendError::Slow(SEND_LIMIT)))
}

fn delivery_of(channel: &str, message: String, sent: Result<(), SendError>) -> Delivery {
    let error = sent.err().map(|error| with_causes(&error));
    let result = if error.is_some() { DeliveryResult::Failed } else { DeliveryResult::Delivered };
    Delivery { channel: channel.to_owned(), message, result, error, is_known: false }
}

#[cfg(test)]
mod tests;
