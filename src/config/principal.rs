use serde::{Deserialize, Serialize};

use crate::names::{AccountId, Arn, NameError, Partition};

/// Who is granted something: an account as a whole, or one IAM identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// Every identity of an account that the account itself allows.
    Account(AccountId),
    /// A role, a user, or an account's root.
    Identity(Arn),
}

impl Principal {
    /// The ARN that a policy names it by.
    #[must_use]
    pub fn arn(&self, partition: Partition) -> Arn {
        match self {
            Self::Account(account) => Arn::global(partition, "iam", account, "root"),
            Self::Identity(arn) => arn.clone(),
        }
    }

    /// The account it is, or is in.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Account(account) => Some(account),
            Self::Identity(arn) => arn.account.as_ref(),
        }
    }
}

impl std::str::FromStr for Principal {
    type Err = NameError;
    fn from_str(found: &str) -> Result<Self, NameError> {
        if let Ok(account) = found.parse() {
            return Ok(Self::Account(account));
        }
        let identity = found.parse::<Arn>().ok().filter(|arn| {
            &*arn.service == "iam"
                && arn.account.is_some()
                && (&*arn.resource == "root" || matches!(arn.resource_type(), "role" | "user"))
        });
        identity.map(Self::Identity).ok_or_else(|| NameError {
            kind: "a principal",
            found: found.to_owned(),
            expected: "an account id, or the IAM ARN of a role, a user or an account's root",
        })
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Identity(arn) => arn.fmt(f),
        }
    }
}

impl TryFrom<String> for Principal {
    type Error = NameError;
    fn try_from(found: String) -> Result<Self, NameError> {
        found.parse()
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

impl schemars::JsonSchema for Principal {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Principal".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]{12}|arn:[a-z-]+:iam::[0-9]{12}:(root|(role|user)/.+))$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_identities_are_principals() {
        for text in [
            "333333333333",
            "arn:aws:iam::333333333333:root",
            "arn:aws:iam::333333333333:role/path/Reader",
            "arn:aws-cn:iam::333333333333:user/reader",
        ] {
            assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn whom_a_policy_must_not_name_is_refused() {
        for text in [
            "*",
            "33333333333",
            "arn:aws:iam::333333333333:group/readers",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:s3:::bucket",
        ] {
            assert!(text.parse::<Principal>().is_err(), "{text}");
        }
    }
}
