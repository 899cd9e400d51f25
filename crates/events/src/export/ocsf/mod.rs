//! Events of OCSF: API Activity, Authentication, Account Change.
//!
//! Source: the schema that the Open Cybersecurity Schema Framework publishes,
//! <https://schema.ocsf.io/1.5.0>.

mod class;
mod parts;
pub(super) mod table;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::class::Activity;
pub use self::class::OcsfClass;
use super::ExportedEvent;

/// The version of the schema that the events follow.
pub const OCSF_VERSION: &str = "1.5.0";

/// The class of the event of OCSF that a record becomes.
#[must_use]
pub fn ocsf_class(row: &ExportedEvent<'_>) -> OcsfClass {
    class::of(row).0
}

/// An event of OCSF. A record without a time gets the time 0.
#[must_use]
pub fn ocsf_event(row: &ExportedEvent<'_>) -> Value {
    let event = &row.event;
    let (class, activity) = class::of(row);
    let Activity { id, name } = activity;
    let mut all = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value);
        }
    };
    put("activity_id", Some(id.into()));
    put("activity_name", Some(name.clone().into()));
    put("category_name", Some(class.category().1.into()));
    put("category_uid", Some(class.category().0.into()));
    put("class_name", Some(class.name().into()));
    put("class_uid", Some(class.uid().into()));
    put("type_name", Some(format!("{}: {name}", class.name()).into()));
    put("type_uid", Some((class.uid() * 100 + id).into()));
    put("time", Some(event.at().map_or(0, Timestamp::as_millisecond).into()));
    put("severity", Some("Informational".into()));
    put("severity_id", Some(1.into()));
    let failure = row.failure.as_ref();
    put("status", Some(if failure.is_some() { "Failure" } else { "Success" }.into()));
    put("status_id", Some(if failure.is_some() { 2 } else { 1 }.into()));
    put("status_code", failure.map(|failure| (*failure.code).into()));
    put("status_detail", failure.and_then(|it| it.message.as_deref()).map(Value::from));
    put("metadata", Some(parts::metadata(row)));
    put("cloud", Some(parts::cloud(row)));
    put("actor", Some(parts::actor(event)));
    put("api", Some(parts::api(event, failure)));
    put("src_endpoint", Some(parts::source_endpoint(event)));
    put("http_request", event.user_agent.as_deref().map(|agent| json!({ "user_agent": agent })));
    match class {
        OcsfClass::ApiActivity => put("resources", parts::resources(event)),
        OcsfClass::Authentication => {
            put("user", parts::user(&event.identity));
            put("is_mfa", parts::used_mfa(event).map(Value::from));
            put("service", Some(json!({ "name": parts::service(event) })));
            put("session", parts::session(&event.identity));
        }
        OcsfClass::AccountChange => put("user", class::changed_user(row)),
    }
    put("raw_data", Some(event.raw.into()));
    let mut own = Map::new();
    own.insert("key".to_owned(), row.key.into());
    if let Some(proof) = row.proof {
        own.insert("proof".to_owned(), proof.into());
    }
    if let Some(person) = row.person {
        own.insert("person".to_owned(), person.principal.into());
        own.insert("person_strength".to_owned(), person.strength.into());
    }
    put("unmapped", Some(json!({ "orgtrail": own })));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    fn of(record: &Value) -> Value {
        let text = record.to_string();
        ocsf_event(&ExportedEvent::new(Event::parse(&text).unwrap(), "k"))
    }

    fn record(source: &str, name: &str) -> Value {
        json!({
            "eventVersion": "1.11",
            "eventID": "6e882b9d-2af8-4c67-b91f-aeac6a0e5e70",
            "eventTime": "2026-11-20T10:42:00Z",
            "eventSource": source,
            "eventName": name,
            "eventCategory": "Management",
            "awsRegion": "us-east-1",
            "recipientAccountId": "111111111111",
            "sourceIPAddress": "198.51.100.7",
            "userIdentity": {
                "type": "AssumedRole", "accountId": "111111111111", "accessKeyId": "ASIAX",
                "arn": "arn:aws:sts::111111111111:assumed-role/deploy/alice",
                "principalId": "AROAX:alice",
                "sessionContext": { "attributes": { "creationDate": "2026-11-20T10:00:00Z", "mfaAuthenticated": "true" } },
            },
        })
    }

    #[test]
    fn each_class_and_activity_is_chosen_by_what_happened() {
        let with = |source: &str, name: &str, member: &str, value: Value| {
            let mut record = record(source, name);
            record[member] = value;
            record
        };
        let user = json!({ "userName": "bob" });
        for (uid, status, record) in [
            (600_302, 1, with("s3.amazonaws.com", "ListBuckets", "readOnly", json!(true))),
            (600_301, 1, record("ec2.amazonaws.com", "RunInstances")),
            (
                600_304,
                2,
                with("cloudtrail.amazonaws.com", "DeleteTrail", "errorCode", json!("AccessDenied")),
            ),
            (600_303, 1, record("cloudtrail.amazonaws.com", "UpdateTrail")),
            (600_399, 1, record("cloudtrail.amazonaws.com", "StopLogging")),
            (
                300_201,
                2,
                with(
                    "signin.amazonaws.com",
                    "ConsoleLogin",
                    "responseElements",
                    json!({ "ConsoleLogin": "Failure" }),
                ),
            ),
            (
                300_101,
                1,
                with("iam.amazonaws.com", "CreateUser", "requestParameters", user.clone()),
            ),
            (
                300_107,
                1,
                with("iam.amazonaws.com", "AttachUserPolicy", "requestParameters", user.clone()),
            ),
            (300_103, 1, record("iam.amazonaws.com", "ChangePassword")),
            // Whose key it is, the record does not say.
            (600_304, 1, record("iam.amazonaws.com", "DeleteUser")),
            (600_301, 1, with("iam.amazonaws.com", "CreateRole", "requestParameters", user)),
        ] {
            let event = of(&record);
            let name = &record["eventName"];
            assert_eq!(
                (&event["type_uid"], &event["status_id"]),
                (&uid.into(), &status.into()),
                "{name}"
            );
            assert_eq!(event["time"], 1_795_171_320_000_i64);
            assert_eq!(event["metadata"]["uid"], record["eventID"]);
            assert_eq!(event["unmapped"]["orgtrail"]["key"], "k");
        }
    }

    #[test]
    fn what_a_record_does_not_say_is_left_out() {
        let event = of(&json!({}));
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&6003.into(), &99.into()));
        for missing in ["status_code", "http_request", "resources"] {
            assert!(event.get(missing).is_none(), "{missing}");
        }
        // What the schema requires.
        for required in ["actor", "src_endpoint", "api", "cloud", "metadata", "time"] {
            assert!(event.get(required).is_some(), "{required}");
        }
    }
}
