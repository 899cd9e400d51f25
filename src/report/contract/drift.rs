//! The drift report: `orgtrail drift`, which also reads it as a `--baseline`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{Check, Severity};
use super::coverage::Coverage;
use super::mirror;
use crate::checks;
use crate::names::{AccountId, Arn, BucketName, OrgId, Region};
use crate::report::drift::{Cells, Counts, check};

/// The result of the checks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// When AWS was asked.
    pub created_at: Timestamp,
    /// The organization.
    pub organization: OrgId,
    /// The account that owns the trail.
    pub management_account: AccountId,
    /// The trail's home Region.
    pub home_region: Region,
    /// The ARN of the organization trail in the configuration.
    pub trail: Arn,
    /// The archive bucket.
    pub bucket: BucketName,
    /// The counts.
    pub summary: Summary,
    /// Every result of every check, those that passed included.
    pub findings: Vec<Finding>,
    /// The causes that several findings have in common, the most severe first.
    pub causes: Vec<Cause>,
    /// The accounts and Regions that the trail covers.
    pub coverage: Coverage,
    /// The comparison with `--baseline`; null without one.
    pub comparison: Option<Comparison>,
    /// The checks of the findings, as far as this version has them.
    pub checks: Vec<Check>,
}

/// The counts of a drift report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// All findings.
    #[serde(flatten)]
    pub all: FindingCounts,
    /// The findings of each severity, the most severe first.
    pub by_severity: Vec<OfSeverity>,
    /// The cells of the coverage.
    pub coverage: CellCounts,
}

mirror! {
    /// Findings, by verdict.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct FindingCounts from Counts {
        /// Failed, and not suppressed.
        failed: usize,
        /// Unknown, because a read failed.
        unknown: usize,
        /// Failed, and suppressed by the configuration.
        suppressed: usize,
        /// Not checked, because nothing is configured.
        not_configured: usize,
        /// Passed.
        passed: usize,
    }
}

/// The findings of one severity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OfSeverity {
    /// The severity.
    pub severity: Severity,
    /// The counts.
    #[serde(flatten)]
    pub counts: FindingCounts,
}

mirror! {
    /// Cells of the coverage, by state.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    struct CellCounts from Cells {
        /// The trail records there and delivered in time.
        covered: usize,
        /// The newest delivery is too old.
        stale: usize,
        /// The trail is missing, or does not record.
        uncovered: usize,
        /// The state could not be read.
        unknown: usize,
        /// The account has not enabled the Region.
        not_enabled: usize,
        /// The account is excluded.
        excluded: usize,
    }
}

mirror! {
    /// The result of a check for one scope.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Finding of checks::Finding {
        /// The check's id.
        check: String,
        /// How severe it is when the check fails.
        severity: Severity => into,
        /// What was checked.
        scope: Scope => into,
        /// The verdict.
        #[serde(flatten)]
        verdict: Verdict => into,
        /// The suppression of a failed or unknown finding in the configuration.
        suppression: Option<Suppression> => option,
        /// The id of the cause that it has in common with other findings.
        cause: Option<String>,
    }
}

mirror! {
    /// What a check covers.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Scope of checks::Scope {
        /// The organization.
        Organization,
        /// An account.
        Account {
            /// The account.
            account: AccountId,
        },
        /// An account in a Region.
        Region {
            /// The account.
            account: AccountId,
            /// The Region.
            region: Region,
        },
        /// A bucket.
        Bucket {
            /// Its name.
            bucket: BucketName,
        },
        /// A resource.
        Resource {
            /// Its ARN.
            arn: Arn,
        },
    }
}

mirror! {
    /// The verdict of a check.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "verdict", rename_all = "snake_case")]
    enum Verdict of checks::Verdict {
        /// The check passed.
        Pass,
        /// The check failed.
        Fail {
            /// What was found.
            found: String,
            /// What was expected.
            expected: String,
        },
        /// Not checked, because the configuration does not require it.
        NotConfigured {
            /// The setting, or the option, that would require it.
            setting: String,
        },
        /// A read failed.
        Unknown {
            /// The read, and why it failed.
            reason: String,
            /// The IAM action that the read needs.
            permission: Option<String>,
        },
    }
}

mirror! {
    /// Why a finding does not count.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Suppression of checks::Suppression {
        /// The reason in the configuration.
        reason: String,
        /// The last day on which it does not count, in UTC.
        last_day: Date,
        /// Whether that day has passed: then the finding counts.
        expired: bool,
    }
}

