//! What a found trail records, as sections of the config.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::config::{AdvancedEventSelector, EventSelector, FieldSelector, Selectors};

/// The sections of selectors below `[trail]`.
pub(super) fn selectors(selectors: &Selectors) -> String {
    let mut text = String::new();
    match selectors {
        Selectors::Classic(all) => all.iter().for_each(|one| classic(one, &mut text)),
        Selectors::Advanced(all) => all.iter().for_each(|one| advanced(one, &mut text)),
    }
    text
}

// Writing to a string cannot fail.
fn classic(one: &EventSelector, text: &mut String) {
    let _ = writeln!(text, "\n[[trail.event_selectors]]");
    let _ = writeln!(text, "read_write_type = {}", quoted(one.read_write_type.as_str()));
    let _ = writeln!(text, "include_management_events = {}", one.include_management_events);
    if !one.exclude_management_event_sources.is_empty() {
        let excluded = one.exclude_management_event_sources.iter().map(|one| one.as_str());
        let _ = writeln!(text, "exclude_management_event_sources = {}", list(excluded));
    }
    if one.data_resources.is_empty() {
        return;
    }
    text.push_str("data_resources = [\n");
    for data in &one.data_resources {
        let (kind, values) =
            (quoted(&data.resource_type), list(data.values.iter().map(String::as_str)));
        let _ = writeln!(text, "    {{ resource_type = {kind}, values = {values} }},");
    }
    text.push_str("]\n");
}

fn advanced(one: &AdvancedEventSelector, text: &mut String) {
    let _ = writeln!(text, "\n[[trail.advanced_event_selectors]]");
    if let Some(name) = &one.name {
        let _ = writeln!(text, "name = {}", quoted(name));
    }
    text.push_str("field_selectors = [\n");
    for field in &one.field_selectors {
        let _ = writeln!(text, "    {{ {} }},", conditions(field));
    }
    text.push_str("]\n");
}

fn conditions(field: &FieldSelector) -> String {
    let mut parts = vec![format!("field = {}", quoted(&field.field))];
    for (operator, values) in field.operators() {
        if !values.is_empty() {
            parts.push(format!("{operator} = {}", list(values.iter().map(String::as_str))));
        }
    }
    parts.join(", ")
}

/// The section `[trail.insights]`; empty without Insights.
pub(super) fn insights(types: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = String::new();
    for (kind, key) in [("ApiCallRateInsight", "call_rate"), ("ApiErrorRateInsight", "error_rate")]
    {
        if let Some(categories) = types.get(kind) {
            let categories = list(categories.iter().map(String::as_str));
            let _ = writeln!(text, "{key} = true\n{key}_events = {categories}");
        }
    }
    if text.is_empty() { text } else { format!("\n[trail.insights]\n{text}") }
}

fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", values.map(quoted).collect::<Vec<_>>().join(", "))
}

/// A TOML string; what others wrote cannot end it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
