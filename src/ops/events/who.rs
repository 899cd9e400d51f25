//! Who was behind a session, an access key or an event.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::place::{Place, PlaceRequest};
use super::proof::{Proofs, proof_summary};
use crate::archive::key::LogClass;
use crate::archive::verify::finding::Severity;
use crate::events::Event;
use crate::events::answer::{Attributed, Proof, Searched};
use crate::events::attribution::answer::Break;
use crate::events::attribution::descend::Followed;
use crate::events::attribution::{
    Answer, Index, LONGEST_SESSION, Question, Recorded, Strength, Verdict,
};
use crate::events::coverage::Coverage;
use crate::events::files::{LogFile, LogFiles, Selection, Window};
use crate::events::read::{Options, Piece, read};
use crate::events::who::Interesting;
use crate::names::AccountId;
use crate::ops::verify::Scope;
use crate::ops::{Env, Moment, OpError, Outcome};

/// How long after the time that was asked for events are read. They describe sessions of
/// which the earlier records are missing.
const AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How far around an earlier session's creation events are read.
const AROUND: SignedDuration = SignedDuration::from_mins(1);
/// How often earlier events are read, and for how many sessions each time.
const MAX_ROUNDS: usize = 16;
const MAX_PER_ROUND: usize = 8;

/// Whom to attribute, and where.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where.
    pub place: PlaceRequest,
    /// Whom.
    pub question: Question,
    /// When it acted; any time if absent.
    pub at: Option<Moment>,
    /// The earliest event that is read, or with `sessions` that belongs to the answer. If absent: [`LONGEST_SESSION`] before `at`, and around
    /// the creation of earlier sessions; all of a directory or bundle if `at` is absent too.
    pub since: Option<Moment>,
    /// The latest event that is read.
    pub until: Option<Moment>,
    /// Only the log files of these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Whether the sessions that descend from it are returned, unless there are several
    /// candidates.
    pub sessions: bool,
    /// How the events are proven, if they are to be.
    pub proof: Option<Scope>,
}

/// Finds who was behind it.
///
/// # Errors
/// The place cannot be opened, nothing in it can be listed, or a stop was requested before
/// the first file was read.
pub async fn who(env: &Env, request: &Request) -> Result<Attributed, OpError> {
    let place = env.unless_stopped(Box::pin(Place::open(&request.place, env))).await??;
    let at = request.at.map(|moment| moment.resolve(place.now));
    let window = period(request, at, &place)?;
    let selection = Selection {
        accounts: request.accounts.clone(),
        classes: [LogClass::Events].into(),
        window,
        ..Selection::default()
    };
    let mut attributing = Attributing {
        place: &place,
        env,
        question: &request.question,
        index: Index::new(request.question.clone(), at),
        recorded: Recorded { since: window.since, ..Recorded::default() },
        coverage: Coverage::new(window),
        was_stopped: false,
    };
    attributing.read(&selection, None).await?;
    attributing.read_other_record(&selection).await?;
    let mut answer = attributing.resolve();
    if request.since.is_none() {
        answer = attributing.read_earlier(&selection, answer).await?;
    }
    let proofs = match &request.proof {
        Some(scope) => {
            let name = request.place.name.as_deref();
            let earliest = attributing.recorded.also.iter().min().copied();
            let earliest = earliest.and_then(|at| at.checked_sub(AROUND).ok());
            let since = window.since.map(|since| earliest.map_or(since, |at| at.min(since)));
            let selection = Selection { window: Window { since, ..window }, ..selection.clone() };
            Some(Box::pin(Proofs::of(name, scope, &selection, None, env)).await?)
        }
        None => None,
    };
    // Those of several candidates are not those of one principal.
    let has_subject = !matches!(answer.verdict, Verdict::Ambiguous | Verdict::NotFound);
    let sessions = (request.sessions && has_subject)
        .then(|| attributing.index.descendants(&attributing.recorded));
    let mut attributed = Attributed {
        question: request.question.to_string(),
        at,
        sessions,
        issuing_events: attributing.index.issuing_events() as u64,
        file_proofs: BTreeMap::new(),
        searched: Searched {
            place: place.name.clone(),
            at: place.now,
            matched: answer.chains.iter().map(|chain| chain.subject.events).sum(),
            coverage: attributing.coverage,
            copies: 0,
            late: 0,
            is_cut: answer.has_more,
            was_stopped: attributing.was_stopped,
            proof: proofs.as_ref().map(proof_summary),
        },
        answer,
    };
    if let Some(proofs) = &proofs {
        prove(&mut attributed, proofs);
    }
    Ok(attributed)
}

