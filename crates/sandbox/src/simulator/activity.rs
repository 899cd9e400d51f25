//! What clients really called, as CloudTrail records it.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Partition, Region};
use serde_json::{Value, json};

use super::chain::iso;
use super::events;
use crate::api::{ApiError, Call, Service};
use crate::auth::{Caller, Identity};
use crate::services::cloudtrail::{self, Trail};
use crate::services::events as event_bridge;
use crate::simulation::{Control, Simulation};

/// The most calls kept for deliveries.
const KEPT: usize = 5_000;

/// Records a call with its outcome, for the history and for the trails.
pub(crate) fn record(control: &mut Control, call: &Call<'_>, outcome: Result<(), &ApiError>) {
    // Events go to the group, not the other way round.
    let is_data =
        matches!(call.operation, "PutLogEvents" | "PutMetricData" | "Publish" | "PutEvents")
            || (call.service == Service::Sqs && call.operation.contains("Message"));
    if is_data {
        return;
    }
    let partition = call.simulation.partition;
    let region = match call.service {
        Service::Iam => events::global_region(partition),
        Service::Organizations | Service::Account => leading_region(partition),
        _ => call.region.clone(),
    };
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
    keep(control, call.simulation, &call.caller.account, record);
}

/// Records an event of AWS Organizations itself in an account.
///
/// Source: CloudTrail User Guide, "Non-API events captured by CloudTrail".
pub(crate) fn record_service_event(
    control: &mut Control,
    simulation: &Simulation,
    at: Timestamp,
    account: &AccountId,
    name: &str,
    details: Value,
) {
    const SERVICE: &str = "organizations.amazonaws.com";
    let record = json!({
        "eventVersion": "1.11",
        "userIdentity": { "accountId": account, "invokedBy": SERVICE },
        "eventTime": iso(at),
        "eventSource": SERVICE,
        "eventName": name,
        "awsRegion": leading_region(simulation.partition),
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        "requestParameters": null,
        "responseElements": null,
        "eventID": simulation.uuid(),
        "readOnly": false,
        "eventType": "AwsServiceEvent",
        "managementEvent": true,
        "recipientAccountId": account,
        "serviceEventDetails": details,
        "eventCategory": "Management",
    });
    keep(control, simulation, account, record);
}

/// The Region of Organizations.
fn leading_region(partition: Partition) -> Region {
    let known = partition.leading_region().parse();
    known.unwrap_or_else(|_| events::global_region(partition))
}

/// Puts a record into the history and on the event bus of its account, and keeps it for the
/// trails.
fn keep(control: &mut Control, simulation: &Simulation, account: &AccountId, record: Value) {
    if let Some(account) = control.accounts.get_mut(account) {
        let kept = cloudtrail::StoredEvent::new(&record, &record.to_string());
        cloudtrail::remember(&mut account.cloudtrail, kept);
    }
    event_bridge::arrive_via_cloudtrail(control, simulation, account, &record);
    let activity = &mut control.simulator.activity;
    if activity.len() >= KEPT {
        activity.pop_front();
    }
    activity.push_back(record);
}

/// Whether a trail's settings select a record of [`keep`].
pub(crate) fn is_recorded_by(record: &Value, trail: &Trail) -> bool {
    events::Event::called(record.clone(), true).is_for(trail)
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
