use serde::Serialize;

use super::{BundleFacts, KeyUsed, Subject, digests, verdict};
use crate::archive::verify::finding::{Finding, Severity};
use crate::archive::verify::run::{LaneReport, LogTally, Verification};

/// The JSON contract. Fields may be added; `version` grows when one changes its
/// meaning or goes.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// 1.
    version: u32,
    target: &'a str,
    at: String,
    since: Option<String>,
    until: Option<String>,
    /// `proven`, `incomplete` or `broken`.
    verdict: &'static str,
    summary: Summary,
    /// The public keys, by where they come from.
    keys: &'a [KeyUsed],
    /// Of a bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a BundleFacts>,
    lanes: &'a [LaneReport],
    findings: Vec<Told<'a>>,
}

#[derive(Debug, Serialize)]
struct Summary {
    lanes: usize,
    digests_valid: u64,
    digests_invalid: u64,
    logs: LogTally,
    notices: usize,
    /// Of these, those that would be graver had nobody accepted them.
    accepted: usize,
    incomplete: usize,
    broken: usize,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    meaning: &'static str,
}

/// The report for programs.
#[must_use]
pub fn json<'a>(subject: &'a Subject, verification: &'a Verification) -> impl Serialize + use<'a> {
    let lanes = &verification.lanes;
    let count = |severity| {
        verification.all_findings().filter(|finding| finding.severity == severity).count()
    };
    let mut logs = LogTally::default();
    for lane in lanes {
        logs.valid += lane.logs.valid;
        logs.invalid += lane.logs.invalid;
        logs.unreadable += lane.logs.unreadable;
        logs.inflated_bytes += lane.logs.inflated_bytes;
    }
    Report {
        version: 1,
        target: &subject.target,
        at: subject.at.to_string(),
        since: subject.window.since.map(|time| time.to_string()),
        until: subject.window.until.map(|time| time.to_string()),
        verdict: verdict(verification),
        summary: Summary {
            lanes: lanes.len(),
            digests_valid: lanes.iter().map(|lane| digests(lane).0).sum(),
            digests_invalid: lanes.iter().map(|lane| digests(lane).1).sum(),
            logs,
            notices: count(Severity::Notice),
            accepted: verification.all_findings().filter(|it| it.accepted.is_some()).count(),
            incomplete: count(Severity::Incomplete),
            broken: count(Severity::Broken),
        },
        keys: &subject.keys,
        bundle: subject.bundle.as_ref(),
        lanes,
        findings: verification
            .all_findings()
            .map(|finding| Told { finding, meaning: finding.kind.meaning() })
            .collect(),
    }
}
