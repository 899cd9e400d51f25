//! The parts that reports and pages in HTML are made of. `style.css` has their look.

use indicatif::{HumanBytes, HumanCount};
use maud::{DOCTYPE, Markup, html};

use super::contract::checks::Severity;
use crate::names::Region;
use crate::printable::{lines, plain};

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");

/// What all pages have in common: head, navigation and footer.
#[derive(Debug)]
pub(crate) struct Document {
    /// The title of the window.
    pub(crate) title: String,
    /// The style sheet, what the page may load, and its script.
    pub(crate) head: Markup,
    /// What the page is about, beside the name of the program.
    pub(crate) header: Markup,
    /// The links to other pages or sections.
    pub(crate) navigation: Markup,
    /// The content.
    pub(crate) main: Markup,
    /// More about the page, behind the version.
    pub(crate) footer: Markup,
}

impl Document {
    /// The page. `home` is where the name of the program leads, if anywhere.
    pub(crate) fn render(&self, home: Option<&str>) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (plain(&self.title)) }
                    (self.head)
                }
                body {
                    a.skip href="#main" { "Skip to main content" }
                    header.top {
                        div.bar {
                            @match home {
                                Some(home) => { a.brand href=(home) { "orgtrail" } },
                                None => { span.brand { "orgtrail" } },
                            }
                            (self.header)
                        }
                        (self.navigation)
                    }
                    main #main { (self.main) }
                    footer { p { "orgtrail " (env!("CARGO_PKG_VERSION")) ". " (self.footer) } }
                }
            }
        }
    }
}

/// A heat map: a row for each account, a column for each Region. `body` are its bodies.
pub(crate) fn map<'r>(
    caption: &str,
    first: &str,
    regions: impl IntoIterator<Item = &'r Region>,
    body: &Markup,
) -> Markup {
    let table = html! {
        table.map {
            caption.vh { (plain(caption)) }
            thead { tr {
                th scope="col" { (first) }
                @for region in regions { th.region scope="col" { span { (region) } } }
            } }
            (body)
        }
    };
    scroll(caption, &table)
}

/// A state: its color and symbol by its class, and its word.
pub(crate) fn tag(class: &str, word: &str) -> Markup {
    html! { span.tag.(class) { (word) } }
}

/// The severity of a finding.
pub(crate) fn severity(severity: Severity) -> Markup {
    let word = severity_word(severity);
    match severity {
        Severity::Low => html! { span.tag { (word) } },
        _ => tag(word, word),
    }
}

/// The word of a severity.
pub(crate) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// The verdict of a page. `class` is `bad`, `run`, or empty if everything is fine.
pub(crate) fn verdict(
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
pub(crate) fn button(link: &str, text: &str) -> Markup {
    html! { p { a.button href=(link) { (text) } } }
}

/// A fact: its name, its value, and something about it.
#[derive(Debug)]
pub(crate) struct Fact {
    /// Its name.
    pub(crate) name: Markup,
    /// Its value.
    pub(crate) value: Markup,
    /// More about it.
    pub(crate) more: Markup,
}

/// Some facts in a row.
pub(crate) fn facts(facts: &[Fact]) -> Markup {
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
pub(crate) fn card(id: &str, heading: &str, aside: &Markup, body: &Markup) -> Markup {
    html! {
        section.card aria-labelledby=(id) {
            header { h2 id=(id) { (heading) } @if !aside.0.is_empty() { p { (aside) } } }
            (body)
        }
    }
}

/// Something that replaces or explains the content of a section.
pub(crate) fn note(text: &Markup) -> Markup {
    html! { p.note { (text) } }
}

/// The same in a section without other content.
pub(crate) fn only_note(text: &Markup) -> Markup {
    html! { div.pad { (note(text)) } }
}

/// Something wide that scrolls on its own.
pub(crate) fn scroll(label: &str, content: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(plain(label)) { (content) } }
}

/// A table of results. The heads of columns with numbers begin with `#`.
pub(crate) fn list(label: &str, columns: &[&str], rows: &Markup) -> Markup {
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
pub(crate) fn command(label: &str, text: &str) -> Markup {
    html! { pre tabindex="0" role="group" aria-label=(plain(label)) { code { (lines(text)) } } }
}

/// A text in a command line, in quotes where the shell requires them.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text with commands and names between backticks.
pub(crate) fn prose(text: &str) -> Markup {
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
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    HumanCount(number.try_into().unwrap_or(u64::MAX)).to_string()
}

/// A size: `86.40 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A text with a capital letter at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
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
