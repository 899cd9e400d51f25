//! What `orgtrail bootstrap` created, as the service shows it: the steps of its plan, and the
//! stack of each account.

use jiff::Timestamp;

use super::doctor::{Item, of_stack_sets};
use crate::aws::Aws;
use crate::config::Config;
use crate::names::AccountId;
use crate::plan::Step;
use crate::plan::bootstrap::plan_bootstrap;
use crate::resources::landing_zone::{
    InstanceState, LandingZone, ObservedZone, Reading, StackState, causes, observe_declared,
};
use crate::words::with_causes;

/// The state of the roles, at one time.
#[derive(Debug, Clone)]
pub struct RoleStacks {
    /// When it was read. AWS's time.
    pub as_of: Timestamp,
    /// What was read; or why `orgtrail bootstrap` cannot create the configuration's roles.
    pub found: Result<Found, String>,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The steps of the plan of `orgtrail bootstrap`, in its order.
    pub steps: Vec<Step>,
    /// The stacks, those that are not current first.
    pub stacks: Vec<AccountStack>,
    /// The item `stack-sets` of `orgtrail doctor`.
    pub items: Vec<Item>,
}

/// The stack of a role in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStack {
    /// The account.
    pub account: AccountId,
    /// The stack or stack set that creates the role.
    pub stack: String,
    /// Whether the account has the role as it was last deployed.
    pub is_current: bool,
    /// CloudFormation's status of the stack.
    pub status: String,
    /// CloudFormation's status of the last operation, where it is a stack set's.
    pub detailed_status: String,
    /// Why it is not current, and what to do about it.
    pub cause: Option<(String, Option<String>)>,
}

impl RoleStacks {
    /// Reads it. Never fails: what could not be read is in the steps.
    pub(super) async fn read(aws: &Aws, config: &Config) -> Self {
        let found = match LandingZone::new(config.clone(), false) {
            Err(error) => Err(with_causes(&error)),
            Ok(zone) => {
                let observed = Box::pin(observe_declared(aws, &zone)).await;
                Ok(Found::of(&zone, &observed))
            }
        };
        Self { as_of: aws.now(), found }
    }
}

impl Found {
    /// What an observation shows. Pure.
    #[must_use]
    pub fn of(zone: &LandingZone, observed: &ObservedZone) -> Self {
        let mut stacks = Vec::new();
        for deployment in &zone.deployments {
            match observed.roles.get(deployment.id.as_ref()) {
                Some(Reading::Stack(stack, _)) => stacks.extend(
                    stack.present().map(|it| of_stack(zone.management(), &deployment.name, it)),
                ),
                Some(Reading::StackSet(set)) => {
                    let instances = set.present().into_iter().flat_map(|set| &set.instances);
                    stacks.extend(instances.map(|(id, it)| of_instance(id, &deployment.name, it)));
                }
                None => {}
            }
        }
        stacks.sort_by(|one, other| {
            let key = |it: &AccountStack| (it.is_current, it.account.clone(), it.stack.clone());
            key(one).cmp(&key(other))
        });
        let steps = plan_bootstrap(zone, observed).steps;
        Self { steps, stacks, items: of_stack_sets(zone, observed) }
    }
}

fn of_stack(account: &AccountId, name: &str, stack: &StackState) -> AccountStack {
    AccountStack {
        account: account.clone(),
        stack: name.to_owned(),
        is_current: !stack.is_broken() && !stack.is_under_way(),
        status: stack.status.clone(),
        detailed_status: String::new(),
        cause: None,
    }
}

fn of_instance(account: &AccountId, name: &str, instance: &InstanceState) -> AccountStack {
    let is_current = instance.is_current();
    let reason = instance.reason.as_deref().filter(|_| !is_current);
    let cause = reason.and_then(|it| causes([(account, Some(it))]).into_iter().next());
    AccountStack {
        account: account.clone(),
        stack: name.to_owned(),
        is_current,
        status: instance.status.clone(),
        detailed_status: instance.detailed_status.clone(),
        cause: cause.map(|cause| (cause.what, cause.hint)),
    }
}
