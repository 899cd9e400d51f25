//! What the organization trail covers, by account and Region.

use jiff::Timestamp;

use super::drift::{AccountPhase, declared};
use super::{Env, OpError, Outcome};
use crate::aws::Observation;
use crate::checks::{Cell, Coverage, read_accounts};
use crate::org::EventDataStores;
use crate::policy::Unmanaged;
use crate::report::contract::coverage::Report;

/// The coverage of the organization trail.
#[derive(Debug)]
pub struct Covered {
    /// The coverage.
    pub coverage: Coverage,
    /// The event data stores of CloudTrail Lake in the management and log-archive accounts.
    pub event_data_stores: EventDataStores,
    at: Timestamp,
    is_stopped: bool,
}

/// Reads how the trail fares in every account and Region.
///
/// # Errors
/// No way into AWS, or the accounts cannot be listed. What else is unreadable is in the
/// result.
pub async fn coverage(env: &Env) -> Result<Covered, OpError> {
    let (aws, desired) = declared(env, Unmanaged::Keep).await?;
    let accounts = {
        let phase = AccountPhase::start(env);
        match Box::pin(read_accounts(&aws, &desired, aws.now(), &phase)).await {
            Observation::Unreadable(error) => return Err(error.into()),
            accounts => accounts,
        }
    };
    let at = aws.now();
    let coverage = Coverage::of(&desired, &accounts, at);
    let mut owners = vec![desired.management(), desired.archive()];
    owners.dedup();
    let event_data_stores = EventDataStores::read(&aws, &owners, &coverage.regions).await;
    Ok(Covered { coverage, event_data_stores, at, is_stopped: env.stop().is_requested() })
}

impl Covered {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |is: fn(&Cell) -> bool| {
            self.coverage.accounts.iter().flat_map(|account| &account.cells).any(is)
        };
        if any(|cell| matches!(cell, Cell::Uncovered { .. } | Cell::Stale { .. })) {
            Outcome::Drift
        } else if self.is_stopped
            || !self.event_data_stores.unread.is_empty()
            || any(|cell| matches!(cell, Cell::Unknown { .. }))
        {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> Report {
        Report::new(&self.coverage, &self.event_data_stores, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CoveredAccount;

    #[test]
    fn what_is_uncovered_weighs_more_than_what_is_unknown() {
        let covered = || Cell::Covered { newest_log: None, newest_digest: None };
        let unknown = || Cell::Unknown { reason: String::new() };
        let uncovered = || Cell::Uncovered { found: String::new() };
        let outcome = |cells, is_stopped| {
            let account = CoveredAccount {
                account: "111111111111".parse().unwrap(),
                name: String::new(),
                unit_path: String::new(),
                cells,
            };
            let coverage = Coverage { regions: Vec::new(), accounts: vec![account] };
            let event_data_stores = EventDataStores::default();
            Covered { coverage, event_data_stores, at: Timestamp::UNIX_EPOCH, is_stopped }.outcome()
        };
        assert_eq!(outcome(vec![covered(), Cell::NotEnabled], false), Outcome::Clean);
        assert_eq!(outcome(vec![covered(), unknown()], false), Outcome::Incomplete);
        assert_eq!(outcome(vec![covered()], true), Outcome::Incomplete);
        assert_eq!(outcome(vec![unknown(), uncovered()], true), Outcome::Drift);
        let stale = Cell::Stale { newest_log: None, newest_digest: None };
        assert_eq!(outcome(vec![stale], false), Outcome::Drift);
    }
}
