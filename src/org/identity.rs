//! Who orgtrail is signed in as, and whether that fits the configuration.

use std::fmt;

use super::organization::{Head, head};
use crate::aws::{At as _, Aws, AwsError, Clients, Endpoint};
use crate::config::Config;
use crate::names::{AccountId, Arn, OrgId, Partition};

/// Who orgtrail is signed in as, in which organization, and where.
///
/// With a configuration, only the checks below create one, as proof that they passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whom the credentials belong to: an ARN.
    pub caller: Arn,
    /// The organization; absent where it is not known.
    pub organization: Option<OrgId>,
    /// The account that manages it.
    pub management_account: Option<AccountId>,
    /// Where calls go: `AWS`, or what replaces it.
    pub endpoint: Endpoint,
    /// Whether an orgtrail sandbox answers.
    pub sandbox: bool,
}

/// Whose credentials a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The management account's, or those of a principal that may assume its role.
    Management,
    /// Those of any account of the organization: what is read is the archive.
    Member,
}

/// Credentials that do not match the configuration, or cannot be identified.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The organization is managed by another account.
    #[error(
        "signed in as {caller} ({endpoint}) in {organization}, whose management account is {found}, expected {expected}"
    )]
    OtherManagement {
        /// The caller's account.
        caller: AccountId,
        /// Where calls go.
        endpoint: Endpoint,
        /// The organization that was found.
        organization: OrgId,
        /// Who manages it.
        found: AccountId,
        /// Who the configuration says does.
        expected: AccountId,
    },
    /// The caller is in no organization.
    #[error(
        "signed in as {caller} ({endpoint}), which is in no organization, expected management account {expected}"
    )]
    NoOrganization {
        /// The caller's account.
        caller: AccountId,
        /// Where calls go.
        endpoint: Endpoint,
        /// The management account of the configuration.
        expected: AccountId,
    },
    /// The credentials are of another partition.
    #[error(
        "signed in as {caller} in partition {found}, the configuration's Regions are in {expected}"
    )]
    OtherPartition {
        /// The caller's account.
        caller: AccountId,
        /// The partition of the caller's ARN.
        found: Partition,
        /// That of the configuration.
        expected: Partition,
    },
    /// An account of the configuration is in no, or in another, organization.
    #[error("{account} ({key}) is not an account of {organization}")]
    NotAMember {
        /// The account.
        account: AccountId,
        /// The configuration's key that names it.
        key: &'static str,
        /// The organization.
        organization: OrgId,
    },
    /// The management account's credentials are needed.
    #[error(
        "signed in as {caller}, {what} of {organization}: this command needs credentials of the \
         management account {management}"
    )]
    NeedsManagement {
        /// The caller's account.
        caller: AccountId,
        /// What the caller is: a delegated administrator, or a member.
        what: &'static str,
        /// The organization.
        organization: OrgId,
        /// The management account.
        management: AccountId,
        /// Why its role could not be assumed.
        cause: AwsError,
    },
    /// The credentials are of another account than the management account.
    #[error(
        "signed in as {caller} ({endpoint}), expected the management account {management}: \
         bootstrap creates the roles, so none can be assumed yet"
    )]
    OtherAccount {
        /// The caller's account.
        caller: AccountId,
        /// Where calls go.
        endpoint: Endpoint,
        /// The management account of the configuration.
        management: AccountId,
    },
    /// The organization is unreadable.
    #[error("signed in as {caller}; cannot read the organization")]
    Unreadable {
        /// The caller's account.
        caller: AccountId,
        /// Why.
        #[source]
        cause: AwsError,
    },
    /// An account that the command works in cannot be signed in to.
    #[error("signed in as {caller}; cannot sign in to account {account} ({key})")]
    Closed {
        /// The caller's account.
        caller: AccountId,
        /// The account.
        account: AccountId,
        /// The configuration's key that names it.
        key: &'static str,
        /// Why.
        #[source]
        cause: AwsError,
    },
}

impl Identity {
    /// Compares the caller, its organization and the organization's accounts with the
    /// configuration.
    ///
    /// # Errors
    /// They do not fit, or cannot be read.
    pub async fn validate(aws: &Aws, config: &Config, needs: Needs) -> Result<Self, IdentityError> {
        let identity = Self::in_organization(aws, config, needs, None).await?;
        let clients = match needs {
            Needs::Management => {
                aws.clients(&config.organization.management_account, aws.home_region())
            }
            Needs::Member => aws.own_clients(),
        };
        identity.refuse(missing_member(&clients, config).await)?;
        Ok(identity)
    }

