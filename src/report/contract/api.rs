//! The answers of the service's API, below `/api/v1`, that no command prints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Period;
use super::consolidation::{Failure, ObjectCounts};
use super::service::{CellStates, Round, ScheduleStatus, Signal};
use crate::names::{AccountId, Region};

/// Why a request was refused or failed (RFC 9457): `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The name of the status.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// What is wrong, and what was expected.
    pub detail: String,
}

/// Rounds: `GET /api/v1/rounds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RoundList {
    /// The rounds, the newest first.
    pub rounds: Vec<Round>,
    /// The `before` of the next page; null on the last one.
    pub next: Option<String>,
    /// Stored rounds that could not be read, and are not listed.
    pub unreadable_rounds: usize,
}

/// A round that was requested: `POST /api/v1/rounds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RequestedRound {
    /// The id that the round will have.
    pub id: String,
    /// The name of its schedule.
    pub schedule: String,
    /// When it was requested.
    pub requested_at: Timestamp,
}

/// The difference of two rounds: `GET /api/v1/rounds/{id}/diff/{other}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RoundDiff {
    /// The id of the earlier round.
    pub earlier: String,
    /// The id of the later round.
    pub later: String,
    /// Signals that only the later round has.
    pub new: Vec<Signal>,
    /// Signals of both rounds that differ, as the later round has them.
    pub changed: Vec<Signal>,
    /// Signals that were failing, and could not be read later: they are not resolved.
    pub unreadable: Vec<Signal>,
    /// Signals that only the earlier round has.
    pub resolved: Vec<Signal>,
    /// How many signals are the same.
    pub unchanged: usize,
}

/// The state of an account in a Region, the best first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// Excluded by the configuration, or a Region that the account has not enabled.
    Excluded,
    /// Recorded, delivered in time, and verified.
    Proven,
    /// Recorded and delivered in time; not verified yet.
    Delivering,
    /// Recorded, and the newest delivery is too old.
    Late,
    /// Could not be read.
    Unreadable,
    /// Not recorded.
    Dark,
    /// A digest, signature or log file fails verification.
    Failed,
}

/// Accounts and Regions: `GET /api/v1/coverage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CoverageList {
    /// When AWS was asked; null before the first check for drift.
    pub as_of: Option<Timestamp>,
    /// The accounts and Regions of the organization, by state.
    pub cells: CellStates,
    /// The Regions, sorted.
    pub regions: Vec<Region>,
    /// The matching accounts, by organizational unit, then by id.
    pub accounts: Vec<CoverageAccount>,
    /// How many accounts match.
    pub matching: usize,
    /// The `after` of the next page; null on the last one.
    pub next: Option<AccountId>,
}

/// An account and its Regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CoverageAccount {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The names of its organizational units from the root down.
    pub unit_path: String,
    /// The worst state of its Regions.
    pub state: CellState,
    /// One for each Region, in their order.
    pub cells: Vec<CoverageCell>,
}

/// An account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CoverageCell {
    /// The state.
    pub state: CellState,
    /// What was found, or why it could not be read or is excluded.
    pub reason: Option<String>,
    /// When the newest log file was delivered.
    pub newest_log_file_at: Option<Timestamp>,
    /// When the newest digest was delivered.
    pub newest_digest_at: Option<Timestamp>,
    /// The end of the newest proven period.
    pub proven_through: Option<Timestamp>,
}

/// Digest chains: `GET /api/v1/chains`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChainList {
    /// When the newest verification was made; null before the first one.
    pub as_of: Option<Timestamp>,
    /// The chains of an account in a Region each, by account and Region.
    pub chains: Vec<Chain>,
    /// Findings that concern no single account and Region.
    pub general: Vec<ChainFinding>,
}

/// The chains of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Chain {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The names or ARNs of the trails that wrote the digests.
    pub trails: Vec<String>,
    /// The periods that are proven, in order.
    pub proven: Vec<Period>,
    /// What is not proven, and why, the most severe first.
    pub findings: Vec<ChainFinding>,
}

