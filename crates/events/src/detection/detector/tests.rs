use serde_json::{Value, json};

use super::*;
use crate::detection::facts::{OwnCalls, OwnResource};
use crate::detection::rule::Condition;
use crate::detection::table::calls;

const MANAGEMENT: &str = "111111111111";
const ARCHIVE: &str = "222222222222";

fn facts() -> TrailFacts {
    let management = |kind, role: &str, name: &str| {
        OwnResource::named(kind, role, name).within(MANAGEMENT, Some("us-east-1"))
    };
    TrailFacts {
        archive_accounts: [ARCHIVE.to_owned()].into(),
        resources: vec![
            OwnResource::named(Kind::Trail, "the trail", "org").within(MANAGEMENT, None),
            OwnResource::named(Kind::Bucket, "the archive", "logs").within(ARCHIVE, None),
            OwnResource::named(Kind::Key, "the key", "k-1").within(ARCHIVE, Some("us-east-1")),
            management(Kind::LogGroup, "the log group", "group"),
            management(Kind::Alarm, "an alarm", "alarm"),
            management(Kind::Topic, "the topic", "topic"),
            OwnResource::named(Kind::Policy, "the guardrail", "p-1").within(MANAGEMENT, None),
            OwnResource::named(Kind::Role, "orgtrail's role", "orgtrail").within(MANAGEMENT, None),
        ],
        own: Some(OwnCalls {
            roles: ["arn:aws:iam::111111111111:role/orgtrail".to_owned()].into(),
            session_name: "orgtrail".to_owned(),
            user_agent: "aws-sdk-rust/".to_owned(),
        }),
    }
}

/// How a request names a resource, and in which account.
fn request(calls: &Calls, suffix: &str) -> (Value, &'static str) {
    let mut request = match calls.about {
        About::Organization => (json!({}), MANAGEMENT),
        About::ArchiveAccount => {
            (json!({ "targetPrincipal": format!("{ARCHIVE}{suffix}") }), ARCHIVE)
        }
        About::Resource(kind) => match kind {
            Kind::Trail if calls.names[0].starts_with("Put") => {
                (json!({ "trailName": format!("org{suffix}") }), MANAGEMENT)
            }
            Kind::Trail => (json!({ "name": format!("org{suffix}") }), MANAGEMENT),
            Kind::Bucket => (json!({ "bucketName": format!("logs{suffix}") }), ARCHIVE),
            Kind::Key => (json!({ "keyId": format!("k-1{suffix}") }), ARCHIVE),
            Kind::LogGroup => (json!({ "logGroupName": format!("group{suffix}") }), MANAGEMENT),
            Kind::Alarm => (json!({ "alarmNames": [format!("alarm{suffix}")] }), MANAGEMENT),
            Kind::Topic => {
                let arn = format!("arn:aws:sns:us-east-1:{MANAGEMENT}:topic{suffix}");
                (json!({ "topicArn": arn }), MANAGEMENT)
            }
            Kind::Policy => (json!({ "policyId": format!("p-1{suffix}") }), MANAGEMENT),
            Kind::Role => (json!({ "roleName": format!("orgtrail{suffix}") }), MANAGEMENT),
        },
    };
    if let Some(Condition { parameter, values: [value, ..], .. }) = &calls.only_if {
        request.0[*parameter] = format!("{value}{suffix}").into();
    }
    request
}

fn record(source: &str, name: &str, request: &Value, account: &str) -> Value {
    json!({
        "eventID": "e",
        "eventTime": "2026-11-20T10:42:00Z",
        "eventType": "AwsApiCall",
        "eventSource": source,
        "eventName": name,
        "awsRegion": "us-east-1",
        "recipientAccountId": account,
        "requestParameters": request,
        "userAgent": "aws-cli/2",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:mallory",
            "arn": "arn:aws:sts::111111111111:assumed-role/orgtrail/mallory",
            "sessionContext": {
                "sessionIssuer": { "arn": "arn:aws:iam::111111111111:role/orgtrail" },
            },
        },
    })
}

