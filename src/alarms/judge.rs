//! Whether a filter of any wording watches for what an alarm must.

use serde_json::{Value, json};

use super::{Alarm, Watched};
use crate::filter_pattern::FilterPattern;

/// What a filter lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// It passes over an event that must raise the alarm.
    Misses(String),
    /// It also takes everyday events, among which the alarm is lost.
    TakesEverything,
}

impl Alarm {
    /// What a filter lacks to raise this alarm.
    ///
    /// It is tested with every relevant call, by every kind of caller, with
    /// and without an error, in more than one Region: a filter that leaves any
    /// of them out is found, however it is written.
    pub fn judge(&self, filter: &FilterPattern) -> Result<(), Shortfall> {
        for event in self.events() {
            if !filter.matches(&event) {
                return Err(Shortfall::Misses(describe(&event)));
            }
        }
        if everyday().iter().any(|event| filter.matches(event)) {
            return Err(Shortfall::TakesEverything);
        }
        Ok(())
    }

    /// Events that must raise the alarm.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        match self.watched {
            Watched::Calls { source, names, .. } => {
                for name in names {
                    for caller in callers() {
                        for error in [None, Some("AccessDenied")] {
                            events.push(event(source, name, &caller, error));
                        }
                    }
                }
            }
            Watched::Unauthorized => {
                for caller in callers() {
                    for (source, name, error) in [
                        ("ec2.amazonaws.com", "RunInstances", "Client.UnauthorizedOperation"),
                        ("ec2.amazonaws.com", "DescribeInstances", "UnauthorizedOperation"),
                        ("iam.amazonaws.com", "ListUsers", "AccessDenied"),
                        ("kms.amazonaws.com", "Decrypt", "AccessDeniedException"),
                    ] {
                        events.push(event(source, name, &caller, Some(error)));
                    }
                }
            }
            Watched::SignInWithoutMfa => {
                let mut sign_in = sign_in("Success");
                sign_in["additionalEventData"]["MFAUsed"] = json!("No");
                events.push(sign_in);
            }
            Watched::Root => {
                for (source, name) in [
                    ("iam.amazonaws.com", "CreateAccessKey"),
                    ("s3.amazonaws.com", "PutBucketVersioning"),
                ] {
                    events.push(event(source, name, &root(), None));
                    events.push(event(source, name, &root(), Some("AccessDenied")));
                }
                let mut sign_in = sign_in("Success");
                sign_in["userIdentity"] = root();
                events.push(sign_in);
            }
            Watched::FailedSignIn => {
                let mut sign_in = sign_in("Failure");
                sign_in["errorMessage"] = json!("Failed authentication");
                events.push(sign_in);
            }
        }
        // Nothing may depend on where it happened.
        let mut elsewhere = events.clone();
        for event in &mut elsewhere {
            event["awsRegion"] = json!("ap-southeast-2");
            event["recipientAccountId"] = json!("444444444444");
            event["sourceIPAddress"] = json!("203.0.113.77");
            event["readOnly"] = json!(null);
        }
        events.append(&mut elsewhere);
        events
    }
}

/// Events of every day, which raise no alarm.
pub(crate) fn everyday() -> Vec<Value> {
    let role = assumed_role();
    let mut with_mfa = sign_in("Success");
    with_mfa["additionalEventData"]["MFAUsed"] = json!("Yes");
    vec![
        event("ec2.amazonaws.com", "DescribeInstances", &role, None),
        event("s3.amazonaws.com", "GetBucketPolicy", &role, None),
        event("iam.amazonaws.com", "GetPolicy", &role, None),
        event("kms.amazonaws.com", "Decrypt", &role, None),
        event("cloudtrail.amazonaws.com", "GetTrailStatus", &role, None),
        event("organizations.amazonaws.com", "ListAccounts", &role, None),
        event("config.amazonaws.com", "DescribeConfigurationRecorders", &role, None),
        with_mfa,
    ]
}

fn describe(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let mut described = format!(
        "{} of {} by {}",
        text("/eventName").unwrap_or_default(),
        text("/eventSource").unwrap_or_default(),
        text("/userIdentity/type").unwrap_or_default(),
    );
    if let Some(error) = text("/errorCode") {
        described = format!("{described} that ends with {error}");
    }
    described
}

fn event(source: &str, name: &str, caller: &Value, error: Option<&str>) -> Value {
    let mut event = json!({
        "eventVersion": "1.11",
        "userIdentity": caller,
        "eventTime": "2031-05-14T09:12:44Z",
        "eventSource": source,
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.24",
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": null,
        "responseElements": null,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "readOnly": false,
        "recipientAccountId": "333333333333",
        "eventCategory": "Management",
    });
    if let Some(error) = error {
        event["errorCode"] = json!(error);
        event["errorMessage"] = json!("the caller is not authorized to perform this");
    }
    event
}

fn sign_in(outcome: &str) -> Value {
    let mut event = event("signin.amazonaws.com", "ConsoleLogin", &user(), None);
    event["eventType"] = json!("AwsConsoleSignIn");
    event["responseElements"] = json!({ "ConsoleLogin": outcome });
    event["additionalEventData"] = json!({ "MobileVersion": "No", "MFAUsed": "No" });
    event
}

fn callers() -> [Value; 3] {
    [user(), assumed_role(), root()]
}

fn user() -> Value {
    json!({
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": "arn:aws:iam::333333333333:user/ops",
        "accountId": "333333333333",
        "userName": "ops",
    })
}

fn assumed_role() -> Value {
    json!({
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:session",
        "arn": "arn:aws:sts::333333333333:assumed-role/deploy/session",
        "accountId": "333333333333",
    })
}

fn root() -> Value {
    json!({
        "type": "Root",
        "principalId": "333333333333",
        "arn": "arn:aws:iam::333333333333:root",
        "accountId": "333333333333",
    })
}
