use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of a CloudWatch Logs log group.
///
/// Shape: 1 to 512 letters, digits and `_-/.#`; not below `aws/`.
/// Source: CloudWatch Logs `CreateLogGroup`, `logGroupName`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogGroupName(Box<str>);

super::string_name!(LogGroupName, "^[A-Za-z0-9_/.#-]{1,512}$");

impl Default for LogGroupName {
    fn default() -> Self {
        Self("/orgtrail/organization-trail".into())
    }
}

impl LogGroupName {
    fn check(found: &str) -> Result<(), NameError> {
        let holds = (1..=512).contains(&found.len())
            && !found.starts_with("aws/")
            && found.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/.#".contains(&b));
        holds.then_some(()).ok_or_else(|| {
            NameError::new(
                "a log group name",
                found,
                "1 to 512 letters, digits and `_-/.#`, not beginning with `aws/`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_group_names_follow_their_pattern() {
        assert_eq!("/orgtrail/organization-trail".parse(), Ok(LogGroupName::default()));
        for found in ["", "aws/mine", "a b", "a:b", &"g".repeat(513)] {
            assert!(found.parse::<LogGroupName>().is_err(), "{found}");
        }
    }
}
