//! The part of `/landing-zone` about the roles: what doctor finds, the steps of bootstrap, and
//! the stack of each account. What is not as it should be comes first.

use maud::{Markup, html};

use super::components::{card, command, count, list, only_note, tag};
use super::time;
use super::view::View;
use crate::ops::doctor::{Item, Verdict};
use crate::ops::role_stacks::{AccountStack, Found, RoleStacks};
use crate::plan::{Action, Step};
use crate::printable::plain;
use crate::words::counted;

/// How many stacks are listed.
const STACKS: usize = 100;

/// How many problems doctor's item finds.
pub(super) fn problems(view: &View) -> usize {
    let found = view.accounts.role_stacks.as_ref().and_then(|read| read.found.as_ref().ok());
    let items = found.into_iter().flat_map(|found| &found.items);
    items.filter(|item| item.verdict == Verdict::Problem).count()
}

/// The cards.
pub(super) fn cards(view: &View) -> Markup {
    let Some(read) = &view.accounts.role_stacks else {
        let body = only_note(&html! { "The stacks of the roles were not read yet." });
        return card("roles", "Roles", &Markup::default(), &body);
    };
    match &read.found {
        Ok(found) => html! {
            (items_card(view, read, found))
            (steps_card(view, read, found))
            (stacks_card(view, read, found))
        },
        Err(error) => {
            let body = only_note(&html! {
                code { "orgtrail bootstrap" } " cannot create the roles of this configuration: "
                (plain(error))
            });
            card("roles", "Roles", &aside(view, read), &body)
        }
    }
}

fn aside(view: &View, read: &RoleStacks) -> Markup {
    html! { "read " (time::ago(read.as_of, view.now)) }
}

fn items_card(view: &View, read: &RoleStacks, found: &Found) -> Markup {
    let mut items: Vec<&Item> = found.items.iter().collect();
    items.sort_by_key(|item| item.verdict);
    let rows = html! {
        @for item in items {
            tr {
                td { (item_state(item.verdict)) }
                th scope="row" { code { (item.id) } }
                td.wide { (plain(&item.evidence)) }
                td.wide { @if let Some(fix) = &item.fix { (plain(fix)) } }
            }
        }
    };
    let body = html! {
        (list("Items of doctor", &["Result", "Item", "Found", "Fix"], &rows))
        div.pad {
            p { "The service examines these items. To examine all of them:" }
            (command("Doctor", "orgtrail doctor"))
        }
    };
    card("doctor", "Doctor", &aside(view, read), &body)
}

fn item_state(verdict: Verdict) -> Markup {
    match verdict {
        Verdict::Problem => tag("failed", "problem"),
        Verdict::Unknown => tag("unreadable", "unknown"),
        Verdict::Ok => tag("resolved", "ok"),
        Verdict::Skipped => tag("excluded", "skipped"),
    }
}

fn steps_card(view: &View, read: &RoleStacks, found: &Found) -> Markup {
    let is_unused = found.stacks.is_empty() && !found.steps.iter().any(|step| step.unreadable);
    if is_unused {
        let body = only_note(&html! {
            "None of the roles' stacks exists: " code { "orgtrail bootstrap" }
            " did not create the roles."
        });
        return card("bootstrap", "Bootstrap", &aside(view, read), &body);
    }
    let mut steps: Vec<&Step> = found.steps.iter().collect();
    // The order of steps with the same action is that of the plan.
    steps.sort_by_key(|step| urgency(step));
    let open = steps.iter().filter(|step| step.action != Action::Nothing).count();
    let rows = html! {
        @for step in steps {
            tr {
                td { (step_state(step)) }
                th scope="row" { code { (plain(&step.id)) } }
                td { code { (step.account) } }
                td.wide {
                    (plain(&step.why))
                    @for note in &step.notes { " " (plain(note)) }
                }
                td.wide { @if let Some(hint) = &step.hint { (plain(hint)) } }
            }
        }
    };
    let heading = match open {
        0 => "Bootstrap: every step matches".to_owned(),
        _ => format!("Bootstrap: {} left", counted(open, "step")),
    };
    let columns = ["State", "Step", "Account", "Why", "What to do"];
    let body = html! {
        (list("Steps of bootstrap", &columns, &rows))
        @if open > 0 { div.pad { (command("Complete it", "orgtrail bootstrap --apply")) } }
    };
    card("bootstrap", &heading, &aside(view, read), &body)
}

fn urgency(step: &Step) -> u8 {
    match step.action {
        Action::Refused => 0,
        Action::Blocked => 1,
        Action::Create | Action::Update | Action::Delete => 2,
        Action::Nothing => 3,
    }
}

fn step_state(step: &Step) -> Markup {
    match step.action {
        Action::Refused => tag("failed", "refused"),
        Action::Blocked if step.unreadable => tag("unreadable", "unreadable"),
        Action::Blocked => tag("late", "blocked"),
        Action::Create => tag("late", "missing"),
        Action::Update | Action::Delete => tag("late", "differs"),
        Action::Nothing => tag("resolved", "matches"),
    }
}

fn stacks_card(view: &View, read: &RoleStacks, found: &Found) -> Markup {
    let all = found.stacks.len();
    if all == 0 {
        return Markup::default();
    }
    let current = found.stacks.iter().filter(|stack| stack.is_current).count();
    let rows = html! { @for stack in found.stacks.iter().take(STACKS) { (stack_row(stack)) } };
    let columns = ["State", "Account", "Stack", "Status", "Cause", "What to do"];
    let body = html! {
        (list("Stacks of the roles", &columns, &rows))
        @if all > STACKS {
            (only_note(&html! { "The first " (count(STACKS)) " of " (count(all)) " stacks." }))
        }
    };
    let heading = format!("Stacks: {current} of {all} current");
    card("stacks", &heading, &aside(view, read), &body)
}

fn stack_row(stack: &AccountStack) -> Markup {
    let is_left_out = stack.detailed_status.starts_with("SKIPPED");
    let state = match (stack.is_current, is_left_out) {
        (true, _) => tag("resolved", "current"),
        (false, true) => tag("excluded", "skipped"),
        (false, false) => tag("failed", "not current"),
    };
    let (cause, hint) = match &stack.cause {
        Some((cause, hint)) => (cause.as_str(), hint.as_deref().unwrap_or_default()),
        None => ("", ""),
    };
    html! { tr {
        td { (state) }
        th scope="row" { code { (stack.account) } }
        td { code { (plain(&stack.stack)) } }
        td { (plain(&stack.status)) " " (plain(&stack.detailed_status)) }
        td.wide { (plain(cause)) }
        td.wide { (plain(hint)) }
    } }
}
