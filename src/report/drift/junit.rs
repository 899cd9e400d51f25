use std::collections::BTreeMap;
use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::{Counts, Standing, advice, cause, plain, rules, sentence, title};
use crate::checks::{Finding, Run};

const NOTHING_JUDGED: &str = "  <testsuite name=\"orgtrail\" tests=\"1\" failures=\"0\" errors=\"1\">
    <testcase classname=\"orgtrail\" name=\"judged\" time=\"0\"><error type=\"unknown\" message=\"no check had anything to judge\"/></testcase>
  </testsuite>
";

/// The run for test dashboards: a suite per check, with a case per scope. What
/// is broken fails, what could not be seen is an error, what is suppressed is
/// skipped.
///
/// Shape: Jenkins's schema of `JUnit` results, version 10.
#[must_use]
pub fn junit(run: &Run, overrides: &[String]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &run.findings {
        suites.entry(finding.check.as_str()).or_default().push(finding);
    }
    let counts = Counts::of(&run.findings);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"orgtrail drift {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        run.organization,
        run.findings.len().max(1),
        counts.broken,
        counts.unknown + usize::from(run.findings.is_empty())
    );
    if run.findings.is_empty() {
        // Without a case dashboards show green.
        xml.push_str(NOTHING_JUDGED);
    }
    for (check, findings) in suites {
        suite(&mut xml, run, check, &findings, overrides);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, run: &Run, check: &str, findings: &[&Finding], overrides: &[String]) {
    let counts = Counts::of(findings.iter().copied());
    let name = shown(check);
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" timestamp=\"{}\">",
        findings.len(),
        counts.broken,
        counts.unknown,
        counts.suppressed + counts.not_declared,
        run.at.strftime("%Y-%m-%dT%H:%M:%S")
    );
    let properties = [("title", title(check).to_owned()), ("rules", rules(check).join("; "))];
    xml.push_str("    <properties>\n");
    // JUnit has properties only within suites.
    let overrides = overrides.iter().map(|said| ("environment-override", said.clone()));
    for (name, value) in properties.into_iter().chain(overrides) {
        let value = shown(&value);
        let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{value}\"/>");
    }
    xml.push_str("    </properties>\n");
    for finding in findings {
        case(xml, run, &name, finding);
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, run: &Run, check: &str, finding: &Finding) {
    let scope = shown(&finding.scope.to_string());
    let _ = write!(xml, "    <testcase classname=\"{check}\" name=\"{scope}\" time=\"0\"");
    let (severity, said) = (finding.severity, shown(&sentence(finding)));
    let _ = match Standing::of(finding) {
        Standing::Holds => writeln!(xml, "/>"),
        Standing::Broken => {
            let fix = advice(run, finding).map(|fix| format!("fix: {}", shown(fix)));
            writeln!(
                xml,
                "><failure type=\"{severity}\" message=\"{said}\">{}{}</failure></testcase>",
                behind(run, finding),
                fix.unwrap_or_default()
            )
        }
        Standing::Unknown => match behind(run, finding) {
            cause if cause.is_empty() => {
                writeln!(xml, "><error type=\"unknown\" message=\"{said}\"/></testcase>")
            }
            cause => writeln!(
                xml,
                "><error type=\"unknown\" message=\"{said}\">{}</error></testcase>",
                cause.trim_end()
            ),
        },
        Standing::NotDeclared => writeln!(xml, "><skipped message=\"{said}\"/></testcase>"),
        Standing::Suppressed => {
            let why = finding
                .suppression
                .as_ref()
                .map(|it| format!("suppressed until {}: {}; {said}", it.until, shown(&it.reason)));
            let why = why.unwrap_or(said);
            writeln!(xml, "><skipped message=\"{why}\"/></testcase>")
        }
    };
}

/// The cause that a finding has in common with others, on a line of its own.
fn behind(run: &Run, finding: &Finding) -> String {
    cause(run, finding)
        .map(|cause| format!("cause {}: {}\n", shown(&cause.id), shown(&cause.title)))
        .unwrap_or_default()
}

fn shown(text: &str) -> String {
    escape(plain(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::super::samples;
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
                    let name = tag.name().as_ref().to_owned();
                    *counts.entry(name).or_default() += 1;
                }
                Event::Eof => return counts,
                _ => {}
            }
        }
    }

    #[test]
    fn every_answer_is_one_case_and_no_string_makes_another() {
        for run in [samples::clean(), samples::drifted(), samples::hostile()] {
            let xml = junit(&run, &[]);
            let elements = elements(&xml);
            let counts = Counts::of(&run.findings);
            let count = |name: &str| elements.get(name).copied().unwrap_or_default();
            assert_eq!(count("testcase"), run.findings.len());
            assert_eq!(count("failure"), counts.broken);
            assert_eq!(count("error"), counts.unknown);
            assert_eq!(count("skipped"), counts.suppressed + counts.not_declared);
            assert!(!xml.contains(['\u{0}', '\u{1b}']));
        }
    }

    #[test]
    fn a_run_that_judged_nothing_is_an_error() {
        let mut run = samples::clean();
        run.findings.clear();
        let xml = junit(&run, &[]);
        let elements = elements(&xml);
        assert_eq!((elements.get("testcase"), elements.get("error")), (Some(&1), Some(&1)));
        assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{xml}");
        assert!(run.has_unknown(crate::checks::Severity::Critical));
    }
}
