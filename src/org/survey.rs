use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::{AccountState, Organization, enabled_regions};
use crate::aws::{Aws, AwsError, ErrorKind};
use crate::config;
use crate::names::{AccountId, Region, UnitId};

/// Accounts whose roles are assumed at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;

/// An account, and whether its role can be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The account's id.
    pub account: AccountId,
    /// Its friendly name.
    pub name: String,
    /// Where it is in its life, in AWS's spelling.
    pub state: AccountState,
    /// Its organizational unit, or the root.
    pub unit: UnitId,
    /// The names of the units from the root down: `/Root/Workloads`.
    pub unit_path: String,
    /// When it joined, as AWS Organizations has it.
    pub joined_at: Option<Timestamp>,
    /// Whether its role can be assumed.
    pub access: Access,
    /// The Regions that it has enabled, sorted; absent if they were not read.
    pub regions: Option<Vec<Region>>,
    /// Why its own list of Regions could not be read: then `regions` are those
    /// that every account has.
    pub regions_unread: Option<String>,
}

/// Whether an account's role can be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The role was assumed.
    Granted {
        /// The ARN that STS returns.
        principal: String,
    },
    /// The role could not be assumed.
    Failed {
        /// The role that was tried.
        role: String,
        /// What kind of failure it was.
        kind: ErrorKind,
        /// The failure in words, with its causes.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It was not tried.
    Excluded {
        /// Why not.
        reason: String,
    },
}

/// Assumes the role in every active account that the configuration does not exclude, many at a time;
/// `done` is called for each. Sorted by unit's path, then by account.
pub async fn survey(
    aws: &Aws,
    organization: &Organization,
    config: Option<&config::Organization>,
    done: impl Fn(&Surveyed),
) -> Vec<Surveyed> {
    let mut surveyed: Vec<Surveyed> = stream::iter(organization.accounts.values())
        .map(|account| async move {
            let (access, regions) = if let Some(reason) = organization.exclusion(account, config) {
                (Access::Excluded { reason: reason.to_string() }, None)
            } else {
                let (access, regions) = futures::join!(
                    aws.assume_role_in(&account.id),
                    enabled_regions(aws, &organization.management_account, &account.id)
                );
                let access = match access {
                    Ok(caller) => Access::Granted { principal: caller.arn.to_string() },
                    Err(error) => failed(aws, &account.id, &error),
                };
                (access, Some(regions))
            };
            let regions_unread =
                regions.as_ref().and_then(|regions| regions.unread.as_ref()).map(AwsError::in_full);
            Surveyed {
                account: account.id.clone(),
                name: account.name.clone(),
                state: account.state.clone(),
                unit: account.unit.clone(),
                unit_path: organization.path(&account.unit),
                joined_at: account.joined_at,
                access,
                regions: regions.map(|regions| regions.regions.into_iter().collect()),
                regions_unread,
            }
        })
        .buffer_unordered(ACCOUNTS_AT_ONCE)
        .inspect(done)
        .collect()
        .await;
    surveyed.sort_by(|a, b| (&a.unit_path, &a.account).cmp(&(&b.unit_path, &b.account)));
    surveyed
}

fn failed(aws: &Aws, account: &AccountId, error: &AwsError) -> Access {
    Access::Failed {
        role: aws.principal_in(account).to_string(),
        kind: error.kind(),
        reason: error.in_full(),
        hint: error.hint(),
    }
}
