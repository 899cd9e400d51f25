use std::cmp::Reverse;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html as markup};

use super::{
    Change, Changes, Counts, Status, by_check, check, extent, fix, heat_map, places, plain, plural,
    rules, title,
};
use crate::checks::{Cause, Compared, Finding, Run, Severity, Verdict};
use crate::report::html::{
    self, Document, Fact, STYLE, card, command, count, facts, list, only_note, prose, severity, tag,
};

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
    let document = Document {
        title: format!("CloudTrail governance of {}", run.organization),
        head: markup! {
            meta http-equiv="Content-Security-Policy" content=(policy);
            style { (PreEscaped(STYLE)) }
        },
        header: markup! { p { (run.organization) } p.asof { (time(run)) } },
        navigation: navigation(run, counts),
        main: markup! {
            (verdict(counts))
            (facts(&numbers(run, counts)))
            div.two {
                (severities(run))
                @if let Some(compared) = &run.compared { (changed(compared)) }
            }
            (causes(run, &changes))
            (groups(run, &changes, Status::Fail))
            (groups(run, &changes, Status::Unknown))
            (heat_map::section(&run.coverage))
            (groups(run, &changes, Status::Suppressed))
            (not_configured(run))
            (passed(run))
        },
        footer: markup! {
            "Trail " code { (run.trail) } ", archive " code { "s3://" (run.bucket) }
            ", management account " code { (run.management_account) }
            ", home Region " (run.home_region) ". All times are UTC."
        },
    };
    document.render(None).into_string()
}

fn navigation(run: &Run, counts: Counts) -> Markup {
    let sections = [
        ("causes", "Causes", !run.causes.is_empty()),
        ("fail", "Failed", has(run, Status::Fail)),
        ("unknown", "Unknown", has(run, Status::Unknown)),
        ("changed", "Changed", run.compared.is_some()),
        ("coverage", "Coverage", true),
        ("suppressed", "Suppressed", counts.suppressed > 0),
        ("not_configured", "Not checked", counts.not_configured > 0),
        ("pass", "Passed", true),
    ];
    markup! {
        nav aria-label="Sections" { ul {
            @for (id, name, is_shown) in sections {
                @if is_shown { li { a href={ "#" (id) } { (name) } } }
            }
        } }
    }
}

fn time(run: &Run) -> Markup {
    markup! {
        time datetime=(run.at) { (run.at.strftime("%Y-%m-%d %H:%M UTC")) }
    }
}

fn verdict(counts: Counts) -> Markup {
    let (border, class, word, sentence) = if counts.failed > 0 {
        ("bad", "failed", "Drift", format!("Drift: {} failed", counts.failed))
    } else if counts.unknown > 0 {
        let sentence = "Incomplete: no check failed, some are unknown".to_owned();
        ("bad", "unreadable", "Incomplete", sentence)
    } else {
        ("", "resolved", "Clean", "Clean: every check passed".to_owned())
    };
    let more = markup! {
        (count(counts.unknown)) " unknown, " (count(counts.suppressed)) " suppressed, "
        (count(counts.not_configured)) " not checked, " (count(counts.passed)) " passed"
    };
    html::verdict(border, &tag(class, word), &sentence, &more, &Markup::default())
}

fn numbers(run: &Run, counts: Counts) -> Vec<Fact> {
    let fact =
        |name: &str, value: Markup, more: Markup| Fact { name: markup! { (name) }, value, more };
    let number = |number: usize| markup! { (count(number)) };
    let mut numbers = vec![
        heat_map::delivering(&run.coverage),
        fact("Failed", number(counts.failed), Markup::default()),
        fact("Unknown", number(counts.unknown), Markup::default()),
    ];
    if let Some(compared) = &run.compared {
        let more = markup! {
            (count(compared.fixed.len())) " fixed, " (count(compared.unchanged.len())) " unchanged"
        };
        numbers.push(fact("New", number(compared.new.len()), more));
    }
    numbers
}

fn severities(run: &Run) -> Markup {
    let rows = markup! {
        @for severity in Severity::ALL {
            @let counts = Counts::of_severity(run, severity);
            tr {
                th scope="row" { (badge(severity)) }
                td.num { (count(counts.failed)) }
                td.num { (count(counts.unknown)) }
                td.num { (count(counts.suppressed)) }
                td.num { (count(counts.passed)) }
            }
        }
    };
    let columns = ["Severity", "#Failed", "#Unknown", "#Suppressed", "#Passed"];
    let table = list("Findings by severity", &columns, &rows);
    card("by-severity", "By severity", &Markup::default(), &table)
}

/// A check's title with a capital letter; an unknown check's id unchanged.
fn headline(id: &str) -> String {
    let mut letters = title(id).chars();
    match letters.next() {
        Some(first) if check(id).is_some() => first.to_uppercase().chain(letters).collect(),
        _ => id.to_owned(),
    }
}

