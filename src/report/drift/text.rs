use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::Table;
use jiff::Timestamp;

use super::{Cells, Counts, Status, by_check, extent, fix, places, plain, plural, title};
use crate::checks::{Cell, Compared, Finding, Run, Severity, Verdict};
use crate::report::new_table;

/// How many findings of one check are listed.
const LISTED: usize = 20;

/// The run for people: the counts, the failed and unknown findings, the changes, the
/// verdict.
#[must_use]
pub fn text(run: &Run) -> String {
    let counts = Counts::of(&run.findings);
    let mut text = String::new();
    if counts.failed + counts.unknown + counts.suppressed > 0 {
        let _ = writeln!(text, "{}\n", summary(run).trim_fmt());
    }
    causes(&mut text, run);
    for ((severity, check), findings) in by_check(&run.findings, Status::Fail) {
        let mark = severity.0.as_str().to_uppercase();
        group(&mut text, &mark, check, &findings, failed);
        if let Some(fix) = fix(check) {
            let _ = writeln!(text, "  fix: {fix}");
        }
        text.push('\n');
    }
    for ((_, check), findings) in by_check(&run.findings, Status::Unknown) {
        group(&mut text, "UNKNOWN", check, &findings, unknown);
        text.push('\n');
    }
    for ((_, check), findings) in by_check(&run.findings, Status::Suppressed) {
        group(&mut text, "SUPPRESSED", check, &findings, suppressed);
        text.push('\n');
    }
    if let Some(compared) = &run.compared {
        since(&mut text, compared);
    }
    not_configured(&mut text, run);
    text.push_str(&verdict(run, counts));
    text.push('\n');
    text
}

fn summary(run: &Run) -> Table {
    let mut table = new_table(["SEVERITY", "FAILED", "UNKNOWN", "SUPPRESSED", "PASSED"]);
    for severity in Severity::ALL {
        let counts = Counts::of_severity(run, severity);
        let columns = [counts.failed, counts.unknown, counts.suppressed, counts.passed];
        table.add_row(
            std::iter::once(severity.to_string()).chain(columns.map(|count| count.to_string())),
        );
    }
    table
}

/// The causes, instead of their findings.
fn causes(text: &mut String, run: &Run) {
    for cause in &run.causes {
        let mark = match cause.failed {
            0 => "UNKNOWN".to_owned(),
            _ => cause.severity.as_str().to_uppercase(),
        };
        let checks: Vec<String> =
            cause.checks.iter().map(|(check, count)| format!("{check} ({count})")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{mark} {} ({})", plain(&cause.id), extent(cause));
        let _ = writeln!(text, "  cause:    {}", plain(&cause.title));
        let _ = writeln!(text, "  explains: {}", plain(&checks.join(", ")));
        let _ = writeln!(text, "  fix:      {}", plain(&cause.fix));
        text.push('\n');
    }
}

fn group(
    text: &mut String,
    mark: &str,
    check: &str,
    findings: &[&Finding],
    details: fn(&mut String, &Finding),
) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{mark} {} ({})", plain(check), findings.len());
    if title(check) != check {
        let _ = writeln!(text, "  requires: {}", title(check));
    }
    let mut listed = findings.iter().take(LISTED).peekable();
    while let Some(finding) = listed.next() {
        let _ = writeln!(text, "  - {}", plain(&finding.scope.to_string()));
        // Scopes with the same details share one block, below the last of them.
        if listed.peek().is_none_or(|next| !has_same_details(finding, next)) {
            details(text, finding);
        }
    }
    if let Some(more) = findings.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more: `--format json` lists all");
    }
}

fn has_same_details(one: &Finding, other: &Finding) -> bool {
    one.verdict == other.verdict && one.suppression == other.suppression
}

fn failed(text: &mut String, finding: &Finding) {
    if let Verdict::Fail { found, expected } = &finding.verdict {
        let _ = writeln!(text, "    found:    {}", plain(found));
        let _ = writeln!(text, "    expected: {}", plain(expected));
    }
    if let Some(suppression) = finding.suppression.as_ref().filter(|it| it.expired) {
        let (until, reason) = (suppression.last_day, plain(&suppression.reason));
        let _ = writeln!(text, "    suppressed until {until}, which has passed: {reason}");
    }
}

