use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::{Subject, plain};
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::{LaneReport, Verification};

/// The report for test dashboards: a suite per account and Region, with one
/// case for its digests and logs as a whole and one per finding.
#[must_use]
pub fn junit(subject: &Subject, verification: &Verification) -> String {
    let cases: usize = verification.lanes.iter().map(|lane| lane.findings.len() + 1).sum();
    let failed = verification.all_findings().filter(|finding| fails(finding)).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"orgtrail verify {}\" tests=\"{cases}\" failures=\"{failed}\">",
        escape(subject.target.as_str())
    );
    for lane in &verification.lanes {
        suite(&mut xml, lane);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn fails(finding: &Finding) -> bool {
    finding.severity > Severity::Notice
}

fn suite(xml: &mut String, lane: &LaneReport) {
    let name = format!("{} {}", lane.account, lane.region);
    let failed = lane.findings.iter().filter(|finding| fails(finding)).count();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">",
        escape(name.as_str()),
        lane.findings.len() + 1
    );
    let proven: Vec<String> = lane.proven.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        xml,
        "    <testcase classname=\"{}\" name=\"proven\"><system-out>{} log files; {}</system-out></testcase>",
        escape(name.as_str()),
        lane.logs.valid,
        escape(proven.join("; "))
    );
    for finding in &lane.findings {
        let case = format!("{} {}", finding.kind, finding.key.as_deref().unwrap_or_default());
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\">",
            escape(name.as_str()),
            escape(plain(case.trim()))
        );
        let said = format!(
            "expected {}; found {}",
            finding.expected.as_deref().unwrap_or("nothing else"),
            finding.found.as_deref().unwrap_or("this")
        );
        let said = plain(&said);
        let _ = if fails(finding) {
            writeln!(
                xml,
                "<failure type=\"{}\" message=\"{}\">{}</failure></testcase>",
                finding.kind,
                escape(finding.kind.meaning()),
                escape(said)
            )
        } else {
            writeln!(xml, "<system-out>{}</system-out></testcase>", escape(said))
        };
    }
    xml.push_str("  </testsuite>\n");
}
