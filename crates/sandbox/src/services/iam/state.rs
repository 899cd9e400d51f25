//! The state of an account's IAM.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, Partition};
use serde::{Deserialize, Serialize};

use crate::auth::{Caller, Identity};
use crate::policy::{Document, managed};
use crate::simulation::Control;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By name.
    pub(crate) users: BTreeMap<String, User>,
    /// By name.
    pub(crate) groups: BTreeMap<String, Group>,
    /// By name.
    pub(crate) roles: BTreeMap<String, Role>,
    /// Customer managed policies by name.
    pub(crate) policies: BTreeMap<String, ManagedPolicy>,
    /// Virtual devices by serial number.
    pub(crate) mfa_devices: BTreeMap<String, MfaDevice>,
    pub(crate) aliases: BTreeSet<String>,
    /// Deletions of service-linked roles by their task id.
    #[serde(default)]
    pub(crate) deletions: BTreeSet<String>,
}

/// What users, groups and roles carry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Inline policies by name.
    pub(crate) inline: BTreeMap<String, Document>,
    /// ARNs of managed policies.
    pub(crate) attached: BTreeSet<String>,
    /// The ARN of the permissions boundary.
    pub(crate) boundary: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// An IAM user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    /// With slashes at both ends.
    pub(crate) path: String,
    pub(crate) created_at: Timestamp,
    pub(crate) grants: Grants,
    pub(crate) groups: BTreeSet<String>,
}

/// A group of users.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created_at: Timestamp,
    pub(crate) grants: Grants,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) id: String,
    /// With slashes at both ends.
    pub(crate) path: String,
    pub(crate) created_at: Timestamp,
    pub(crate) trust: Document,
    pub(crate) grants: Grants,
    pub(crate) description: String,
    pub(crate) max_session_seconds: i64,
}

/// A customer managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ManagedPolicy {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) description: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// By number, the default among them.
    pub(crate) versions: BTreeMap<u32, (Document, Timestamp)>,
    pub(crate) default_version: u32,
    pub(crate) last_version: u32,
    pub(crate) tags: BTreeMap<String, String>,
}

impl ManagedPolicy {
    /// The policy as it counts.
    pub(crate) fn document(&self) -> Option<&Document> {
        self.versions.get(&self.default_version).map(|(document, _)| document)
    }
}

/// A virtual MFA device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MfaDevice {
    /// The secret that codes come from.
    pub(crate) seed: Vec<u8>,
    /// Whom it belongs to, once enabled: a user's name, or `None` inside for
    /// root.
    pub(crate) holder: Option<Holder>,
    pub(crate) enabled_at: Option<Timestamp>,
}

/// Whose an MFA device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holder {
    Root,
    User(String),
}

/// The last part of `path/name`.
pub(crate) fn bare(path_and_name: &str) -> &str {
    path_and_name.rsplit('/').next().unwrap_or(path_and_name)
}

impl State {
    fn grants(&self, identity: &Identity) -> Option<&Grants> {
        match identity {
            Identity::User(name) => self.users.get(bare(name)).map(|user| &user.grants),
            Identity::AssumedRole { role, .. } => {
                self.roles.get(bare(role)).map(|role| &role.grants)
            }
            Identity::Root | Identity::Service { .. } => None,
        }
    }

    /// All that a user or role was granted, through its groups too.
    pub(crate) fn policies_of(&self, identity: &Identity) -> impl Iterator<Item = &Document> {
        let groups = match identity {
            Identity::User(name) => self.users.get(bare(name)).map(|user| &user.groups),
            _ => None,
        };
        let groups = groups.into_iter().flatten().filter_map(|name| self.groups.get(name));
        self.grants(identity).into_iter().chain(groups.map(|group| &group.grants)).flat_map(
            |grants| {
                let attached = grants.attached.iter().filter_map(|arn| self.managed(arn));
                grants.inline.values().chain(attached)
            },
        )
    }

    /// Whether a user or role has a permissions boundary.
    pub(crate) fn is_bounded(&self, identity: &Identity) -> bool {
        self.grants(identity).is_some_and(|grants| grants.boundary.is_some())
    }

    /// The permissions boundary of a user or role. One that names no policy that
    /// is there allows nothing.
    pub(crate) fn boundary_of(&self, identity: &Identity) -> Option<&Document> {
        self.managed(self.grants(identity)?.boundary.as_deref()?)
    }

