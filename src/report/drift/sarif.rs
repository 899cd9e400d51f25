use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{Change, Changes, Status, cause, check, plain, rules, sentence, title};
use crate::checks::{Finding, Run, Severity};

/// The run as SARIF 2.1.0: a rule per check, a result for each failed, unknown or
/// suppressed finding, and a notification for each check that is not configured and for
/// each environment override.
///
/// GitHub shows only results that refer to a file, so each points at the configuration;
/// the scope is its logical location.
#[must_use]
pub fn sarif(run: &Run, overrides: &[String]) -> String {
    let changes = Changes::of(run);
    let mut ids: Vec<&str> = run.findings.iter().map(|finding| finding.check.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let results: Vec<Value> = run
        .findings
        .iter()
        .filter(|finding| !matches!(Status::of(finding), Status::Pass | Status::NotConfigured))
        .map(|finding| {
            let index = ids.binary_search(&finding.check.as_str()).ok();
            let change = run.compared.as_ref().map(|_| changes.get(finding));
            result(run, finding, index, change.map(|change| change.unwrap_or(Change::New)))
        })
        .collect();
    let overridden = overrides
        .iter()
        .map(|line| json!({ "level": "warning", "message": { "text": message(&plain(line)) } }));
    let not_configured =
        run.findings.iter().filter(|finding| Status::of(finding) == Status::NotConfigured).map(
            |finding| {
                json!({
                    "level": "note",
                    "message": { "text": message(&sentence(finding)) },
                    "associatedRule": { "id": finding.check },
                })
            },
        );
    let notifications: Vec<Value> = overridden.chain(not_configured).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "orgtrail",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": ids.into_iter().map(|id| rule(run, id)).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": format!("orgtrail-drift/{}/", run.organization) },
            "invocations": [{
                "executionSuccessful": true,
                "endTimeUtc": run.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "toolConfigurationNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(run: &Run, id: &str) -> Value {
    let mut tags = vec!["security".to_owned()];
    tags.extend(rules(id));
    let severity = check(id).map_or_else(
        || run.findings.iter().find(|finding| finding.check == id).map(|it| it.severity),
        |check| Some(check.severity),
    );
    let mut rule = json!({
        "id": id,
        "shortDescription": { "text": title(id) },
        "properties": { "tags": tags },
    });
    if let Some(severity) = severity {
        rule["defaultConfiguration"] = json!({ "level": level(severity) });
        rule["properties"]["security-severity"] = score(severity).into();
    }
    if let Some(check) = check(id) {
        rule["fullDescription"] = json!({ "text": check.why });
        rule["help"] = json!({ "text": format!("{}\n\nFix: {}", check.why, check.fix) });
    }
    rule
}

fn result(run: &Run, finding: &Finding, index: Option<usize>, change: Option<Change>) -> Value {
    let status = Status::of(finding);
    let (kind, level) = match status {
        Status::Pass => ("pass", "none"),
        Status::NotConfigured => ("notApplicable", "none"),
        Status::Unknown => ("open", "none"),
        Status::Fail | Status::Suppressed => ("fail", level(finding.severity)),
    };
    let scope = finding.scope.to_string();
    let fingerprint = digest(&SHA256, format!("{}\n{scope}", finding.check).as_bytes());
    let mut result = json!({
        "ruleId": finding.check,
        "kind": kind,
        "level": level,
        "message": { "text": message(&format!("{scope}: {}", sentence(finding))) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": "orgtrail.toml" },
                "region": { "startLine": 1 },
            },
            "logicalLocations": [{ "fullyQualifiedName": scope, "kind": "resource" }],
        }],
        // GitHub distinguishes results by this one.
        "partialFingerprints": { "primaryLocationLineHash": hex::encode(fingerprint) },
        "properties": { "severity": finding.severity.as_str(), "status": status.as_str() },
    });
    if let Some(cause) = cause(run, finding) {
        result["properties"]["cause"] =
            json!({ "id": cause.id, "title": cause.title, "fix": cause.fix });
    }
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if let Some(suppression) = finding.suppression.as_ref().filter(|it| !it.expired) {
        let why = format!("until {}: {}", suppression.last_day, suppression.reason);
        result["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": why }]);
    }
    if let Some(change) = change {
        let state = if change == Change::Unchanged { "unchanged" } else { "new" };
        result["baselineState"] = state.into();
    }
    result
}

/// A message in which no untrusted string makes a link.
fn message(text: &str) -> String {
    text.replace("](", "] (")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// GitHub's scale: critical above 9, high from 7, medium from 4, low below.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn results(run: &Run) -> Vec<Value> {
        let log: Value = serde_json::from_str(&sarif(run, &[])).unwrap();
        log["runs"][0]["results"].as_array().unwrap().clone()
    }

    #[test]
    fn each_failed_or_unknown_finding_is_one_result_of_its_kind() {
        assert!(results(&samples::clean()).is_empty());
        let results = results(&samples::drifted());
        let of = |kind: &str| results.iter().filter(|result| result["kind"] == kind).count();
        assert_eq!((of("fail"), of("open")), (5, 1));
        let suppressed = results.iter().filter(|it| !it["suppressions"].is_null());
        assert_eq!(suppressed.count(), 1, "one that has expired suppresses nothing");
        assert!(results.iter().all(|result| result["baselineState"].is_string()));
    }

    #[test]
    fn results_have_distinct_and_stable_fingerprints() {
        let prints = |run: &Run| -> Vec<String> {
            results(run).iter().map(|it| it["partialFingerprints"].to_string()).collect()
        };
        let mut first = prints(&samples::drifted());
        assert_eq!(first, prints(&samples::drifted()));
        let all = first.len();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), all);
    }

    #[test]
    fn no_untrusted_string_makes_a_link() {
        assert_eq!(message("[x](https://example.com)"), "[x] (https://example.com)");
    }
}
