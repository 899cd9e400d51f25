use serde_json::{Value, json};

use super::{Change, Changes, Status, advice, cause, mappings, place, rules, sentence, title};
use crate::checks::{Finding, Run, Scope, Severity};
use crate::names::Arn;

/// The version of the schema that the events follow.
const VERSION: &str = "1.5.0";
/// Compliance Finding.
const CLASS: u32 = 2003;

/// The results as OCSF Compliance Findings: an array, one event a line.
#[must_use]
pub fn ocsf(run: &Run, overrides: &[String]) -> String {
    let changes = Changes::of(run);
    let events: Vec<String> = run
        .findings
        .iter()
        .map(|finding| event(run, finding, changes.get(finding), overrides).to_string())
        .collect();
    format!("[\n{}\n]\n", events.join(",\n"))
}

fn event(run: &Run, finding: &Finding, change: Option<Change>, overrides: &[String]) -> Value {
    let (activity_id, activity) = match change {
        None | Some(Change::New) => (1, "Create"),
        Some(Change::Unchanged) => (2, "Update"),
        Some(Change::Fixed) => (3, "Close"),
    };
    let (severity_id, severity) = severity(finding.severity);
    let own = Status::of(finding);
    let (status_id, status) = match own {
        Status::Fail | Status::Unknown => (1, "New"),
        Status::Suppressed => (3, "Suppressed"),
        Status::Pass => (4, "Resolved"),
        Status::NotConfigured => (99, "Not Configured"),
    };
    let check = finding.check.as_str();
    let mut event = json!({
        "activity_id": activity_id,
        "activity_name": activity,
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Compliance Finding",
        "class_uid": CLASS,
        "cloud": cloud(run, finding),
        "compliance": compliance(finding, own),
        "finding_info": {
            "desc": super::check(check).map_or(check, |check| check.why),
            "product_uid": "orgtrail",
            "title": title(check),
            "uid": format!("{}/{check}/{}", run.organization, finding.scope),
        },
        "message": sentence(finding),
        "metadata": {
            "event_code": check,
            "product": {
                "name": "orgtrail",
                "uid": "orgtrail",
                "vendor_name": "orgtrail",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "profiles": ["cloud"],
            "tenant_uid": run.organization,
            "version": VERSION,
        },
        "resources": [resource(run, &finding.scope)],
        "severity": severity,
        "severity_id": severity_id,
        "status": status,
        "status_code": own.as_str(),
        "status_id": status_id,
        "time": run.at.as_millisecond(),
        "type_name": format!("Compliance Finding: {activity}"),
        "type_uid": CLASS * 100 + activity_id,
    });
    if let Some(fix) = advice(run, finding) {
        event["remediation"] = json!({ "desc": fix });
    }
    if let Some(cause) = cause(run, finding) {
        // OCSF has no attribute for the cause of several findings.
        event["unmapped"]["cause"] = json!({ "id": cause.id, "title": cause.title });
    }
    if !overrides.is_empty() {
        event["unmapped"]["environment_overrides"] = overrides.into();
    }
    if let Some(suppression) = &finding.suppression {
        event["comment"] =
            format!("suppressed until {}: {}", suppression.last_day, suppression.reason).into();
    }
    event
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn compliance(finding: &Finding, own: Status) -> Value {
    let (status_id, status) = match own {
        Status::Pass => (1, "Pass"),
        Status::NotConfigured => (99, "Not Configured"),
        Status::Fail | Status::Suppressed => (3, "Fail"),
        Status::Unknown => (0, "Unknown"),
    };
    let mut standards: Vec<&str> =
        mappings(&finding.check).iter().map(|mapping| mapping.framework.name()).collect();
    standards.dedup();
    json!({
        "control": finding.check,
        "desc": title(&finding.check),
        "requirements": rules(&finding.check),
        "standards": standards,
        "status": status,
        "status_id": status_id,
    })
}

/// The scope's account, or else the account that owns the trail.
fn cloud(run: &Run, finding: &Finding) -> Value {
    let (account, region) = place(&finding.scope);
    let account = account.unwrap_or(&run.management_account);
    let mut cloud = json!({
        "account": { "type": "AWS Account", "type_id": 10, "uid": account },
        "cloud_partition": run.trail.partition.as_str(),
        "org": { "uid": run.organization },
        "provider": "AWS",
    });
    if let Some(region) = region {
        cloud["region"] = region.as_str().into();
    }
    cloud
}

fn resource(run: &Run, scope: &Scope) -> Value {
    let (kind, uid) = match scope {
        Scope::Organization => ("AWS::Organizations::Organization", run.organization.to_string()),
        Scope::Account { account } | Scope::Region { account, .. } => {
            ("AWS::Organizations::Account", account.to_string())
        }
        Scope::Bucket { bucket } => {
            ("AWS::S3::Bucket", Arn::s3(run.trail.partition, bucket.as_str()).to_string())
        }
        Scope::Resource { arn } => (arn.service.as_ref(), arn.to_string()),
    };
    let mut resource = json!({ "type": kind, "uid": uid });
    if let (_, Some(region)) = place(scope) {
        resource["region"] = region.as_str().into();
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn every_result_is_one_event_of_the_class() {
        let run = samples::hostile();
        let events: Vec<Value> = serde_json::from_str(&ocsf(&run, &[])).unwrap();
        assert_eq!(events.len(), run.findings.len());
        for event in &events {
            assert_eq!(event["class_uid"], 2003);
            let activity = event["activity_id"].as_u64().unwrap();
            assert_eq!(event["type_uid"], 200_300 + activity);
        }
        let failed = events.iter().filter(|it| it["compliance"]["status"] == "Fail").count();
        assert_eq!(failed, 6, "five failed, one is suppressed");
    }

    #[test]
    fn a_suppressed_finding_fails_and_is_suppressed() {
        let events: Vec<Value> = serde_json::from_str(&ocsf(&samples::drifted(), &[])).unwrap();
        let event = events.iter().find(|event| event["status_id"] == 3).unwrap();
        assert_eq!(event["compliance"]["status_id"], 3);
        assert_eq!(event["comment"], "suppressed until 2026-03-31: moved next quarter");
    }
}
