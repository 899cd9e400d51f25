//! From whom a question found back to who was behind it.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::actor::Actor;
use super::answer::{Answer, Break, Chain, Claim, Hop, Link, Origin, Strength, Subject, Verdict};
use super::ends::{direct, of_service, switched_from, written_origin};
use super::fact::{Fact, IssueKind};
use super::index::{Index, Use};
use super::question::Question;
use super::step::Call;
use super::texts::Word;
use super::{LONGEST_SESSION, MAX_CHAINS, MAX_HOPS, ROLE_SESSION, TOLERANCE};

/// The most steps of a question, over all its chains.
const MAX_STEPS: usize = 100_000;

/// What was read, to say why an issuing event was not found.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// The earliest event that was read; the beginning if absent.
    pub since: Option<Timestamp>,
    /// Earlier times around which events were read too.
    pub also: HashSet<Timestamp>,
    /// The accounts that have log files; unknown if empty.
    pub accounts: HashSet<String>,
    /// Whether some of it could not be read.
    pub is_incomplete: bool,
}

/// A chain while it is followed.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    pub(super) hops: Vec<Hop>,
    pub(super) origin: Option<Origin>,
    calls: Vec<Call>,
    claims: Vec<Claim>,
    credential: Option<Hop>,
}

impl Index {
    /// Answers the question with what was added.
    #[must_use]
    pub fn resolve(&self, recorded: &Recorded) -> Answer {
        let mut chains: Vec<Chain> = Vec::new();
        let (mut has_more, mut steps) = (self.is_full(), 0);
        for subject in self.subjects() {
            let at = subject.time.map(|(first, _)| first).or(self.at);
            let (paths, is_cut) = self.walk(&subject.actor, at, recorded, &mut steps);
            has_more |= is_cut;
            for Path { hops, origin, claims, credential, .. } in paths {
                let subject = subject.clone();
                let chain = Chain { subject, hops, origin, claims, credential };
                let known = chains.iter_mut().find(|known| is_same_chain(known, &chain));
                if let Some(known) = known {
                    known.subject.merge(&chain.subject);
                } else if chains.len() < MAX_CHAINS {
                    chains.push(chain);
                } else {
                    has_more = true;
                }
            }
        }
        chains.sort_by_key(|chain| (!chain.subject.has_acted_at, chain.subject.time));
        Answer { verdict: Verdict::of(&chains, has_more), chains, has_more }
    }

    /// Whom the question found.
    fn subjects(&self) -> Vec<Subject> {
        // A record that another account has of a call that is here anyway.
        let is_copy = |found: &&Use| {
            found.actor.kind() == "AWSAccount"
                && found.shared_id.as_ref().is_some_and(|shared| self.named.contains(shared))
        };
        let events: Vec<&Use> =
            self.uses.values().filter(|found| found.is_event && !is_copy(found)).collect();
        if !events.is_empty() {
            return events.into_iter().map(|found| self.subject_of(found)).collect();
        }
        let may_act = |found: &&Use| {
            let times = found.time;
            match self.at {
                Some(at) if found.actor.is_session() => match (found.actor.created, times) {
                    (Some(created), _) => is_alive(&found.actor, created, at),
                    (None, Some((first, last))) => {
                        first.duration_since(at) <= LONGEST_SESSION
                            && at.duration_since(last) <= LONGEST_SESSION
                    }
                    (None, None) => true,
                },
                _ => true,
            }
        };
        let mut subjects: Vec<Subject> = self
            .uses
            .values()
            .filter(|found| may_act(found) && !is_copy(found))
            .map(|found| self.subject_of(found))
            .collect();
        for number in 0..self.facts.len() {
            let Some(fact) = self.facts.get(number) else { continue };
            let Some(actor) = issued_session(fact) else { continue };
            let call = self.calls(u32::try_from(number).into_iter());
            let is_main = call.iter().any(|call| call.main as usize == number);
            let is_asked = is_main
                && self.question.is_about(&actor)
                && self
                    .at
                    .zip(actor.created)
                    .is_none_or(|(at, created)| is_alive(&actor, created, at));
            if is_asked && !subjects.iter().any(|known| is_session_of(&known.actor, fact, &actor)) {
                subjects.push(Subject {
                    actor,
                    sessions: 1,
                    events: 0,
                    time: None,
                    event: Some(fact.event.clone()),
                    has_acted_at: false,
                });
            }
        }
        subjects
    }

