//! The report of the organization's accounts: `orgtrail accounts`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::mirror;
use super::new_accounts::{DepartedAccount, JoinedAccount};
use crate::names::{AccountId, OrgId, Region, UnitId};
use crate::{aws, org};

/// The accounts of the organization, and whether orgtrail can assume a role in each.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The organization.
    pub organization: Organization,
    /// The accounts, by organizational unit, then by id.
    pub accounts: Vec<Account>,
    /// The counts.
    pub summary: Summary,
    /// The accounts that joined and left since the service began; null where its state is not
    /// configured or unreadable.
    pub memberships: Option<Memberships>,
}

/// Accounts that joined and left, from the state of the service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Memberships {
    /// The accounts that joined, the newest first.
    pub joined: Vec<JoinedAccount>,
    /// The accounts that left, the newest first.
    pub departed: Vec<DepartedAccount>,
}

/// An organization.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its management account.
    pub management_account: AccountId,
    /// Whether all features are enabled.
    pub all_features: bool,
}

mirror! {
    /// An account.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Account from org::Surveyed {
        /// Its id.
        account: AccountId,
        /// Its name.
        name: String,
        /// Its state, as AWS Organizations names it.
        state: String => into,
        /// Its organizational unit, or the root.
        unit: UnitId,
        /// The names of the units from the root down.
        unit_path: String,
        /// When it joined, as AWS Organizations has it.
        joined_at: Option<Timestamp>,
        /// Whether orgtrail can assume a role in it.
        access: Access => into,
        /// The Regions that it has enabled; null where it was not asked.
        regions: Option<Vec<Region>>,
        /// Why its Regions could not be read: then `regions` are those that every account has.
        regions_error: Option<String> = regions_unread,
    }
}

mirror! {
    /// Whether orgtrail can assume a role in an account.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    #[serde(tag = "status", rename_all = "snake_case")]
    enum Access from org::Access {
        /// It can.
        Granted {
            /// The ARN of the assumed role's session.
            principal: String,
        },
        /// It cannot.
        Failed {
            /// The role.
            role: String,
            /// The kind of failure.
            kind: ErrorKind => into,
            /// Why.
            reason: String,
            /// What to do about it.
            hint: Option<String>,
        },
        /// It was not tried.
        Excluded {
            /// Why.
            reason: String,
        },
    }
}

mirror! {
    /// The kind of a failure of an AWS call.
    ErrorKind of aws::ErrorKind {
        /// The caller may not do this.
        AccessDenied,
        /// The requested resource does not exist.
        NotFound,
        /// Too many calls.
        Throttled,
        /// The state of the resource does not allow it.
        Conflict,
        /// Another change is in progress.
        Busy,
        /// A recent change is not visible everywhere yet.
        Propagating,
        /// No answer in time.
        Timeout,
        /// The credentials are expired, unknown or missing.
        Expired,
        /// No connection.
        Network,
        /// The command was stopped.
        Stopped,
        /// Anything else.
        Other,
    }
}

/// Accounts, by access.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All accounts.
    pub accounts: usize,
    /// Accounts in which orgtrail can assume a role.
    pub granted: usize,
    /// Accounts in which it cannot.
    pub failed: usize,
    /// Accounts that were not tried.
    pub excluded: usize,
}

impl Report {
    /// The report of the accounts of an organization.
    #[must_use]
    pub fn new(organization: &org::Organization, accounts: &[org::Surveyed]) -> Self {
        Self {
            organization: Organization {
                id: organization.id.clone(),
                management_account: organization.management_account.clone(),
                all_features: organization.all_features,
            },
            accounts: accounts.iter().map(Account::from).collect(),
            summary: Summary::of(accounts),
            memberships: None,
        }
    }
}

impl Summary {
    /// Counts accounts.
    #[must_use]
    pub fn of(accounts: &[org::Surveyed]) -> Self {
        let mut summary = Self { accounts: accounts.len(), ..Self::default() };
        for account in accounts {
            match account.access {
                org::Access::Granted { .. } => summary.granted += 1,
                org::Access::Failed { .. } => summary.failed += 1,
                org::Access::Excluded { .. } => summary.excluded += 1,
            }
        }
        summary
    }
}
