//! Sign-ins that succeed after repeated failures.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::concerns::Parameters;
use crate::Event;

/// So many failures before a success are a finding.
pub const FAILURES: usize = 5;
/// Only failures within so long before the success count.
pub const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// The most failures that are remembered at a time, over all who failed.
const REMEMBERED: usize = 50_000;
/// What the console writes instead of a name that may be a password.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// The calls that issue credentials.
pub(super) const ISSUING: [&str; 5] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "GetFederationToken",
    "GetSessionToken",
];

/// Recent failures, by who failed or from where.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_key: HashMap<String, VecDeque<Timestamp>>,
    order: VecDeque<String>,
}

/// Failures that came before a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preceding {
    pub(super) count: usize,
    pub(super) first: Timestamp,
    /// Whose they were: a principal, or an address.
    pub(super) whose: String,
}

/// Whether an event is a sign-in, or issues credentials to a caller that is no service.
pub(super) fn is_sign_in(event: &Event<'_>) -> bool {
    let name = event.name.as_deref().unwrap_or_default();
    match event.source.as_deref() {
        Some("signin.amazonaws.com") => name == "ConsoleLogin",
        Some("sts.amazonaws.com") => {
            let identity = &event.identity;
            let is_service = identity.kind.as_deref() == Some("AWSService");
            ISSUING.contains(&name) && !is_service && identity.invoked_by.is_none()
        }
        _ => false,
    }
}

/// The keys by which failures and successes are compared.
///
/// Sign-ins to the console are compared by user and by address. Addresses are shared, so calls
/// to STS are compared by the caller and what they ask for.
fn keys(event: &Event<'_>) -> Vec<(String, String)> {
    let identity = &event.identity;
    let account = event.account().unwrap_or_default();
    let named = |text: &str| !text.is_empty() && text != HIDDEN;
    if event.source.as_deref() == Some("signin.amazonaws.com") {
        let who = [&identity.arn, &identity.user_name]
            .into_iter()
            .find_map(|field| field.as_deref().filter(|text| named(text)));
        // The last part of an ARN is the name, which a failed sign-in has alone.
        let who = who.map(|who| who.rsplit_once('/').map_or(who, |(_, name)| name));
        let who = who.map(|who| (format!("user {account} {who}"), who.to_owned()));
        let address =
            event.source_ip.as_deref().filter(|text| text.parse::<std::net::IpAddr>().is_ok());
        let address = address.map(|ip| (format!("address {ip}"), ip.to_owned()));
        return who.into_iter().chain(address).collect();
    }
    let who = [&identity.arn, &identity.principal_id, &identity.user_name]
        .into_iter()
        .find_map(|field| field.as_deref().filter(|text| named(text)));
    let Some(who) = who else { return Vec::new() };
    let name = event.name.as_deref().unwrap_or_default();
    let parameters = Parameters::of(event);
    let role = parameters.role_arn().unwrap_or_default();
    vec![(format!("call {account} {who} {name} {role}"), who.to_owned())]
}

impl Failures {
    /// Takes a sign-in, and returns the failures before it if it succeeded.
    pub(super) fn add(&mut self, event: &Event<'_>, has_failed: bool) -> Option<Preceding> {
        let at = event.at()?;
        if has_failed {
            for (key, _) in keys(event) {
                self.by_key.entry(key.clone()).or_default().push_back(at);
                self.order.push_back(key);
            }
            while self.order.len() > REMEMBERED {
                self.forget_oldest();
            }
            return None;
        }
        let since = at.checked_sub(WITHIN).ok()?;
        let mut found: Option<Preceding> = None;
        for (key, whose) in keys(event) {
            let Some(times) = self.by_key.remove(&key) else { continue };
            let recent: Vec<Timestamp> =
                times.into_iter().filter(|time| (since..=at).contains(time)).collect();
            let first = recent.iter().min().copied();
            if let Some(first) = first.filter(|_| recent.len() >= FAILURES)
                && found.as_ref().is_none_or(|known| known.count < recent.len())
            {
                found = Some(Preceding { count: recent.len(), first, whose });
            }
        }
        found
    }

    fn forget_oldest(&mut self) {
        let Some(key) = self.order.pop_front() else { return };
        if let Some(times) = self.by_key.get_mut(&key) {
            times.pop_front();
            if times.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(minute: usize) -> String {
        format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60)
    }

    fn console(minute: usize, user: &str, ip: &str) -> Value {
        json!({
            "eventTime": at(minute),
            "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin",
            "recipientAccountId": "111111111111",
            "sourceIPAddress": ip,
            "userIdentity": { "type": "IAMUser", "userName": user },
        })
    }

    fn add(failures: &mut Failures, record: &Value, failed: bool) -> Option<Preceding> {
        let text = record.to_string();
        let event = Event::parse(&text).unwrap();
        assert!(is_sign_in(&event));
        failures.add(&event, failed)
    }

    #[test]
    fn a_success_after_five_failures_of_a_user_or_an_address_is_found() {
        for (user, ip, found) in [
            ("alice", "203.0.113.9", Some("alice")),
            ("bob", "198.51.100.7", Some("198.51.100.7")),
            ("bob", "203.0.113.9", None),
        ] {
            let mut failures = Failures::default();
            for minute in 0..5 {
                assert_eq!(
                    add(&mut failures, &console(minute, "alice", "198.51.100.7"), true),
                    None
                );
            }
            let preceding = add(&mut failures, &console(9, user, ip), false);
            assert_eq!(preceding.as_ref().map(|it| it.whose.as_str()), found);
            assert!(preceding.is_none_or(|it| it.count == 5 && it.first == at(0).parse().unwrap()));
            assert_eq!(add(&mut failures, &console(9, user, ip), false), None, "counted once");
        }
    }

    #[test]
    fn few_failures_old_ones_and_hidden_names_are_not_found() {
        let mut failures = Failures::default();
        for minute in 0..4 {
            add(&mut failures, &console(minute, "alice", "198.51.100.7"), true);
        }
        assert_eq!(add(&mut failures, &console(9, "alice", "198.51.100.7"), false), None);
        for minute in 0..5 {
            add(&mut failures, &console(minute, "alice", "198.51.100.7"), true);
        }
        assert_eq!(add(&mut failures, &console(65, "alice", "198.51.100.7"), false), None);
        for minute in 100..105 {
            add(&mut failures, &console(minute, HIDDEN, "-"), true);
        }
        assert_eq!(add(&mut failures, &console(106, HIDDEN, "-"), false), None);
    }

    #[test]
    fn calls_to_sts_are_compared_by_caller_and_role() {
        let call = |minute, role: &str| {
            json!({
                "eventTime": at(minute),
                "eventSource": "sts.amazonaws.com",
                "eventName": "AssumeRole",
                "sourceIPAddress": "198.51.100.7",
                "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::111111111111:user/a" },
                "requestParameters": { "roleArn": role },
            })
        };
        let mut failures = Failures::default();
        for minute in 0..6 {
            add(&mut failures, &call(minute, "admin"), true);
        }
        assert_eq!(add(&mut failures, &call(9, "reader"), false), None);
        assert_eq!(add(&mut failures, &call(9, "admin"), false).unwrap().count, 6);
    }

    #[test]
    fn memory_is_bounded() {
        let mut failures = Failures::default();
        for number in 0..REMEMBERED + 100 {
            add(&mut failures, &console(0, &format!("u{number}"), "-"), true);
        }
        assert_eq!((failures.by_key.len(), failures.order.len()), (REMEMBERED, REMEMBERED));
    }
}
