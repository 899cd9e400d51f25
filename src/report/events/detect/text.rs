use std::fmt::Write as _;

use super::remarks;
use crate::events::detections::{DetectedFinding, Detections, RuleSet};
use crate::printable::plain;
use crate::report::events::{coverage_lines, files_read, proof_lines};
use crate::words::counted;

/// The most problems of rules that a report lists.
const MAX_PROBLEMS: usize = 10;

/// The findings as a timeline for people, and what was read.
#[must_use]
pub fn text(detections: &Detections) -> String {
    let mut text = String::new();
    for one in &detections.findings {
        finding(&mut text, one);
    }
    if !detections.findings.is_empty() {
        text.push('\n');
    }
    summary(&mut text, detections);
    text
}

fn finding(text: &mut String, detected: &DetectedFinding) {
    let finding = &detected.finding;
    let at = finding.at().map_or_else(|| "no time".to_owned(), |at| at.to_string());
    let severity = detected.severity.as_str().to_uppercase();
    let proof = detected.proof.map(|proof| format!("{}  ", proof.as_str())).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{at:20}  {severity:8}  {proof}{}", plain(&finding.rule.title));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:8} {}", plain(value));
    };
    line("rule:", &rule(detected));
    line("about:", &finding.about);
    let event = detected.first();
    let field = |value: Option<&String>| value.map_or("-", String::as_str).to_owned();
    line(
        "who:",
        &format!(
            "{} from {}",
            field(event.and_then(|event| event.principal.as_ref())),
            field(event.and_then(|event| event.source_ip.as_ref())),
        ),
    );
    let times = match (finding.count, finding.last_at) {
        (0 | 1, _) | (_, None) => String::new(),
        (count, Some(last)) => format!(", {count} times until {last}"),
    };
    line(
        "what:",
        &format!(
            "{} in {} of {}{times}",
            field(event.and_then(|event| event.name.as_ref())),
            field(event.and_then(|event| event.region.as_ref())),
            field(event.and_then(|event| event.account.as_ref())),
        ),
    );
    let error = event.and_then(|event| event.error.as_deref());
    let mut notes: Vec<&str> = remarks(detected);
    notes.extend(error);
    notes.extend(finding.details.iter().map(String::as_str));
    if !notes.is_empty() {
        line("notes:", &notes.join(", "));
    }
    line(
        "event:",
        &format!(
            "{} in {}",
            field(event.and_then(|event| event.id.as_ref())),
            event.map_or("-", |event| event.key.as_str()),
        ),
    );
    if !finding.rule.why.is_empty() {
        line("why:", &first_line(&finding.rule.why));
    }
    if !finding.rule.fix.is_empty() {
        line("fix:", &finding.rule.fix);
    }
}

/// A rule with its techniques, and with its author if it is someone else's.
fn rule(detected: &DetectedFinding) -> String {
    let rule = &detected.finding.rule;
    let techniques = rule.techniques.join(", ");
    let mut words = rule.id.clone();
    if !techniques.is_empty() {
        let _ = write!(words, " ({techniques})");
    }
    if let Some(source) = &rule.sigma {
        let author = source.author.as_deref().unwrap_or("an unnamed author");
        let _ = write!(words, " by {author}, {}", source.file);
    }
    words
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn summary(text: &mut String, detections: &Detections) {
    let coverage = &detections.coverage;
    let more = match detections.left_out {
        0 => String::new(),
        more => format!(" (INCOMPLETE: {more} more are left out)"),
    };
    let _ = writeln!(
        text,
        "{}{more} in {}, {}",
        counted(detections.findings.len() as u64, "finding"),
        counted(coverage.records, "record"),
        files_read(coverage),
    );
    text.push_str(&coverage_lines(&detections.place, coverage));
    let facts = &detections.facts;
    if !facts.is_configured {
        text.push_str(
            "trail: no configuration: rules about trails and the organization apply to any, \
             and rules about other resources to none\n",
        );
    }
    for (resource, why) in &facts.unknown {
        let _ = writeln!(
            text,
            "trail: the id of {} is not known, so events that may concern it are possible \
             findings: {}",
            plain(resource),
            plain(why)
        );
    }
    match &detections.first_uses {
        None => text.push_str("first use of Regions: not checked (use `--baseline 30d`)\n"),
        Some(uses) => {
            let _ = writeln!(
                text,
                "first use of Regions: compared with {} of account and Region in the baseline",
                counted(uses.in_baseline, "pair")
            );
            for account in &uses.without_baseline {
                let _ = writeln!(
                    text,
                    "  account {} was not used in the baseline: not checked",
                    plain(account)
                );
            }
            if uses.left_out > 0 {
                let _ = writeln!(text, "INCOMPLETE: {} uses were left out", uses.left_out);
            }
        }
    }
    if let Some(rules) = &detections.rules {
        rule_lines(text, rules, false);
    }
    if detections.was_stopped {
        text.push_str("INCOMPLETE: the detection was stopped\n");
    }
    text.push_str(&proof_lines(detections.proof.as_ref()));
}

/// What is wrong with the rules of a directory.
#[must_use]
pub fn lint(rules: &RuleSet) -> String {
    let mut text = String::new();
    rule_lines(&mut text, rules, true);
    text
}

fn rule_lines(text: &mut String, rules: &RuleSet, lists_all: bool) {
    let other = match rules.of_other_logs {
        0 => String::new(),
        other => format!(", {} for other logs left out", counted(other as u64, "rule")),
    };
    let _ = writeln!(
        text,
        "rules: {} in {} of {}{other}",
        counted(rules.used as u64, "Sigma rule"),
        counted(rules.files as u64, "file"),
        plain(&rules.directory),
    );
    let unusable = rules.unusable().count();
    if unusable > 0 {
        let _ = writeln!(
            text,
            "INCOMPLETE: {}",
            match unusable {
                1 => "1 rule or file cannot be used".to_owned(),
                many => format!("{many} rules or files cannot be used"),
            }
        );
    }
    let listed = if lists_all { usize::MAX } else { MAX_PROBLEMS };
    for problem in rules.problems.iter().take(listed) {
        let rule = problem.rule.as_ref().map(|rule| format!(", {rule}")).unwrap_or_default();
        let kind = if problem.is_unusable { "error" } else { "warning" };
        let _ = writeln!(
            text,
            "  {kind} [{}] {}{}: {}",
            problem.check,
            plain(&problem.file),
            plain(&rule),
            plain(&problem.message)
        );
    }
    if let Some(more) = rules.problems.len().checked_sub(listed).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more: `--lint` lists all");
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn findings_are_listed_with_who_what_and_what_to_do() {
        insta::assert_snapshot!(text(&samples::detections()));
    }

    #[test]
    fn nothing_in_a_record_or_rule_acts_on_the_terminal() {
        let text = text(&samples::hostile());
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| !line.starts_with("FORGED")), "{text}");
    }
}
