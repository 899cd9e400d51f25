use std::path::Path;

use crate::config::{Finding, Origin, Severity};

/// A finding as people read it: where, what, and below it the hint.
fn line(path: &Path, finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = match &finding.origin {
        Origin::File { line, column } => format!("{}:{line}:{column}", path.display()),
        Origin::Environment { variable } => format!("${variable}"),
        Origin::Default => path.display().to_string(),
    };
    let key = if finding.key.is_empty() { String::new() } else { format!("{}: ", finding.key) };
    let mut text = format!("{severity}: {place}: {key}{}", finding.message);
    if let Some(hint) = &finding.hint {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    text
}

/// Findings, one below the other.
pub(crate) fn lines(path: &Path, findings: &[Finding]) -> String {
    findings.iter().map(|finding| line(path, finding)).collect::<Vec<_>>().join("\n")
}
