//! The stack sets that `orgtrail bootstrap` deployed the roles with.

use std::collections::BTreeMap;

use super::inputs::Inputs;
use super::item::{Item, in_accounts};
use crate::aws::Observation;
use crate::names::AccountId;
use crate::resources::landing_zone::{
    Access, Deployment, LandingZone, ObservedZone, Reading, StackSetState, observe_declared,
};
use crate::words::{counted, with_causes};

const ID: &str = "stack-sets";
const APPLY: &str = "orgtrail bootstrap, then orgtrail bootstrap --apply";

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some(config) = inputs.config else {
        return vec![Item::skipped(ID, "there is no configuration file")];
    };
    match inputs.trusts(STACK_SETS).await {
        Ok(true) => {}
        // Nothing was deployed by them.
        Ok(false) => return vec![Item::skipped(ID, "orgtrail bootstrap")],
        Err(error) => return vec![Item::unread(ID, &error)],
    }
    let zone = match LandingZone::new(config.clone(), false) {
        Ok(zone) => zone,
        Err(error) => {
            let fix = "correct [roles]: see `orgtrail bootstrap`";
            return vec![Item::problem(ID, with_causes(&error), fix)];
        }
    };
    of_stack_sets(&zone, &Box::pin(observe_declared(&inputs.aws, &zone)).await)
}

/// What an observation shows of the stack sets. Pure.
#[must_use]
pub fn of_stack_sets(zone: &LandingZone, observed: &ObservedZone) -> Vec<Item> {
    let mut items = Vec::new();
    match &observed.access {
        Observation::Present(Access::Enabled) => {}
        Observation::Present(Access::Disabled | Access::DisabledPermanently)
        | Observation::Absent => items.push(Item::problem(
            ID,
            "stack sets may not work in the organization, although they have trusted access",
            "aws cloudformation activate-organizations-access",
        )),
        Observation::Unreadable(error) => items.push(Item::unread(ID, error)),
    }
    let mut current = 0_usize;
    let mut is_used = false;
    for deployment in &zone.deployments {
        match observed.roles.get(&deployment.id.to_string()) {
            Some(Reading::StackSet(Observation::Present(state))) => {
                is_used = true;
                current += state.instances.values().filter(|it| it.is_current()).count();
                items.extend(judge(deployment, state));
            }
            Some(Reading::StackSet(Observation::Unreadable(error))) if items.is_empty() => {
                items.push(Item::unread(ID, error));
            }
            _ => {}
        }
    }
    if items.is_empty() && !is_used {
        return vec![Item::skipped(ID, "orgtrail bootstrap")];
    }
    if items.is_empty() {
        items.push(Item::ok(ID, format!("{} current", counted(current, "stack"))));
    }
    items
}

/// The service principal with which stack sets work in an organization.
const STACK_SETS: &str = "member.org.stacksets.cloudformation.amazonaws.com";

/// The failed and outdated stacks of a stack set, by cause.
fn judge(deployment: &Deployment, state: &StackSetState) -> Vec<Item> {
    let name = &deployment.name;
    let mut items = Vec::new();
    if state.template != deployment.template {
        items.push(Item::problem(
            ID,
            format!("the template of {name} is older than this program or the configuration"),
            APPLY,
        ));
    }
    let all = state.instances.keys().cloned().collect();
    for cause in state.causes(&all) {
        let accounts: Vec<AccountId> = cause.accounts.into_iter().collect();
        let evidence = format!("{name}: {} in {}", cause.what, in_accounts(&accounts));
        let fix = cause.hint.unwrap_or_else(|| APPLY.to_owned());
        items.push(Item::problem(ID, evidence, fix).of_accounts(accounts));
    }
    let mut others: BTreeMap<&str, Vec<AccountId>> = BTreeMap::new();
    let is_named = |account: &AccountId| items.iter().any(|item| item.accounts.contains(account));
    for (account, instance) in &state.instances {
        let is_left_out = instance.detailed_status.starts_with("SKIPPED");
        if !instance.is_current() && !is_left_out && !is_named(account) {
            others.entry(&instance.status).or_default().push(account.clone());
        }
    }
    let others = others.into_iter().map(|(status, accounts)| {
        let evidence = format!("{name} is {status} in {}", in_accounts(&accounts));
        Item::problem(ID, evidence, APPLY).of_accounts(accounts)
    });
    let others: Vec<Item> = others.collect();
    items.extend(others);
    items
}
