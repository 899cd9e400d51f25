use serde::{Deserialize, Serialize};

use super::NameError;

/// An organization id, as in `o-exampleorgid`.
///
/// Shape: `o-` and 10 to 32 lower-case letters or digits.
/// Source: Organizations `DescribeOrganization`, `Organization.Id`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgId(Box<str>);

super::string_name!(OrgId, "^o-[a-z0-9]{10,32}$");

impl OrgId {
    fn check(found: &str) -> Result<(), NameError> {
        match found.strip_prefix("o-") {
            Some(rest) if lower_alphanumeric(rest, 10..=32) => Ok(()),
            _ => Err(NameError::new(
                "an organization id",
                found,
                "`o-` and 10 to 32 lower-case letters or digits, as in `o-exampleorgid`",
            )),
        }
    }
}

/// The id of an organizational unit (`ou-ab12-cdefgh34`) or of a root (`r-ab12`).
///
/// Shape: `r-` and 4 to 32 characters; or `ou-`, 4 to 32 characters, `-`, 8 to
/// 32 characters; lower-case letters or digits.
/// Source: Organizations `ListRoots`, `ListOrganizationalUnitsForParent`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitId(Box<str>);

super::string_name!(UnitId, "^(r-[a-z0-9]{4,32}|ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})$");

impl UnitId {
    /// Whether this is the organization's root rather than a unit below it.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.starts_with("r-")
    }

    fn check(found: &str) -> Result<(), NameError> {
        let holds = match (found.strip_prefix("r-"), found.strip_prefix("ou-")) {
            (Some(rest), _) => lower_alphanumeric(rest, 4..=32),
            (_, Some(rest)) => rest.split_once('-').is_some_and(|(root, unit)| {
                lower_alphanumeric(root, 4..=32) && lower_alphanumeric(unit, 8..=32)
            }),
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(NameError::new(
            "an organizational unit id",
            found,
            "`ou-ab12-cdefgh34`, or `r-ab12` for the root",
        ))
    }
}

fn lower_alphanumeric(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organization_ids_follow_their_pattern() {
        assert!("o-exampleorgid".parse::<OrgId>().is_ok());
        for found in ["o-short", "exampleorgid", "o-EXAMPLEORGID", "o-"] {
            assert!(found.parse::<OrgId>().is_err(), "{found}");
        }
    }

    #[test]
    fn units_and_roots_follow_their_pattern() {
        assert!("r-ab12".parse::<UnitId>().unwrap().is_root());
        assert!(!"ou-ab12-cdefgh34".parse::<UnitId>().unwrap().is_root());
        for found in ["ou-ab12", "ou-ab12-short", "r-", "ou-AB12-cdefgh34"] {
            assert!(found.parse::<UnitId>().is_err(), "{found}");
        }
    }
}
