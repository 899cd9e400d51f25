use std::collections::BTreeMap;

use aws_sdk_organizations::operation::list_accounts_for_parent::ListAccountsForParentOutput;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Account, AccountState, Exclusion};
use crate::aws::{At, AwsError, Clients};
use crate::config;
use crate::names::{AccountId, OrgId, UnitId};

/// Units that are read at the same time; the calls' rates bound it further.
const UNITS_AT_ONCE: usize = 8;

/// The organization as AWS Organizations has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// The account that owns it.
    pub management_account: AccountId,
    /// Whether all features are on, not consolidated billing alone: trails and
    /// service control policies need them.
    pub all_features: bool,
    /// Its units, the root among them.
    pub units: BTreeMap<UnitId, Unit>,
    /// Its accounts, in whatever state.
    pub accounts: BTreeMap<AccountId, Account>,
}

/// An organizational unit, or the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Its parent; the root has none.
    pub parent: Option<UnitId>,
}

/// The units and accounts right inside a unit.
type Inside = (Vec<(UnitId, Unit)>, Vec<Account>);

/// What Organizations returns to any member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(super) id: OrgId,
    pub(super) management_account: AccountId,
    all_features: bool,
}

impl Organization {
    /// Reads the whole organization with the management account's or a
    /// delegated administrator's clients.
    ///
    /// # Errors
    /// No organization, or one that may not be read: with a partial tree,
    /// accounts would be unmonitored.
    pub async fn read(clients: &Clients) -> Result<Self, AwsError> {
        Box::pin(Self::read_by_level(clients, |_, _| {})).await
    }

    /// The same. `found` is called with the accounts of each level of units, as soon as they are
    /// read, and with what is known by then: all that is above them.
    ///
    /// # Errors
    /// As [`Organization::read`].
    pub(super) async fn read_by_level(
        clients: &Clients,
        mut found: impl FnMut(&Self, Vec<Account>),
    ) -> Result<Self, AwsError> {
        let (head, level) = futures::join!(head(clients), roots(clients));
        let Head { id, management_account, all_features } = head?;
        let (units, accounts) = (BTreeMap::new(), BTreeMap::new());
        let mut all = Self { id, management_account, all_features, units, accounts };
        let mut level = level?;
        while !level.is_empty() {
            let ids: Vec<UnitId> = level.iter().map(|(id, _)| id.clone()).collect();
            let below: Vec<Inside> = stream::iter(ids)
                .map(|unit| async move {
                    futures::try_join!(units_in(clients, &unit), accounts_in(clients, &unit))
                })
                .buffer_unordered(UNITS_AT_ONCE)
                .try_collect()
                .await?;
            all.units.extend(level);
            let (units, accounts): (Vec<_>, Vec<_>) = below.into_iter().unzip();
            level = units.into_iter().flatten().collect();
            let accounts: Vec<Account> = accounts.into_iter().flatten().collect();
            all.accounts.extend(accounts.iter().map(|one| (one.id.clone(), one.clone())));
            found(&all, accounts);
        }
        let (units, accounts) = (all.units.len(), all.accounts.len());
        tracing::debug!(units, accounts, "read the organization");
        Ok(all)
    }

    /// The names from the root down to a unit, as in `/Root/Security`.
    #[must_use]
    pub fn path(&self, unit: &UnitId) -> String {
        let mut names: Vec<&str> = self
            .lineage(unit)
            .map(|id| self.units.get(id).map_or(id.as_str(), |unit| unit.name.as_str()))
            .collect();
        names.reverse();
        format!("/{}", names.join("/"))
    }

    /// Why an account is excluded; `None` if it is included.
    #[must_use]
    pub fn exclusion<'a>(
        &self,
        account: &Account,
        config: impl Into<Option<&'a config::Organization>>,
    ) -> Option<Exclusion> {
        if account.state != AccountState::Active {
            return Some(Exclusion::State(account.state.clone()));
        }
        let config = config.into()?;
        if config.excluded_accounts.contains(&account.id) {
            return Some(Exclusion::Account);
        }
        self.lineage(&account.unit)
            .find(|unit| config.excluded_units.contains(unit))
            .map(|unit| Exclusion::Unit(unit.clone()))
    }

    /// The accounts that are not excluded, by id.
    pub fn included_accounts<'a>(
        &'a self,
        config: &'a config::Organization,
    ) -> impl Iterator<Item = &'a Account> {
        self.accounts.values().filter(move |account| self.exclusion(account, config).is_none())
    }

    /// A unit and its ancestors, up to the root.
    pub(crate) fn lineage<'a>(&'a self, unit: &'a UnitId) -> impl Iterator<Item = &'a UnitId> {
        std::iter::successors(Some(unit), |id| self.units.get(*id)?.parent.as_ref())
    }
}

pub(crate) async fn head(clients: &Clients) -> Result<Head, AwsError> {
    const ACTION: &str = "organizations:DescribeOrganization";
    let answer = clients.organizations().describe_organization().send().await;
    let answer = answer.at(clients, ACTION)?;
    let found = answer
        .organization
        .ok_or_else(|| clients.malformed(ACTION, "a response without an organization"))?;
    let id = found.id().unwrap_or_default();
    let management = found.master_account_id().unwrap_or_default();
    Ok(Head {
        id: id
            .parse()
            .map_err(|_| clients.malformed(ACTION, &format!("the organization id `{id}`")))?,
        management_account: management.parse().map_err(|_| {
            clients.malformed(ACTION, &format!("the management account `{management}`"))
        })?,
        all_features: found.feature_set()
            == Some(&aws_sdk_organizations::types::OrganizationFeatureSet::All),
    })
}

