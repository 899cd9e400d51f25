//! Searching the events of an archive.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::place::{Place, PlaceRequest};
use super::proof::{Proofs, proof_summary};
use crate::archive::key::LogClass;
use crate::archive::verify::finding::Severity;
use crate::events::answer::{ProofSummary, Searched, SearchedEvent};
use crate::events::attribution::descend::Followed;
use crate::events::coverage::Coverage;
use crate::events::files::{LogFiles, Selection, Window};
use crate::events::query::{FoundEvent, Query, Search, SourceIp};
use crate::events::read::{Options, Piece, read};
use crate::events::timeline::Timeline;
use crate::filter_pattern::FilterPattern;
use crate::names::{AccountId, Region};
use crate::ops::verify::Scope;
use crate::ops::{Env, Moment, OpError, Outcome};

/// What to search, and where.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Where.
    pub place: PlaceRequest,
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all if empty.
    pub regions: BTreeSet<Region>,
    /// Only these kinds of log files; all if empty.
    pub classes: BTreeSet<LogClass>,
    /// When the events happened, at the earliest; any time if absent.
    pub since: Option<Moment>,
    /// At the latest; up to now if absent.
    pub until: Option<Moment>,
    /// A filter pattern that they match.
    pub pattern: Option<FilterPattern>,
    /// Their names, with `*` for any characters; any if empty.
    pub events: Vec<String>,
    /// Who acted, with `*` for any characters; anyone if empty.
    pub principals: Vec<String>,
    /// Where from; anywhere if empty.
    pub source_ips: Vec<SourceIp>,
    /// Whether only failed events match.
    pub errors: bool,
    /// Who acted: someone, or a session that descends from it.
    pub followed: Option<Arc<Followed>>,
    /// The most events that are returned.
    pub limit: Option<u64>,
    /// How the events are proven, if they are to be.
    pub proof: Option<Scope>,
}

/// Searches, and gives what matches to `each`, in the order in which it happened. `each` can
/// end the search.
///
/// # Errors
/// The place cannot be opened, nothing in it can be listed, or a stop was requested before
/// the first file was read.
pub async fn search(
    env: &Env,
    request: &Request,
    each: &mut (dyn FnMut(SearchedEvent) -> Result<ControlFlow<()>, OpError> + Send),
) -> Result<Searched, OpError> {
    let place = env.unless_stopped(Box::pin(Place::open(&request.place, env))).await??;
    let [since, until] =
        [request.since, request.until].map(|at| at.map(|moment| moment.resolve(place.now)));
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(OpError::usage(format!("--since {since} is after --until {until}")));
    }
    let until = until.or_else(|| place.is_live.then_some(place.now));
    let selection = Selection {
        accounts: request.accounts.clone(),
        regions: request.regions.clone(),
        classes: request.classes.clone(),
        window: Window { since, until },
    };
    let proofs = match &request.proof {
        Some(scope) => {
            let name = request.place.name.as_deref();
            Some(Box::pin(Proofs::of(name, scope, &selection, None, env)).await?)
        }
        None => None,
    };
    let mut searching = Searching {
        searched: Searched {
            place: place.name.clone(),
            at: place.now,
            coverage: Coverage::new(selection.window),
            matched: 0,
            copies: 0,
            late: 0,
            is_cut: false,
            was_stopped: false,
            proof: proofs.as_ref().map(proof_summary),
        },
        proofs,
        limit: request.limit.unwrap_or(u64::MAX),
        each,
    };
    searching.run(&place, &selection, request, env).await?;
    Ok(searching.searched)
}

/// How a search ended.
#[must_use]
pub fn outcome(searched: &Searched) -> Outcome {
    let is_incomplete = searched.was_stopped || searched.coverage.is_incomplete();
    outcome_of(searched.proof.as_ref(), is_incomplete)
}

/// How an answer with this proof ended.
pub(super) fn outcome_of(proof: Option<&ProofSummary>, is_incomplete: bool) -> Outcome {
    let is_contradicted = proof
        .is_some_and(|proof| proof.contradicted > 0 || proof.severity == Some(Severity::Broken));
    let is_unproven = proof
        .is_some_and(|proof| proof.unproven > 0 || proof.severity == Some(Severity::Incomplete));
    if is_contradicted {
        Outcome::IntegrityFailure
    } else if is_unproven || is_incomplete {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    }
}

struct Searching<'s> {
    searched: Searched,
    proofs: Option<Proofs>,
    limit: u64,
    each: &'s mut (dyn FnMut(SearchedEvent) -> Result<ControlFlow<()>, OpError> + Send),
}

impl Searching<'_> {
    async fn run(
        &mut self,
        place: &Place,
        selection: &Selection,
        request: &Request,
        env: &Env,
    ) -> Result<(), OpError> {
        let listing = LogFiles::find(Arc::clone(&place.source), &place.prefix, selection);
        let files = env.unless_stopped(listing).await??;
        for (account, region) in files.places() {
            self.searched.coverage.add_place(account, region);
        }
        let query = Query {
            window: selection.window,
            pattern: request.pattern.clone(),
            events: request.events.clone(),
            principals: request.principals.clone(),
            source_ips: request.source_ips.clone(),
            errors: request.errors,
            accounts: request.accounts.iter().map(ToString::to_string).collect(),
            regions: request.regions.iter().map(ToString::to_string).collect(),
            followed: request.followed.clone(),
        };
        let phase = env.progress().phase("searching", 0);
        let search = Arc::new(Search::new(query));
        let source = Arc::clone(&place.source);
        let mut pieces = read(source, files, search, Options::default(), env.stop().clone());
        let mut timeline = Timeline::default();
        let mut next_report = 0;
        while let Some(piece) = pieces.recv().await {
            let ready = match piece {
                Piece::Found(found) => timeline.add(found),
                Piece::ReadUpTo(delivered) => timeline.read_up_to(delivered),
                Piece::File(result) => {
                    let coverage = &mut self.searched.coverage;
                    coverage.add(&result);
                    let files = coverage.files + coverage.unreadable;
                    if files >= next_report {
                        next_report = files + 100;
                        let matched = self.searched.matched;
                        phase
                            .set_name(&format!("searching: {files} files, {matched} events match"));
                    }
                    Vec::new()
                }
                Piece::Failed(error) => {
                    self.searched.coverage.cut_short = Some(crate::words::in_one_line(&error));
                    Vec::new()
                }
            };
            if self.give(ready)?.is_break() {
                self.searched.is_cut = true;
                break;
            }
        }
        drop(pieces);
        drop(phase);
        if !self.searched.is_cut && self.give(timeline.finish())?.is_break() {
            self.searched.is_cut = true;
        }
        self.searched.copies = timeline.copies();
        self.searched.late = timeline.late();
        self.searched.was_stopped = env.stop().is_requested();
        Ok(())
    }

    fn give(&mut self, events: Vec<FoundEvent>) -> Result<ControlFlow<()>, OpError> {
        for FoundEvent { raw, file, .. } in events {
            if self.searched.matched >= self.limit {
                return Ok(ControlFlow::Break(()));
            }
            let proof = self.proofs.as_ref().map(|proofs| proofs.of_file(&file));
            if let (Some(proof), Some(summary)) = (proof, &mut self.searched.proof) {
                summary.count(proof);
            }
            self.searched.matched += 1;
            let event = SearchedEvent { raw, file: file.key.clone(), proof };
            if (self.each)(event)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
