//! The list of managed resources, and what it generates: [`Observed`] with the state of
//! each, and [`CATALOGUE`].

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::athena::{
    Database, ExportTable, NamedQueries, QueryDefinitions, RawTable, ResultsBucket, Table,
    Workgroup,
};
use super::bucket::{
    AccessLogBucket, AccessLogging, ArchiveBucket, Encryption, ExpiringBucket, Lifecycle,
    MfaDelete, Notifications, ObjectLock, Ownership, Policy, PublicAccess, Replication,
    ReplicationRole, StateBucket, Tags, Vault, VaultMfaDelete, Versioning,
};
use super::destroy::{Deletion, Kept};
use super::key::{Alias, KeyPolicy, KmsKey, Rotation};
use super::logs::{
    AlarmSubscriptions, AlarmTopic, LogGroup, LogGroupRole, MetricAlarms, MetricFilters,
};
use super::new_accounts::{AccountQueue, AccountQueuePolicy, AccountRule};
use super::organization::{
    DelegatedAdministrators, GuardrailScp, ServiceLinkedRole, TrustedAccess,
    service_control_policies,
};
use super::service_role::ServiceRole;
use super::sns_topic::{SnsTopic, SnsTopicPolicy, Topic};
use super::trail::{
    DeliveryTopic, EventSelectors, Insights, OrganizationTrail, TrailLogging, TrailTags, Trails,
};
use super::{
    ApplyContext, Desired, Location, ObserveContext, Resource, StepError, Undeclared, athena,
};
use crate::aws::{AwsError, Observation};
use crate::names::AccountId;
use crate::org::ControlPolicies;
use crate::resources::change::Change;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A resource with its type erased, so that all fit in one list.
pub(crate) struct Entry {
    pub(crate) id: &'static str,
    pub(crate) depends_on: &'static [&'static str],
    pub(crate) actions: &'static [&'static str],
    pub(crate) location: fn(&Desired) -> Location,
    pub(crate) is_enabled: fn(&Desired) -> bool,
    /// Reads the resource again, and replaces its observation.
    pub(crate) reread: for<'a> fn(&'a ObserveContext<'a>, &'a mut Observed) -> Boxed<'a, ()>,
    pub(crate) observed_json: fn(&Observed) -> ObservedJson<'_>,
    pub(crate) diff: fn(&Desired, &Observed) -> Option<Change>,
    pub(crate) may_be_undeclared: bool,
    pub(crate) undeclared: fn(&Desired, &Observed) -> Vec<Undeclared>,
    pub(crate) apply: for<'a> fn(&'a ApplyContext<'a>) -> Boxed<'a, Result<(), StepError>>,
    pub(crate) deletion: fn(&Desired, &Observed) -> Observation<Deletion>,
    pub(crate) delete: for<'a> fn(&'a ApplyContext<'a>) -> Boxed<'a, Result<(), AwsError>>,
    pub(crate) kept: fn(&Desired, &Observed) -> Vec<Kept>,
}

/// What was observed of a resource, as the plan and its fingerprint need it.
pub(crate) enum ObservedJson<'a> {
    /// It exists or not, and this is its JSON.
    Known(Value),
    /// It could not be read.
    Unreadable(&'a AwsError),
}

/// A resource that is in the catalogue: its place in what is observed.
pub(crate) trait Catalogued: Resource {
    /// Its observation.
    fn observation(observed: &Observed) -> &Observation<Self::State>;
    /// Its observation, to be replaced.
    fn observation_mut(observed: &mut Observed) -> &mut Observation<Self::State>;
    /// The result of its one read while everything is observed.
    fn result(results: &Results) -> &OnceCell<Observation<Self::State>>;
}

impl Entry {
    /// The entry of a resource.
    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|entry| entry.id == id)
    }

    const fn of<R: Catalogued>() -> Self {
        Self {
            id: R::ID,
            depends_on: R::DEPENDS_ON,
            actions: R::ACTIONS,
            location: R::location,
            is_enabled: R::is_enabled,
            reread: |context, observed| {
                Box::pin(async move {
                    *R::observation_mut(observed) = R::observe(context).await;
                })
            },
            observed_json: |observed| match R::observation(observed) {
                Observation::Present(state) => {
                    ObservedJson::Known(json!({ "present": R::compared_json(state) }))
                }
                Observation::Absent => ObservedJson::Known(json!("absent")),
                Observation::Unreadable(error) => ObservedJson::Unreadable(error),
            },
            diff: |desired, observed| match R::observation(observed) {
                Observation::Present(state) => Some(R::diff(desired, Some(state), observed)),
                Observation::Absent => Some(R::diff(desired, None, observed)),
                // INVARIANT: what could not be read is never compared, so it is
                // never created.
                Observation::Unreadable(_) => None,
            },
            may_be_undeclared: R::MAY_BE_UNDECLARED,
            undeclared: |desired, observed| match R::observation(observed) {
                Observation::Present(state) if R::MAY_BE_UNDECLARED => {
                    R::undeclared(desired, state)
                }
                _ => Vec::new(),
            },
            apply: |context| Box::pin(R::apply(context)),
            deletion: |desired, observed| {
                if !R::IS_DELETABLE || !R::is_enabled(desired) {
                    return Observation::Absent;
                }
                R::observation(observed).as_ref().map(|it| R::deletion(desired, it)).flatten()
            },
            delete: |context| Box::pin(R::delete(context)),
            kept: |desired, observed| match R::observation(observed) {
                Observation::Present(state) => R::kept(desired, Some(state)),
                Observation::Absent => Vec::new(),
                Observation::Unreadable(_) => R::kept(desired, None),
            },
        }
    }
}

