//! What a record says.
//!
//! Source: CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail userIdentity
//! element".

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use crate::lenient::{Flag, FromMembers, Object, Objects, Text};

/// A text of a record, borrowed from it where it has no escapes.
pub type Field<'r> = Option<Cow<'r, str>>;

/// A record of a log file, with the fields that orgtrail looks at, and its own text.
#[derive(Debug, Clone, Default)]
pub struct Event<'r> {
    /// The record as it stands in the file.
    pub raw: &'r str,
    /// `eventID`: a UUID, the same in every copy of a record that a trail delivers.
    pub id: Field<'r>,
    /// `sharedEventID`: the same in the records of one event in several accounts.
    pub shared_id: Field<'r>,
    /// `eventTime` as written.
    pub time: Field<'r>,
    /// `eventVersion`
    pub version: Field<'r>,
    /// `eventSource`, as `iam.amazonaws.com`.
    pub source: Field<'r>,
    /// `eventName`
    pub name: Field<'r>,
    /// `eventType`, as `AwsApiCall`.
    pub event_type: Field<'r>,
    /// `eventCategory`, as `Management`.
    pub category: Field<'r>,
    /// `awsRegion`
    pub region: Field<'r>,
    /// `sourceIPAddress`: an address, or the name of a service.
    pub source_ip: Field<'r>,
    /// `userAgent`
    pub user_agent: Field<'r>,
    /// `errorCode`
    pub error_code: Field<'r>,
    /// `errorMessage`
    pub error_message: Field<'r>,
    /// `requestID`
    pub request_id: Field<'r>,
    /// `recipientAccountId`: the account whose trail the record was delivered to.
    pub recipient_account: Field<'r>,
    /// `vpcEndpointId`
    pub vpc_endpoint: Field<'r>,
    /// `readOnly`
    pub read_only: Option<bool>,
    /// `managementEvent`
    pub management: Option<bool>,
    /// `userIdentity`
    pub identity: Identity<'r>,
    /// `resources`
    pub resources: Vec<Resource<'r>>,
    /// `requestParameters`; absent if `null`.
    pub request: Option<&'r RawValue>,
    /// `responseElements`; absent if `null`.
    pub response: Option<&'r RawValue>,
    /// `additionalEventData`; absent if `null`.
    pub additional: Option<&'r RawValue>,
    /// `serviceEventDetails`; absent if `null`.
    pub service_details: Option<&'r RawValue>,
    /// `insightDetails`; absent if `null`.
    pub insight: Option<&'r RawValue>,
    /// `addendum`: why the record was delivered late or again.
    pub addendum: Addendum<'r>,
    /// `tlsDetails`
    pub tls: Tls<'r>,
}

/// Who acted: `userIdentity`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity<'r> {
    /// `type`, as `IAMUser`.
    pub kind: Field<'r>,
    /// `principalId`: `AIDA…` of a user, `AROA…:session` of a role's session.
    pub principal_id: Field<'r>,
    /// `arn`
    pub arn: Field<'r>,
    /// `accountId`
    pub account: Field<'r>,
    /// `accessKeyId`: `AKIA…` for long, `ASIA…` for a session.
    pub access_key: Field<'r>,
    /// `userName`
    pub user_name: Field<'r>,
    /// `invokedBy`: the service that acted for the principal, or for itself.
    pub invoked_by: Field<'r>,
    /// `identityProvider`
    pub identity_provider: Field<'r>,
    /// `sessionContext`
    pub session: Session<'r>,
    /// `onBehalfOf`: the user of IAM Identity Center.
    pub on_behalf_of: OnBehalfOf<'r>,
    /// `credentialId`
    pub credential_id: Field<'r>,
}

/// The session of temporary credentials: `sessionContext`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session<'r> {
    /// `sessionIssuer`: the role, or the user, that the session is of.
    pub issuer: Issuer<'r>,
    /// `attributes.creationDate` as written: when the credentials were issued.
    pub created: Field<'r>,
    /// `attributes.mfaAuthenticated`
    pub mfa: Option<bool>,
    /// `sourceIdentity`, which stays the same through chains of roles.
    pub source_identity: Field<'r>,
    /// `ec2RoleDelivery`: the version of the instance metadata service.
    pub ec2_role_delivery: Field<'r>,
    /// `webIdFederationData.federatedProvider`
    pub federated_provider: Field<'r>,
    /// `assumedRoot`: whether it is a session of centralized root access.
    pub assumed_root: Option<bool>,
}

/// Who issued a session: `sessionIssuer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issuer<'r> {
    /// `type`: `Role`, `IAMUser` or `Root`.
    pub kind: Field<'r>,
    /// `principalId`
    pub principal_id: Field<'r>,
    /// `arn`
    pub arn: Field<'r>,
    /// `accountId`
    pub account: Field<'r>,
    /// `userName`
    pub user_name: Field<'r>,
}

