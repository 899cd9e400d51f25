//! The results of `orgtrail events`.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::archive::verify::finding::Severity;
use crate::events::answer::{self, Proof, ProofSummary, Searched};
use crate::events::coverage::Coverage;
use crate::events::reconcile::{self, Reason, Reconciled};
use crate::names::{AccountId, Region};

/// Events, and what was read to find them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SearchReport {
    /// The events, in the order in which they happened.
    pub events: Vec<FoundEvent>,
    /// What was read.
    pub summary: SearchSummary,
}

/// An event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FoundEvent {
    /// The record as `CloudTrail` wrote it.
    #[schemars(with = "serde_json::Value")]
    pub record: Box<RawValue>,
    /// The key of the log file.
    pub key: String,
    /// Whether it is proven; null unless that was asked for.
    pub proof: Option<ProofStatus>,
}

/// Whether an event is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofStatus {
    /// A verified digest lists its file with the hash that it has.
    Proven,
    /// No verified digest lists its file, or the file could not be read again.
    Unproven,
    /// A verified digest lists its file with another hash.
    Contradicted,
}

/// What was read for an answer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SearchSummary {
    /// The place that was searched.
    pub place: String,
    /// When.
    pub searched_at: Timestamp,
    /// The earliest time of events; null for any.
    pub from: Option<Timestamp>,
    /// The latest time of events; null for any.
    pub to: Option<Timestamp>,
    /// The events that match.
    pub events: u64,
    /// Further copies of them, which are not in the list.
    pub copies: u64,
    /// Whether there may be more: the search ended at its limit, or was stopped.
    pub cut: bool,
    /// The log files that were read.
    pub files: Files,
    /// The records in them.
    pub records: u64,
    /// Records that could not be read.
    pub malformed_records: u64,
    /// The accounts that have log files.
    pub accounts: usize,
    /// The Regions that have log files.
    pub regions: usize,
    /// Days on which an account and Region has no log file.
    pub silent_days: SilentDays,
    /// How the events are proven; null unless that was asked for.
    pub proof: Option<ProofCounts>,
}

/// Log files.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Files {
    /// Those that were read whole.
    pub read: u64,
    /// Their size, as stored.
    pub stored_bytes: u64,
    /// Those that could not be read, or only in part.
    pub unreadable: u64,
    /// The first of them.
    pub first_unreadable: Vec<UnreadableFile>,
    /// Why files after those that were read are unknown; null if all are known.
    pub listing_failed: Option<String>,
    /// When the first was delivered.
    pub first_delivered_at: Option<Timestamp>,
    /// When the last was delivered.
    pub last_delivered_at: Option<Timestamp>,
}

/// A log file that could not be read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UnreadableFile {
    /// Its key.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// Days without log files. Such a day may be one without events: digests show which.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SilentDays {
    /// How many, over all accounts and Regions.
    pub days: u64,
    /// The first of them.
    pub first: Vec<SilentDay>,
}

/// A day on which an account and Region has no log file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SilentDay {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The day, in UTC.
    #[schemars(with = "String")]
    pub day: Date,
}

/// How events are proven.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProofCounts {
    /// Events in files that a verified digest lists as they are.
    pub proven: u64,
    /// Events in files that no verified digest lists.
    pub unproven: u64,
    /// Events in files that differ from what their digest lists.
    pub contradicted: u64,
    /// Whether the digests of what was searched are proven.
    pub verdict: ProofVerdict,
    /// The first findings of the verification.
    pub findings: Vec<String>,
}

/// The verdict on the digests of what was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofVerdict {
    /// Everything is proven.
    Proven,
    /// Part of it is not proven.
    Incomplete,
    /// Something is altered or missing.
    Broken,
}

impl FoundEvent {
    /// An event as a document contains it.
    ///
    /// # Errors
    /// The record is not JSON.
    pub fn new(event: &answer::SearchedEvent) -> Result<Self, serde_json::Error> {
        Ok(Self {
            record: RawValue::from_string(event.raw.to_string())?,
            key: event.file.clone(),
            proof: event.proof.map(ProofStatus::from),
        })
    }
}

impl SearchSummary {
    /// What was read for an answer.
    #[must_use]
    pub fn new(searched: &Searched) -> Self {
        let coverage = &searched.coverage;
        Self {
            place: searched.place.clone(),
            searched_at: searched.at,
            from: coverage.window.since,
            to: coverage.window.until,
            events: searched.matched,
            copies: searched.copies,
            cut: searched.is_cut || searched.was_stopped,
            files: Files::from(coverage),
            records: coverage.records,
            malformed_records: coverage.malformed,
            accounts: coverage.accounts(),
            regions: coverage.regions(),
            silent_days: SilentDays::from(coverage),
            proof: searched.proof.as_ref().map(ProofCounts::from),
        }
    }
}

