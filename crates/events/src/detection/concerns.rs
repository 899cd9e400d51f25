//! Whether an event concerns our resources: by what the request and the list of resources
//! name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::facts::{Kind, OwnResource, TrailFacts};
use super::rule::Condition;
use crate::Event;

/// The most values of one parameter that are compared.
const MAX_VALUES: usize = 1000;
/// The longest value that is repeated. Units: characters.
const MAX_SCALAR: usize = 120;
/// The most parameters that are repeated.
const MAX_NOTABLE: usize = 6;
/// Parameters that show what a call changed.
const NOTABLE: [&str; 17] = [
    "s3BucketName",
    "isMultiRegionTrail",
    "isOrganizationTrail",
    "enableLogFileValidation",
    "includeGlobalServiceEvents",
    "kmsKeyId",
    "key",
    "retentionInDays",
    "pendingWindowInDays",
    "granteePrincipal",
    "filterName",
    "attributeName",
    "policyType",
    "servicePrincipal",
    "accountId",
    "targetPrincipal",
    "delegatedAdminAccountId",
];

/// How certain it is that an event concerns our resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The record does not say which resource it concerns, or it names it in a way that the
    /// facts do not know.
    Possible,
    /// The record names it.
    Certain,
}

/// The parameters of a request, which records write in different ways.
#[derive(Debug, Default)]
pub(super) struct Parameters(Option<Value>);

impl Parameters {
    pub(super) fn of(event: &Event<'_>) -> Self {
        Self(event.request.and_then(|raw| serde_json::from_str(raw.get()).ok()))
    }

    /// The texts of a parameter at the top of the request, however its name is capitalized.
    fn texts(&self, name: &str) -> Vec<&str> {
        let Some(Value::Object(members)) = &self.0 else { return Vec::new() };
        let found = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut texts = Vec::new();
        for (_, value) in found {
            match value {
                Value::String(text) => texts.push(text.as_str()),
                Value::Array(items) => {
                    texts.extend(items.iter().filter_map(Value::as_str).take(MAX_VALUES));
                }
                _ => {}
            }
        }
        texts.retain(|text| !text.is_empty());
        texts
    }

    /// The value of a parameter that is one, as text.
    fn scalar(&self, name: &str) -> Option<String> {
        match self.0.as_ref()?.get(name)? {
            Value::String(text) => Some(text.chars().take(MAX_SCALAR).collect()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What the request asks for, in a few words: those of some parameters that it has.
    pub(super) fn summary(&self) -> Vec<String> {
        let one = |name: &&str| self.scalar(name).map(|value| format!("{name}={value}"));
        let mut all: Vec<String> = NOTABLE.iter().filter_map(one).collect();
        let versioning = self
            .0
            .as_ref()
            .and_then(|value| value.get("VersioningConfiguration")?.get("Status")?.as_str());
        all.extend(versioning.map(|status| format!("Status={status}")));
        all.truncate(MAX_NOTABLE);
        all
    }

    /// The accounts that a request is about, by id.
    pub(super) fn accounts(&self) -> Vec<&str> {
        let all = ["accountId", "targetPrincipal"].into_iter().flat_map(|name| self.texts(name));
        all.map(|text| arn(text).map_or(text, |parts| parts.account)).collect()
    }

    /// The bucket that a trail is to deliver to.
    pub(super) fn delivers_to(&self) -> Option<&str> {
        self.texts("s3BucketName").first().copied()
    }

    /// The name of the session that is to be issued.
    pub(super) fn role_session(&self) -> Option<&str> {
        self.texts("roleSessionName").first().copied()
    }

    /// The role that is to be assumed.
    pub(super) fn role_arn(&self) -> Option<&str> {
        self.texts("roleArn").first().copied()
    }

    /// Whether a condition holds; `None` if the request lacks the parameter.
    pub(super) fn fulfils(&self, condition: &Condition) -> Option<bool> {
        let texts = self.texts(condition.parameter);
        let is_one = |text: &&str| {
            condition.values.iter().any(|value| {
                if condition.contains { text.contains(value) } else { *text == *value }
            })
        };
        (!texts.is_empty()).then(|| texts.iter().any(is_one))
    }
}

/// The parameters that name a resource of a kind.
fn parameters(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Trail => &["name", "trailName", "trailArn", "resourceArn", "resourceId"],
        Kind::Bucket => &["bucketName", "bucket"],
        Kind::Key => &["keyId", "targetKeyId", "aliasName"],
        Kind::Topic => &["topicArn", "subscriptionArn"],
        Kind::LogGroup => &["logGroupName", "logGroupIdentifier"],
        Kind::Alarm => &["alarmNames", "alarmName"],
        Kind::Policy => &["policyId"],
        Kind::Role => &["roleName"],
    }
}

/// The service in the ARNs of a kind.
fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::Trail => "cloudtrail",
        Kind::Bucket => "s3",
        Kind::Key => "kms",
        Kind::Topic => "sns",
        Kind::LogGroup => "logs",
        Kind::Alarm => "cloudwatch",
        Kind::Policy => "organizations",
        Kind::Role => "iam",
    }
}

