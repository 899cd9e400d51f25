//! What an organization is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, OrgId, UnitId};
use serde::{Deserialize, Serialize};

use super::handshakes::Handshake;
use crate::policy::Document;
use crate::services::cloudformation::OrganizationsAccess;

/// The policy that is attached everywhere to begin with.
pub(crate) const FULL_ACCESS: &str = "p-FullAWSAccess";
/// The type of service control policies.
pub(crate) const SCP: &str = "SERVICE_CONTROL_POLICY";

/// The resource control policy that is attached everywhere, once they are on.
pub(crate) const RCP_FULL_ACCESS: &str = "p-RCPFullAWSAccess";
/// The type of resource control policies.
pub(crate) const RCP: &str = "RESOURCE_CONTROL_POLICY";

/// An organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Organization {
    pub(crate) id: OrgId,
    pub(crate) root: UnitId,
    pub(crate) management_account: AccountId,
    /// Whether all features are on, rather than consolidated billing alone.
    pub(crate) all_features: bool,
    pub(crate) units: BTreeMap<UnitId, Unit>,
    pub(crate) members: BTreeMap<AccountId, Member>,
    /// By id.
    pub(crate) policies: BTreeMap<String, OrganizationPolicy>,
    /// Policy ids by what they are attached to: root, unit or account.
    pub(crate) attachments: BTreeMap<String, BTreeSet<String>>,
    /// Policy types that the root has enabled.
    pub(crate) policy_types: BTreeSet<String>,
    /// Service principals with trusted access, and since when.
    pub(crate) trusted_services: BTreeMap<String, Timestamp>,
    /// Delegated administrators: account, service principal, since when.
    pub(crate) delegated: BTreeMap<AccountId, BTreeMap<String, Timestamp>>,
    /// Accounts made by `CreateAccount`, by request id.
    pub(crate) creations: BTreeMap<String, Creation>,
    /// Features of centralized root access that are on.
    #[serde(default)]
    pub(crate) root_features: BTreeSet<String>,
    /// Invitations, by id.
    #[serde(default)]
    pub(crate) handshakes: BTreeMap<String, Handshake>,
    /// Tags by what they are on.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether `StackSets` may work in it.
    #[serde(default)]
    pub(crate) stacksets: OrganizationsAccess,
    /// Until when it is being set up and takes no accounts.
    #[serde(default)]
    pub(crate) finalizing_until: Option<Timestamp>,
}

/// An organizational unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) parent: UnitId,
}

/// An account of the organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) parent: UnitId,
    pub(crate) joined_at: Timestamp,
    /// Whether it was made here rather than invited.
    pub(crate) created: bool,
    pub(crate) suspended: bool,
    /// From when on the organization's trails are in it; none where they always were.
    #[serde(default)]
    pub(crate) trails_from: Option<Timestamp>,
    /// When it was closed.
    #[serde(default)]
    pub(crate) closed_at: Option<Timestamp>,
}

/// A policy of the organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrganizationPolicy {
    pub(crate) name: String,
    pub(crate) description: String,
    /// `SERVICE_CONTROL_POLICY`, …
    pub(crate) kind: String,
    pub(crate) content: Document,
    pub(crate) aws_managed: bool,
}

/// How a `CreateAccount` went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Creation {
    /// The account; none where it failed.
    pub(crate) account: Option<AccountId>,
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    /// Why it failed: `EMAIL_ALREADY_EXISTS`.
    #[serde(default)]
    pub(crate) failure: Option<String>,
}

impl Organization {
    /// The accounts directly below a root or unit.
    pub(super) fn accounts_in(&self, parent: &UnitId) -> impl Iterator<Item = &AccountId> {
        let members = self.members.iter().filter(move |(_, member)| member.parent == *parent);
        members.map(|(id, _)| id)
    }

    /// The units directly below a root or unit.
    pub(super) fn units_in(&self, parent: &UnitId) -> impl Iterator<Item = &UnitId> {
        let units = self.units.iter().filter(move |(_, unit)| unit.parent == *parent);
        units.map(|(id, _)| id)
    }
    /// Whether this account was closed.
    pub(crate) fn is_suspended(&self, account: &AccountId) -> bool {
        self.members.get(account).is_some_and(|member| member.suspended)
    }

    /// The units above something, nearest first, the root last.
    pub(crate) fn ancestors(&self, parent: &UnitId) -> Vec<&UnitId> {
        let mut path = Vec::new();
        let mut at = parent;
        while let Some((id, unit)) = self.units.get_key_value(at) {
            path.push(id);
            at = &unit.parent;
        }
        path.push(&self.root);
        path
    }

    /// What `aws:PrincipalOrgPaths` gives: `o-…/r-…/ou-…/`.
    pub(crate) fn path_of(&self, account: &AccountId) -> Option<String> {
        let member = self.members.get(account)?;
        let mut path = format!("{}/", self.id);
        for id in self.ancestors(&member.parent).into_iter().rev() {
            path.push_str(id.as_str());
            path.push('/');
        }
        Some(path)
    }

    /// What a new account or unit begins with.
    pub(crate) fn first_policies(&self) -> BTreeSet<String> {
        let mut first = BTreeSet::from([FULL_ACCESS.to_owned()]);
        if self.policy_types.contains(RCP) {
            first.insert(RCP_FULL_ACCESS.to_owned());
        }
        first
    }

    /// The policies of a kind that bind an account, level by level; none where the kind is
    /// off or the account is no member. At every level one SCP must allow, and no RCP may
    /// deny.
    pub(crate) fn controls_of(
        &self,
        account: &AccountId,
        kind: &'static str,
    ) -> Vec<impl Iterator<Item = &Document>> {
        let Some(member) = self.members.get(account) else { return Vec::new() };
        if !self.policy_types.contains(kind) {
            return Vec::new();
        }
        let units = self.ancestors(&member.parent).into_iter().map(UnitId::as_str);
        units
            .chain(std::iter::once(account.as_str()))
            .map(move |target| {
                self.attachments.get(target).into_iter().flatten().filter_map(move |id| {
                    self.policies
                        .get(id)
                        .filter(|policy| policy.kind == kind)
                        .map(|policy| &policy.content)
                })
            })
            .collect()
    }
}
