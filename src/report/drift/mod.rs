//! The results of the governance checks, in each format.
//!
//! Every failed finding occurs exactly once in every format; the text and the page
//! group findings by their cause, and the text only counts those. A finding's check is
//! looked up by its id; a check that this version does not know, from a baseline of
//! another version, is shown by its id alone.

mod csv;
mod heat_map;
mod html;
mod junit;
mod ocsf;
mod sarif;
mod text;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

pub use self::csv::csv;
pub use self::html::html;
pub use self::junit::junit;
pub use self::ocsf::ocsf;
pub use self::sarif::sarif;
pub use self::text::text;
use super::contract::{self, Emitted};
use crate::checks::{
    CATALOGUE, Cause, Cell, Check, Coverage, Finding, Mapping, Run, Scope, Severity, Verdict,
};
use crate::names::{AccountId, Region};
pub(crate) use crate::printable::plain;

/// The formats of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// For people.
    Text,
    /// The contract, which `--baseline` reads back.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// XML as test dashboards read it.
    Junit,
    /// OCSF Compliance Findings, for a SIEM.
    Ocsf,
    /// One self-contained page, for a browser.
    Html,
    /// One line per result, for a spreadsheet.
    Csv,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Json, Self::Sarif, Self::Junit, Self::Ocsf, Self::Html, Self::Csv];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Ocsf => "ocsf",
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }
}

/// A run that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As JSON.
    #[error("rendering the checks as JSON")]
    Json(#[from] serde_json::Error),
    /// As CSV.
    #[error("rendering the checks as CSV")]
    Csv(#[from] ::csv::Error),
}

/// The run in a format.
///
/// `overrides` describes the keys of the configuration that environment variables set.
/// The caller writes them into the heads of texts and pages.
pub fn render(format: Format, run: &Run, overrides: &[String]) -> Result<String, RenderError> {
    Ok(match format {
        Format::Text => text(run),
        Format::Json => {
            serde_json::to_string_pretty(&Emitted::new(contract::drift::Report::from(run)))?
        }
        Format::Sarif => sarif(run, overrides),
        Format::Junit => junit(run, overrides),
        Format::Ocsf => ocsf(run, overrides),
        Format::Html => html(run),
        Format::Csv => csv(run, overrides)?,
    })
}

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Fail,
    Unknown,
    Suppressed,
    NotConfigured,
    Pass,
}

impl Status {
    fn of(finding: &Finding) -> Self {
        match finding.verdict {
            Verdict::Pass => Self::Pass,
            Verdict::NotConfigured { .. } => Self::NotConfigured,
            Verdict::Unknown { .. } => Self::Unknown,
            Verdict::Fail { .. } if finding.counts() => Self::Fail,
            Verdict::Fail { .. } => Self::Suppressed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Suppressed => "suppressed",
            Self::NotConfigured => "not_configured",
            Self::Pass => "pass",
        }
    }
}

/// How many findings there are of each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) failed: usize,
    pub(super) unknown: usize,
    pub(super) suppressed: usize,
    pub(super) not_configured: usize,
    pub(super) passed: usize,
}

impl Counts {
    pub(super) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match Status::of(finding) {
                Status::Fail => counts.failed += 1,
                Status::Unknown => counts.unknown += 1,
                Status::Suppressed => counts.suppressed += 1,
                Status::NotConfigured => counts.not_configured += 1,
                Status::Pass => counts.passed += 1,
            }
        }
        counts
    }

    pub(super) fn of_severity(run: &Run, severity: Severity) -> Self {
        Self::of(run.findings.iter().filter(|finding| finding.severity == severity))
    }
}

/// How many cells of the coverage there are of each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) covered: usize,
    pub(super) stale: usize,
    pub(super) uncovered: usize,
    pub(super) unknown: usize,
    pub(super) not_enabled: usize,
    pub(super) excluded: usize,
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
                Cell::Excluded { .. } => counts.excluded += 1,
            }
        }
        counts
    }

    pub(super) fn of_all(coverage: &Coverage) -> Self {
        Self::of(coverage.accounts.iter().flat_map(|account| &account.cells))
    }

    /// The cells that should deliver: all except those not enabled or excluded.
    fn expected(self) -> usize {
        self.covered + self.stale + self.uncovered + self.unknown
    }
}

pub(super) fn check(id: &str) -> Option<&'static Check> {
    CATALOGUE.iter().copied().find(|check| check.id == id)
}

fn title(id: &str) -> &str {
    check(id).map_or(id, |check| check.title)
}

fn fix(id: &str) -> Option<&'static str> {
    check(id).map(|check| check.fix)
}

fn mappings(id: &str) -> &'static [Mapping] {
    check(id).map_or(&[], |check| check.mappings)
}

/// The rules of other frameworks that a check covers: `CIS 3.1`.
fn rules(id: &str) -> Vec<String> {
    let rule = |mapping: &Mapping| format!("{} {}", mapping.framework.name(), mapping.id);
    mappings(id).iter().map(rule).collect()
}

/// How a finding changed since the earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    New,
    Fixed,
    Unchanged,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Fixed => "fixed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The changes by check and scope; none without an earlier run.
struct Changes<'a>(HashMap<(&'a str, &'a Scope), Change>);

