//! What the governance checks gave, in each format.
//!
//! Every broken finding stands in every format exactly once. A finding's check
//! is looked up by its id; one that this version does not know, from a baseline
//! of another, is told by its id alone.

mod json;
mod text;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub use self::json::json;
pub use self::text::text;
use crate::checks::{CATALOGUE, Cell, Check, Coverage, Finding, Run, Severity, Verdict};

/// The formats that a run can be rendered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// The contract, which `--baseline` reads back.
    Json,
}

/// A run that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As JSON.
    #[error("rendering the checks as JSON")]
    Json(#[from] serde_json::Error),
}

/// The run in a format.
pub fn render(format: Format, run: &Run) -> Result<String, RenderError> {
    Ok(match format {
        Format::Text => text(run),
        Format::Json => json(run)?,
    })
}

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Broken,
    Unknown,
    Suppressed,
    Holds,
}

impl Standing {
    fn of(finding: &Finding) -> Self {
        match finding.verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Unknown { .. } => Self::Unknown,
            Verdict::Broken { .. } if finding.counts() => Self::Broken,
            Verdict::Broken { .. } => Self::Suppressed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::Suppressed => "suppressed",
            Self::Holds => "holds",
        }
    }
}

/// How many findings there are of each standing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
struct Counts {
    broken: usize,
    unknown: usize,
    suppressed: usize,
    holds: usize,
}

impl Counts {
    fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match Standing::of(finding) {
                Standing::Broken => counts.broken += 1,
                Standing::Unknown => counts.unknown += 1,
                Standing::Suppressed => counts.suppressed += 1,
                Standing::Holds => counts.holds += 1,
            }
        }
        counts
    }

    fn of_severity(run: &Run, severity: Severity) -> Self {
        Self::of(run.findings.iter().filter(|finding| finding.severity == severity))
    }
}

/// How many cells of the coverage there are of each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
struct Cells {
    covered: usize,
    stale: usize,
    uncovered: usize,
    unknown: usize,
    not_enabled: usize,
    left_out: usize,
}

impl Cells {
    fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Self {
        let mut counts = Self::default();
        for cell in cells {
            match cell {
                Cell::Covered { .. } => counts.covered += 1,
                Cell::Stale { .. } => counts.stale += 1,
                Cell::Uncovered { .. } => counts.uncovered += 1,
                Cell::Unknown { .. } => counts.unknown += 1,
                Cell::NotEnabled => counts.not_enabled += 1,
                Cell::LeftOut { .. } => counts.left_out += 1,
            }
        }
        counts
    }

    fn of_all(coverage: &Coverage) -> Self {
        Self::of(coverage.accounts.iter().flat_map(|account| &account.cells))
    }

    /// What should deliver: all but what is not enabled or left out.
    fn wanted(self) -> usize {
        self.covered + self.stale + self.uncovered + self.unknown
    }
}

fn check(id: &str) -> Option<&'static Check> {
    CATALOGUE.iter().copied().find(|check| check.id == id)
}

fn title(id: &str) -> &str {
    check(id).map_or(id, |check| check.title)
}

fn fix(id: &str) -> Option<&'static str> {
    check(id).map(|check| check.fix)
}

/// The findings of one standing by check, the gravest first.
fn by_check(
    findings: &[Finding],
    standing: Standing,
) -> BTreeMap<(Reverse<Severity>, &str), Vec<&Finding>> {
    let mut groups: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| Standing::of(finding) == standing) {
        let key = (Reverse(finding.severity), finding.check.as_str());
        groups.entry(key).or_default().push(finding);
    }
    groups
}

/// One line that shows every character that would not be seen, or that XML
/// refuses, as its escape: names and answers come from elsewhere.
fn plain(text: &str) -> Cow<'_, str> {
    fn hidden(c: char) -> bool {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    }
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod samples;
