use serde::Serialize;

use super::{Cells, Counts, check};
use crate::checks::{Mapping, Run, Severity};

/// The JSON contract: the run itself, with what saves a reader from counting and
/// from knowing the catalogue. A [`Run`] is read back from it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    run: &'a Run,
    summary: Summary,
    /// The checks that the findings are about, where this version has them.
    checks: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    all: Counts,
    by_severity: Vec<OfSeverity>,
    coverage: Cells,
}

#[derive(Debug, Serialize)]
struct OfSeverity {
    severity: Severity,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct Told {
    id: &'static str,
    title: &'static str,
    severity: Severity,
    why: &'static str,
    fix: &'static str,
    mappings: &'static [Mapping],
}

/// The run for programs.
pub fn json(run: &Run) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&document(run))
}

/// The JSON contract of a run, to be written with more beside it.
#[must_use]
pub fn document(run: &Run) -> impl Serialize + '_ {
    let mut ids: Vec<&str> = run.findings.iter().map(|finding| finding.check.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    Report {
        run,
        summary: Summary {
            all: Counts::of(&run.findings),
            by_severity: Severity::ALL
                .map(|severity| OfSeverity { severity, counts: Counts::of_severity(run, severity) })
                .into(),
            coverage: Cells::of_all(&run.coverage),
        },
        checks: ids
            .into_iter()
            .filter_map(check)
            .map(|check| Told {
                id: check.id,
                title: check.title,
                severity: check.severity,
                why: check.why,
                fix: check.fix,
                mappings: check.mappings,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_run_is_read_back_as_it_was() {
        for run in [samples::drifted(), samples::clean(), samples::hostile()] {
            let text = json(&run).unwrap();
            assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
        }
    }

    #[test]
    fn every_finding_refers_to_its_cause() {
        let text = json(&samples::of_one_cause()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["causes"][0]["id"], "trail-stopped");
        let findings = value["findings"].as_array().unwrap();
        let of = findings.iter().filter(|one| one["cause"] == "trail-stopped").count();
        assert_eq!((of, findings.len()), (3, 10));
        // A report of a version that knew no causes is read too.
        let mut old = value.clone();
        old.as_object_mut().unwrap().remove("causes");
        assert!(serde_json::from_value::<Run>(old).unwrap().causes.is_empty());
    }

    #[test]
    fn the_summary_counts_each_standing() {
        let value: serde_json::Value =
            serde_json::from_str(&json(&samples::drifted()).unwrap()).unwrap();
        let summary = &value["summary"];
        assert_eq!(summary["broken"], 4);
        assert_eq!(summary["unknown"], 1);
        assert_eq!(summary["suppressed"], 1);
        assert_eq!(summary["by_severity"][0]["severity"], "critical");
        assert_eq!(summary["by_severity"][0]["broken"], 1);
        assert_eq!(summary["coverage"]["uncovered"], 1);
    }
}
