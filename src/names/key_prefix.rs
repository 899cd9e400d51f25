use serde::{Deserialize, Serialize};

use super::NameError;

/// What stands before `AWSLogs/` in a bucket's keys, without its slash.
///
/// Shape: 1 to 200 characters of S3's safe set, no slash at either end, no two
/// slashes together; never `AWSLogs` itself, which CloudTrail writes.
/// Source: CloudTrail `CreateTrail`, `S3KeyPrefix`; S3 User Guide, "Creating
/// object key names".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPrefix(Box<str>);

super::string_name!(KeyPrefix, "^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$");

impl KeyPrefix {
    fn check(found: &str) -> Result<(), NameError> {
        let refuse = |wanted| Err(NameError::new("a key prefix", found, wanted));
        if !(1..=200).contains(&found.len()) {
            return refuse("1 to 200 characters");
        }
        if found.starts_with('/') || found.ends_with('/') {
            return refuse("no slash at the beginning or the end");
        }
        if found.split('/').any(str::is_empty) {
            return refuse("no two slashes together");
        }
        if found.split('/').any(|part| part == "AWSLogs") {
            return refuse("a prefix without `AWSLogs`, which CloudTrail adds");
        }
        if !found.bytes().all(|b| b.is_ascii_alphanumeric() || b"/!_.*'()-".contains(&b)) {
            return refuse("letters, digits and `/!_.*'()-` only");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_prefixes_are_accepted() {
        for found in ["audit", "o-exampleorgid", "a/b/c", "logs_2024.v1"] {
            assert!(found.parse::<KeyPrefix>().is_ok(), "{found}");
        }
    }

    #[test]
    fn prefixes_that_break_keys_are_refused() {
        let long = "p".repeat(201);
        for found in ["", "/audit", "audit/", "a//b", "AWSLogs", "x/AWSLogs", "a b", "ü", &long] {
            assert!(found.parse::<KeyPrefix>().is_err(), "{found}");
        }
    }
}