/// What recognizes the events of whom was asked for, and of the sessions that descend from
/// it; `None` if these are not in the answer.
#[must_use]
pub fn followed(request: &Request, attributed: &Attributed) -> Option<Arc<Followed>> {
    let sessions = attributed.sessions.as_ref()?;
    Some(Arc::new(Followed::new(request.question.clone(), sessions)))
}

/// How an attribution ended.
#[must_use]
pub fn outcome(attributed: &Attributed) -> Outcome {
    let Attributed { answer, searched, sessions, .. } = attributed;
    let proof = searched.proof.as_ref();
    let is_contradicted = proof
        .is_some_and(|proof| proof.contradicted > 0 || proof.severity == Some(Severity::Broken));
    let is_unproven = proof
        .is_some_and(|proof| proof.unproven > 0 || proof.severity == Some(Severity::Incomplete));
    let is_uncertain = sessions.as_ref().is_some_and(|sessions| {
        let is_weak = |strength: Strength| strength < Strength::Bounded;
        sessions.has_more || sessions.sessions.iter().any(|one| is_weak(one.strength))
    });
    let is_resolved = matches!(answer.verdict, Verdict::Resolved(_)) && !answer.has_more;
    if is_contradicted {
        Outcome::IntegrityFailure
    } else if !is_resolved
        || is_unproven
        || is_uncertain
        || searched.was_stopped
        || searched.coverage.is_incomplete()
    {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    }
}

/// The period of the events that are read first.
fn period(request: &Request, at: Option<Timestamp>, place: &Place) -> Result<Window, OpError> {
    let [since, until] =
        [request.since, request.until].map(|moment| moment.map(|it| it.resolve(place.now)));
    let now = place.is_live.then_some(place.now);
    let after = at.map(|at| at.checked_add(AFTER).unwrap_or(at));
    let until = until.or(match (after, now) {
        (Some(after), Some(now)) => Some(after.min(now)),
        (after, now) => after.or(now),
    });
    let from = at.or(until);
    let since = match since {
        // Sessions that acted since then may have been issued before.
        Some(since) if request.sessions => since.checked_sub(LONGEST_SESSION).ok(),
        Some(since) => Some(since),
        None => from.and_then(|from| from.checked_sub(LONGEST_SESSION).ok()),
    };
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(OpError::usage(format!("--since {since} is after {until}")));
    }
    Ok(Window { since, until })
}

struct Attributing<'a> {
    place: &'a Place,
    env: &'a Env,
    question: &'a Question,
    index: Index,
    recorded: Recorded,
    coverage: Coverage,
    was_stopped: bool,
}

