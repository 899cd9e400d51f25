pub use orgtrail_events::severity::Severity;

use super::{CheckResult, Facts, Optional, Subject, alarms, declared};
use crate::alarms::Alarm;

/// The frameworks whose rules checks cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framework {
    /// CIS AWS Foundations Benchmark, in the numbering of version 5.
    Cis,
    /// AWS Security Hub's controls.
    SecurityHub,
    /// AWS Config's managed rules.
    Config,
    /// Prowler's checks.
    Prowler,
    /// Checkov's policies.
    Checkov,
    /// Steampipe's controls.
    Steampipe,
}

impl Framework {
    /// One of its rules, by its id there.
    #[must_use]
    pub const fn rule(self, id: &'static str) -> Mapping {
        Mapping { framework: self, id }
    }

    /// Its display name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cis => "CIS",
            Self::SecurityHub => "Security Hub",
            Self::Config => "AWS Config",
            Self::Prowler => "Prowler",
            Self::Checkov => "Checkov",
            Self::Steampipe => "Steampipe",
        }
    }
}

/// A rule of another framework that a check covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The framework.
    pub framework: Framework,
    /// Its id there: `CloudTrail.1`, `3.1`.
    pub id: &'static str,
}

/// One governance check.
#[derive(Debug)]
pub struct Check {
    /// Its id: kebab-case, never reused.
    pub id: &'static str,
    /// What it requires, in a sentence without its full stop.
    pub title: &'static str,
    /// The severity of a failure.
    pub severity: Severity,
    /// Why it matters, in whole sentences.
    pub why: &'static str,
    /// The command that fixes it: orgtrail's if orgtrail manages the resource, or else the
    /// AWS CLI's.
    pub fix: &'static str,
    /// The ids of the managed resources whose plan fixes it, for `--fix`.
    pub resources: &'static [&'static str],
    /// The rules that it covers.
    pub mappings: &'static [Mapping],
    /// How it is evaluated.
    pub rule: Rule,
}

/// How a check is evaluated.
#[derive(Debug)]
pub enum Rule {
    /// Its resources match the configuration.
    Declared {
        /// What the result is about.
        subject: Subject,
        /// The setting that configures them, if the configuration may omit it.
        optional: Option<Optional>,
    },
    /// An alarm is raised and a subscriber is notified.
    Alarm(&'static Alarm),
    /// A rule of its own.
    Custom(fn(&Facts) -> Vec<CheckResult>),
}

impl Check {
    /// The result for every scope that the check has.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Vec<CheckResult> {
        match &self.rule {
            Rule::Declared { subject, optional } => {
                declared::judge(facts, self.resources, *subject, optional.as_ref())
            }
            Rule::Alarm(alarm) => alarms::judge(facts, alarm),
            Rule::Custom(judge) => judge(facts),
        }
    }
}
