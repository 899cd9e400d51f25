//! What the organization trail covers, by account and Region.

use std::collections::HashMap;

use jiff::Timestamp;

use super::drift::{AccountPhase, declared};
use super::events::reconcile;
use super::{Env, OpError, Outcome};
use crate::aws::Observation;
use crate::checks::{Cell, Coverage, read_accounts};
use crate::events::reconcile::{Place, Reconciled};
use crate::org::EventDataStores;
use crate::policy::Unmanaged;
use crate::report::contract::coverage::Report;

/// What to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request {
    /// Pages of Event history that are compared with the archive in each account and Region;
    /// none if absent.
    pub event_history: Option<u16>,
}

/// The coverage of the organization trail.
#[derive(Debug)]
pub struct Covered {
    /// The coverage.
    pub coverage: Coverage,
    /// The event data stores of CloudTrail Lake in the management and log-archive accounts.
    pub event_data_stores: EventDataStores,
    /// What Event history shows, where it was asked for: the coverage has it already.
    pub event_history: Option<Reconciled>,
    at: Timestamp,
    is_stopped: bool,
}

/// Reads how the trail fares in every account and Region.
///
/// # Errors
/// No way into AWS, or the accounts cannot be listed. What else is unreadable is in the
/// result.
pub async fn coverage(env: &Env, request: &Request) -> Result<Covered, OpError> {
    let (aws, desired) = declared(env, Unmanaged::Keep).await?;
    let accounts = {
        let phase = AccountPhase::start(env);
        match Box::pin(read_accounts(&aws, &desired, aws.now(), &phase)).await {
            Observation::Unreadable(error) => return Err(error.into()),
            accounts => accounts,
        }
    };
    let at = aws.now();
    let mut coverage = Coverage::of(&desired, &accounts, at);
    let mut owners = vec![desired.management(), desired.archive()];
    owners.dedup();
    let event_data_stores = EventDataStores::read(&aws, &owners, &coverage.regions).await;
    let event_history = match request.event_history {
        Some(pages) => {
            let request = reconcile::Request { samples: Some(pages), ..Default::default() };
            let reconciled = Box::pin(reconcile::reconcile(env, &request)).await?;
            compare(&mut coverage, &reconciled);
            Some(reconciled)
        }
        None => None,
    };
    let is_stopped = env.stop().is_requested();
    Ok(Covered { coverage, event_data_stores, event_history, at, is_stopped })
}

/// Corrects the coverage by what Event history shows: a trail may say that it records and
/// delivers, and leave out events.
fn compare(coverage: &mut Coverage, reconciled: &Reconciled) {
    let places: HashMap<_, &Place> =
        reconciled.places.iter().map(|place| ((&place.account, &place.region), place)).collect();
    for account in &mut coverage.accounts {
        for (cell, region) in account.cells.iter_mut().zip(&coverage.regions) {
            let Some(place) = places.get(&(&account.account, region)) else { continue };
            match (&*cell, place.lacks(), &place.unknown) {
                (
                    Cell::Covered { .. } | Cell::Stale { .. } | Cell::Unknown { .. },
                    Some(found),
                    _,
                ) => {
                    *cell = Cell::Uncovered { found };
                }
                (Cell::Covered { .. }, None, Some(reason)) => {
                    *cell = Cell::Unknown { reason: reason.clone() };
                }
                _ => {}
            }
        }
    }
}

impl Covered {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |is: fn(&Cell) -> bool| {
            self.coverage.accounts.iter().flat_map(|account| &account.cells).any(is)
        };
        let history = self.event_history.as_ref().map(reconcile::outcome);
        if history == Some(Outcome::Drift)
            || any(|cell| matches!(cell, Cell::Uncovered { .. } | Cell::Stale { .. }))
        {
            Outcome::Drift
        } else if self.is_stopped
            || history == Some(Outcome::Incomplete)
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
        Report::new(&self.coverage, &self.event_data_stores, self.event_history.as_ref(), self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CoveredAccount;
    use crate::events::reconcile::HistoryEvent;
    use crate::names::{AccountId, Region};

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
            let (at, event_history) = (Timestamp::UNIX_EPOCH, None);
            Covered { coverage, event_data_stores, event_history, at, is_stopped }.outcome()
        };
        assert_eq!(outcome(vec![covered(), Cell::NotEnabled], false), Outcome::Clean);
        assert_eq!(outcome(vec![covered(), unknown()], false), Outcome::Incomplete);
        assert_eq!(outcome(vec![covered()], true), Outcome::Incomplete);
        assert_eq!(outcome(vec![unknown(), uncovered()], true), Outcome::Drift);
        let stale = Cell::Stale { newest_log: None, newest_digest: None };
        assert_eq!(outcome(vec![stale], false), Outcome::Drift);
    }

    #[test]
    fn a_trail_that_says_it_delivers_is_held_to_event_history() {
        let account: AccountId = "111111111111".parse().unwrap();
        let regions: Vec<Region> =
            ["eu-west-1", "us-east-1", "us-east-2"].map(|name| name.parse().unwrap()).into();
        let covered = || Cell::Covered { newest_log: None, newest_digest: None };
        let mut places: Vec<Place> =
            regions.iter().map(|region| Place::new(account.clone(), region.clone())).collect();
        let at = Timestamp::UNIX_EPOCH;
        let event = HistoryEvent {
            id: "a".to_owned(),
            at,
            name: "CreateUser".to_owned(),
            source: "iam.amazonaws.com".to_owned(),
            read_only: Some(false),
        };
        places[0].add(event.clone(), false, None);
        places[1].unknown = Some("denied".to_owned());
        places[2].add(event, true, None);
        let cells = vec![covered(), covered(), covered()];
        let (name, unit_path) = (String::new(), String::new());
        let accounts = vec![CoveredAccount { account, name, unit_path, cells }];
        let mut coverage = Coverage { regions, accounts };
        let reconciled =
            Reconciled { at, from: at, to: at, places, notes: Vec::new(), was_stopped: false };
        compare(&mut coverage, &reconciled);
        let cells = &coverage.accounts[0].cells;
        let found = "the archive lacks 1 of 1 sampled event of Event history, \
                     the first is CreateUser at 1970-01-01T00:00:00Z";
        assert_eq!(cells[0], Cell::Uncovered { found: found.to_owned() });
        assert_eq!(cells[1], Cell::Unknown { reason: "denied".to_owned() });
        assert_eq!(cells[2], covered());
    }
}
