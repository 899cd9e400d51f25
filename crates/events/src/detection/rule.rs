use super::facts::Kind;
use crate::severity::Severity;

/// A built-in rule.
#[derive(Debug)]
pub struct Rule {
    /// Its id, which stays the same.
    pub id: &'static str,
    /// What it detects, in a few words.
    pub title: &'static str,
    /// How severe it is that the call succeeded.
    pub severity: Severity,
    /// The techniques of MITRE ATT&CK, of the current matrix and of older ones.
    pub techniques: &'static [&'static str],
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// The calls that a rule is about.
#[derive(Debug)]
pub struct Calls {
    /// The rule.
    pub rule: Rule,
    /// `eventSource`
    pub source: &'static str,
    /// `eventName`, one of these, as CloudTrail writes them.
    pub names: &'static [&'static str],
    /// What they must concern.
    pub about: About,
    /// A value that the request must have.
    pub only_if: Option<Condition>,
    /// Whether `orgtrail apply` makes such calls.
    pub is_applied: bool,
}

/// What a call must concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// One of our resources of a kind.
    Resource(Kind),
    /// The accounts of the archive or its vault.
    ArchiveAccount,
    /// The organization: nothing needs to be compared.
    Organization,
}

/// A condition on the request. Where the record lacks the parameter, it may hold.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// The name of the parameter.
    pub parameter: &'static str,
    /// It is, or for `contains` contains, one of these.
    pub values: &'static [&'static str],
    /// Whether containing is enough.
    pub contains: bool,
}
