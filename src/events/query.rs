//! What is searched: conditions on events, with a quick look at the bytes before a record is
//! parsed.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use memchr::memmem::Finder;
use orgtrail_events::Event;
use orgtrail_events::attribution::descend::Followed;

use super::files::{LogFile, Window};
use super::read::{Look, Malformed};
use crate::filter_pattern::FilterPattern;

/// Conditions on events, all of which must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// When it happened. An event without a time is in every period.
    pub window: Window,
    /// A filter pattern.
    pub pattern: Option<FilterPattern>,
    /// Its name, one of these. `*` stands for any characters.
    pub events: Vec<String>,
    /// Who acted, one of these: an ARN, a name, a session's name, a principal id or an access
    /// key, whole, or with `*` for any characters.
    pub principals: Vec<String>,
    /// Where from, one of these.
    pub source_ips: Vec<SourceIp>,
    /// Whether it failed.
    pub errors: bool,
    /// The account that it was recorded for, one of these.
    pub accounts: Vec<String>,
    /// The Region, one of these.
    pub regions: Vec<String>,
    /// Who acted: someone, or a session that descends from it.
    pub followed: Option<Arc<Followed>>,
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceIp {
    /// An address of a network.
    Network(IpNet),
    /// A service, as `cloudtrail.amazonaws.com`.
    Service(String),
}

impl std::str::FromStr for SourceIp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let is_name = text.contains('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if is_name && text.bytes().any(|b| b.is_ascii_alphabetic()) {
            return Ok(Self::Service(text.to_owned()));
        }
        Err("expected an address, a network as in 198.51.100.0/24, or a service as in \
             cloudtrail.amazonaws.com"
            .to_owned())
    }
}

/// An event that matches, as it stands in its file.
#[derive(Debug, Clone)]
pub struct FoundEvent {
    /// The record.
    pub raw: Box<str>,
    /// The file that contains it.
    pub file: Arc<LogFile>,
    /// When it happened, if the record says so.
    pub at: Option<Timestamp>,
    /// Its id, if it has one.
    pub id: Option<Box<str>>,
    /// Whether it takes the place of an earlier copy of itself.
    pub is_update: bool,
}

impl FoundEvent {
    /// A record of a file, and what it says.
    #[must_use]
    pub fn new(raw: &str, event: &Event<'_>, file: &Arc<LogFile>) -> Self {
        Self {
            raw: raw.into(),
            file: Arc::clone(file),
            at: event.at(),
            id: event.id.as_deref().filter(|id| !id.is_empty()).map(Into::into),
            is_update: event.addendum.reason.is_some(),
        }
    }
}

/// Finds the events that match a query.
#[derive(Debug)]
pub struct Search {
    query: Query,
    /// Of each set, a record that matches contains one.
    literals: Vec<Vec<Finder<'static>>>,
    escape: Finder<'static>,
}

impl Search {
    /// A search for what matches a query.
    #[must_use]
    pub fn new(query: Query) -> Self {
        let mut clauses: Vec<Vec<String>> =
            query.pattern.as_ref().map(FilterPattern::literals).unwrap_or_default();
        let exact = |names: &[String]| {
            let is_plain = |name: &String| !name.contains('*') && is_literal(name);
            let all: Vec<String> = names.iter().filter(|name| is_plain(name)).cloned().collect();
            (!names.is_empty() && all.len() == names.len()).then_some(all)
        };
        clauses.extend(exact(&query.events));
        clauses.extend(exact(&query.principals));
        let finders = |clause: Vec<String>| {
            clause.into_iter().map(|text| Finder::new(text.as_bytes()).into_owned()).collect()
        };
        Self {
            query,
            literals: clauses.into_iter().map(finders).collect(),
            escape: Finder::new(b"\\u00").into_owned(),
        }
    }

