//! How severe a finding is.

use std::fmt;

/// How severe a finding of a check or a detection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good practice, or for the record.
    Low,
    /// Weakens the trail or a guard.
    Medium,
    /// Events or their proof can be lost, or read by others.
    High,
    /// Events or their proof are being lost, or can be destroyed.
    Critical,
}

impl Severity {
    /// Every severity, the most severe first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
