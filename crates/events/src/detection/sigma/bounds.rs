//! What a rule may cost: bounds on its text, and on what is compiled from it.

use regex::RegexBuilder;
use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue};

/// The largest file. Units: bytes.
pub(super) const MAX_FILE: usize = 256 << 10;
/// The most documents of a file.
const MAX_DOCUMENTS: usize = 1_000;
/// What the documents of a file with a template may add up to. Units: bytes.
const MAX_EXPANDED: usize = 16 << 20;
/// The largest regular expression, compiled. Units: bytes.
const MAX_REGEX: usize = 256 << 10;
/// The most regular expressions of a rule.
const MAX_REGEXES: usize = 50;
/// The most dashes of a value with `windash`, each of which is tried in five forms.
const MAX_DASHES: usize = 3;

/// Why a file is not read.
pub(super) fn refuse_text(text: &str) -> Option<String> {
    if text.len() > MAX_FILE {
        return Some(format!("the file has {} bytes; at most {MAX_FILE} are read", text.len()));
    }
    let documents = text.lines().filter(|line| line.starts_with("---")).count() + 1;
    if documents > MAX_DOCUMENTS {
        return Some(format!("the file has more than {MAX_DOCUMENTS} rules"));
    }
    let has_template = text.lines().any(|line| line.starts_with("action:"));
    if has_template && documents * text.len() > MAX_EXPANDED {
        return Some("its template is repeated too often".to_owned());
    }
    let name = aliased(text)?;
    Some(format!("the alias `*{name}` is not read: aliases let a small file expand without limit"))
}

/// The name of an anchor that an alias repeats.
fn aliased(text: &str) -> Option<&str> {
    let anchors = tokens(text, '&');
    tokens(text, '*').into_iter().find(|name| anchors.contains(name))
}

/// The names that follow a mark at the beginning of a value.
fn tokens(text: &str, mark: char) -> Vec<&str> {
    let begins_value = |before: Option<char>| {
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '[' | '{' | ',' | ':' | '-'))
    };
    text.match_indices(mark)
        .filter(|(at, _)| begins_value(text[..*at].chars().next_back()))
        .map(|(at, _)| {
            let rest = &text[at + 1..];
            let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':');
            &rest[..rest.find(ends).unwrap_or(rest.len())]
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// Why a rule is not compiled.
pub(super) fn refuse_rule(rule: &SigmaRule) -> Option<String> {
    let mut regexes = 0;
    let mut problem = None;
    for detection in rule.detection.named.values() {
        each_item(detection, &mut |item| {
            for value in &item.values {
                problem = problem.take().or_else(|| refuse_value(item, value, &mut regexes));
            }
        });
    }
    problem
}

fn refuse_value(item: &DetectionItem, value: &SigmaValue, regexes: &mut usize) -> Option<String> {
    let SigmaValue::String(text) = value else { return None };
    let text = text.original.as_str();
    if item.field.has_modifier(Modifier::WindAsh) {
        let dashes = text.matches('-').count();
        return (dashes > MAX_DASHES)
            .then(|| format!("`windash` on a value with {dashes} dashes; at most {MAX_DASHES}"));
    }
    if !item.field.has_modifier(Modifier::Re) {
        return None;
    }
    *regexes += 1;
    if *regexes > MAX_REGEXES {
        return Some(format!("it has more than {MAX_REGEXES} regular expressions"));
    }
    let built = RegexBuilder::new(text).size_limit(MAX_REGEX).build();
    built.err().map(|error| format!("a regular expression cannot be used: {error}"))
}

/// Visits the conditions of a selection.
pub(super) fn each_item(detection: &Detection, visit: &mut impl FnMut(&DetectionItem)) {
    // No recursion: how deep the rule is nested is its author's choice.
    let mut open = vec![detection];
    while let Some(detection) = open.pop() {
        match detection {
            Detection::AllOf(items) => items.iter().for_each(&mut *visit),
            Detection::AnyOf(all) | Detection::And(all) => open.extend(all),
            Detection::ArrayMatch { body, .. } => open.push(body),
            Detection::Conditional { named, .. } => open.extend(named.values()),
            Detection::Keywords(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_aliases_and_repeated_templates_are_refused() {
        assert_eq!(refuse_text("title: x\nd: '*a'\ndescription: |\n  * a point & more\n"), None);
        let bomb = "a: &a [x, x]\nb: [*a, *a]\n";
        assert!(refuse_text(bomb).unwrap().contains("`*a`"));
        assert!(refuse_text(&"x".repeat(MAX_FILE + 1)).unwrap().contains("bytes"));
        assert!(refuse_text(&"---\n".repeat(1_001)).unwrap().contains("rules"));
        let template =
            format!("action: global\nx: {}\n{}", "x".repeat(200_000), "---\n".repeat(900));
        assert!(refuse_text(&template).unwrap().contains("template"));
    }
}
