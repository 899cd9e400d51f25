//! The roles that orgtrail works with, generated from the configuration: what each may do,
//! limited to the buckets, keys, trails, topics, log groups and roles that it declares.
//!
//! A statement is a [`Grant`], with the reason for it. A test runs every command under exactly
//! these roles (`tests/it/roles.rs`) and fails on a statement, action or resource that nothing
//! uses; another one compares them with the actions that resources declare.

mod archive;
mod athena;
mod bootstrap;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod example;
mod grant;
mod hub;
mod log_keys;
mod member;
mod new_accounts;
mod notify;
mod rounds;
mod state;
mod template;

use std::collections::BTreeSet;

pub use grant::Grant;
use grant::Scope;
pub use rounds::round_grants;
pub(crate) use template::{ORGANIZATION as ORGANIZATION_PARAMETER, TRUSTED as TRUSTED_PARAMETER};

use crate::config::Config;
use crate::names::{AccountId, Arn, ExternalId, OrgId, Partition, RoleName, RolePath};
use crate::policy::{PolicyDocument, Statement};

/// The name of the management account's role, where the configuration does not name it: the
/// account that orgtrail is started in is not assumed into.
const MANAGEMENT: &str = "OrgTrailManagement";

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleKind {
    /// Runs `orgtrail bootstrap` in the management account, and is not needed afterwards.
    Bootstrap,
    /// Starts orgtrail outside of the management account and assumes the hub role: only where
    /// `roles.hub` is declared.
    Runner,
    /// Assumes the roles in all accounts: only where `roles.hub` is declared.
    Hub,
    /// In the management account. Without `roles.hub`, orgtrail is started as this role.
    Management,
    /// In the log-archive account.
    Archive,
    /// In the account of the bucket that the archive replicates into.
    Vault,
    /// In every other account.
    Member,
}

/// A role that orgtrail works with.
#[derive(Debug, Clone)]
pub struct Role {
    /// What it is for.
    pub kind: RoleKind,
    /// Its account; absent where it is for every account without a role of its own.
    pub account: Option<AccountId>,
    /// Its name; absent for the runner, which may be a user or a role of any name.
    pub name: Option<RoleName>,
    /// Its path.
    pub path: RolePath,
    /// The external id that its trust policy asks for.
    pub external_id: Option<ExternalId>,
    /// Who may assume it, where the configuration says so.
    pub trusted: Option<Arn>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// The policy that bounds its permissions.
    pub boundary: Option<RoleName>,
    /// Whether orgtrail starts with it, so that no other role of orgtrail assumes it.
    is_entry: bool,
    partition: Partition,
}

impl RoleKind {
    /// Every kind, in the order in which roles are assumed.
    pub const ALL: [Self; 7] = [
        Self::Bootstrap,
        Self::Runner,
        Self::Hub,
        Self::Management,
        Self::Archive,
        Self::Vault,
        Self::Member,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Runner => "runner",
            Self::Hub => "hub",
            Self::Management => "management",
            Self::Archive => "archive",
            Self::Vault => "vault",
            Self::Member => "member",
        }
    }

    /// What a role of this kind is for, in a sentence.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Bootstrap => {
                "Runs `orgtrail bootstrap` in the management account; not needed afterwards"
            }
            Self::Runner => "Starts orgtrail outside of the management account",
            Self::Hub => "Assumes orgtrail's roles in all accounts of the organization",
            Self::Management => "orgtrail in the management account",
            Self::Archive => "orgtrail in the log-archive account",
            Self::Vault => "orgtrail in the account of the bucket that the archive replicates into",
            Self::Member => {
                "orgtrail in every other account: reads, restores and retires legacy trails"
            }
        }
    }
}

