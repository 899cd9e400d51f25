//! Management calls to S3. Calls for objects are data events, which are not recorded here.

use orgtrail_base::names::{AccountId, Arn, Region};
use serde_json::{Value, json};

use super::{identity, keep_for};
use crate::auth::Caller;
use crate::simulation::Simulation;
use crate::simulator::chain::iso;

/// A call for a bucket, or for the list of all.
#[derive(Debug)]
pub(crate) struct BucketCall<'a> {
    /// The event's name, which is not always the operation's.
    pub(crate) name: &'static str,
    pub(crate) caller: &'a Caller,
    /// The bucket's Region, or else the one of the request.
    pub(crate) region: Region,
    /// The bucket and its owner, if it was there before the call.
    pub(crate) bucket: Option<(&'a str, AccountId)>,
    /// `requestParameters`, the bucket's name among them.
    pub(crate) parameters: Value,
    /// Code and message.
    pub(crate) error: Option<(String, String)>,
}

/// Records a call for a bucket, in the caller's account and in the owner's. Called without
/// locks held.
pub(crate) fn record_bucket_call(simulation: &Simulation, call: BucketCall<'_>) {
    let mut control = simulation.control.write();
    let read_only = call.name.starts_with("Get") || call.name.starts_with("List");
    let mut record = json!({
        "eventVersion": "1.10",
        "userIdentity": identity::of(&control, call.caller),
        "eventTime": iso(simulation.clock.now()),
        "eventSource": "s3.amazonaws.com",
        "eventName": call.name,
        "awsRegion": call.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": format!("[{}]", call.caller.user_agent),
        "requestParameters": call.parameters,
        "responseElements": null,
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "AuthenticationMethod": "AuthHeader",
        },
        "requestID": simulation.uuid(),
        "eventID": simulation.uuid(),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": call.caller.account,
        "eventCategory": "Management",
    });
    if let Some((code, message)) = call.error {
        record["errorCode"] = code.into();
        record["errorMessage"] = message.into();
    }
    let owner = call.bucket.map(|(bucket, owner)| {
        let arn = Arn::s3(simulation.partition, bucket);
        record["resources"] =
            json!([{ "accountId": owner, "type": "AWS::S3::Bucket", "ARN": arn.to_string() }]);
        owner
    });
    keep_for(&mut control, simulation, &call.caller.account, owner, record);
}
