//! Whose credentials a document was made with, and what the environment changed.

use schemars::JsonSchema;
use serde::Serialize;

use crate::names::{AccountId, Arn, OrgId};
use crate::org;

/// The circumstances in which a command made a document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Session {
    /// The identity that the command used; null when it did not call AWS.
    pub identity: Option<Identity>,
    /// The settings that environment variables changed.
    pub environment_overrides: Vec<EnvironmentOverride>,
}

/// The identity that a command used, and its organization.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Identity {
    /// The ARN of the caller.
    pub caller: Arn,
    /// The organization; null when it is unknown.
    pub organization: Option<OrgId>,
    /// The organization's management account.
    pub management_account: Option<AccountId>,
    /// `AWS`, or the address that replaces AWS's endpoints.
    pub endpoint: String,
    /// Whether an orgtrail sandbox answers.
    pub sandbox: bool,
}

impl From<&org::Identity> for Identity {
    fn from(identity: &org::Identity) -> Self {
        let org::Identity { caller, organization, management_account, endpoint, sandbox } =
            identity;
        Self {
            caller: caller.clone(),
            organization: organization.clone(),
            management_account: management_account.clone(),
            endpoint: endpoint.to_string(),
            sandbox: *sandbox,
        }
    }
}

/// A setting that an environment variable changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EnvironmentOverride {
    /// The key of the configuration, or `--config`.
    pub setting: String,
    /// The variable.
    pub variable: String,
    /// The configuration file, where the variable names it.
    pub file: Option<String>,
}