/// The roles that a configuration needs: the permissions to bootstrap them, the runner's permissions and the hub where it declares
/// a hub, the management account's, the log-archive account's, the vault's where it is in an
/// account of its own, those of accounts that it lists, and the one for all other accounts.
#[must_use]
pub fn roles(config: &Config) -> Vec<Role> {
    let management = &config.organization.management_account;
    let archive = &config.organization.log_archive_account;
    let vault = config.archive.replication.as_ref().map(|vault| &vault.account);
    let mut roles = Vec::new();
    if let Some(hub) = &config.roles.hub {
        let mut runner = grants(config, None);
        runner.push(hub::assume_hub(&hub.to_string()));
        runner.extend(log_keys::mac(config));
        runner.extend(state_of_caller(config));
        roles.push(Role::new(config, RoleKind::Runner, None, runner));
        let assume = vec![hub::assume_roles(&Scope { config, account: None })];
        roles.push(Role::new(config, RoleKind::Hub, hub.account.as_ref(), assume));
    }
    let kind = |account: &AccountId| match account {
        one if one == management => RoleKind::Management,
        one if one == archive => RoleKind::Archive,
        one if Some(one) == vault => RoleKind::Vault,
        _ => RoleKind::Member,
    };
    let declared = [Some(management), Some(archive), vault].into_iter().flatten();
    let key_owner = config.key.arn.as_ref().and_then(|arn| arn.account.as_ref());
    let readers = config.consolidate.sources.iter().map(|source| &source.account);
    let accounts: BTreeSet<(RoleKind, &AccountId)> = declared
        .chain(key_owner)
        .chain(readers)
        .chain(config.roles.accounts.keys())
        .chain(notify::accounts(config))
        .chain(state::owner(config))
        .chain(athena::account(config))
        .map(|account| (kind(account), account))
        .collect();
    roles.extend(accounts.into_iter().map(|(kind, account)| {
        Role::new(config, kind, Some(account), grants(config, Some(account)))
    }));
    roles.push(Role::new(config, RoleKind::Member, None, grants(config, None)));
    let read = bootstrap::read(&Scope { config, account: Some(management) }, &roles);
    let manager = roles.iter_mut().find(|role| role.kind == RoleKind::Management);
    if let Some(role) = manager {
        role.grants.extend(read.iter().cloned());
    }
    let assumed = |role: &&mut Role| !matches!(role.kind, RoleKind::Runner | RoleKind::Hub);
    roles.iter_mut().filter(assumed).for_each(Role::let_simulate_itself);
    let bootstrap = bootstrap::grants(&Scope { config, account: None }, &roles);
    roles.insert(0, Role::new(config, RoleKind::Bootstrap, Some(management), bootstrap));
    roles
}

/// What the role in an account may do; without one, in every account that is not declared.
fn grants(config: &Config, account: Option<&AccountId>) -> Vec<Grant> {
    let scope = Scope { config, account };
    let mut grants = member::grants(&scope);
    if scope.is_in(scope.management()) {
        grants.extend(hub::grants(&scope));
        if config.roles.hub.is_none() {
            grants.push(hub::assume_roles(&scope));
            grants.extend(log_keys::mac(config));
            grants.extend(state_of_caller(config));
        }
    }
    if scope.is_in(scope.archive()) {
        grants.extend(archive::grants(&scope));
        grants.extend(state::configure(&scope));
    }
    if config.archive.replication.as_ref().is_some_and(|vault| scope.is_in(&vault.account)) {
        grants.extend(archive::vault(&scope));
    }
    grants.extend(log_keys::grants(&scope));
    if account.is_some() && account == athena::account(config) {
        grants.extend(athena::grants(&scope));
    }
    if account.is_some() {
        grants.extend(notify::grants(&scope));
        if account == state::owner(config) {
            grants.extend(state::write(&scope));
        }
    }
    grants
}

/// Writing the state, where its bucket is in the account that orgtrail is started in.
fn state_of_caller(config: &Config) -> Option<Grant> {
    state::write(&Scope { config, account: None }).filter(|_| state::owner(config).is_none())
}

/// A statement on a role that an AWS service assumes.
fn service_role(sid: &str, role: &str) -> Grant {
    Grant::new(
        sid,
        [
            "iam:CreateRole",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:PutRolePolicy",
            "iam:UpdateAssumeRolePolicy",
        ],
        [role],
        "Creates and configures the role that the service assumes, and no other role.",
    )
}