    /// A tag of a user or role, its name in any case.
    pub(crate) fn tag_of(&self, identity: &Identity, name: &str) -> Option<&str> {
        let tags = &self.grants(identity)?.tags;
        tags.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// A managed policy by its ARN, AWS's own or this account's.
    pub(crate) fn managed(&self, arn: &str) -> Option<&Document> {
        let (owner, name) = arn.split_once(":policy/")?;
        if owner.ends_with(":aws") {
            return managed().get(name);
        }
        self.own_policy(arn)?.document()
    }

    /// A policy of this account by its ARN. Which account it names, the caller
    /// looks at.
    pub(crate) fn own_policy(&self, arn: &str) -> Option<&ManagedPolicy> {
        let (_, path_and_name) = arn.split_once(":policy/")?;
        let policy = self.policies.get(bare(path_and_name))?;
        let path = path_and_name.strip_suffix(bare(path_and_name))?;
        (format!("/{path}") == policy.path).then_some(policy)
    }

    /// A user or role by what follows the account in its ARN: `role/path/name`.
    pub(crate) fn has_principal(&self, resource: &str) -> bool {
        let Some((kind, name)) = resource.split_once('/') else { return false };
        let path = |name: &str| format!("/{}", name.strip_suffix(bare(name)).unwrap_or(""));
        match kind {
            "user" => self.users.get(bare(name)).is_some_and(|user| user.path == path(name)),
            "role" => self.roles.get(bare(name)).is_some_and(|role| role.path == path(name)),
            "assumed-role" => {
                name.split_once('/').is_some_and(|(role, _)| self.roles.contains_key(role))
            }
            _ => false,
        }
    }
}

impl State {
    /// Every role's trust policy.
    pub(crate) fn trusts_mut(&mut self) -> impl Iterator<Item = &mut Document> {
        self.roles.values_mut().map(|role| &mut role.trust)
    }
}

impl Control {
    /// The ARN of the user or role of a unique id.
    pub(crate) fn arn_of_id(&self, partition: Partition, id: &str) -> Option<String> {
        self.accounts.iter().find_map(|(account, held)| {
            let role = held.iam.roles.iter().find(|(_, role)| role.id == id);
            let role = role.map(|(name, role)| arn(partition, account, "role", &role.path, name));
            role.or_else(|| {
                let (name, user) = held.iam.users.iter().find(|(_, user)| user.id == id)?;
                Some(arn(partition, account, "user", &user.path, name))
            })
        })
    }

    /// What `aws:userid` and `GetCallerIdentity` give.
    pub(crate) fn user_id(&self, caller: &Caller) -> String {
        let iam = self.accounts.get(&caller.account).map(|account| &account.iam);
        match (&caller.identity, iam) {
            (Identity::User(name), Some(iam)) => {
                iam.users.get(bare(name)).map_or_else(String::new, |user| user.id.clone())
            }
            (Identity::AssumedRole { role, session }, Some(iam)) => {
                let id = iam.roles.get(bare(role)).map_or("", |role| &role.id);
                format!("{id}:{session}")
            }
            _ => caller.account.to_string(),
        }
    }

    /// Whether the principal that a policy names exists, as AWS checks when a
    /// policy is written.
    pub(crate) fn principal_exists(&self, arn: &str) -> bool {
        let Ok(arn) = arn.parse::<Arn>() else { return false };
        let Some(account) = arn.account.as_ref().and_then(|id| self.accounts.get(id)) else {
            return false;
        };
        &*arn.resource == "root" || account.iam.has_principal(&arn.resource)
    }

    /// A role by its ARN, with the account it is in.
    pub(crate) fn role<'a>(&'a self, arn: &'a str) -> Option<(AccountId, &'a str, &'a Role)> {
        let parsed: Arn = arn.parse().ok()?;
        let account = parsed.account.clone()?;
        let path_and_name = arn.split_once(":role/")?.1;
        let (name, role) =
            self.accounts.get(&account)?.iam.roles.get_key_value(bare(path_and_name))?;
        (format!("/{path_and_name}") == format!("{}{name}", role.path)).then_some((
            account,
            path_and_name,
            role,
        ))
    }
}

/// The ARN of something that IAM holds under a path.
pub(crate) fn arn(
    partition: Partition,
    account: &AccountId,
    kind: &str,
    path: &str,
    name: &str,
) -> String {
    Arn::global(partition, "iam", account, format!("{kind}{path}{name}")).to_string()
}
