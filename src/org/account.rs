use aws_sdk_organizations::types as sdk;
use jiff::Timestamp;

use crate::aws::{AwsError, Clients};
use crate::names::{AccountId, UnitId};

/// One account of the organization.
///
/// Source: Organizations `ListAccountsForParent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's id.
    pub id: AccountId,
    /// Its friendly name.
    pub name: String,
    /// Where it is in its life.
    pub state: AccountState,
    /// Its organizational unit, or the root.
    pub unit: UnitId,
    /// When it joined the organization, where the answer says so.
    pub joined_at: Option<Timestamp>,
}

/// Where an account is in its life.
///
/// Source: `Account.State`, or `Account.Status` where an answer has no state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountState {
    /// In use: its role can be assumed.
    Active,
    /// Made, but not usable yet.
    PendingActivation,
    /// Suspended by AWS.
    Suspended,
    /// Being closed.
    PendingClosure,
    /// Closed, and not yet removed.
    Closed,
    /// A state that orgtrail does not know, in AWS's spelling.
    Other(String),
}

impl From<AccountState> for String {
    fn from(state: AccountState) -> Self {
        state.as_str().to_owned()
    }
}

/// Why an account is excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// It is not active.
    State(AccountState),
    /// The configuration excludes the account.
    Account,
    /// The configuration excludes this unit, which contains the account.
    Unit(UnitId),
}

impl AccountState {
    /// The state in AWS's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "ACTIVE",
            Self::PendingActivation => "PENDING_ACTIVATION",
            Self::Suspended => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
            Self::Closed => "CLOSED",
            Self::Other(state) => state,
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "ACTIVE" => Self::Active,
            "PENDING_ACTIVATION" => Self::PendingActivation,
            "SUSPENDED" => Self::Suspended,
            "PENDING_CLOSURE" => Self::PendingClosure,
            "CLOSED" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }

    #[allow(deprecated, reason = "answers from before `State` have `Status` alone")]
    fn of(account: &sdk::Account) -> Option<Self> {
        let state = account.state().map(sdk::AccountState::as_str);
        let status = account.status().map(sdk::AccountStatus::as_str);
        state.or(status).map(Self::parse)
    }
}

impl std::fmt::Display for AccountState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::fmt::Display for Exclusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(state) => {
                write!(f, "the account is {}", state.as_str().to_lowercase().replace('_', " "))
            }
            Self::Account => f.write_str("excluded by organization.excluded_accounts"),
            Self::Unit(unit) => write!(f, "excluded by organization.excluded_units: {unit}"),
        }
    }
}

impl Account {
    /// Reads one account of an answer to `action`.
    pub(super) fn read(
        account: &sdk::Account,
        unit: &UnitId,
        clients: &Clients,
        action: &str,
    ) -> Result<Self, AwsError> {
        let id = account.id().unwrap_or_default();
        let id: AccountId =
            id.parse().map_err(|_| clients.malformed(action, &format!("the account id `{id}`")))?;
        let state = AccountState::of(account)
            .ok_or_else(|| clients.malformed(action, &format!("account {id} without a state")))?;
        let name = account.name().unwrap_or_default().to_owned();
        let joined_at = account.joined_timestamp();
        let joined_at = joined_at.and_then(|at| Timestamp::from_second(at.secs()).ok());
        Ok(Self { id, name, state, unit: unit.clone(), joined_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(deprecated, reason = "the fallback is what is tested")]
    fn the_state_wins_over_the_status_and_the_status_stands_in_for_it() {
        let both = sdk::Account::builder()
            .state(sdk::AccountState::PendingClosure)
            .status(sdk::AccountStatus::Active)
            .build();
        assert_eq!(AccountState::of(&both), Some(AccountState::PendingClosure));
        let old = sdk::Account::builder().status(sdk::AccountStatus::Suspended).build();
        assert_eq!(AccountState::of(&old), Some(AccountState::Suspended));
        assert_eq!(AccountState::of(&sdk::Account::builder().build()), None);
    }

    #[test]
    fn a_state_that_is_not_known_is_kept_and_is_not_active() {
        let state = AccountState::parse("QUARANTINED");
        assert_eq!(state.as_str(), "QUARANTINED");
        assert_ne!(state, AccountState::Active);
    }
}