impl Role {
    fn new(
        config: &Config,
        kind: RoleKind,
        account: Option<&AccountId>,
        grants: Vec<Grant>,
    ) -> Self {
        let roles = &config.roles;
        let hub = roles.hub.as_ref();
        let name_in = |arn: &Arn| arn.resource_name().rsplit('/').next()?.parse().ok();
        let own = account.and_then(|account| roles.accounts.get(account));
        let own_name = own.and_then(|own| own.name.clone());
        let own_path = own.and_then(|own| own.path.clone());
        let is_start = kind == RoleKind::Management && hub.is_none();
        let is_policy = matches!(kind, RoleKind::Bootstrap | RoleKind::Runner);
        let (name, path) = match kind {
            RoleKind::Bootstrap | RoleKind::Runner => (None, RolePath::default()),
            RoleKind::Hub => (hub.and_then(name_in), hub.and_then(path_of).unwrap_or_default()),
            _ if is_start => {
                (own_name.or_else(|| MANAGEMENT.parse().ok()), own_path.unwrap_or_default())
            }
            _ => (
                own_name.or_else(|| Some(roles.name.clone())),
                own_path.unwrap_or_else(|| roles.path.clone()),
            ),
        };
        let external_id = match account {
            Some(account) => roles.external_id_for(account),
            None => roles.external_id.as_ref(),
        };
        let trusted = match kind {
            RoleKind::Bootstrap | RoleKind::Runner => None,
            RoleKind::Hub => config.landing_zone.trusted_principal.clone(),
            _ if is_start => config.landing_zone.trusted_principal.clone(),
            _ => hub.cloned().or_else(|| start(config)),
        };
        Self {
            kind,
            account: account.cloned(),
            name,
            path,
            external_id: external_id.filter(|_| !is_policy && !is_start).cloned(),
            trusted,
            grants,
            boundary: config.landing_zone.permissions_boundary.clone().filter(|_| !is_policy),
            is_entry: is_start || kind == RoleKind::Hub,
            partition: config.partition(),
        }
    }

    /// Lets it compare what it may do with what it should.
    fn let_simulate_itself(&mut self) {
        let account = self.account.as_ref().map_or("*", AccountId::as_str);
        let name = self.name.as_ref().map_or("*", RoleName::as_str);
        let own = format!("arn:{}:iam::{account}:role{}{name}", self.partition, self.path);
        self.grants.push(Grant::new(
            "SimulateItself",
            ["iam:SimulatePrincipalPolicy"],
            [own],
            "Finds the permissions that this role lacks (`orgtrail doctor`).",
        ));
    }

    /// The role's ARN, where its account and name are known.
    #[must_use]
    pub fn arn(&self) -> Option<Arn> {
        let (account, name) = (self.account.as_ref()?, self.name.as_ref()?);
        Some(Arn::global(self.partition, "iam", account, format!("role{}{name}", self.path)))
    }

    /// Its permissions.
    #[must_use]
    pub fn policy(&self) -> PolicyDocument {
        PolicyDocument::new(self.grants.iter().map(|grant| grant.statement.clone()).collect())
    }

    /// Whether it is a policy for a user or role of any name, rather than a role that orgtrail
    /// names.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        matches!(self.kind, RoleKind::Bootstrap | RoleKind::Runner)
    }

    /// Whether only principals of the organization may assume it: all but the role that
    /// orgtrail starts with, which may be assumed from elsewhere.
    #[must_use]
    pub fn is_kept_in_organization(&self) -> bool {
        !self.is_entry
    }

    /// Its trust policy, for a principal that may assume it, and for the organization that
    /// the principal must belong to.
    ///
    /// The trusted role is compared by its ARN, and the account is what is trusted: a policy
    /// that names a role is bound to its unique id, so it would not trust one that was deleted
    /// and created again.
    #[must_use]
    pub fn trust(&self, trusted: &Arn, organization: Option<&OrgId>) -> PolicyDocument {
        let allow = Statement::allow("AssumeRole").actions(["sts:AssumeRole"]);
        let account = trusted.account.as_ref().filter(|_| !self.is_entry);
        let mut statement = match account {
            None => allow.principals([trusted.to_string()]),
            Some(account) => allow
                .principals([Arn::global(self.partition, "iam", account, "root").to_string()])
                .when("ArnEquals", "aws:PrincipalArn", [trusted.to_string()]),
        };
        if let Some(id) = organization.filter(|_| !self.is_entry) {
            statement = statement.when("StringEquals", "aws:PrincipalOrgID", [id.as_str()]);
        }
        if let Some(id) = &self.external_id {
            statement = statement.when("StringEquals", "sts:ExternalId", [id.as_str()]);
        }
        PolicyDocument::new(vec![statement])
    }

    /// A CloudFormation template that creates it; absent for the runner and for bootstrap.
    #[must_use]
    pub fn template(&self) -> Option<serde_json::Value> {
        template::of(self)
    }
}

/// The management account's role, as which orgtrail is started without a hub.
fn start(config: &Config) -> Option<Arn> {
    let management = &config.organization.management_account;
    Role::new(config, RoleKind::Management, Some(management), Vec::new()).arn()
}

/// The path in a role's ARN.
fn path_of(arn: &Arn) -> Option<RolePath> {
    let (path, _) = arn.resource.strip_prefix("role")?.rsplit_once('/')?;
    format!("{path}/").parse().ok()
}

#[cfg(test)]
mod tests;
