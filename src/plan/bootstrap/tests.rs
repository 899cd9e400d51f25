use std::collections::BTreeMap;

use super::*;
use crate::aws::ErrorKind;
use crate::config::Config;
use crate::names::AccountId;
use crate::org::{Account, AccountState, Organization, Unit};
use crate::plan::bootstrap::{kept_after_bootstrap, plan_removal, plan_removal_of_old_stacks};
use crate::resources::landing_zone::{
    InstanceState, OldStack, OrganizationState, Place, Reading, StackSetState, StackState,
};

const NAMED: &str = "[roles]\nname = \"OrgTrailMember\"\n\
                     [roles.accounts.222222222222]\nname = \"OrgTrailArchive\"\n\
                     [landing_zone]\npilot_account = \"333333333333\"\n";

fn zone(create_organization: bool) -> LandingZone {
    let config: Config = format!("{}{NAMED}", crate::config::SMALLEST).parse().unwrap();
    LandingZone::new(config, create_organization).unwrap()
}

fn state() -> OrganizationState {
    OrganizationState {
        id: "o-exampleorgid".parse().unwrap(),
        root: "r-ab12".parse().unwrap(),
        management_account: "111111111111".parse().unwrap(),
        all_features: true,
        policy_types: [].into(),
    }
}

fn tree() -> Organization {
    let root: crate::names::UnitId = "r-ab12".parse().unwrap();
    let account = |id: &str| {
        let id: AccountId = id.parse().unwrap();
        let (name, state, unit) = (String::new(), AccountState::Active, root.clone());
        (id.clone(), Account { id, name, state, unit, joined_at: None })
    };
    Organization {
        id: state().id,
        management_account: state().management_account,
        all_features: true,
        units: [(root.clone(), Unit { name: "Root".to_owned(), parent: None })].into(),
        accounts: ["111111111111", "222222222222", "333333333333"].map(account).into(),
    }
}

fn unreadable() -> AwsError {
    AwsError::not_read()
}

/// A landing zone as it is after everything was created.
fn complete(zone: &LandingZone) -> ObservedZone {
    let mut roles = BTreeMap::new();
    for deployment in &zone.deployments {
        let parameters = deployment.parameters(&zone.trusted(deployment), Some(&state().id));
        let template = deployment.template.clone();
        let reading = match deployment.place {
            Place::Management => {
                let status = "CREATE_COMPLETE".to_owned();
                let stack = StackState { status, owned: true, parameters, template };
                Reading::Stack(Observation::Present(stack), Observation::Present(()))
            }
            Place::Members(_) => {
                let instance = InstanceState {
                    status: "CURRENT".to_owned(),
                    detailed_status: "SUCCEEDED".to_owned(),
                    reason: None,
                };
                let accounts = ["222222222222", "333333333333"];
                Reading::StackSet(Observation::Present(StackSetState {
                    owned: true,
                    deploys_automatically: deployment.waves().len() > 1,
                    keeps_stacks: false,
                    queues: true,
                    parameters,
                    template,
                    units: ["r-ab12".to_owned()].into(),
                    instances: accounts.map(|id| (id.parse().unwrap(), instance.clone())).into(),
                    operation: None,
                }))
            }
        };
        roles.insert(deployment.id.to_string(), reading);
    }
    ObservedZone {
        organization: Observation::Present(state()),
        accounts: Observation::Present(tree()),
        access: Observation::Present(Access::Enabled),
        roles,
        old_stacks: Observation::Present(Vec::new()),
        trail: Observation::Absent,
        others: None,
    }
}

fn set_mut<'a>(observed: &'a mut ObservedZone, id: &str) -> &'a mut StackSetState {
    match observed.roles.get_mut(id) {
        Some(Reading::StackSet(Observation::Present(set))) => set,
        other => panic!("{other:?}"),
    }
}

fn action(plan: &Plan, id: &str) -> Action {
    plan.step(id).unwrap_or_else(|| panic!("no step {id}")).action
}

#[test]
fn what_is_complete_needs_no_step_of_a_role() {
    let zone = zone(false);
    let plan = plan_bootstrap(&zone, &complete(&zone));
    let others = ["trusted-access", "service-linked-role"];
    for step in plan.steps.iter().filter(|step| !others.contains(&step.id.as_ref())) {
        assert_eq!(step.action, Action::Nothing, "{step:?}");
    }
}

#[test]
fn a_missing_organization_is_created_on_request_only() {
    let mut observed = complete(&zone(false));
    (observed.organization, observed.accounts) = (Observation::Absent, Observation::Absent);
    let plan = plan_bootstrap(&zone(false), &observed);
    assert_eq!(action(&plan, "organization"), Action::Refused);
    assert!(plan.step("organization").unwrap().hint.as_ref().unwrap().contains("--create-org"));
    observed.access = Observation::Absent;
    let plan = plan_bootstrap(&zone(true), &observed);
    assert_eq!(action(&plan, "organization"), Action::Create);
    assert_eq!(action(&plan, "stack-sets-access"), Action::Create);
    // The archive's account cannot be in an organization that does not exist.
    assert_eq!(action(&plan, "role/archive/account"), Action::Blocked);
}

