//! Stores a round with its reports, and what is known after it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::app::App;
use super::board::{self, Board};
use super::rounds::RoundsError;
use crate::compute::of_reports;
use crate::ops::round::{self, PartResult, PartValue};
use crate::ops::{OpError, Outcome};
use crate::report::contract::live::LiveRound;
use crate::report::contract::round::{self as contract, PartDocument};
use crate::report::contract::service::{
    CellStates, Knowledge, Round, RoundPart, SignalCounts, Signals, Verdict,
};
use crate::stop::Stop;
use crate::words::with_causes;

/// The first wait after a failure of the state; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long a stopped process tries to store its round.
const AFTER_STOP: Duration = Duration::from_secs(5);

/// How a round was recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    /// How it ended.
    pub(super) outcome: contract::Outcome,
    /// The round and its signals: none if the process stopped while the state was
    /// unreachable.
    pub(super) stored: Option<(Round, Signals)>,
}

/// A part with its report, ready to be stored.
struct Part {
    part: RoundPart,
    report: Option<Bytes>,
}

/// Stores the result of a round. While the state is unreachable, it tries again until the
/// process stops.
pub(super) async fn record(
    app: &App,
    live: &LiveRound,
    result: Result<round::Round, OpError>,
    stop: &Stop,
) -> Recorded {
    app.set_health(|health| health.credentials = result.as_ref().err().map(OpError::message));
    let ended_at = app.now();
    let mut parts = Vec::new();
    match result {
        Ok(round) => {
            for part in round.parts {
                parts.push(prepared(part).await);
            }
        }
        Err(error) => {
            tracing::warn!(error = error.message(), "the round ended before its first part");
            parts.extend(live.parts.iter().map(|it| failed(it.part, &error, live, ended_at)));
        }
    }
    let outcome = Outcome::most_severe(parts.iter().map(|it| it.part.outcome.into()));
    let outcome = contract::Outcome::from(outcome);
    let mut wait = FIRST_WAIT;
    loop {
        let stored = store(app, live, &parts, outcome, ended_at).await;
        let error = match stored {
            Ok(stored) => {
                tracing::info!(exit_code = outcome.exit_code(), "the round has ended");
                return Recorded { outcome, stored: Some(stored) };
            }
            Err(error) => error,
        };
        let error = with_causes(&error);
        tracing::warn!(error, "the round is not stored yet");
        app.set_health(|health| health.state = Some(error));
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
            () = stop.over(AFTER_STOP) => return Recorded { outcome, stored: None },
        }
    }
}

/// Stores the reports, then the signals, then the round. Each is created once, so that
/// what an earlier try stored stays.
async fn store(
    app: &App,
    live: &LiveRound,
    parts: &[Part],
    outcome: contract::Outcome,
    ended_at: Timestamp,
) -> Result<(Round, Signals), RoundsError> {
    let rounds = app.rounds();
    for Part { part, report } in parts {
        if let Some(report) = report {
            rounds.add_report(&live.id, part.part, report.clone()).await?;
        }
    }
    app.refresh().await?;
    let before = app.board();
    let mut round = Round {
        id: live.id.clone(),
        program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
        management_account: app.config().organization.management_account.clone(),
        schedule: live.schedule.clone(),
        trigger: live.trigger,
        scheduled_at: live.scheduled_at,
        attempt: live.attempt,
        replica: live.replica.clone(),
        started_at: live.started_at,
        ended_at,
        exit_code: outcome.exit_code(),
        outcome,
        parts: parts.iter().map(|it| it.part.clone()).collect(),
        knowledge: nothing(live.started_at),
    };
    let (board, signals) = after(app, &before, &round).await?;
    let earlier = before.newest().map(|round| &round.knowledge).zip(before.signals.as_deref());
    round.knowledge = board::knowledge(&board, &signals, live.started_at, earlier);
    rounds.add_signals(&signals).await?;
    rounds.add(&round).await?;
    app.refresh().await?;
    Ok((round, signals))
}

/// The board and the signals after a round that is not stored yet.
async fn after(app: &App, before: &Board, round: &Round) -> Result<(Board, Signals), RoundsError> {
    let rounds: Vec<Arc<Round>> =
        std::iter::once(Arc::new(round.clone())).chain(before.rounds.iter().cloned()).collect();
    let reports = app.loader().reports(&rounds).await?;
    let earlier = before.signals.clone();
    let (late, departed) = app.accounts().noteworthy(&app.config(), round.ended_at);
    let made = of_reports(move || {
        let mut board = Board::of(reports);
        board.rounds = rounds;
        (board.late, board.departed) = (late, departed);
        let signals = board::signals(&board, earlier.as_deref());
        (board, signals)
    });
    Ok(made.await?)
}

/// What is known before it was determined.
fn nothing(since: Timestamp) -> Knowledge {
    Knowledge {
        verdict: Verdict::Unknown,
        since,
        verified_through: None,
        cells: CellStates::default(),
        accounts: CellStates::default(),
        signals: SignalCounts::default(),
        new: 0,
        resolved: 0,
    }
}

/// A part that has run, with its report as JSON. Reports of thousands of accounts are
/// large: writing them must not delay other tasks.
async fn prepared(mut part: PartResult) -> Part {
    let (verified_from, was_stopped) = match &part.result {
        Some(PartValue::Verified(verified)) => {
            (verified.subject.window.since, verified.was_stopped)
        }
        _ => (None, false),
    };
    let result = part.result.take();
    let json = of_reports(move || {
        let document = result.as_ref().map(PartDocument::from)?;
        serde_json::to_vec(&document).ok().map(Bytes::from)
    });
    let report = json.await.ok().flatten();
    let outcome = contract::Outcome::from(part.outcome);
    Part {
        part: RoundPart {
            part: part.part.into(),
            exit_code: outcome.exit_code(),
            outcome,
            started_at: part.started_at,
            ended_at: part.ended_at,
            summary: part.summary,
            verified_from,
            was_stopped,
            report_bytes: report.as_ref().map(|report| report.len() as u64),
        },
        report,
    }
}

/// A part of a round that ended before its first part.
fn failed(part: contract::Part, error: &OpError, live: &LiveRound, ended_at: Timestamp) -> Part {
    let outcome = contract::Outcome::from(error.outcome());
    Part {
        part: RoundPart {
            part,
            exit_code: outcome.exit_code(),
            outcome,
            started_at: live.started_at,
            ended_at,
            summary: error.headline(),
            verified_from: None,
            was_stopped: false,
            report_bytes: None,
        },
        report: None,
    }
}
