use std::fmt::Write as _;

use serde_json::Value;

use super::{Action, FieldChange, Plan, Step};
use crate::resources::Undeclared;

impl Plan {
    /// The plan as text.
    ///
    /// Steps without changes are omitted, unless they have notes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            if step.action != Action::Nothing || !step.notes.is_empty() {
                step_text(step, &mut text);
            }
        }
        if !self.undeclared.is_empty() {
            text.push_str("Active in AWS but not in the configuration; left unchanged:\n");
        }
        for Undeclared { id, key, what, .. } in &self.undeclared {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {id}: {what} ({key})");
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    /// The plan in one sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |action: Action| self.steps.iter().filter(|s| s.action == action).count();
        let parts: Vec<String> = [
            (Action::Create, "to create"),
            (Action::Update, "to update"),
            (Action::Delete, "to delete"),
            (Action::Blocked, "blocked"),
            (Action::Refused, "refused"),
        ]
        .into_iter()
        .map(|(action, word)| (count(action), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
        let unchanged = count(Action::Nothing);
        if parts.is_empty() {
            return format!("No changes: {unchanged} resources match the configuration.");
        }
        format!("Plan: {}; {unchanged} unchanged.", parts.join(", "))
    }
}

fn step_text(step: &Step, text: &mut String) {
    let sign = match step.action {
        Action::Nothing => ' ',
        Action::Create => '+',
        Action::Update => '~',
        Action::Delete => '-',
        Action::Blocked => '!',
        Action::Refused => 'x',
    };
    let region = step.region.as_ref().map(|region| format!(" {region}")).unwrap_or_default();
    let action = if step.action == Action::Nothing { "unchanged" } else { step.action.as_str() };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{sign} {} ({action}) in {}{region}", step.id, step.account);
    if !step.why.is_empty() {
        let _ = writeln!(text, "    why: {}", step.why);
    }
    if let Some(hint) = &step.hint {
        let _ = writeln!(text, "    hint: {hint}");
    }
    for change in &step.changes {
        let _ = writeln!(text, "    {}", change_text(change));
    }
    if let Some(irreversible) = &step.irreversible {
        let _ = writeln!(
            text,
            "    IRREVERSIBLE: {} (confirm with {})",
            irreversible.what,
            irreversible.flags()
        );
    }
    for note in &step.notes {
        let _ = writeln!(text, "    note: {note}");
    }
}

fn change_text(change: &FieldChange) -> String {
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("{}: {}", change.path, value_text(after)),
        (Some(before), None) => format!("{}: {} → (none)", change.path, value_text(before)),
        (Some(before), Some(after)) => {
            format!("{}: {} → {}", change.path, value_text(before), value_text(after))
        }
        (None, None) => change.path.clone(),
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(value_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
