use std::pin::Pin;

use serde_json::{Value, json};

use super::alarm_topic::Alarms;
use super::log_group_role::LogGroupRole;
use super::replication_role::ReplicationRole;
use super::topic::{Deliveries, Made, Permitted};
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError, archive_bucket as bucket};
use crate::aws::{AwsError, Seen};
use crate::resources::change::Change;

type Applying<'a> = Pin<Box<dyn Future<Output = Result<(), StepError>> + Send + 'a>>;

/// A resource with its type forgotten, so that all fit in one list.
pub(crate) struct Entry {
    pub(crate) id: &'static str,
    pub(crate) after: &'static [&'static str],
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares it with the roles"))]
    pub(crate) duty: Duty,
    pub(crate) actions: &'static [&'static str],
    pub(crate) place: fn(&Desired) -> Place,
    pub(crate) wanted: fn(&Desired) -> bool,
    pub(crate) seen: fn(&Observed) -> Sight<'_>,
    pub(crate) diff: fn(&Desired, &Observed) -> Option<Change>,
    pub(crate) apply: for<'a> fn(&'a Hands<'a>) -> Applying<'a>,
}

/// What was seen, as the plan's fingerprint and the plan itself need it.
pub(crate) enum Sight<'a> {
    /// It is there or not, and this is its JSON.
    Clear(Value),
    /// It could not be read.
    Unreadable(&'a AwsError),
}

impl Entry {
    const fn of<R: Resource>() -> Self {
        Self {
            id: R::ID,
            after: R::AFTER,
            duty: R::DUTY,
            actions: R::ACTIONS,
            place: R::place,
            wanted: R::wanted,
            seen: |observed| match R::seen(observed) {
                Seen::Present(state) => Sight::Clear(
                    json!({ "present": serde_json::to_value(state).unwrap_or_default() }),
                ),
                Seen::Absent => Sight::Clear(json!("absent")),
                Seen::Unreadable(error) => Sight::Unreadable(error),
            },
            diff: |desired, observed| match R::seen(observed) {
                Seen::Present(state) => Some(R::diff(desired, Some(state), observed)),
                Seen::Absent => Some(R::diff(desired, None, observed)),
                // INVARIANT: what could not be read is never compared, so it is
                // never created.
                Seen::Unreadable(_) => None,
            },
            apply: |hands| Box::pin(R::apply(hands)),
        }
    }
}

/// Every managed resource, in an order in which they can be made.
///
/// INVARIANT: what stands in an entry's `after` stands before it.
pub(crate) const CATALOGUE: &[Entry] = &[
    Entry::of::<super::TrustedAccess>(),
    Entry::of::<super::ServiceLinkedRole>(),
    Entry::of::<super::DelegatedAdministrators>(),
    Entry::of::<bucket::ArchiveBucket>(),
    Entry::of::<bucket::Versioning>(),
    Entry::of::<bucket::Ownership>(),
    Entry::of::<bucket::PublicAccess>(),
    Entry::of::<bucket::ObjectLock>(),
    Entry::of::<bucket::Lifecycle>(),
    Entry::of::<super::KmsKey>(),
    Entry::of::<super::kms_key::Alias>(),
    Entry::of::<super::kms_key::KeyPolicy>(),
    Entry::of::<super::kms_key::Rotation>(),
    Entry::of::<bucket::Encryption>(),
    Entry::of::<bucket::Tags>(),
    Entry::of::<super::AccessLogBucket>(),
    Entry::of::<bucket::AccessLogging>(),
    Entry::of::<bucket::Policy>(),
    Entry::of::<bucket::MfaDelete>(),
    Entry::of::<ReplicationRole>(),
    Entry::of::<super::Vault>(),
    Entry::of::<super::VaultMfaDelete>(),
    Entry::of::<bucket::Replication>(),
    Entry::of::<bucket::Notifications>(),
    Entry::of::<super::LogGroup>(),
    Entry::of::<LogGroupRole>(),
    Entry::of::<Made<Deliveries>>(),
    Entry::of::<Permitted<Deliveries>>(),
    Entry::of::<Made<Alarms>>(),
    Entry::of::<Permitted<Alarms>>(),
    Entry::of::<super::AlarmSubscriptions>(),
    Entry::of::<super::MetricFilters>(),
    Entry::of::<super::MetricAlarms>(),
    Entry::of::<super::OrganizationTrail>(),
    Entry::of::<super::EventSelectors>(),
    Entry::of::<super::Insights>(),
    Entry::of::<super::TrailTags>(),
    Entry::of::<super::TrailLogging>(),
    Entry::of::<super::GuardrailScp>(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_dependency_stands_before_what_needs_it() {
        let mut before = BTreeSet::new();
        for entry in CATALOGUE {
            for id in entry.after {
                assert!(before.contains(id), "{} comes before {id}", entry.id);
            }
            assert!(before.insert(entry.id), "{} stands twice", entry.id);
        }
    }

    #[test]
    fn actions_are_iam_actions_in_order() {
        for entry in CATALOGUE {
            assert!(!entry.actions.is_empty(), "{} declares no actions", entry.id);
            for action in entry.actions {
                let (service, operation) = action.split_once(':').unwrap();
                assert!(
                    !service.is_empty() && operation.starts_with(char::is_uppercase),
                    "{action}"
                );
            }
        }
    }
}
