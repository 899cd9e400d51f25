//! What stack sets do when an account joins, moves or leaves: automatic deployment.
//!
//! Source: CloudFormation User Guide, "Enable or disable automatic deployments for
//! `StackSets` in AWS Organizations".

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, UnitId};

use super::operations::{self, New};
use super::state::{
    Action, Instance, OrganizationsAccess, Preferences, Share, StackSet, instance_key,
};
use super::targets::Targets;
use crate::simulation::{Control, Simulation};

/// An account joined the organization, created or invited.
pub(crate) fn account_joined(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    account: &AccountId,
) {
    change(control, simulation, now, account);
}

/// An account was moved to another unit, after which `control` says where it is.
pub(crate) fn account_moved(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    account: &AccountId,
) {
    change(control, simulation, now, account);
}

/// An account is about to leave the organization, or has just left it.
///
/// Its stacks are deleted, unless the stack set retains them.
pub(crate) fn account_left(
    control: &mut Control,
    simulation: &Simulation,
    now: Timestamp,
    account: &AccountId,
) {
    each_set(control, |control, set| {
        let gone: Vec<String> = set
            .instances
            .iter()
            .filter(|(_, instance)| instance.account == *account)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let Some(instance) = set.instances.remove(&key) else { continue };
            for operation in &mut set.operations {
                operation.pending.retain(|pending| *pending != key);
            }
            if set.auto_deploys && !set.retains {
                // What cannot be deleted stays in the account.
                drop(operations::remove(control, simulation, now, set, &instance));
            }
        }
    });
}

/// Deploys to an account where its units are targeted, and deletes from it where they no
/// longer are.
fn change(control: &mut Control, simulation: &Simulation, now: Timestamp, account: &AccountId) {
    let Some(organization) = control.organization.as_ref() else { return };
    let is_enabled = organization.stacksets == OrganizationsAccess::Enabled;
    let Some(member) = organization.members.get(account) else { return };
    if !is_enabled || *account == organization.management_account {
        return;
    }
    let above: Vec<UnitId> = organization.ancestors(&member.parent).into_iter().cloned().collect();
    each_set(control, |_, set| {
        if !set.auto_deploys {
            return;
        }
        let unit = set.units.iter().find(|unit| above.contains(unit)).cloned();
        let mut deployed = Vec::new();
        for region in set.regions.clone() {
            let known = set.instances.get(&instance_key(account, &region)).cloned();
            match (&unit, known) {
                (Some(unit), None) => deployed.push(Instance {
                    account: account.clone(),
                    region,
                    unit: unit.clone(),
                    version: 0,
                    status: String::new(),
                    detailed: String::new(),
                    reason: None,
                    stack: None,
                    last_operation: String::new(),
                }),
                (None, Some(instance)) => deployed.push(instance),
                _ => {}
            }
        }
        if deployed.is_empty() {
            return;
        }
        let targets = Targets { accounts: vec![account.clone()], ..Targets::default() };
        let new = New {
            action: if unit.is_some() { Action::Create } else { Action::Delete },
            instances: deployed,
            preferences: Preferences { tolerated: Share::Default, ..Preferences::default() },
            retains_stacks: set.retains,
            targets: &targets,
            id: None,
        };
        // The id is a fresh one: it cannot exist already.
        drop(operations::start(simulation, now, set, new));
    });
}

/// Calls a function with each stack set of the management account.
fn each_set(control: &mut Control, mut call: impl FnMut(&mut Control, &mut StackSet)) {
    let Some(admin) = control.organization.as_ref().map(|it| it.management_account.clone()) else {
        return;
    };
    let Some(account) = control.accounts.get_mut(&admin) else { return };
    let mut sets = std::mem::take(&mut account.cloudformation.stack_sets);
    for set in sets.values_mut() {
        call(control, set);
    }
    if let Some(account) = control.accounts.get_mut(&admin) {
        account.cloudformation.stack_sets = sets;
    }
}
