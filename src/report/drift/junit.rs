use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Status, advice, cause, plain, rules, sentence, title};
use crate::checks::{Finding, Run};
use crate::report::junit::{status, to_xml};

/// The run for test dashboards: a suite per check, with a case per scope. An unknown
/// result is an error; a suppressed one is skipped.
#[must_use]
pub fn junit(run: &Run, overrides: &[String]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &run.findings {
        suites.entry(finding.check.as_str()).or_default().push(finding);
    }
    let mut report = Report::new(format!("orgtrail drift {}", run.organization));
    if run.findings.is_empty() {
        // Dashboards show a report without cases as passed.
        let nothing = "no check returned a result";
        let mut suite = TestSuite::new("orgtrail");
        suite.add_test_case(case(
            "orgtrail",
            "results",
            status(NonSuccessKind::Error, "unknown", nothing),
        ));
        report.add_test_suite(suite);
    }
    report.add_test_suites(
        suites.into_iter().map(|(check, findings)| suite(run, check, &findings, overrides)),
    );
    to_xml(&report)
}

fn suite(run: &Run, check: &str, findings: &[&Finding], overrides: &[String]) -> TestSuite {
    let mut suite = TestSuite::new(plain(check));
    let at = run.at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    suite.extra.insert("timestamp".into(), at.into());
    let rules = rules(check).join("; ");
    suite.add_property(Property::new("title", plain(title(check))));
    suite.add_property(Property::new("rules", plain(&rules)));
    // JUnit has properties only within suites.
    let overrides = overrides.iter().map(|it| Property::new("environment-override", plain(it)));
    suite.add_properties(overrides);
    suite.add_test_cases(
        findings
            .iter()
            .map(|finding| case(check, &finding.scope.to_string(), case_status(run, finding))),
    );
    suite
}

fn case(check: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(plain(name), status);
    case.set_classname(plain(check)).set_time(std::time::Duration::ZERO);
    case
}

fn case_status(run: &Run, finding: &Finding) -> TestCaseStatus {
    let sentence = sentence(finding);
    // The cause is on a line of its own.
    let cause = cause(run, finding)
        .map(|cause| format!("cause {}: {}", plain(&cause.id), plain(&cause.title)));
    match Status::of(finding) {
        Status::Pass => TestCaseStatus::success(),
        Status::Fail => {
            let mut status = status(NonSuccessKind::Failure, finding.severity.as_str(), &sentence);
            let fix = advice(run, finding).map(|fix| format!("fix: {}", plain(fix)));
            let lines: Vec<String> = cause.into_iter().chain(fix).collect();
            status.set_description(lines.join("\n"));
            status
        }
        Status::Unknown => {
            let mut status = status(NonSuccessKind::Error, "unknown", &sentence);
            if let Some(cause) = cause {
                status.set_description(cause);
            }
            status
        }
        Status::NotConfigured => skipped(&sentence),
        Status::Suppressed => skipped(&match &finding.suppression {
            Some(it) => format!("suppressed until {}: {}; {sentence}", it.last_day, it.reason),
            None => sentence,
        }),
    }
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(plain(message));
    status
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::super::{Counts, samples};
    use super::*;

    /// How many elements of each name there are.
    fn elements(xml: &str) -> BTreeMap<String, usize> {
        let mut reader = Reader::from_str(xml);
        let mut counts = BTreeMap::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) | Event::Empty(tag) => {
                    for attribute in tag.attributes() {
                        attribute.unwrap();
                    }
                    let name = String::from_utf8(tag.name().as_ref().to_owned()).unwrap();
                    *counts.entry(name).or_default() += 1;
                }
                Event::Eof => return counts,
                _ => {}
            }
        }
    }

    #[test]
    fn every_result_is_one_case_and_no_string_makes_another() {
        for run in [samples::clean(), samples::drifted(), samples::hostile()] {
            let xml = junit(&run, &[]);
            let elements = elements(&xml);
            let counts = Counts::of(&run.findings);
            let count = |name: &str| elements.get(name).copied().unwrap_or_default();
            assert_eq!(count("testcase"), run.findings.len());
            assert_eq!(count("failure"), counts.failed);
            assert_eq!(count("error"), counts.unknown);
            assert_eq!(count("skipped"), counts.suppressed + counts.not_configured);
            assert!(!xml.contains(['\u{0}', '\u{1b}']));
        }
    }

    #[test]
    fn a_run_without_results_is_an_error() {
        let mut run = samples::clean();
        run.findings.clear();
        let xml = junit(&run, &[]);
        let elements = elements(&xml);
        assert_eq!((elements.get("testcase"), elements.get("error")), (Some(&1), Some(&1)));
        assert_eq!(xml.matches("tests=\"1\"").count(), 2, "{xml}");
        assert_eq!(xml.matches("errors=\"1\"").count(), 2, "{xml}");
        assert!(run.has_unknown(crate::checks::Severity::Critical));
    }
}
