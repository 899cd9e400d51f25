//! Resources that another tool manages: Control Tower's or the Landing Zone Accelerator's
//! trail, with its bucket, key and log group. They are observed and never written.

use super::catalogue::Observed;
use super::{Desired, Trails};
use crate::config::TrailManager;
use crate::resources::change::Change;

/// The resources of a trail that another tool manages: it, and what it delivers to.
const OF_THE_TRAIL: [&str; 8] = [
    "access-log-bucket",
    "archive-bucket",
    "kms-key",
    "log-group",
    "replication-role",
    "topic",
    "trail",
    "vault",
];

/// The tool that manages the configured trail; none if it is orgtrail.
#[must_use]
pub fn other_manager(desired: &Desired, observed: &Observed) -> Option<TrailManager> {
    match desired.config.trail.managed_by {
        Some(TrailManager::Orgtrail) => None,
        Some(other) => Some(other),
        None => observed.trails.present().and_then(|Trails { own_manager, .. }| *own_manager),
    }
}

/// The tool that manages a resource; none if it is orgtrail.
pub(crate) fn manager_of(id: &str, desired: &Desired, observed: &Observed) -> Option<TrailManager> {
    let whole = id.split('/').next().unwrap_or(id);
    if !OF_THE_TRAIL.contains(&whole) {
        return None;
    }
    other_manager(desired, observed)
}

/// The change of a resource: none where another tool manages it.
pub(crate) fn leave(id: &str, desired: &Desired, observed: &Observed, change: Change) -> Change {
    match manager_of(id, desired, observed) {
        Some(manager) => Change::nothing().with_notes(vec![format!(
            "{} manages it: orgtrail observes it and changes nothing (trail.managed_by)",
            called(manager)
        )]),
        None => change,
    }
}

/// The tool's name.
#[must_use]
pub fn called(manager: TrailManager) -> &'static str {
    match manager {
        TrailManager::Orgtrail => "orgtrail",
        TrailManager::ControlTower => "AWS Control Tower",
        TrailManager::Accelerator => "the Landing Zone Accelerator",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::catalogue::CATALOGUE;

    #[test]
    fn every_part_of_the_trail_is_left_and_the_organization_is_not() {
        let left = |id: &str| OF_THE_TRAIL.contains(&id.split('/').next().unwrap_or(id));
        let kept: Vec<&str> =
            CATALOGUE.iter().map(|entry| entry.id).filter(|id| !left(id)).collect();
        assert_eq!(
            kept,
            [
                "trusted-access",
                "service-linked-role",
                "delegated-administrators",
                "state-bucket",
                "alarm-topic",
                "alarm-topic/policy",
                "alarm-topic/subscriptions",
                "metric-filters",
                "alarms",
                "new-accounts-queue",
                "new-accounts-queue/policy",
                "new-accounts-rule",
                "athena-results",
                "athena-database",
                "athena-table",
                "athena-export-table",
                "athena-workgroup",
                "athena-workgroup/named-queries",
                "query-definitions",
                "guardrail",
            ]
        );
        for id in OF_THE_TRAIL {
            assert!(CATALOGUE.iter().any(|entry| entry.id.split('/').next() == Some(id)), "{id}");
        }
    }
}
