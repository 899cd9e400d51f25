//! The report of `orgtrail demo`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

/// The steps of the demo.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// Whether every step passed.
    pub passed: bool,
    /// The steps, in order; after a failed one that others need, none follow.
    pub steps: Vec<Step>,
    /// How long all steps took.
    pub duration_ms: u64,
    /// The files that `--keep` leaves; null without it.
    pub kept: Option<Kept>,
}

/// A step of the demo.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Step {
    /// What must be true.
    pub title: String,
    /// The command that a user would run for it.
    pub command: Option<String>,
    /// What was found.
    pub found: String,
    /// Whether the step passed.
    pub passed: bool,
    /// How long it took.
    pub duration_ms: u64,
}

/// The files that the demo leaves.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Kept {
    /// The folder with `orgtrail.toml`.
    pub folder: PathBuf,
    /// The state of the sandbox, for `orgtrail sandbox up --data`.
    pub state: PathBuf,
}
