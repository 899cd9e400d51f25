use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::Event;
use crate::detection::concerns::Parameters;
use crate::detection::facts::OwnCalls;

/// Sessions that orgtrail assumes last so long.
const SESSION: SignedDuration = SignedDuration::from_hours(1);
/// The most callers that are remembered.
const REMEMBERED: usize = 1_000;

/// Recognizes calls that look like those of orgtrail.
///
/// It assumes roles in other accounts, and acts in the caller's account as the caller. The
/// caller therefore counts while a session is valid that they assumed as orgtrail does.
/// Anyone who may assume the roles can imitate all of this.
#[derive(Debug, Default)]
pub(super) struct Own {
    calls: OwnCalls,
    /// When a caller last assumed a role as orgtrail does.
    callers: HashMap<String, Timestamp>,
    order: VecDeque<String>,
}

impl Own {
    pub(super) fn new(calls: OwnCalls) -> Self {
        Self { calls, ..Self::default() }
    }

    /// Notes a caller that assumes a role as orgtrail does.
    pub(super) fn note(&mut self, event: &Event<'_>, has_failed: bool) {
        let is_assuming = event.source.as_deref() == Some("sts.amazonaws.com")
            && event.name.as_deref() == Some("AssumeRole");
        if has_failed || !is_assuming || !self.has_agent(event) {
            return;
        }
        let request = Parameters::of(event);
        let is_own = request.role_arn().is_some_and(|arn| self.calls.roles.contains(arn))
            && request.role_session() == Some(self.calls.session_name.as_str());
        let (Some(caller), Some(at)) = (caller(event), event.at()) else { return };
        if !is_own {
            return;
        }
        if self.callers.insert(caller.to_owned(), at).is_none() {
            self.order.push_back(caller.to_owned());
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.callers.remove(&oldest);
        }
    }

    /// Whether a call looks like one of orgtrail.
    pub(super) fn looks_own(&self, event: &Event<'_>) -> bool {
        self.has_agent(event) && (self.is_session(event) || self.is_caller(event))
    }

    /// Whether it is by a session of a role that orgtrail assumes, with its session name.
    fn is_session(&self, event: &Event<'_>) -> bool {
        let identity = &event.identity;
        let issuer = identity.session.issuer.arn.as_deref();
        let session = identity.principal_id.as_deref().and_then(|id| id.split_once(':'));
        issuer.is_some_and(|arn| self.calls.roles.contains(arn))
            && session.is_some_and(|(_, name)| name == self.calls.session_name)
    }

    /// Whether it is by a caller with a valid session.
    fn is_caller(&self, event: &Event<'_>) -> bool {
        let assumed = caller(event).and_then(|caller| self.callers.get(caller));
        let (Some(assumed), Some(at)) = (assumed, event.at()) else { return false };
        (SignedDuration::ZERO..=SESSION).contains(&at.duration_since(*assumed))
    }

    fn has_agent(&self, event: &Event<'_>) -> bool {
        // S3 writes brackets around it.
        let agent = event.user_agent.as_deref().unwrap_or_default().trim_start_matches('[');
        !self.calls.user_agent.is_empty() && agent.starts_with(&self.calls.user_agent)
    }
}

/// A caller by what cannot be chosen: the key that signed, or else the unique id.
fn caller<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let identity = &event.identity;
    identity.access_key.as_deref().or(identity.principal_id.as_deref())
}
