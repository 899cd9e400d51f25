//! Forward: the sessions that descend from a key or a principal, and what they did.

use std::collections::HashMap;

use jiff::Timestamp;

use super::TOLERANCE;
use super::actor::Actor;
use super::answer::Strength;
use super::fact::EventRef;
use super::index::Index;
use super::question::Question;
use super::resolve::{Recorded, issued_session};
use super::texts::{Texts, Word};
use crate::event::Event;

/// The most sessions of an answer.
pub const MAX_SESSIONS: usize = 10_000;

/// A session that descends from whom was asked for.
#[derive(Debug, Clone)]
pub struct Descendant {
    /// The session, as far as the call that issued it says.
    pub session: Actor,
    /// The call.
    pub event: EventRef,
    /// Who called.
    pub by: Actor,
    /// The strength of the weakest hop back to whom was asked for.
    pub strength: Strength,
    /// The hops back to it; 1 if it called itself.
    pub depth: usize,
}

/// The sessions that descend from someone.
#[derive(Debug, Clone, Default)]
pub struct Descendants {
    /// In the order in which they were issued.
    pub sessions: Vec<Descendant>,
    /// Whether there are more than [`MAX_SESSIONS`], or some chains were not followed.
    pub has_more: bool,
}

impl Index {
    /// The sessions that descend from whom the question is about.
    #[must_use]
    pub fn descendants(&self, recorded: &Recorded) -> Descendants {
        let mut all = Descendants { sessions: Vec::new(), has_more: self.is_full() };
        for (number, fact) in self.facts.iter().enumerate() {
            let Some(session) = issued_session(fact) else { continue };
            let call = self.calls(u32::try_from(number).into_iter());
            if !call.iter().any(|call| call.main as usize == number) {
                continue;
            }
            let mut steps = 0;
            let found = if self.question.is_about(&fact.actor) {
                Some((1, Strength::Proven))
            } else {
                let (paths, is_cut) = self.walk(&fact.actor, fact.event.time, recorded, &mut steps);
                all.has_more |= is_cut;
                let matches: Vec<_> =
                    paths.iter().filter_map(|path| self.question.strength_in(path)).collect();
                // One of several candidates is no more than a claim.
                let is_certain = matches.len() == paths.len() && !is_cut;
                let weakest = matches.into_iter().min_by_key(|(_, strength)| *strength);
                weakest.map(|(depth, strength)| {
                    let most = if is_certain { Strength::Proven } else { Strength::Claimed };
                    (depth + 1, strength.min(most))
                })
            };
            let Some((depth, strength)) = found else { continue };
            all.sessions.push(Descendant {
                session,
                event: fact.event.clone(),
                by: fact.actor.clone(),
                strength,
                depth,
            });
        }
        all.sessions.sort_by(|one, other| {
            (one.event.time, &one.event.id).cmp(&(other.event.time, &other.event.id))
        });
        all.has_more |= all.sessions.len() > MAX_SESSIONS;
        all.sessions.truncate(MAX_SESSIONS);
        all
    }
}

/// Recognizes the events of someone and of the sessions that descend from it.
#[derive(Debug, Clone)]
pub struct Followed {
    question: Question,
    keys: HashMap<Word, Strength>,
    /// The sessions of a principal: when each was created.
    principals: HashMap<Word, Vec<(Option<Timestamp>, Strength)>>,
}

/// How an event belongs to whom was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// It acted itself.
    Directly,
    /// A session that descends from it acted.
    Session(Strength),
}

impl Followed {
    /// Follows someone and the sessions that descend from it.
    #[must_use]
    pub fn new(question: Question, descendants: &Descendants) -> Self {
        let mut keys = HashMap::new();
        let mut principals: HashMap<Word, Vec<_>> = HashMap::new();
        for one in &descendants.sessions {
            if let Some(key) = &one.session.access_key {
                keys.insert(key.clone(), one.strength);
            }
            if let Some(id) = &one.session.principal_id {
                let session = (one.event.time, one.strength);
                principals.entry(id.clone()).or_default().push(session);
            }
        }
        Self { question, keys, principals }
    }

    /// Whether an event belongs to it, and how.
    #[must_use]
    pub fn of(&self, event: &Event<'_>) -> Option<Following> {
        let identity = &event.identity;
        // Copies in another account name the caller less well.
        if identity.kind.as_deref() == Some("AWSAccount") {
            return None;
        }
        let actor = Actor::new(identity, &mut Texts::default());
        if self.question.is_about(&actor) {
            return Some(Following::Directly);
        }
        if let Some(strength) = actor.access_key.as_ref().and_then(|key| self.keys.get(key)) {
            return Some(Following::Session(*strength));
        }
        let created = actor.created?;
        let sessions = self.principals.get(actor.principal_id.as_ref()?)?;
        let is_near = |at: &Option<Timestamp>| {
            at.is_some_and(|at| at.duration_since(created).abs() <= TOLERANCE)
        };
        let near = sessions.iter().filter(|(at, _)| is_near(at));
        let strength = near.map(|(_, strength)| *strength).max()?;
        Some(Following::Session(strength.min(Strength::Bounded)))
    }
}