    /// Whether a record may match, by its bytes. A text of JSON may be written with escapes,
    /// which CloudTrail does not do for letters; a record with any is parsed.
    fn may_match(&self, raw: &[u8]) -> bool {
        let has_all = |clause: &Vec<Finder<'static>>| {
            clause.iter().any(|literal| literal.find(raw).is_some())
        };
        self.literals.iter().all(has_all) || self.escape.find(raw).is_some()
    }

    /// The event of a record, if it matches.
    ///
    /// # Errors
    /// It is malformed.
    pub fn find<'r>(&self, raw: &'r [u8]) -> Result<Option<(&'r str, Event<'r>)>, Malformed> {
        if !self.may_match(raw) {
            return Ok(None);
        }
        let text = std::str::from_utf8(raw).map_err(|_| Malformed)?;
        let event = Event::parse(text).map_err(|_| Malformed)?;
        if !self.query.fields_match(&event) {
            return Ok(None);
        }
        if let Some(pattern) = &self.query.pattern {
            let value = serde_json::from_str(text).map_err(|_| Malformed)?;
            if !pattern.matches(&value) {
                return Ok(None);
            }
        }
        Ok(Some((text, event)))
    }
}

impl Look for Search {
    type Found = FoundEvent;

    fn record(
        &self,
        file: &Arc<LogFile>,
        raw: &[u8],
        found: &mut Vec<FoundEvent>,
    ) -> Result<(), Malformed> {
        let event = self.find(raw)?;
        found.extend(event.map(|(text, event)| FoundEvent::new(text, &event, file)));
        Ok(())
    }

    fn weight(found: &FoundEvent) -> usize {
        found.raw.len() + size_of::<FoundEvent>()
    }
}

impl Query {
    fn fields_match(&self, event: &Event<'_>) -> bool {
        let is_any = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty()
                || found.is_some_and(|found| wanted.iter().any(|wanted| is_like(wanted, found)))
        };
        event.at().is_none_or(|at| self.window.contains(at))
            && is_any(&self.events, event.name.as_deref())
            && is_any(&self.accounts, event.account())
            && is_any(&self.regions, event.region.as_deref())
            && (self.principals.is_empty() || self.is_by(event))
            && (self.source_ips.is_empty() || self.is_from(event.source_ip.as_deref()))
            && (!self.errors || event.failure().is_some())
            && self.followed.as_ref().is_none_or(|followed| followed.of(event).is_some())
    }

    fn is_by(&self, event: &Event<'_>) -> bool {
        let identity = &event.identity;
        let session = &identity.session;
        let fields = [
            &identity.arn,
            &identity.principal_id,
            &identity.access_key,
            &identity.user_name,
            &identity.invoked_by,
            &identity.on_behalf_of.user_id,
            &session.issuer.arn,
            &session.issuer.principal_id,
            &session.issuer.user_name,
            &session.source_identity,
        ];
        let session_name = |id: &str| id.split_once(':').map(|(_, name)| name.to_owned());
        let name = identity.principal_id.as_deref().and_then(session_name);
        let all = fields.into_iter().filter_map(|field| field.as_deref()).chain(name.as_deref());
        all.into_iter().any(|found| self.principals.iter().any(|wanted| is_like(wanted, found)))
    }

    fn is_from(&self, found: Option<&str>) -> bool {
        let Some(found) = found else { return false };
        let address = found.parse::<std::net::IpAddr>().ok();
        self.source_ips.iter().any(|wanted| match wanted {
            SourceIp::Network(network) => address.is_some_and(|address| network.contains(&address)),
            SourceIp::Service(name) => name == found,
        })
    }
}

/// Whether a text stands in JSON as it is, so that its bytes can be looked for.
fn is_literal(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" .:-_@+,".contains(&b))
}

