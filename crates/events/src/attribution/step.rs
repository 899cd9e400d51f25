//! One step back: which call issued a session.

use jiff::{SignedDuration, Timestamp};

use super::actor::Actor;
use super::answer::{Hop, Link, Strength};
use super::fact::{Fact, IssueKind};
use super::index::{Index, root_id};
use super::texts::Word;
use super::{LONGEST_SESSION, ROLE_SESSION, TOLERANCE};

/// A call, which two accounts may have recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// The record that says the most about the caller.
    pub(super) main: u32,
    pub(super) other: Option<u32>,
}

/// The calls that may have issued a session.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) calls: Vec<Call>,
    pub(super) link: Option<(Link, Strength)>,
    /// Whether calls for the same principal are recorded without their keys.
    pub(super) has_redacted: bool,
}

impl Step {
    fn new(calls: Vec<Call>, link: Link, strength: Strength) -> Option<Self> {
        // The same key in two calls: only one can be true.
        let strength = if calls.len() > 1 { strength.min(Strength::Bounded) } else { strength };
        let link = Some((link, strength));
        (!calls.is_empty()).then_some(Self { calls, link, has_redacted: false })
    }
}

impl Index {
    pub(super) fn fact(&self, number: u32) -> Option<&Fact> {
        self.facts.get(number as usize)
    }

    /// The calls that may have issued the credentials that an actor used at a time.
    pub(super) fn issuing(&self, actor: &Actor, at: Option<Timestamp>) -> Step {
        let mut has_redacted = false;
        let found = self
            .by_issued_key(actor)
            .or_else(|| self.by_issued_principal(actor, at, &mut has_redacted))
            .or_else(|| self.by_identity_center(actor));
        found.unwrap_or(Step { has_redacted, ..Step::default() })
    }

    fn by_issued_key(&self, actor: &Actor) -> Option<Step> {
        let numbers = self.by_key.get(actor.access_key.as_ref()?)?;
        let is_session = |number: &u32| {
            self.fact(*number).is_some_and(|fact| fact.issued.kind != IssueKind::AccessKey)
        };
        let calls = self.calls(numbers.iter().copied().filter(is_session));
        let is_joined = calls.iter().any(|call| call.other.is_some());
        let link = if is_joined { Link::SharedEvent } else { Link::IssuedKey };
        Step::new(calls, link, Strength::Proven)
    }

    fn by_issued_principal(
        &self,
        actor: &Actor,
        at: Option<Timestamp>,
        has_redacted: &mut bool,
    ) -> Option<Step> {
        let root = actor.account.as_deref().filter(|_| actor.assumed_root).map(root_id);
        let id: &str = root.as_deref().or(actor.principal_id.as_deref())?;
        let facts = || {
            let numbers = self.by_principal.get(id).map(Vec::as_slice).unwrap_or_default();
            numbers.iter().filter_map(|number| Some((*number, self.fact(*number)?)))
        };
        *has_redacted = facts().any(|(_, fact)| fact.issued.is_redacted);
        let is_candidate = |fact: &Fact| is_of_issuer(fact, actor) && !has_other_key(fact, actor);
        let Some(created) = actor.created else {
            // Without its creation, every session of the role and name is a candidate.
            if !actor.is_session() {
                return None;
            }
            let is_role = actor.principal_id.as_deref().is_some_and(|id| id.starts_with("AROA"));
            let longest = if is_role { ROLE_SESSION } else { LONGEST_SESSION };
            let alive = facts().filter(|(_, fact)| {
                fact.issued.kind != IssueKind::ConsoleLogin
                    && is_candidate(fact)
                    && is_within(fact.event.time, at, longest)
            });
            let calls = self.calls(alive.map(|(number, _)| number));
            return Step::new(calls, Link::PrincipalAlone, Strength::Claimed);
        };
        let at_creation = |kinds: &[IssueKind]| {
            let near = facts().filter(|(_, fact)| {
                kinds.contains(&fact.issued.kind)
                    && is_candidate(fact)
                    && is_near(fact.event.time, created)
            });
            self.calls(near.map(|(number, _)| number))
        };
        let issuing =
            [IssueKind::Role, IssueKind::Federation, IssueKind::SessionToken, IssueKind::Root];
        let steps = [
            (at_creation(&issuing), Link::PrincipalAndTime),
            (at_creation(&[IssueKind::SwitchRole]), Link::SwitchedRole),
            (at_creation(&[IssueKind::ConsoleLogin]), Link::SignIn),
        ];
        steps.into_iter().find_map(|(calls, link)| Step::new(calls, link, Strength::Bounded))
    }