/// The resource of a line in `catalogue!`: the state's own type, or the one after `=`.
macro_rules! resource {
    ($state:ty) => {
        $state
    };
    ($state:ty, $resource:ty) => {
        $resource
    };
}

/// Generates from the list of resources what has a part for each of them.
///
/// A line is `field: State;`: a field of [`Observed`], and the type of its state, which is
/// a [`Resource`]. `= Resource` names the resource if it is another type; resources after
/// a comma share the state.
macro_rules! catalogue {
    ($($field:ident: $state:ty $(= $resource:ty)? $(, $sharing:ty)*;)*) => {
        /// Every managed resource, in an order in which they can be created.
        ///
        /// INVARIANT: what a resource depends on precedes it.
        pub(crate) const CATALOGUE: &[Entry] = &[$(
            Entry::of::<resource!($state $(, $resource)?)>(),
            $(Entry::of::<$sharing>(),)*
        )*];

        /// Everything that was observed of what orgtrail manages, at one time.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each field is documented by its type")]
        pub struct Observed {
            $(pub $field: Observation<$state>,)*
            /// The subscriptions of the topics, other than the declared one, that the
            /// alarms notify, by ARN.
            pub alarm_listeners: BTreeMap<String, Observation<AlarmSubscriptions>>,
            /// The service control policies that bind the accounts that orgtrail writes
            /// to, except the management account, which none binds.
            pub scps: BTreeMap<AccountId, Observation<ControlPolicies>>,
            /// The accounts of the organization, where a table lists them.
            pub accounts: Observation<BTreeSet<AccountId>>,
        }

        /// What was read so far while everything is observed.
        #[derive(Default)]
        pub(crate) struct Results {
            $($field: OnceCell<Observation<$state>>,)*
        }

        impl Observed {
            /// Nothing of it, for a reason.
            pub(super) fn not_read(error: &AwsError) -> Self {
                Self {
                    alarm_listeners: BTreeMap::new(),
                    scps: BTreeMap::new(),
                    accounts: Observation::Unreadable(error.clone()),
                    $($field: Observation::Unreadable(error.clone()),)*
                }
            }

            /// Reads every resource. Those that do not need the state of another one are
            /// read at the same time.
            pub(super) async fn read(context: &ObserveContext<'_>) -> Self {
                let (alarm_listeners, scps, accounts, $($field),*) = tokio::join!(
                    Box::pin(AlarmSubscriptions::read_of_other_topics(context)),
                    Box::pin(service_control_policies::read(context)),
                    Box::pin(athena::accounts(context)),
                    $(Box::pin(context.state_of::<resource!($state $(, $resource)?)>())),*
                );
                Self { alarm_listeners, scps, accounts, $($field: $field.clone()),* }
            }
        }

        $(
            catalogue!(@field $field: resource!($state $(, $resource)?));
            $(catalogue!(@field $field: $sharing);)*
        )*
    };
    (@field $field:ident: $resource:ty) => {
        impl Catalogued for $resource {
            fn observation(observed: &Observed) -> &Observation<Self::State> {
                &observed.$field
            }

            fn observation_mut(observed: &mut Observed) -> &mut Observation<Self::State> {
                &mut observed.$field
            }

            fn result(results: &Results) -> &OnceCell<Observation<Self::State>> {
                &results.$field
            }
        }
    };
}

catalogue! {
    trusted_access: TrustedAccess;
    service_linked_role: ServiceLinkedRole;
    delegated_administrators: DelegatedAdministrators;
    archive_bucket: ArchiveBucket;
    versioning: Versioning, MfaDelete;
    ownership: Ownership;
    public_access: PublicAccess;
    object_lock: ObjectLock;
    lifecycle: Lifecycle;
    kms_key: KmsKey, Alias;
    key_policy: KeyPolicy;
    key_rotation: Rotation;
    encryption: Encryption;
    bucket_tags: Tags;
    access_log_bucket: AccessLogBucket;
    access_logging: AccessLogging;
    state_bucket: ExpiringBucket = StateBucket;
    bucket_policy: Policy;
    replication_role: ServiceRole = ReplicationRole;
    vault: Vault, VaultMfaDelete;
    replication: Replication;
    notifications: Notifications;
    log_group: LogGroup;
    log_group_role: ServiceRole = LogGroupRole;
    topic: Topic = SnsTopic<DeliveryTopic>, SnsTopicPolicy<DeliveryTopic>;
    alarm_topic: Topic = SnsTopic<AlarmTopic>, SnsTopicPolicy<AlarmTopic>;
    alarm_subscriptions: AlarmSubscriptions;
    metric_filters: MetricFilters;
    metric_alarms: MetricAlarms;
    account_queue: AccountQueue, AccountQueuePolicy;
    account_rule: AccountRule;
    athena_results: ExpiringBucket = ResultsBucket;
    athena_database: Database;
    athena_table: Table = RawTable;
    athena_export_table: Table = ExportTable;
    athena_workgroup: Workgroup, NamedQueries;
    query_definitions: QueryDefinitions;
    trails: Trails = OrganizationTrail;
    event_selectors: EventSelectors;
    insights: Insights;
    trail_tags: TrailTags;
    trail_logging: TrailLogging;
    guardrail: GuardrailScp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dependency_precedes_what_depends_on_it() {
        let mut before = BTreeSet::new();
        for entry in CATALOGUE {
            for id in entry.depends_on {
                assert!(before.contains(id), "{} precedes {id}", entry.id);
            }
            assert!(before.insert(entry.id), "{} is listed twice", entry.id);
        }
    }

    #[test]
    fn actions_are_iam_actions() {
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
