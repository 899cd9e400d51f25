//! What is active in AWS but not in the configuration.
//!
//! orgtrail never turns such a thing off. It reports it: without that, nothing would
//! compare an option that somebody removed from the configuration.

use serde::Serialize;

use super::catalogue::{CATALOGUE, Entry, Observed, ObservedJson};
use super::{Desired, Location, manager_of};
use crate::aws::AwsError;
use crate::resources::change::ResourceId;

/// Something that is active in AWS but not in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undeclared {
    /// The resource.
    pub id: ResourceId,
    /// The configuration key that declares such a thing.
    pub key: String,
    /// What is active, in a sentence without its full stop.
    pub what: String,
    /// Whether it is orgtrail's own, so that the configuration turned it off; what others
    /// may have created is only listed.
    pub turned_off: bool,
}

impl Undeclared {
    pub(super) fn turned_off(id: &'static str, key: &str, what: impl Into<String>) -> Self {
        Self { id: id.into(), key: key.to_owned(), what: what.into(), turned_off: true }
    }

    pub(super) fn by_others(id: &'static str, key: &str, what: impl Into<String>) -> Self {
        Self { turned_off: false, ..Self::turned_off(id, key, what) }
    }
}

/// Where a resource is.
pub(crate) fn location(desired: &Desired, id: &str) -> Option<Location> {
    Entry::find(id).map(|entry| (entry.location)(desired))
}

/// Everything that is active in AWS but not in the configuration.
pub(crate) fn undeclared(desired: &Desired, observed: &Observed) -> Vec<Undeclared> {
    let own = CATALOGUE.iter().filter(|entry| manager_of(entry.id, desired, observed).is_none());
    own.flat_map(|entry| (entry.undeclared)(desired, observed)).collect()
}

/// What is not declared and could not be read: it may be active.
pub(crate) fn unreadable<'o>(
    desired: &Desired,
    observed: &'o Observed,
) -> Vec<(&'static str, &'o AwsError)> {
    let entries =
        CATALOGUE.iter().filter(|entry| manager_of(entry.id, desired, observed).is_none());
    let entries = entries.filter(|entry| entry.may_be_undeclared && !(entry.is_enabled)(desired));
    let errors = entries.filter_map(|entry| match (entry.observed_json)(observed) {
        ObservedJson::Unreadable(error) => Some((entry.id, error)),
        ObservedJson::Known(_) => None,
    });
    errors.collect()
}