    /// Permission sets are roles whose name begins with theirs.
    ///
    /// Source: IAM Identity Center User Guide, "Referencing permission sets in resource
    /// policies".
    fn by_identity_center(&self, actor: &Actor) -> Option<Step> {
        let role = actor.role_name()?.strip_prefix("AWSReservedSSO_")?;
        let created = actor.created?;
        let numbers = self.by_center.get(actor.account.as_ref()?)?;
        let near = numbers.iter().copied().filter(|number| {
            self.fact(*number).is_some_and(|fact| {
                let set = fact.issued.name.as_deref().unwrap_or_default();
                // What follows the name is a hash without underscores.
                let hash = role.strip_prefix(set).and_then(|rest| rest.strip_prefix('_'));
                let is_set = hash.is_some_and(|hash| !hash.contains('_'));
                let user = fact.actor.user_name.as_deref();
                let is_user = user.is_none_or(|user| actor.session_name() == Some(user));
                !set.is_empty() && is_set && is_user && is_near(fact.event.time, created)
            })
        });
        Step::new(self.calls(near), Link::IdentityCenter, Strength::Bounded)
    }

    /// Joins the records of one call in two accounts.
    pub(super) fn calls(&self, numbers: impl Iterator<Item = u32>) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        for number in numbers {
            let call = self.call(number);
            if !calls.iter().any(|known| known.main == call.main) {
                calls.push(call);
            }
        }
        calls
    }

    fn call(&self, number: u32) -> Call {
        let alone = Call { main: number, other: None };
        let Some(fact) = self.fact(number) else { return alone };
        let shared = fact.shared_id.as_ref().and_then(|shared| self.by_shared.get(shared));
        let partner = shared.into_iter().flatten().copied().find(|other| {
            *other != number
                && self.fact(*other).is_some_and(|other| other.event.name == fact.event.name)
        });
        let Some(partner) = partner else { return alone };
        let partner_names = self.fact(partner).is_some_and(Fact::names_caller);
        let is_partner = match (fact.names_caller(), partner_names) {
            (false, true) => true,
            (true, false) => false,
            _ => partner < number,
        };
        if is_partner {
            Call { main: partner, other: Some(number) }
        } else {
            Call { main: number, other: Some(partner) }
        }
    }

    /// The hop over a call.
    pub(super) fn hop(&self, call: Call, link: Link, strength: Strength) -> Option<Hop> {
        let fact = self.fact(call.main)?;
        let other = call.other.and_then(|other| self.fact(other)).map(|fact| fact.event.clone());
        Some(Hop {
            link,
            strength,
            broken: None,
            event: Some(fact.event.clone()),
            other,
            by: Some(fact.actor.clone()),
            source_ip: fact.source_ip.clone(),
            user_agent: fact.user_agent.clone(),
            mfa: fact.mfa,
        })
    }

    /// The call that created an access key, or else the user's password.
    pub(super) fn credential(&self, key: Option<&Word>, user: &Actor) -> Option<Hop> {
        let of_key = || {
            let numbers = self.by_key.get(key?)?;
            let is_created = |number: &&u32| {
                self.fact(**number).is_some_and(|fact| fact.issued.kind == IssueKind::AccessKey)
            };
            numbers.iter().find(is_created).map(|number| (*number, Strength::Proven))
        };
        let of_login = || {
            if key.is_some() {
                return None;
            }
            // A user of this name may have been deleted and created again.
            let place = (user.account.clone()?, user.user_name.clone()?);
            self.by_login.get(&place)?.last().map(|number| (*number, Strength::Claimed))
        };
        let (number, strength) = of_key().or_else(of_login)?;
        self.hop(Call { main: number, other: None }, Link::CreatedCredential, strength)
    }
}

fn is_near(at: Option<Timestamp>, created: Timestamp) -> bool {
    at.is_some_and(|at| at.duration_since(created).abs() <= TOLERANCE)
}

/// Whether credentials issued at `issued` may be used at `used`.
fn is_within(issued: Option<Timestamp>, used: Option<Timestamp>, longest: SignedDuration) -> bool {
    let (Some(issued), Some(used)) = (issued, used) else { return true };
    let age = used.duration_since(issued);
    age >= -TOLERANCE && age <= longest
}

/// Whether a call issued another key than the one that was used. The console and services
/// that act for a session use keys of their own.
fn has_other_key(fact: &Fact, actor: &Actor) -> bool {
    let (Some(issued), Some(used)) = (&fact.issued.key, &actor.access_key) else { return false };
    issued != used && actor.invoked_by.is_none() && !is_console(fact)
}

/// Whether the console made a call.
fn is_console(fact: &Fact) -> bool {
    [&fact.actor.invoked_by, &fact.source_ip, &fact.user_agent]
        .into_iter()
        .any(|field| matches!(field.as_deref(), Some("signin.amazonaws.com" | "AWS Internal")))
}

/// Whether the session's records name no other issuer than the call.
fn is_of_issuer(fact: &Fact, actor: &Actor) -> bool {
    match actor.issuer_id.as_deref() {
        Some(id) if id.starts_with("AIDA") => fact.actor.principal_id.as_deref() == Some(id),
        _ => true,
    }
}
