//! The history in the state: one file for each event, created once.
//!
//! Replicas that notice the same thing create the same key: the first one counts. Nothing is
//! replaced, so neither a restart nor a late replica changes the history.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;

use super::history::AccountHistory;
use crate::report::contract::new_accounts::{AccountBaseline, AccountEvent};
use crate::report::contract::{self, Document, Emitted, ReadError};
use crate::store::{Store, StoreError};

const BASELINE: &str = "accounts/baseline.json";
const EVENTS: &str = "accounts/events/";
/// The most events that are read: those of many thousand accounts.
const MOST: usize = 200_000;
/// How many events are read at once.
const AT_ONCE: usize = 32;

/// Reads and extends the history. Events that were read are not read again.
#[derive(Debug)]
pub struct AccountLedger {
    store: Store,
    baseline: Option<AccountBaseline>,
    events: BTreeMap<String, AccountEvent>,
    /// Files that are no events, which are not read again.
    unreadable: BTreeSet<String>,
}

/// A history that could not be read or extended.
#[derive(Debug, thiserror::Error)]
pub enum AccountLedgerError {
    /// The state is unreachable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else is stored where the first list should be.
    #[error("the state file {BASELINE} is no document of the service")]
    Baseline(#[source] ReadError),
    /// The document has no JSON form.
    #[error("an account's event could not be stored")]
    Json(#[from] serde_json::Error),
}

impl AccountLedger {
    /// The history in a state.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, baseline: None, events: BTreeMap::new(), unreadable: BTreeSet::new() }
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn read(&mut self) -> Result<AccountHistory, AccountLedgerError> {
        if self.baseline.is_none()
            && let Some(stored) = self.store.read(BASELINE).await?
        {
            let read = contract::read(&stored.bytes).map_err(AccountLedgerError::Baseline)?;
            self.baseline = Some(read);
        }
        let keys = self.store.list(EVENTS, MOST).await?;
        let is_new =
            |key: &String| !self.events.contains_key(key) && !self.unreadable.contains(key);
        let new: Vec<String> = keys.into_iter().filter(is_new).collect();
        let store = &self.store;
        let read = futures::stream::iter(new).map(|key| async move {
            let stored = store.read(&key).await;
            (key, stored)
        });
        let read: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
        for (key, stored) in read {
            let Some(stored) = stored? else { continue };
            match contract::read::<AccountEvent>(&stored.bytes) {
                // A file under another event's name is somebody else's.
                Ok(event) if event_key(&event) == key => drop(self.events.insert(key, event)),
                Ok(_) => drop(self.unreadable.insert(key)),
                Err(error) => {
                    tracing::warn!(key, %error, "left out an event of an account");
                    self.unreadable.insert(key);
                }
            }
        }
        Ok(AccountHistory::of(self.baseline.as_ref(), self.events.values()))
    }

    /// Stores the first list, unless another replica did.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn begin(&mut self, baseline: AccountBaseline) -> Result<(), AccountLedgerError> {
        self.create(BASELINE, baseline).await
    }

    /// Stores an event, unless another replica did.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn add(&mut self, event: AccountEvent) -> Result<(), AccountLedgerError> {
        self.create(&event_key(&event), event).await
    }

    async fn create<T: Document>(&self, key: &str, document: T) -> Result<(), AccountLedgerError> {
        let json = serde_json::to_vec(&Emitted::new(document))?;
        // Taken: another replica noticed it first, and its file counts.
        self.store.create(key, json.into()).await?;
        Ok(())
    }
}

/// The key of an event: the same in every replica.
fn event_key(event: &AccountEvent) -> String {
    let joined = event.joined_at.as_second();
    format!("{EVENTS}{}-{joined}/{}.json", event.account, event.step.word())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::report::contract::new_accounts::{AccountStep, BaselineAccount};
    use crate::store::DirectoryStore;

    fn event(step: AccountStep, noticed_at: i64) -> AccountEvent {
        AccountEvent {
            account: "111122223333".parse().unwrap(),
            name: "new".to_owned(),
            joined_at: Timestamp::from_second(1_800_000_000).unwrap(),
            step,
            noticed_at: Timestamp::from_second(1_800_000_000 + noticed_at).unwrap(),
        }
    }

    fn baseline(account: &str) -> AccountBaseline {
        let account = BaselineAccount {
            account: account.parse().unwrap(),
            name: "first".to_owned(),
            joined_at: Timestamp::UNIX_EPOCH,
        };
        AccountBaseline { read_at: Timestamp::UNIX_EPOCH, accounts: vec![account] }
    }

    #[tokio::test]
    async fn what_two_replicas_notice_is_stored_once_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Directory(DirectoryStore::open(folder.path()).unwrap());
        let mut one = AccountLedger::new(store.clone());
        let mut other = AccountLedger::new(store.clone());
        one.begin(baseline("999999999999")).await.unwrap();
        other.begin(baseline("888888888888")).await.unwrap();
        one.add(event(AccountStep::Joined, 60)).await.unwrap();
        other.add(event(AccountStep::Joined, 70)).await.unwrap();
        other.add(event(AccountStep::Covered, 540)).await.unwrap();
        one.add(event(AccountStep::Covered, 600)).await.unwrap();
        let history = one.read().await.unwrap();
        assert_eq!(history, other.read().await.unwrap());
        assert_eq!(history, AccountLedger::new(store).read().await.unwrap());
        let (_, steps) = history.joined().next().unwrap();
        assert_eq!(steps.at[&AccountStep::Joined].as_second(), 1_800_000_060);
        assert_eq!(steps.covered_at().unwrap().as_second(), 1_800_000_540);
        assert!(history.current().any(|(it, _)| it.account.as_str() == "999999999999"));
    }

    #[tokio::test]
    async fn files_that_are_no_events_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Directory(DirectoryStore::open(folder.path()).unwrap());
        for (key, text) in [
            ("accounts/events/x/joined.json", "nonsense".to_owned()),
            (
                "accounts/events/444455556666-1/joined.json",
                serde_json::to_string(&Emitted::new(event(AccountStep::Departed, 1))).unwrap(),
            ),
        ] {
            store.create(key, text.into()).await.unwrap();
        }
        let history = AccountLedger::new(store).read().await.unwrap();
        assert_eq!(history, AccountHistory::default());
    }

    #[tokio::test]
    async fn a_first_list_that_is_none_is_an_error_and_not_an_empty_list() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Directory(DirectoryStore::open(folder.path()).unwrap());
        store.create(BASELINE, "{}".into()).await.unwrap();
        let error = AccountLedger::new(store).read().await.unwrap_err();
        assert!(matches!(error, AccountLedgerError::Baseline(_)), "{error}");
    }
}
