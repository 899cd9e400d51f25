//! What orgtrail manages: one file for each resource, with its state, its declaration, how
//! it is observed, compared and changed.
//!
//! A resource is a type that implements `Resource` and has its line in `catalogue!`.
//! Comparing is pure and never sees what could not be read: the plan blocks such a
//! resource before it compares.

mod apply_context;
mod athena;
pub mod bucket;
pub(crate) mod catalogue;
pub mod change;
mod desired;
pub(crate) mod destroy;
mod key;
pub mod landing_zone;
mod logs;
mod managed;
mod new_accounts;
mod observe;
mod organization;
mod policy_change;
pub mod roles;
mod service_access;
mod service_role;
mod sns_topic;
mod trail;
mod undeclared;

use std::fmt::Debug;

pub(crate) use apply_context::{ApplyContext, StepError, ensure_unchanged};
pub(crate) use athena::table_names as athena_table_names;
pub use athena::{
    Database, NamedQuery, QueryDefinition, QueryDefinitions, Table, Workgroup, WorkgroupSettings,
};
pub use catalogue::Observed;
pub use desired::Desired;
pub(crate) use key::is_key;
pub use key::{KeyPolicy, KmsKey, Rotation};
pub use logs::{
    AlarmSubscriptions, LogGroup, Metric, MetricAlarm, MetricAlarms, MetricFilter, MetricFilters,
    Subscription,
};
pub use managed::{called, other_manager};
pub(crate) use managed::{leave, manager_of};
pub(crate) use new_accounts::queue_url;
pub use new_accounts::{AccountQueue, AccountRule, QueueEncryption, RuleTarget};
pub use observe::observe;
pub(crate) use observe::{ObserveContext, read_some, reread};
pub(crate) use organization::service_control_policies;
pub use organization::{
    DelegatedAdministrators, GuardrailScp, OrganizationError, OrganizationFacts, ServiceLinkedRole,
    TrustedAccess,
};
use serde::Serialize;
use serde_json::Value;
pub use service_role::ServiceRole;
pub use sns_topic::Topic;
pub(crate) use trail::FoundSelectors;
pub use trail::{EventSelectors, Insights, OrganizationTrail, TrailLogging, TrailTags, Trails};
pub use undeclared::Undeclared;
pub(crate) use undeclared::{location, undeclared, unreadable};

use crate::aws::{AwsError, Observation};
use crate::names::{AccountId, Region};
use crate::resources::change::Change;
use crate::resources::destroy::{Deletion, Kept};

/// Where a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) account: AccountId,
    /// Absent for what an account has once.
    pub(crate) region: Option<Region>,
}

/// A managed resource.
pub(crate) trait Resource: 'static {
    /// What is observed of it. The fingerprint is computed from its JSON: no times, no
    /// counters.
    type State: Debug + Clone + Serialize + Send + Sync + 'static;

    /// Its id: kebab-case; a part of a resource is behind a slash.
    const ID: &'static str;
    /// The ids of what must match the configuration first; each precedes it in the
    /// catalogue.
    const DEPENDS_ON: &'static [&'static str];
    /// The IAM actions that its calls need.
    const ACTIONS: &'static [&'static str];

    /// Whether it may be active without being declared, so that [`Self::undeclared`]
    /// reports it.
    const MAY_BE_UNDECLARED: bool = false;

    /// Whether `destroy` deletes it, so that it waits for what could not be read.
    const IS_DELETABLE: bool = false;

    /// Where it is: in the log-archive account and the archive's Region, unless it says
    /// otherwise.
    fn location(desired: &Desired) -> Location {
        desired.archive_location()
    }

    /// Whether the configuration declares it, so that the plan has a step for it.
    fn is_enabled(_desired: &Desired) -> bool {
        true
    }

    /// Reads it: for a plan, and again immediately before its step writes.
    fn observe(
        context: &ObserveContext<'_>,
    ) -> impl Future<Output = Observation<Self::State>> + Send;

    /// What of its state must not change between a plan and its step: everything, unless
    /// it shares the state with another resource.
    fn compared_json(state: &Self::State) -> Value {
        serde_json::to_value(state).unwrap_or_default()
    }

    /// The change that it needs. `found` is absent if AWS returned that it does not
    /// exist; what could not be read never gets here.
    fn diff(desired: &Desired, found: Option<&Self::State>, observed: &Observed) -> Change;

    /// What of it is active but not in the configuration.
    fn undeclared(_desired: &Desired, _found: &Self::State) -> Vec<Undeclared> {
        Vec::new()
    }

    /// Carries out the change.
    fn apply(context: &ApplyContext<'_>) -> impl Future<Output = Result<(), StepError>> + Send;

    /// What of it `destroy` deletes. Data is never deleted.
    fn deletion(_desired: &Desired, _found: &Self::State) -> Option<Deletion> {
        None
    }

    /// Deletes it; what does not exist is deleted already.
    fn delete(_context: &ApplyContext<'_>) -> impl Future<Output = Result<(), AwsError>> + Send {
        std::future::ready(Ok(()))
    }

    /// What of it `destroy` keeps. `found` is absent if it could not be read, so that it
    /// may exist.
    fn kept(_desired: &Desired, _found: Option<&Self::State>) -> Vec<Kept> {
        Vec::new()
    }
}