    fn subject_of(&self, found: &Use) -> Subject {
        let shared = found.shared_id.as_ref().and_then(|shared| self.by_shared.get(shared));
        let callers = self.calls(shared.into_iter().flatten().copied());
        let caller = callers.first().and_then(|call| self.fact(call.main));
        let actor = match caller {
            Some(fact) if found.actor.kind() == "AWSAccount" => fact.actor.clone(),
            _ => found.actor.clone(),
        };
        Subject {
            actor,
            sessions: 1,
            events: found.events,
            time: found.time,
            event: Some(found.event.clone()),
            has_acted_at: found.has_acted_at,
        }
    }

    /// All chains back from an actor, and whether some were not followed.
    pub(super) fn walk(
        &self,
        start: &Actor,
        at: Option<Timestamp>,
        recorded: &Recorded,
        steps: &mut usize,
    ) -> (Vec<Path>, bool) {
        let mut done = Vec::new();
        let mut open = vec![(start.clone(), at, Path::default())];
        while let Some((actor, at, mut path)) = open.pop() {
            *steps += 1;
            if *steps > MAX_STEPS || done.len() > MAX_CHAINS {
                return (done, true);
            }
            path.claim(&actor);
            if let Some((hop, origin)) = direct(&actor) {
                path.hops.extend(hop);
                self.end_at_user(&actor, &mut path);
                path.origin = path.origin.or(Some(origin));
                done.push(path);
                continue;
            }
            if !actor.is_session() {
                let account = actor.account.clone().filter(|_| actor.kind() == "AWSAccount");
                path.end(account.map_or(Break::Unidentified, Break::CallerElsewhere));
                done.push(path);
                continue;
            }
            if path.hops.len() >= MAX_HOPS {
                path.end(Break::TooLong);
                done.push(path);
                continue;
            }
            let step = self.issuing(&actor, at);
            let Some((link, strength)) = step.link else {
                if let Some((hop, origin)) = written_origin(&actor) {
                    path.hops.push(hop);
                    path.origin = Some(origin);
                } else {
                    path.claim_session(&actor);
                    path.end(self.why_missing(&actor, step.has_redacted, recorded));
                }
                done.push(path);
                continue;
            };
            // A user's own record is worth more than a call at about the same time.
            if let Some((hop, origin)) = written_origin(&actor)
                && strength < Strength::Proven
            {
                path.hops.push(hop);
                path.origin = Some(origin);
                done.push(path);
                continue;
            }
            for call in step.calls {
                let mut path = path.clone();
                let Some(fact) = self.fact(call.main) else { continue };
                if path.calls.contains(&call) {
                    path.end(Break::Circular);
                    done.push(path);
                    continue;
                }
                path.calls.push(call);
                path.hops.extend(self.hop(call, link, strength));
                if let Some(origin) = of_service(fact, &actor) {
                    path.origin = Some(origin);
                    done.push(path);
                } else if link == Link::SwitchedRole {
                    open.push((switched_from(fact), fact.event.time, path));
                } else {
                    open.push((fact.actor.clone(), fact.event.time, path));
                }
            }
        }
        (done, false)
    }

    /// A user is known by its id; adds how it signed in, and who created its key.
    fn end_at_user(&self, actor: &Actor, path: &mut Path) {
        if actor.kind() != "IAMUser" {
            return;
        }
        let key = actor.access_key.as_ref();
        if key.is_some_and(|key| key.starts_with("AKIA")) {
            path.credential = self.credential(key, actor);
            return;
        }
        let step = self.issuing(actor, None);
        let (Some((link, strength)), Some(call)) = (step.link, step.calls.first()) else { return };
        let Some(fact) = self.fact(call.main) else { return };
        if fact.actor.principal_id != actor.principal_id {
            return;
        }
        path.hops.extend(self.hop(*call, link, strength));
        path.credential = match link {
            Link::SignIn => self.credential(None, actor),
            _ => self.credential(fact.actor.access_key.as_ref(), actor),
        };
    }

    fn why_missing(&self, actor: &Actor, has_redacted: bool, recorded: &Recorded) -> Break {
        let account = actor.account.as_ref();
        let unknown = |account: &&Word| {
            !recorded.accounts.is_empty() && !recorded.accounts.contains(&***account)
        };
        if let (Some(created), Some(since)) = (actor.created, recorded.since)
            && created < since
            && !recorded.also.contains(&created)
        {
            return Break::BeforeWindow(created);
        }
        if actor.kind() == "AWSAccount"
            && let Some(account) = account
        {
            return Break::CallerElsewhere(account.clone());
        }
        if let Some(account) = account.filter(unknown) {
            return Break::AccountNotRecorded(account.clone());
        }
        if has_redacted {
            return Break::KeyRedacted;
        }
        if recorded.is_incomplete || self.is_full() {
            return Break::Unreadable;
        }
        Break::NotFound
    }
}

