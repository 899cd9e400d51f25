use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::{Subject, by_severity, keys_by_origin, plain};
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::{LaneReport, Verification};

/// The report for test dashboards: a suite per account and Region, with one
/// case for its digests and logs as a whole and one per finding; and a suite for
/// what concerns none of them.
#[must_use]
pub fn junit(subject: &Subject, verification: &Verification) -> String {
    let lanes = by_severity(verification);
    let mut suites: Vec<Suite<'_>> =
        of_all(verification).into_iter().chain(lanes.into_iter().map(of_lane)).collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"orgtrail verify {}\" tests=\"{}\" failures=\"{}\">",
        escape(plain(&subject.target)),
        suites.iter().map(|suite| suite.cases.len()).sum::<usize>(),
        suites.iter().map(Suite::failures).sum::<usize>()
    );
    let overrides = subject.overrides.iter().map(|said| ("environment-override", said.clone()));
    let mut properties: Vec<_> = overrides.collect();
    for keys in keys_by_origin(subject) {
        properties.push(("public-keys", keys));
    }
    if let Some(bundle) = &subject.bundle {
        properties.push(("manifest-sha256", bundle.manifest_sha256.clone()));
        let unproven = bundle.unproven.iter().map(|path| ("unproven-file", path.clone()));
        properties.extend(unproven);
    }
    // JUnit has properties only within suites.
    if let Some(suite) = suites.first_mut() {
        suite.properties = properties;
    }
    for suite in &suites {
        write(&mut xml, suite);
    }
    xml.push_str("</testsuites>\n");
    xml
}

struct Suite<'a> {
    name: String,
    cases: Vec<Case<'a>>,
    properties: Vec<(&'static str, String)>,
}

impl Suite<'_> {
    fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.fails.is_some()).count()
    }
}

struct Case<'a> {
    name: String,
    said: String,
    /// The kind and the meaning of what fails.
    fails: Option<(&'a str, &'a str)>,
}

/// What concerns no account and Region; without a case dashboards show green, so
/// that nothing looked at is one.
fn of_all(verification: &Verification) -> Option<Suite<'_>> {
    let nothing = verification.is_of_nothing().then(|| Case {
        name: "looked at".to_owned(),
        said: "expected digests and log files; found none".to_owned(),
        fails: Some(("incomplete", "there was nothing to verify, so nothing is proven")),
    });
    let cases: Vec<_> = nothing.into_iter().chain(verification.findings.iter().map(case)).collect();
    (!cases.is_empty()).then(|| Suite {
        name: "orgtrail".to_owned(),
        cases,
        properties: Vec::new(),
    })
}

fn of_lane(lane: &LaneReport) -> Suite<'_> {
    let proven: Vec<String> = lane.proven.iter().map(ToString::to_string).collect();
    let whole = Case {
        name: "proven".to_owned(),
        said: format!("{} log files; {}", lane.logs.valid, proven.join("; ")),
        fails: None,
    };
    Suite {
        name: format!("{} {}", lane.account, lane.region),
        cases: lane.findings.iter().map(case).chain([whole]).collect(),
        properties: Vec::new(),
    }
}

fn case(finding: &Finding) -> Case<'_> {
    let name = format!("{} {}", finding.kind, finding.key.as_deref().unwrap_or_default());
    Case {
        name: name.trim().to_owned(),
        said: format!(
            "expected {}; found {}{}{}",
            finding.expected.as_deref().unwrap_or("nothing else"),
            finding.found.as_deref().unwrap_or("this"),
            files(finding),
            finding
                .accepted
                .as_ref()
                .map(|it| format!("; accepted by {} at {}: {}", it.by, it.at, it.reason))
                .unwrap_or_default()
        ),
        fails: (finding.severity > Severity::Notice)
            .then(|| (finding.kind.code(), finding.kind.meaning())),
    }
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

fn write(xml: &mut String, suite: &Suite<'_>) {
    let name = escape(suite.name.as_str());
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\">",
        suite.cases.len(),
        suite.failures()
    );
    if !suite.properties.is_empty() {
        xml.push_str("    <properties>\n");
        for (name, value) in &suite.properties {
            let value = plain(value);
            let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{}\"/>", escape(value));
        }
        xml.push_str("    </properties>\n");
    }
    for case in &suite.cases {
        let (title, said) = (plain(&case.name), plain(&case.said));
        let (title, said) = (escape(title), escape(said));
        let _ = write!(xml, "    <testcase classname=\"{name}\" name=\"{title}\">");
        let _ = match case.fails {
            Some((kind, meaning)) => writeln!(
                xml,
                "<failure type=\"{kind}\" message=\"{}\">{said}</failure></testcase>",
                escape(meaning)
            ),
            None => writeln!(xml, "<system-out>{said}</system-out></testcase>"),
        };
    }
    xml.push_str("  </testsuite>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::chain::Window;
    use crate::archive::verify::finding::FindingKind;

    #[test]
    fn what_looked_at_nothing_fails() {
        let subject = Subject {
            target: "s3://archive/".to_owned(),
            window: Window::default(),
            at: jiff::Timestamp::UNIX_EPOCH,
            keys: Vec::new(),
            bundle: None,
            overrides: Vec::new(),
        };
        let mut verification = Verification { lanes: Vec::new(), findings: Vec::new() };
        let xml = junit(&subject, &verification);
        assert!(xml.contains("tests=\"1\" failures=\"1\""), "{xml}");
        assert!(xml.contains("nothing is proven"), "{xml}");

        verification.findings.push(Finding::new(FindingKind::Unreadable));
        let xml = junit(&subject, &verification);
        assert!(xml.contains("tests=\"2\" failures=\"2\""), "{xml}");
        assert_eq!(xml.matches("<testcase").count(), 2, "{xml}");
    }
}
