//! What orgtrail manages: one file for each resource, with its state, what is
//! declared, how it is observed, compared and changed.
//!
//! A resource is a type that implements `Resource` and has its line in
//! `CATALOGUE` and its field in [`Observed`]. Comparing
//! is pure and never sees what could not be read: the plan blocks such a
//! resource before it is asked.

mod access_log_bucket;
mod alarm_subscriptions;
mod alarm_topic;
pub mod archive_bucket;
pub(crate) mod catalogue;
pub mod change;
mod delegated_administrators;
mod desired;
mod event_selectors;
mod guardrail_scp;
mod hands;

mod insights;
mod kms_key;
mod log_group;
mod log_group_role;
mod metric_alarms;
mod metric_filters;
mod observed;
mod organization;
mod policy_change;
mod reach;
mod replication_role;
mod reread;
pub mod roles;
pub(crate) mod scps;
mod service_linked_role;
mod service_role;
mod topic;
mod trail;
mod trail_logging;
mod trail_tags;
mod trusted_access;
mod undeclared;
mod vault;

pub use access_log_bucket::AccessLogBucket;
pub use alarm_subscriptions::{AlarmSubscriptions, Subscription};
pub use delegated_administrators::DelegatedAdministrators;
pub use desired::Desired;
pub use event_selectors::EventSelectors;
pub(crate) use event_selectors::FoundSelectors;
pub use guardrail_scp::GuardrailScp;
pub(crate) use hands::{Hands, StepError, changed};
pub use insights::Insights;
pub(crate) use kms_key::is_key;
pub use kms_key::{KeyPolicy, KmsKey, Rotation};
pub use log_group::LogGroup;
pub use metric_alarms::{MetricAlarm, MetricAlarms};
pub use metric_filters::{Metric, MetricFilter, MetricFilters};
pub use observed::{Observed, observe};
pub use organization::{OrganizationError, OrganizationFacts};
pub(crate) use reread::reread;
pub use service_linked_role::ServiceLinkedRole;
pub use service_role::ServiceRole;
pub use topic::Topic;
pub use trail::{OrganizationTrail, Trails};
pub use trail_logging::TrailLogging;
pub use trail_tags::TrailTags;
pub use trusted_access::TrustedAccess;
pub use undeclared::Undeclared;
pub(crate) use undeclared::{undeclared, unreadable};
pub use vault::{Vault, VaultMfaDelete};

use serde::Serialize;

use crate::aws::Seen;
use crate::names::{AccountId, Region};
use crate::resources::change::Change;

/// Where a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Option<Region>,
}

/// The role whose permissions a resource's calls need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// In the management account.
    Hub,
    /// In the log-archive account, and in the vault's.
    Archive,
}

/// A managed resource.
pub(crate) trait Resource: 'static {
    /// What can be seen of it. Its JSON is what the fingerprint is made of: no
    /// times, no counters.
    type State: Serialize + Send + Sync + 'static;

    /// Its id: kebab-case, what belongs to a resource behind a slash.
    const ID: &'static str;
    /// What must be as declared before; each stands earlier in the catalogue.
    const AFTER: &'static [&'static str];
    /// Whose permissions are needed.
    const DUTY: Duty;
    /// The IAM actions that its calls need.
    const ACTIONS: &'static [&'static str];

    /// Where it is.
    fn place(desired: &Desired) -> Place;

    /// Whether the config, or what is there, asks for looking at it at all.
    fn wanted(_desired: &Desired) -> bool {
        true
    }

    /// What was seen of it.
    fn seen(observed: &Observed) -> &Seen<Self::State>;

    /// What is to be done. `found` is absent where AWS said that it does not
    /// exist; what could not be read never gets here.
    fn diff(desired: &Desired, found: Option<&Self::State>, observed: &Observed) -> Change;

    /// Does it.
    fn apply(hands: &Hands<'_>) -> impl Future<Output = Result<(), StepError>> + Send;
}
