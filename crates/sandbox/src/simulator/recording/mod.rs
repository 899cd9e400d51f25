//! What clients really called, as CloudTrail records it.

mod bucket;
mod identity;
mod members;
mod sign_in;

pub(crate) use bucket::{BucketCall, record_bucket_call};
use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, Partition, Region};
use serde_json::{Value, json};
pub use sign_in::SignIn;
pub(crate) use sign_in::sign_in;

use super::chain::iso;
use super::events::Event;
use super::record::foreign;
use super::schedule::global_region;
use super::schedule_of;
use crate::api::{ApiError, Call, Reply, Service};
use crate::services::cloudtrail::{self, Trail};
use crate::services::{events as event_bridge, kms};
use crate::simulation::{Control, Simulation};

/// Operations whose names begin so change nothing.
const READS: [&str; 12] = [
    "Get",
    "List",
    "Describe",
    "Lookup",
    "Filter",
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateMac",
    "VerifyMac",
    "Simulate",
    "AssumeR",
];

/// Records a call with its outcome, for the history and for the trails.
pub(crate) fn record(control: &mut Control, call: &Call<'_>, reply: &Reply) {
    // Events go to the group, not the other way round.
    let is_data =
        matches!(call.operation, "PutLogEvents" | "PutMetricData" | "Publish" | "PutEvents")
            || (call.service == Service::Sqs && call.operation.contains("Message"));
    if is_data {
        return;
    }
    let partition = call.simulation.partition;
    let region = match call.service {
        Service::Iam => global_region(partition),
        Service::Organizations | Service::Account => leading_region(partition),
        _ => call.region.clone(),
    };
    // A federation token counts as something new, other sessions do not.
    let read_only = call.operation != "GetFederationToken"
        && READS.iter().any(|verb| call.operation.starts_with(verb));
    let refusal = reply.as_ref().err();
    let mut record = json!({
        "eventVersion": "1.10",
        "userIdentity": identity::of(control, call.caller),
        "eventTime": iso(call.now),
        "eventSource": format!("{}.amazonaws.com", call.service.action_prefix_of_events()),
        "eventName": call.operation,
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": call.caller.user_agent,
        "requestParameters": members::parameters(call, refusal),
        "responseElements": members::answer(call, read_only, reply),
        "requestID": call.simulation.uuid(),
        "eventID": call.simulation.uuid(),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": call.caller.account,
        "eventCategory": "Management",
    });
    if let Some(error) = refusal {
        record["errorCode"] = error_code(call.service, error).into();
        record["errorMessage"] = error.message.as_str().into();
    }
    let resource = resource(control, call);
    if let Some((owner, kind, arn)) = &resource {
        record["resources"] = json!([{ "accountId": owner, "type": kind, "ARN": arn }]);
    }
    let owner = resource.map(|(owner, ..)| owner).or_else(|| assumed_root(call));
    keep_for(control, call.simulation, &call.caller.account, owner, record);
}

/// Keeps a record for the account that called and, in its own form, for the account that
/// owns what was called, if that is another one and the call was not refused.
fn keep_for(
    control: &mut Control,
    simulation: &Simulation,
    caller: &AccountId,
    owner: Option<AccountId>,
    mut record: Value,
) {
    let owner = owner.filter(|owner| owner != caller && record.get("errorCode").is_none());
    let Some(owner) = owner else { return keep(control, simulation, caller, &record) };
    record["sharedEventID"] = simulation.uuid().into();
    keep(control, simulation, caller, &record);
    let principal = record["userIdentity"]["principalId"].as_str().unwrap_or_default();
    record["userIdentity"] = foreign(caller, principal);
    record["eventID"] = simulation.uuid().into();
    record["recipientAccountId"] = owner.as_str().into();
    keep(control, simulation, &owner, &record);
}

/// The code as CloudTrail has it, which differs from the API's.
fn error_code(service: Service, error: &ApiError) -> String {
    match &*error.code {
        "AccessDeniedException" => "AccessDenied".to_owned(),
        code if service == Service::Iam
            && !code.ends_with("Exception")
            && !code.starts_with("AccessDenied") =>
        {
            format!("{code}Exception")
        }
        code => code.to_owned(),
    }
}

/// What a call is about, where its record names that, and whose it is.
fn resource(control: &Control, call: &Call<'_>) -> Option<(AccountId, &'static str, String)> {
    match call.service {
        Service::Sts => {
            let role: Arn = call.input.get("RoleArn")?.as_str()?.parse().ok()?;
            Some((role.account.clone()?, "AWS::IAM::Role", role.to_string()))
        }
        Service::Kms => {
            let wanted =
                ["KeyId", "TargetKeyId"].iter().find_map(|it| call.input.get(it)?.as_str());
            let key = kms::find_key(control, &call.caller.account, call.region, wanted?).ok()?;
            Some((key.arn.account.clone()?, "AWS::KMS::Key", key.arn.to_string()))
        }
        _ => None,
    }
}

/// The member whose root user a call assumes.
fn assumed_root(call: &Call<'_>) -> Option<AccountId> {
    if call.operation != "AssumeRoot" {
        return None;
    }
    let target = call.input.get("TargetPrincipal")?.as_str()?;
    target.parse().ok().or_else(|| target.parse::<Arn>().ok()?.account)
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
    keep(control, simulation, account, &record);
}

/// The Region of Organizations.
fn leading_region(partition: Partition) -> Region {
    let known = partition.leading_region().parse();
    known.unwrap_or_else(|_| global_region(partition))
}

/// Puts a record into the history, which the trails read too, and on the event bus of its
/// account.
fn keep(control: &mut Control, simulation: &Simulation, account: &AccountId, record: &Value) {
    if let Some(kept) = cloudtrail::StoredEvent::new(record)
        && is_active(simulation, control, kept.region())
        && let Some(account) = control.accounts.get_mut(account)
    {
        cloudtrail::remember(&mut account.cloudtrail, kept);
    }
    event_bridge::arrive_via_cloudtrail(control, simulation, account, record);
}

/// Whether trails record a Region. In the others, neither they nor the history have events,
/// so that the two agree.
fn is_active(simulation: &Simulation, control: &Control, region: &str) -> bool {
    let schedule = schedule_of(simulation, control);
    let mut trails = control.accounts.values().flat_map(|owner| owner.cloudtrail.trails.values());
    schedule.active_now().iter().any(|active| active.as_str() == region)
        || trails.any(|trail| trail.home_region.as_str() == region)
}

/// Whether a trail's settings select a record of [`keep`].
pub(crate) fn is_recorded_by(record: &Value, trail: &Trail) -> bool {
    Event::management(record.clone()).is_for(trail)
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
