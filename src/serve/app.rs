//! What the parts of a running service share.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, watch};

use super::accounts::Accounts;
use super::board::{Board, Loader};
use super::claims::Claims;
use super::live::Live;
use super::notify::Notifier;
use super::rounds::{Rounds, RoundsError};
use super::status;
use crate::config::{Config, Environment, ScheduleName};
use crate::ops::{Env, OpError, Session};
use crate::report::contract::live::LiveRound;
use crate::report::contract::service::Status;
use crate::store::{Store, StoreError};

/// What a service starts with.
#[derive(Debug)]
pub struct Setup {
    /// The environment of its rounds, with a valid configuration.
    pub env: Env,
    /// The environment variables, which have secrets of channels.
    pub environment: Environment,
    /// Where the state is.
    pub store: Store,
    /// The name of this replica; no other replica has it.
    pub replica: String,
}

/// A running service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started_at: Mutex<Timestamp>,
    current: RwLock<Current>,
    environment: Environment,
    store: Store,
    rounds: Rounds,
    claims: Claims,
    loader: Loader,
    replica: String,
    live: Live,
    board: watch::Sender<Arc<Board>>,
    refreshing: tokio::sync::Mutex<()>,
    accounts: RwLock<Arc<Accounts>>,
    health: Mutex<Health>,
    requests: mpsc::Sender<Requested>,
    waiting: Mutex<Option<mpsc::Receiver<Requested>>>,
}

/// What the next round runs with.
#[derive(Debug)]
struct Current {
    env: Env,
    config: Arc<Config>,
    notifier: Notifier,
}

/// What the service depends on. Drift and broken chains are no matter of health.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why the state could not be read or written, the last time.
    pub state: Option<String>,
    /// When the state was last read or written.
    pub state_at: Option<Timestamp>,
    /// Why the configuration that was loaded last is not used.
    pub configuration: Option<String>,
    /// Why the last round could not sign in to AWS.
    pub credentials: Option<String>,
    /// Slots that passed while no replica was running.
    pub missed: u64,
    /// Slots that were skipped.
    pub skipped: u64,
    /// Of these, the ones after rounds without any result.
    pub backed_off: u64,
}

/// A round that somebody asked for.
#[derive(Debug, Clone)]
pub struct Requested {
    /// The id that it will have.
    pub id: String,
    /// Its schedule.
    pub schedule: ScheduleName,
    /// When it was requested.
    pub requested_at: Timestamp,
}

/// Why a requested round does not start.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is no such schedule.
    #[error("there is no schedule `{name}`; expected one of {known}")]
    UnknownSchedule {
        /// The name.
        name: String,
        /// The schedules that there are.
        known: String,
    },
    /// A round is running, or another request waits.
    #[error("a round is running: {id}")]
    Running {
        /// Its id.
        id: String,
    },
}

impl App {
    /// A service that has not started yet.
    ///
    /// # Errors
    /// The configuration is invalid, or a channel of it cannot be used.
    pub fn new(setup: Setup) -> Result<Self, OpError> {
        let Setup { env, environment, store, replica } = setup;
        let notifier = Notifier::new(&env, &environment, store.clone())?;
        let config = Arc::new(env.config()?.clone());
        let rounds = Rounds::new(store.clone());
        let (requests, waiting) = mpsc::channel(1);
        Ok(Self(Arc::new(Shared {
            started_at: Mutex::new(env.now()),
            live: Live::new(env.clock()),
            claims: Claims::new(store.clone(), replica.clone()),
            loader: Loader::new(rounds.clone()),
            board: watch::Sender::new(Arc::default()),
            refreshing: tokio::sync::Mutex::default(),
            accounts: RwLock::default(),
            current: RwLock::new(Current { env, config, notifier }),
            environment,
            health: Mutex::default(),
            waiting: Mutex::new(Some(waiting)),
            store,
            rounds,
            replica,
            requests,
        })))
    }

    /// Signs in once, to learn at the start what the rounds would fail with, and AWS's time.
    ///
    /// # Errors
    /// No credentials, or other ones than the configuration needs.
    pub async fn sign_in(&self) -> Result<(), OpError> {
        let env = self.0.current.read().env.clone();
        let signed_in = env.aws_of_member().await;
        self.set_health(|health| {
            health.credentials = signed_in.as_ref().err().map(OpError::message);
        });
        // From now on the time is AWS's, and this machine's may differ.
        *self.0.started_at.lock() = self.now();
        signed_in.map(|_| ())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.current.read().env.now()
    }

