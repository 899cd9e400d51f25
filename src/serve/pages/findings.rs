//! What is wrong or unreadable, in words, and where a page shows it.

use maud::{Markup, html};

use super::components::{account_path, capital};
use super::view::View;
use crate::printable::plain;
use crate::report::contract::drift::Scope;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Signal, SignalState};
use crate::serve::board::{Group, account_of};
use crate::words::counted;

/// The groups of everything that is wrong or unreadable, the worst first.
pub(super) fn groups(view: &View) -> Vec<Group<'_>> {
    let signals = view.board.signals.iter().flat_map(|signals| &signals.signals);
    crate::serve::board::groups(signals)
}

/// The id of a group on the page of drift.
pub(super) fn anchor(group: &Group<'_>) -> String {
    let fingerprint = group.signals.first().map_or("", |signal| &signal.fingerprint);
    let digits = fingerprint.chars().filter(char::is_ascii_alphanumeric).take(12);
    format!("f-{}", digits.collect::<String>())
}

/// What is wrong, in one line.
pub(super) fn headline(view: &View, group: &Group<'_>) -> String {
    let problem = &group.problem;
    // The title of a check is what is true when it passes.
    let is_check = problem.part == Part::Drift
        && group.signals.first().is_some_and(|signal| signal.cause.is_none());
    let title = match (is_check, problem.state) {
        (true, SignalState::Failing) => format!("Check fails: {}", problem.title),
        (true, SignalState::Unreadable) => format!("Cannot be checked: {}", problem.title),
        (false, _) => capital(&problem.title),
    };
    let place = match group.signals.as_slice() {
        [one] => place(view, &one.scope),
        _ if problem.account_count > 1 => Some(counted(problem.account_count, "account")),
        [first, ..] => account_of(&first.scope).map(|account| match view.account(account) {
            Some(account) => account.name.clone(),
            None => account.to_string(),
        }),
        [] => None,
    };
    match place {
        Some(place) => format!("{place}: {title}"),
        None => title,
    }
}

/// Where something is, for people; none for the organization.
fn place(view: &View, scope: &Scope) -> Option<String> {
    let name = |account| view.account(account).map_or(account.to_string(), |it| it.name.clone());
    match scope {
        Scope::Account { account } => Some(name(account)),
        Scope::Region { account, region } => Some(format!("{}, {region}", name(account))),
        Scope::Organization | Scope::Bucket { .. } | Scope::Resource { .. } => None,
    }
}

/// The scope of a finding, with a link to its page where it has one.
pub(super) fn scope(view: &View, scope: &Scope) -> Markup {
    let name = |account| view.account(account).map_or(account.to_string(), |it| it.name.clone());
    html! {
        @match scope {
            Scope::Organization => { "organization" },
            Scope::Account { account } => {
                a href=(account_path(account)) { (plain(&name(account))) } " "
                br; small { (account) }
            },
            Scope::Region { account, region } => {
                a href={ (account_path(account)) "/" (region) } { (plain(&name(account))) } " "
                br; small { (account) ", " (region) }
            },
            Scope::Bucket { bucket } => { code { "s3://" (bucket) } },
            Scope::Resource { arn } => { code { (plain(&arn.to_string())) } },
        }
    }
}

/// The page with more about a group.
pub(super) fn link(group: &Group<'_>) -> String {
    match group.signals.as_slice() {
        [Signal { part: Part::Verify, scope: Scope::Region { account, region }, .. }] => {
            format!("{}/{region}", account_path(account))
        }
        _ => format!("/drift#{}", anchor(group)),
    }
}

/// What to do about a group, in one line.
pub(super) fn next_step(group: &Group<'_>) -> String {
    let problem = &group.problem;
    let failing = problem.state == SignalState::Failing;
    match (&problem.fix, problem.part) {
        (Some(fix), _) => format!("{}.", capital(fix).trim_end_matches('.')),
        (None, Part::Verify) if failing => {
            "Pack an evidence bundle first, then follow the steps of the chain.".to_owned()
        }
        (None, Part::Verify) => "Verify again; the chain's page has the command.".to_owned(),
        (None, Part::Consolidate) => "See the sources and the report of the round.".to_owned(),
        (None, Part::Reconcile) => "Run `orgtrail events reconcile` again.".to_owned(),
        (None, Part::Detect) => {
            "Find out who did it: `orgtrail events detect` lists the events.".to_owned()
        }
        (None, Part::Drift) => {
            format!("`orgtrail explain {}` says how to fix it.", problem.check)
        }
    }
}