/// The parts of an ARN that are compared.
struct ArnParts<'a> {
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

fn arn(text: &str) -> Option<ArnParts<'_>> {
    let mut parts = text.splitn(6, ':');
    if parts.next()? != "arn" {
        return None;
    }
    let (_partition, service) = (parts.next()?, parts.next()?);
    let (region, account) = (parts.next()?, parts.next()?);
    Some(ArnParts { service, region, account, resource: parts.next()? })
}

/// A resource's name within its ARN.
fn name<'a>(kind: Kind, parts: &ArnParts<'a>) -> &'a str {
    let resource = parts.resource;
    match kind {
        // The object's key follows.
        Kind::Bucket => resource.split_once('/').map_or(resource, |(bucket, _)| bucket),
        // The subscription follows.
        Kind::Topic => resource.split_once(':').map_or(resource, |(topic, _)| topic),
        Kind::Trail => resource.strip_prefix("trail/").unwrap_or(resource),
        // An alias keeps its `alias/`.
        Kind::Key => resource.strip_prefix("key/").unwrap_or(resource),
        Kind::LogGroup => {
            let name = resource.strip_prefix("log-group:").unwrap_or(resource);
            name.split_once(':').map_or(name, |(name, _)| name)
        }
        Kind::Alarm => resource.strip_prefix("alarm:").unwrap_or(resource),
        // The path comes first.
        Kind::Policy | Kind::Role => resource.rsplit_once('/').map_or(resource, |(_, name)| name),
    }
}

/// The resources of a kind that an event names.
pub(super) fn named(kind: Kind, event: &Event<'_>, request: &Parameters) -> BTreeSet<String> {
    let own = parameters(kind).iter().flat_map(|name| request.texts(name));
    let listed = event.resources.iter().filter_map(|resource| resource.arn.as_deref());
    let listed = listed
        .take(MAX_VALUES)
        .filter(|text| arn(text).is_some_and(|parts| parts.service == service(kind)));
    own.chain(listed).map(str::to_owned).collect()
}

/// Whether an event that names some resources of a kind concerns ours, and which.
pub(super) fn concerned(
    kind: Kind,
    named: &BTreeSet<String>,
    event: &Event<'_>,
    facts: &TrailFacts,
) -> Option<(Certainty, String)> {
    let mut best: Option<(Certainty, String)> = None;
    for own in facts.of(kind) {
        let found = if named.is_empty() {
            is_there(own, event).then_some(Certainty::Possible)
        } else {
            named.iter().filter_map(|text| own.is_named_by(text, event)).max()
        };
        if let Some(certainty) = found
            && best.as_ref().is_none_or(|(known, _)| *known < certainty)
        {
            best = Some((certainty, own.role.clone()));
        }
    }
    best
}

/// Whether an event may concern a resource by where it happened. What is not known may be.
fn is_there(own: &OwnResource, event: &Event<'_>) -> bool {
    let is = |own: Option<&str>, found: Option<&str>| match (own, found) {
        (Some(own), Some(found)) => own == found,
        _ => true,
    };
    is(own.account.as_deref(), event.account())
        && is(own.region.as_deref(), event.region.as_deref())
}

