//! `orgtrail status`

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::serve::default_state;
use super::{Context, Format, OpError, Outcome};
use crate::report::contract::new_accounts::JoiningState;
use crate::report::contract::round::Part;
use crate::report::contract::service::{Problem, SignalState, Status, Verdict};
use crate::report::drift::plain;
use crate::report::new_table;
use crate::serve::accounts::{AccountLedger, Accounts};
use crate::serve::board::Loader;
use crate::serve::claims::Claims;
use crate::serve::rounds::Rounds;
use crate::serve::{open, status};
use crate::words::counted;

/// How many problems the text names.
const PROBLEMS: usize = 15;

/// Show the service's verdict, the age of its evidence, its rounds and its next slots
///
/// Reads the state, so the service need not be running. Exits with 0 if everything is fine, 13
/// if something fails verification, 11 if something else is wrong, and 14 if something is
/// unreadable, the evidence is old, or no round has finished.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail status
  orgtrail status --format json | jq .verdict")]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    let store = open::open(&env, || default_state(context)).await?;
    let config = env.config()?;
    let board = Loader::new(Rounds::new(store.clone())).load(None).await?.unwrap_or_default();
    open::check_organization(&board, config)?;
    // It claims nothing: only its own claims would have a name.
    let history = AccountLedger::new(store.clone()).read().await?;
    let accounts = Accounts::of(history);
    let claims = Claims::new(store, String::new());
    let status = status::status(config, &board, &claims, &accounts, env.now()).await?;
    let outcome = outcome(&status);
    match context.format {
        Format::Json => context.document(status)?,
        Format::Text => context.out.data(text(&status))?,
    }
    Ok(outcome)
}

fn outcome(status: &Status) -> Outcome {
    let is_broken =
        |problem: &Problem| problem.part == Part::Verify && problem.state == SignalState::Failing;
    match status.verdict {
        _ if status.problems.iter().any(is_broken) => Outcome::IntegrityFailure,
        Some(Verdict::Failed) => Outcome::Drift,
        None | Some(Verdict::Unknown) => Outcome::Incomplete,
        Some(_) if status.evidence_is_old => Outcome::Incomplete,
        Some(Verdict::Attention) if status.problems.is_empty() => Outcome::Incomplete,
        Some(Verdict::Attention) => Outcome::Drift,
        Some(Verdict::Fine) => Outcome::Clean,
    }
}

fn text(status: &Status) -> String {
    let mut text = String::new();
    let now = status.created_at;
    let mut line = |line: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    };
    line(plain(&status.sentence).into_owned());
    if let Some(since) = status.since {
        line(format!("since {since:.0} ({} ago)", age(now, since)));
    }
    match status.verified_through {
        Some(through) => {
            let old = if status.evidence_is_old { ": older than the schedules allow" } else { "" };
            line(format!("verified through {through:.0} ({} ago){old}", age(now, through)));
        }
        None if status.verdict.is_some() => line("not everything is verified yet".to_owned()),
        None => {}
    }
    if !status.problems.is_empty() {
        line(String::new());
        let mut table = new_table(["SEVERITY", "WHAT", "ACCOUNTS", "SINCE"]);
        for problem in status.problems.iter().take(PROBLEMS) {
            table.add_row([
                severity(problem),
                plain(&problem.title).into_owned(),
                problem.account_count.to_string(),
                format!("{:.0}", problem.since),
            ]);
        }
        line(table.trim_fmt());
        if let Some(more) = status.problems.len().checked_sub(PROBLEMS).filter(|more| *more > 0) {
            line(format!("and {}: see --format json", counted(more, "more problem")));
        }
    }
    if !status.rounds.is_empty() || !status.running.is_empty() {
        line(String::new());
        let mut table = new_table(["ROUND", "STARTED", "TOOK", "EXIT CODE", "NEW", "RESOLVED"]);
        for running in &status.running {
            let started = format!("{:.0}", running.claimed_at);
            let replica = format!("running on {}", plain(&running.replica));
            let took = age(now, running.claimed_at);
            let none = String::new;
            table.add_row([
                plain(&running.schedule).into_owned(),
                started,
                took,
                replica,
                none(),
                none(),
            ]);
        }
        for round in &status.rounds {
            table.add_row([
                plain(&round.schedule).into_owned(),
                format!("{:.0}", round.started_at),
                age(round.ended_at, round.started_at),
                round.exit_code.to_string(),
                round.knowledge.new.to_string(),
                round.knowledge.resolved.to_string(),
            ]);
        }
        line(table.trim_fmt());
    }
    if !status.joined.is_empty() || !status.departed.is_empty() {
        line(String::new());
        line(accounts(status));
    }
    line(String::new());
    let mut table = new_table(["SCHEDULE", "PARTS", "WHEN", "NEXT ROUND"]);
    for schedule in &status.schedules {
        let next = match schedule.next_at {
            Some(next) => format!("{next:.0}"),
            None if schedule.paused => "paused".to_owned(),
            None => "never".to_owned(),
        };
        let parts: Vec<_> = schedule.run.iter().map(|part| part.name()).collect();
        let when = format!("{} {}", schedule.cron, schedule.time_zone);
        table.add_row([schedule.name.clone(), parts.join(", "), when, next]);
    }
    line(table.trim_fmt());
    text.trim_end().to_owned()
}

/// The accounts that joined and left.
fn accounts(status: &Status) -> String {
    let now = status.created_at;
    let mut table = new_table(["ACCOUNT", "NAME", "JOINED", "STATE"]);
    for account in &status.joined {
        let state = match (account.state, account.covered_at) {
            (JoiningState::Covered, Some(at)) => {
                format!("covered {} after joining", age(at, account.joined_at))
            }
            (JoiningState::Late, _) => {
                format!("not covered {} after joining", age(now, account.joined_at))
            }
            (JoiningState::Departed, _) => continue,
            (JoiningState::Excluded, _) => "excluded".to_owned(),
            (JoiningState::Joining | JoiningState::Covered, _) => "joining".to_owned(),
        };
        let joined = format!("{:.0}", account.joined_at);
        let (id, name) = (account.account.as_str(), plain(&account.name));
        table.add_row([id, &name, &joined, &state]);
    }
    for account in &status.departed {
        let joined = format!("{:.0}", account.joined_at);
        let state = format!("left by {:.0}", account.departed_at);
        let (id, name) = (account.account.as_str(), plain(&account.name));
        table.add_row([id, &name, &joined, &state]);
    }
    table.trim_fmt()
}

fn severity(problem: &Problem) -> String {
    match problem.state {
        SignalState::Failing => format!("{:?}", problem.severity).to_lowercase(),
        SignalState::Unreadable => "unreadable".to_owned(),
    }
}

/// The time from one time to a later one, in its largest unit: `41 min`.
fn age(later: Timestamp, earlier: Timestamp) -> String {
    let age: SignedDuration = later.duration_since(earlier);
    match age.as_secs().max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86400),
    }
}
