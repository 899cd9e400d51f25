//! The steps of roles: a stack, or a stack set and its waves.

use std::collections::BTreeSet;

use serde_json::json;

use super::{ACCESS, Builder, ORGANIZATION, Planned, state};
use crate::aws::Observation;
use crate::names::AccountId;
use crate::org::{AccountState, Organization};
use crate::plan::{Action, Change, FieldChange};
use crate::resources::change::ResourceId;
use crate::resources::landing_zone::{
    Deployment, Place, Reading, StackSetState, StackState, Wave, WaveTarget, accounts_of_wave,
};
use crate::words::counted;

impl<'a> Builder<'a> {
    pub(super) fn roles(&mut self) {
        let zone = self.zone;
        let mut before: Vec<ResourceId> = vec![ORGANIZATION.into()];
        for deployment in &zone.deployments {
            let reading = self.observed.roles.get(deployment.id.as_ref());
            match reading {
                Some(Reading::Stack(stack, role)) => {
                    self.stack(deployment, stack, role);
                    before.push(deployment.id.clone());
                }
                Some(Reading::StackSet(set)) => self.stack_set(deployment, set, &before),
                None => {}
            }
        }
    }

    fn values(&self, deployment: &Deployment) -> std::collections::BTreeMap<String, String> {
        let id = self.observed.organization.present().map(|found| &found.id);
        deployment.parameters(&self.zone.trusted(deployment), id)
    }

    fn stack(
        &mut self,
        deployment: &Deployment,
        stack: &'a Observation<StackState>,
        role: &'a Observation<()>,
    ) {
        let values = self.values(deployment);
        let name = &deployment.name;
        let role_name = deployment.role.name.as_ref().map_or("", |name| name.as_str());
        let field = || FieldChange::new("role", None::<String>, Some(role_name));
        let change = match stack.present() {
            Some(found) if !found.owned => not_owned("stack", name),
            Some(found) if found.is_broken() => Change::update(
                format!("stack `{name}` is {}: it is deleted and created again", found.status),
                vec![FieldChange::new("status", Some(&*found.status), Some("CREATE_COMPLETE"))],
            ),
            Some(found) if found.is_under_way() => Change::update(
                format!("stack `{name}` is {}: orgtrail waits until it has ended", found.status),
                vec![FieldChange::new("status", Some(&*found.status), Some("COMPLETE"))],
            ),
            Some(found) if found.matches(&deployment.template, &values) => Change::nothing(),
            Some(found) => Change::update(
                "its template or parameters differ from what this version of orgtrail generates",
                differences(&found.template, &found.parameters, deployment, &values),
            ),
            None if role.present().is_some() => Change::refused(
                format!("the role `{role_name}` exists, but stack `{name}` did not create it"),
                "delete the role, or choose another name in [roles]",
            ),
            None => Change::create(format!("created by stack `{name}`"), vec![field()]),
        };
        let state = match (state(stack), role) {
            (Ok(_), Observation::Unreadable(error)) if stack.is_absent() => Err(error),
            (state, _) => state,
        };
        self.push(Planned {
            id: deployment.id.clone(),
            account: self.zone.management().clone(),
            region: Some(self.zone.region().clone()),
            state,
            change,
            depends_on: vec![ORGANIZATION.into()],
        });
    }

    fn stack_set(
        &mut self,
        deployment: &Deployment,
        set: &'a Observation<StackSetState>,
        before: &[ResourceId],
    ) {
        let values = self.values(deployment);
        let name = &deployment.name;
        let change = match set.present() {
            Some(found) if !found.owned => not_owned("stack set", name),
            Some(found) if found.matches(deployment, &values) => Change::nothing(),
            Some(found) => Change::update(
                "its template or settings differ from what this version of orgtrail generates; \
                 the first wave gets the change at once",
                differences(&found.template, &found.parameters, deployment, &values),
            ),
            None => {
                let field = FieldChange::new("stack_set", None::<String>, Some(name.as_str()));
                Change::create(format!("stack set `{name}` creates the role"), vec![field])
            }
        };
        let is_older = change.action == Action::Update;
        let mut depends_on = vec![ACCESS.into()];
        depends_on.extend(before.iter().cloned());
        self.push(Planned {
            id: deployment.id.clone(),
            account: self.zone.management().clone(),
            region: Some(self.zone.region().clone()),
            state: state(set),
            change,
            depends_on,
        });
        let mut after = &deployment.id;
        for wave in deployment.waves() {
            self.wave(wave, set, is_older, after.clone());
            after = &wave.id;
        }
    }

