//! Whom a resource policy permits anything, against who was declared.

use crate::config::Principal as Declared;
use crate::names::AccountId;
use crate::policy::{CLOUDTRAIL, Effect, PolicyDocument, Principal, Statement};
use crate::resources::Desired;

/// Some who are declared, and what they may do: what begins with one of these, in
/// small letters.
pub(super) type May<'a> = (&'a [Declared], &'a [&'a str]);

/// What the policy permits beyond CloudTrail, the owner and those declared, a
/// line for each statement and principal.
pub(super) fn unexpected(
    desired: &Desired,
    policy: &PolicyDocument,
    owner: &AccountId,
    declared: &[May<'_>],
) -> Vec<String> {
    let allows = policy.statements.iter().filter(|statement| statement.effect == Effect::Allow);
    allows.flat_map(|statement| of_statement(desired, statement, owner, declared)).collect()
}

fn of_statement(
    desired: &Desired,
    statement: &Statement,
    owner: &AccountId,
    declared: &[May<'_>],
) -> Vec<String> {
    let may = || {
        let named: Vec<&str> = statement.action.iter().collect();
        if named.is_empty() { "all but some actions".to_owned() } else { named.join(", ") }
    };
    let line = |who: &str| format!("{who} may {}", may());
    let kinds = match (&statement.principal, &statement.not_principal) {
        (_, Some(_)) => return vec![line("anyone but some")],
        (Some(Principal::Anyone), None) => return vec![line("anyone")],
        (None, None) => return Vec::new(),
        (Some(Principal::Of(kinds)), None) => kinds,
    };
    let within = |actions: &[&str]| {
        statement.not_action.is_empty()
            && statement.action.iter().all(|action| {
                let action = action.to_ascii_lowercase();
                actions.iter().any(|beginning| action.starts_with(beginning))
            })
    };
    let fine = |kind: &str, name: &str| match kind {
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
        .filter(|(kind, name)| !fine(kind, name))
        .map(|(_, name)| line(if name == "*" { "anyone" } else { name }))
        .collect()
}
