use std::cmp::Reverse;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::{
    Change, Changes, Counts, Status, by_check, check, extent, fix, heat_map, places, plain, plural,
    rules, title,
};
use crate::checks::{Cause, Compared, Finding, Run, Severity, Verdict};

const STYLE: &str = include_str!("html.css");
/// Up to how many findings the section of a check is expanded.
const OPEN: usize = 20;

/// The run as one self-contained page without scripts.
#[must_use]
pub fn html(run: &Run) -> String {
    let counts = Counts::of(&run.findings);
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    );
    let changes = Changes::of(run);
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "CloudTrail governance of " (run.organization) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "CloudTrail governance" }
                    p.subject { "Organization " b { (run.organization) } ", " (time(run)) }
                    (verdict(counts))
                    nav aria-label="Sections" {
                        @if !run.causes.is_empty() { a href="#causes" { "Causes" } }
                        @if has(run, Status::Fail) { a href="#fail" { "Failed" } }
                        @if has(run, Status::Unknown) { a href="#unknown" { "Unknown" } }
                        @if run.compared.is_some() { a href="#changed" { "Changed" } }
                        a href="#coverage" { "Coverage" }
                        @if counts.suppressed > 0 { a href="#suppressed" { "Suppressed" } }
                        @if counts.not_configured > 0 { a href="#not_configured" { "Not checked" } }
                        a href="#pass" { "Passed" }
                    }
                }
                main {
                    div.tiles {
                        (severities(run))
                        (heat_map::tile(&run.coverage))
                        @if let Some(compared) = &run.compared { (changed_tile(compared)) }
                    }
                    (causes(run, &changes))
                    (groups(run, &changes, Status::Fail))
                    (groups(run, &changes, Status::Unknown))
                    @if let Some(compared) = &run.compared { (changed(compared)) }
                    (heat_map::section(&run.coverage))
                    (groups(run, &changes, Status::Suppressed))
                    (not_configured(run))
                    (passed(run))
                }
                footer {
                    dl {
                        dt { "Trail" } dd { code { (run.trail) } }
                        dt { "Archive" } dd { code { "s3://" (run.bucket) } }
                        dt { "Management account" } dd { code { (run.management_account) } }
                        dt { "Home Region" } dd { code { (run.home_region) } }
                    }
                    p { "Created by orgtrail " (env!("CARGO_PKG_VERSION")) "." }
                }
            }
        }
    }
    .into_string()
}

fn time(run: &Run) -> Markup {
    markup! {
        time datetime=(run.at) { (run.at.strftime("%Y-%m-%d %H:%M UTC")) }
    }
}

fn verdict(counts: Counts) -> Markup {
    let (class, mark, verdict) = if counts.failed > 0 {
        ("bad", "✕", format!("Drift: {} failed", counts.failed))
    } else if counts.unknown > 0 {
        ("open", "?", "Incomplete: no check failed, some are unknown".to_owned())
    } else {
        ("good", "✓", "Clean: every check passed".to_owned())
    };
    markup! {
        p.verdict.(class) {
            span aria-hidden="true" { (mark) }
            b { (verdict) }
            span.more {
                (counts.unknown) " unknown, " (counts.suppressed) " suppressed, "
                (counts.not_configured) " not checked, " (counts.passed) " passed"
            }
        }
    }
}

fn severities(run: &Run) -> Markup {
    markup! {
        section.tile aria-labelledby="by-severity" {
            h2 #by-severity { "By severity" }
            table.counts {
                thead { tr {
                    th scope="col" { "Severity" }
                    th scope="col" { "Failed" }
                    th scope="col" { "Unknown" }
                    th scope="col" { "Suppressed" }
                    th scope="col" { "Passed" }
                } }
                tbody {
                    @for severity in Severity::ALL {
                        @let counts = Counts::of_severity(run, severity);
                        tr {
                            th scope="row" { (badge(severity)) }
                            td.some[counts.failed > 0] { (counts.failed) }
                            td { (counts.unknown) }
                            td { (counts.suppressed) }
                            td { (counts.passed) }
                        }
                    }
                }
            }
        }
    }
}

/// A check's title with a capital letter; an unknown check's id unchanged.
fn headline(id: &str) -> String {
    let mut letters = title(id).chars();
    match letters.next() {
        Some(first) if check(id).is_some() => first.to_uppercase().chain(letters).collect(),
        _ => id.to_owned(),
    }
}

fn badge(severity: Severity) -> Markup {
    markup! { span.badge.(severity.as_str()) { (severity) } }
}

