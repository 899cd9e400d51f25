//! The accounts and Regions that a source is bound to.
//!
//! The administrator of a bucket can write any key into it, so the folder of an account
//! proves nothing. AWS's API and the configuration bind a source to accounts; objects of
//! other accounts are never copied among the logs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::names::{AccountId, Region};

/// The accounts and Regions that exist, independent of a bucket's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The organization's accounts: those that AWS Organizations lists, in any state, and the
    /// declared former accounts.
    pub accounts: BTreeSet<AccountId>,
    /// Regions that AWS has.
    pub regions: BTreeSet<Region>,
    /// Accounts whose buckets may contain objects of every account: the log-archive
    /// and the management account.
    pub trusted: BTreeSet<AccountId>,
}

/// What one source is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding<'a> {
    scope: &'a Scope,
    /// `None` means every account of the organization.
    accounts: Option<BTreeSet<AccountId>>,
}

/// Why a source is not bound to an object's account or Region.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, Serialize, Deserialize,
)]
pub enum Unbound {
    /// The account is neither in the organization nor a declared former one.
    #[error("the account is not in the organization")]
    OutsideOrganization,
    /// The account is in the organization, but the source is not bound to it.
    #[error("the source is not bound to the account")]
    OtherAccount,
    /// AWS has no such Region.
    #[error("the Region is not known")]
    UnknownRegion,
}

impl Unbound {
    /// A hint for the user.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::OutsideOrganization => {
                "if the account was once in the organization, add it to `former_accounts` under \
                 [consolidate]"
            }
            Self::OtherAccount => {
                "if the account's trail wrote there, add the account to `accounts` of the source \
                 under [[consolidate.sources]]"
            }
            Self::UnknownRegion => "CloudTrail writes only to folders named after AWS Regions",
        }
    }
}

impl Scope {
    /// The binding of a source: its proven owner, the accounts of trails that write there and
    /// the declared accounts; every account if the owner is trusted.
    #[must_use]
    pub fn binding(&self, source: &Source) -> Binding<'_> {
        let is_trusted = source.owner.as_ref().is_some_and(|owner| self.trusted.contains(owner));
        let accounts =
            (!is_trusted).then(|| source.owner.iter().chain(&source.accounts).cloned().collect());
        Binding { scope: self, accounts }
    }
}

impl Binding<'_> {
    /// Checks that the source is bound to an account.
    ///
    /// # Errors
    /// It is not.
    pub fn admits_account(&self, account: &AccountId) -> Result<(), Unbound> {
        if !self.scope.accounts.contains(account) {
            return Err(Unbound::OutsideOrganization);
        }
        match &self.accounts {
            Some(bound) if !bound.contains(account) => Err(Unbound::OtherAccount),
            _ => Ok(()),
        }
    }

    /// Checks that the source is bound to an account, in a known Region.
    ///
    /// # Errors
    /// It is not.
    pub fn admits(&self, account: &AccountId, region: &Region) -> Result<(), Unbound> {
        self.admits_account(account)?;
        if self.scope.regions.contains(region) { Ok(()) } else { Err(Unbound::UnknownRegion) }
    }

    /// Whether the source is bound to every account.
    #[must_use]
    pub fn is_of_all(&self) -> bool {
        self.accounts.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(nth: usize) -> AccountId {
        format!("{:012}", 111_111_111_111_u64 * (nth as u64 + 1)).parse().unwrap()
    }

    fn accounts(of: [bool; 6]) -> BTreeSet<AccountId> {
        (0..6).filter(|nth| of[*nth]).map(account).collect()
    }

    fn source(owner: Option<usize>, bound: [bool; 6]) -> Source {
        Source {
            bucket: "logs".parse().unwrap(),
            prefix: None,
            account: account(0),
            region: "us-east-1".parse().unwrap(),
            owner: owner.map(account),
            accounts: accounts(bound),
            trails: Vec::new(),
            policy: crate::archive::consolidate::source::Policy::default(),
        }
    }

    proptest! {
        #[test]
        fn no_object_of_an_account_is_admitted_from_a_source_that_is_not_bound_to_it(
            organization in any::<[bool; 6]>(),
            bound in any::<[bool; 6]>(),
            trusted in any::<[bool; 6]>(),
            owner in proptest::option::of(0..6_usize),
            of in 0..6_usize,
            region in proptest::sample::select(vec!["us-east-1", "eu-west-1", "xx-evil-9"]),
        ) {
            let scope = Scope {
                accounts: accounts(organization),
                regions: ["us-east-1", "eu-west-1"].map(|code| code.parse().unwrap()).into(),
                trusted: accounts(trusted),
            };
            let source = source(owner, bound);
            let admitted = scope.binding(&source).admits(&account(of), &region.parse().unwrap());
            let owner_is_trusted = owner.is_some_and(|owner| trusted[owner]);
            let expected = organization[of]
                && region != "xx-evil-9"
                && (owner == Some(of) || bound[of] || owner_is_trusted);
            prop_assert_eq!(admitted.is_ok(), expected, "{:?}", admitted);
        }

        #[test]
        fn who_reads_a_bucket_does_not_bind_it(of in 0..6_usize) {
            let scope = Scope {
                accounts: accounts([true; 6]),
                regions: ["us-east-1".parse().unwrap()].into(),
                trusted: BTreeSet::new(),
            };
            let source = source(None, [false; 6]);
            let admitted =
                scope.binding(&source).admits(&account(of), &"us-east-1".parse().unwrap());
            prop_assert_eq!(admitted, Err(Unbound::OtherAccount));
        }
    }
}
