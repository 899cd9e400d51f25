use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::plan_empty::{self, PLAN_EMPTY};
use super::{
    Cause, Check, Coverage, Facts, Finding, Scope, Severity, Suppression, Verdict, causes,
};
use crate::names::{AccountId, Arn, BucketName, OrgId, Region};
use crate::policy::eval::matches_wildcards;

/// The results of one run of the checks: every report renders them, and `--baseline`
/// reads them back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When AWS was read.
    pub at: Timestamp,
    /// The organization's id.
    pub organization: OrgId,
    /// The account that owns the trail.
    pub management_account: AccountId,
    /// The trail's home Region.
    pub home_region: Region,
    /// The configured organization trail's ARN.
    pub trail: Arn,
    /// The archive bucket.
    pub bucket: BucketName,
    /// Every result, including passed ones and those that are not configured.
    pub findings: Vec<Finding>,
    /// The causes of several findings, the most severe first. Findings refer to them by
    /// their ids.
    pub causes: Vec<Cause>,
    /// Account by Region.
    pub coverage: Coverage,
    /// The changes since an earlier run, if one is given.
    pub compared: Option<Compared>,
}

/// The changes since an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// When the earlier run was.
    pub baseline_at: Timestamp,
    /// Failed or unknown now, and not then.
    pub new: Vec<Finding>,
    /// Failed or unknown then, and not now, as they were then; without those that an unknown
    /// result may hide now.
    pub fixed: Vec<Finding>,
    /// Failed or unknown then and now.
    pub unchanged: Vec<Finding>,
}

impl Run {
    /// Runs some checks over the facts.
    #[must_use]
    pub fn of(facts: &Facts, checks: &[&Check]) -> Self {
        let desired = &facts.desired;
        let mut findings = Vec::new();
        // The last one covers what the others did not report.
        let is_last = |check: &&&Check| check.id == PLAN_EMPTY;
        let others = checks.iter().filter(|check| !is_last(check));
        for check in others.chain(checks.iter().filter(is_last)) {
            let results = if is_last(&check) {
                plan_empty::judge_without(facts, &findings)
            } else {
                check.judge(facts)
            };
            for result in results {
                let suppression = if result.verdict.is_open() {
                    suppression(facts, check, &result.scope)
                } else {
                    None
                };
                findings.push(Finding {
                    check: check.id.to_owned(),
                    severity: check.severity,
                    scope: result.scope,
                    verdict: result.verdict,
                    suppression,
                    cause: None,
                });
            }
        }
        let causes = causes::explain(facts, &mut findings);
        Self {
            at: facts.at,
            organization: desired.org_id().clone(),
            management_account: desired.management().clone(),
            home_region: desired.config.organization.home_region.clone(),
            trail: desired.trail_arn(),
            bucket: desired.bucket().clone(),
            findings,
            causes,
            coverage: Coverage::of(desired, &facts.accounts, facts.at),
            compared: None,
        }
    }

    /// Compares with an earlier run, as far as both ran the same checks.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        let checks = |run: &Self| -> BTreeSet<String> {
            run.findings.iter().map(|finding| finding.check.clone()).collect()
        };
        let both: BTreeSet<String> =
            checks(&self).intersection(&checks(earlier)).cloned().collect();
        let open = |run: &Self| -> Vec<Finding> {
            let open = run.findings.iter().filter(|finding| finding.verdict.is_open());
            open.filter(|finding| both.contains(&finding.check)).cloned().collect()
        };
        let (now, then) = (open(&self), open(earlier));
        let keys = |findings: &[Finding]| -> BTreeSet<(String, Scope)> {
            findings.iter().map(|one| (one.check.clone(), one.scope.clone())).collect()
        };
        let (now_keys, then_keys) = (keys(&now), keys(&then));
        let in_keys = |one: &Finding, keys: &BTreeSet<(String, Scope)>| {
            keys.contains(&(one.check.clone(), one.scope.clone()))
        };
        let answered = keys(&self.findings);
        // If accounts cannot be listed, one result stands for all of them.
        let blind: BTreeSet<&str> = now
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Unknown { .. }))
            .map(|one| one.check.as_str())
            .collect();
        let fixed = then
            .into_iter()
            .filter(|one| !in_keys(one, &now_keys))
            .filter(|one| in_keys(one, &answered) || !blind.contains(one.check.as_str()))
            .collect();
        let (unchanged, new) = now.into_iter().partition(|one| in_keys(one, &then_keys));
        self.compared = Some(Compared { baseline_at: earlier.at, new, fixed, unchanged });
        self
    }

    /// Whether a check failed that is at least this severe, and counts.
    #[must_use]
    pub fn has_drift(&self, at_least: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity >= at_least && finding.counts())
    }

    /// Whether a check that is at least this severe is unknown, and not suppressed; also if
    /// there are no results.
    #[must_use]
    pub fn has_unknown(&self, at_least: Severity) -> bool {
        let unknown = |finding: &Finding| {
            finding.severity >= at_least
                && matches!(finding.verdict, Verdict::Unknown { .. })
                && finding.is_open()
        };
        self.findings.is_empty() || self.findings.iter().any(unknown)
    }
}

/// The suppression of a finding in the configuration: one in force rather than an expired
/// one.
fn suppression(facts: &Facts, check: &Check, scope: &Scope) -> Option<Suppression> {
    let today = facts.at.to_zoned(TimeZone::UTC).date();
    let scope = scope.to_string();
    facts
        .desired
        .config
        .drift
        .suppress
        .iter()
        .filter(|one| one.check.as_str() == check.id)
        .filter(|one| one.scope.as_ref().is_none_or(|pattern| matches_wildcards(pattern, &scope)))
        .max_by_key(|one| one.until)
        .map(|one| Suppression {
            reason: one.reason.clone(),
            last_day: one.until,
            expired: one.until < today,
        })
}