fn unknown(text: &mut String, finding: &Finding) {
    if let Verdict::Unknown { reason, permission } = &finding.verdict {
        let _ = writeln!(text, "    reason: {}", plain(reason));
        if let Some(permission) = permission {
            let _ = writeln!(text, "    needs:  {}", plain(permission));
        }
    }
}

fn suppressed(text: &mut String, finding: &Finding) {
    if let Verdict::Fail { found, .. } = &finding.verdict {
        let _ = writeln!(text, "    found:  {}", plain(found));
    }
    if let Some(suppression) = &finding.suppression {
        let _ = writeln!(text, "    until:  {}", suppression.last_day);
        let _ = writeln!(text, "    reason: {}", plain(&suppression.reason));
    }
}

/// One line for each setting that is not configured: the checks that depend on it.
fn not_configured(text: &mut String, run: &Run) {
    let mut checks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in &run.findings {
        if let Verdict::NotConfigured { setting } = &finding.verdict {
            checks.entry(setting).or_default().push(&finding.check);
        }
    }
    if checks.is_empty() {
        return;
    }
    text.push_str("NOT CHECKED (not configured)\n");
    for (setting, checks) in checks {
        let first = plain(checks[0]);
        let more = match checks.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(text, "  - {}: {first}{more}", plain(setting));
    }
    text.push('\n');
}

fn since(text: &mut String, compared: &Compared) {
    let _ = writeln!(
        text,
        "SINCE {}: {} new, {} fixed, {} unchanged",
        time(compared.baseline_at),
        compared.new.len(),
        compared.fixed.len(),
        compared.unchanged.len()
    );
    for (mark, findings) in [("new  ", &compared.new), ("fixed", &compared.fixed)] {
        for ((severity, check), places) in places(findings) {
            let severity = severity.0;
            let _ = writeln!(text, "  {mark} {severity:8} {}: {}", plain(check), plain(&places));
        }
    }
    text.push('\n');
}

/// A time to the second.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn coverage(run: &Run) -> String {
    let cells = Cells::of_all(&run.coverage);
    let mut coverage = format!(
        "{} of {} delivering",
        cells.covered,
        plural(cells.expected(), "account × Region", "accounts × Regions")
    );
    let uncovered = format!("without the trail ({})", uncovered(run));
    let other =
        [(cells.stale, "stale"), (cells.unknown, "unknown"), (cells.uncovered, uncovered.as_str())];
    for (count, word) in other {
        if count > 0 {
            let _ = write!(coverage, ", {count} {word}");
        }
    }
    coverage
}

