//! Accounts that joined and left the organization: what the service stores about them, and
//! what it shows.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::AccountId;

/// The accounts of the organization when the service read them for the first time: of these,
/// nothing is known about how they joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountBaseline {
    /// When they were read.
    pub read_at: Timestamp,
    /// The accounts, by id.
    pub accounts: Vec<BaselineAccount>,
}

/// An account that was there first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineAccount {
    /// Its id.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// When it joined, as AWS Organizations has it.
    pub joined_at: Timestamp,
}

/// Something that happened to an account: stored once, and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountEvent {
    /// The account.
    pub account: AccountId,
    /// Its name at that time.
    pub name: String,
    /// When it joined, as AWS Organizations has it: an account that leaves and joins again has
    /// another one.
    pub joined_at: Timestamp,
    /// What happened.
    pub step: AccountStep,
    /// When the service noticed it.
    pub noticed_at: Timestamp,
}

/// What happens to an account between joining and leaving.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AccountStep {
    /// It is in the list of the organization's accounts.
    Joined,
    /// Its role was assumed.
    RoleAssumed,
    /// The organization trail logs in all its Regions.
    TrailLogging,
    /// CloudTrail delivered its first log file or digest.
    Covered,
    /// It is no longer in the organization.
    Departed,
}

impl AccountStep {
    /// Every step, in their usual order.
    pub const ALL: [Self; 5] =
        [Self::Joined, Self::RoleAssumed, Self::TrailLogging, Self::Covered, Self::Departed];

    /// Its word, as in documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::RoleAssumed => "role_assumed",
            Self::TrailLogging => "trail_logging",
            Self::Covered => "covered",
            Self::Departed => "departed",
        }
    }
}

/// Accounts that joined or left while the service ran: `GET /api/v1/landing-zone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LandingZone {
    /// When the list of accounts was last read; null before the first time.
    pub as_of: Option<Timestamp>,
    /// Why the list or the queue of events could not be read, the last time.
    pub error: Option<String>,
    /// The number of accounts in the organization; null before the first time.
    pub accounts: Option<usize>,
    /// Whether events announce accounts: a queue is configured.
    pub has_queue: bool,
    /// How long after joining an account must be covered. Units: minutes.
    pub covered_within_minutes: u32,
    /// The accounts that joined since the service began, the newest first, at most 500.
    pub joined: Vec<JoinedAccount>,
    /// The accounts that left since then, the newest first, at most 500.
    pub departed: Vec<DepartedAccount>,
}

/// An account that joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JoinedAccount {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Where it is between joining and being covered.
    pub state: JoiningState,
    /// When it joined, as AWS Organizations has it.
    pub joined_at: Timestamp,
    /// When its role could first be assumed.
    pub role_assumed_at: Option<Timestamp>,
    /// When the trail first logged in all its Regions.
    pub trail_logging_at: Option<Timestamp>,
    /// When the first delivery was noticed.
    pub covered_at: Option<Timestamp>,
    /// How long after joining it was covered. Units: seconds.
    pub covered_after_seconds: Option<i64>,
    /// Why it is not covered yet, or excluded.
    pub reason: Option<String>,
}

/// Where an account is between joining and being covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoiningState {
    /// Its role can be assumed, the trail logs, and the first delivery arrived.
    Covered,
    /// It is not covered, within the configured time.
    Joining,
    /// It is not covered, and the configured time is over.
    Late,
    /// It is not active, or the configuration excludes it: nobody looks.
    Excluded,
    /// It left the organization.
    Departed,
}

/// An account that left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DepartedAccount {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// When it had joined, as AWS Organizations had it.
    pub joined_at: Timestamp,
    /// When the service noticed that it left. Its logs stay in the archive.
    pub departed_at: Timestamp,
}
