//! The waves in which a stack set is deployed, and which accounts each of them reaches. Pure.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::names::{AccountId, UnitId};
use crate::org::{AccountState, Organization};
use crate::resources::change::ResourceId;

/// What a wave deploys to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaveTarget {
    /// One account.
    Account(AccountId),
    /// An organizational unit with all below it.
    Unit(UnitId),
    /// The whole organization, and every account that joins it later.
    Organization,
}

/// A part of a deployment, which starts once the one before has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The id of its step: `role/member/pilot-account`.
    pub id: ResourceId,
    /// What it deploys to.
    pub target: WaveTarget,
}

impl Wave {
    /// What it deploys to, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.target {
            WaveTarget::Account(account) => format!("account {account}"),
            WaveTarget::Unit(unit) => format!("unit {unit}"),
            WaveTarget::Organization => "the whole organization".to_owned(),
        }
    }
}

/// The waves of a role: one for a role of one account; for the role of all others the pilots,
/// where the configuration names any, and the organization.
#[must_use]
pub fn waves(config: &Config, id: &ResourceId, account: Option<&AccountId>) -> Vec<Wave> {
    let wave = |name: &str, target| Wave { id: format!("{id}/{name}").into(), target };
    if let Some(account) = account {
        return vec![wave("account", WaveTarget::Account(account.clone()))];
    }
    let zone = &config.landing_zone;
    let pilot_account = zone.pilot_account.clone().map(WaveTarget::Account);
    let pilot_unit = zone.pilot_unit.clone().map(WaveTarget::Unit);
    let mut waves: Vec<Wave> = Vec::new();
    waves.extend(pilot_account.map(|target| wave("pilot-account", target)));
    waves.extend(pilot_unit.map(|target| wave("pilot-unit", target)));
    waves.push(wave("organization", WaveTarget::Organization));
    waves
}

/// The accounts that a wave reaches: never the management account, and only those in use, as
/// nothing can be deployed to the others.
#[must_use]
pub fn accounts_of_wave(wave: &Wave, organization: &Organization) -> BTreeSet<AccountId> {
    let accounts = organization.accounts.values();
    let reached = accounts.filter(|account| {
        account.id != organization.management_account
            && account.state == AccountState::Active
            && match &wave.target {
                WaveTarget::Account(id) => account.id == *id,
                WaveTarget::Unit(unit) => {
                    organization.lineage(&account.unit).any(|above| above == unit)
                }
                WaveTarget::Organization => true,
            }
    });
    reached.map(|account| account.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::org::{Account, Unit};

    /// An organization with units below each other, and accounts in any of them.
    fn organization() -> impl Strategy<Value = Organization> {
        let account = (0..4_usize, 0..3_usize);
        proptest::collection::vec(account, 1..20).prop_map(|accounts| {
            let ids = ["r-ab12", "ou-ab12-aaaaaaaa", "ou-ab12-bbbbbbbb", "ou-ab12-cccccccc"];
            let units: Vec<UnitId> = ids.iter().map(|id| id.parse().unwrap()).collect();
            let tree = units.iter().enumerate().map(|(at, id)| {
                let parent = at.checked_sub(1).map(|above| units[above].clone());
                (id.clone(), Unit { name: id.to_string(), parent })
            });
            let accounts: BTreeMap<AccountId, Account> = accounts
                .into_iter()
                .enumerate()
                .map(|(at, (unit, state))| {
                    let id: AccountId = format!("1{at:011}").parse().unwrap();
                    let states =
                        [AccountState::Active, AccountState::Suspended, AccountState::Closed];
                    let account = Account {
                        id: id.clone(),
                        name: String::new(),
                        state: states[state].clone(),
                        unit: units[unit].clone(),
                        joined_at: None,
                    };
                    (id, account)
                })
                .collect();
            Organization {
                id: "o-exampleorgid".parse().unwrap(),
                management_account: "100000000000".parse().unwrap(),
                all_features: true,
                units: tree.collect(),
                accounts,
            }
        })
    }

    fn all_waves() -> Vec<Wave> {
        let mut config: Config = crate::config::SMALLEST.parse().unwrap();
        config.landing_zone.pilot_account = Some("100000000003".parse().unwrap());
        config.landing_zone.pilot_unit = Some("ou-ab12-bbbbbbbb".parse().unwrap());
        waves(&config, &"role/member".into(), None)
    }

    proptest! {
        #[test]
        fn the_last_wave_reaches_every_account_in_use_but_the_management_account(
            organization in organization()
        ) {
            let waves = all_waves();
            prop_assert_eq!(waves.len(), 3);
            let reached: Vec<_> =
                waves.iter().map(|wave| accounts_of_wave(wave, &organization)).collect();
            for account in organization.accounts.values() {
                let is_managed = account.id == organization.management_account;
                let wanted = account.state == AccountState::Active && !is_managed;
                prop_assert_eq!(reached[2].contains(&account.id), wanted);
            }
            // A pilot reaches nothing that the organization does not.
            prop_assert!(reached.iter().all(|one| one.is_subset(&reached[2])));
            prop_assert!(reached[0].len() <= 1);
        }
    }

    #[test]
    fn a_role_of_one_account_has_one_wave_and_no_pilots() {
        let config: Config = crate::config::SMALLEST.parse().unwrap();
        let account = "222222222222".parse().unwrap();
        let found = waves(&config, &"role/archive".into(), Some(&account));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].target, WaveTarget::Account(account));
        assert_eq!(found[0].id, "role/archive/account");
    }
}