fn detect(facts: TrailFacts, record: &Value) -> Vec<Detected> {
    let text = record.to_string();
    let found = Detector::new(facts).add(&Event::parse(&text).unwrap());
    assert!(found.is_empty() || Detector::may_detect(text.as_bytes()), "{text}");
    found
}

#[test]
fn every_rule_about_calls_detects_each_of_its_calls_on_our_resources_alone() {
    for calls in calls() {
        for name in calls.names {
            let (request, account) = request(calls, "");
            let found = detect(facts(), &record(calls.source, name, &request, account));
            let [one] = found.as_slice() else { panic!("{}: {found:?}", calls.rule.id) };
            assert_eq!(one.rule.id, calls.rule.id, "{name}");
            assert_eq!((one.severity, one.certainty), (calls.rule.severity, Certainty::Certain));
            assert!(!one.has_failed && !one.claims_own_apply);
            let (other, _) = self::request(calls, "-2");
            let found = detect(facts(), &record(calls.source, name, &other, account));
            // Those about the whole organization concern any account.
            if calls.about != About::Organization && *name != "AssumeRoot" {
                assert_eq!(found, [], "{name}");
            }
        }
    }
}

#[test]
fn a_failed_attempt_and_one_without_a_request_are_less_severe() {
    let mut denied =
        record("cloudtrail.amazonaws.com", "StopLogging", &json!({ "name": "org" }), MANAGEMENT);
    denied["errorCode"] = "AccessDenied".into();
    let found = detect(facts(), &denied);
    assert_eq!((found[0].severity, found[0].has_failed), (Severity::High, true));
    denied["requestParameters"] = Value::Null;
    let found = detect(facts(), &denied);
    assert_eq!((found[0].severity, found[0].certainty), (Severity::Medium, Certainty::Possible));
}

#[test]
fn only_what_apply_does_is_taken_for_a_call_of_orgtrail() {
    let own = |name: &str, request: Value| {
        let mut own = record("cloudtrail.amazonaws.com", name, &request, MANAGEMENT);
        own["userIdentity"]["principalId"] = "AROAEXAMPLE:orgtrail".into();
        own["userAgent"] = "aws-sdk-rust/1.3.14 os/linux lang/rust/1.95.0".into();
        own
    };
    let update = own("UpdateTrail", json!({ "name": "org" }));
    let found = detect(facts(), &update);
    assert_eq!((found[0].severity, found[0].claims_own_apply), (Severity::Low, true));
    let found = detect(facts(), &own("StopLogging", json!({ "name": "org" })));
    assert_eq!((found[0].severity, found[0].claims_own_apply), (Severity::Critical, false));
    for (pointer, value) in [
        ("/userIdentity/principalId", "AROAEXAMPLE:other"),
        ("/userIdentity/sessionContext/sessionIssuer/arn", "arn:aws:iam::111111111111:role/admin"),
        ("/userAgent", "aws-cli/2"),
    ] {
        let mut other = update.clone();
        *other.pointer_mut(pointer).unwrap() = value.into();
        let found = detect(facts(), &other);
        assert_eq!((found[0].severity, found[0].claims_own_apply), (Severity::High, false));
    }
}