mirror! {
    /// What several findings have in common.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Cause of checks::Cause {
        /// Its id within the report.
        id: String,
        /// The severity of its most severe finding.
        severity: Severity => into,
        /// What is wrong.
        title: String,
        /// How to fix it.
        fix: String,
        /// Its failed findings.
        failed: usize,
        /// Its unknown findings.
        unknown: usize,
        /// The accounts that it concerns.
        accounts: usize,
        /// The Regions that it concerns.
        regions: usize,
        /// Its findings, by check.
        checks: BTreeMap<String, usize>,
    }
}

mirror! {
    /// The changes since an earlier report.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    struct Comparison of checks::Compared {
        /// When the earlier report was made.
        baseline_at: Timestamp,
        /// Failed or unknown now, and not then.
        new: Vec<Finding> => each,
        /// Failed or unknown then, and not now.
        fixed: Vec<Finding> => each,
        /// Failed or unknown then and now.
        unchanged: Vec<Finding> => each,
    }
}

impl From<&checks::Run> for Report {
    fn from(run: &checks::Run) -> Self {
        let checks::Run {
            at,
            organization,
            management_account,
            home_region,
            trail,
            bucket,
            findings,
            causes,
            coverage,
            compared,
        } = run.clone();
        let mut ids: Vec<&str> = run.findings.iter().map(|it| it.check.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let of_severity = |severity: checks::Severity| OfSeverity {
            severity: severity.into(),
            counts: Counts::of_severity(run, severity).into(),
        };
        Self {
            created_at: at,
            organization,
            management_account,
            home_region,
            trail,
            bucket,
            summary: Summary {
                all: Counts::of(&run.findings).into(),
                by_severity: checks::Severity::ALL.map(of_severity).into(),
                coverage: Cells::of_all(&run.coverage).into(),
            },
            findings: all(findings),
            causes: all(causes),
            coverage: coverage.into(),
            comparison: compared.map(Comparison::from),
            checks: ids.into_iter().filter_map(check).map(Check::from).collect(),
        }
    }
}

impl From<Report> for checks::Run {
    fn from(report: Report) -> Self {
        Self {
            at: report.created_at,
            organization: report.organization,
            management_account: report.management_account,
            home_region: report.home_region,
            trail: report.trail,
            bucket: report.bucket,
            findings: all(report.findings),
            causes: all(report.causes),
            coverage: report.coverage.into(),
            compared: report.comparison.map(checks::Compared::from),
        }
    }
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::{Emitted, ReadError, read};
    use super::*;
    use crate::report::drift::samples;

    fn text(run: &checks::Run) -> String {
        serde_json::to_string_pretty(&Emitted::new(Report::from(run))).unwrap()
    }

    #[test]
    fn a_report_is_read_back_as_the_run_that_it_was_made_of() {
        for run in [samples::drifted(), samples::clean(), samples::hostile()] {
            let report = read::<Report>(text(&run).as_bytes()).unwrap();
            assert_eq!(checks::Run::from(report), run);
        }
    }

    #[test]
    fn another_document_and_another_version_are_refused() {
        let report = text(&samples::clean());
        let other = report.replacen("drift-report", "coverage-report", 1);
        assert!(matches!(read::<Report>(other.as_bytes()), Err(ReadError::OtherDocument { .. })));
        let newer = report.replacen("\"version\": 1", "\"version\": 2", 1);
        let error = read::<Report>(newer.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "it has version 2, expected 1");
        assert!(matches!(read::<Report>(b"{}"), Err(ReadError::Malformed(_))));
    }

    #[test]
    fn every_finding_refers_to_its_cause() {
        let value: Value = serde_json::from_str(&text(&samples::of_one_cause())).unwrap();
        assert_eq!(value["causes"][0]["id"], "trail-stopped");
        let findings = value["findings"].as_array().unwrap();
        let of = findings.iter().filter(|one| one["cause"] == "trail-stopped").count();
        assert_eq!((of, findings.len()), (3, 10));
    }

    #[test]
    fn the_summary_counts_each_verdict() {
        let value: Value = serde_json::from_str(&text(&samples::drifted())).unwrap();
        let summary = &value["summary"];
        assert_eq!(summary["failed"], 4);
        assert_eq!(summary["unknown"], 1);
        assert_eq!(summary["suppressed"], 1);
        assert_eq!(summary["by_severity"][0]["severity"], "critical");
        assert_eq!(summary["by_severity"][0]["failed"], 1);
        assert_eq!(summary["coverage"]["uncovered"], 1);
    }

    #[test]
    fn the_document_is_as_readers_know_it() {
        insta::assert_snapshot!(text(&samples::drifted()));
    }
}