/// The user of IAM Identity Center that acted: `onBehalfOf`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnBehalfOf<'r> {
    /// `userId`
    pub user_id: Field<'r>,
    /// `identityStoreArn`
    pub identity_store: Field<'r>,
}

/// A resource that an event concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource<'r> {
    /// `ARN`
    pub arn: Field<'r>,
    /// `accountId`
    pub account: Field<'r>,
    /// `type`
    pub kind: Field<'r>,
}

/// The connection: `tlsDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls<'r> {
    /// `tlsVersion`
    pub version: Field<'r>,
    /// `cipherSuite`
    pub cipher: Field<'r>,
    /// `clientProvidedHostHeader`
    pub host: Field<'r>,
}

/// Why a record was delivered late or again: `addendum`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addendum<'r> {
    /// `reason`: `DELIVERY_DELAY`, `UPDATED_DATA` or `SERVICE_OUTAGE`.
    pub reason: Field<'r>,
    /// `updatedFields`
    pub updated_fields: Field<'r>,
    /// `originalEventID`: the record that this one updates.
    pub original_id: Field<'r>,
}

/// How an event failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<'r> {
    /// The code, as `AccessDenied`; `Failure` of a console sign-in.
    pub code: Cow<'r, str>,
    /// The message.
    pub message: Field<'r>,
}

/// A record that is not JSON as CloudTrail writes it.
#[derive(Debug, thiserror::Error)]
#[error("the record is not a JSON object: {0}")]
pub struct RecordError(#[from] serde_json::Error);

impl<'r> Event<'r> {
    /// Reads a record. A field of an unexpected type is absent.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn parse(raw: &'r str) -> Result<Self, RecordError> {
        let Object(read) = serde_json::from_str::<Object<Self>>(raw)?;
        Ok(Self { raw, ..read.unwrap_or_default() })
    }

    /// When it happened; `None` if the record does not say it as CloudTrail does.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        timestamp(self.time.as_deref()?)
    }

    /// How it failed, if it did. Some services report errors within the response, and the
    /// console reports a refused sign-in there.
    #[must_use]
    pub fn failure(&self) -> Option<Failure<'r>> {
        if let Some(code) = self.error_code.clone().filter(|code| !code.is_empty()) {
            return Some(Failure { code, message: self.error_message.clone() });
        }
        let response = self.response.map_or("null", RawValue::get);
        let found = serde_json::from_str::<Object<ResponseError<'r>>>(response);
        let found = found.ok().and_then(|Object(found)| found).unwrap_or_default();
        let ResponseError { code, message, sign_in } = found;
        if let Some(code) = code.filter(|code| !code.is_empty()) {
            return Some(Failure { code, message: message.or_else(|| self.error_message.clone()) });
        }
        if sign_in.as_deref() == Some("Failure") {
            let message = self.error_message.clone();
            return Some(Failure { code: Cow::Borrowed("Failure"), message });
        }
        self.error_message
            .clone()
            .filter(|message| !message.is_empty())
            .map(|message| Failure { code: Cow::Borrowed("Failure"), message: Some(message) })
    }

    /// The account that the record was delivered for.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.recipient_account.as_deref().or(self.identity.account.as_deref())
    }
}

impl Identity<'_> {
    /// The principal as people name it: its ARN, or else the service, or the account.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        let all = [&self.arn, &self.invoked_by, &self.user_name, &self.principal_id, &self.account];
        all.into_iter().find_map(|field| field.as_deref().filter(|text| !text.is_empty()))
    }
}

impl Session<'_> {
    /// When the credentials were issued.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        timestamp(self.created.as_deref()?)
    }
}

/// A time as records write it.
fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// An error within a response.
#[derive(Default)]
struct ResponseError<'r> {
    code: Field<'r>,
    message: Field<'r>,
    sign_in: Field<'r>,
}

fn text<'r, A: MapAccess<'r>>(map: &mut A) -> Result<Field<'r>, A::Error> {
    map.next_value::<Text<'r>>().map(|Text(text)| text)
}

fn flag<'r, A: MapAccess<'r>>(map: &mut A) -> Result<Option<bool>, A::Error> {
    map.next_value::<Flag>().map(|Flag(flag)| flag)
}

fn object<'r, T: FromMembers<'r>, A: MapAccess<'r>>(map: &mut A) -> Result<T, A::Error> {
    map.next_value::<Object<T>>().map(|Object(object)| object.unwrap_or_default())
}

