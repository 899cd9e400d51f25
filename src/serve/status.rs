//! The status of the service, from its state: the service need not be running.

use jiff::Timestamp;

use super::accounts::Accounts;
use super::board::{self, Board};
use super::claims::Claims;
use super::slots::Timetable;
use crate::config::{Config, RoundPart, Schedule};
use crate::report::contract::round::Part;
use crate::report::contract::service::{Running, ScheduleStatus, Status};
use crate::store::StoreError;

/// How many rounds the status names.
const ROUNDS: usize = 10;
/// How many accounts of each kind the status names.
const ACCOUNTS: usize = 10;

/// The status at a time.
///
/// # Errors
/// The state is unreachable.
pub async fn status(
    config: &Config,
    board: &Board,
    claims: &Claims,
    accounts: &Accounts,
    now: Timestamp,
) -> Result<Status, StoreError> {
    let management_account = config.organization.management_account.clone();
    let knowledge = board.newest().map(|round| &round.knowledge);
    let mut running = Vec::new();
    let mut schedules = Vec::new();
    for schedule in &config.service.schedule {
        let timetable = Timetable::new(schedule, &management_account);
        if let Some(slot) = timetable.last_until(now) {
            running.extend(claims.owner(&schedule.name, slot).await?);
        }
        let next = timetable.next_after(now).filter(|_| !schedule.paused);
        schedules.push(ScheduleStatus {
            name: schedule.name.as_str().to_owned(),
            cron: schedule.cron.as_str().to_owned(),
            time_zone: schedule.time_zone.as_str().to_owned(),
            run: schedule.run.iter().copied().map(Part::from).collect(),
            paused: schedule.paused,
            next_at: next.map(|slot| slot.due_at),
        });
    }
    running.sort_by_key(|it: &Running| it.claimed_at);
    let signals = board.signals.as_deref();
    let (mut joined, mut departed) = (accounts.joined(config, now), accounts.departed());
    joined.truncate(ACCOUNTS);
    departed.truncate(ACCOUNTS);
    Ok(Status {
        created_at: now,
        management_account,
        organization: board.drift.as_ref().map(|drift| drift.organization.clone()),
        verdict: knowledge.map(|it| it.verdict),
        sentence: board::sentence(board),
        since: knowledge.map(|it| it.since),
        verified_through: knowledge.and_then(|it| it.verified_through),
        evidence_is_old: evidence_is_old(config, board, now),
        problems: signals.map(board::problems).unwrap_or_default(),
        running,
        rounds: board.rounds.iter().take(ROUNDS).map(|round| (**round).clone()).collect(),
        schedules,
        joined,
        departed,
    })
}

/// Whether two slots for a verification have passed since the last one with a result.
#[must_use]
pub fn evidence_is_old(config: &Config, board: &Board, now: Timestamp) -> bool {
    let proof = board.rounds.iter().find(|round| {
        round.parts.iter().any(|part| part.part == Part::Verify && part.report_bytes.is_some())
    });
    let verifies = |schedule: &&Schedule| schedule.run.contains(&RoundPart::Verify);
    let schedules = config.service.schedule.iter().filter(verifies);
    let Some(proof) = proof else { return !board.rounds.is_empty() };
    schedules
        .filter_map(|schedule| {
            let timetable = Timetable::new(schedule, &config.organization.management_account);
            let last = timetable.last_until(now)?;
            let second = last.due_at.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
            timetable.last_until(second)
        })
        .any(|second| proof.started_at < second.due_at)
}

impl From<RoundPart> for Part {
    fn from(part: RoundPart) -> Self {
        match part {
            RoundPart::Consolidate => Self::Consolidate,
            RoundPart::Verify => Self::Verify,
            RoundPart::Drift => Self::Drift,
            RoundPart::Reconcile => Self::Reconcile,
            RoundPart::Detect => Self::Detect,
        }
    }
}
