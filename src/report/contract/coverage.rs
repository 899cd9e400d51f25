//! The coverage report: `orgtrail coverage`, and a part of the drift report.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event_data_store::EventDataStores;
use super::events::ReconcileReport;
use super::mirror;
use crate::events::reconcile::Reconciled;
use crate::names::{AccountId, Region};
use crate::{checks, org};

/// The coverage of the organization trail.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// When AWS was asked.
    pub created_at: Timestamp,
    /// The coverage.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// Event data stores of CloudTrail Lake, which record events as well.
    pub event_data_stores: EventDataStores,
    /// What Event history shows, which the coverage takes into account; null unless
    /// `--event-history` asked for it.
    pub event_history: Option<ReconcileReport>,
}

mirror! {
    /// The accounts and Regions that the organization trail covers.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Coverage of checks::Coverage {
        /// The Regions, sorted.
        regions: Vec<Region>,
        /// The accounts, by organizational unit, then by id.
        accounts: Vec<Account> => each,
    }
}

mirror! {
    /// The coverage of an account.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Account of checks::CoveredAccount {
        /// The account.
        account: AccountId,
        /// Its name.
        name: String,
        /// The names of its organizational units from the root down.
        unit_path: String,
        /// One cell for each of the report's Regions, in their order.
        cells: Vec<Cell> => each,
    }
}

/// An account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Cell {
    /// The trail records there and delivered in time.
    Covered(Deliveries),
    /// The trail records there, and its newest delivery is too old.
    Stale(Deliveries),
    /// The trail is missing there, does not record, or the archive lacks events that Event
    /// history has.
    Uncovered {
        /// What was found.
        found: String,
    },
    /// The state could not be read.
    Unknown {
        /// Why.
        reason: String,
    },
    /// The account has not enabled the Region.
    NotEnabled,
    /// The account is excluded.
    Excluded {
        /// Why.
        reason: String,
    },
}

/// The newest deliveries of a trail; null where they are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deliveries {
    /// When the newest log file was delivered.
    pub newest_log_file_at: Option<Timestamp>,
    /// When the newest digest was delivered.
    pub newest_digest_at: Option<Timestamp>,
}

impl Report {
    /// The report of a coverage.
    #[must_use]
    pub fn new(
        coverage: &checks::Coverage,
        event_data_stores: &org::EventDataStores,
        event_history: Option<&Reconciled>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            created_at,
            coverage: coverage.clone().into(),
            event_data_stores: event_data_stores.into(),
            event_history: event_history.map(ReconcileReport::new),
        }
    }
}

impl From<checks::Cell> for Cell {
    fn from(cell: checks::Cell) -> Self {
        let deliveries = |newest_log_file_at, newest_digest_at| Deliveries {
            newest_log_file_at,
            newest_digest_at,
        };
        match cell {
            checks::Cell::Covered { newest_log, newest_digest } => {
                Self::Covered(deliveries(newest_log, newest_digest))
            }
            checks::Cell::Stale { newest_log, newest_digest } => {
                Self::Stale(deliveries(newest_log, newest_digest))
            }
            checks::Cell::Uncovered { found } => Self::Uncovered { found },
            checks::Cell::Unknown { reason } => Self::Unknown { reason },
            checks::Cell::NotEnabled => Self::NotEnabled,
            checks::Cell::Excluded { reason } => Self::Excluded { reason },
        }
    }
}

impl From<Cell> for checks::Cell {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Covered(Deliveries { newest_log_file_at, newest_digest_at }) => {
                Self::Covered { newest_log: newest_log_file_at, newest_digest: newest_digest_at }
            }
            Cell::Stale(Deliveries { newest_log_file_at, newest_digest_at }) => {
                Self::Stale { newest_log: newest_log_file_at, newest_digest: newest_digest_at }
            }
            Cell::Uncovered { found } => Self::Uncovered { found },
            Cell::Unknown { reason } => Self::Unknown { reason },
            Cell::NotEnabled => Self::NotEnabled,
            Cell::Excluded { reason } => Self::Excluded { reason },
        }
    }
}
