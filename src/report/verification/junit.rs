use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Subject, by_severity, keys_by_origin, plain};
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::{ScopeReport, Verification};
use crate::report::junit::{status, to_xml};

/// The report for test dashboards: a suite per account and Region, with one case for all
/// its digests and logs and one per finding; and a suite for the other findings.
#[must_use]
pub fn junit(subject: &Subject, verification: &Verification) -> String {
    let scopes = by_severity(verification);
    let mut suites: Vec<TestSuite> =
        of_all(verification).into_iter().chain(scopes.into_iter().map(of_scope)).collect();
    // JUnit has properties only within suites.
    if let Some(suite) = suites.first_mut() {
        suite.add_properties(properties(subject));
    }
    let mut report = Report::new(plain(&format!("orgtrail verify {}", subject.target)));
    report.add_test_suites(suites);
    to_xml(&report)
}

fn properties(subject: &Subject) -> Vec<Property> {
    let property = |name: &str, value: &str| Property::new(name, plain(value));
    let overrides = subject.overrides.iter().map(|it| property("environment-override", it));
    let mut properties: Vec<_> = overrides.collect();
    properties.extend(keys_by_origin(subject).iter().map(|keys| property("public-keys", keys)));
    if let Some(bundle) = &subject.bundle {
        properties.push(property("manifest-sha256", &bundle.manifest_sha256));
        properties.extend(bundle.unproven.iter().map(|path| property("unproven-file", path)));
    }
    properties
}

/// The findings of no account and Region. Dashboards show a report without cases as passed,
/// so an empty verification is a failed case.
fn of_all(verification: &Verification) -> Option<TestSuite> {
    let name = "orgtrail";
    let mut suite = TestSuite::new(name);
    if verification.has_nothing() {
        let meaning = "nothing to verify was found, so nothing is proven";
        let details = "expected digests and log files; found none";
        suite.add_test_case(case(name, "verified objects", details, Some(("incomplete", meaning))));
    }
    suite.add_test_cases(verification.findings.iter().map(|finding| of_finding(name, finding)));
    (suite.tests > 0).then_some(suite)
}

fn of_scope(scope: &ScopeReport) -> TestSuite {
    let name = format!("{} {}", scope.account, scope.region);
    let mut suite = TestSuite::new(name.as_str());
    suite.add_test_cases(scope.findings.iter().map(|finding| of_finding(&name, finding)));
    let proven: Vec<String> = scope.proven.iter().map(ToString::to_string).collect();
    let details = format!("{} log files; {}", scope.logs.valid, proven.join("; "));
    suite.add_test_case(case(&name, "proven", &details, None));
    suite
}

fn of_finding(suite: &str, finding: &Finding) -> TestCase {
    let name = format!("{} {}", finding.kind, finding.key.as_deref().unwrap_or_default());
    let details = format!(
        "expected {}; found {}{}{}",
        finding.expected.as_deref().unwrap_or("nothing else"),
        finding.found.as_deref().unwrap_or("this"),
        files(finding),
        finding
            .accepted
            .as_ref()
            .map(|it| format!("; accepted by {} at {}: {}", it.by, it.at, it.reason))
            .unwrap_or_default()
    );
    let fails = (finding.severity > Severity::Notice)
        .then(|| (finding.kind.code(), finding.kind.meaning()));
    case(suite, name.trim(), &details, fails)
}

/// A case; `fails` is the kind of a failure and its meaning.
fn case(suite: &str, name: &str, details: &str, fails: Option<(&str, &str)>) -> TestCase {
    let mut case = TestCase::new(plain(name), TestCaseStatus::success());
    let details = plain(details);
    if let Some((kind, meaning)) = fails {
        case.status = status(NonSuccessKind::Failure, kind, meaning);
        case.status.set_description(details);
    } else {
        case.set_system_out(details);
    }
    case.set_classname(suite);
    case
}

/// The files that a finding names.
fn files(finding: &Finding) -> String {
    if finding.files.is_empty() {
        return String::new();
    }
    let more = finding.objects.saturating_sub(finding.files.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; files: {}{more}", finding.files.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::chain::Window;
    use crate::archive::verify::finding::FindingKind;

    #[test]
    fn a_verification_of_nothing_fails() {
        let subject = Subject {
            target: "s3://archive/".to_owned(),
            window: Window::default(),
            at: jiff::Timestamp::UNIX_EPOCH,
            keys: Vec::new(),
            bundle: None,
            overrides: Vec::new(),
        };
        let mut verification = Verification { scopes: Vec::new(), findings: Vec::new() };
        let xml = junit(&subject, &verification);
        assert_eq!(xml.matches("failures=\"1\"").count(), 2, "{xml}");
        assert!(xml.contains("nothing is proven"), "{xml}");

        verification.findings.push(Finding::new(FindingKind::Unreadable));
        let xml = junit(&subject, &verification);
        assert_eq!(xml.matches("failures=\"2\"").count(), 2, "{xml}");
        assert_eq!(xml.matches("<testcase").count(), 2, "{xml}");
    }
}
