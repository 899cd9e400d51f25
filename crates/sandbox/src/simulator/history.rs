//! The event history: the management events of an account and Region, trail or not.
//!
//! What is made up is made up again, so that nothing needs to be kept.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Region};
use serde_json::Value;

use super::events::EventGenerator;
use super::{SLOT, place};
use crate::simulation::{Control, Simulation};

/// The events of an account and Region from `from` to `until`, newest first, each with its
/// slot and its number in it.
pub(crate) fn history<'a>(
    simulation: &'a Simulation,
    control: &'a Control,
    account: &'a AccountId,
    region: &'a Region,
    (from, until): (Timestamp, Timestamp),
) -> impl Iterator<Item = (Timestamp, usize, Value)> {
    let maker = EventGenerator::new(simulation, control, account, region);
    let mut next = (from <= until).then(|| place::slot_start(until));
    std::iter::from_fn(move || {
        let slot = next?;
        next = (slot > from).then(|| slot - SLOT);
        let events = maker.slot(slot, slot + SLOT).into_iter().enumerate();
        let events = events.filter(|(_, event)| event.is_management());
        let events: Vec<_> = events.map(|(number, event)| (slot, number, event.record)).collect();
        Some(events.into_iter().rev())
    })
    .flatten()
}
