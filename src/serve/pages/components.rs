//! The parts that pages are made of. `style.css` has their look.

use indicatif::{HumanBytes, HumanCount};
use maud::{Markup, html};

use super::query::{Part, Query};
use crate::names::AccountId;
use crate::printable::{lines, plain};
use crate::report::contract::checks::Severity;
use crate::report::contract::round::Outcome;
use crate::report::contract::service::{SignalState, Verdict};
use crate::serve::board::State;

/// A state: its color and symbol by its class, and its word.
pub(super) fn tag(class: &str, word: &str) -> Markup {
    html! { span.tag.(class) { (word) } }
}

/// The severity of a finding.
pub(super) fn severity(severity: Severity) -> Markup {
    let word = severity_word(severity);
    match severity {
        Severity::Low => html! { span.tag { (word) } },
        _ => tag(word, word),
    }
}

/// The word of a severity.
pub(super) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

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

/// The verdict of a page. `class` is `bad`, `run`, or empty if everything is fine.
pub(super) fn verdict(
    class: &str,
    line: &Markup,
    sentence: &str,
    more: &Markup,
    aside: &Markup,
) -> Markup {
    let class = if class.is_empty() { String::new() } else { format!(" {class}") };
    html! {
        section class={ "card verdict" (class) } aria-labelledby="verdict" {
            div {
                p { (line) }
                h1 #verdict { (sentence) }
                @if !more.0.is_empty() { p.soft { (more) } }
            }
            (aside)
        }
    }
}

/// A button that leads to a link.
pub(super) fn button(link: &str, text: &str) -> Markup {
    html! { p { a.button href=(link) { (text) } } }
}

/// A fact: its name, its value, and something about it.
#[derive(Debug)]
pub(super) struct Fact {
    /// Its name.
    pub name: Markup,
    /// Its value.
    pub value: Markup,
    /// More about it.
    pub more: Markup,
}

/// Some facts in a row.
pub(super) fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl.card.facts {
            @for fact in facts {
                div {
                    dt { (fact.name) }
                    dd { (fact.value) }
                    @if !fact.more.0.is_empty() { dd { small { (fact.more) } } }
                }
            }
        }
    }
}

/// A section with a heading.
pub(super) fn card(id: &str, heading: &str, aside: &Markup, body: &Markup) -> Markup {
    html! {
        section.card aria-labelledby=(id) {
            header { h2 id=(id) { (heading) } @if !aside.0.is_empty() { p { (aside) } } }
            (body)
        }
    }
}

/// Something that replaces or explains the content of a section.
pub(super) fn note(text: &Markup) -> Markup {
    html! { p.note { (text) } }
}

/// The same in a section without other content.
pub(super) fn only_note(text: &Markup) -> Markup {
    html! { div.pad { (note(text)) } }
}

/// Something wide that scrolls on its own.
pub(super) fn scroll(label: &str, content: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(plain(label)) { (content) } }
}

/// A table of results. The heads of columns with numbers begin with `#`.
pub(super) fn list(label: &str, columns: &[&str], rows: &Markup) -> Markup {
    let head = html! {
        thead { tr {
            @for column in columns {
                @match column.strip_prefix('#') {
                    Some(name) => { th.num scope="col" { (name) } },
                    None => { th scope="col" { (column) } },
                }
            }
        } }
    };
    scroll(label, &html! { table.list { (head) tbody { (rows) } } })
}

/// A command or a setting to copy.
pub(super) fn command(label: &str, text: &str) -> Markup {
    html! { pre tabindex="0" role="group" aria-label=(plain(label)) { code { (lines(text)) } } }
}

/// A text in a command line, in quotes where the shell requires them.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
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

/// A text with commands and names between backticks.
pub(super) fn prose(text: &str) -> Markup {
    let text = plain(text);
    let is_paired = text.matches('`').count().is_multiple_of(2);
    html! {
        @if is_paired {
            @for (number, piece) in text.split('`').enumerate() {
                @if number % 2 == 0 { (piece) } @else { code { (piece) } }
            }
        } @else { (text) }
    }
}

/// A number: `1,904`.
pub(super) fn count(number: impl TryInto<u64>) -> String {
    HumanCount(number.try_into().unwrap_or(u64::MAX)).to_string()
}

/// A size: `86.40 MiB`.
pub(super) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// The path of the page of an account.
pub(super) fn account_path(account: &AccountId) -> String {
    format!("/chains/{account}")
}

/// A text with a capital letter at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `is`, or `are` for other numbers than 1.
pub(super) fn is_or_are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands_are_quoted_where_the_shell_requires_it() {
        assert_eq!(quoted("s3://acme/a-b_c.gz"), "s3://acme/a-b_c.gz");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'; rm -rf $HOME"), r"'a'\''; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