fn raw<'r, A: MapAccess<'r>>(map: &mut A) -> Result<Option<&'r RawValue>, A::Error> {
    let raw = map.next_value::<&'r RawValue>()?;
    Ok(Some(raw).filter(|raw| raw.get() != "null"))
}

fn ignore<'r, A: MapAccess<'r>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

impl<'r> FromMembers<'r> for Event<'r> {
    fn member<A: MapAccess<'r>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "eventID" => self.id = text(map)?,
            "sharedEventID" => self.shared_id = text(map)?,
            "eventTime" => self.time = text(map)?,
            "eventVersion" => self.version = text(map)?,
            "eventSource" => self.source = text(map)?,
            "eventName" => self.name = text(map)?,
            "eventType" => self.event_type = text(map)?,
            "eventCategory" => self.category = text(map)?,
            "awsRegion" => self.region = text(map)?,
            "sourceIPAddress" => self.source_ip = text(map)?,
            "userAgent" => self.user_agent = text(map)?,
            "errorCode" => self.error_code = text(map)?,
            "errorMessage" => self.error_message = text(map)?,
            "requestID" => self.request_id = text(map)?,
            "recipientAccountId" => self.recipient_account = text(map)?,
            "vpcEndpointId" => self.vpc_endpoint = text(map)?,
            "readOnly" => self.read_only = flag(map)?,
            "managementEvent" => self.management = flag(map)?,
            "userIdentity" => self.identity = object(map)?,
            "resources" => {
                let Objects(all) = map.next_value::<Objects<Resource<'r>>>()?;
                self.resources = all;
            }
            "requestParameters" => self.request = raw(map)?,
            "responseElements" => self.response = raw(map)?,
            "additionalEventData" => self.additional = raw(map)?,
            "serviceEventDetails" => self.service_details = raw(map)?,
            "insightDetails" => self.insight = raw(map)?,
            "addendum" => self.addendum = object(map)?,
            "tlsDetails" => self.tls = object(map)?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

impl<'r> FromMembers<'r> for Identity<'r> {
    fn member<A: MapAccess<'r>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "type" => self.kind = text(map)?,
            "principalId" => self.principal_id = text(map)?,
            "arn" => self.arn = text(map)?,
            "accountId" => self.account = text(map)?,
            "accessKeyId" => self.access_key = text(map)?,
            "userName" => self.user_name = text(map)?,
            "invokedBy" => self.invoked_by = text(map)?,
            "identityProvider" => self.identity_provider = text(map)?,
            "sessionContext" => self.session = object(map)?,
            "onBehalfOf" => self.on_behalf_of = object(map)?,
            "credentialId" => self.credential_id = text(map)?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// Members of an object within the session, lifted into it.
#[derive(Default)]
struct Lifted<'r> {
    created: Field<'r>,
    mfa: Option<bool>,
    provider: Field<'r>,
}

impl<'r> FromMembers<'r> for Lifted<'r> {
    fn member<A: MapAccess<'r>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "creationDate" => self.created = text(map)?,
            "mfaAuthenticated" => self.mfa = flag(map)?,
            "federatedProvider" => self.provider = text(map)?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

impl<'r> FromMembers<'r> for Session<'r> {
    fn member<A: MapAccess<'r>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "sessionIssuer" => self.issuer = object(map)?,
            "attributes" => {
                let Lifted { created, mfa, .. } = object(map)?;
                (self.created, self.mfa) = (created, mfa);
            }
            "webIdFederationData" => {
                let Lifted { provider, .. } = object(map)?;
                self.federated_provider = provider;
            }
            "sourceIdentity" => self.source_identity = text(map)?,
            "ec2RoleDelivery" => self.ec2_role_delivery = text(map)?,
            "assumedRoot" => self.assumed_root = flag(map)?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// Reads members that are all texts.
macro_rules! texts {
    ($($type:ident { $($name:literal => $field:ident),* $(,)? })*) => {
        $(impl<'r> FromMembers<'r> for $type<'r> {
            fn member<A: MapAccess<'r>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match name {
                    $($name => self.$field = text(map)?,)*
                    _ => ignore(map)?,
                }
                Ok(())
            }
        })*
    };
}

