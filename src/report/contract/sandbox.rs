//! The documents of `orgtrail sandbox`.

use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{AccountId, OrgId, Region};

/// A sandbox that runs: how to reach it, and its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    /// The endpoint of all services.
    pub endpoint: String,
    /// The home Region.
    pub region: Region,
    /// The organization; null before one is created.
    pub organization: Option<OrgId>,
    /// The access key of an administrator in the management account.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
    /// The accounts: management, log archive, audit, then the members.
    pub accounts: Vec<Account>,
    /// Its process and files; null unless it runs in the background (`--detach`).
    pub background: Option<Background>,
}

/// An account, with the credentials of its root user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// The account.
    pub account: AccountId,
    /// The access key of the root user.
    pub root_access_key_id: Option<String>,
    /// The secret of that key.
    pub root_secret_access_key: Option<String>,
    /// The serial number of the root user's MFA device.
    pub root_mfa_serial: Option<String>,
    /// The seed of that device, in base32, as authenticator apps take it.
    pub root_mfa_seed: Option<String>,
}

/// A sandbox in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Background {
    /// The id of the process.
    pub pid: u32,
    /// The configuration that matches the sandbox.
    pub config: PathBuf,
    /// A file of variables for a POSIX shell.
    pub environment: PathBuf,
    /// The log of the process.
    pub log: PathBuf,
}

/// The clock of a sandbox, after `orgtrail sandbox tick`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Clock {
    /// The time that the clock shows.
    pub clock_at: Timestamp,
}

/// The result of `orgtrail sandbox confirm`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Confirmation {
    /// The subscriptions that were pending, and are confirmed now.
    pub confirmed_subscriptions: u64,
}
