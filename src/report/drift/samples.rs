//! Runs for the tests of every format.

use crate::checks::{
    Cause, Cell, Compared, Coverage, CoveredAccount, Finding, Run, Scope, Severity, Suppression,
    Verdict,
};

/// A string that must not become part of a format's syntax.
pub(super) const HOSTILE: &str =
    "=cmd|' /C calc'!A0 <script>alert(1)</script> & \"q\" ]]>\nCLEAN: all \u{1b}[31m\u{0}\u{202e}";

pub(super) fn finding(check: &str, severity: Severity, scope: Scope, verdict: Verdict) -> Finding {
    Finding { check: check.into(), severity, scope, verdict, suppression: None, cause: None }
}

pub(super) fn fail(found: &str) -> Verdict {
    Verdict::Fail { found: found.into(), expected: "the configured value".into() }
}

fn account(id: &str) -> Scope {
    Scope::Account { account: id.parse().unwrap() }
}

fn region(id: &str) -> Scope {
    Scope::Region { account: id.parse().unwrap(), region: "eu-west-1".parse().unwrap() }
}

fn bucket() -> Scope {
    Scope::Bucket { bucket: "acme-log-archive".parse().unwrap() }
}

fn key() -> Scope {
    Scope::Resource { arn: "arn:aws:kms:us-east-1:222222222222:key/k".parse().unwrap() }
}

fn suppression(expired: bool) -> Suppression {
    Suppression {
        reason: "moved next quarter".into(),
        last_day: "2026-03-31".parse().unwrap(),
        expired,
    }
}

fn row(id: &str, name: &str, cells: Vec<Cell>) -> CoveredAccount {
    CoveredAccount {
        account: id.parse().unwrap(),
        name: name.into(),
        unit_path: "Root/Workloads".into(),
        cells,
    }
}

fn covered() -> Cell {
    let at = Some("2026-03-01T11:50:00Z".parse().unwrap());
    Cell::Covered { newest_log: at, newest_digest: at }
}

pub(crate) fn clean() -> Run {
    let passed = |check: &str, scope| finding(check, Severity::High, scope, Verdict::Pass);
    Run {
        at: "2026-03-01T12:00:00Z".parse().unwrap(),
        organization: "o-exampleorgid".parse().unwrap(),
        management_account: "111111111111".parse().unwrap(),
        home_region: "us-east-1".parse().unwrap(),
        trail: "arn:aws:cloudtrail:us-east-1:111111111111:trail/org".parse().unwrap(),
        bucket: "acme-log-archive".parse().unwrap(),
        findings: vec![
            passed("sample-organization", Scope::Organization),
            passed("sample-bucket", bucket()),
            passed("sample-key", key()),
        ],
        causes: Vec::new(),
        coverage: Coverage {
            regions: vec!["eu-west-1".parse().unwrap()],
            accounts: vec![
                row("111111111111", "management", vec![covered()]),
                row("222222222222", "log-archive", vec![covered()]),
            ],
        },
        compared: None,
    }
}

/// At least one of every status and cell.
pub(in crate::report) fn drifted() -> Run {
    let unknown = Verdict::Unknown {
        reason: "GetKeyRotationStatus: access denied".into(),
        permission: Some("kms:GetKeyRotationStatus".into()),
    };
    let mut excused = finding("sample-bucket", Severity::Medium, bucket(), fail("no access log"));
    excused.suppression = Some(suppression(false));
    let mut expired = finding("sample-account", Severity::Low, account("333333333333"), fail("x"));
    expired.suppression = Some(suppression(true));
    let stopped = finding("sample-logging", Severity::Critical, Scope::Organization, fail("off"));
    let stale = finding("sample-fresh", Severity::High, region("222222222222"), fail("9 h old"));
    let key = finding("sample-key", Severity::High, key(), unknown);
    let mut run = clean();
    run.findings.extend([
        stopped.clone(),
        stale.clone(),
        finding("sample-fresh", Severity::High, region("333333333333"), fail("no log")),
        excused,
        expired,
        key.clone(),
        finding(
            "sample-copy",
            Severity::Low,
            bucket(),
            Verdict::NotConfigured { setting: "archive.copy".into() },
        ),
    ]);
    run.coverage.regions.push("us-east-1".parse().unwrap());
    let old = Cell::Stale { newest_log: None, newest_digest: None };
    run.coverage.accounts = vec![
        row("111111111111", "management", vec![covered(), covered()]),
        row("222222222222", "log-archive", vec![old, Cell::Unknown { reason: "denied".into() }]),
        row(
            "333333333333",
            "shop",
            vec![Cell::Uncovered { found: "no such trail".into() }, Cell::NotEnabled],
        ),
        row(
            "444444444444",
            "old",
            vec![Cell::Excluded { reason: "suspended".into() }, Cell::NotEnabled],
        ),
    ];
    run.compared = Some(Compared {
        baseline_at: "2026-02-28T12:00:00Z".parse().unwrap(),
        new: vec![stopped],
        fixed: vec![finding("sample-of-old", Severity::Low, Scope::Organization, fail("then"))],
        unchanged: vec![stale, key],
    });
    run
}

/// Several findings with one cause, and others without.
pub(in crate::report) fn of_one_cause() -> Run {
    let mut run = drifted();
    run.compared = None;
    let id = "trail-stopped";
    let mut checks = std::collections::BTreeMap::new();
    for finding in &mut run.findings {
        if ["sample-logging", "sample-fresh"].contains(&finding.check.as_str()) {
            finding.cause = Some(id.to_owned());
            *checks.entry(finding.check.clone()).or_default() += 1;
        }
    }
    run.causes = vec![Cause {
        id: id.to_owned(),
        severity: Severity::Critical,
        title: "the trail is stopped".to_owned(),
        fix: "start it again".to_owned(),
        failed: 3,
        unknown: 0,
        accounts: 2,
        regions: 1,
        checks,
    }];
    run
}

/// Every string that comes from elsewhere is hostile.
pub(in crate::report) fn hostile() -> Run {
    let mut run = drifted();
    run.causes = of_one_cause().causes;
    for cause in &mut run.causes {
        (cause.title, cause.fix) = (HOSTILE.into(), HOSTILE.into());
    }
    let taint = |finding: &mut Finding| {
        match &mut finding.verdict {
            Verdict::Fail { found, expected } => {
                *found = HOSTILE.into();
                *expected = HOSTILE.into();
            }
            Verdict::Unknown { reason, permission } => {
                *reason = HOSTILE.into();
                *permission = Some(HOSTILE.into());
            }
            Verdict::NotConfigured { setting } => *setting = HOSTILE.into(),
            Verdict::Pass => {}
        }
        if let Some(suppression) = &mut finding.suppression {
            suppression.reason = HOSTILE.into();
        }
    };
    run.findings.iter_mut().for_each(taint);
    if let Some(compared) = &mut run.compared {
        let all = [&mut compared.new, &mut compared.fixed, &mut compared.unchanged];
        all.into_iter().flatten().for_each(taint);
    }
    run.findings.push(finding(HOSTILE, Severity::High, Scope::Organization, fail(HOSTILE)));
    for account in &mut run.coverage.accounts {
        account.name = HOSTILE.into();
        account.unit_path = HOSTILE.into();
        for cell in &mut account.cells {
            match cell {
                Cell::Uncovered { found } => *found = HOSTILE.into(),
                Cell::Unknown { reason } | Cell::Excluded { reason } => *reason = HOSTILE.into(),
                _ => {}
            }
        }
    }
    run
}
