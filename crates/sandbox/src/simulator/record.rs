//! What all records have in common.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Region};
use serde_json::{Value, json};

use super::chain::iso;

/// How requests of the AWS CLI name themselves.
pub(super) const CLI: &str = "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.12 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython";
/// How requests of a browser name themselves.
pub(super) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Of what kind a call is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// `sts.amazonaws.com`
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    pub(super) read_only: bool,
    pub(super) is_data: bool,
}

/// Where a record is, and of when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded<'a> {
    pub(super) at: Timestamp,
    pub(super) region: &'a Region,
    /// The account in whose trails and history it is.
    pub(super) account: &'a AccountId,
}

/// Who called, and from where.
#[derive(Debug)]
pub(super) struct By<'a> {
    pub(super) identity: Value,
    pub(super) address: &'a str,
    pub(super) agent: &'a str,
}

/// A record of an API call without parameters and answer.
pub(super) fn api_call(named: Named<'_>, place: Recorded<'_>, by: By<'_>, id: &str) -> Value {
    json!({
        "eventVersion": if named.is_data { "1.11" } else { "1.10" },
        "userIdentity": by.identity,
        "eventTime": iso(place.at),
        "eventSource": named.source,
        "eventName": named.name,
        "awsRegion": place.region,
        "sourceIPAddress": by.address,
        "userAgent": by.agent,
        "requestParameters": null,
        "responseElements": null,
        "eventID": id,
        "readOnly": named.read_only,
        "eventType": "AwsApiCall",
        "managementEvent": !named.is_data,
        "recipientAccountId": place.account,
        "eventCategory": if named.is_data { "Data" } else { "Management" },
    })
}

/// A login to the console, as it succeeds or fails.
pub(super) fn console_login(place: Recorded<'_>, by: By<'_>, id: &str, login: &Login) -> Value {
    let named = Named {
        source: "signin.amazonaws.com",
        name: "ConsoleLogin",
        read_only: false,
        is_data: false,
    };
    let mut record = api_call(named, place, by, id);
    record["eventType"] = "AwsConsoleSignIn".into();
    let outcome = if login.succeeds { "Success" } else { "Failure" };
    record["responseElements"] = json!({ "ConsoleLogin": outcome });
    record["additionalEventData"] = json!({
        "LoginTo": "https://console.aws.amazon.com/console/home",
        "MobileVersion": "No",
        "MFAUsed": if login.mfa.is_some() { "Yes" } else { "No" },
    });
    if let Some(device) = &login.mfa {
        record["additionalEventData"]["MFAIdentifier"] = device.as_str().into();
    }
    if !login.succeeds {
        record["errorMessage"] = "Failed authentication".into();
    }
    record
}

/// How a login to the console went.
#[derive(Debug)]
pub(super) struct Login {
    /// The ARN of the MFA device, if one was used.
    pub(super) mfa: Option<String>,
    pub(super) succeeds: bool,
}

/// `userIdentity` as an account sees it that owns what another account's principal called.
///
/// Source: CloudTrail User Guide, "CloudTrail userIdentity element"; IAM User Guide, "Logging
/// IAM and AWS STS API calls with AWS CloudTrail", the cross-account example.
pub(super) fn foreign(account: &AccountId, principal_id: &str) -> Value {
    json!({ "type": "AWSAccount", "principalId": principal_id, "accountId": account })
}

/// When temporary credentials expire, as records of STS say it.
pub(super) fn expiration(at: Timestamp) -> String {
    at.strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

/// A UUID from a generator.
pub(super) fn uuid(random: &mut fastrand::Rng) -> String {
    let bits = random.u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xfff,
        (bits >> 48) & 0xfff,
        bits & 0xffff_ffff_ffff
    )
}
