//! The principals that a resource policy allows, compared with the configured ones.

use crate::config::Principal as Declared;
use crate::names::AccountId;
use crate::policy::{CLOUDTRAIL, Effect, PolicyDocument, Principal, Statement};
use crate::resources::Desired;

/// Configured principals, and the prefixes of the actions that they may use, in lower case.
pub(super) type Permitted<'a> = (&'a [Declared], &'a [&'a str]);

/// What the policy allows to anyone except CloudTrail, the owner and the configured
/// principals: a line for each statement and principal.
pub(super) fn unexpected(
    desired: &Desired,
    policy: &PolicyDocument,
    owner: &AccountId,
    declared: &[Permitted<'_>],
) -> Vec<String> {
    let allows = policy.statements.iter().filter(|statement| statement.effect == Effect::Allow);
    allows.flat_map(|statement| of_statement(desired, statement, owner, declared)).collect()
}

fn of_statement(
    desired: &Desired,
    statement: &Statement,
    owner: &AccountId,
    declared: &[Permitted<'_>],
) -> Vec<String> {
    let actions = || {
        let named: Vec<&str> = statement.action.iter().collect();
        if named.is_empty() { "all actions except some".to_owned() } else { named.join(", ") }
    };
    let line = |who: &str| format!("{who} may use {}", actions());
    let kinds = match (&statement.principal, &statement.not_principal) {
        (_, Some(_)) => return vec![line("anyone except some")],
        (Some(Principal::Anyone), None) => return vec![line("anyone")],
        (None, None) => return Vec::new(),
        (Some(Principal::Of(kinds)), None) => kinds,
    };
    let within = |actions: &[&str]| {
        statement.not_action.is_empty()
            && statement.action.iter().all(|action| {
                let action = action.to_ascii_lowercase();
                actions.iter().any(|prefix| action.starts_with(prefix))
            })
    };
    let is_expected = |kind: &str, name: &str| match kind {
        "Service" => name == CLOUDTRAIL,
        "AWS" => {
            let account = name.split(':').nth(4).unwrap_or(name);
            let is = |one: &Declared| match one {
                Declared::Account(id) => account == id.as_str(),
                Declared::Identity(arn) => name == arn.to_string(),
            };
            account == owner.as_str()
                || declared.iter().any(|(who, actions)| who.iter().any(is) && within(actions))
                || desired.own_roles.iter().any(|role| role.to_string() == name)
        }
        _ => false,
    };
    kinds
        .iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| (kind.as_str(), name)))
        .filter(|(kind, name)| !is_expected(kind, name))
        .map(|(_, name)| line(if name == "*" { "anyone" } else { name }))
        .collect()
}
