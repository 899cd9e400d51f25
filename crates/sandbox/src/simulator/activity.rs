//! What clients really called, as CloudTrail records it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::chain::iso;
use super::events;
use crate::api::{ApiError, Call, Service};
use crate::auth::{Caller, Identity};
use crate::services::cloudtrail;
use crate::simulation::Control;

/// The most calls kept for deliveries.
const KEPT: usize = 5_000;

/// Records a call with its outcome, for the history and for the trails.
pub(crate) fn record(control: &mut Control, call: &Call<'_>, outcome: Result<(), &ApiError>) {
    // Events go to the group, not the other way round.
    if matches!(call.operation, "PutLogEvents" | "PutMetricData" | "Publish" | "PutEvents") {
        return;
    }
    let global = matches!(call.service, Service::Iam | Service::Organizations | Service::Account);
    let region =
        if global { events::global_region(call.simulation.partition) } else { call.region.clone() };
    let read_only = ["Get", "List", "Describe", "Lookup", "Filter", "Decrypt", "GenerateDataKey"]
        .iter()
        .any(|verb| call.operation.starts_with(verb))
        || call.service == Service::Sts;
    let mut record = json!({
        "eventVersion": "1.10",
        "userIdentity": identity(call.caller, call.now),
        "eventTime": iso(call.now),
        "eventSource": format!("{}.amazonaws.com", call.service.action_prefix_of_events()),
        "eventName": call.operation,
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "sandbox",
        "requestParameters": if read_only { Value::Null } else { call.input.clone() },
        "responseElements": null,
        "requestID": call.simulation.uuid(),
        "eventID": call.simulation.uuid(),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": call.caller.account,
        "eventCategory": "Management",
    });
    if let Err(error) = outcome {
        record["errorCode"] = error.code.trim_end_matches("Exception").into();
        record["errorMessage"] = error.message.as_str().into();
    }
    if let Some(account) = control.accounts.get_mut(&call.caller.account) {
        let kept = cloudtrail::StoredEvent::new(&record, &record.to_string());
        cloudtrail::remember(&mut account.cloudtrail, kept);
    }
    let activity = &mut control.simulator.activity;
    if activity.len() >= KEPT {
        activity.pop_front();
    }
    activity.push_back(record);
}

/// When a recorded call was made.
pub(super) fn made_at(record: &Value) -> Option<Timestamp> {
    record["eventTime"].as_str()?.parse().ok()
}

fn identity(caller: &Caller, now: Timestamp) -> Value {
    let (partition, account) = (caller.partition, &caller.account);
    let mut identity = json!({
        "arn": caller.arn(),
        "accountId": account,
        "accessKeyId": caller.access_key_id,
    });
    match &caller.identity {
        Identity::Root => {
            identity["type"] = "Root".into();
            identity["principalId"] = account.as_str().into();
        }
        Identity::User(name) => {
            identity["type"] = "IAMUser".into();
            identity["principalId"] = caller.access_key_id.as_str().into();
            identity["userName"] = name.rsplit('/').next().unwrap_or(name).into();
        }
        Identity::AssumedRole { role, session } => {
            identity["type"] = "AssumedRole".into();
            identity["principalId"] = format!("{role}:{session}").into();
            identity["sessionContext"] = json!({
                "sessionIssuer": {
                    "type": "Role",
                    "arn": format!("arn:{partition}:iam::{account}:role/{role}"),
                    "accountId": account,
                    "userName": role.rsplit('/').next().unwrap_or(role),
                },
                "attributes": {
                    "creationDate": iso(now),
                    "mfaAuthenticated": caller.mfa_at.is_some().to_string(),
                },
            });
        }
        Identity::Service { principal, .. } => {
            return json!({ "type": "AWSService", "invokedBy": principal });
        }
    }
    identity
}

impl Service {
    /// The service as events name it, before `.amazonaws.com`.
    fn action_prefix_of_events(self) -> &'static str {
        match self {
            Self::Monitoring => "monitoring",
            other => other.action_prefix(),
        }
    }
}
