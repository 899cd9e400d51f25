//! The parts that pages are made of, other than those that reports have too.

use maud::{Markup, html};

use super::query::{Part, Query};
use crate::names::AccountId;
use crate::printable::plain;
use crate::report::contract::checks::Severity;
use crate::report::contract::round::Outcome;
use crate::report::contract::service::{SignalState, Verdict};
pub(super) use crate::report::html::{
    Fact, button, capital, card, command, count, facts, list, note, only_note, prose, quoted,
    scroll, severity, severity_word, size, tag, verdict,
};
use crate::serve::board::State;

/// The severity of what is wrong; of what could not be read, that.
pub(super) fn weight(of: Severity, state: SignalState) -> Markup {
    match state {
        SignalState::Failing => severity(of),
        SignalState::Unreadable => tag("unreadable", "unreadable"),
    }
}

/// The state of an account in a Region.
pub(super) fn state(state: State) -> Markup {
    tag(state.word(), state.word())
}

/// The word and the class of a verdict.
pub(super) const fn verdict_word(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Fine => ("Fine", "resolved"),
        Verdict::Attention => ("Attention", "late"),
        Verdict::Unknown => ("Unknown", "unreadable"),
        Verdict::Failed => ("Failed", "failed"),
    }
}

/// The result of a round or of a part.
pub(super) fn outcome(outcome: Outcome) -> Markup {
    let (class, word) = match outcome {
        Outcome::Clean => ("resolved", "clean"),
        Outcome::Drift | Outcome::ChangesPending => ("late", "drift"),
        Outcome::Incomplete => ("unreadable", "incomplete"),
        Outcome::IntegrityFailure => ("failed", "failed"),
        Outcome::Refused => ("failed", "refused"),
        Outcome::Unexpected | Outcome::Usage => ("failed", "error"),
    };
    tag(class, word)
}

/// A choice of a form.
pub(super) fn select<'a>(
    label: &str,
    name: &str,
    all: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
    query: &Query,
) -> Markup {
    let current = query.get(name);
    html! {
        label {
            (label) " "
            select name=(name) {
                @if !all.is_empty() { option value="" { (all) } }
                @for (value, text) in options {
                    option value=(plain(value)) selected[current == Some(&*plain(value))] { (plain(text)) }
                }
            }
        }
    }
}

/// A text field of a form.
pub(super) fn field(label: &str, name: &str, value: &str) -> Markup {
    html! {
        label { (label) " " input name=(name) autocomplete="off" value=[Some(plain(value)).filter(|it| !it.is_empty())]; }
    }
}

/// The links to the other pages of a list.
pub(super) fn pages(part: Part, link: impl Fn(&str) -> String) -> Markup {
    let before = (part.page > 1).then(|| link(&(part.page - 1).to_string()));
    let after = (part.page < part.pages).then(|| link(&(part.page + 1).to_string()));
    html! {
        @if part.pages > 1 {
            nav.pad aria-label="Pages" {
                p {
                    @if let Some(before) = before { a href=(before) { "Previous page" } " " }
                    "Page " (count(part.page)) " of " (count(part.pages)) " "
                    @if let Some(after) = after { a href=(after) { "Next page" } }
                }
            }
        }
    }
}

/// The way to a page below another one.
pub(super) fn crumbs(above: &[(&str, &str)], current: &Markup) -> Markup {
    html! {
        nav.crumbs aria-label="Breadcrumb" { ol {
            @for (link, name) in above {
                @if link.is_empty() { li { (plain(name)) } }
                @else { li { a href=(link) { (plain(name)) } } }
            }
            li aria-current="page" { (current) }
        } }
    }
}

/// The path of the page of an account.
pub(super) fn account_path(account: &AccountId) -> String {
    format!("/chains/{account}")
}

/// `is`, or `are` for other numbers than 1.
pub(super) fn is_or_are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}