impl OwnResource {
    /// Whether a text of an event means this resource.
    fn is_named_by(&self, text: &str, event: &Event<'_>) -> Option<Certainty> {
        if self.arns.iter().any(|own| is_arn_or_part(self.kind, own, text)) {
            return Some(Certainty::Certain);
        }
        let Some(parts) = arn(text) else {
            // Bucket names are the same everywhere; other names are of the account.
            let is_here = self.kind == Kind::Bucket || is_there(self, event);
            return match (self.names.contains(text), is_here) {
                (true, true) => Some(Certainty::Certain),
                (false, true) if self.has_unknown_names => Some(Certainty::Possible),
                _ => None,
            };
        };
        if parts.service != service(self.kind) {
            return None;
        }
        let is =
            |own: Option<&str>, found: &str| found.is_empty() || own.is_none_or(|own| own == found);
        let is_here =
            is(self.account.as_deref(), parts.account) && is(self.region.as_deref(), parts.region);
        match (self.names.contains(name(self.kind, &parts)), is_here) {
            (true, true) => Some(Certainty::Certain),
            (false, true) if self.has_unknown_names => Some(Certainty::Possible),
            _ => None,
        }
    }
}

/// Whether a text is an ARN, or that of a part of it: a subscription of a topic, an object of
/// a bucket.
fn is_arn_or_part(kind: Kind, own: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(own) else { return false };
    match kind {
        Kind::Bucket => rest.is_empty() || rest.starts_with('/'),
        Kind::Topic | Kind::LogGroup => rest.is_empty() || rest.starts_with(':'),
        _ => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn certainty(own: OwnResource, record: &Value) -> Option<Certainty> {
        let text = record.to_string();
        let event = Event::parse(&text).unwrap();
        let kind = own.kind;
        let facts = TrailFacts { resources: vec![own], ..TrailFacts::default() };
        let named = named(kind, &event, &Parameters::of(&event));
        concerned(kind, &named, &event, &facts).map(|(certainty, _)| certainty)
    }

    fn record(account: &str, region: &str, request: Value) -> Value {
        json!({ "recipientAccountId": account, "awsRegion": region, "requestParameters": request })
    }

    #[test]
    fn a_trail_is_named_by_its_name_in_its_account_or_by_its_arn() {
        let arn = "arn:aws:cloudtrail:us-east-1:111111111111:trail/org";
        let own = || {
            OwnResource::named(Kind::Trail, "the trail", "org")
                .within("111111111111", None)
                .with_arn(arn)
        };
        let at = |account: &str, name: &str| {
            certainty(own(), &record(account, "us-east-1", json!({ "name": name })))
        };
        assert_eq!(at("111111111111", "org"), Some(Certainty::Certain));
        assert_eq!(at("222222222222", "org"), None);
        assert_eq!(at("222222222222", arn), Some(Certainty::Certain));
        assert_eq!(at("111111111111", "other"), None);
        assert_eq!(at("111111111111", &arn.replace("org", "organic")), None);
        assert_eq!(at("111111111111", &arn.replace("1111", "2222")), None);
        // Records of denied calls may lack the request.
        let denied = |account| certainty(own(), &record(account, "us-east-1", Value::Null));
        assert_eq!(denied("111111111111"), Some(Certainty::Possible));
        assert_eq!(denied("222222222222"), None);
    }

    #[test]
    fn a_bucket_is_named_by_its_name_from_any_account_and_by_the_arns_of_its_objects() {
        let own =
            || OwnResource::named(Kind::Bucket, "the archive", "logs").within("222222222222", None);
        let by = |name: &str| {
            certainty(own(), &record("333333333333", "us-west-2", json!({ "bucketName": name })))
        };
        assert_eq!(by("logs"), Some(Certainty::Certain));
        assert_eq!(by("logs-2"), None);
        let listed = json!({ "resources": [{ "ARN": "arn:aws:s3:::logs/AWSLogs/x" }] });
        assert_eq!(certainty(own(), &listed), Some(Certainty::Certain));
        let other = json!({ "resources": [{ "ARN": "arn:aws:s3:::logs-2/AWSLogs/x" }] });
        assert_eq!(certainty(own(), &other), None);
    }

    #[test]
    fn a_key_known_by_its_alias_alone_is_possibly_the_one_of_an_id() {
        let own = || {
            let mut own = OwnResource::named(Kind::Key, "the key", "alias/orgtrail")
                .within("222222222222", Some("us-east-1"));
            own.has_unknown_names = true;
            own
        };
        let by = |account: &str, id: &str| {
            certainty(own(), &record(account, "us-east-1", json!({ "keyId": id })))
        };
        let id = "11111111-2222-3333-4444-555555555555";
        assert_eq!(by("222222222222", id), Some(Certainty::Possible));
        assert_eq!(by("333333333333", id), None);
        let arn = format!("arn:aws:kms:us-east-1:222222222222:key/{id}");
        assert_eq!(by("333333333333", &arn), Some(Certainty::Possible));
        assert_eq!(by("222222222222", &arn.replace("us-east-1", "eu-west-1")), None);
        assert_eq!(by("222222222222", "alias/orgtrail"), Some(Certainty::Certain));
        let known = own().with_arn(&arn);
        let mut known = OwnResource { has_unknown_names: false, ..known };
        known.names.insert(id.to_owned());
        let record = record("222222222222", "us-east-1", json!({ "keyId": id }));
        assert_eq!(certainty(known, &record), Some(Certainty::Certain));
    }

    #[test]
    fn a_subscription_belongs_to_its_topic() {
        let topic = "arn:aws:sns:us-east-1:111111111111:alarms";
        let own = || {
            OwnResource::named(Kind::Topic, "the alarms' topic", "alarms")
                .within("111111111111", Some("us-east-1"))
                .with_arn(topic)
        };
        let by = |arn: String| {
            let request = json!({ "subscriptionArn": arn });
            certainty(own(), &record("111111111111", "us-east-1", request))
        };
        assert_eq!(by(format!("{topic}:c3019def")), Some(Certainty::Certain));
        assert_eq!(by(format!("{topic}-2:c3019def")), None);
    }

    #[test]
    fn log_groups_alarms_policies_and_roles_are_named_by_name() {
        let here = |kind, name: &str| {
            OwnResource::named(kind, "ours", name).within("111111111111", Some("us-east-1"))
        };
        for (kind, name, request) in [
            (Kind::LogGroup, "g", json!({ "logGroupName": "g" })),
            (
                Kind::LogGroup,
                "g",
                json!({ "logGroupIdentifier": "arn:aws:logs:us-east-1:111111111111:log-group:g" }),
            ),
            (Kind::Alarm, "a", json!({ "alarmNames": ["b", "a"] })),
            (Kind::Alarm, "a", json!({ "AlarmName": "a" })),
            (Kind::Policy, "p-123", json!({ "policyId": "p-123" })),
            (Kind::Role, "r", json!({ "roleName": "r" })),
        ] {
            let found = certainty(here(kind, name), &record("111111111111", "us-east-1", request));
            assert_eq!(found, Some(Certainty::Certain), "{kind:?}");
            let other = certainty(
                here(kind, "other"),
                &record("111111111111", "us-east-1", json!({ parameters(kind)[0]: name })),
            );
            assert_eq!(other, None, "{kind:?}");
        }
    }

    #[test]
    fn a_condition_on_a_missing_parameter_is_open() {
        let of = |request: Value| {
            let text = json!({ "requestParameters": request }).to_string();
            let event = Event::parse(&text).unwrap();
            let condition = Condition { parameter: "key", values: &["AWSLogs/"], contains: true };
            Parameters::of(&event).fulfils(&condition)
        };
        assert_eq!(of(json!({ "key": "o/AWSLogs/1" })), Some(true));
        assert_eq!(of(json!({ "Key": "orgtrail/runs/1" })), Some(false));
        assert_eq!(of(json!({ "key": "" })), None);
        assert_eq!(of(json!({ "key": 7 })), None);
        assert_eq!(of(Value::Null), None);
    }
}
