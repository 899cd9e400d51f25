use serde::{Deserialize, Serialize};

use super::NameError;

/// The alias of a KMS key, with its `alias/`.
///
/// Shape: `alias/` and 1 to 250 letters, digits and `/_-`; not `alias/aws/…`,
/// which AWS keeps for its own keys.
/// Source: KMS `CreateAlias`, `AliasName`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyAlias(Box<str>);

super::string_name!(KeyAlias, "^alias/[A-Za-z0-9/_-]{1,250}$");

impl Default for KeyAlias {
    fn default() -> Self {
        Self("alias/orgtrail".into())
    }
}

impl KeyAlias {
    /// The alias of the key that encrypts the vault's replicas.
    #[must_use]
    pub fn vault() -> Self {
        Self("alias/orgtrail-vault".into())
    }

    fn check(found: &str) -> Result<(), NameError> {
        let refuse = |expected| Err(NameError::new("a key alias", found, expected));
        let Some(name) = found.strip_prefix("alias/") else {
            return refuse("`alias/` and a name, as in `alias/orgtrail`");
        };
        if name.starts_with("aws/") {
            return refuse("an alias outside `alias/aws/`, which AWS keeps for its own keys");
        }
        let holds = (1..=250).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b));
        if holds {
            return Ok(());
        }
        refuse("1 to 250 letters, digits and `/_-` after `alias/`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_follow_kmss_pattern() {
        assert_eq!("alias/orgtrail".parse(), Ok(KeyAlias::default()));
        assert_eq!("alias/orgtrail-vault".parse(), Ok(KeyAlias::vault()));
        for found in ["orgtrail", "alias/", "alias/aws/s3", "alias/a b", "key/orgtrail"] {
            assert!(found.parse::<KeyAlias>().is_err(), "{found}");
        }
    }
}
