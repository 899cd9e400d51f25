//! Reading the landing zone.

use std::collections::BTreeMap;

use super::{
    Access, Deployment, LandingZone, OldStack, OrganizationState, Place, StackSetState, StackState,
    access, old_stacks, organization, stack, stack_set,
};
use crate::aws::{At as _, Aws, AwsError, Clients, Observation};
use crate::org::Organization;
use crate::policy::Unmanaged;
use crate::resources::{Desired, Observed, read_some};

/// What was read of a role's stack or stack set.
#[derive(Debug, Clone)]
pub enum Reading {
    /// A stack; and whether a role of its name exists.
    Stack(Observation<StackState>, Observation<()>),
    /// A stack set.
    StackSet(Observation<StackSetState>),
}

/// Everything that was read of the landing zone, at one time.
#[derive(Debug, Clone)]
pub struct ObservedZone {
    /// The organization.
    pub organization: Observation<OrganizationState>,
    /// Its accounts.
    pub accounts: Observation<Organization>,
    /// Whether stack sets may work in it.
    pub access: Observation<Access>,
    /// The roles, by the ids of their first steps.
    pub roles: BTreeMap<String, Reading>,
    /// What orgtrail created for roles that the configuration no longer declares; absent where
    /// it was not searched for.
    pub old_stacks: Observation<Vec<OldStack>>,
    /// Whether the trail exists, which needs the roles.
    pub trail: Observation<()>,
    /// The resources that `apply` manages too; absent as long as there is no organization.
    pub others: Option<(Desired, Box<Observed>)>,
}

/// The resources that bootstrap shares with `apply`, which names them the same. They need no
/// role in another account; what depends on others follows them.
pub(crate) const SHARED: [&str; 6] = [
    "trusted-access",
    "service-linked-role",
    "delegated-administrators",
    "new-accounts-queue",
    "new-accounts-queue/policy",
    "new-accounts-rule",
];

/// Reads everything. Never fails: what could not be read is unreadable.
pub async fn observe_zone(aws: &Aws, zone: &LandingZone) -> ObservedZone {
    let clients = &aws.clients(zone.management(), zone.region());
    let old_stacks = old_stacks::read(clients, zone).await;
    ObservedZone { old_stacks, ..Box::pin(observe_declared(aws, zone)).await }
}

/// The same without a search for old stacks and stack sets, which needs to read those of others
/// too.
pub async fn observe_declared(aws: &Aws, zone: &LandingZone) -> ObservedZone {
    let clients = &aws.clients(zone.management(), zone.region());
    let (organization, trail) =
        tokio::join!(Box::pin(organization::read(clients)), Box::pin(trail(clients, zone)));
    let access = match &organization {
        Observation::Absent => Observation::Absent,
        _ => access::read(clients).await,
    };
    let accounts = match &organization {
        Observation::Present(_) => {
            Observation::from_result(Organization::read(clients).await, AwsError::is_not_found)
        }
        Observation::Absent => Observation::Absent,
        Observation::Unreadable(error) => Observation::Unreadable(error.clone()),
    };
    let mut roles = BTreeMap::new();
    for deployment in &zone.deployments {
        roles.insert(deployment.id.to_string(), read_role(clients, deployment).await);
    }
    let others = match organization.present() {
        None => None,
        Some(state) => {
            let desired = Desired::new(zone.config.clone(), state.facts(), Unmanaged::Keep);
            let observed = read_some(aws, &desired, &SHARED).await;
            Some((desired, Box::new(observed)))
        }
    };
    let old_stacks = Observation::Absent;
    ObservedZone { organization, accounts, access, roles, old_stacks, trail, others }
}

async fn read_role(clients: &Clients, deployment: &Deployment) -> Reading {
    match deployment.place {
        Place::Management => {
            let found = stack::read(clients, &deployment.name).await;
            let name = deployment.role.name.as_ref().map_or("", |name| name.as_str());
            Reading::Stack(found, stack::has_role(clients, name).await)
        }
        Place::Members(_) => Reading::StackSet(stack_set::read(clients, &deployment.name).await),
    }
}

async fn trail(clients: &Clients, zone: &LandingZone) -> Observation<()> {
    let call = clients.cloudtrail().describe_trails();
    let call = call.trail_name_list(zone.config.trail.name.as_str()).send().await;
    let found = call.at(clients, "cloudtrail:DescribeTrails");
    let found = found.map(|found| (!found.trail_list().is_empty()).then_some(()));
    Observation::from_result(found, |_| false).flatten()
}