impl<'a> Changes<'a> {
    fn of(run: &'a Run) -> Self {
        let lists = run.compared.iter().flat_map(|compared| {
            [
                (Change::New, &compared.new),
                (Change::Fixed, &compared.fixed),
                (Change::Unchanged, &compared.unchanged),
            ]
        });
        let all = lists.flat_map(|(change, findings)| {
            findings.iter().map(move |it| ((it.check.as_str(), &it.scope), change))
        });
        Self(all.collect())
    }

    fn get(&self, finding: &'a Finding) -> Option<Change> {
        self.0.get(&(finding.check.as_str(), &finding.scope)).copied()
    }
}

/// The account and the Region that a scope names.
fn place(scope: &Scope) -> (Option<&AccountId>, Option<&Region>) {
    match scope {
        Scope::Organization | Scope::Bucket { .. } => (None, None),
        Scope::Account { account } => (Some(account), None),
        Scope::Region { account, region } => (Some(account), Some(region)),
        Scope::Resource { arn } => (arn.account.as_ref(), arn.region.as_ref()),
    }
}

/// The cause that a finding shares with others.
fn cause<'a>(run: &'a Run, finding: &Finding) -> Option<&'a Cause> {
    let id = finding.cause.as_deref()?;
    run.causes.iter().find(|cause| cause.id == id)
}

/// How to fix a finding: its cause if it has one.
fn advice<'a>(run: &'a Run, finding: &Finding) -> Option<&'a str> {
    match cause(run, finding) {
        Some(cause) => Some(&cause.fix),
        None => fix(&finding.check),
    }
}

/// How many findings a cause has, in how many accounts and Regions.
fn extent(cause: &Cause) -> String {
    let findings = plural(cause.failed + cause.unknown, "finding", "findings");
    let mut places = Vec::new();
    if cause.accounts > 0 {
        places.push(plural(cause.accounts, "account", "accounts"));
    }
    if cause.regions > 0 {
        places.push(plural(cause.regions, "Region", "Regions"));
    }
    if places.is_empty() { findings } else { format!("{findings} in {}", places.join(" and ")) }
}

/// The findings of one status by check, the most severe first; without those that
/// have a cause.
fn by_check(
    findings: &[Finding],
    status: Status,
) -> BTreeMap<(Reverse<Severity>, &str), Vec<&Finding>> {
    let mut groups: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
    let own = findings.iter().filter(|finding| finding.cause.is_none());
    for finding in own.filter(|finding| Status::of(finding) == status) {
        let key = (Reverse(finding.severity), finding.check.as_str());
        groups.entry(key).or_default().push(finding);
    }
    groups
}

/// The scopes of findings by check, the most severe first: three scopes, and how many
/// more.
fn places(findings: &[Finding]) -> BTreeMap<(Reverse<Severity>, &str), String> {
    const NAMED: usize = 3;
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for finding in findings {
        let key = (Reverse(finding.severity), finding.check.as_str());
        groups.entry(key).or_default().push(finding.scope.to_string());
    }
    let shortened = |(key, scopes): (_, Vec<String>)| {
        let named = scopes.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match scopes.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (key, named + &more)
    };
    groups.into_iter().map(shortened).collect()
}

/// A verdict in one sentence.
fn sentence(finding: &Finding) -> String {
    match &finding.verdict {
        Verdict::Pass => "as expected".to_owned(),
        Verdict::NotConfigured { setting } => format!("not checked: {setting} is not configured"),
        Verdict::Fail { found, expected } => format!("found {found}; expected {expected}"),
        Verdict::Unknown { reason, permission: Some(permission) } => {
            format!("{reason}; needs {permission}")
        }
        Verdict::Unknown { reason, permission: None } => reason.clone(),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_failed_finding_occurs_once_in_each_format(
            scopes in proptest::collection::vec((0_usize..4, 0_u8..9), 0..20),
        ) {
            let mut run = samples::clean();
            for (number, (severity, check)) in scopes.iter().enumerate() {
                run.findings.push(samples::finding(
                    &format!("sample-{check}"),
                    Severity::ALL[*severity],
                    Scope::Organization,
                    samples::fail(&format!("number {number}!")),
                ));
            }
            for format in &Format::ALL {
                let text = render(*format, &run, &[]).unwrap();
                for number in 0..scopes.len() {
                    let count = text.matches(&format!("number {number}!")).count();
                    prop_assert_eq!(count, 1, "{:?}", format);
                }
            }
        }
    }

    #[test]
    fn formats_of_rows_name_the_cause_of_each_row() {
        let run = samples::of_one_cause();
        for (format, least) in [
            (Format::Json, 4),
            (Format::Csv, 3),
            (Format::Sarif, 3),
            (Format::Junit, 3),
            (Format::Ocsf, 3),
        ] {
            let text = render(format, &run, &[]).unwrap();
            let count = text.matches("trail-stopped").count();
            assert!(count >= least, "{format:?}: {count}");
            assert!(text.contains("start it again"), "{format:?}");
        }
    }

    #[test]
    fn hidden_characters_are_shown() {
        assert_eq!(plain("a\nb\u{1b}\u{202e}"), "a\\nb\\u001b\\u202e");
        assert_eq!(plain("\u{61c}\u{200b}\u{e0041}"), "\\u061c\\u200b\\udb40\\udc41");
        assert_eq!(plain("größe ✓"), "größe ✓");
    }
}
