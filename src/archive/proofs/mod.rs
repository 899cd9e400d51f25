//! Proof records: what verifications of an archive proved, so that the next one need not read it
//! again.
//!
//! The archive contains one sequence of them, `orgtrail/proofs/<number>.jsonl.gz`. Each is gzipped
//! JSON lines: a head that names the record before it and its SHA-256, then a row for each account
//! and Region in which nothing was left unproven. A verification needs the newest one alone.
//!
//! Everyone who can write below `orgtrail/` can write one. Therefore a record proves nothing: it
//! only says which digests a verification may start from, and reports state what they owe to it.

mod read;
mod record;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::read::Proofs;
pub use self::record::{FORMAT_VERSION, Head, ProofRecord, RecordFault};
pub use self::write::{Written, write};
use super::shard::Unit;
use super::verify::chain::ProvenDigest;
use super::verify::period::Period;
use super::verify::run::{ScopeReport, Verification};
use crate::names::{AccountId, Region};

/// The folder of the records, below the archive's prefix.
pub(crate) const FOLDER: &str = "orgtrail/proofs/";

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far back a verification starts at least, where nothing authenticates the record.
const UNAUTHENTICATED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An account and Region in which everything was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProvenUnit {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The parts of the keys above the account: everything below them was verified.
    #[serde(rename = "prefixes")]
    pub roots: BTreeSet<String>,
    /// The start of what is proven.
    pub from: Timestamp,
    /// The end of what is proven.
    pub to: Timestamp,
    /// When all of it was last verified at once.
    pub whole_at: Timestamp,
    /// The newest digest of each chain.
    pub chains: Vec<ProvenDigest>,
}

/// What an earlier verification proved, and says so in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// By account and Region.
    pub units: BTreeMap<Unit, ProvenUnit>,
    /// The record's key.
    pub record: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Whether its writer is authenticated.
    pub is_authenticated: bool,
    /// No verification starts later than this, since nothing authenticates the record.
    pub at_most: Option<Timestamp>,
}

/// What a record says of the part of an account and Region that was not verified now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPart {
    /// The record's key.
    pub record: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Whether its writer is authenticated.
    pub is_authenticated: bool,
    /// The start of what is proven.
    pub from: Timestamp,
    /// When all of it was last verified at once.
    pub whole_at: Timestamp,
}

impl RecordedPart {
    /// What a record says of a unit.
    pub(crate) fn of(earlier: &Earlier, proven: &ProvenUnit) -> Self {
        Self {
            record: earlier.record.clone(),
            written_at: earlier.written_at,
            is_authenticated: earlier.is_authenticated,
            from: proven.from,
            whole_at: proven.whole_at,
        }
    }
}

impl Earlier {
    /// What a record says, as of `now`.
    fn new(key: String, record: ProofRecord, is_authenticated: bool, now: Timestamp) -> Self {
        let units = record.units.into_iter().map(|proven| {
            (Unit { account: proven.account.clone(), region: proven.region.clone() }, proven)
        });
        let at_most = now.checked_sub(UNAUTHENTICATED).unwrap_or(Timestamp::MIN);
        Self {
            units: units.collect(),
            record: key,
            written_at: record.head.written_at,
            is_authenticated,
            at_most: (!is_authenticated).then_some(at_most),
        }
    }
}

impl ProvenUnit {
    /// A random day of what was proven before a time; `None` if that is less than a day.
    pub(crate) fn sampled_day(&self, before: Timestamp) -> Option<Period> {
        let days = before.duration_since(self.from).as_hours() / DAY.as_hours();
        let mut random = [0; 4];
        // Nobody may know beforehand which day it is. Without random numbers it is the first.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let day = (days > 0).then(|| i64::from(u32::from_le_bytes(random)) % days)?;
        let at = |day: i64| self.from.checked_add(SignedDuration::from_hours(24 * day)).ok();
        Some(Period { from: at(day)?, to: at(day + 1)? })
    }
}

/// The units of the next record, after a verification of the archive with these roots.
///
/// INVARIANT: a unit with anything that is not proven is in no record, so that each verification
/// finds it again. What was not examined stays as the last record says.
#[must_use]
pub fn next_units(
    verification: &Verification,
    earlier: Option<&Earlier>,
    at: Timestamp,
) -> Vec<ProvenUnit> {
    let mut reports = BTreeMap::<Unit, Vec<&ScopeReport>>::new();
    for report in &verification.scopes {
        let unit = Unit { account: report.account.clone(), region: report.region.clone() };
        reports.entry(unit).or_default().push(report);
    }
    let mut units: BTreeMap<Unit, ProvenUnit> =
        earlier.map(|earlier| earlier.units.clone()).unwrap_or_default();
    for (unit, reports) in reports {
        match proven_unit(&reports, at) {
            Some(proven) => units.insert(unit, proven),
            None => units.remove(&unit),
        };
    }
    units.into_values().collect()
}

/// A unit from its reports, of which one is of the archive and the others are of the buckets that
/// its chains came from; `None` unless everything is proven.
fn proven_unit(reports: &[&ScopeReport], at: Timestamp) -> Option<ProvenUnit> {
    if !reports.iter().all(|report| report.is_proven()) {
        return None;
    }
    let mut of_archive = reports.iter().filter(|report| !report.followed);
    let (Some(report), None) = (of_archive.next(), of_archive.next()) else { return None };
    let recorded = report.earlier.as_ref().map(|earlier| &earlier.recorded);
    let now = report.proven.first()?;
    let chains = report.chains.iter().map(|chain| chain.newest.clone());
    Some(ProvenUnit {
        account: report.account.clone(),
        region: report.region.clone(),
        roots: report.roots.iter().cloned().collect(),
        from: recorded.map_or(now.from, |recorded| recorded.from),
        to: report.proven.last()?.to,
        whole_at: recorded.map_or(at, |recorded| recorded.whole_at),
        chains: chains.collect::<Option<_>>()?,
    })
}
