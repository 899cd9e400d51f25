//! What an organization is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    names::{AccountId, OrgId, UnitId},
    sandbox::policy::Document,
};

/// The policy that is attached everywhere to begin with.
pub(in crate::sandbox) const FULL_ACCESS: &str = "p-FullAWSAccess";
/// The type of service control policies.
pub(in crate::sandbox) const SCP: &str = "SERVICE_CONTROL_POLICY";

/// The resource control policy that is attached everywhere, once they are on.
pub(in crate::sandbox) const RCP_FULL_ACCESS: &str = "p-RCPFullAWSAccess";
/// The type of resource control policies.
pub(in crate::sandbox) const RCP: &str = "RESOURCE_CONTROL_POLICY";

/// An organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Organization {
    pub(in crate::sandbox) id: OrgId,
    pub(in crate::sandbox) root: UnitId,
    pub(in crate::sandbox) management_account: AccountId,
    /// Whether all features are on, rather than consolidated billing alone.
    pub(in crate::sandbox) all_features: bool,
    pub(in crate::sandbox) units: BTreeMap<UnitId, Unit>,
    pub(in crate::sandbox) members: BTreeMap<AccountId, Member>,
    /// By id.
    pub(in crate::sandbox) policies: BTreeMap<String, OrganizationPolicy>,
    /// Policy ids by what they are attached to: root, unit or account.
    pub(in crate::sandbox) attachments: BTreeMap<String, BTreeSet<String>>,
    /// Policy types that the root has enabled.
    pub(in crate::sandbox) policy_types: BTreeSet<String>,
    /// Service principals with trusted access, and since when.
    pub(in crate::sandbox) trusted_services: BTreeMap<String, Timestamp>,
    /// Delegated administrators: account, service principal, since when.
    pub(in crate::sandbox) delegated: BTreeMap<AccountId, BTreeMap<String, Timestamp>>,
    /// Accounts made by `CreateAccount`, by request id.
    pub(in crate::sandbox) creations: BTreeMap<String, Creation>,
    /// Tags by what they are on.
    #[serde(default)]
    pub(in crate::sandbox) tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// An organizational unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Unit {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) parent: UnitId,
}

/// An account of the organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Member {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) email: String,
    pub(in crate::sandbox) parent: UnitId,
    pub(in crate::sandbox) joined_at: Timestamp,
    /// Whether it was made here rather than invited.
    pub(in crate::sandbox) created: bool,
    pub(in crate::sandbox) suspended: bool,
}

/// A policy of the organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct OrganizationPolicy {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) description: String,
    /// `SERVICE_CONTROL_POLICY`, …
    pub(in crate::sandbox) kind: String,
    pub(in crate::sandbox) content: Document,
    pub(in crate::sandbox) aws_managed: bool,
}

/// How a `CreateAccount` went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Creation {
    pub(in crate::sandbox) account: AccountId,
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) at: Timestamp,
}

impl Organization {
    /// Whether this account was closed.
    pub(in crate::sandbox) fn is_suspended(&self, account: &AccountId) -> bool {
        self.members.get(account).is_some_and(|member| member.suspended)
    }

    /// The units above something, nearest first, the root last.
    pub(in crate::sandbox) fn ancestors(&self, parent: &UnitId) -> Vec<&UnitId> {
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
    pub(in crate::sandbox) fn path_of(&self, account: &AccountId) -> Option<String> {
        let member = self.members.get(account)?;
        let mut path = format!("{}/", self.id);
        for id in self.ancestors(&member.parent).into_iter().rev() {
            path.push_str(id.as_str());
            path.push('/');
        }
        Some(path)
    }

    /// What a new account or unit begins with.
    pub(in crate::sandbox) fn first_policies(&self) -> BTreeSet<String> {
        let mut first = BTreeSet::from([FULL_ACCESS.to_owned()]);
        if self.policy_types.contains(RCP) {
            first.insert(RCP_FULL_ACCESS.to_owned());
        }
        first
    }

    /// The SCPs that bind an account, level by level; at every level one must
    /// allow. None where SCPs are off or the account is no member.
    pub(in crate::sandbox) fn scps_of(
        &self,
        account: &AccountId,
    ) -> Vec<impl Iterator<Item = &Document>> {
        self.controls_of(account, SCP)
    }

    /// The RCPs that bind an account's resources, level by level: none may deny.
    pub(in crate::sandbox) fn rcps_of(
        &self,
        account: &AccountId,
    ) -> Vec<impl Iterator<Item = &Document>> {
        self.controls_of(account, RCP)
    }

    fn controls_of(
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