#[test]
fn what_could_not_be_read_is_never_created() {
    let zone = zone(true);
    let mut observed = complete(&zone);
    observed.organization = Observation::Unreadable(unreadable());
    observed.accounts = Observation::Unreadable(unreadable());
    observed.access = Observation::Unreadable(unreadable());
    for reading in observed.roles.values_mut() {
        *reading = match reading {
            Reading::Stack(..) => Reading::Stack(
                Observation::Unreadable(unreadable()),
                Observation::Unreadable(unreadable()),
            ),
            Reading::StackSet(_) => Reading::StackSet(Observation::Unreadable(unreadable())),
        };
    }
    let plan = plan_bootstrap(&zone, &observed);
    assert!(plan.has_unreadable());
    for step in &plan.steps {
        assert_eq!(step.action, Action::Blocked, "{}", step.id);
    }
    assert_eq!(unreadable().kind(), ErrorKind::Stopped);
}

#[test]
fn a_wave_waits_for_the_one_before() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    set_mut(&mut observed, "role/member").instances.clear();
    let plan = plan_bootstrap(&zone, &observed);
    let last = plan.step("role/member/organization").unwrap();
    assert_eq!(last.depends_on, ["role/member/pilot-account"]);
    assert_eq!(last.action, Action::Create);
    assert_eq!(last.changes[0].after, Some(2.into()));
    let pilot = plan.step("role/member/pilot-account").unwrap();
    assert_eq!(pilot.depends_on, ["role/member"]);
    assert_eq!(pilot.account.as_str(), "333333333333");
}

#[test]
fn somebody_elses_stack_set_and_stack_are_refused_and_never_deleted() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    set_mut(&mut observed, "role/member").owned = false;
    if let Some(Reading::Stack(Observation::Present(stack), _)) =
        observed.roles.get_mut("role/management")
    {
        stack.owned = false;
    }
    let plan = plan_bootstrap(&zone, &observed);
    for id in ["role/member", "role/management"] {
        let step = plan.step(id).unwrap();
        assert_eq!(step.action, Action::Refused);
        assert!(step.why.contains("orgtrail did not create it"), "{}", step.why);
    }
    let removal = plan_removal(&zone, &observed);
    let ids: Vec<_> = removal.steps.iter().map(|step| step.id.as_ref()).collect();
    assert_eq!(ids, ["role/archive"]);
}

#[test]
fn a_role_that_exists_without_its_stack_is_refused() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    let reading = Reading::Stack(Observation::Absent, Observation::Present(()));
    observed.roles.insert("role/management".to_owned(), reading);
    let plan = plan_bootstrap(&zone, &observed);
    let step = plan.step("role/management").unwrap();
    assert_eq!(step.action, Action::Refused);
    assert!(step.why.contains("OrgTrailManagement"), "{}", step.why);
}

#[test]
fn an_older_template_and_failed_accounts_are_deployed_again_with_their_causes() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    let set = set_mut(&mut observed, "role/member");
    set.template = json!({ "Description": "of an older version" });
    let instance = set.instances.get_mut(&"333333333333".parse::<AccountId>().unwrap()).unwrap();
    instance.status = "OUTDATED".to_owned();
    instance.detailed_status = "FAILED".to_owned();
    instance.reason = Some("OrgTrailMember already exists.".to_owned());
    let plan = plan_bootstrap(&zone, &observed);
    assert_eq!(action(&plan, "role/member"), Action::Update);
    let last = plan.step("role/member/organization").unwrap();
    assert_eq!(last.action, Action::Update);
    // Every account has the older role.
    assert_eq!(action(&plan, "role/member/pilot-account"), Action::Update);
    assert!(last.notes[0].contains("did not create in 333333333333"), "{:?}", last.notes);
}

#[test]
fn stack_sets_that_are_disabled_permanently_stop_the_roles_of_members_only() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    observed.access = Observation::Present(Access::DisabledPermanently);
    observed.roles.insert("role/member".to_owned(), Reading::StackSet(Observation::Absent));
    let reading = Reading::Stack(Observation::Absent, Observation::Absent);
    observed.roles.insert("role/management".to_owned(), reading);
    let plan = plan_bootstrap(&zone, &observed);
    assert_eq!(action(&plan, "stack-sets-access"), Action::Refused);
    assert_eq!(action(&plan, "role/member"), Action::Blocked);
    assert_eq!(action(&plan, "role/management"), Action::Create);
}

#[test]
fn roles_are_not_deleted_while_the_trail_exists_and_the_managements_last() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    let plan = plan_removal(&zone, &observed);
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.as_ref()).collect();
    assert_eq!(ids, ["role/member", "role/archive", "role/management"]);
    observed.trail = Observation::Present(());
    let refused = plan_removal(&zone, &observed);
    assert!(refused.has_refused());
    assert!(refused.steps[1..].iter().all(|step| step.action == Action::Blocked));
    // A trail that could not be read may exist.
    observed.trail = Observation::Unreadable(unreadable());
    let blocked = plan_removal(&zone, &observed);
    assert!(blocked.has_unreadable());
    assert!(blocked.steps.iter().all(|step| step.action == Action::Blocked));
}

