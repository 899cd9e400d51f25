use super::{Changes, Status, advice, place, rules, title};
use crate::checks::{Finding, Run, Verdict};
use crate::report::spreadsheet::guarded;

const HEADER: [&str; 20] = [
    "check",
    "title",
    "severity",
    "status",
    "scope",
    "account",
    "region",
    "found",
    "expected",
    "reason",
    "needs_permission",
    "suppressed_until",
    "suppression_reason",
    "since_baseline",
    "fix",
    "rules",
    "organization",
    "at",
    "cause",
    "environment_overrides",
];

/// One line per result, under a line of names.
///
/// A value that a spreadsheet would treat as a formula gets an apostrophe before it.
pub fn csv(run: &Run, overrides: &[String]) -> Result<String, ::csv::Error> {
    let changes = Changes::of(run);
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let overrides = overrides.join("; ");
    for finding in &run.findings {
        let change = changes.get(finding).map_or("", super::Change::as_str);
        let fields = fields(run, finding, change, &overrides);
        writer.write_record(fields.iter().map(|field| guarded(field).into_owned()))?;
    }
    let bytes = writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn fields(run: &Run, finding: &Finding, change: &str, overrides: &str) -> [String; HEADER.len()] {
    let (account, region) = place(&finding.scope);
    let (mut found, mut expected, mut reason, mut needs) = (None, None, None, None);
    match &finding.verdict {
        Verdict::Pass => {}
        Verdict::NotConfigured { setting } => reason = Some(format!("{setting} is not configured")),
        Verdict::Fail { found: is, expected: should } => {
            (found, expected) = (Some(is.clone()), Some(should.clone()));
        }
        Verdict::Unknown { reason: why, permission } => {
            (reason, needs) = (Some(why.clone()), permission.clone());
        }
    }
    let suppression = finding.suppression.as_ref();
    [
        finding.check.clone(),
        title(&finding.check).to_owned(),
        finding.severity.to_string(),
        Status::of(finding).as_str().to_owned(),
        finding.scope.to_string(),
        account.map(ToString::to_string).unwrap_or_default(),
        region.map(ToString::to_string).unwrap_or_default(),
        found.unwrap_or_default(),
        expected.unwrap_or_default(),
        reason.unwrap_or_default(),
        needs.unwrap_or_default(),
        suppression.map(|it| it.last_day.to_string()).unwrap_or_default(),
        suppression.map(|it| it.reason.clone()).unwrap_or_default(),
        change.to_owned(),
        advice(run, finding).unwrap_or_default().to_owned(),
        rules(&finding.check).join("; "),
        run.organization.to_string(),
        run.at.to_string(),
        finding.cause.clone().unwrap_or_default(),
        overrides.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn no_field_begins_as_a_formula() {
        let text = csv(&samples::hostile(), &[]).unwrap();
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record.unwrap();
            assert!(record.iter().all(|field| !field.starts_with(['=', '+', '-', '@'])));
        }
    }

    #[test]
    fn every_result_has_one_line_of_all_fields() {
        let run = samples::hostile();
        let text = csv(&run, &[]).unwrap();
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), run.findings.len());
        assert_eq!(records.iter().filter(|record| &record[3] == "fail").count(), 5);
    }
}
