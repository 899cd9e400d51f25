//! What the service stores and shows: its rounds, their signals, and its status.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::Severity;
use super::drift::Scope;
use super::new_accounts::{DepartedAccount, JoinedAccount};
use super::round::{Outcome, Part};
use crate::names::{AccountId, OrgId};

/// A round that the service ran. Its reports and signals are documents of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// Its id, which sorts the newest round first.
    pub id: String,
    /// The program and its version.
    pub program: String,
    /// The organization's management account.
    pub management_account: AccountId,
    /// The name of its schedule.
    pub schedule: String,
    /// Why it ran.
    pub trigger: Trigger,
    /// The time that the schedule names; for a request, when it was made.
    pub scheduled_at: Timestamp,
    /// The number of the attempt at the slot: more than 1 after a replica died on it.
    pub attempt: u32,
    /// The replica that ran it.
    pub replica: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The exit code of the round: that of its most severe part.
    pub exit_code: u8,
    /// What the exit code means.
    pub outcome: Outcome,
    /// Its parts, in the order of execution.
    pub parts: Vec<RoundPart>,
    /// What is known after the round, from it and from earlier rounds.
    pub knowledge: Knowledge,
}

/// Why a round ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its time had come.
    Schedule,
    /// Its time had passed while no replica was running.
    CatchUp,
    /// Somebody asked for it.
    Request,
}

/// A part of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoundPart {
    /// The part.
    pub part: Part,
    /// The exit code that its command would have.
    pub exit_code: u8,
    /// What the exit code means.
    pub outcome: Outcome,
    /// When the part started.
    pub started_at: Timestamp,
    /// When the part ended.
    pub ended_at: Timestamp,
    /// The result in one line.
    pub summary: String,
    /// Of a verification, the beginning of the verified period; null for all days.
    pub verified_from: Option<Timestamp>,
    /// Whether a verification was stopped before its end: it says nothing about the rest.
    pub was_stopped: bool,
    /// The size of its stored report; null where it failed or did not start. Units: bytes.
    pub report_bytes: Option<u64>,
}

/// What is known at a time, in counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Knowledge {
    /// The verdict.
    pub verdict: Verdict,
    /// Since when the verdict is this one.
    pub since: Timestamp,
    /// The end of the period that is proven in every account and Region of which anything is
    /// proven; null if nothing is.
    pub verified_through: Option<Timestamp>,
    /// The accounts and Regions, by state.
    pub cells: CellStates,
    /// The accounts, by their worst state.
    pub accounts: CellStates,
    /// What is wrong, by severity.
    pub signals: SignalCounts,
    /// The signals that the round before did not have.
    pub new: usize,
    /// The signals of the round before that are gone.
    pub resolved: usize,
}

/// The verdict on an organization's audit trail, the best first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that should be recorded is proven, and nothing has drifted.
    Fine,
    /// Something has drifted, is late, or is not proven yet.
    Attention,
    /// Something could not be read, so nothing is known about it.
    Unknown,
    /// Something fails verification, or records nothing.
    Failed,
}

/// Counts by state of an account in a Region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellStates {
    /// Recorded, delivered in time, and verified.
    pub proven: usize,
    /// Recorded and delivered in time; not verified yet.
    pub delivering: usize,
    /// Recorded, and the newest delivery is too old.
    pub late: usize,
    /// A digest, signature or log file fails verification.
    pub failed: usize,
    /// Not recorded.
    pub dark: usize,
    /// Could not be read.
    pub unreadable: usize,
    /// Excluded by the configuration, or a Region that the account has not enabled.
    pub excluded: usize,
}

/// Counts of signals. Suppressed ones count only as such.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignalCounts {
    /// Of severity critical.
    pub critical: usize,
    /// Of severity high.
    pub high: usize,
    /// Of severity medium.
    pub medium: usize,
    /// Of severity low.
    pub low: usize,
    /// What could not be read, of any severity.
    pub unreadable: usize,
    /// Suppressed by the configuration.
    pub suppressed: usize,
}

/// The signals of a round: everything that is wrong or unreadable after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signals {
    /// The id of the round.
    pub round: String,
    /// The parts that have run, in this or an earlier round.
    pub parts: Vec<Part>,
    /// The signals, the most severe first.
    pub signals: Vec<Signal>,
}

