use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of an IAM role, without its path.
///
/// Shape: 1 to 64 letters, digits and `+=,.@_-`.
/// Source: IAM `CreateRole`, `RoleName`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(Box<str>);

super::string_name!(RoleName, "^[A-Za-z0-9+=,.@_-]{1,64}$");

impl RoleName {
    /// The role that AWS Organizations creates in every account it creates.
    #[must_use]
    pub fn organization_access() -> Self {
        Self("OrganizationAccountAccessRole".into())
    }

    /// The role that S3 takes on to replicate into the vault.
    #[must_use]
    pub fn replication() -> Self {
        Self("orgtrail-replication".into())
    }

    /// The role that CloudTrail takes on to write into CloudWatch Logs.
    #[must_use]
    pub fn cloudwatch_logs() -> Self {
        Self("orgtrail-cloudwatch-logs".into())
    }

    fn check(found: &str) -> Result<(), NameError> {
        word(found, 1..=64, b"+=,.@_-").then_some(()).ok_or_else(|| {
            NameError::new("a role name", found, "1 to 64 letters, digits and `+=,.@_-`, no path")
        })
    }
}

/// The path of an IAM role: `/`, or `/audit/`.
///
/// Shape: begins and ends with a slash; at most 512 printable ASCII characters.
/// Source: IAM `CreateRole`, `Path`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RolePath(Box<str>);

super::string_name!(RolePath, "^/([!-~]{1,510}/)?$");

impl Default for RolePath {
    fn default() -> Self {
        Self("/".into())
    }
}

impl RolePath {
    fn check(found: &str) -> Result<(), NameError> {
        let holds = found.len() <= 512
            && found.starts_with('/')
            && found.ends_with('/')
            && found != "//"
            && found.bytes().all(|b| b.is_ascii_graphic());
        holds.then_some(()).ok_or_else(|| {
            NameError::new("a role path", found, "`/`, or a path between slashes, as in `/audit/`")
        })
    }
}

/// The external id that a role's trust policy may ask for.
///
/// Shape: 2 to 1224 letters, digits and `+=,.@:/_-`.
/// Source: STS `AssumeRole`, `ExternalId`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(Box<str>);

super::string_name!(ExternalId, "^[A-Za-z0-9+=,.@:/_-]{2,1224}$", secret);

impl ExternalId {
    fn check(found: &str) -> Result<(), NameError> {
        word(found, 2..=1224, b"+=,.@:/_-").then_some(()).ok_or_else(|| {
            NameError::new("an external id", found, "2 to 1224 letters, digits and `+=,.@:/_-`")
        })
    }
}

/// The name under which orgtrail's sessions appear in the members' own trails.
///
/// Shape: 2 to 64 letters, digits and `+=,.@_-`.
/// Source: STS `AssumeRole`, `RoleSessionName`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionName(Box<str>);

super::string_name!(SessionName, "^[A-Za-z0-9+=,.@_-]{2,64}$");

impl Default for SessionName {
    fn default() -> Self {
        Self("orgtrail".into())
    }
}

impl SessionName {
    fn check(found: &str) -> Result<(), NameError> {
        word(found, 2..=64, b"+=,.@_-").then_some(()).ok_or_else(|| {
            NameError::new("a session name", found, "2 to 64 letters, digits and `+=,.@_-`")
        })
    }
}

fn word(text: &str, length: std::ops::RangeInclusive<usize>, marks: &[u8]) -> bool {
    length.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_names_follow_iams_pattern() {
        assert!("Audit_role+=,.@-1".parse::<RoleName>().is_ok());
        for found in ["", "path/role", "my role", "arn:aws:iam::1:role/x", &"r".repeat(65)] {
            assert!(found.parse::<RoleName>().is_err(), "{found}");
        }
    }

    #[test]
    fn role_paths_stand_between_slashes() {
        for found in ["/", "/audit/", "/a/b/"] {
            assert!(found.parse::<RolePath>().is_ok(), "{found}");
        }
        for found in ["", "audit", "/audit", "audit/", "//", "/a b/"] {
            assert!(found.parse::<RolePath>().is_err(), "{found}");
        }
    }

    #[test]
    fn an_external_id_is_not_shown_where_a_value_is_logged() {
        let id: ExternalId = "tree-house".parse().unwrap();
        assert_eq!(format!("{id:?}"), "ExternalId(…)");
        assert_eq!(id.to_string(), "tree-house");
    }

    #[test]
    fn external_ids_and_session_names_have_a_least_length() {
        assert!("ab".parse::<ExternalId>().is_ok());
        assert!("a".parse::<ExternalId>().is_err());
        assert!("a b".parse::<ExternalId>().is_err());
        assert!("ab".parse::<SessionName>().is_ok());
        assert!("a".parse::<SessionName>().is_err());
        assert!("a:b".parse::<SessionName>().is_err());
    }

    #[test]
    fn the_defaults_are_names() {
        for name in
            [RoleName::organization_access(), RoleName::replication(), RoleName::cloudwatch_logs()]
        {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert_eq!("/".parse(), Ok(RolePath::default()));
        assert_eq!("orgtrail".parse(), Ok(SessionName::default()));
    }
}