texts! {
    Issuer {
        "type" => kind, "principalId" => principal_id, "arn" => arn, "accountId" => account,
        "userName" => user_name,
    }
    OnBehalfOf { "userId" => user_id, "identityStoreArn" => identity_store }
    Resource { "ARN" => arn, "accountId" => account, "type" => kind }
    Tls { "tlsVersion" => version, "cipherSuite" => cipher, "clientProvidedHostHeader" => host }
    Addendum {
        "reason" => reason, "updatedFields" => updated_fields, "originalEventID" => original_id,
    }
    ResponseError { "errorCode" => code, "errorMessage" => message, "ConsoleLogin" => sign_in }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Value {
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLEEXAMPLE00:deploy",
                "arn": "arn:aws:sts::111111111111:assumed-role/deploy/deploy",
                "accountId": "111111111111",
                "accessKeyId": "ASIAEXAMPLEEXAMPLE00",
                "sessionContext": {
                    "sessionIssuer": { "type": "Role", "principalId": "AROAEXAMPLEEXAMPLE00" },
                    "webIdFederationData": { "federatedProvider": "p", "attributes": {} },
                    "attributes": {
                        "creationDate": "2026-11-20T10:00:00Z", "mfaAuthenticated": "false",
                    },
                    "sourceIdentity": "alice",
                },
                "onBehalfOf": { "userId": "u", "identityStoreArn": "arn:aws:identitystore::1:x" },
            },
            "eventTime": "2026-11-20T10:42:00Z",
            "eventSource": "cloudtrail.amazonaws.com",
            "eventName": "StopLogging",
            "awsRegion": "us-east-1",
            "sourceIPAddress": "198.51.100.1",
            "requestParameters": { "name": "a \"quoted\" name" },
            "responseElements": null,
            "eventID": "6e882b9d-2af8-4c67-b91f-aeac6a0e5e70",
            "readOnly": false,
            "resources": [{ "ARN": "arn:aws:s3:::b", "accountId": "111111111111" }, 7],
            "recipientAccountId": "111111111111",
        })
    }

    #[test]
    fn the_fields_of_a_record_are_read() {
        let text = record().to_string();
        let event = Event::parse(&text).unwrap();
        assert_eq!(event.raw, text);
        assert_eq!(event.name.as_deref(), Some("StopLogging"));
        assert_eq!(event.at(), "2026-11-20T10:42:00Z".parse().ok());
        assert_eq!(event.read_only, Some(false));
        let session = &event.identity.session;
        assert_eq!(session.created_at(), "2026-11-20T10:00:00Z".parse().ok());
        assert_eq!(session.mfa, Some(false));
        assert_eq!(session.source_identity.as_deref(), Some("alice"));
        assert_eq!(session.federated_provider.as_deref(), Some("p"));
        assert_eq!(session.issuer.kind.as_deref(), Some("Role"));
        assert_eq!(event.identity.on_behalf_of.user_id.as_deref(), Some("u"));
        assert_eq!(event.resources.len(), 1);
        assert!(event.response.is_none());
        assert!(event.request.unwrap().get().contains("quoted"));
        assert_eq!(event.failure(), None);
    }

    #[test]
    fn errors_are_found_in_both_places() {
        let with = |member: &str, value: Value| {
            let mut record = record();
            record[member] = value;
            record.to_string()
        };
        let code = |text: &str| Event::parse(text).unwrap().failure().map(|it| it.code.to_string());
        assert_eq!(
            code(&with("errorCode", json!("AccessDenied"))).as_deref(),
            Some("AccessDenied")
        );
        let response = json!({ "errorCode": "Client.Dry", "errorMessage": "m" });
        assert_eq!(code(&with("responseElements", response)).as_deref(), Some("Client.Dry"));
        let refused = json!({ "ConsoleLogin": "Failure" });
        assert_eq!(code(&with("responseElements", refused)).as_deref(), Some("Failure"));
        let allowed = json!({ "ConsoleLogin": "Success" });
        assert_eq!(code(&with("responseElements", allowed)), None);
    }

    proptest! {
        #[test]
        fn no_field_of_a_wrong_type_loses_the_record(
            member in prop::sample::select(record().as_object().unwrap().keys().cloned().collect::<Vec<_>>()),
            wrong in prop_oneof![
                Just(json!(null)), Just(json!(7)), Just(json!(-1.5)), Just(json!(true)), Just(json!("x")),
                Just(json!([])), Just(json!([[{ "a": 1 }]])), Just(json!({})), Just(json!({ "arn": [] })),
            ],
        ) {
            let mut changed = record();
            changed[&member] = wrong;
            let text = changed.to_string();
            let event = Event::parse(&text).unwrap();
            let name = if member == "eventName" { event.id } else { event.name };
            prop_assert!(name.is_some());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]\":,a-z0-9\\\\u]{0,60}") {
            let _ = Event::parse(&text);
        }
    }

    #[test]
    fn deep_nesting_takes_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for member in ["requestParameters", "userIdentity", "eventName", "resources"] {
            let text = format!("{{\"{member}\":{deep},\"eventID\":\"a\"}}");
            assert_eq!(Event::parse(&text).unwrap().id.as_deref(), Some("a"), "{member}");
        }
    }
}