/// Something that verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChainFinding {
    /// The kind of finding.
    pub kind: String,
    /// Whether it contradicts CloudTrail; if not, it is only not proven.
    pub broken: bool,
    /// What the kind means.
    pub meaning: String,
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

/// What is wrong or unreadable: `GET /api/v1/findings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingList {
    /// The id of the newest round; null before the first one.
    pub round: Option<String>,
    /// The matching signals, the most severe first.
    pub findings: Vec<Signal>,
    /// How many signals match.
    pub matching: usize,
    /// The `after` of the next page; null on the last one.
    pub next: Option<String>,
}

/// Accounts: `GET /api/v1/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccountList {
    /// When AWS was asked; null before the first check for drift.
    pub as_of: Option<Timestamp>,
    /// The accounts of the organization, by their worst state.
    pub states: CellStates,
    /// The accounts, by organizational unit, then by id.
    pub accounts: Vec<AccountState>,
    /// The `after` of the next page; null on the last one.
    pub next: Option<AccountId>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccountState {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The names of its organizational units from the root down.
    pub unit_path: String,
    /// The worst state of its Regions.
    pub state: CellState,
    /// The end of the period that is proven in every Region that is not excluded.
    pub verified_through: Option<Timestamp>,
}

/// The newest consolidation: `GET /api/v1/sources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceList {
    /// When it ended; null before the first one.
    pub as_of: Option<Timestamp>,
    /// The id of its round.
    pub round: Option<String>,
    /// How long it took. Units: seconds.
    pub seconds: i64,
    /// Whether everything of every source is in the archive.
    pub complete: bool,
    /// The objects by source, by its name.
    pub by_source: BTreeMap<String, ObjectCounts>,
    /// What could not be finished.
    pub failures: Vec<Failure>,
    /// How many accounts and Regions could not be read.
    pub unreadable_regions: usize,
}

/// The schedules: `GET /api/v1/schedules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScheduleList {
    /// The schedules, and when their next rounds start.
    pub schedules: Vec<ScheduleStatus>,
}

/// Evidence bundles: `GET /api/v1/evidence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BundleList {
    /// The bundles of this replica, the newest first.
    pub bundles: Vec<Bundle>,
}

/// An evidence bundle: `GET /api/v1/evidence/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Bundle {
    /// Its id.
    pub id: String,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// Its time range.
    pub period: Period,
    /// Its accounts; all if empty.
    pub accounts: Vec<AccountId>,
    /// Its Regions; all if empty.
    pub regions: Vec<Region>,
    /// Its state.
    pub state: BundleState,
    /// Why it failed.
    pub reason: Option<String>,
    /// Whether the packed files are proven.
    pub proven: Option<bool>,
    /// How many files are packed.
    pub files: Option<usize>,
    /// The size of the bundle.
    pub size_bytes: Option<u64>,
    /// SHA-256 of its manifest, in hexadecimal. Send it to the recipient over another channel.
    pub manifest_sha256: Option<String>,
    /// What could not be packed.
    pub omitted: Vec<String>,
}

/// The state of an evidence bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BundleState {
    /// It is being built.
    Building,
    /// It can be downloaded.
    Ready,
    /// It could not be built.
    Failed,
}

/// Whether the service can work: `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Readiness {
    /// Whether nothing fails.
    pub ready: bool,
    /// What fails.
    pub failing: Vec<FailingPart>,
}

/// What the service depends on, and does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailingPart {
    /// What it is.
    pub part: Dependency,
    /// Why; null for clients that may not read the API.
    pub reason: Option<String>,
}

/// What the service depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    /// The configuration that was loaded last.
    Configuration,
    /// The credentials for AWS.
    Credentials,
    /// The state: rounds and claims.
    State,
}

/// A token that was created: `orgtrail service token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewToken {
    /// The token. It is not stored, and not shown again.
    pub token: String,
    /// How logs name it: the beginning of its SHA-256.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// From when it allows nothing.
    pub expires_at: Timestamp,
    /// The file with its SHA-256.
    pub file: String,
}

/// A note that events are missing: the event `gap` of `GET /api/v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// The number of the first event that follows; null before the next one.
    pub first: Option<u64>,
}