#[test]
fn an_account_outside_of_the_organization_is_reported_and_blocks_its_role_only() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    if let Observation::Present(tree) = &mut observed.accounts {
        tree.accounts.remove(&"222222222222".parse::<AccountId>().unwrap());
    }
    let plan = plan_bootstrap(&zone, &observed);
    let archive = plan.step("role/archive/account").unwrap();
    assert_eq!(archive.action, Action::Blocked);
    assert!(archive.why.contains("222222222222 is not in the organization"), "{}", archive.why);
    assert_eq!(action(&plan, "role/member/organization"), Action::Nothing);
}

/// A landing zone with a stack and a stack set of an earlier configuration.
fn with_old_stacks(zone: &LandingZone) -> ObservedZone {
    let old = |name: &str, stack_set| OldStack { name: name.to_owned(), stack_set };
    let old = vec![old("acme-hub", false), old("orgtrail-vault", true)];
    ObservedZone { old_stacks: Observation::Present(old), ..complete(zone) }
}

#[test]
fn old_stacks_are_listed_with_the_command_that_deletes_each() {
    let zone = zone(false);
    let plan = plan_bootstrap(&zone, &with_old_stacks(&zone));
    let found: Vec<_> = plan.undeclared.iter().map(|one| (&*one.id, one.key.as_str())).collect();
    assert_eq!(
        found,
        [("old-stacks/acme-hub", "landing_zone.prefix"), ("old-stacks/orgtrail-vault", "roles")]
    );
    let command = "--old-stack orgtrail-vault --confirm-organization o-exampleorgid";
    assert!(plan.undeclared[1].what.contains(command), "{}", plan.undeclared[1].what);
    // They are not changes, and the usual removal leaves them.
    assert!(plan.step("old-stacks/acme-hub").is_none());
    let removal = plan_removal(&zone, &with_old_stacks(&zone));
    assert_eq!(removal.undeclared, plan.undeclared);
    assert!(removal.step("old-stacks/acme-hub").is_none());
}

#[test]
fn only_old_stacks_that_are_named_are_deleted_even_while_the_trail_exists() {
    let zone = zone(false);
    let observed = ObservedZone { trail: Observation::Present(()), ..with_old_stacks(&zone) };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let plan = plan_removal_of_old_stacks(&zone, &observed, &names(&["orgtrail-vault"]));
    let steps: Vec<_> = plan.steps.iter().map(|step| (&*step.id, step.action)).collect();
    assert_eq!(steps, [("old-stacks/orgtrail-vault", Action::Delete)]);
    // What the configuration declares is refused, and what is unknown is no change.
    let plan =
        plan_removal_of_old_stacks(&zone, &observed, &names(&["orgtrail-member", "payroll"]));
    assert_eq!(action(&plan, "old-stacks/orgtrail-member"), Action::Refused);
    let unknown = plan.step("old-stacks/payroll").unwrap();
    assert_eq!((unknown.action, unknown.notes.len()), (Action::Nothing, 1));
}

#[test]
fn old_stacks_that_could_not_be_read_are_reported_and_not_deleted() {
    let zone = zone(false);
    let observed =
        ObservedZone { old_stacks: Observation::Unreadable(unreadable()), ..complete(&zone) };
    let plan = plan_bootstrap(&zone, &observed);
    assert!(plan.has_unreadable());
    assert_eq!(action(&plan, "old-stacks"), Action::Blocked);
    let names = ["orgtrail-vault".to_owned()].into();
    let plan = plan_removal_of_old_stacks(&zone, &observed, &names);
    assert!(plan.steps.iter().all(|step| step.action == Action::Blocked));
    // Where nobody searched for them, nothing is said.
    let observed = ObservedZone { old_stacks: Observation::Absent, ..complete(&zone) };
    assert!(!plan_bootstrap(&zone, &observed).has_unreadable());
}

#[test]
fn what_a_removal_keeps_is_listed_with_the_command_that_removes_it() {
    let zone = zone(false);
    let mut observed = complete(&zone);
    let ids = |observed: &ObservedZone| -> Vec<(String, bool)> {
        let kept = kept_after_bootstrap(&zone, observed);
        assert!(kept.iter().all(|one| one.undo.is_some()), "{kept:?}");
        kept.into_iter().map(|one| (one.id.into_owned(), one.unreadable)).collect()
    };
    let known = |id: &str| (id.to_owned(), false);
    let all = [known("organization"), known("stack-sets-access"), known("stack-sets-role")];
    assert_eq!(ids(&observed), all);
    observed.access = Observation::Present(Access::Disabled);
    assert_eq!(ids(&observed), all[..1]);
    observed.access = Observation::Unreadable(unreadable());
    assert_eq!(ids(&observed)[1], ("stack-sets-access".to_owned(), true));
    observed.organization = Observation::Absent;
    assert_eq!(ids(&observed), []);
}