impl Path {
    fn end(&mut self, why: Break) {
        self.hops.push(Hop {
            link: Link::Missing,
            strength: Strength::Broken,
            broken: Some(why),
            event: None,
            other: None,
            by: None,
            source_ip: None,
            user_agent: None,
            mfa: None,
        });
    }

    fn claim(&mut self, actor: &Actor) {
        let mut add = |claim: Claim| {
            if !self.claims.contains(&claim) {
                self.claims.push(claim);
            }
        };
        if let Some(identity) = &actor.source_identity {
            add(Claim::SourceIdentity(identity.clone()));
        }
        let federated = actor.principal_id.as_deref().and_then(|id| id.split_once(':'));
        if let ("FederatedUser", Some((_, name))) = (actor.kind(), federated) {
            add(Claim::FederatedName(name.into()));
        }
    }

    fn claim_session(&mut self, actor: &Actor) {
        if let Some(name) = actor.session_name() {
            self.claims.push(Claim::SessionName(name.into()));
        }
    }
}

impl Subject {
    fn merge(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.events += other.events;
        self.has_acted_at |= other.has_acted_at;
        self.time = match (self.time, other.time) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (one, other) => one.or(other),
        };
    }
}

/// The session that a call issued, as its own records would describe it.
pub(super) fn issued_session(fact: &Fact) -> Option<Actor> {
    let issued = &fact.issued;
    let kind = match issued.kind {
        IssueKind::Role => "AssumedRole",
        IssueKind::Federation => "FederatedUser",
        IssueKind::SessionToken => fact.actor.kind.as_deref()?,
        IssueKind::Root => "Root",
        _ => return None,
    };
    Some(Actor {
        kind: Some(kind.into()),
        principal_id: issued.principal_id.clone(),
        arn: issued.arn.clone(),
        account: issued.account.clone(),
        access_key: issued.key.clone(),
        user_name: fact.actor.user_name.clone().filter(|_| issued.kind == IssueKind::SessionToken),
        created: fact.event.time,
        source_identity: issued.source_identity.clone(),
        assumed_root: issued.kind == IssueKind::Root,
        ..Actor::default()
    })
}

/// Whether a session is the one that a call issued, as far as their records say.
fn is_session_of(known: &Actor, fact: &Fact, issued: &Actor) -> bool {
    if known.access_key.is_some() && known.access_key == issued.access_key {
        return true;
    }
    let is_disclosed = fact.issued.key.is_some() && known.access_key.is_some();
    let is_near = known
        .created
        .zip(issued.created)
        .is_some_and(|(one, other)| one.duration_since(other).abs() <= TOLERANCE);
    !is_disclosed && is_near && known.principal_id == issued.principal_id
}

/// Whether a session that was created at one time may act at another.
fn is_alive(actor: &Actor, created: Timestamp, at: Timestamp) -> bool {
    let longest: SignedDuration =
        if actor.kind() == "AssumedRole" { ROLE_SESSION } else { LONGEST_SESSION };
    let age = at.duration_since(created);
    age >= -TOLERANCE && age <= longest
}

fn is_same_chain(one: &Chain, other: &Chain) -> bool {
    let is_same_hop = |(one, other): (&Hop, &Hop)| {
        let id = |hop: &Hop| hop.event.as_ref().map(|event| (event.id.clone(), event.time));
        one.link == other.link && one.broken == other.broken && id(one) == id(other)
    };
    let (first, second) = (&one.subject.actor, &other.subject.actor);
    one.origin == other.origin
        && first.principal_id == second.principal_id
        && (one.origin.is_some() || first.created == second.created)
        && one.hops.len() == other.hops.len()
        && one.hops.iter().zip(&other.hops).all(is_same_hop)
}

impl Question {
    /// Whether a question is about one of the hops of a path, and the strength up to it.
    pub(super) fn strength_in(&self, path: &Path) -> Option<(usize, Strength)> {
        let mut weakest = Strength::Proven;
        for (number, hop) in path.hops.iter().enumerate() {
            weakest = weakest.min(hop.strength);
            let is_it = hop.by.as_ref().is_some_and(|by| self.is_about(by))
                || hop.event.as_ref().is_some_and(|event| self.is_call(event));
            if is_it {
                return Some((number + 1, weakest));
            }
        }
        let is_origin = match (&path.origin, self) {
            (Some(Origin::IamUser { id, .. }), Self::User(wanted)) => id.as_deref() == Some(wanted),
            (Some(Origin::IdentityCenterUser { id, .. }), Self::Uuid(wanted)) => **id == **wanted,
            _ => false,
        };
        is_origin.then_some((path.hops.len(), weakest))
    }
}
