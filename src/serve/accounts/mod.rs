//! Accounts that join and leave the organization: noticed from the list of accounts, followed
//! until they are covered, and stored.
//!
//! Events in the queue are hints: nothing that a message says is believed, or even read. A
//! message makes the next reading of the list of accounts come sooner.

mod history;
mod ledger;
mod watcher;

pub use self::history::{AccountHistory, Compared, Listed, Membership, Steps};
pub use self::ledger::{AccountLedger, AccountLedgerError};
pub use self::watcher::{AccountWatcher, Accounts};
