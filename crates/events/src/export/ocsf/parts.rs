use std::net::IpAddr;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::OCSF_VERSION;
use crate::Event;
use crate::event::{Failure, Identity};
use crate::export::ExportedEvent;
use crate::lenient::{FromMembers, Object, Text};

/// What a required part says where the record says nothing.
const UNKNOWN: &str = "Unknown";

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let present = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    members.into_iter().filter_map(present).collect()
}

/// A text that is not empty.
fn text(field: Option<&str>) -> Option<Value> {
    field.filter(|text| !text.is_empty()).map(Value::from)
}

/// The same, which must be there for the part to be valid.
fn named(part: Map<String, Value>, names: &[&str]) -> Option<Value> {
    names.iter().any(|name| part.contains_key(*name)).then_some(Value::Object(part))
}

pub(super) fn account(id: &str) -> Value {
    json!({ "type": "AWS Account", "type_id": 10, "uid": id })
}

/// The service, by its name, as `iam.amazonaws.com`.
pub(super) fn service<'a>(event: &'a Event<'_>) -> &'a str {
    event.source.as_deref().filter(|name| !name.is_empty()).unwrap_or(UNKNOWN)
}

pub(super) fn metadata(row: &ExportedEvent<'_>) -> Value {
    let event = &row.event;
    let feature = text(event.category.as_deref()).map(|name| json!({ "name": name }));
    let product = object([
        ("name", Some("CloudTrail".into())),
        ("vendor_name", Some("AWS".into())),
        ("version", text(event.version.as_deref())),
        ("feature", feature),
    ]);
    Value::Object(object([
        ("product", Some(Value::Object(product))),
        ("profiles", Some(json!(["cloud"]))),
        ("version", Some(OCSF_VERSION.into())),
        ("uid", text(event.id.as_deref())),
        ("correlation_uid", text(event.shared_id.as_deref())),
        ("event_code", text(event.name.as_deref())),
        ("original_time", text(event.time.as_deref())),
    ]))
}

pub(super) fn cloud(row: &ExportedEvent<'_>) -> Value {
    Value::Object(object([
        ("provider", Some("AWS".into())),
        ("region", text(row.region())),
        ("account", row.account().map(account)),
    ]))
}

/// Who acted, as a user.
pub(super) fn user(identity: &Identity<'_>) -> Option<Value> {
    let kind = identity.kind.as_deref().filter(|kind| !kind.is_empty());
    let type_id = match kind {
        Some("IAMUser" | "IdentityCenterUser" | "SAMLUser" | "WebIdentityUser") => 1,
        Some("Root") => 2,
        Some("AWSService") => 3,
        Some(_) => 99,
        None => 0,
    };
    let account_id = identity.account.as_deref().filter(|id| !id.is_empty());
    let part = object([
        ("type", Some(kind.unwrap_or(UNKNOWN).into())),
        ("type_id", Some(type_id.into())),
        ("name", text(identity.user_name.as_deref())),
        ("uid", text(identity.arn.as_deref())),
        ("uid_alt", text(identity.principal_id.as_deref())),
        ("credential_uid", text(identity.access_key.as_deref())),
        ("account", account_id.map(account)),
    ]);
    named(part, &["name", "uid", "account"])
}

/// The session of temporary credentials.
pub(super) fn session(identity: &Identity<'_>) -> Option<Value> {
    let session = &identity.session;
    let created = session.created_at().map(|at| at.as_millisecond().into());
    let issuer = text(session.issuer.arn.as_deref());
    let part = object([
        ("created_time", created),
        ("issuer", issuer),
        ("is_mfa", session.mfa.map(Value::from)),
        ("credential_uid", text(identity.access_key.as_deref())),
        ("uid_alt", text(session.source_identity.as_deref())),
    ]);
    named(part, &["created_time", "issuer", "is_mfa"])
}

/// Who acted: a user, a session, or the service that did.
pub(super) fn actor(event: &Event<'_>) -> Value {
    let identity = &event.identity;
    let mut part = object([
        ("user", user(identity)),
        ("session", session(identity)),
        ("invoked_by", text(identity.invoked_by.as_deref())),
        ("idp", text(identity.identity_provider.as_deref()).map(|name| json!({ "name": name }))),
    ]);
    if !["user", "session", "invoked_by"].iter().any(|name| part.contains_key(*name)) {
        part.insert("app_name".to_owned(), service(event).into());
    }
    Value::Object(part)
}

/// Where from: an address, or a service.
pub(super) fn source_endpoint(event: &Event<'_>) -> Value {
    let from = event.source_ip.as_deref().filter(|from| !from.is_empty());
    let is_address = from.is_some_and(|from| from.parse::<IpAddr>().is_ok());
    let (address, service) = if is_address { (from, None) } else { (None, from) };
    let part = object([
        ("ip", address.map(Value::from)),
        ("svc_name", service.map(Value::from)),
        ("uid", text(event.vpc_endpoint.as_deref())),
    ]);
    named(part, &["ip", "svc_name", "uid"]).unwrap_or_else(|| json!({ "name": UNKNOWN }))
}

pub(super) fn api(event: &Event<'_>, failure: Option<&Failure<'_>>) -> Value {
    let operation = event.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(UNKNOWN);
    let request = text(event.request_id.as_deref())
        .map(|uid| Value::Object(object([("uid", Some(uid)), ("data", data(event.request))])));
    let response = object([
        ("error", failure.map(|failure| (*failure.code).into())),
        ("error_message", failure.and_then(|it| it.message.as_deref()).map(Value::from)),
        ("data", data(event.response)),
    ]);
    Value::Object(object([
        ("operation", Some(operation.into())),
        ("service", Some(json!({ "name": service(event) }))),
        ("request", request),
        ("response", Some(response).filter(|it| !it.is_empty()).map(Value::Object)),
    ]))
}

fn data(value: Option<&RawValue>) -> Option<Value> {
    serde_json::from_str(value?.get()).ok()
}

/// The resources that the record names by their ARN.
pub(super) fn resources(event: &Event<'_>) -> Option<Value> {
    let resource = |resource: &crate::event::Resource<'_>| {
        let owner = text(resource.account.as_deref());
        let owner = owner.map(|id| json!({ "account": { "type_id": 10, "uid": id } }));
        let part = object([
            ("uid", text(resource.arn.as_deref())),
            ("type", text(resource.kind.as_deref())),
            ("owner", owner),
        ]);
        named(part, &["uid"])
    };
    let all: Vec<Value> = event.resources.iter().filter_map(resource).collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

/// Whether a sign-in used MFA, as the console records it.
pub(super) fn used_mfa(event: &Event<'_>) -> Option<bool> {
    #[derive(Default)]
    struct Additional(Option<bool>);
    impl<'r> FromMembers<'r> for Additional {
        fn member<A: serde::de::MapAccess<'r>>(
            &mut self,
            name: &str,
            map: &mut A,
        ) -> Result<(), A::Error> {
            let Text(text) = map.next_value()?;
            if name == "MFAUsed" {
                self.0 = match text.as_deref() {
                    Some("Yes") => Some(true),
                    Some("No") => Some(false),
                    _ => None,
                };
            }
            Ok(())
        }
    }
    let Object(found) = serde_json::from_str::<Object<Additional>>(event.additional?.get()).ok()?;
    found?.0
}
