//! The rounds that the service ran, in the state.
//!
//! A key begins with the time of the round's start subtracted from the last time there is,
//! so that one listing returns the newest rounds first. The reports of a round are stored
//! before the round, so a reader that finds the round also finds its reports.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Error as JsonError;

use crate::config::ScheduleName;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Round, Signals};
use crate::report::contract::{self, Emitted, ReadError};
use crate::store::{Created, Store, StoreError};

const FOLDER: &str = "rounds/";
/// 9999-12-30T22:00:00Z, the last time that jiff knows. Units: seconds since 1970.
const END_OF_TIME: i64 = 253_402_207_200;

/// Stores and reads rounds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rounds {
    store: Store,
}

/// A round or a document of it that could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum RoundsError {
    /// The state is unreachable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else is stored there.
    #[error("the state file {key} is no document of the service")]
    Malformed {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// It was deleted after it was listed.
    #[error("the state file {key} was deleted")]
    Deleted {
        /// Its key.
        key: String,
    },
    /// The document has no JSON form.
    #[error("a round could not be stored")]
    Json(#[from] JsonError),
    /// The program is ending.
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}

impl Rounds {
    /// The rounds of a state.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A new id, for a round that starts now.
    #[must_use]
    pub fn new_id(schedule: &ScheduleName, started_at: Timestamp) -> String {
        let inverted = END_OF_TIME.saturating_sub(started_at.as_second());
        format!("{inverted:012}-{}-{:08x}", schedule.as_str(), fastrand::u32(..))
    }

    /// When a round started or was requested, according to its id.
    #[must_use]
    pub fn started_at(id: &str) -> Option<Timestamp> {
        let inverted: i64 = id.get(..12)?.parse().ok()?;
        Timestamp::from_second(END_OF_TIME.checked_sub(inverted)?).ok()
    }

    /// Stores the report of a part; its size in bytes.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn add_report(&self, id: &str, part: Part, json: Bytes) -> Result<u64, RoundsError> {
        let length = json.len() as u64;
        self.create(&report_key(id, part), json).await?;
        Ok(length)
    }

    /// Stores the signals of a round.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn add_signals(&self, signals: &Signals) -> Result<(), RoundsError> {
        let json = serde_json::to_vec(&Emitted::new(signals.clone()))?;
        self.create(&signals_key(&signals.round), json.into()).await
    }

    /// Stores a round, after its reports and signals.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn add(&self, round: &Round) -> Result<(), RoundsError> {
        let json = serde_json::to_vec(&Emitted::new(round.clone()))?;
        self.create(&round_key(&round.id), json.into()).await
    }

    /// The ids of the newest rounds, the newest first.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn newest(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let keys = self.store.list(FOLDER, limit).await?;
        let id = |key: &String| Some(key.strip_prefix(FOLDER)?.strip_suffix(".json")?.to_owned());
        Ok(keys.iter().filter_map(id).collect())
    }

    /// Reads a round; none if it is missing.
    ///
    /// # Errors
    /// The state is unreachable, or something else is stored there.
    pub async fn read(&self, id: &str) -> Result<Option<Round>, RoundsError> {
        self.document(round_key(id)).await
    }

    /// Reads the signals of a round; none if it has none.
    ///
    /// # Errors
    /// The state is unreachable, or something else is stored there.
    pub async fn signals(&self, id: &str) -> Result<Option<Signals>, RoundsError> {
        self.document(signals_key(id)).await
    }

    /// Reads the report of a part, as it is stored; none if it is missing.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn report(&self, id: &str, part: Part) -> Result<Option<Bytes>, RoundsError> {
        Ok(self.store.read(&report_key(id, part)).await?.map(|stored| stored.bytes))
    }

    async fn document<T>(&self, key: String) -> Result<Option<T>, RoundsError>
    where
        T: contract::Document + serde::de::DeserializeOwned,
    {
        let Some(stored) = self.store.read(&key).await? else { return Ok(None) };
        match contract::read(&stored.bytes) {
            Ok(document) => Ok(Some(document)),
            Err(source) => Err(RoundsError::Malformed { key, source }),
        }
    }

    /// Creates a file whose name nobody else uses.
    async fn create(&self, key: &str, json: Bytes) -> Result<(), RoundsError> {
        match self.store.create(key, json).await? {
            // An earlier try stored it, and its response was lost.
            Created::New(_) | Created::Taken => Ok(()),
        }
    }
}

fn round_key(id: &str) -> String {
    format!("{FOLDER}{id}.json")
}

fn signals_key(id: &str) -> String {
    format!("reports/{id}/signals.json")
}

fn report_key(id: &str, part: Part) -> String {
    format!("reports/{id}/{}.json", part.name())
}