async fn roots(clients: &Clients) -> Result<Vec<(UnitId, Unit)>, AwsError> {
    const ACTION: &str = "organizations:ListRoots";
    let pages = clients.organizations().list_roots().into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.at(clients, ACTION)?;
    let found = pages.into_iter().flat_map(|page| page.roots.unwrap_or_default());
    found.map(|root| unit(root.id, root.name, None, clients, ACTION)).collect()
}

async fn units_in(clients: &Clients, parent: &UnitId) -> Result<Vec<(UnitId, Unit)>, AwsError> {
    const ACTION: &str = "organizations:ListOrganizationalUnitsForParent";
    let pages = clients
        .organizations()
        .list_organizational_units_for_parent()
        .parent_id(parent.as_str())
        .into_paginator()
        .send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.at(clients, ACTION)?;
    let found = pages.into_iter().flat_map(|page| page.organizational_units.unwrap_or_default());
    found.map(|one| unit(one.id, one.name, Some(parent.clone()), clients, ACTION)).collect()
}

async fn accounts_in(clients: &Clients, parent: &UnitId) -> Result<Vec<Account>, AwsError> {
    const ACTION: &str = "organizations:ListAccountsForParent";
    let pages = clients
        .organizations()
        .list_accounts_for_parent()
        .parent_id(parent.as_str())
        .into_paginator()
        .send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.at(clients, ACTION)?;
    let found = pages.iter().flat_map(ListAccountsForParentOutput::accounts);
    found.map(|account| Account::read(account, parent, clients, ACTION)).collect()
}

fn unit(
    id: Option<String>,
    name: Option<String>,
    parent: Option<UnitId>,
    clients: &Clients,
    action: &str,
) -> Result<(UnitId, Unit), AwsError> {
    let id = id.unwrap_or_default();
    let id: UnitId =
        id.parse().map_err(|_| clients.malformed(action, &format!("the unit id `{id}`")))?;
    Ok((id, Unit { name: name.unwrap_or_default(), parent }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization() -> Organization {
        let unit = |name: &str, parent: Option<&str>| Unit {
            name: name.into(),
            parent: parent.map(|parent| parent.parse().unwrap()),
        };
        let account = |id: &str, state, unit: &str| {
            let id: AccountId = id.parse().unwrap();
            let unit = unit.parse().unwrap();
            let account =
                Account { id: id.clone(), name: "a".into(), state, unit, joined_at: None };
            (id, account)
        };
        Organization {
            id: "o-exampleorgid".parse().unwrap(),
            management_account: "111111111111".parse().unwrap(),
            all_features: true,
            units: BTreeMap::from([
                ("r-ab12".parse().unwrap(), unit("Root", None)),
                ("ou-ab12-aaaaaaaa".parse().unwrap(), unit("Workloads", Some("r-ab12"))),
                ("ou-ab12-bbbbbbbb".parse().unwrap(), unit("Prod", Some("ou-ab12-aaaaaaaa"))),
            ]),
            accounts: BTreeMap::from([
                account("111111111111", AccountState::Active, "r-ab12"),
                account("222222222222", AccountState::Active, "ou-ab12-bbbbbbbb"),
                account("333333333333", AccountState::Suspended, "ou-ab12-aaaaaaaa"),
            ]),
        }
    }

    fn config(excluded_accounts: &[&str], excluded_units: &[&str]) -> config::Organization {
        config::Organization {
            management_account: "111111111111".parse().unwrap(),
            log_archive_account: "222222222222".parse().unwrap(),
            audit_account: None,
            delegated_administrators: Vec::new(),
            home_region: "us-east-1".parse().unwrap(),
            regions: config::Regions::AllEnabled,
            excluded_accounts: excluded_accounts.iter().map(|id| id.parse().unwrap()).collect(),
            excluded_units: excluded_units.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }

    fn exclusion(id: &str, config: &config::Organization) -> Option<Exclusion> {
        let organization = organization();
        organization.exclusion(&organization.accounts[id], config)
    }

    #[test]
    fn a_path_goes_from_the_root_down() {
        let unit = "ou-ab12-bbbbbbbb".parse().unwrap();
        assert_eq!(organization().path(&unit), "/Root/Workloads/Prod");
    }

    #[test]
    fn an_excluded_unit_excludes_everything_below_it() {
        let config = config(&[], &["ou-ab12-aaaaaaaa"]);
        let unit = "ou-ab12-aaaaaaaa".parse().unwrap();
        assert_eq!(exclusion("222222222222", &config), Some(Exclusion::Unit(unit)));
        assert_eq!(exclusion("111111111111", &config), None);
    }

    #[test]
    fn accounts_are_excluded_by_id_and_by_state() {
        let config = config(&["222222222222"], &[]);
        assert_eq!(exclusion("222222222222", &config), Some(Exclusion::Account));
        assert_eq!(
            exclusion("333333333333", &config).unwrap().to_string(),
            "the account is suspended"
        );
        let included: Vec<_> = organization()
            .included_accounts(&config)
            .map(|account| account.id.to_string())
            .collect();
        assert_eq!(included, ["111111111111"]);
    }
}
