//! Notifications in words, a line for each group of changes.

use std::fmt::Write as _;

use crate::printable::plain;
use crate::report::contract::checks::Severity;
use crate::report::contract::notification::{ChangeCounts, Group, Notification, Transition};
use crate::words::counted;

/// The longest part of a line that comes from outside. Units: characters.
const LONGEST: usize = 200;

/// What changed, in one line: `2 new, 1 resolved`.
pub(super) fn summary(changes: &ChangeCounts) -> String {
    let ChangeCounts { new, worse, changed, unreadable, reminders, resolved } = *changes;
    let counts = [
        (new, Transition::New),
        (worse, Transition::Worse),
        (changed, Transition::Changed),
        (unreadable, Transition::Unreadable),
        (reminders, Transition::Reminder),
        (resolved, Transition::Resolved),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, transition)| {
            let count = counted(count, "");
            format!("{} {}", count.split(' ').next().unwrap_or_default(), transition.word())
        })
        .collect();
    words.join(", ")
}

/// The first line: what it is about.
pub(super) fn headline(notification: &Notification) -> String {
    let test = if notification.is_test { "Test: " } else { "" };
    format!("{test}orgtrail: {}", summary(&notification.changes))
}

/// A group in one line.
pub(super) fn line(group: &Group) -> String {
    let what = match group.transition {
        Transition::Resolved => "resolved".to_owned(),
        transition => format!("{}, {}", word(group.severity), transition.word()),
    };
    let mut line = format!("{what}: {}", short(&group.title));
    if group.findings == 1 {
        let place = group.places.first().map(|place| short(place)).unwrap_or_default();
        let _ = write!(line, " ({place})");
        if group.transition != Transition::Resolved && !group.found.is_empty() {
            let _ = write!(line, ": {}", short(&group.found));
        }
        return line;
    }
    let number = match group.account_count {
        0 => counted(group.findings, "finding"),
        accounts if accounts == group.findings => counted(accounts, "account"),
        accounts => {
            format!("{} in {}", counted(group.findings, "finding"), counted(accounts, "account"))
        }
    };
    let _ = write!(line, ": {number}");
    if !group.units.is_empty() {
        let units: Vec<String> = group
            .units
            .iter()
            .map(|unit| format!("{}: {}", short(&unit.unit_path), unit.findings))
            .collect();
        let _ = write!(line, " ({}", units.join(", "));
        let more = group.unit_count.saturating_sub(group.units.len());
        if more > 0 {
            let _ = write!(line, ", {}", counted(more, "more unit"));
        }
        line.push(')');
    }
    line
}

/// The whole notification as plain text.
pub(super) fn text(notification: &Notification) -> String {
    let mut text = format!("{}\n{}\n\n", headline(notification), plain(&notification.sentence));
    for group in &notification.groups {
        let _ = writeln!(text, "- {}", line(group));
        if let Some(fix) = fix(group) {
            let _ = writeln!(text, "  fix: {fix}");
        }
    }
    if let Some(more) = left_out(notification) {
        let _ = writeln!(text, "- {more}");
    }
    text.push('\n');
    if let Some(url) = &notification.url {
        let _ = writeln!(text, "Round: {url}");
    }
    let _ = writeln!(
        text,
        "Organization of {}, schedule {}, round {}, exit code {}, notification {}",
        notification.management_account,
        notification.schedule,
        notification.round,
        notification.exit_code,
        notification.id
    );
    text
}

/// How to fix a group, if something is to be fixed.
pub(super) fn fix(group: &Group) -> Option<String> {
    let fix = group.fix.as_deref().filter(|_| group.transition != Transition::Resolved)?;
    Some(short(fix))
}

/// How many groups and findings are left out, in words.
pub(super) fn left_out(notification: &Notification) -> Option<String> {
    let where_to = if notification.url.is_some() { ": see the page of the round" } else { "" };
    let lines = notification.groups_left_out;
    let findings = notification.findings_not_followed;
    let counts = [(lines, "more line"), (findings, "more finding")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, noun)| counted(count, noun)).collect();
    (!counts.is_empty()).then(|| format!("and {}{where_to}", counts.join(", ")))
}

pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// A text from outside on one line, safe to print, and not longer than a line.
pub(super) fn short(text: &str) -> String {
    shortened(&plain(text), LONGEST)
}

/// A text of at most this many characters.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{change, message};
    use super::*;

    #[test]
    fn a_notification_is_a_few_lines_with_the_most_severe_first() {
        let mut changes = vec![change(Transition::New, Severity::Critical, 1, "digest-missing")];
        changes.extend((1..=400).map(|number| {
            change(Transition::Unreadable, Severity::Medium, number, "org-coverage")
        }));
        changes.push(change(Transition::Resolved, Severity::High, 2, "key-rotation"));
        let url = Some("https://orgtrail.example/rounds/1".to_owned());
        let mut message = message(changes);
        message.not_followed = 1234;
        insta::assert_snapshot!(text(&message.notification(url, 0)));
    }

    #[test]
    fn texts_of_accounts_stay_on_their_line() {
        let mut one = change(Transition::New, Severity::High, 1, "a");
        one.finding.found = "x\nResolved: everything\u{1b}[2J".repeat(40);
        let document = message(vec![one]).notification(None, 0);
        let line = line(&document.groups[0]);
        assert!(!line.contains('\n') && !line.contains('\u{1b}') && line.len() < 400, "{line}");
    }
}
