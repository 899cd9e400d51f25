//! The list of `orgtrail config roles`.
//!
//! A single role is printed as IAM and CloudFormation read it: `--part policy`, `trust` and
//! `template` are AWS's formats, not documents of orgtrail.

use schemars::JsonSchema;
use serde::Serialize;

use super::mirror;
use crate::names::{AccountId, Arn, ExternalId, RoleName, RolePath};
use crate::policy::PolicyDocument;
use crate::resources::roles;

/// The IAM roles that the configuration needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct List {
    /// The roles, in the order in which they are assumed.
    pub roles: Vec<Role>,
}

mirror! {
    /// What a role is for.
    Kind of roles::RoleKind {
        /// Runs `orgtrail bootstrap`; not needed afterwards.
        Bootstrap,
        /// Runs orgtrail outside the management account, if `roles.hub` is set.
        Runner,
        /// Assumes the roles in all accounts, if `roles.hub` is set.
        Hub,
        /// In the management account.
        Management,
        /// In the log-archive account.
        Archive,
        /// In the account of the vault.
        Vault,
        /// In every other account.
        Member,
    }
}

/// A role.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Role {
    /// What it is for.
    pub role: Kind,
    /// Its account; null where every account without a role of its own needs it.
    pub account: Option<AccountId>,
    /// Its name; null where the name does not matter.
    pub name: Option<RoleName>,
    /// Its path.
    pub path: RolePath,
    /// The external id that its trust policy requires.
    pub external_id: Option<ExternalId>,
    /// The ARN that may assume it, if the configuration names one.
    pub trusted_principal: Option<Arn>,
    /// Its permissions, as an IAM policy document.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub policy: PolicyDocument,
}

impl From<&roles::Role> for Role {
    fn from(role: &roles::Role) -> Self {
        Self {
            role: role.kind.into(),
            account: role.account.clone(),
            name: role.name.clone(),
            path: role.path.clone(),
            external_id: role.external_id.clone(),
            trusted_principal: role.trusted.clone(),
            policy: role.policy(),
        }
    }
}

impl List {
    /// The list of all roles.
    #[must_use]
    pub fn new(roles: &[roles::Role]) -> Self {
        Self { roles: roles.iter().map(Role::from).collect() }
    }
}
