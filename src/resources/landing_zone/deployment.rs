//! Which roles are created where, by a stack or a stack set.

use std::collections::BTreeMap;

use serde_json::Value;

use super::waves::{Wave, waves};
use crate::config::Config;
use crate::names::{AccountId, OrgId};
use crate::resources::change::ResourceId;
use crate::resources::roles::{ORGANIZATION_PARAMETER, Role, RoleKind, TRUSTED_PARAMETER, roles};

/// Where a role is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By a stack in the management account, to which stack sets do not deploy.
    Management,
    /// By a stack set, in waves.
    Members(Vec<Wave>),
}

/// A role, and what creates it.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The id of its first step: `role/archive`.
    pub id: ResourceId,
    /// The role.
    pub role: Role,
    /// The name of the stack or stack set.
    pub name: String,
    /// Where it is created.
    pub place: Place,
    /// The CloudFormation template.
    pub template: Value,
}

/// A configuration whose roles cannot be deployed.
#[derive(Debug, thiserror::Error)]
pub enum LandingZoneError {
    /// The role for members has the name of the role that Organizations creates.
    #[error("roles.name is `{0}`, which AWS Organizations creates in new accounts")]
    AccessRole(String),
    /// An account would have two roles of the same name.
    #[error(
        "account {account} needs a role of its own, but its name would be `{name}`, as that of \
         the role in every account"
    )]
    SameName {
        /// The account.
        account: AccountId,
        /// The name of both roles.
        name: String,
        /// A name that it could have.
        suggestion: &'static str,
    },
    /// The role that orgtrail starts with, or assumes first, is in another organization.
    #[error("the role `{0}` has no name")]
    Unnamed(&'static str),
}

impl Deployment {
    /// Whether a stack set creates it.
    #[must_use]
    pub fn waves(&self) -> &[Wave] {
        match &self.place {
            Place::Management => &[],
            Place::Members(waves) => waves,
        }
    }

    /// The parameters of the template, for an organization.
    #[must_use]
    pub fn parameters(
        &self,
        trusted: &crate::names::Arn,
        organization: Option<&OrgId>,
    ) -> BTreeMap<String, String> {
        let mut parameters = BTreeMap::from([(TRUSTED_PARAMETER.to_owned(), trusted.to_string())]);
        if self.role.is_kept_in_organization() {
            let id = organization.map(ToString::to_string).unwrap_or_default();
            parameters.insert(ORGANIZATION_PARAMETER.to_owned(), id);
        }
        parameters
    }
}

/// Every role of the configuration that bootstrap creates, in order: those of the management
/// account first, as the others trust them.
///
/// # Errors
/// Two roles of one account would have the same name.
pub fn deployments(config: &Config) -> Result<Vec<Deployment>, LandingZoneError> {
    let management = &config.organization.management_account;
    let shared = &config.roles.name;
    if *shared == crate::names::RoleName::organization_access() {
        return Err(LandingZoneError::AccessRole(shared.to_string()));
    }
    let mut found = Vec::new();
    for role in roles(config).into_iter().filter(|role| !role.is_policy()) {
        let (Some(template), Some(name)) = (role.template(), role.name.as_ref()) else {
            return Err(LandingZoneError::Unnamed(role.kind.as_str()));
        };
        let is_management = role.account.as_ref() == Some(management);
        if let Some(account) = role.account.as_ref().filter(|_| !is_management)
            && name == shared
        {
            return Err(LandingZoneError::SameName {
                account: account.clone(),
                name: name.to_string(),
                suggestion: match role.kind {
                    RoleKind::Archive => "OrgTrailArchive",
                    RoleKind::Vault => "OrgTrailVault",
                    _ => "OrgTrailAccount",
                },
            });
        }
        let kind = role.kind.as_str();
        let suffix = match &role.account {
            Some(account) if role.kind == RoleKind::Member => format!("{kind}-{account}"),
            _ => kind.to_owned(),
        };
        let id: ResourceId = format!("role/{suffix}").into();
        let place = if is_management {
            Place::Management
        } else {
            Place::Members(waves(config, &id, role.account.as_ref()))
        };
        let name = format!("{}-{suffix}", config.landing_zone.prefix);
        found.push(Deployment { id, role, name, place, template });
    }
    found.sort_by_key(|one| one.place != Place::Management);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        format!("{}{text}", crate::config::SMALLEST).parse().unwrap()
    }

    const NAMED: &str = "[roles]\nname = \"OrgTrailMember\"\n\
                         [roles.accounts.222222222222]\nname = \"OrgTrailArchive\"\n";

    #[test]
    fn the_roles_of_the_management_account_are_stacks_and_come_first() {
        let found = deployments(&parse(NAMED)).unwrap();
        let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), &*one.id)).collect();
        assert_eq!(
            names,
            [
                ("orgtrail-management", "role/management"),
                ("orgtrail-archive", "role/archive"),
                ("orgtrail-member", "role/member"),
            ]
        );
        assert_eq!(found[0].place, Place::Management);
        assert!(found[1..].iter().all(|one| one.waves().len() == 1));
    }

    #[test]
    fn a_name_that_is_taken_in_an_account_is_refused_with_a_suggestion() {
        let error = deployments(&parse("")).unwrap_err().to_string();
        assert!(error.contains("OrganizationAccountAccessRole"), "{error}");
        let shared = parse("[roles]\nname = \"OrgTrailMember\"\n");
        let error = deployments(&shared).unwrap_err();
        assert!(matches!(error, LandingZoneError::SameName { suggestion: "OrgTrailArchive", .. }));
    }
}
