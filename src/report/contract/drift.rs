//! The drift report: `orgtrail drift`, which also reads it as a `--baseline`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Document;
use super::checks::{Check, Severity};
use super::coverage::Coverage;
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

impl Document for Report {
    const NAME: &'static str = "drift-report";
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

/// Findings, by verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingCounts {
    /// Failed, and not suppressed.
    pub failed: usize,
    /// Unknown, because a read failed.
    pub unknown: usize,
    /// Failed, and suppressed by the configuration.
    pub suppressed: usize,
    /// Not checked, because nothing is configured.
    pub not_configured: usize,
    /// Passed.
    pub passed: usize,
}

impl From<Counts> for FindingCounts {
    fn from(counts: Counts) -> Self {
        let Counts { failed, unknown, suppressed, not_configured, passed } = counts;
        Self { failed, unknown, suppressed, not_configured, passed }
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

/// Cells of the coverage, by state.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CellCounts {
    /// The trail records there and delivered in time.
    pub covered: usize,
    /// The newest delivery is too old.
    pub stale: usize,
    /// The trail is missing, or does not record.
    pub uncovered: usize,
    /// The state could not be read.
    pub unknown: usize,
    /// The account has not enabled the Region.
    pub not_enabled: usize,
    /// The account is excluded.
    pub excluded: usize,
}

impl From<Cells> for CellCounts {
    fn from(cells: Cells) -> Self {
        let Cells { covered, stale, uncovered, unknown, not_enabled, excluded } = cells;
        Self { covered, stale, uncovered, unknown, not_enabled, excluded }
    }
}

/// The result of a check for one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The check's id.
    pub check: String,
    /// How severe it is when the check fails.
    pub severity: Severity,
    /// What was checked.
    pub scope: Scope,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The suppression of a failed or unknown finding in the configuration.
    pub suppression: Option<Suppression>,
    /// The id of the cause that it has in common with other findings.
    pub cause: Option<String>,
}

/// What a check covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scope {
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

/// The verdict of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
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

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suppression {
    /// The reason in the configuration.
    pub reason: String,
    /// The last day on which it does not count, in UTC.
    pub last_day: Date,
    /// Whether that day has passed: then the finding counts.
    pub expired: bool,
}

/// What several findings have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Its id within the report.
    pub id: String,
    /// The severity of its most severe finding.
    pub severity: Severity,
    /// What is wrong.
    pub title: String,
    /// How to fix it.
    pub fix: String,
    /// Its failed findings.
    pub failed: usize,
    /// Its unknown findings.
    pub unknown: usize,
    /// The accounts that it concerns.
    pub accounts: usize,
    /// The Regions that it concerns.
    pub regions: usize,
    /// Its findings, by check.
    pub checks: BTreeMap<String, usize>,
}

/// The changes since an earlier report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// When the earlier report was made.
    pub baseline_at: Timestamp,
    /// Failed or unknown now, and not then.
    pub new: Vec<Finding>,
    /// Failed or unknown then, and not now.
    pub fixed: Vec<Finding>,
    /// Failed or unknown then and now.
    pub unchanged: Vec<Finding>,
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

impl From<checks::Finding> for Finding {
    fn from(finding: checks::Finding) -> Self {
        let checks::Finding { check, severity, scope, verdict, suppression, cause } = finding;
        Self {
            check,
            severity: severity.into(),
            scope: scope.into(),
            verdict: verdict.into(),
            suppression: suppression.map(|it| Suppression {
                reason: it.reason,
                last_day: it.until,
                expired: it.expired,
            }),
            cause,
        }
    }
}

impl From<Finding> for checks::Finding {
    fn from(finding: Finding) -> Self {
        let Finding { check, severity, scope, verdict, suppression, cause } = finding;
        Self {
            check,
            severity: severity.into(),
            scope: scope.into(),
            verdict: verdict.into(),
            suppression: suppression.map(|it| checks::Suppression {
                reason: it.reason,
                until: it.last_day,
                expired: it.expired,
            }),
            cause,
        }
    }
}

impl From<checks::Scope> for Scope {
    fn from(scope: checks::Scope) -> Self {
        match scope {
            checks::Scope::Organization => Self::Organization,
            checks::Scope::Account { account } => Self::Account { account },
            checks::Scope::Region { account, region } => Self::Region { account, region },
            checks::Scope::Bucket { bucket } => Self::Bucket { bucket },
            checks::Scope::Resource { arn } => Self::Resource { arn },
        }
    }
}

impl From<Scope> for checks::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Organization => Self::Organization,
            Scope::Account { account } => Self::Account { account },
            Scope::Region { account, region } => Self::Region { account, region },
            Scope::Bucket { bucket } => Self::Bucket { bucket },
            Scope::Resource { arn } => Self::Resource { arn },
        }
    }
}

impl From<checks::Verdict> for Verdict {
    fn from(verdict: checks::Verdict) -> Self {
        match verdict {
            checks::Verdict::Pass => Self::Pass,
            checks::Verdict::Fail { found, expected } => Self::Fail { found, expected },
            checks::Verdict::NotConfigured { setting } => Self::NotConfigured { setting },
            checks::Verdict::Unknown { reason, permission } => Self::Unknown { reason, permission },
        }
    }
}

impl From<Verdict> for checks::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail { found, expected } => Self::Fail { found, expected },
            Verdict::NotConfigured { setting } => Self::NotConfigured { setting },
            Verdict::Unknown { reason, permission } => Self::Unknown { reason, permission },
        }
    }
}

impl From<checks::Cause> for Cause {
    fn from(cause: checks::Cause) -> Self {
        let checks::Cause { id, severity, title, fix, failed, unknown, accounts, regions, checks } =
            cause;
        let severity = severity.into();
        Self { id, severity, title, fix, failed, unknown, accounts, regions, checks }
    }
}

impl From<Cause> for checks::Cause {
    fn from(cause: Cause) -> Self {
        let Cause { id, severity, title, fix, failed, unknown, accounts, regions, checks } = cause;
        let severity = severity.into();
        Self { id, severity, title, fix, failed, unknown, accounts, regions, checks }
    }
}

impl From<checks::Compared> for Comparison {
    fn from(compared: checks::Compared) -> Self {
        let checks::Compared { since, new, fixed, unchanged } = compared;
        Self { baseline_at: since, new: all(new), fixed: all(fixed), unchanged: all(unchanged) }
    }
}

impl From<Comparison> for checks::Compared {
    fn from(comparison: Comparison) -> Self {
        let Comparison { baseline_at, new, fixed, unchanged } = comparison;
        Self { since: baseline_at, new: all(new), fixed: all(fixed), unchanged: all(unchanged) }
    }
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
