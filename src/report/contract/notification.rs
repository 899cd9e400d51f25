//! What channels are notified of: the body of requests to webhooks and the detail of events.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::Severity;
use super::round::{Outcome, Part};
use super::service::{Signal, SignalState, Verdict};
use crate::names::AccountId;

/// What changed with a round, for one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Notification {
    /// Its id: a notification that is received twice has the same id.
    pub id: String,
    /// Whether it only tests the channel: then all findings are examples.
    pub is_test: bool,
    /// The organization's management account.
    pub management_account: AccountId,
    /// The id of the round.
    pub round: String,
    /// The name of the round's schedule.
    pub schedule: String,
    /// When the round ended.
    pub created_at: Timestamp,
    /// The exit code of the round.
    pub exit_code: u8,
    /// What the exit code means.
    pub outcome: Outcome,
    /// The verdict after the round.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub sentence: String,
    /// The page of the round; null if the configuration names no public URL.
    pub url: Option<String>,
    /// The changes, in counts.
    pub changes: ChangeCounts,
    /// The changes with something in common, as one line each, the most severe first; at
    /// most 50.
    pub groups: Vec<Group>,
    /// How many groups are left out.
    pub groups_left_out: usize,
    /// The changes one by one, the most severe first; as many as fit.
    pub findings: Vec<Change>,
    /// How many changes are left out of `findings`.
    pub findings_left_out: usize,
    /// How many open findings are not followed one by one, because there are more than 20,000.
    pub findings_not_followed: usize,
}

/// How a finding changed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// It is new.
    New,
    /// It is more severe, or it was unreadable and is wrong.
    Worse,
    /// It is less severe, or something else was found.
    Changed,
    /// It could not be read twice in a row: it may be wrong, and is not resolved.
    Unreadable,
    /// It is as it was a day (critical) or a week ago.
    Reminder,
    /// It is gone.
    Resolved,
}

impl Transition {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Worse => "worse",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Reminder => "still open",
            Self::Resolved => "resolved",
        }
    }
}

/// Counts of changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeCounts {
    /// New findings.
    pub new: usize,
    /// Findings that are worse.
    pub worse: usize,
    /// Findings that changed otherwise.
    pub changed: usize,
    /// Findings that could not be read.
    pub unreadable: usize,
    /// Reminders of findings that are open.
    pub reminders: usize,
    /// Findings that are gone.
    pub resolved: usize,
}

/// Changes with something in common: the same cause, or else the same check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// How its findings changed.
    pub transition: Transition,
    /// The most severe of them.
    pub severity: Severity,
    /// Whether they are wrong or unreadable.
    pub state: SignalState,
    /// The part that found them.
    pub part: Part,
    /// The check's id, or the kind of finding.
    pub check: String,
    /// What is wrong.
    pub title: String,
    /// What was found, in the first of them.
    pub found: String,
    /// How to fix it.
    pub fix: Option<String>,
    /// Since when, at the earliest.
    pub since: Timestamp,
    /// How many findings it has.
    pub findings: usize,
    /// Where, for the first findings: an account, a Region of it, a bucket or an ARN.
    pub places: Vec<String>,
    /// How many accounts it concerns.
    pub account_count: usize,
    /// The organizational units with the most findings.
    pub units: Vec<Unit>,
    /// How many organizational units it concerns.
    pub unit_count: usize,
}

/// An organizational unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unit {
    /// The names of the units from the root down.
    pub unit_path: String,
    /// How many findings are in it.
    pub findings: usize,
}

/// A finding that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// How it changed.
    pub transition: Transition,
    /// When: later than every earlier change of the finding.
    pub changed_at: Timestamp,
    /// Its severity before; null if it is new.
    pub severity_before: Option<Severity>,
    /// The finding, as it is now; if it is resolved, as it was.
    pub finding: Signal,
}

/// The result of `orgtrail service test-notification`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TestReport {
    /// One for each channel.
    pub deliveries: Vec<TestDelivery>,
}

/// An example that was sent to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TestDelivery {
    /// The channel.
    pub channel: String,
    /// Whether the channel accepted it.
    pub is_delivered: bool,
    /// Why not.
    pub error: Option<String>,
}
