//! The progress of the service's rounds: `GET /api/v1/events` and `/api/v1/rounds/running`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::round::{Outcome, Part};
use super::service::Trigger;

/// A round that this replica runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiveRound {
    /// The id that the round will have.
    pub id: String,
    /// The name of its schedule.
    pub schedule: String,
    /// Why it runs.
    pub trigger: Trigger,
    /// The time that the schedule names.
    pub scheduled_at: Timestamp,
    /// The number of the attempt at the slot.
    pub attempt: u32,
    /// The replica.
    pub replica: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Its parts, in the order of execution.
    pub parts: Vec<LivePart>,
    /// What it is doing; null between phases.
    pub phase: Option<LivePhase>,
    /// The objects that it has copied, or found in the archive.
    pub objects: u64,
    /// The size of the copied objects.
    pub copied_bytes: u64,
    /// The newest messages, the oldest first.
    pub messages: Vec<Message>,
}

/// A part of a round that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LivePart {
    /// The part.
    pub part: Part,
    /// Its state.
    pub state: PartState,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The result in one line, once it has ended.
    pub summary: Option<String>,
    /// What its exit code means, once it has ended.
    pub outcome: Option<Outcome>,
}

/// The state of a part of a round that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It has not started.
    Waiting,
    /// It runs.
    Running,
    /// It has ended.
    Done,
}

/// A phase of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LivePhase {
    /// What it does.
    pub name: String,
    /// The steps that are done.
    pub done: u64,
    /// All steps; null while their number is not known.
    pub steps: Option<u64>,
}

/// A message of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// When.
    pub at: Timestamp,
    /// The text.
    pub text: String,
    /// Whether it is a warning.
    pub warning: bool,
}

/// Something that happened in the service: `GET /api/v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number in this process, from 1, as in `Last-Event-ID`.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A round started.
    RoundStarted {
        /// Its id.
        round: String,
        /// The name of its schedule.
        schedule: String,
    },
    /// A part started.
    PartStarted {
        /// The round's id.
        round: String,
        /// The part.
        part: Part,
    },
    /// A part has ended.
    PartEnded {
        /// The round's id.
        round: String,
        /// The part.
        part: Part,
        /// What its exit code means.
        outcome: Outcome,
        /// The result in one line.
        summary: String,
    },
    /// A round has ended.
    RoundEnded {
        /// Its id.
        round: String,
        /// What its exit code means.
        outcome: Outcome,
        /// Whether it is stored; if not, the service tries again.
        stored: bool,
    },
    /// A slot was skipped.
    SlotSkipped {
        /// The name of the schedule.
        schedule: String,
        /// The time that the schedule names.
        scheduled_at: Timestamp,
        /// Why.
        reason: String,
    },
}
