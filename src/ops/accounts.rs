//! The organization's accounts, and whether their role can be assumed.

use super::{Env, OpError, Outcome};
use crate::names::OrgId;
use crate::org::{Organization, Surveyed, survey};
use crate::report::contract::accounts::{Report, Summary};

/// The accounts, with the result of assuming their roles.
#[derive(Debug)]
pub struct AccountList {
    /// The accounts.
    pub accounts: Vec<Surveyed>,
    organization: Organization,
    is_stopped: bool,
}

/// Assumes the configured role in every active account that is not excluded. Changes
/// nothing.
///
/// # Errors
/// Not signed in, or the organization is unreadable.
pub async fn accounts(env: &Env) -> Result<AccountList, OpError> {
    let declared = &env.config()?.organization;
    let aws = env.aws_to_plan().await?;
    let management = aws.clients(&declared.management_account, aws.home_region());
    let organization = Organization::read(&management).await?;
    let phase = env.progress().phase("assuming roles in accounts", organization.accounts.len());
    let accounts = survey(&aws, &organization, Some(declared), |_| phase.step_done()).await;
    drop(phase);
    Ok(AccountList { accounts, organization, is_stopped: env.stop().is_requested() })
}

impl AccountList {
    /// The organization.
    #[must_use]
    pub fn organization(&self) -> &OrgId {
        &self.organization.id
    }

    /// The counts.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(&self.accounts)
    }

    /// Whether every role could be assumed.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_complete = self.summary().failed == 0 && !self.is_stopped;
        if is_complete { Outcome::Clean } else { Outcome::Incomplete }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> Report {
        Report::new(&self.organization, &self.accounts)
    }
}
