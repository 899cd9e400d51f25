//! Mistakes in rules that the language allows, and that let them match nothing.

use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue};

use super::Problem;
use super::bounds::each_item;
use super::fields::field_problem;
use super::names::{source_problem, written_as};

/// The most problems of a rule that are reported.
const MAX_PROBLEMS: usize = 50;

/// What is wrong with a rule.
pub(super) fn lint(file: &str, rule: &SigmaRule) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |check: &'static str, message: String| {
        let problem = Problem {
            file: file.to_owned(),
            rule: Some(rule.title.clone()),
            check,
            message,
            is_unusable: false,
        };
        if problems.len() < MAX_PROBLEMS && !problems.contains(&problem) {
            problems.push(problem);
        }
    };
    // The order of a map would make reports differ.
    let mut named: Vec<(&String, &Detection)> = rule.detection.named.iter().collect();
    named.sort_unstable_by_key(|(name, _)| *name);
    for (_, detection) in named {
        let sources = sources(detection);
        each_item(detection, &mut |item| {
            let field = item.field.name.as_deref().unwrap_or_default();
            if !field.is_empty()
                && let Some(message) = field_problem(field)
            {
                add("field", message);
            }
            if item.field.has_modifier(Modifier::Expand) {
                add("modifier", format!("`{field}|expand` needs values that nothing gives it"));
            }
            for value in exact_values(item) {
                let problem = match field {
                    "eventName" => name_problem(&sources, &value).map(|it| ("event-name", it)),
                    "eventSource" => source_problem(&value).map(|it| ("event-source", it)),
                    _ => None,
                };
                if let Some((check, message)) = problem {
                    add(check, message);
                }
            }
        });
    }
    if rule.author.as_deref().is_none_or(str::is_empty) {
        add("author", "the rule names no author, so reports cannot name one".to_owned());
    }
    if rule.level.is_none() {
        add("level", "the rule has no `level`: it counts as medium".to_owned());
    }
    problems
}

fn name_problem(sources: &[String], name: &str) -> Option<String> {
    let right = if sources.is_empty() {
        written_as("", name)
    } else {
        sources.iter().find_map(|source| written_as(source, name))
    }?;
    Some(format!("CloudTrail never writes the event name `{name}`, but `{right}`"))
}

/// The event sources that a selection asks for.
fn sources(detection: &Detection) -> Vec<String> {
    let mut sources = Vec::new();
    each_item(detection, &mut |item| {
        if item.field.name.as_deref() == Some("eventSource") {
            sources.extend(exact_values(item));
        }
    });
    sources
}

/// The values with which a field is compared as a whole.
fn exact_values(item: &DetectionItem) -> Vec<String> {
    let compares_parts = item
        .field
        .modifiers
        .iter()
        .any(|modifier| !matches!(modifier, Modifier::All | Modifier::Cased | Modifier::Neq));
    if compares_parts {
        return Vec::new();
    }
    let plain = |value: &SigmaValue| match value {
        SigmaValue::String(text) => text.as_plain(),
        _ => None,
    };
    item.values.iter().filter_map(plain).collect()
}
