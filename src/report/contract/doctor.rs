//! The diagnosis of an organization: `orgtrail doctor`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::names::AccountId;

/// What keeps orgtrail from its work, and how to fix it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// What was examined: problems first, then what is unknown.
    pub items: Vec<Item>,
    /// The counts.
    pub summary: Summary,
    /// What to do next.
    pub next_step: String,
}

/// Something that was examined.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Item {
    /// What it is, in kebab-case. Several items can have the same name, one for each cause.
    pub item: String,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub evidence: String,
    /// The IAM actions that are missing.
    pub missing_actions: Vec<String>,
    /// How to fix it: a command or a setting.
    pub fix: Option<String>,
    /// The affected accounts, if it concerns single accounts.
    pub accounts: Vec<AccountId>,
}

/// The result of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something is wrong.
    Problem,
    /// It could not be read.
    Unknown,
    /// Nothing is wrong.
    Ok,
    /// Not examined: the configuration does not require it.
    Skipped,
}

/// The counts of a diagnosis.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Summary {
    /// Items with a problem.
    pub problems: usize,
    /// Items that could not be read.
    pub unknown: usize,
    /// Items without a problem.
    pub ok: usize,
    /// Items that were not examined.
    pub skipped: usize,
}

impl Report {
    /// The report of these items.
    #[must_use]
    pub fn new(items: Vec<Item>, next_step: String) -> Self {
        let count = |verdict| items.iter().filter(|item| item.verdict == verdict).count();
        let summary = Summary {
            problems: count(Verdict::Problem),
            unknown: count(Verdict::Unknown),
            ok: count(Verdict::Ok),
            skipped: count(Verdict::Skipped),
        };
        Self { items, summary, next_step }
    }
}
