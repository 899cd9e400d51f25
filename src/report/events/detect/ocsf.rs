use orgtrail_events::detection::{Certainty, EventRef, RuleInfo};
use serde_json::{Value, json};

use super::{remarks, sentence};
use crate::checks::Severity;
use crate::events::answer::Proof;
use crate::events::detections::{DetectedFinding, Detections};

/// The version of the schema that the events follow.
const VERSION: &str = "1.5.0";
/// Detection Finding.
const CLASS: u32 = 2004;
/// The version of ATT&CK in which the rules' current ids are.
const ATTACK: &str = "19.0";

/// The findings as OCSF Detection Findings: an array, one event a line.
#[must_use]
pub fn ocsf(detections: &Detections) -> String {
    let events: Vec<String> =
        detections.findings.iter().map(|one| event(detections, one).to_string()).collect();
    format!("[\n{}\n]\n", events.join(",\n"))
}

fn event(detections: &Detections, detected: &DetectedFinding) -> Value {
    let finding = &detected.finding;
    let rule = &finding.rule;
    let first = detected.first().cloned().unwrap_or_default();
    let id = first.id.as_deref().unwrap_or("unknown");
    let (severity_id, severity) = severity(detected.severity);
    let is_possible = finding.certainty == Certainty::Possible;
    let (confidence_id, confidence) = if is_possible { (1, "Low") } else { (3, "High") };
    let mut event = json!({
        "activity_id": 1,
        "activity_name": "Create",
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Detection Finding",
        "class_uid": CLASS,
        "cloud": cloud(&first),
        "confidence": confidence,
        "confidence_id": confidence_id,
        "count": finding.count,
        "evidences": finding.events.iter().map(evidence).collect::<Vec<_>>(),
        "finding_info": finding_info(detected, rule, id),
        "message": sentence(detected),
        "metadata": {
            "event_code": rule.id,
            "product": {
                "name": "orgtrail",
                "uid": "orgtrail",
                "vendor_name": "orgtrail",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "profiles": ["cloud"],
            "version": VERSION,
        },
        "resources": [{ "name": finding.about, "type": "AWS resource" }],
        "severity": severity,
        "severity_id": severity_id,
        "status": "New",
        "status_id": 1,
        "time": finding.at().unwrap_or(detections.at).as_millisecond(),
        "type_name": "Detection Finding: Create",
        "type_uid": CLASS * 100 + 1,
    });
    if !rule.fix.is_empty() {
        event["remediation"] = json!({ "desc": rule.fix });
    }
    if let Some(last) = finding.last_at {
        event["end_time"] = last.as_millisecond().into();
    }
    if let Some(at) = finding.at() {
        event["start_time"] = at.as_millisecond().into();
    }
    // What OCSF has no attribute for.
    event["unmapped"] = json!({
        "remarks": remarks(detected),
        "details": finding.details,
        "proof": detected.proof.map(Proof::as_str),
        "log_files": finding.events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>(),
    });
    if let Some(source) = &rule.sigma {
        event["unmapped"]["rule"] = json!({
            "author": source.author, "license": source.license, "file": source.file,
        });
    }
    event
}

fn finding_info(detected: &DetectedFinding, rule: &RuleInfo, id: &str) -> Value {
    let finding = &detected.finding;
    let attacks: Vec<Value> = rule
        .techniques
        .iter()
        .map(|id| match id.split_once('.') {
            Some((technique, _)) => json!({
                "technique": { "uid": technique },
                "sub_technique": { "uid": id },
                "version": ATTACK,
            }),
            None => json!({ "technique": { "uid": id }, "version": ATTACK }),
        })
        .collect();
    let related = finding.events.iter().filter_map(|event| event.id.as_deref());
    let mut info = json!({
        "analytic": { "name": rule.title, "type": "Rule", "type_id": 1, "uid": rule.id },
        "desc": if rule.why.is_empty() { &rule.title } else { &rule.why },
        "product_uid": "orgtrail",
        "related_events": related.map(|uid| json!({ "uid": uid })).collect::<Vec<_>>(),
        "title": rule.title,
        "uid": format!("{}/{id}", rule.id),
    });
    if !attacks.is_empty() {
        info["attacks"] = attacks.into();
    }
    if let Some(at) = finding.at() {
        info["first_seen_time"] = at.as_millisecond().into();
    }
    if let Some(at) = finding.last_at {
        info["last_seen_time"] = at.as_millisecond().into();
    }
    info
}

/// An event as evidence: who called what, and from where.
fn evidence(event: &EventRef) -> Value {
    let mut evidence = json!({
        "api": {
            "operation": event.name.as_deref().unwrap_or("unknown"),
            "service": { "name": event.source.as_deref().unwrap_or("unknown") },
        },
    });
    if let Some(id) = &event.id {
        evidence["api"]["request"] = json!({ "uid": id });
    }
    if let Some(error) = &event.error {
        evidence["api"]["response"] = json!({ "error": error });
    }
    let user = [("name", &event.principal), ("uid", &event.principal_id)];
    let user: serde_json::Map<String, Value> = user
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into())))
        .collect();
    if !user.is_empty() {
        evidence["actor"] = json!({ "user": user });
    }
    if let Some(from) = &event.source_ip {
        let name = if from.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "svc_name" };
        evidence["src_endpoint"] = json!({ name: from });
    }
    evidence
}

fn cloud(event: &EventRef) -> Value {
    let mut cloud = json!({ "provider": "AWS" });
    if let Some(account) = &event.account {
        cloud["account"] = json!({ "type": "AWS Account", "type_id": 10, "uid": account });
    }
    if let Some(region) = &event.region {
        cloud["region"] = region.as_str().into();
    }
    cloud
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn every_finding_is_one_event_of_the_class() {
        for detections in [samples::detections(), samples::hostile()] {
            let events: Vec<Value> = serde_json::from_str(&ocsf(&detections)).unwrap();
            assert_eq!(events.len(), detections.findings.len());
            for (event, one) in events.iter().zip(&detections.findings) {
                assert_eq!(
                    (&event["class_uid"], &event["type_uid"]),
                    (&json!(2004), &json!(200_401))
                );
                assert_eq!(event["finding_info"]["analytic"]["uid"], one.finding.rule.id.as_str());
                assert_eq!(event["count"], one.finding.count);
            }
        }
    }
}
