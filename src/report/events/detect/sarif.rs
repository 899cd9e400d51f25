use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use orgtrail_base::percent::encode_path;
use orgtrail_events::detection::RuleInfo;
use serde_json::{Value, json};

use super::{remarks, sentence};
use crate::checks::Severity;
use crate::events::answer::Proof;
use crate::events::detections::{DetectedFinding, Detections};
use crate::printable::plain;

/// The findings as SARIF 2.1.0: a rule per rule that matched, and a result per finding, which
/// points at the log file of its first event. What limits the answer is a notification.
#[must_use]
pub fn sarif(detections: &Detections) -> String {
    let rules: BTreeMap<&str, &RuleInfo> = detections
        .findings
        .iter()
        .map(|one| (one.finding.rule.id.as_str(), &*one.finding.rule))
        .collect();
    let index = |id: &str| rules.keys().position(|known| *known == id);
    let results: Vec<Value> =
        detections.findings.iter().map(|one| result(one, index(&one.finding.rule.id))).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "orgtrail",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.values().map(|info| rule(info)).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": "orgtrail-events-detect/" },
            "invocations": [{
                "executionSuccessful": !detections.is_incomplete(),
                "endTimeUtc": detections.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "toolExecutionNotifications": notifications(detections),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(info: &RuleInfo) -> Value {
    let mut tags = vec!["security".to_owned()];
    tags.extend(info.techniques.iter().map(|technique| message(technique)));
    let severity = info.severity;
    let mut rule = json!({
        "id": info.id,
        "shortDescription": { "text": message(&info.title) },
        "properties": { "tags": tags, "security-severity": score(severity) },
        "defaultConfiguration": { "level": level(severity) },
    });
    if !info.why.is_empty() {
        rule["fullDescription"] = json!({ "text": message(&info.why) });
    }
    if !info.fix.is_empty() {
        rule["help"] = json!({ "text": message(&info.fix) });
    }
    if let Some(source) = &info.sigma {
        rule["properties"]["author"] = source.author.as_deref().map(message).into();
        rule["properties"]["license"] = source.license.as_deref().map(message).into();
        rule["properties"]["file"] = message(&source.file).into();
    }
    rule
}

fn result(detected: &DetectedFinding, index: Option<usize>) -> Value {
    let finding = &detected.finding;
    let event = detected.first();
    let key = event.map_or("", |event| event.key.as_str());
    let id = event.and_then(|event| event.id.as_deref()).unwrap_or_default();
    let print = digest(&SHA256, format!("{}\n{id}\n{}", finding.rule.id, finding.about).as_bytes());
    let mut result = json!({
        "ruleId": finding.rule.id,
        "kind": "fail",
        "level": level(detected.severity),
        "message": { "text": message(&sentence(detected)) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": encode_path(key) },
                "region": { "startLine": 1 },
            },
            "logicalLocations": [{ "fullyQualifiedName": message(&plain(&finding.about)), "kind": "resource" }],
        }],
        // GitHub distinguishes results by this one.
        "partialFingerprints": { "primaryLocationLineHash": hex::encode(print) },
        "occurrenceCount": finding.count.max(1),
        "properties": {
            "severity": detected.severity.as_str(),
            "remarks": remarks(detected),
            "firstAt": finding.at().map(|at| at.to_string()),
            "lastAt": finding.last_at.map(|at| at.to_string()),
            "eventIds": finding.events.iter().filter_map(|event| event.id.as_deref().map(message)).collect::<Vec<_>>(),
            "proof": detected.proof.map(Proof::as_str),
        },
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    result
}

/// What limits the answer.
fn notifications(detections: &Detections) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |level: &str, text: String| {
        all.push(json!({ "level": level, "message": { "text": message(&text) } }));
    };
    let coverage = &detections.coverage;
    for (key, why) in &coverage.unreadable_files {
        add("error", format!("{key} could not be read: {why}"));
    }
    if coverage.malformed > 0 {
        add("error", format!("{} records could not be read", coverage.malformed));
    }
    if let Some(why) = &coverage.cut_short {
        add("error", format!("the listing ended early: {why}"));
    }
    if detections.was_stopped {
        add("error", "the detection was stopped".to_owned());
    }
    if detections.left_out > 0 {
        add("error", format!("{} more findings are left out", detections.left_out));
    }
    for problem in detections.rules.iter().flat_map(|rules| &rules.problems) {
        let level = if problem.is_unusable { "error" } else { "warning" };
        add(level, format!("{} [{}]: {}", problem.file, problem.check, problem.message));
    }
    for (resource, why) in &detections.facts.unknown {
        add("note", format!("the id of {resource} is not known: {why}"));
    }
    all
}

/// A message in which no untrusted string makes a link.
fn message(text: &str) -> String {
    plain(text).replace("](", "] (")
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

    #[test]
    fn each_finding_is_one_result_of_its_rule() {
        let detections = samples::detections();
        let log: Value = serde_json::from_str(&sarif(&detections)).unwrap();
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), detections.findings.len());
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        let sigma = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert!(sigma.iter().any(|rule| rule["properties"]["author"] == "A. Author"));
        let prints: std::collections::BTreeSet<String> =
            results.iter().map(|it| it["partialFingerprints"].to_string()).collect();
        assert_eq!(prints.len(), results.len());
    }

    #[test]
    fn no_untrusted_message_makes_a_link() {
        let log: Value = serde_json::from_str(&sarif(&samples::hostile())).unwrap();
        let run = &log["runs"][0];
        let mut messages = Vec::new();
        for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
            let named = ["shortDescription", "fullDescription", "help"];
            messages.extend(named.map(|name| rule[name]["text"].to_string()));
        }
        for result in run["results"].as_array().unwrap() {
            messages.push(result["message"]["text"].to_string());
        }
        let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        messages.extend(notes.iter().map(|note| note["message"]["text"].to_string()));
        assert!(messages.len() > 3);
        assert!(messages.iter().all(|text| !text.contains("](")), "{messages:#?}");
    }
}