/// Something that is wrong or unreadable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// Identifies it in every round: a hash of the check and its scope.
    pub fingerprint: String,
    /// The part that found it.
    pub part: Part,
    /// The check's id, or the kind of finding.
    pub check: String,
    /// How severe it is.
    pub severity: Severity,
    /// Whether it is wrong or unreadable.
    pub state: SignalState,
    /// What it is about.
    pub scope: Scope,
    /// The account's organizational unit, from the root down; null without one.
    pub unit_path: Option<String>,
    /// What is wrong.
    pub title: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What was found, or why it could not be read.
    pub found: String,
    /// How to fix it.
    pub fix: Option<String>,
    /// What it has in common with other signals.
    pub cause: Option<String>,
    /// The recorded events behind it; null if it is not about events.
    #[serde(default)]
    pub events: Option<EventSpan>,
    /// Whether the configuration suppresses it.
    pub suppressed: bool,
    /// The start of the first round that found it.
    pub since: Timestamp,
}

/// When and where the events behind a signal happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventSpan {
    /// The account that recorded them; null for any.
    pub account: Option<String>,
    /// The Region; null for any.
    pub region: Option<String>,
    /// Their name; null for several names.
    pub event_name: Option<String>,
    /// Whether they are among those that changed something: for findings of drift, of which only
    /// the time between two reports is known.
    pub changes_only: bool,
    /// When the first happened.
    pub from: Timestamp,
    /// When the last happened.
    pub to: Timestamp,
}

/// Whether something is known to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    /// It is wrong.
    Failing,
    /// It could not be read: it may be wrong.
    Unreadable,
}

/// The state of the service: `orgtrail status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Status {
    /// When the state was read.
    pub created_at: Timestamp,
    /// The organization's management account.
    pub management_account: AccountId,
    /// The organization; null before the first check for drift.
    pub organization: Option<OrgId>,
    /// The verdict; null before the first round.
    pub verdict: Option<Verdict>,
    /// The verdict in a sentence.
    pub sentence: String,
    /// Since when the verdict is this one.
    pub since: Option<Timestamp>,
    /// The end of the period that is proven in every account and Region of which anything is
    /// proven.
    pub verified_through: Option<Timestamp>,
    /// Whether the evidence is older than the schedules allow, or missing.
    pub evidence_is_old: bool,
    /// What is wrong, the most severe first; the same thing in many accounts is one line.
    pub problems: Vec<Problem>,
    /// The slots that are being run now, as their claims say.
    pub running: Vec<Running>,
    /// The newest rounds, the newest first.
    pub rounds: Vec<Round>,
    /// The schedules, and when their next rounds start.
    pub schedules: Vec<ScheduleStatus>,
    /// The accounts that joined since the service began, the newest first, at most 10.
    pub joined: Vec<JoinedAccount>,
    /// The accounts that left since then, the newest first, at most 10.
    pub departed: Vec<DepartedAccount>,
}

/// Something that is wrong, in one or many places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// The most severe of its signals.
    pub severity: Severity,
    /// Whether it is wrong or unreadable.
    pub state: SignalState,
    /// The part that found it.
    pub part: Part,
    /// The check's id, or the kind of finding.
    pub check: String,
    /// What is wrong.
    pub title: String,
    /// How many signals it has.
    pub signals: usize,
    /// The accounts that it concerns, the first 20.
    pub accounts: Vec<AccountId>,
    /// How many accounts it concerns.
    pub account_count: usize,
    /// Since when.
    pub since: Timestamp,
    /// How to fix it.
    pub fix: Option<String>,
}

/// A slot that is being run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Running {
    /// The name of its schedule.
    pub schedule: String,
    /// The time that the schedule names.
    pub scheduled_at: Timestamp,
    /// The number of the attempt.
    pub attempt: u32,
    /// The replica that claimed it.
    pub replica: String,
    /// When it was claimed.
    pub claimed_at: Timestamp,
}

/// A schedule and its next round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScheduleStatus {
    /// Its name.
    pub name: String,
    /// Its cron pattern.
    pub cron: String,
    /// The time zone of the pattern.
    pub time_zone: String,
    /// Its parts.
    pub run: Vec<Part>,
    /// Whether the configuration pauses it.
    pub paused: bool,
    /// When its next round starts; null where it is paused or never due.
    pub next_at: Option<Timestamp>,
}
