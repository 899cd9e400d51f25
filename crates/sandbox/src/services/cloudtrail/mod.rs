//! AWS CloudTrail: trails of accounts and of the organization, what they
//! select, and how they fare. The simulator does their work.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

mod checks;
mod describe;
mod find;
pub(crate) mod insights;
pub(crate) mod lake;
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
    /// The newest calls that clients made, oldest first. The simulator generates all other events of
    /// the history and the trails.
    pub(crate) recent: VecDeque<lookup::StoredEvent>,
    /// The event data stores, which existed before.
    #[serde(default)]
    pub(crate) event_data_stores: Vec<lake::EventDataStore>,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateTrail" => update::create(control, call),
        "UpdateTrail" => update::update(control, call),
        "DeleteTrail" => update::delete(control, call),
        "StartLogging" => logging::start(control, call),
        "StopLogging" => logging::stop(control, call),
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
        "ListPublicKeys" => public_keys::list(control, call),
        "LookupEvents" => lookup::lookup(control, call),
        "ListEventDataStores" => lake::list(control, call),
        "GetEventDataStore" => lake::get(control, call),
        "RegisterOrganizationDelegatedAdmin" => organization::register(control, call),
        "DeregisterOrganizationDelegatedAdmin" => organization::deregister(control, call),
        _ => Err(unknown_operation(call)),
    }
}

/// One page of a list under `member`.
fn page(
    call: &Call<'_>,
    member: &str,
    items: impl Iterator<Item = (String, Value)>,
    limit: usize,
) -> Reply {
    let (items, next) = input::page(items, input::text(call.input, "NextToken"), limit)
        .ok_or_else(|| ApiError::new("InvalidNextTokenException", "the token is not valid"))?;
    Ok(json!({ member: items, "NextToken": next }))
}

/// A member that is a time, in whole seconds.
fn time(call: &Call<'_>, name: &str) -> Option<Timestamp> {
    let seconds = input::decimal(call.input, name)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
    Timestamp::from_second(seconds as i64).ok()
}
