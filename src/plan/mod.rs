//! Plans: from the configuration and what was observed to ordered, typed steps, and their
//! execution.
//!
//! Everything except [`apply`], [`destroy`], [`mfa_delete`] and [`retire`] is pure: the
//! same configuration and the same observation give the same plan, so that a stale saved
//! plan is detected.

pub mod apply;
pub mod bootstrap;
mod build;
pub mod destroy;
mod fingerprint;
#[cfg(test)]
mod live_changes;
pub mod mfa_delete;
#[cfg(test)]
mod properties;
mod render;
pub mod retire;
mod step;

use std::collections::{BTreeMap, BTreeSet};

pub use build::plan;
pub use fingerprint::{fingerprint, fingerprint_of_all};
pub use step::Step;

use crate::resources::Undeclared;
pub(crate) use crate::resources::change::Change;
pub use crate::resources::change::{Action, Confirmation, FieldChange, Irreversible, ResourceId};

/// Every step, in an order in which they can be applied.
///
/// INVARIANT: a step's dependencies precede it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Digest of everything that the plan was made from.
    pub fingerprint: String,
    /// Digest of each resource as it was observed, and of the config.
    pub observed: BTreeMap<String, String>,
    /// One step for each managed resource, including those without changes.
    pub steps: Vec<Step>,
    /// What is active but not in the configuration; no step changes it.
    pub undeclared: Vec<Undeclared>,
}

impl Plan {
    pub(crate) fn new(steps: Vec<Step>, observed: BTreeMap<String, String>) -> Self {
        Self { fingerprint: fingerprint_of_all(&observed), observed, steps, undeclared: Vec::new() }
    }

    /// Whether AWS matches the configuration.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.action == Action::Nothing)
    }

    /// The step of a resource.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The same without these steps: what is left after them.
    #[must_use]
    pub fn without(&self, done: &BTreeSet<&str>) -> Self {
        let left = self.steps.iter().filter(|step| !done.contains(step.id.as_ref()));
        Self { steps: left.cloned().collect(), ..self.clone() }
    }

    /// The ids of the resources that changed between this plan and the current one;
    /// `None` if both are the same.
    #[must_use]
    pub fn changed_since(&self, now: &Self) -> Option<Vec<String>> {
        if self.fingerprint != now.fingerprint {
            let ids = self.observed.keys().chain(now.observed.keys());
            let mut changed: Vec<String> =
                ids.filter(|id| self.observed.get(*id) != now.observed.get(*id)).cloned().collect();
            changed.sort();
            changed.dedup();
            if changed.is_empty() {
                changed.push("the fingerprint".to_owned());
            }
            return Some(changed);
        }
        (self.steps != now.steps).then(|| vec!["the plan of this version of orgtrail".to_owned()])
    }

    /// Whether a step is refused.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::Refused)
    }

    /// Whether something could not be read.
    #[must_use]
    pub fn has_unreadable(&self) -> bool {
        self.steps.iter().any(|step| step.unreadable)
    }
}