impl Attributing<'_> {
    /// Reads the events of a selection, and those of a shared event, into the index.
    async fn read(&mut self, selection: &Selection, shared: Option<&str>) -> Result<(), OpError> {
        let source = Arc::clone(&self.place.source);
        let listing = LogFiles::find(Arc::clone(&source), &self.place.prefix, selection);
        let files = self.env.unless_stopped(listing).await??;
        for (account, region) in files.places() {
            self.recorded.accounts.insert(account.to_string());
            self.coverage.add_place(account, region);
        }
        let look = Arc::new(Interesting::new(self.question, shared, selection.window));
        let phase = self.env.progress().phase("reading", 0);
        let mut pieces = read(source, files, look, Options::default(), self.env.stop().clone());
        let mut next_report = 0;
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Found(found) => {
                    for one in &found {
                        if let Ok(event) = Event::parse(&one.raw) {
                            self.index.add(&event, &one.file.key);
                        }
                    }
                }
                Piece::ReadUpTo(_) => {}
                // These files were counted before.
                Piece::File(result) if shared.is_some() && result.fault.is_none() => {}
                Piece::File(result) => {
                    self.coverage.add(&result);
                    let files = self.coverage.files + self.coverage.unreadable;
                    if files >= next_report {
                        next_report = files + 100;
                        phase.set_name(&format!("reading: {files} files"));
                    }
                }
                Piece::Failed(error) => {
                    self.coverage.cut_short = Some(crate::words::in_one_line(&error));
                }
            }
        }
        self.was_stopped = self.env.stop().is_requested();
        self.recorded.is_incomplete = self.coverage.is_incomplete() || self.was_stopped;
        Ok(())
    }

    fn resolve(&self) -> Answer {
        self.index.resolve(&self.recorded)
    }

    /// The record that was asked for may be that of the account which was called: the caller's
    /// account has another.
    async fn read_other_record(&mut self, selection: &Selection) -> Result<(), OpError> {
        let Some((shared, at)) = self.index.missing_record() else { return Ok(()) };
        let shared = shared.to_owned();
        let window =
            Window { since: at.checked_sub(AROUND).ok(), until: at.checked_add(AROUND).ok() };
        self.read(&Selection { window, ..selection.clone() }, Some(&shared)).await
    }

    /// Sessions say when they were created: reads the events around these times, as long as
    /// chains lead to earlier ones.
    async fn read_earlier(
        &mut self,
        selection: &Selection,
        mut answer: Answer,
    ) -> Result<Answer, OpError> {
        for _ in 0..MAX_ROUNDS {
            let missing: HashSet<Timestamp> = answer
                .chains
                .iter()
                .filter_map(|chain| match chain.broken() {
                    Some(Break::BeforeWindow(created)) => Some(*created),
                    _ => None,
                })
                .take(MAX_PER_ROUND)
                .collect();
            if missing.is_empty() || self.was_stopped {
                break;
            }
            for created in missing {
                let window = Window {
                    since: created.checked_sub(AROUND).ok(),
                    until: created.checked_add(AROUND).ok(),
                };
                self.read(&Selection { window, ..selection.clone() }, None).await?;
                self.recorded.also.insert(created);
            }
            answer = self.resolve();
        }
        Ok(answer)
    }
}

/// Marks the hops by the digests that list their files. A hop that is contradicted proves
/// nothing.
fn prove(attributed: &mut Attributed, proofs: &Proofs) {
    let mut counted = HashSet::new();
    let Attributed { answer, file_proofs, searched, .. } = attributed;
    for chain in &mut answer.chains {
        let subject = chain.subject.event.clone();
        let mut is_contradicted = false;
        let of_hops = chain.hops.iter().flat_map(|hop| [&hop.event, &hop.other]).flatten();
        for event in of_hops.chain(&subject) {
            let Some(key) = &event.file else { continue };
            let parsed = key.parse().ok();
            let proof = proofs.of_file(&LogFile { key: key.to_string(), size_bytes: 0, parsed });
            file_proofs.insert(key.clone(), proof);
            is_contradicted |= proof == Proof::Contradicted;
            if let Some(summary) = &mut searched.proof
                && counted.insert((event.id.clone(), key.clone()))
            {
                match proof {
                    Proof::Proven => summary.proven += 1,
                    Proof::Unproven => summary.unproven += 1,
                    Proof::Contradicted => summary.contradicted += 1,
                }
            }
        }
        if is_contradicted {
            chain.origin = None;
            for hop in &mut chain.hops {
                let file = hop.event.as_ref().and_then(|event| event.file.as_ref());
                if file.and_then(|file| file_proofs.get(file)) == Some(&Proof::Contradicted) {
                    hop.strength = Strength::Broken;
                    hop.broken = Some(Break::FileContradicted);
                }
            }
        }
    }
    answer.verdict = Verdict::of(&answer.chains, answer.has_more);
}
