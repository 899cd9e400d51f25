//! The report of a round: `orgtrail run`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Emitted, consolidation, detections, drift, events, verification};

/// The result of a round.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The program and its version.
    pub program: String,
    /// When the round started.
    pub started_at: Timestamp,
    /// When the round ended.
    pub ended_at: Timestamp,
    /// The exit code of the round: that of its most severe part.
    pub exit_code: u8,
    /// What the exit code means.
    pub outcome: Outcome,
    /// The parts, in the order of execution.
    pub parts: Vec<PartReport>,
}

/// The meaning of an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 0: done, and nothing is wrong.
    Clean,
    /// 1: something failed that has no code of its own.
    Unexpected,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 10: the plan has changes.
    ChangesPending,
    /// 11: AWS does not match the configuration.
    Drift,
    /// 12: a guard refused it.
    Refused,
    /// 13: a digest, signature or log file fails verification.
    IntegrityFailure,
    /// 14: something could not be read or reached.
    Incomplete,
}

impl Outcome {
    /// The exit code with which the command line ends.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::ChangesPending => 10,
            Self::Drift => 11,
            Self::Refused => 12,
            Self::IntegrityFailure => 13,
            Self::Incomplete => 14,
        }
    }
}

/// A part of a round.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// `orgtrail consolidate`
    Consolidate,
    /// `orgtrail verify`
    Verify,
    /// `orgtrail drift`
    Drift,
    /// `orgtrail events reconcile`
    Reconcile,
    /// `orgtrail events detect`
    Detect,
}

impl Part {
    /// Every part, in the order of a round.
    pub const ALL: [Self; 5] =
        [Self::Consolidate, Self::Verify, Self::Drift, Self::Reconcile, Self::Detect];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consolidate => "consolidate",
            Self::Verify => "verify",
            Self::Drift => "drift",
            Self::Reconcile => "reconcile",
            Self::Detect => "detect",
        }
    }
}

/// The result of a part.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PartReport {
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
    /// The document of its command; null where it failed or did not start.
    pub report: Option<PartDocument>,
}

/// The document of a part.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PartDocument {
    /// Of `orgtrail consolidate`.
    Consolidation(Box<Emitted<consolidation::Report>>),
    /// Of `orgtrail verify`.
    Verification(Box<Emitted<verification::Report>>),
    /// Of `orgtrail drift`.
    Drift(Box<Emitted<drift::Report>>),
    /// Of `orgtrail events reconcile`.
    Reconciliation(Box<Emitted<events::ReconcileReport>>),
    /// Of `orgtrail events detect`.
    Detection(Box<Emitted<detections::Report>>),
}