    /// Compares the caller and its organization with the configuration, before any role is
    /// assumed but the management account's. `found` is the caller's organization, if it was
    /// read.
    ///
    /// # Errors
    /// They do not fit, or cannot be read.
    pub(crate) async fn in_organization(
        aws: &Aws,
        config: &Config,
        needs: Needs,
        found: Option<Head>,
    ) -> Result<Self, IdentityError> {
        let caller = &aws.caller().account;
        let declared = &config.organization;
        let expected = &declared.management_account;
        if aws.partition() != config.partition() {
            let (caller, found) = (caller.clone(), aws.partition());
            return Err(IdentityError::OtherPartition {
                caller,
                found,
                expected: config.partition(),
            });
        }
        let own = aws.own_clients();
        // A hub's role may be assumed from an account of another organization, or of none; then
        // only the hub's own organization can be compared.
        let through_hub = config.roles.hub.is_some() && caller != expected;
        let check = |found: Head| {
            if found.management_account == *expected {
                return Ok(found);
            }
            Err(IdentityError::OtherManagement {
                caller: caller.clone(),
                endpoint: aws.endpoint().clone(),
                organization: found.id,
                found: found.management_account,
                expected: expected.clone(),
            })
        };
        let unreadable = |cause| IdentityError::Unreadable { caller: caller.clone(), cause };
        let seen = match head_unless(found, &own).await {
            Ok(found) if through_hub && found.management_account != *expected => None,
            Ok(found) => Some(check(found)?),
            Err(error) if is_in_none(&error) && !through_hub => {
                return Err(IdentityError::NoOrganization {
                    caller: caller.clone(),
                    endpoint: aws.endpoint().clone(),
                    expected: expected.clone(),
                });
            }
            // The caller is already in the management account.
            Err(error) if caller == expected => return Err(unreadable(error)),
            Err(error) if is_in_none(&error) || is_denied(&error) => None,
            Err(error) => return Err(unreadable(error)),
        };
        let management = aws.clients(expected, aws.home_region());
        let seen = match (seen, needs) {
            (Some(seen), Needs::Member) => seen,
            (Some(seen), Needs::Management) if caller == expected => seen,
            (seen, _) => match head(&management).await {
                Ok(found) => check(found)?,
                Err(cause) => {
                    return Err(match seen {
                        Some(seen) => IdentityError::NeedsManagement {
                            caller: caller.clone(),
                            what: if declared.delegated_administrators.contains(caller) {
                                "a delegated administrator"
                            } else {
                                "a member account"
                            },
                            organization: seen.id,
                            management: expected.clone(),
                            cause,
                        },
                        None => unreadable(cause),
                    });
                }
            },
        };
        Ok(Self {
            caller: aws.caller().arn.clone(),
            organization: Some(seen.id),
            management_account: Some(seen.management_account),
            endpoint: aws.endpoint().clone(),
            sandbox: aws.is_sandbox(),
        })
    }

    /// Refuses an account of the configuration that is missing in the organization.
    ///
    /// # Errors
    /// There is one.
    pub(crate) fn refuse(&self, missing: Option<MissingMember>) -> Result<(), IdentityError> {
        match (missing, self.organization.clone()) {
            (Some(MissingMember { key, account }), Some(organization)) => {
                Err(IdentityError::NotAMember { account, key, organization })
            }
            _ => Ok(()),
        }
    }

    /// Compares the caller with the management account of the configuration, where there may be
    /// no organization yet.
    ///
    /// # Errors
    /// The caller is in another account or partition, another account manages the organization,
    /// or it cannot be read.
    pub(crate) async fn validate_manager(
        aws: &Aws,
        config: &Config,
        found: Option<Head>,
    ) -> Result<Self, IdentityError> {
        let caller = &aws.caller().account;
        let expected = &config.organization.management_account;
        if aws.partition() != config.partition() {
            let (found, expected) = (aws.partition(), config.partition());
            let caller = caller.clone();
            return Err(IdentityError::OtherPartition { caller, found, expected });
        }
        if caller != expected {
            return Err(IdentityError::OtherAccount {
                caller: caller.clone(),
                endpoint: aws.endpoint().clone(),
                management: expected.clone(),
            });
        }
        let found = match head_unless(found, &aws.own_clients()).await {
            Ok(found) => Some(found),
            Err(error) if is_in_none(&error) => None,
            Err(cause) => {
                return Err(IdentityError::Unreadable { caller: caller.clone(), cause });
            }
        };
        if let Some(found) = found.as_ref().filter(|it| it.management_account != *expected) {
            return Err(IdentityError::OtherManagement {
                caller: caller.clone(),
                endpoint: aws.endpoint().clone(),
                organization: found.id.clone(),
                found: found.management_account.clone(),
                expected: expected.clone(),
            });
        }
        let (organization, management_account) =
            found.map(|found| (found.id, found.management_account)).unzip();
        Ok(Self {
            caller: aws.caller().arn.clone(),
            organization,
            management_account,
            endpoint: aws.endpoint().clone(),
            sandbox: aws.is_sandbox(),
        })
    }

