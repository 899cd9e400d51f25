//! TOML as a tree of values that know where they stand.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Origin};

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A key, its own place, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Vec<Entry>),
    /// What no key of the config takes (floats, dates, integers past 64 bits):
    /// TOML's name of its type, and its text.
    Foreign(&'static str, String),
}

impl Node {
    pub(super) fn empty_table() -> Self {
        Self { value: Value::Table(Vec::new()), origin: Origin::Default }
    }

    pub(super) fn child(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
            }
            _ => None,
        }
    }

    /// The value at a dotted path, tables made on the way; none where something
    /// else than a table stands in the way.
    pub(super) fn at_path(&mut self, path: &[&str], origin: &Origin) -> Option<&mut Self> {
        let [first, rest @ ..] = path else { return Some(self) };
        let Value::Table(entries) = &mut self.value else { return None };
        let place = entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
            let node = Self { value: Value::Table(Vec::new()), origin: origin.clone() };
            entries.push(Entry { key: (*first).to_owned(), origin: origin.clone(), node });
            entries.len() - 1
        });
        entries[place].node.at_path(rest, origin)
    }

    /// What was found, for people: `the integer 5`, `a table`.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::String(text) => format!("the string \"{}\"", shorten(text)),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Boolean(truth) => format!("the boolean {truth}"),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Foreign(kind, text) => format!("the {kind} {}", shorten(text)),
        }
    }
}

pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        return text.escape_debug().to_string();
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{}…", head.escape_debug())
}

/// Past these, the file is probably something else.
const MOST_SYNTAX_ERRORS: usize = 10;

/// Reads TOML; every line with a syntax error is a finding.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Finding>> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let origin = lines.origin(&table.span());
        return Ok(Node { value: convert_table(table.get_ref(), &lines), origin });
    }
    let mut findings: Vec<Finding> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().trim().replace('\n', ", ");
            let at_end = text.get(span.start..).is_none_or(|rest| rest.trim().is_empty());
            let hint = if at_end {
                "the file ends too early: was it cut short?"
            } else {
                "strings are in quotes, and tables start with `[name]`"
            };
            Finding::error("", lines.origin(&span), format!("not TOML: {message}")).with_hint(hint)
        })
        .collect();
    // The first of each line: the others mostly follow from it.
    findings.sort_by_key(|finding| finding.origin.rank());
    findings.dedup_by_key(|finding| finding.origin.rank().0);
    findings.truncate(MOST_SYNTAX_ERRORS);
    Err(findings)
}

fn convert_table(table: &DeTable<'_>, lines: &Lines) -> Value {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: key.get_ref().to_string(),
                origin: lines.origin(&key.span()),
                node: Node {
                    value: convert(value.get_ref(), lines),
                    origin: lines.origin(&value.span()),
                },
            };
            (key.span().start, entry)
        })
        .collect();
    // In the file's order, so that findings are too.
    entries.sort_by_key(|(start, _)| *start);
    Value::Table(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn convert(value: &DeValue<'_>, lines: &Lines) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Foreign("integer", number.to_string()), Value::Integer),
        DeValue::Float(number) => Value::Foreign("float", number.to_string()),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(date) => Value::Foreign("date", date.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| Node {
                    value: convert(item.get_ref(), lines),
                    origin: lines.origin(&item.span()),
                })
                .collect(),
        ),
        DeValue::Table(table) => convert_table(table, lines),
    }
}

/// Byte offsets to lines and columns.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(after_newlines.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let line = self.starts.partition_point(|start| *start <= span.start).max(1);
        let before = self.text.get(self.starts[line - 1]..span.start).unwrap_or_default();
        Origin::File { line, column: before.chars().count() + 1 }
    }
}
