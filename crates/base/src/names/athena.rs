use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of a database of the AWS Glue Data Catalog, as Athena can query it.
///
/// Shape: a lower-case letter, and up to 254 lower-case letters, digits and underscores, so that
/// no statement has to quote it.
/// Source: Athena User Guide, "Name databases, tables, and columns".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseName(Box<str>);

super::string_name!(DatabaseName, "^[a-z][a-z0-9_]{0,254}$");

impl Default for DatabaseName {
    fn default() -> Self {
        Self("orgtrail".into())
    }
}

impl DatabaseName {
    fn check(found: &str) -> Result<(), NameError> {
        let fits = (1..=255).contains(&found.len())
            && found.starts_with(|first: char| first.is_ascii_lowercase())
            && found.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        fits.then_some(()).ok_or_else(|| {
            NameError::new(
                "a database name",
                found,
                "a lower-case letter, then up to 254 lower-case letters, digits and underscores",
            )
        })
    }
}

/// The name of an Athena workgroup.
///
/// Shape: 1 to 128 letters, digits and `._-`.
/// Source: Athena `CreateWorkGroup`, `Name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkgroupName(Box<str>);

super::string_name!(WorkgroupName, "^[A-Za-z0-9._-]{1,128}$");

impl Default for WorkgroupName {
    fn default() -> Self {
        Self("orgtrail".into())
    }
}

impl WorkgroupName {
    fn check(found: &str) -> Result<(), NameError> {
        let fits = (1..=128).contains(&found.len())
            && found.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        fits.then_some(()).ok_or_else(|| {
            NameError::new("a workgroup name", found, "1 to 128 letters, digits and `._-`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_names_need_no_quotes() {
        assert_eq!("orgtrail".parse(), Ok(DatabaseName::default()));
        assert!("audit_2".parse::<DatabaseName>().is_ok());
        for found in ["", "Audit", "2audit", "_audit", "a-b", "a.b", "a\"b", &"a".repeat(256)] {
            assert!(found.parse::<DatabaseName>().is_err(), "{found}");
        }
    }

    #[test]
    fn workgroup_names_follow_their_pattern() {
        assert_eq!("orgtrail".parse(), Ok(WorkgroupName::default()));
        assert!("Audit.2-team_x".parse::<WorkgroupName>().is_ok());
        for found in ["", "a b", "a/b", "ä", &"w".repeat(129)] {
            assert!(found.parse::<WorkgroupName>().is_err(), "{found}");
        }
    }
}
