//! The rounds that the service ran, in the state.
//!
//! A key begins with the time of the round's start subtracted from the year 9999, so that
//! one listing returns the newest rounds first.

use jiff::Timestamp;
use serde_json::Value;

use super::store::{Created, Store, StoreError};
use crate::config::ScheduleName;
use crate::report::contract::{self, Document as _, Emitted};

/// The folder of the rounds.
const FOLDER: &str = "rounds/";
/// 9999-12-30T22:00:00Z, the last time that jiff knows. Units: seconds since 1970.
const END_OF_TIME: i64 = 253_402_207_200;

/// Stores and reads rounds.
#[derive(Debug, Clone)]
pub struct Rounds {
    store: Store,
}

/// A round in the state.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRound {
    /// Its id: in its key, and in the paths of pages and of the API.
    pub id: String,
    /// Its document.
    pub document: Value,
}

impl Rounds {
    /// The rounds of a state.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Stores a round.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn add(
        &self,
        schedule: &ScheduleName,
        started_at: Timestamp,
        round: &Emitted<contract::service::Round>,
    ) -> Result<String, StoreError> {
        let inverted = END_OF_TIME.saturating_sub(started_at.as_second());
        let id = format!("{inverted:012}-{}-{:08x}", schedule.as_str(), fastrand::u32(..));
        let bytes = serde_json::to_vec(round).unwrap_or_default();
        match self.store.create(&format!("{FOLDER}{id}.json"), bytes.into()).await? {
            Created::New(_) | Created::Taken => Ok(id),
        }
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
}