/// Whether a text matches one in which `*` stands for any characters.
fn is_like(wanted: &str, found: &str) -> bool {
    crate::filter_pattern::is_like(wanted, found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Value {
        json!({
            "eventName": "StopLogging",
            "eventTime": "2026-11-20T10:42:00Z",
            "awsRegion": "us-east-1",
            "recipientAccountId": "111111111111",
            "sourceIPAddress": "198.51.100.7",
            "userIdentity": {
                "arn": "arn:aws:sts::111111111111:assumed-role/deploy/alice",
                "principalId": "AROAEXAMPLE:alice",
                "accessKeyId": "ASIAEXAMPLE",
                "sessionContext": { "sessionIssuer": { "userName": "deploy" } },
            },
            "errorCode": "AccessDenied",
        })
    }

    fn finds(query: Query, record: &Value) -> bool {
        Search::new(query).find(record.to_string().as_bytes()).unwrap().is_some()
    }

    #[test]
    fn each_condition_selects() {
        let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let ips =
            |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<SourceIp>>();
        let at = |text: &str| text.parse().ok();
        let pattern = |text: &str| Some(text.parse().unwrap());
        let query = Query::default;
        for (wanted, query) in [
            (true, query()),
            (true, Query { events: texts(&["X", "StopLogging"]), ..query() }),
            (true, Query { events: texts(&["Stop*"]), ..query() }),
            (false, Query { events: texts(&["StartLogging"]), ..query() }),
            (true, Query { principals: texts(&["alice"]), ..query() }),
            (true, Query { principals: texts(&["deploy"]), ..query() }),
            (true, Query { principals: texts(&["*assumed-role/deploy/*"]), ..query() }),
            (true, Query { principals: texts(&["ASIAEXAMPLE"]), ..query() }),
            (false, Query { principals: texts(&["alic"]), ..query() }),
            (true, Query { source_ips: ips(&["203.0.113.1", "198.51.100.0/24"]), ..query() }),
            (false, Query { source_ips: ips(&["198.51.101.0/24", "a.amazonaws.com"]), ..query() }),
            (true, Query { errors: true, ..query() }),
            (true, Query { accounts: texts(&["111111111111"]), ..query() }),
            (false, Query { regions: texts(&["eu-west-1"]), ..query() }),
            (
                true,
                Query { pattern: pattern("{ $.eventName = Stop* && $.errorCode = * }"), ..query() },
            ),
            (
                false,
                Query {
                    pattern: pattern("{ $.eventName = Delete* || $.errorCode = \"No\" }"),
                    ..query()
                },
            ),
            (
                true,
                Query {
                    window: Window { since: at("2026-11-20T10:42:00Z"), until: None },
                    ..query()
                },
            ),
            (
                false,
                Query {
                    window: Window { since: None, until: at("2026-11-20T10:41:59Z") },
                    ..query()
                },
            ),
        ] {
            assert_eq!(finds(query.clone(), &record()), wanted, "{query:?}");
        }
        let mut allowed = record();
        allowed.as_object_mut().unwrap().remove("errorCode");
        assert!(!finds(Query { errors: true, ..query() }, &allowed));
    }

    #[test]
    fn a_name_written_with_escapes_is_found() {
        let text = record().to_string().replace("StopLogging", "Stop\\u004cogging");
        let query = Query { events: vec!["StopLogging".to_owned()], ..Query::default() };
        assert!(Search::new(query).find(text.as_bytes()).unwrap().is_some());
    }

    #[test]
    fn addresses_and_services_are_told_apart() {
        for wrong in ["", "300.1.1.1", "198.51.100.0/33", "alice", "a b.c"] {
            assert!(wrong.parse::<SourceIp>().is_err(), "{wrong}");
        }
        assert!(matches!("2001:db8::/32".parse(), Ok(SourceIp::Network(_))));
        assert!(matches!("s3.amazonaws.com".parse(), Ok(SourceIp::Service(_))));
    }

    proptest! {
        /// The quick look never loses an event.
        #[test]
        fn a_pattern_finds_what_it_matches(
            name in "[A-Za-z<>&\" \u{e9}]{0,8}",
            pattern in prop::sample::select(vec![
                "{ $.a = \"x\" }", "{ $.a = * }", "{ $.a = ab* }", "{ $.a != ab }", "{ $.b NOT EXISTS }",
                "{ ($.a = *ab*) || ($.b = \"abc def\") }", "{ ($.a = a*) && ($.b > 1) }", "{ $.b IS NULL }",
            ]),
            b in prop_oneof![Just(json!(null)), Just(json!(2)), Just(json!("abc def"))],
            has_b in any::<bool>(),
        ) {
            let mut record = json!({ "a": name });
            if has_b {
                record["b"] = b;
            }
            let pattern: FilterPattern = pattern.parse().unwrap();
            let wanted = pattern.matches(&record);
            let query = Query { pattern: Some(pattern), ..Query::default() };
            prop_assert_eq!(finds(query, &record), wanted);
        }
    }
}