    /// The step of a wave; `is_older` says whether its stack set is to change first, so that no
    /// account has the role as it will be.
    fn wave(
        &mut self,
        wave: &Wave,
        set: &'a Observation<StackSetState>,
        is_older: bool,
        after: ResourceId,
    ) {
        let accounts = self.observed.accounts.as_ref();
        let change = match (accounts.present(), set.present()) {
            (Some(tree), set) => wave_change(wave, tree, set, is_older),
            (None, _) => match &wave.target {
                WaveTarget::Account(account) => not_a_member(account, None),
                _ => Change::create(format!("deploys the role to {}", wave.in_words()), Vec::new()),
            },
        };
        let state = match (&self.observed.accounts, set) {
            (Observation::Unreadable(error), _) | (_, Observation::Unreadable(error)) => Err(error),
            (tree, set) => Ok(json!({
                "accounts": tree.present().map(|tree| accounts_of_wave(wave, tree)),
                "instances": set.present().map(|set| &set.instances),
            })),
        };
        let account = match &wave.target {
            WaveTarget::Account(account) => account.clone(),
            _ => self.zone.management().clone(),
        };
        self.push(Planned {
            id: wave.id.clone(),
            account,
            region: None,
            state,
            change,
            depends_on: vec![after],
        });
    }
}

fn wave_change(
    wave: &Wave,
    tree: &Organization,
    set: Option<&StackSetState>,
    is_older: bool,
) -> Change {
    if let WaveTarget::Account(account) = &wave.target {
        match tree.accounts.get(account).map(|account| &account.state) {
            Some(AccountState::Active) => {}
            state => return not_a_member(account, state),
        }
    }
    if let WaveTarget::Unit(unit) = &wave.target
        && !tree.units.contains_key(unit)
    {
        return Change::blocked(
            format!("the organization has no unit {unit}"),
            "correct landing_zone.pilot_unit, or remove it",
        );
    }
    let accounts = accounts_of_wave(wave, tree);
    let root = tree.units.iter().find(|(_, unit)| unit.parent.is_none());
    let root = root.map_or("", |(id, _)| id.as_str());
    let Some(set) = set else {
        return Change::create(
            format!("deploys the role to {}", wave.in_words()),
            vec![with_the_role(0, &accounts)],
        );
    };
    if set.is_done(wave, root, &accounts) && !is_older {
        return Change::nothing().with_notes(skipped(wave, tree));
    }
    let current = if is_older { 0 } else { accounts.len() - set.pending(&accounts).len() };
    let causes = set.causes(&accounts);
    let why = format!("deploys the role to {}", wave.in_words());
    let field = with_the_role(current, &accounts);
    let any = accounts.iter().any(|id| set.instances.contains_key(id));
    let change =
        if any { Change::update(why, vec![field]) } else { Change::create(why, vec![field]) };
    let failed = causes.iter().map(|cause| match &cause.hint {
        Some(hint) => format!("failed before: {cause}; {hint}"),
        None => format!("failed before: {cause}"),
    });
    change.with_notes(failed.chain(skipped(wave, tree)))
}

/// How many accounts have the role, and will have it.
fn with_the_role(current: usize, accounts: &BTreeSet<AccountId>) -> FieldChange {
    FieldChange::new("accounts_with_the_role", Some(current), Some(accounts.len()))
}

/// The accounts that the last wave leaves out, because nothing can be deployed to them.
fn skipped(wave: &Wave, tree: &Organization) -> Option<String> {
    if wave.target != WaveTarget::Organization {
        return None;
    }
    let unusable = tree.accounts.values().filter(|account| account.state != AccountState::Active);
    let number = unusable.count();
    let is_one = number == 1;
    (number > 0).then(|| {
        let verb = if is_one { "is" } else { "are" };
        format!("{} {verb} not active and {verb} skipped", counted(number, "account"))
    })
}

fn not_a_member(account: &AccountId, state: Option<&AccountState>) -> Change {
    match state {
        None => Change::blocked(
            format!("account {account} is not in the organization"),
            "create or invite it, then run `orgtrail bootstrap --apply` again; in an account of \
             another organization, deploy the template of `orgtrail config roles` yourself",
        ),
        Some(state) => Change::blocked(
            format!("account {account} is not active: {state:?}"),
            "activate it, or correct the configuration",
        ),
    }
}

fn not_owned(kind: &str, name: &str) -> Change {
    Change::refused(
        format!("the {kind} `{name}` exists, but orgtrail did not create it"),
        "set landing_zone.prefix to another value, or delete it",
    )
}

/// What differs, without the text of the templates.
fn differences(
    template: &serde_json::Value,
    parameters: &std::collections::BTreeMap<String, String>,
    deployment: &Deployment,
    wanted: &std::collections::BTreeMap<String, String>,
) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    for (key, value) in wanted {
        let before = parameters.get(key);
        if before != Some(value) {
            let before = before.map(String::as_str);
            fields.push(FieldChange::new(format!("parameters.{key}"), before, Some(&**value)));
        }
    }
    if *template != deployment.template {
        fields.push(FieldChange::new("template", Some("older"), Some("current")));
    }
    if fields.is_empty() && matches!(deployment.place, Place::Members(_)) {
        fields.push(FieldChange::new("settings", Some("different"), Some("current")));
    }
    fields
}
