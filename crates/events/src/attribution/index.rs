//! What is remembered of the events that were read: those that issued credentials, and who
//! acted in those that are about the question.

use std::collections::{BTreeMap, HashMap, HashSet};

use aho_corasick::AhoCorasick;
use jiff::{SignedDuration, Timestamp};

use super::actor::Actor;
use super::fact::{EventRef, Fact, IssueKind, NAMES};
use super::question::Question;
use super::texts::{Texts, Word};
use crate::event::Event;

/// What the index may take, about. Units: bytes.
const MAX_BYTES: usize = 512 << 20;
/// The most sessions that are remembered of a question. An answer names fewer.
const MAX_USES: usize = 20_000;

/// What is remembered of the events that were read. It takes about 1 kB for each event that
/// issued credentials, and at most 512 MiB; what does not fit is left out, and the answer says
/// so.
#[derive(Debug)]
pub struct Index {
    pub(super) question: Question,
    pub(super) at: Option<Timestamp>,
    pub(super) facts: Vec<Fact>,
    pub(super) by_key: HashMap<Word, Vec<u32>>,
    pub(super) by_principal: HashMap<Word, Vec<u32>>,
    pub(super) by_shared: HashMap<Word, Vec<u32>>,
    /// Calls to IAM Identity Center, by account.
    pub(super) by_center: HashMap<Word, Vec<u32>>,
    /// Passwords that were created, by account and user name.
    pub(super) by_login: HashMap<(Word, Word), Vec<u32>>,
    pub(super) uses: BTreeMap<UseId, Use>,
    /// The shared event of the event that was asked for, if its record only has the caller's
    /// account.
    shared: Option<(Word, Option<Timestamp>)>,
    /// The shared events of those whose records name them, not only their account.
    pub(super) named: HashSet<Word>,
    seen: HashSet<Word>,
    seen_uses: HashSet<Word>,
    texts: Texts,
    is_full: bool,
}

/// A session, or a principal: key, principal id, creation, and the service that acted for it,
/// or the shared event of another account's copy.
type UseId = (Option<Word>, Option<Word>, Option<Timestamp>, Option<Word>);

/// Who acted in events that are about the question.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) actor: Actor,
    pub(super) event: EventRef,
    pub(super) shared_id: Option<Word>,
    pub(super) events: u64,
    pub(super) time: Option<(Timestamp, Timestamp)>,
    /// Whether one is in the second that was asked for.
    pub(super) has_acted_at: bool,
    /// Whether one is the event that was asked for.
    pub(super) is_event: bool,
}

impl Index {
    /// Nothing read yet.
    #[must_use]
    pub fn new(question: Question, at: Option<Timestamp>) -> Self {
        Self {
            question,
            at,
            facts: Vec::new(),
            by_key: HashMap::new(),
            by_principal: HashMap::new(),
            by_shared: HashMap::new(),
            by_center: HashMap::new(),
            by_login: HashMap::new(),
            uses: BTreeMap::new(),
            shared: None,
            named: HashSet::new(),
            seen: HashSet::new(),
            seen_uses: HashSet::new(),
            texts: Texts::default(),
            is_full: false,
        }
    }

    /// Reads an event, and remembers what a chain needs of it. Copies are left out.
    pub fn add(&mut self, event: &Event<'_>, file: &str) {
        if self.bytes() > MAX_BYTES {
            self.is_full = true;
            return;
        }
        self.add_use(event, file);
        let id = self.texts.keep(event.id.as_deref());
        if id.as_ref().is_some_and(|id| self.seen.contains(id)) {
            return;
        }
        let Some(fact) = Fact::new(event, file, &mut self.texts) else { return };
        self.seen.extend(id);
        self.add_fact(fact);
    }

    fn add_fact(&mut self, fact: Fact) {
        let Ok(number) = u32::try_from(self.facts.len()) else {
            self.is_full = true;
            return;
        };
        let issued = &fact.issued;
        if let Some(key) = &issued.key {
            self.by_key.entry(key.clone()).or_default().push(number);
        }
        let principal = match issued.kind {
            IssueKind::AccessKey | IssueKind::LoginProfile | IssueKind::IdentityCenter => None,
            IssueKind::Root => {
                issued.account.as_deref().map(|account| root_id(account).as_str().into())
            }
            _ => issued.principal_id.clone(),
        };
        if let Some(principal) = principal {
            self.by_principal.entry(principal).or_default().push(number);
        }
        if let Some(shared) = &fact.shared_id {
            self.by_shared.entry(shared.clone()).or_default().push(number);
        }
        match (issued.kind, &issued.account, &issued.name) {
            (IssueKind::IdentityCenter, Some(account), _) => {
                self.by_center.entry(account.clone()).or_default().push(number);
            }
            (IssueKind::LoginProfile, Some(account), Some(name)) => {
                let place = (account.clone(), name.clone());
                self.by_login.entry(place).or_default().push(number);
            }
            _ => {}
        }
        self.facts.push(fact);
    }

