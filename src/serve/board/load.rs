//! Loads the board from the state.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::{Board, Reports, Sources, Verification};
use crate::compute::of_reports;
use crate::report::contract::round::Part;
use crate::report::contract::service::Round;
use crate::report::contract::{self, drift};
use crate::serve::rounds::{Rounds, RoundsError};

/// How many rounds are read: those of a month with hourly rounds, and some more.
pub const HISTORY: usize = 1000;
/// How many rounds are read at once.
const AT_ONCE: usize = 64;
/// The most verifications that are read to know all periods.
const MOST_VERIFICATIONS: usize = 8;

/// Reads boards from the state, and the rounds only once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Loader {
    rounds: Rounds,
    known: Arc<Mutex<HashMap<String, Arc<Round>>>>,
}

impl Loader {
    /// Loads boards from rounds.
    #[must_use]
    pub fn new(rounds: Rounds) -> Self {
        Self { rounds, known: Arc::default() }
    }

    /// The board of the newest rounds; none if it is that of `current`.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn load(&self, current: Option<&Board>) -> Result<Option<Board>, RoundsError> {
        let ids = self.rounds.newest(HISTORY).await?;
        let is_current = |board: &Board| {
            board.rounds.len() + board.unreadable_rounds == ids.len()
                && board.newest().map(|round| &round.id) == ids.first()
        };
        if current.is_some_and(is_current) {
            return Ok(None);
        }
        let read = futures::stream::iter(ids).map(|id| {
            let loader = self.clone();
            async move { loader.round(&id).await }
        });
        let read: Vec<Result<Arc<Round>, RoundsError>> = read.buffered(AT_ONCE).collect().await;
        let mut rounds = Vec::with_capacity(read.len());
        let mut unreadable_rounds = 0;
        for round in read {
            match round {
                Ok(round) => rounds.push(round),
                Err(error @ RoundsError::Store(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "left out a round");
                    unreadable_rounds += 1;
                }
            }
        }
        let reports = self.reports(&rounds).await?;
        let mut board = of_reports(move || Board::of(reports)).await?;
        if let Some(newest) = rounds.first() {
            board.signals = self.rounds.signals(&newest.id).await?.map(Arc::new);
        }
        board.rounds = rounds;
        board.unreadable_rounds = unreadable_rounds;
        Ok(Some(board))
    }

    /// The newest reports of each part of some rounds, the newest first.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn reports(&self, rounds: &[Arc<Round>]) -> Result<Reports, RoundsError> {
        let mut reports = Reports::default();
        if let Some((round, report)) = self.first::<drift::Report>(rounds, Part::Drift).await? {
            reports.drift = Some((round.id.clone(), report));
        }
        if let Some((round, report)) = self.first(rounds, Part::Consolidate).await? {
            let part = round.parts.iter().find(|part| part.part == Part::Consolidate);
            let seconds = part.map(|it| it.ended_at.duration_since(it.started_at).as_secs());
            reports.sources = Some(Sources {
                as_of: part.map_or(round.ended_at, |part| part.ended_at),
                seconds: seconds.unwrap_or_default(),
                round: round.id.clone(),
                report,
            });
        }
        let reconciled = self.first(rounds, Part::Reconcile).await?;
        reports.reconciliation = reconciled.map(|(_, report)| report);
        reports.detections = self.first(rounds, Part::Detect).await?.map(|(_, report)| report);
        // Only those that reach further back than all newer ones know something more.
        let mut known_from = None;
        for round in rounds {
            let Some(part) = with_report(round, Part::Verify) else { continue };
            let reaches_further = match (known_from, part.verified_from) {
                (None, _) | (Some(Some(_)), None) => true,
                (Some(Some(known)), Some(from)) => from < known,
                (Some(None), _) => false,
            };
            if !reaches_further {
                continue;
            }
            let Some(report) = self.report(round, Part::Verify).await? else { continue };
            let report = Verification { was_stopped: part.was_stopped, ..report };
            reports.verifications.push(report);
            if !part.was_stopped {
                known_from = Some(part.verified_from);
            }
            if known_from == Some(None) || reports.verifications.len() == MOST_VERIFICATIONS {
                break;
            }
        }
        Ok(reports)
    }

    async fn round(&self, id: &str) -> Result<Arc<Round>, RoundsError> {
        if let Some(round) = self.known.lock().get(id) {
            return Ok(Arc::clone(round));
        }
        let Some(round) = self.rounds.read(id).await? else {
            return Err(RoundsError::Deleted { key: id.to_owned() });
        };
        let round = Arc::new(round);
        let mut known = self.known.lock();
        if known.len() >= 4 * HISTORY {
            known.clear();
        }
        known.insert(id.to_owned(), Arc::clone(&round));
        Ok(round)
    }

    /// The newest readable report of a part.
    async fn first<'a, T: DeserializeOwned + Send + 'static>(
        &self,
        rounds: &'a [Arc<Round>],
        part: Part,
    ) -> Result<Option<(&'a Round, T)>, RoundsError> {
        for round in rounds.iter().filter(|round| with_report(round, part).is_some()) {
            if let Some(report) = self.report(round, part).await? {
                return Ok(Some((round, report)));
            }
        }
        Ok(None)
    }

    async fn report<T: DeserializeOwned + Send + 'static>(
        &self,
        round: &Round,
        part: Part,
    ) -> Result<Option<T>, RoundsError> {
        let Some(bytes) = self.rounds.report(&round.id, part).await? else { return Ok(None) };
        // Reports of thousands of accounts are large: parsing must not delay other tasks.
        let parsed = of_reports(move || serde_json::from_slice(&bytes)).await?;
        match parsed {
            Ok(report) => Ok(Some(report)),
            Err(error) => {
                tracing::warn!(round = round.id, part = part.name(), %error, "left out a report");
                Ok(None)
            }
        }
    }
}

pub(super) fn with_report(round: &Round, part: Part) -> Option<&contract::service::RoundPart> {
    round.parts.iter().find(|it| it.part == part && it.report_bytes.is_some())
}
