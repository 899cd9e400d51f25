//! What the board reads from stored reports: the fields that it uses, and no others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::names::{AccountId, Region};
use crate::report::contract::consolidation::{Failure, ObjectCounts};
use crate::report::contract::verification::Severity;
use crate::report::contract::{Period, Window};

/// A verification report.
#[derive(Debug, Clone, Deserialize)]
pub struct Verification {
    /// When the report was made.
    pub created_at: Timestamp,
    /// The verified period.
    pub window: Window,
    /// The accounts and Regions.
    pub scopes: Vec<VerifiedScope>,
    /// Every finding.
    pub findings: Vec<VerifiedFinding>,
    /// Whether it was stopped before its end; the report does not say so.
    #[serde(skip)]
    pub was_stopped: bool,
}

/// One account in one Region.
#[derive(Debug, Clone, Deserialize)]
pub struct VerifiedScope {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Its chains.
    pub chains: Vec<VerifiedChain>,
    /// The periods that are proven.
    pub proven: Vec<Period>,
    /// What was not verified now.
    #[serde(default)]
    pub earlier: Option<VerifiedEarlier>,
}

/// The part of an account and Region that was not verified again.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct VerifiedEarlier {
    /// The end of it.
    pub before: Timestamp,
}

/// A chain of digests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VerifiedChain {
    /// The trail.
    pub trail: Box<str>,
    /// The Region in which the trail was created.
    pub home_region: Box<str>,
    /// The account that owns the trail, where it is known.
    pub owner: Option<AccountId>,
}

/// Something that verification found.
#[derive(Debug, Clone, Deserialize)]
pub struct VerifiedFinding {
    /// The kind of finding.
    pub kind: String,
    /// How severe it is.
    pub severity: Severity,
    /// What the kind means.
    pub meaning: String,
    /// The account.
    pub account: Option<AccountId>,
    /// The Region.
    pub region: Option<Region>,
    /// The key of the object.
    pub key: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// The period that it concerns.
    pub period: Option<Period>,
    /// How many objects it concerns.
    pub objects: u64,
}

/// A consolidation report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Consolidation {
    /// Whether everything of every source is in the archive.
    pub complete: bool,
    /// The objects of all sources.
    pub counts: ObjectCounts,
    /// The objects by source.
    pub by_source: BTreeMap<String, ObjectCounts>,
    /// What could not be finished.
    pub failures: Vec<Failure>,
    /// Accounts and Regions that could not be read.
    pub unreadable_regions: Vec<Ignored>,
}

/// Something of which only the number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}