    fn add_use(&mut self, event: &Event<'_>, file: &str) {
        let is_asked = self.question.is_event(event);
        let is_shared = self
            .shared
            .as_ref()
            .is_some_and(|(shared, _)| event.shared_id.as_deref() == Some(&**shared));
        let is_event = is_asked || is_shared;
        // A look before anything is kept.
        let actor = Actor::new(&event.identity, &mut self.texts);
        if !is_event && !self.question.is_about(&actor) {
            return;
        }
        // Copies of an event count once.
        let seen = self.texts.keep(event.id.as_deref());
        if seen.is_some_and(|id| !self.seen_uses.insert(id)) {
            return;
        }
        let at = event.at();
        let second = SignedDuration::from_secs(1);
        let has_acted_at =
            at.zip(self.at).is_some_and(|(at, asked)| at.duration_since(asked).abs() < second);
        let shared_id = self.texts.keep(event.shared_id.as_deref());
        let is_copy = actor.kind() == "AWSAccount";
        if !is_copy {
            self.named.extend(shared_id.clone());
        } else if is_asked {
            self.shared = shared_id.clone().map(|shared| (shared, event.at()));
        }
        let through = if is_copy { shared_id.clone() } else { actor.invoked_by.clone() };
        let id = (actor.access_key.clone(), actor.principal_id.clone(), actor.created, through);
        if self.uses.len() >= MAX_USES && !self.uses.contains_key(&id) {
            self.is_full = true;
            return;
        }
        let texts = &mut self.texts;
        let known = self.uses.entry(id).or_insert_with(|| Use {
            actor,
            event: EventRef::new(event, file, texts),
            shared_id,
            events: 0,
            time: None,
            has_acted_at: false,
            is_event: false,
        });
        known.events += 1;
        known.has_acted_at |= has_acted_at;
        known.is_event |= is_event;
        if let Some(at) = at {
            if known.time.is_some_and(|(first, _)| at < first) {
                known.event = EventRef::new(event, file, texts);
            }
            let (first, last) = known.time.unwrap_or((at, at));
            known.time = Some((first.min(at), last.max(at)));
        }
    }

    fn bytes(&self) -> usize {
        // Each fact is in up to four maps, with a few words each.
        self.facts.len() * (size_of::<Fact>() + 256)
            + self.uses.len() * (size_of::<Use>() + size_of::<UseId>())
            + self.texts.bytes
    }

    /// The shared event whose other record names the caller, and its time, if the record that
    /// was asked for only has the caller's account: the other one is to be added too.
    #[must_use]
    pub fn missing_record(&self) -> Option<(&str, Timestamp)> {
        let (shared, at) = self.shared.as_ref()?;
        let is_missing = !self.named.contains(shared);
        at.filter(|_| is_missing).map(|at| (&**shared, at))
    }

    /// Whether something did not fit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The events that issued credentials.
    #[must_use]
    pub fn issuing_events(&self) -> usize {
        self.facts.len()
    }
}

/// By what the sessions of `AssumeRoot` are found.
pub(super) fn root_id(account: &str) -> String {
    format!("root of {account}")
}

/// Finds the records that an index may remember, by their bytes.
#[derive(Debug)]
pub struct Interest {
    /// `None` if the question has no text to look for.
    literals: Option<AhoCorasick>,
}

impl Interest {
    /// The records about a question, those that issued credentials, and those of a shared
    /// event.
    #[must_use]
    pub fn new(question: &Question, shared: Option<&str>) -> Self {
        let literal = question.literal();
        let mut wanted: Vec<&str> = NAMES.to_vec();
        // Text may be written with escapes; a record with one is parsed.
        wanted.extend(["\\u00", literal]);
        wanted.extend(shared);
        let literals = (literal.len() >= 3).then(|| AhoCorasick::new(wanted).ok()).flatten();
        Self { literals }
    }

    /// Whether a record may be remembered.
    #[must_use]
    pub fn may_concern(&self, raw: &[u8]) -> bool {
        self.literals.as_ref().is_none_or(|literals| literals.is_match(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_at_the_bytes_finds_what_is_remembered() {
        let interest = Interest::new(&"deploy/alice".parse().unwrap(), Some("s-1"));
        for (raw, wanted) in [
            (r#"{"eventName":"AssumeRoleWithSAML"}"#, true),
            (r#"{"eventName":"Federate"}"#, true),
            (r#"{"sharedEventID":"s-1"}"#, true),
            (r#"{"principalId":"AROAX:alice"}"#, true),
            (r#"{"principalId":"AROAX:\u0061lice"}"#, true),
            (r#"{"eventName":"DescribeInstances","principalId":"AROAX:bob"}"#, false),
        ] {
            assert_eq!(interest.may_concern(raw.as_bytes()), wanted, "{raw}");
        }
        assert!(Interest::new(&"é".parse().unwrap(), None).may_concern(b"{}"));
    }
}
