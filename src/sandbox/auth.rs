//! Who signed a request.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{AccountId, Arn, Partition};

/// The authenticated principal behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The partition that the world lies in.
    pub(super) partition: Partition,
    /// The account that the principal belongs to.
    pub(super) account: AccountId,
    /// What kind of principal it is.
    pub(super) identity: Identity,
    /// The access key that signed; empty for services.
    pub(super) access_key_id: String,
    /// When the session was authenticated with MFA; `None` without MFA.
    pub(super) mfa_at: Option<Timestamp>,
    /// Whether the credentials are temporary (a role's or a session token's).
    pub(super) temporary: bool,
    /// The session policy passed to `AssumeRole`, as JSON.
    pub(super) session_policy: Option<String>,
}

/// What kind of principal signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Identity {
    /// The account's root user.
    Root,
    /// An IAM user by name.
    User(String),
    /// A session of a role.
    AssumedRole {
        /// The role's path and name without the leading slash: `path/name`.
        role: String,
        /// The session's name.
        session: String,
    },
    /// An AWS service acting on its own: `cloudtrail.amazonaws.com`, on behalf
    /// of the resource with this ARN.
    Service {
        /// The service principal.
        principal: String,
        /// What `aws:SourceArn` says.
        source_arn: Option<String>,
    },
}

impl Caller {
    /// An AWS service calling on behalf of a resource in `account`.
    pub(super) fn service(
        partition: Partition,
        account: &AccountId,
        principal: &str,
        source_arn: Option<String>,
    ) -> Self {
        Self {
            partition,
            account: account.clone(),
            identity: Identity::Service { principal: principal.to_owned(), source_arn },
            access_key_id: String::new(),
            mfa_at: None,
            temporary: false,
            session_policy: None,
        }
    }

    /// The ARN that `GetCallerIdentity` gives and policies name.
    pub(super) fn arn(&self) -> String {
        match &self.identity {
            Identity::Root => Arn::global(self.partition, "iam", &self.account, "root").to_string(),
            Identity::User(name) => {
                Arn::global(self.partition, "iam", &self.account, format!("user/{name}"))
                    .to_string()
            }
            Identity::AssumedRole { role, session } => {
                let name = role.rsplit('/').next().unwrap_or(role);
                let resource = format!("assumed-role/{name}/{session}");
                Arn::global(self.partition, "sts", &self.account, resource).to_string()
            }
            Identity::Service { principal, .. } => principal.clone(),
        }
    }

    /// The ARN that `aws:PrincipalArn` carries: a session's role, else
    /// [`Caller::arn`].
    pub(super) fn principal_arn(&self) -> String {
        match &self.identity {
            Identity::AssumedRole { role, .. } => {
                Arn::global(self.partition, "iam", &self.account, format!("role/{role}"))
                    .to_string()
            }
            _ => self.arn(),
        }
    }
}
