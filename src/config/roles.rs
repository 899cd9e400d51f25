use std::collections::BTreeMap;

use super::section::section;
use crate::names::{AccountId, Arn, ExternalId, Partition, RoleName, RolePath, SessionName};

section! {
    /// The roles that orgtrail assumes.
    pub struct Roles {
        /// The role to assume in each member account. The default is the role that AWS
        /// Organizations creates in new accounts.
        name: RoleName = default(RoleName::organization_access()),
        /// That role's path.
        path: RolePath = default(RolePath::default()),
        /// The external id that the members' trust policies require.
        external_id: Option<ExternalId> = default(None::<ExternalId>),
        /// The session name of orgtrail's calls in the trails.
        session_name: SessionName = default(SessionName::default()),
        /// A role to assume first, from which the members' roles are assumed, if your
        /// credentials cannot assume them directly.
        hub: Option<Arn> = default(None::<Arn>),
        /// Settings for single accounts, by account id.
        accounts: BTreeMap<AccountId, MemberRole> =
            default(BTreeMap::<AccountId, MemberRole>::new()),
    }
}

section! {
    /// The role in one account; keys that are not set use the value of `[roles]`.
    pub struct MemberRole {
        /// The role's name in this account.
        name: Option<RoleName> = default(None::<RoleName>),
        /// The role's path in this account.
        path: Option<RolePath> = default(None::<RolePath>),
        /// The external id for this account.
        external_id: Option<ExternalId> = default(None::<ExternalId>),
    }
}

impl Default for Roles {
    /// As an empty `[roles]` says.
    fn default() -> Self {
        Self {
            name: RoleName::organization_access(),
            path: RolePath::default(),
            external_id: None,
            session_name: SessionName::default(),
            hub: None,
            accounts: BTreeMap::new(),
        }
    }
}

impl Roles {
    /// The ARN of the role to assume in an account.
    #[must_use]
    pub fn arn_in(&self, partition: Partition, account: &AccountId) -> Arn {
        let own = self.accounts.get(account);
        let name = own.and_then(|own| own.name.as_ref()).unwrap_or(&self.name);
        let path = own.and_then(|own| own.path.as_ref()).unwrap_or(&self.path);
        Arn::global(partition, "iam", account, format!("role{path}{name}"))
    }

    /// The external id to give when assuming the role in an account.
    #[must_use]
    pub fn external_id_for(&self, account: &AccountId) -> Option<&ExternalId> {
        let own = self.accounts.get(account).and_then(|own| own.external_id.as_ref());
        own.or(self.external_id.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_its_own_kind_is_entered_its_own_way() {
        let ordinary: AccountId = "333333333333".parse().unwrap();
        let special: AccountId = "444444444444".parse().unwrap();
        let roles = Roles {
            name: RoleName::organization_access(),
            path: RolePath::default(),
            external_id: Some("common".parse().unwrap()),
            session_name: SessionName::default(),
            hub: None,
            accounts: BTreeMap::from([(
                special.clone(),
                MemberRole {
                    name: Some("Audit".parse().unwrap()),
                    path: Some("/org/".parse().unwrap()),
                    external_id: None,
                },
            )]),
        };
        assert_eq!(
            roles.arn_in(Partition::Aws, &ordinary).to_string(),
            "arn:aws:iam::333333333333:role/OrganizationAccountAccessRole"
        );
        assert_eq!(
            roles.arn_in(Partition::AwsCn, &special).to_string(),
            "arn:aws-cn:iam::444444444444:role/org/Audit"
        );
        assert_eq!(roles.external_id_for(&special).unwrap().as_str(), "common");
    }
}
