//! The answer of detection: findings, what was read, and what they were compared with.

use jiff::Timestamp;
use orgtrail_events::detection::sigma::Problem;
use orgtrail_events::detection::{EventRef, Finding, FirstUsesSummary};

use super::answer::{Proof, ProofSummary};
use super::coverage::Coverage;
use crate::checks::Severity;

/// What was detected.
#[derive(Debug)]
pub struct Detections {
    /// The place, as people name it.
    pub place: String,
    /// When it was searched.
    pub at: Timestamp,
    /// The findings, in the order of the time of their first events.
    pub findings: Vec<DetectedFinding>,
    /// Findings that were left out because there are too many.
    pub left_out: u64,
    /// What was read, the baseline included.
    pub coverage: Coverage,
    /// Copies of events that were left out.
    pub copies: u64,
    /// Whether it was stopped.
    pub was_stopped: bool,
    /// How the events of findings are proven, if that was asked for.
    pub proof: Option<ProofSummary>,
    /// What is known of the trail.
    pub facts: FactsSummary,
    /// First uses of Regions, if there is a baseline.
    pub first_uses: Option<FirstUsesSummary>,
    /// The rules of others, if some were given.
    pub rules: Option<RuleSet>,
}

/// A finding, and how its events are proven.
#[derive(Debug, Clone)]
pub struct DetectedFinding {
    /// The finding.
    pub finding: Finding,
    /// How severe it is.
    pub severity: Severity,
    /// The weakest proof among its events, if that was asked for.
    pub proof: Option<Proof>,
}

/// What is known of the trail, and what is not.
#[derive(Debug, Clone, Default)]
pub struct FactsSummary {
    /// Whether a configuration says which resources are ours.
    pub is_configured: bool,
    /// What could not be looked up, with the reason: events that may concern it are possible
    /// findings.
    pub unknown: Vec<(String, String)>,
}

/// The rules of a directory.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// The directory.
    pub directory: String,
    /// Its files with rules.
    pub files: usize,
    /// The rules that are used.
    pub used: usize,
    /// Those for other logs, which are left out.
    pub of_other_logs: usize,
    /// What is wrong with rules.
    pub problems: Vec<Problem>,
}

impl RuleSet {
    /// The problems because of which a rule is not used.
    pub fn unusable(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_unusable)
    }
}

impl DetectedFinding {
    /// The first of its events.
    #[must_use]
    pub fn first(&self) -> Option<&EventRef> {
        self.finding.events.first()
    }
}

impl Detections {
    /// Whether a finding is at least so severe.
    #[must_use]
    pub fn has_at_least(&self, severity: Severity) -> bool {
        self.findings.iter().any(|one| one.severity >= severity)
    }

    /// Whether something that belongs to the answer is not known.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.was_stopped
            || self.left_out > 0
            || self.coverage.is_incomplete()
            || self.rules.as_ref().is_some_and(|rules| rules.unusable().next().is_some())
            || self.first_uses.as_ref().is_some_and(|uses| uses.left_out > 0)
    }
}
