use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{AccountId, Region};

/// Which accounts and Regions the organization trail covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The columns, sorted.
    pub regions: Vec<Region>,
    /// The rows, by unit, then by account.
    pub accounts: Vec<CoveredAccount>,
}

/// One row of the coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredAccount {
    /// The account's id.
    pub account: AccountId,
    /// Its friendly name.
    pub name: String,
    /// The names of the units from the root down.
    pub unit_path: String,
    /// One cell for each of the coverage's Regions.
    pub cells: Vec<Cell>,
}

/// One account in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Cell {
    /// The trail is there, logs and has delivered in time.
    Covered {
        /// The newest log file's delivery, where one is known.
        newest_log: Option<Timestamp>,
        /// The newest digest's delivery, where one is known.
        newest_digest: Option<Timestamp>,
    },
    /// The trail is there, but its newest delivery is older than declared.
    Stale {
        /// The newest log file's delivery, where one is known.
        newest_log: Option<Timestamp>,
        /// The newest digest's delivery, where one is known.
        newest_digest: Option<Timestamp>,
    },
    /// The trail is not there, or does not log.
    Uncovered {
        /// What was found instead.
        found: String,
    },
    /// It could not be seen.
    Unknown {
        /// Why not.
        reason: String,
    },
    /// The account has not enabled the Region.
    NotEnabled,
    /// The account is not looked at.
    LeftOut {
        /// Why not.
        reason: String,
    },
}
