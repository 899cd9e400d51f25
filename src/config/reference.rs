//! The reference of all keys as Markdown, from the JSON Schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Config;
use super::section::ORDER;

impl Config {
    /// A Markdown section for every table, with its keys, types and defaults.
    #[must_use]
    pub fn reference() -> String {
        let schema = Config::json_schema().to_value();
        let mut text = String::new();
        table(&schema, "", &mut text);
        text
    }
}

fn table(schema: &Value, path: &str, text: &mut String) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let order = schema[ORDER].as_array().map_or(&[][..], Vec::as_slice);
    let declared = || order.iter().filter_map(|key| properties.get_key_value(key.as_str()?));
    // Keys with values first, as they must stand in the file.
    let rows: Vec<String> = declared()
        .filter(|(_, property)| inner(property).is_none())
        .map(|(key, property)| row(key, property, required.contains(&key.as_str().into())))
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(text, "| Key | Type | Default | |\n|---|---|---|---|");
        for row in rows {
            let _ = writeln!(text, "{row}");
        }
        text.push('\n');
    }
    for (key, property) in declared() {
        let Some((form, inner)) = inner(property) else { continue };
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let heading = match form {
            Form::Table => format!("[{path}]"),
            Form::List => format!("[[{path}]]"),
            Form::Named => format!("[{path}.<id>]"),
        };
        let place = if matches!(form, Form::Named) { format!("{path}.<id>") } else { path };
        let _ = writeln!(text, "### `{heading}`\n\n{}\n", description(property));
        let default = property.get("default").map(Value::to_string);
        if let Some(default) = default.filter(|default| default != "[]" && default != "{}") {
            let _ = writeln!(text, "Default: `{default}`\n");
        }
        table(inner, &place, text);
    }
}

enum Form {
    Table,
    List,
    Named,
}

/// The table that a property is, or is made of.
fn inner(property: &Value) -> Option<(Form, &Value)> {
    if property["properties"].is_object() {
        return Some((Form::Table, property));
    }
    let items = &property["items"];
    if items["properties"].is_object() {
        return Some((Form::List, items));
    }
    let named = &property["additionalProperties"];
    named["properties"].is_object().then_some((Form::Named, named))
}

fn row(key: &str, property: &Value, required: bool) -> String {
    let mut description = description(property);
    let mut default = match property.get("default") {
        Some(value) => format!("`{value}`"),
        None if required => "**required**".to_owned(),
        None => "not set".to_owned(),
    };
    if let Some((before, derived)) = description.clone().split_once("\n\nDefault: ") {
        derived.trim_end_matches('.').clone_into(&mut default);
        before.clone_into(&mut description);
    }
    let words = words(property);
    if words.len() > 1 && words.iter().any(|(_, meaning)| !meaning.is_empty()) {
        let meanings = words.iter().filter(|(_, meaning)| !meaning.is_empty());
        let meanings: Vec<String> = meanings
            .map(|(word, meaning)| format!("`{word}`: {}", meaning.trim_end_matches('.')))
            .collect();
        description = format!("{description}<br>{}", meanings.join("<br>"));
    }
    let description = description.replace("\n\n", "<br>").replace('|', "\\|");
    format!("| `{key}` | {} | {default} | {description} |", kind(property).replace('|', "\\|"))
}

/// A type in words.
fn kind(schema: &Value) -> String {
    let words = words(schema);
    if !words.is_empty() {
        let mut words: Vec<String> =
            words.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
        let others = schema["oneOf"].as_array().into_iter().flatten();
        words.extend(others.filter(|choice| choice.get("const").is_none()).map(kind));
        return words.join(", ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => format!("table of {}", kind(&schema["additionalProperties"])),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        _ => match schema["pattern"].as_str() {
            Some(pattern) => format!("string `{pattern}`"),
            None => "string".to_owned(),
        },
    }
}

/// The words that a choice is between, with what they mean.
fn words(schema: &Value) -> Vec<(&str, &str)> {
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    choices
        .filter_map(|choice| {
            Some((choice["const"].as_str()?, choice["description"].as_str().unwrap_or_default()))
        })
        .collect()
}

fn description(property: &Value) -> String {
    let empty = Map::new();
    let object = property.as_object().unwrap_or(&empty);
    object.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_keys_are_the_types_keys() {
        let documented = include_str!("../../docs/config.md");
        let reference = Config::reference();
        assert!(
            documented.contains(reference.trim()),
            "docs/config.md is out of date: put the output of `orgtrail config reference` in it"
        );
    }
}