/// The first places without a trail, so that one line says where to look.
fn uncovered(run: &Run) -> String {
    let mut places = run.coverage.accounts.iter().flat_map(|account| {
        let cells = run.coverage.regions.iter().zip(&account.cells);
        cells
            .filter(|(_, cell)| matches!(cell, Cell::Uncovered { .. }))
            .map(|(region, _)| format!("{} {region}", account.account))
    });
    let first: Vec<String> = places.by_ref().take(3).collect();
    let more = if places.next().is_some() { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// How many findings have a cause, and the number of causes.
fn by_causes(run: &Run) -> String {
    let explained: usize = run.causes.iter().map(|cause| cause.failed + cause.unknown).sum();
    match run.causes.len() {
        0 => String::new(),
        causes => format!(" ({explained} by {})", plural(causes, "cause", "causes")),
    }
}

fn verdict(run: &Run, counts: Counts) -> String {
    let what = format!("organization {}, {}; {}", run.organization, time(run.at), coverage(run));
    if counts.failed > 0 {
        let unknown = match counts.unknown {
            0 => String::new(),
            unknown => format!(", {unknown} unknown"),
        };
        return format!("DRIFT: {} failed{unknown}{} in {what}", counts.failed, by_causes(run));
    }
    if counts.unknown > 0 {
        let causes = by_causes(run);
        return format!("INCOMPLETE: none failed, {} unknown{causes} in {what}", counts.unknown);
    }
    format!("CLEAN: {} in {what}", plural(counts.passed, "check passed", "checks passed"))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_clean_run_is_one_line() {
        let said = text(&samples::clean());
        assert_eq!(
            said,
            "CLEAN: 3 checks passed in organization o-exampleorgid, 2026-03-01T12:00:00Z; \
             2 of 2 accounts × Regions delivering\n"
        );
    }

    #[test]
    fn a_finding_is_listed_with_what_was_found_expected_and_needed() {
        insta::assert_snapshot!(text(&samples::drifted()), @r"
         SEVERITY  FAILED  UNKNOWN  SUPPRESSED  PASSED
         critical  1       0        0           0
         high      2       1        0           3
         medium    0       0        1           0
         low       1       0        0           0

        CRITICAL sample-logging (1)
          - organization
            found:    off
            expected: the configured value

        HIGH sample-fresh (2)
          - 222222222222 eu-west-1
            found:    9 h old
            expected: the configured value
          - 333333333333 eu-west-1
            found:    no log
            expected: the configured value

        LOW sample-account (1)
          - 333333333333
            found:    x
            expected: the configured value
            suppressed until 2026-03-31, which has passed: moved next quarter

        UNKNOWN sample-key (1)
          - arn:aws:kms:us-east-1:222222222222:key/k
            reason: GetKeyRotationStatus: access denied
            needs:  kms:GetKeyRotationStatus

        SUPPRESSED sample-bucket (1)
          - s3://acme-log-archive
            found:  no access log
            until:  2026-03-31
            reason: moved next quarter

        SINCE 2026-02-28T12:00:00Z: 1 new, 1 fixed, 2 unchanged
          new   critical sample-logging: organization
          fixed low      sample-of-old: organization

        NOT CHECKED (not configured)
          - archive.copy: sample-copy

        DRIFT: 4 failed, 1 unknown in organization o-exampleorgid, 2026-03-01T12:00:00Z; 2 of 5 accounts × Regions delivering, 1 stale, 1 unknown, 1 without the trail (333333333333 eu-west-1)
        ");
    }

    #[test]
    fn findings_of_one_cause_are_counted_below_it() {
        let said = text(&samples::of_one_cause());
        insta::assert_snapshot!(said, @r"
         SEVERITY  FAILED  UNKNOWN  SUPPRESSED  PASSED
         critical  1       0        0           0
         high      2       1        0           3
         medium    0       0        1           0
         low       1       0        0           0

        CRITICAL trail-stopped (3 findings in 2 accounts and 1 Region)
          cause:    the trail is stopped
          explains: sample-fresh (2), sample-logging (1)
          fix:      start it again

        LOW sample-account (1)
          - 333333333333
            found:    x
            expected: the configured value
            suppressed until 2026-03-31, which has passed: moved next quarter

        UNKNOWN sample-key (1)
          - arn:aws:kms:us-east-1:222222222222:key/k
            reason: GetKeyRotationStatus: access denied
            needs:  kms:GetKeyRotationStatus

        SUPPRESSED sample-bucket (1)
          - s3://acme-log-archive
            found:  no access log
            until:  2026-03-31
            reason: moved next quarter

        NOT CHECKED (not configured)
          - archive.copy: sample-copy

        DRIFT: 4 failed, 1 unknown (3 by 1 cause) in organization o-exampleorgid, 2026-03-01T12:00:00Z; 2 of 5 accounts × Regions delivering, 1 stale, 1 unknown, 1 without the trail (333333333333 eu-west-1)
        ");
    }

    #[test]
    fn equal_details_of_several_scopes_are_listed_once() {
        let mut run = samples::clean();
        let scopes = run.findings.iter().map(|finding| finding.scope.clone()).collect::<Vec<_>>();
        for scope in scopes {
            let broken = samples::fail("nothing is there");
            run.findings.push(samples::finding("sample", Severity::Low, scope, broken));
        }
        let said = text(&run);
        assert!(said.contains(
            "LOW sample (3)\n  - organization\n  - s3://acme-log-archive\n  \
             - arn:aws:kms:us-east-1:222222222222:key/k\n    found:    nothing is there\n"
        ));
        assert_eq!(said.matches("nothing is there").count(), 1);
    }

    #[test]
    fn no_untrusted_string_forges_a_line() {
        let said = text(&samples::hostile());
        assert!(!said.contains('\u{1b}'), "{said}");
        assert!(!said.lines().any(|line| line.starts_with("CLEAN")), "{said}");
    }
}