fn badge(of: Severity) -> Markup {
    severity(of.into())
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
    let groups = groups.into_iter().map(|((severity, check), findings)| {
        let rows = markup! {
            @for finding in &findings { (row(finding, changes.get(finding))) }
        };
        markup! {
            details open[findings.len() <= OPEN] {
                summary {
                    (badge(severity.0)) " "
                    h3 { (plain(&headline(check))) } " "
                    small { (plural(findings.len(), "finding", "findings")) }
                }
                div.pad { (about(check, status)) }
                (list(&headline(check), &columns, &rows))
            }
        }
    });
    let groups: Vec<Markup> = groups.collect();
    markup! {
        @if !groups.is_empty() {
            (card(id, heading, &Markup::default(), &markup! { @for group in &groups { (group) } }))
        }
    }
}

/// Whether there are findings of a status that have no cause.
fn has(run: &Run, status: Status) -> bool {
    !by_check(&run.findings, status).is_empty()
}

/// The causes of several findings each, with their findings collapsed.
fn causes(run: &Run, changes: &Changes<'_>) -> Markup {
    let causes = markup! { @for cause in &run.causes { (one_cause(run, changes, cause)) } };
    let aside = markup! { "Each explains several findings" };
    markup! { @if !run.causes.is_empty() { (card("causes", "Causes", &aside, &causes)) } }
}

fn one_cause(run: &Run, changes: &Changes<'_>, cause: &Cause) -> Markup {
    let is_of = |finding: &&Finding| finding.cause.as_deref() == Some(cause.id.as_str());
    let rows = markup! {
        @for finding in run.findings.iter().filter(is_of) {
            tr {
                (cells(finding, changes.get(finding)))
                td { code { (plain(&finding.check)) } }
            }
        }
    };
    markup! {
        details {
            summary {
                (badge(cause.severity)) " "
                h3 { (plain(&cause.title)) } " "
                small {
                    (extent(cause))
                    @if cause.failed == 0 { ", unknown" }
                }
            }
            div.pad {
                p { "Fix: " (prose(&cause.fix)) }
                p.soft { code { (plain(&cause.id)) } }
            }
            (list(&cause.title, &["Scope", "Found", "Expected or needed", "Check"], &rows))
        }
    }
}

fn about(id: &str, status: Status) -> Markup {
    let rules = rules(id);
    markup! {
        @if let Some(check) = check(id) { p { (check.why) } }
        @if let (Status::Fail, Some(fix)) = (status, fix(id)) { (command("Fix", fix)) }
        p.soft { code { (plain(id)) } @for rule in &rules { ", " (rule) } }
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
            @if change == Some(Change::New) { " " (tag("new", "new")) }
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
                            br; small {
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
    let rows = markup! {
        @for (change, class, findings) in
            [(Change::New, "new", &compared.new), (Change::Fixed, "resolved", &compared.fixed)]
        {
            @for ((severity, check), places) in places(findings) {
                tr {
                    th scope="row" { (tag(class, change.as_str())) }
                    td { (badge(severity.0)) }
                    td { (plain(&headline(check))) }
                    td { (plain(&places)) }
                }
            }
        }
    };
    let unchanged = plural(compared.unchanged.len(), "finding", "findings");
    let body = markup! {
        @if compared.new.is_empty() && compared.fixed.is_empty() {
            (only_note(&markup! { "None: " (unchanged) " unchanged." }))
        } @else {
            (list("Changed findings", &["Change", "Severity", "Check", "Scope"], &rows))
        }
    };
    let since = markup! { "since " (compared.baseline_at.strftime("%Y-%m-%d %H:%M UTC")) };
    card("changed", "Changes", &since, &body)
}

fn not_configured(run: &Run) -> Markup {
    let groups = by_check(&run.findings, Status::NotConfigured);
    let setting = |findings: &[&Finding]| match findings.first().map(|finding| &finding.verdict) {
        Some(Verdict::NotConfigured { setting }) => markup! { code { (plain(setting)) } },
        _ => Markup::default(),
    };
    let body = folded(&groups, " not configured", "Setting", setting);
    markup! {
        @if !groups.is_empty() {
            (card("not_configured", "Not checked", &Markup::default(), &body))
        }
    }
}

fn passed(run: &Run) -> Markup {
    let groups = by_check(&run.findings, Status::Pass);
    let scopes = |findings: &[&Finding]| markup! { (count(findings.len())) };
    let body = folded(&groups, " with scopes that passed", "#Scopes", scopes);
    card("pass", "Passed", &Markup::default(), &body)
}

/// A row for each check, collapsed.
fn folded(
    groups: &BTreeMap<(Reverse<Severity>, &str), Vec<&Finding>>,
    label: &str,
    column: &str,
    cell: impl Fn(&[&Finding]) -> Markup,
) -> Markup {
    let rows = markup! {
        @for ((severity, check), findings) in groups {
            tr {
                td { (badge(severity.0)) }
                th scope="row" { (plain(&headline(check))) }
                td.num[column.starts_with('#')] { (cell(findings)) }
            }
        }
    };
    let checks = plural(groups.len(), "check", "checks");
    markup! {
        details {
            summary { b { (checks) } (label) }
            (list(&format!("{checks}{label}"), &["Severity", "Check", column], &rows))
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