    /// The caller and its organization, as far as it may know of one, where no
    /// configuration says what they should be.
    pub(crate) async fn of_caller(aws: &Aws, found: Option<Head>) -> Self {
        let found = head_unless(found, &aws.own_clients()).await.ok();
        let (organization, management_account) =
            found.map(|found| (found.id, found.management_account)).unzip();
        Self {
            caller: aws.caller().arn.clone(),
            organization,
            management_account,
            endpoint: aws.endpoint().clone(),
            sandbox: aws.is_sandbox(),
        }
    }
}

impl fmt::Display for Identity {
    /// One line: `signed in as …, organization … (management account …), endpoint …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sandbox {
            f.write_str("SANDBOX: ")?;
        }
        write!(f, "signed in as {}", self.caller)?;
        if let (Some(id), Some(management)) = (&self.organization, &self.management_account) {
            write!(f, ", organization {id} (management account {management})")?;
        }
        write!(f, ", endpoint {}", self.endpoint)
    }
}

/// Signs in to the account that owns the archive, so that a denied role is one error
/// instead of one for each resource.
///
/// # Errors
/// Its role cannot be assumed.
pub async fn enter_archive(aws: &Aws, config: &Config) -> Result<(), IdentityError> {
    let account = &config.organization.log_archive_account;
    match aws.begin_session_in(account).await {
        Ok(_) => Ok(()),
        Err(cause) => {
            let (caller, account) = (aws.caller().account.clone(), account.clone());
            Err(IdentityError::Closed { caller, account, key: ARCHIVE, cause })
        }
    }
}

const ARCHIVE: &str = "organization.log_archive_account";

/// The accounts of the configuration that must be in the organization, by key.
fn declared(config: &Config) -> Vec<(&'static str, &AccountId)> {
    let organization = &config.organization;
    let mut declared = vec![(ARCHIVE, &organization.log_archive_account)];
    declared.extend(organization.audit_account.iter().map(|id| ("organization.audit_account", id)));
    let delegated = organization.delegated_administrators.iter();
    declared.extend(delegated.map(|id| ("organization.delegated_administrators", id)));
    let vault = config.archive.replication.iter();
    declared.extend(vault.map(|vault| ("archive.replication.account", &vault.account)));
    declared.retain(|(_, id)| **id != organization.management_account);
    declared
}

/// An account of the configuration that is not one of the organization.
#[derive(Debug)]
pub(crate) struct MissingMember {
    /// The configuration's key that names it.
    key: &'static str,
    account: AccountId,
}

/// Looks up the accounts of the configuration in the clients' organization. An account that may
/// not be looked up is unknown; signing in to it shows the problem.
pub(crate) async fn missing_member(clients: &Clients, config: &Config) -> Option<MissingMember> {
    let asked = declared(config).into_iter().map(|(key, account)| async move {
        const ACTION: &str = "organizations:DescribeAccount";
        let call = clients.organizations().describe_account().account_id(account.as_str());
        match call.send().await.at(clients, ACTION) {
            Err(error) if error.is_code("AccountNotFoundException") => {
                Some(MissingMember { key, account: account.clone() })
            }
            _ => None,
        }
    });
    futures::future::join_all(asked).await.into_iter().flatten().next()
}

/// The organization that was read while the caller was, or else reads it.
async fn head_unless(found: Option<Head>, clients: &Clients) -> Result<Head, AwsError> {
    match found {
        Some(found) => Ok(found),
        None => head(clients).await,
    }
}

fn is_in_none(error: &AwsError) -> bool {
    error.is_code("AWSOrganizationsNotInUseException")
}

fn is_denied(error: &AwsError) -> bool {
    error.kind() == crate::aws::ErrorKind::AccessDenied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_one_line_that_marks_a_sandbox() {
        let identity = Identity {
            caller: "arn:aws:iam::111111111111:user/admin".parse().unwrap(),
            organization: Some("o-exampleorgid".parse().unwrap()),
            management_account: Some("111111111111".parse().unwrap()),
            endpoint: Endpoint::default(),
            sandbox: false,
        };
        let said = "signed in as arn:aws:iam::111111111111:user/admin, organization \
                    o-exampleorgid (management account 111111111111), endpoint AWS";
        assert_eq!(identity.to_string(), said);
        let sandbox = Identity { sandbox: true, ..identity };
        assert_eq!(sandbox.to_string(), format!("SANDBOX: {said}"));
    }

    #[test]
    fn every_declared_account_is_looked_for_in_the_organization() {
        let more = "audit_account = \"333333333333\"\n\
                    delegated_administrators = [\"444444444444\"]\n";
        let text = crate::config::SMALLEST.replace("[archive]", &format!("{more}[archive]"));
        let config: Config = text.parse().unwrap();
        let keys: Vec<&str> = declared(&config).iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(keys, ["222222222222", "333333333333", "444444444444"]);
    }
}
