//! What verification gave, in each format.

mod aws_cli;
mod json;
mod junit;
mod text;

use std::cmp::Reverse;

use jiff::Timestamp;

pub use self::aws_cli::aws_cli;
pub use self::json::json;
pub use self::junit::junit;
pub use self::text::text;
use super::drift::plain;
use crate::archive::verify::chain::Window;
use crate::archive::verify::finding::Severity;
use crate::archive::verify::run::{LaneReport, Verification};

/// What a report is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What was verified, as it was named: `s3://bucket/prefix`, a path.
    pub target: String,
    /// From when to when.
    pub window: Window,
    /// When the report was made.
    pub at: Timestamp,
}

/// The answer in one word.
fn verdict(verification: &Verification) -> &'static str {
    match verification.severity() {
        Some(Severity::Broken) => "broken",
        Some(Severity::Incomplete) => "incomplete",
        Some(Severity::Notice) | None => "proven",
    }
}

/// The accounts and Regions, those with the most severe findings first.
fn by_severity(verification: &Verification) -> Vec<&LaneReport> {
    let mut lanes: Vec<&LaneReport> = verification.lanes.iter().collect();
    lanes.sort_by_key(|lane| Reverse(lane.findings.iter().map(|it| it.severity).max()));
    lanes
}

/// Digests that are proven, and that are not.
fn digests(lane: &LaneReport) -> (u64, u64) {
    let sum = |count: fn(&crate::archive::verify::chain::ChainSummary) -> u64| {
        lane.chains.iter().map(count).sum()
    };
    (sum(|chain| chain.valid), sum(|chain| chain.invalid))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_key_writes_no_line_of_its_own() {
        assert_eq!(super::plain("a\u{1b}[2J\nb/é"), "a\\u{1b}[2J\\nb/é");
    }
}
