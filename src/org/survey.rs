use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Account, AccountState, Exclusion, Organization, enabled_regions};
use crate::aws::{Aws, AwsError, Clients, ErrorKind};
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

/// An account that was found, and how it is surveyed.
struct Found {
    account: Account,
    unit_path: String,
    excluded: Option<Exclusion>,
    management_account: AccountId,
}

/// Assumes the role in every active account that the configuration does not exclude, many at a time;
/// `done` is called for each. Sorted by unit's path, then by account.
pub async fn survey(
    aws: &Aws,
    organization: &Organization,
    config: Option<&config::Organization>,
    done: impl Fn(&Surveyed),
) -> Vec<Surveyed> {
    let accounts = organization.accounts.values();
    let found = accounts.map(|account| Found::new(organization, account.clone(), config));
    let on = |event: SurveyEvent<'_>| {
        if let SurveyEvent::Done(surveyed) = event {
            done(surveyed);
        }
    };
    survey_each(aws, stream::iter(found), &on).await
}

/// What happens in a survey.
pub(crate) enum SurveyEvent<'a> {
    /// So many accounts are known.
    Known(usize),
    /// The role in an account was assumed.
    Begun(&'a AccountId),
    /// An account was surveyed.
    Done(&'a Surveyed),
}

/// Reads the organization, and surveys each account as soon as it is found.
///
/// # Errors
/// The organization may not be read.
pub(crate) async fn read_and_survey(
    aws: &Aws,
    management: &Clients,
    config: Option<&config::Organization>,
    on: impl Fn(SurveyEvent<'_>),
) -> Result<(Organization, Vec<Surveyed>), AwsError> {
    let on = &on;
    let (to, from) = mpsc::unbounded_channel();
    let reading = Organization::read_by_level(management, move |organization, accounts| {
        on(SurveyEvent::Known(organization.accounts.len()));
        for account in accounts {
            // The receiver ends after the sender.
            let _ = to.send(Found::new(organization, account, config));
        }
    });
    let found = stream::unfold(from, |mut from| async move { Some((from.recv().await?, from)) });
    let surveying = async { Ok(survey_each(aws, found, on).await) };
    futures::try_join!(reading, surveying)
}

async fn survey_each(
    aws: &Aws,
    found: impl Stream<Item = Found>,
    on: &impl Fn(SurveyEvent<'_>),
) -> Vec<Surveyed> {
    let surveyed = found.map(|found| found.survey(aws, on)).buffer_unordered(ACCOUNTS_AT_ONCE);
    let surveyed = surveyed.inspect(|surveyed| on(SurveyEvent::Done(surveyed)));
    let mut surveyed: Vec<Surveyed> = surveyed.collect().await;
    surveyed.sort_by(|a, b| (&a.unit_path, &a.account).cmp(&(&b.unit_path, &b.account)));
    surveyed
}

impl Found {
    fn new(
        organization: &Organization,
        account: Account,
        config: Option<&config::Organization>,
    ) -> Self {
        Self {
            unit_path: organization.path(&account.unit),
            excluded: organization.exclusion(&account, config),
            management_account: organization.management_account.clone(),
            account,
        }
    }

    async fn survey(self, aws: &Aws, on: &impl Fn(SurveyEvent<'_>)) -> Surveyed {
        let Self { account, unit_path, excluded, management_account } = self;
        let (access, regions) = if let Some(reason) = excluded {
            (Access::Excluded { reason: reason.to_string() }, None)
        } else {
            let session = async {
                let caller = aws.begin_session_in(&account.id).await;
                if caller.is_ok() {
                    on(SurveyEvent::Begun(&account.id));
                }
                caller
            };
            let (access, regions) =
                futures::join!(session, enabled_regions(aws, &management_account, &account.id));
            let access = match access {
                Ok(caller) => Access::Granted { principal: caller.arn.to_string() },
                Err(error) => failed(aws, &account.id, &error),
            };
            (access, Some(regions))
        };
        let regions_unread =
            regions.as_ref().and_then(|regions| regions.unread.as_ref()).map(AwsError::in_full);
        Surveyed {
            account: account.id,
            name: account.name,
            state: account.state,
            unit: account.unit,
            unit_path,
            joined_at: account.joined_at,
            access,
            regions: regions.map(|regions| regions.regions.into_iter().collect()),
            regions_unread,
        }
    }
}

fn failed(aws: &Aws, account: &AccountId, error: &AwsError) -> Access {
    Access::Failed {
        role: aws.principal_in(account).to_string(),
        kind: error.kind(),
        reason: error.in_full(),
        hint: error.hint(),
    }
}
