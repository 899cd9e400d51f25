//! Findings as events of the Open Cybersecurity Schema Framework: Compliance Finding.

use serde_json::{Value, json};

use super::message::Message;
use crate::names::Arn;
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::notification::{Change, Transition};
use crate::report::contract::service::{Signal, SignalState};
use crate::serve::board::{account_of, scope_text};

/// The version of the schema that the events follow.
const VERSION: &str = "1.5.0";
/// Compliance Finding.
const CLASS: u32 = 2003;

pub(super) fn event(message: &Message, change: &Change, page: Option<&str>) -> Value {
    let signal = &change.finding;
    let (activity_id, activity) = match change.transition {
        Transition::New => (1, "Create"),
        Transition::Unreadable if change.severity_before.is_none() => (1, "Create"),
        Transition::Resolved => (3, "Close"),
        _ => (2, "Update"),
    };
    let (severity_id, severity) = match signal.severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let (status_id, status, compliance_id, compliance) = match (change.transition, signal.state) {
        (Transition::Resolved, _) => (4, "Resolved", 1, "Pass"),
        (_, SignalState::Failing) => (1, "New", 3, "Fail"),
        (_, SignalState::Unreadable) => (1, "New", 0, "Unknown"),
    };
    let account = account_of(&signal.scope).unwrap_or(&message.management_account);
    let mut event = json!({
        "activity_id": activity_id,
        "activity_name": activity,
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Compliance Finding",
        "class_uid": CLASS,
        "cloud": {
            "account": { "type": "AWS Account", "type_id": 10, "uid": account },
            "provider": "AWS",
        },
        "compliance": {
            "control": signal.check,
            "desc": signal.title,
            "status": compliance,
            "status_id": compliance_id,
        },
        "finding_info": {
            "created_time": signal.since.as_millisecond(),
            "desc": signal.found,
            "product_uid": "orgtrail",
            "title": signal.title,
            "uid": format!("{}/{}", message.management_account, signal.fingerprint),
        },
        "message": format!("{}: {}", change.transition.word(), signal.found),
        "metadata": {
            "event_code": signal.check,
            "product": {
                "name": "orgtrail",
                "uid": "orgtrail",
                "vendor_name": "orgtrail",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "profiles": ["cloud"],
            "tenant_uid": message.management_account,
            "version": VERSION,
        },
        "resources": [resource(signal, message)],
        "severity": severity,
        "severity_id": severity_id,
        "status": status,
        "status_id": status_id,
        "time": change.changed_at.as_millisecond(),
        "type_name": format!("Compliance Finding: {activity}"),
        "type_uid": CLASS * 100 + activity_id,
    });
    if let Scope::Region { region, .. } = &signal.scope {
        event["cloud"]["region"] = region.as_str().into();
    }
    if let Some(fix) = &signal.fix {
        event["remediation"] = json!({ "desc": fix });
    }
    if let Some(page) = page {
        event["finding_info"]["src_url"] = page.into();
    }
    event
}

fn resource(signal: &Signal, message: &Message) -> Value {
    let kind = match &signal.scope {
        Scope::Organization => "AWS::Organizations::Organization",
        Scope::Account { .. } | Scope::Region { .. } => "AWS::Organizations::Account",
        Scope::Bucket { .. } => "AWS::S3::Bucket",
        Scope::Resource { arn } => kind(arn),
    };
    let uid = match &signal.scope {
        Scope::Organization => message.management_account.to_string(),
        Scope::Account { account } | Scope::Region { account, .. } => account.to_string(),
        Scope::Bucket { .. } | Scope::Resource { .. } => scope_text(&signal.scope),
    };
    json!({ "type": kind, "uid": uid })
}

fn kind(arn: &Arn) -> &str {
    &arn.service
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{change, message};
    use super::*;

    #[test]
    fn a_finding_is_created_updated_and_closed() {
        let message = message(vec![]);
        let mut types = Vec::new();
        for transition in [Transition::New, Transition::Reminder, Transition::Resolved] {
            let change = change(transition, Severity::High, 1, "a");
            let event = event(&message, &change, None);
            types
                .push((event["type_uid"].as_u64().unwrap(), event["compliance"]["status"].clone()));
        }
        assert_eq!(
            types,
            [(200_301, "Fail".into()), (200_302, "Fail".into()), (200_303, "Pass".into()),]
        );
        let unreadable = change(Transition::Unreadable, Severity::Medium, 1, "a");
        insta::assert_json_snapshot!(event(&message, &unreadable, Some("https://a.example")));
    }
}
