use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::NameError;

/// What stands before `AWSLogs/` in a bucket's keys, without the slash between
/// them: any prefix that AWS lets a trail have.
///
/// Shape: 1 to 200 characters, none of them a control character. Slashes at the
/// ends, empty folders and `AWSLogs` are kept as they are found; a name that
/// orgtrail creates is [`KeyPrefix::is_plain`].
/// Source: CloudTrail `CreateTrail`, `S3KeyPrefix`; S3 User Guide, "Creating
/// object key names".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPrefix(Box<str>);

super::string_name!(KeyPrefix, r"^[^\u0000-\u001f\u007f]{1,200}$");

/// The most characters that a trail's prefix has.
pub const MOST_CHARACTERS: usize = 200;

/// What the keys below a prefix begin with: the prefix and its slash, or nothing.
pub fn prefix_folder(prefix: Option<impl Display>) -> String {
    prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default()
}

impl KeyPrefix {
    /// Whether every tool can read keys with it: S3's safe characters, no slash
    /// at either end, no empty folder and none named `AWSLogs`.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_safe = |b: u8| b.is_ascii_alphanumeric() || b"!_.*'()-".contains(&b);
        self.0
            .split('/')
            .all(|part| !part.is_empty() && part != "AWSLogs" && part.bytes().all(is_safe))
    }

    /// The prefix as it may stand in keys: as it is, and without the slashes at
    /// its ends, which not every writer keeps. The empty one stands for none.
    #[must_use]
    pub fn spellings(&self) -> Vec<&str> {
        let text = self.as_str();
        let mut all = vec![text];
        for other in
            [text.trim_end_matches('/'), text.trim_start_matches('/'), text.trim_matches('/')]
        {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }

    /// Whether both are the same but for slashes at their ends.
    #[must_use]
    pub fn is_same_folder(&self, other: &Self) -> bool {
        self.0.trim_matches('/') == other.0.trim_matches('/')
    }

    fn check(found: &str) -> Result<(), NameError> {
        let refuse = |expected| Err(NameError::new("a key prefix", found, expected));
        if !(1..=MOST_CHARACTERS).contains(&found.chars().count()) {
            return refuse("1 to 200 characters");
        }
        if found.chars().any(char::is_control) {
            return refuse("no control characters");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> KeyPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn ordinary_prefixes_are_plain() {
        for found in ["audit", "o-exampleorgid", "a/b/c", "logs_2024.v1"] {
            assert!(prefix(found).is_plain(), "{found}");
        }
    }

    #[test]
    fn what_a_trail_may_have_is_accepted_and_not_plain() {
        for found in ["/audit", "audit/", "a//b", "AWSLogs", "x/AWSLogs", "a b", "env=prod", "ü"] {
            assert!(!prefix(found).is_plain(), "{found}");
        }
    }

    #[test]
    fn what_no_trail_can_have_is_refused() {
        for found in ["", &"p".repeat(201), "a\nb", "a\u{7f}"] {
            assert!(found.parse::<KeyPrefix>().is_err(), "{found}");
        }
        assert!("ü".repeat(200).parse::<KeyPrefix>().is_ok());
    }

    #[test]
    fn slashes_at_the_ends_may_be_missing_in_keys() {
        assert_eq!(prefix("a//b").spellings(), ["a//b"]);
        assert_eq!(prefix("ct/").spellings(), ["ct/", "ct"]);
        assert_eq!(prefix("/ct/").spellings(), ["/ct/", "/ct", "ct/", "ct"]);
        assert_eq!(prefix("/").spellings(), ["/", ""]);
        assert!(prefix("/ct").is_same_folder(&prefix("ct/")));
        assert!(!prefix("ct").is_same_folder(&prefix("c/t")));
    }
}
