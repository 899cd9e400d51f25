//! What both reports share for `JUnit` results.

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use super::drift::plain;

/// The results as XML.
///
/// Shape: Jenkins's schema of `JUnit` results, version 10.
pub(super) fn to_xml(report: &Report) -> String {
    // Writing to memory does not fail.
    let xml = report.to_string().unwrap_or_default();
    // The schema has this count only in suites; the first one is the root's.
    xml.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1)
}

/// A status other than success, with its type and message.
pub(super) fn status(kind: NonSuccessKind, ty: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(ty).set_message(plain(message));
    status
}

#[cfg(test)]
mod tests {
    use quick_junit::{TestCase, TestSuite};

    use super::*;

    #[test]
    fn only_suites_count_what_is_skipped() {
        let mut report = Report::new("a skipped=\"1\"");
        let mut suite = TestSuite::new("suite");
        suite.add_test_case(TestCase::new("case", TestCaseStatus::skipped()));
        report.add_test_suite(suite);
        let xml = to_xml(&report);
        let root = xml.lines().nth(1).unwrap();
        assert!(root.starts_with("<testsuites") && !root.contains("skipped=\""), "{root}");
        assert_eq!(xml.matches(" skipped=\"1\"").count(), 1, "{xml}");
    }
}
