use std::fmt::Write as _;

use serde_json::Value;

use super::{Action, FieldChange, Plan, Step};
use crate::resources::Undeclared;

impl Plan {
    /// The plan as people read it.
    ///
    /// Steps that do nothing are left out, save where they have notes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            if step.action != Action::Nothing || !step.notes.is_empty() {
                step_text(step, &mut text);
            }
        }
        if !self.undeclared.is_empty() {
            text.push_str("Live, but not declared in the configuration; left as it is:\n");
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
        let settled = count(Action::Nothing);
        if parts.is_empty() {
            return format!("Nothing to do: {settled} resources are as declared.");
        }
        format!("Plan: {}; {settled} as declared.", parts.join(", "))
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
    let action = if step.action == Action::Nothing { "as declared" } else { step.action.as_str() };
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
        (None, Some(after)) => format!("{}: {}", change.path, shown(after)),
        (Some(before), None) => format!("{}: {} → (none)", change.path, shown(before)),
        (Some(before), Some(after)) => {
            format!("{}: {} → {}", change.path, shown(before), shown(after))
        }
        (None, None) => change.path.clone(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
