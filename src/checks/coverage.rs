use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::AccountFacts;
use crate::aws::Observation;
use crate::names::{AccountId, Region};
use crate::resources::Desired;

/// The accounts and Regions that the organization trail covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The columns, sorted.
    pub regions: Vec<Region>,
    /// The rows, by unit, then by account.
    pub accounts: Vec<CoveredAccount>,
}

/// One row of the coverage.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// The trail is logging and has delivered in time.
    Covered {
        /// The newest log file's delivery, where one is known.
        newest_log: Option<Timestamp>,
        /// The newest digest's delivery, where one is known.
        newest_digest: Option<Timestamp>,
    },
    /// The trail is logging, but its newest delivery is older than configured.
    Stale {
        /// The newest log file's delivery, where one is known.
        newest_log: Option<Timestamp>,
        /// The newest digest's delivery, where one is known.
        newest_digest: Option<Timestamp>,
    },
    /// The trail is missing, or is not logging.
    Uncovered {
        /// What was found instead.
        found: String,
    },
    /// A read failed.
    Unknown {
        /// Why.
        reason: String,
    },
    /// The account has not enabled the Region.
    NotEnabled,
    /// The account is not read.
    Excluded {
        /// Why.
        reason: String,
    },
}

impl Coverage {
    /// The coverage; empty if the accounts are unreadable.
    #[must_use]
    pub fn of(desired: &Desired, accounts: &Observation<Vec<AccountFacts>>, at: Timestamp) -> Self {
        let hours = desired.config.drift.freshness_hours;
        let age = SignedDuration::from_hours(hours.into());
        let accounts = accounts.present().map(Vec::as_slice).unwrap_or_default();
        let insides = || accounts.iter().filter_map(|account| account.inside.as_ref().ok());
        let regions: BTreeSet<&Region> =
            insides().flat_map(|inside| inside.regions.keys()).collect();
        let accounts = accounts
            .iter()
            .map(|account| CoveredAccount {
                account: account.account.clone(),
                name: account.name.clone(),
                unit_path: account.unit_path.clone(),
                cells: regions.iter().map(|region| Cell::of(account, region, at, age)).collect(),
            })
            .collect();
        Self { regions: regions.into_iter().cloned().collect(), accounts }
    }
}

impl Cell {
    fn of(account: &AccountFacts, region: &Region, at: Timestamp, age: SignedDuration) -> Self {
        let inside = match &account.inside {
            Ok(inside) => inside,
            Err(reason) => return Self::Excluded { reason: reason.clone() },
        };
        let status = match inside.regions.get(region) {
            None => {
                return match &inside.regions_unread {
                    None => Self::NotEnabled,
                    Some(error) => Self::Unknown { reason: error.in_full() },
                };
            }
            Some(Observation::Absent) => {
                return Self::Uncovered { found: "the trail does not exist".to_owned() };
            }
            Some(Observation::Unreadable(error)) => {
                return Self::Unknown { reason: error.in_full() };
            }
            Some(Observation::Present(status)) => status,
        };
        let (newest_log, newest_digest) = (status.newest_log, status.newest_digest);
        if !status.is_logging {
            return Self::Uncovered { found: "the trail is stopped".to_owned() };
        }
        match status.staleness(at, age) {
            None => Self::Covered { newest_log, newest_digest },
            Some(_) => match status.unread() {
                Some(error) => Self::Unknown { reason: error.in_full() },
                None => Self::Stale { newest_log, newest_digest },
            },
        }
    }
}
