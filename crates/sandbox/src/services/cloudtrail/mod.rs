//! AWS CloudTrail: trails of accounts and of the organization, what they
//! select, and how they fare. The simulator does their work.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{ApiError, Call, Control, Reply, Simulation, input, unknown_operation};

mod checks;
mod describe;
mod find;
pub(crate) mod insights;
mod logging;
mod lookup;
pub(crate) mod organization;
mod public_keys;
pub(crate) mod selectors;
mod settings;
mod tags;
pub(crate) mod trail;
mod update;

pub(crate) use lookup::{StoredEvent, remember};
pub(crate) use trail::{Delivery, Trail};

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The trails that the account owns, by ARN. Those of the organization
    /// belong to the management account, regardless of who made them.
    pub(crate) trails: BTreeMap<String, Trail>,
    /// The newest management events, oldest first, as records.
    pub(crate) recent: VecDeque<lookup::StoredEvent>,
}

pub(super) fn call(simulation: &Simulation, control: &mut Control, call: &Call<'_>) -> Reply {
    let now = simulation.clock.now();
    match call.operation {
        "CreateTrail" => update::create(simulation, control, call, now),
        "UpdateTrail" => update::update(simulation, control, call, now),
        "DeleteTrail" => update::delete(control, call, now),
        "StartLogging" => logging::start(control, call, now),
        "StopLogging" => logging::stop(control, call, now),
        "GetTrailStatus" => logging::status(control, call),
        "GetTrail" => describe::get(control, call),
        "DescribeTrails" => describe::describe(control, call),
        "ListTrails" => describe::list(control, call),
        "PutEventSelectors" => selectors::put(control, call),
        "GetEventSelectors" => selectors::get(control, call),
        "PutInsightSelectors" => insights::put(control, call),
        "GetInsightSelectors" => insights::get(control, call),
        "AddTags" => tags::add(control, call),
        "RemoveTags" => tags::remove(control, call),
        "ListTags" => tags::list(control, call),
        "ListPublicKeys" => public_keys::list(control, call, now),
        "LookupEvents" => lookup::lookup(control, call, now),
        "RegisterOrganizationDelegatedAdmin" => organization::register(simulation, control, call),
        "DeregisterOrganizationDelegatedAdmin" => organization::deregister(control, call),
        _ => Err(unknown_operation(call)),
    }
}
