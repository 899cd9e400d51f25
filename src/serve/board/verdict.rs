//! The verdict, and the sentence that says it.

use jiff::Timestamp;

use super::signals::{Changes, counts};
use super::{Board, Coverage, State};
use crate::report::contract::checks::Severity;
use crate::report::contract::round::Part;
use crate::report::contract::service::{
    CellStates, Knowledge, Signal, SignalState, Signals, Verdict,
};
use crate::words::counted;

/// What is known after a round. `earlier` is what was known before it.
#[must_use]
pub fn knowledge(
    board: &Board,
    signals: &Signals,
    started_at: Timestamp,
    earlier: Option<(&Knowledge, &Signals)>,
) -> Knowledge {
    let coverage = board.coverage.as_ref();
    let cells = coverage.map(Coverage::cells).unwrap_or_default();
    let verdict = verdict(&cells, signals);
    let since = earlier.map(|(knowledge, _)| knowledge);
    let since = since.filter(|before| before.verdict == verdict).map(|before| before.since);
    let changes = earlier.map(|(_, before)| Changes::between(before, signals)).unwrap_or_default();
    let through = coverage.map(Coverage::proven_through).unwrap_or_default();
    Knowledge {
        verdict,
        since: since.unwrap_or(started_at),
        verified_through: through.into_iter().flatten().next(),
        cells,
        accounts: coverage.map(Coverage::worst).unwrap_or_default(),
        signals: counts(signals),
        new: changes.new.len(),
        resolved: changes.resolved.len(),
    }
}

fn verdict(cells: &CellStates, signals: &Signals) -> Verdict {
    let mut open = signals.signals.iter().filter(|signal| !signal.suppressed);
    let is_grave = |signal: &Signal| {
        signal.state == SignalState::Failing && signal.severity == Severity::Critical
    };
    if cells.failed + cells.dark > 0 || open.clone().any(is_grave) {
        Verdict::Failed
    } else if cells.unreadable > 0
        || open.clone().any(|signal| {
            signal.state == SignalState::Unreadable && signal.severity >= Severity::Medium
        })
    {
        Verdict::Unknown
    } else if cells.late + cells.delivering > 0 || open.next().is_some() {
        Verdict::Attention
    } else {
        Verdict::Fine
    }
}

/// The verdict of the newest round in one sentence.
#[must_use]
pub fn sentence(board: &Board) -> String {
    let (Some(round), Some(signals)) = (board.newest(), &board.signals) else {
        return "No round has finished yet.".to_owned();
    };
    let Knowledge { verdict, accounts, verified_through, .. } = &round.knowledge;
    if *verdict == Verdict::Fine {
        let through = match verified_through {
            Some(through) => {
                format!("are proven through {} UTC", through.strftime("%-d %b, %H:%M"))
            }
            None => "are recorded".to_owned(),
        };
        return format!("All {} {through}. No drift.", counted(accounts.proven, "account"));
    }
    let mut clauses = Vec::new();
    let broken = board.chains.scopes.values().filter(|scope| scope.is_broken()).count();
    if broken > 0 {
        let fails = if broken == 1 { "fails" } else { "fail" };
        clauses.push(format!("{} {fails} verification", counted(broken, "digest chain")));
    }
    for (state, number) in [
        (State::Dark, accounts.dark),
        (State::Unreadable, accounts.unreadable),
        (State::Late, accounts.late),
    ] {
        if number > 0 {
            let is = if number == 1 { "is" } else { "are" };
            clauses.push(format!("{} {is} {}", counted(number, "account"), state.word()));
        }
    }
    let open = || signals.signals.iter().filter(|signal| !signal.suppressed);
    let of_checks = |state| {
        open().filter(move |it| it.part == Part::Drift && it.state == state).map(|it| &it.check)
    };
    let failing: std::collections::BTreeSet<_> = of_checks(SignalState::Failing).collect();
    if !failing.is_empty() && clauses.len() < 3 {
        let fails = if failing.len() == 1 { "fails" } else { "fail" };
        clauses.push(format!("{} {fails}", counted(failing.len(), "check")));
    }
    for signal in open().filter(|signal| signal.check == "part-failed") {
        clauses.push(format!("`{}` ended without a result", signal.part.name()));
    }
    if clauses.is_empty() && accounts.delivering > 0 {
        let is = if accounts.delivering == 1 { "is" } else { "are" };
        clauses.push(format!("{} {is} not fully proven", counted(accounts.delivering, "account")));
    }
    if clauses.is_empty() {
        let number = open().count();
        let is = if number == 1 { "is" } else { "are" };
        clauses.push(format!("{} {is} open", counted(number, "finding")));
    }
    format!("{}.", capitalized(&listed(&clauses)))
}

/// Clauses as a list: `a, b, and c`.
fn listed(clauses: &[String]) -> String {
    match clauses {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one}, and {other}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