#[test]
fn a_caller_who_assumed_a_role_as_orgtrail_does_looks_like_it_for_an_hour() {
    let at = |time: &str, mut record: Value| {
        record["eventTime"] = format!("2026-11-20T{time}Z").into();
        record["userAgent"] = "aws-sdk-rust/1.3.14 os/linux".into();
        record["userIdentity"] = json!({ "type": "IAMUser", "accessKeyId": "AKIAEXAMPLE" });
        record
    };
    let assume = json!({
        "roleArn": "arn:aws:iam::111111111111:role/orgtrail", "roleSessionName": "orgtrail",
    });
    let assume = at("10:00:00", record("sts.amazonaws.com", "AssumeRole", &assume, MANAGEMENT));
    let update =
        record("cloudtrail.amazonaws.com", "UpdateTrail", &json!({ "name": "org" }), MANAGEMENT);
    let claims = |assume: &Value, time: &str| {
        let mut detector = Detector::new(facts());
        let text = assume.to_string();
        detector.add(&Event::parse(&text).unwrap());
        let text = at(time, update.clone()).to_string();
        detector.add(&Event::parse(&text).unwrap())[0].claims_own_apply
    };
    // Of one second, the record of the change may come first.
    let (first, second) = (at("10:00:00", update.clone()).to_string(), assume.to_string());
    let events = [&first, &second].map(|text| Event::parse(text).unwrap());
    let mut detector = Detector::new(facts());
    for event in &events {
        detector.note(event);
    }
    assert!(detector.add(&events[0])[0].claims_own_apply);
    assert!(claims(&assume, "10:30:00"));
    assert!(!claims(&assume, "11:30:00"));
    assert!(!claims(&assume, "09:30:00"));
    for (member, value) in [
        ("requestParameters", json!({ "roleArn": "x", "roleSessionName": "orgtrail" })),
        ("errorCode", json!("AccessDenied")),
        ("userIdentity", json!({ "type": "IAMUser", "accessKeyId": "AKIAOTHER" })),
    ] {
        let mut other = assume.clone();
        other[member] = value;
        assert!(!claims(&other, "10:30:00"), "{member}");
    }
}

#[test]
fn without_a_configuration_any_trail_and_its_bucket_count_and_other_resources_do_not() {
    let stop = record("cloudtrail.amazonaws.com", "StopLogging", &json!({ "name": "any" }), "9");
    assert_eq!(detect(TrailFacts::default(), &stop)[0].rule.id, "trail-stopped");
    let lifecycle =
        record("s3.amazonaws.com", "PutBucketLifecycle", &json!({ "bucketName": "b" }), "9");
    assert_eq!(detect(TrailFacts::default(), &lifecycle), []);
    let mut detector = Detector::default();
    let create =
        record("cloudtrail.amazonaws.com", "CreateTrail", &json!({ "s3BucketName": "b" }), "9");
    let created = create.to_string();
    detector.add(&Event::parse(&created).unwrap());
    let text = lifecycle.to_string();
    let found = detector.add(&Event::parse(&text).unwrap());
    assert_eq!(found[0].rule.id, "bucket-lifecycle-changed");
    let key = record("kms.amazonaws.com", "DisableKey", &json!({ "keyId": "k" }), "9");
    assert_eq!(detect(TrailFacts::default(), &key), []);
}

#[test]
fn root_users_and_sign_ins_without_mfa_are_detected() {
    let mut login = json!({
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "eventType": "AwsConsoleSignIn",
        "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::1:user/a" },
        "responseElements": { "ConsoleLogin": "Success" },
        "additionalEventData": { "MFAUsed": "No" },
    });
    let ids = |record: &Value| -> Vec<&str> {
        detect(facts(), record).iter().map(|it| it.rule.id).collect()
    };
    assert_eq!(ids(&login), ["sign-in-without-mfa"]);
    login["userIdentity"] = json!({ "type": "Root", "accountId": "1" });
    assert_eq!(ids(&login), ["root-usage", "sign-in-without-mfa"]);
    login["additionalEventData"]["MFAUsed"] = "Yes".into();
    assert_eq!(ids(&login), ["root-usage"]);
    // An identity provider asks federated users for theirs.
    login["additionalEventData"]["MFAUsed"] = "No".into();
    login["userIdentity"]["type"] = "AssumedRole".into();
    assert_eq!(ids(&login), Vec::<&str>::new());
    let service = json!({
        "eventType": "AwsServiceEvent", "userIdentity": { "type": "Root" },
    });
    assert_eq!(ids(&service), Vec::<&str>::new());
}