    /// When this process started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        *self.0.started_at.lock()
    }

    /// The environment of a round that starts now, which signs in anew.
    #[must_use]
    pub fn env_of_round(&self) -> Env {
        self.0.current.read().env.clone().in_session(Session::default())
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.current.read().config)
    }

    /// Uses another configuration from the next round on.
    ///
    /// # Errors
    /// A channel of it cannot be used: the old one stays in use.
    pub fn reload(&self, config: Config) -> Result<(), OpError> {
        let mut current = self.0.current.write();
        let env = current.env.clone().with_config(Ok(config.clone()));
        let notifier = current.notifier.reloaded(&env, &self.0.environment)?;
        *current = Current { env, config: Arc::new(config), notifier };
        drop(current);
        self.0.health.lock().configuration = None;
        Ok(())
    }

    /// What sends notifications.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.0.current.read().notifier.clone()
    }

    /// Notes that a configuration could not be used, and why.
    pub fn keep_configuration(&self, reason: String) {
        self.0.health.lock().configuration = Some(reason);
    }

    /// What the rounds know together.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.0.board.borrow())
    }

    /// The same, for those who wait for the next round's.
    #[must_use]
    pub fn boards(&self) -> watch::Receiver<Arc<Board>> {
        self.0.board.subscribe()
    }

    /// What is known about the accounts of the organization.
    #[must_use]
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.0.accounts.read())
    }

    /// Replaces what is known about the accounts.
    pub fn set_accounts(&self, accounts: Accounts) {
        *self.0.accounts.write() = Arc::new(accounts);
    }

    /// The rounds in the state.
    #[must_use]
    pub fn rounds(&self) -> &Rounds {
        &self.0.rounds
    }

    /// The claims of this replica.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The state.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The board's loader.
    #[must_use]
    pub fn loader(&self) -> &Loader {
        &self.0.loader
    }

    /// The name of this replica.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.0.replica
    }

    /// What this process is doing.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.0.live
    }

    /// What the service depends on.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health.lock().clone()
    }

    /// Changes what is known about it.
    pub fn set_health(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.0.health.lock());
    }

    /// Notes whether the state could be read or written.
    pub fn note_state<T>(&self, result: &Result<T, StoreError>) {
        let now = self.now();
        let mut health = self.0.health.lock();
        match result {
            Ok(_) => (health.state, health.state_at) = (None, Some(now)),
            Err(error) => health.state = Some(crate::words::with_causes(error)),
        }
    }

    /// Reads the newest rounds.
    ///
    /// # Errors
    /// The state is unreachable: the board stays as it is.
    pub async fn refresh(&self) -> Result<(), RoundsError> {
        // What was read earlier must not replace what was read later.
        let _turn = self.0.refreshing.lock().await;
        let current = self.board();
        match self.0.loader.load(Some(&current)).await {
            Ok(board) => {
                self.note_state(&Ok(()));
                if let Some(board) = board {
                    self.0.board.send_replace(Arc::new(board));
                }
                Ok(())
            }
            Err(error) => {
                self.0.health.lock().state = Some(crate::words::with_causes(&error));
                Err(error)
            }
        }
    }

    /// Asks for a round of a schedule now.
    ///
    /// # Errors
    /// There is no such schedule, or a round runs or waits.
    pub fn request(&self, schedule: &str) -> Result<Requested, RequestError> {
        let config = self.config();
        let schedules = &config.service.schedule;
        let Some(known) = schedules.iter().find(|it| it.name.as_str() == schedule) else {
            let names: Vec<_> = schedules.iter().map(|it| it.name.as_str()).collect();
            return Err(RequestError::UnknownSchedule {
                name: schedule.to_owned(),
                known: names.join(", "),
            });
        };
        if let Some(LiveRound { id, .. }) = self.live().round() {
            return Err(RequestError::Running { id });
        }
        let requested_at = self.now();
        let id = Rounds::new_id(&known.name, requested_at);
        let requested = Requested { id, schedule: known.name.clone(), requested_at };
        match self.0.requests.try_send(requested.clone()) {
            Ok(()) => Ok(requested),
            Err(_) => Err(RequestError::Running { id: "another request waits".to_owned() }),
        }
    }

    /// The requests, for the one scheduler of this process.
    #[must_use]
    pub fn take_requests(&self) -> Option<mpsc::Receiver<Requested>> {
        self.0.waiting.lock().take()
    }

    /// The state of the service.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let accounts = self.accounts();
        status::status(&self.config(), &self.board(), self.claims(), &accounts, self.now()).await
    }
}