impl From<&Coverage> for Files {
    fn from(coverage: &Coverage) -> Self {
        let unreadable = coverage.unreadable_files.iter();
        Self {
            read: coverage.files,
            stored_bytes: coverage.stored_bytes,
            unreadable: coverage.unreadable,
            first_unreadable: unreadable
                .map(|(key, reason)| UnreadableFile { key: key.clone(), reason: reason.clone() })
                .collect(),
            listing_failed: coverage.cut_short.clone(),
            first_delivered_at: coverage.delivered.map(|(first, _)| first),
            last_delivered_at: coverage.delivered.map(|(_, last)| last),
        }
    }
}

impl From<&Coverage> for SilentDays {
    fn from(coverage: &Coverage) -> Self {
        let (days, first) = coverage.silent_days();
        let first = first
            .into_iter()
            .map(|(account, region, day)| SilentDay { account, region, day })
            .collect();
        Self { days, first }
    }
}

impl From<&ProofSummary> for ProofCounts {
    fn from(proof: &ProofSummary) -> Self {
        Self {
            proven: proof.proven,
            unproven: proof.unproven,
            contradicted: proof.contradicted,
            verdict: match proof.severity {
                Some(Severity::Broken) => ProofVerdict::Broken,
                Some(Severity::Incomplete) => ProofVerdict::Incomplete,
                Some(Severity::Notice) | None => ProofVerdict::Proven,
            },
            findings: proof.findings.clone(),
        }
    }
}

impl From<Proof> for ProofStatus {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Proven => Self::Proven,
            Proof::Unproven => Self::Unproven,
            Proof::Contradicted => Self::Contradicted,
        }
    }
}

/// The comparison of the archive with Event history: `orgtrail events reconcile`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReconcileReport {
    /// When it was made.
    pub created_at: Timestamp,
    /// The earliest time of sampled events.
    pub from: Timestamp,
    /// The latest: younger events may still be on their way.
    pub to: Timestamp,
    /// The accounts and Regions, sorted.
    pub places: Vec<ReconciledPlace>,
    /// What could not be taken into account.
    pub unknown: Vec<String>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// The comparison for one account and Region.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReconciledPlace {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Events of Event history that were looked for.
    pub sampled: u64,
    /// Those that the archive has.
    pub found: u64,
    /// Those that it need not have.
    pub expected: Vec<ExpectedEvents>,
    /// Those that it lacks.
    pub missing: u64,
    /// The first of them, in order of time.
    pub first_missing: Vec<MissingEvent>,
    /// Since when every sampled event is missing; null if the newest are in the archive.
    pub nothing_delivered_since: Option<Timestamp>,
    /// Why the comparison is incomplete; null if it is not.
    pub reason: Option<String>,
}

/// Events that the archive need not have.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExpectedEvents {
    /// Why.
    pub reason: ExpectedReason,
    /// How many.
    pub events: u64,
}

/// Why the archive need not have an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedReason {
    /// The trail's selectors leave it out.
    Selectors,
    /// It happened before the trail was created and started.
    BeforeTrail,
    /// It happened before the account joined the organization.
    BeforeJoining,
}

/// An event that the archive lacks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MissingEvent {
    /// Its id.
    pub event_id: String,
    /// When it happened.
    pub happened_at: Timestamp,
    /// Its name.
    pub event_name: String,
    /// Its source.
    pub event_source: String,
}

impl ReconcileReport {
    /// The document of a comparison.
    #[must_use]
    pub fn new(reconciled: &Reconciled) -> Self {
        Self {
            created_at: reconciled.at,
            from: reconciled.from,
            to: reconciled.to,
            places: reconciled.places.iter().map(ReconciledPlace::new).collect(),
            unknown: reconciled.notes.clone(),
            stopped: reconciled.was_stopped,
        }
    }
}

impl ReconciledPlace {
    /// What the archive lacks, in words; none if it lacks nothing.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let first = self.first_missing.first();
        let first = first.map(|event| (event.event_name.as_str(), event.happened_at));
        (self.missing > 0).then(|| reconcile::lacks(self.missing, self.sampled, first))
    }

    fn new(place: &reconcile::Place) -> Self {
        let expected = |(reason, events): (&Reason, &u64)| ExpectedEvents {
            reason: match reason {
                Reason::Selectors => ExpectedReason::Selectors,
                Reason::BeforeTrail => ExpectedReason::BeforeTrail,
                Reason::BeforeJoining => ExpectedReason::BeforeJoining,
            },
            events: *events,
        };
        let missing = |event: &reconcile::HistoryEvent| MissingEvent {
            event_id: event.id.clone(),
            happened_at: event.at,
            event_name: event.name.clone(),
            event_source: event.source.clone(),
        };
        Self {
            account: place.account.clone(),
            region: place.region.clone(),
            sampled: place.sampled,
            found: place.found,
            expected: place.expected.iter().map(expected).collect(),
            missing: place.missing,
            first_missing: place.first_missing.iter().map(missing).collect(),
            nothing_delivered_since: place.stopped_delivering(),
            reason: place.unknown.clone(),
        }
    }
}