fn changed_tile(compared: &Compared) -> Markup {
    markup! {
        section.tile aria-labelledby="since" {
            h2 #since { "Since " (compared.baseline_at.strftime("%Y-%m-%d %H:%M UTC")) }
            dl.numbers {
                div { dt { "New" } dd.some[!compared.new.is_empty()] { (compared.new.len()) } }
                div { dt { "Fixed" } dd { (compared.fixed.len()) } }
                div { dt { "Unchanged" } dd { (compared.unchanged.len()) } }
            }
        }
    }
}

fn groups(run: &Run, changes: &Changes<'_>, status: Status) -> Markup {
    let groups = by_check(&run.findings, status);
    let id = status.as_str();
    let (heading, columns) = match status {
        Status::Unknown => ("Unknown: a read failed", ["Scope", "Reason", "Needs"]),
        Status::Suppressed => ("Suppressed", ["Scope", "Found", "Until, and reason"]),
        Status::Fail | Status::NotConfigured | Status::Pass => {
            ("Failed", ["Scope", "Found", "Expected"])
        }
    };
    markup! {
        @if !groups.is_empty() {
            section aria-labelledby=(id) {
                h2 #(id) { (heading) }
                @for ((severity, check), findings) in groups {
                    details.check open[findings.len() <= OPEN] {
                        summary {
                            (badge(severity.0)) " "
                            b { (plain(&headline(check))) } " "
                            span.more { (plural(findings.len(), "finding", "findings")) }
                        }
                        (about(check, status))
                        table.findings {
                            thead { tr { @for column in columns { th scope="col" { (column) } } } }
                            tbody {
                                @for finding in findings { (row(finding, changes.get(finding))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether there are findings of a status that have no cause.
fn has(run: &Run, status: Status) -> bool {
    !by_check(&run.findings, status).is_empty()
}

/// The causes of several findings each, with their findings collapsed.
fn causes(run: &Run, changes: &Changes<'_>) -> Markup {
    markup! {
        @if !run.causes.is_empty() {
            section aria-labelledby="causes" {
                h2 #causes { "Causes: each explains several findings" }
                @for cause in &run.causes { (one_cause(run, changes, cause)) }
            }
        }
    }
}

fn one_cause(run: &Run, changes: &Changes<'_>, cause: &Cause) -> Markup {
    let is_of = |finding: &&Finding| finding.cause.as_deref() == Some(cause.id.as_str());
    markup! {
        details.check {
            summary {
                (badge(cause.severity)) " "
                b { (plain(&cause.title)) } " "
                span.more {
                    (extent(cause))
                    @if cause.failed == 0 { ", unknown" }
                }
                p { "Fix: " (plain(&cause.fix)) }
            }
            p.rules { code { (plain(&cause.id)) } }
            table.findings {
                thead { tr {
                    th scope="col" { "Scope" }
                    th scope="col" { "Found" }
                    th scope="col" { "Expected or needed" }
                    th scope="col" { "Check" }
                } }
                tbody {
                    @for finding in run.findings.iter().filter(is_of) {
                        tr {
                            (cells(finding, changes.get(finding)))
                            td { code { (plain(&finding.check)) } }
                        }
                    }
                }
            }
        }
    }
}

fn about(id: &str, status: Status) -> Markup {
    let rules = rules(id);
    markup! {
        @if let Some(check) = check(id) { p { (check.why) } }
        p.rules {
            code { (plain(id)) }
            @for rule in &rules { " " span.rule { (rule) } }
        }
        @if let (Status::Fail, Some(fix)) = (status, fix(id)) {
            p { "Fix: " code { (fix) } }
        }
    }
}

fn row(finding: &Finding, change: Option<Change>) -> Markup {
    markup! { tr { (cells(finding, change)) } }
}

fn cells(finding: &Finding, change: Option<Change>) -> Markup {
    let suppression = finding.suppression.as_ref();
    markup! {
        th scope="row" {
            code { (plain(&finding.scope.to_string())) }
            @if change == Some(Change::New) { " " span.new { "new" } }
        }
        @match &finding.verdict {
            Verdict::Pass => { td colspan="2" { "as expected" } },
            Verdict::NotConfigured { setting } => { td colspan="2" { code { (plain(setting)) } } },
            Verdict::Unknown { reason, permission } => {
                td { (plain(reason)) }
                td { @if let Some(permission) = permission { code { (plain(permission)) } } }
            },
            Verdict::Fail { found, expected } => {
                td { (plain(found)) }
                td {
                    @if let Some(suppression) = suppression {
                        @if suppression.expired {
                            (plain(expected))
                            span.more {
                                "suppressed until " (suppression.last_day)
                                ", which has passed: " (plain(&suppression.reason))
                            }
                        } @else {
                            (suppression.last_day) ": " (plain(&suppression.reason))
                        }
                    } @else { (plain(expected)) }
                }
            },
        }
    }
}

fn changed(compared: &Compared) -> Markup {
    markup! {
        section aria-labelledby="changed" {
            h2 #changed { "Changes since " (compared.baseline_at.strftime("%Y-%m-%d %H:%M UTC")) }
            @if compared.new.is_empty() && compared.fixed.is_empty() {
                p { "None: " (plural(compared.unchanged.len(), "finding", "findings")) " unchanged." }
            } @else {
                table.findings {
                    thead { tr {
                        th scope="col" { "Change" }
                        th scope="col" { "Severity" }
                        th scope="col" { "Check" }
                        th scope="col" { "Scope" }
                    } }
                    tbody {
                        @for (change, findings) in
                            [(Change::New, &compared.new), (Change::Fixed, &compared.fixed)]
                        {
                            @for ((severity, check), places) in places(findings) {
                                tr {
                                    th scope="row" { span.(change.as_str()) { (change.as_str()) } }
                                    td { (badge(severity.0)) }
                                    td { (plain(&headline(check))) }
                                    td { (plain(&places)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn not_configured(run: &Run) -> Markup {
    let groups = by_check(&run.findings, Status::NotConfigured);
    let setting = |findings: &[&Finding]| match findings.first().map(|finding| &finding.verdict) {
        Some(Verdict::NotConfigured { setting }) => markup! { code { (plain(setting)) } },
        _ => Markup::default(),
    };
    markup! {
        @if !groups.is_empty() {
            section aria-labelledby="not_configured" {
                h2 #not_configured { "Not checked" }
                (folded(&groups, " not configured", "Setting", setting))
            }
        }
    }
}

fn passed(run: &Run) -> Markup {
    let groups = by_check(&run.findings, Status::Pass);
    let scopes = |findings: &[&Finding]| markup! { (findings.len()) };
    markup! {
        section aria-labelledby="pass" {
            h2 #pass { "Passed" }
            (folded(&groups, " with scopes that passed", "Scopes", scopes))
        }
    }
}

/// A row for each check, collapsed.
fn folded(
    groups: &BTreeMap<(Reverse<Severity>, &str), Vec<&Finding>>,
    label: &str,
    column: &str,
    cell: impl Fn(&[&Finding]) -> Markup,
) -> Markup {
    markup! {
        details.check {
            summary { b { (plural(groups.len(), "check", "checks")) } (label) }
            table.findings {
                thead { tr {
                    th scope="col" { "Severity" }
                    th scope="col" { "Check" }
                    th scope="col" { (column) }
                } }
                tbody {
                    @for ((severity, check), findings) in groups {
                        tr {
                            td { (badge(severity.0)) }
                            th scope="row" { (plain(&headline(check))) }
                            td { (cell(findings)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn no_untrusted_string_becomes_markup() {
        let page = html(&samples::hostile());
        assert!(!page.contains("<script"));
        assert!(!page.contains(['\u{0}', '\u{1b}', '\u{202e}']));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = html(&samples::drifted());
        for outside in ["src=", "http://", "https://", "@import", "url(", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn each_failed_finding_has_one_row() {
        let mut run = samples::drifted();
        for (number, finding) in run.findings.iter_mut().enumerate() {
            if let Verdict::Fail { found, .. } = &mut finding.verdict {
                *found = format!("found number {number}.");
            }
        }
        let page = html(&run);
        for number in 3..=7 {
            assert_eq!(page.matches(&format!("found number {number}.")).count(), 1, "{number}");
        }
    }

    #[test]
    fn a_cause_comes_first_with_all_its_findings_below() {
        let page = html(&samples::of_one_cause());
        assert!(page.contains("the trail is stopped") && page.contains("start it again"));
        let (causes, others) = page.split_once("id=\"fail\"").unwrap();
        assert_eq!(causes.matches("sample-fresh").count(), 2);
        assert!(!others.contains("sample-fresh"));
    }

    #[test]
    fn a_run_in_which_all_checks_pass_is_clean() {
        let page = html(&samples::clean());
        assert!(page.contains("Clean: every check passed"));
        assert!(!page.contains("id=\"fail\""));
    }
}
