use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of a CloudTrail trail.
///
/// Shape: 3 to 128 ASCII letters, digits, dots, underscores and hyphens; begins
/// with a letter or digit, ends with one; no two of `._-` together; not an IPv4
/// address.
/// Source: CloudTrail `CreateTrail`, `Name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrailName(Box<str>);

super::string_name!(TrailName, "^[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]$");

impl Default for TrailName {
    fn default() -> Self {
        Self("orgtrail".into())
    }
}

impl TrailName {
    fn check(found: &str) -> Result<(), NameError> {
        let refuse = |expected| Err(NameError::new("a trail name", found, expected));
        if !(3..=128).contains(&found.len()) {
            return refuse("3 to 128 characters");
        }
        let mark = |b: u8| matches!(b, b'.' | b'_' | b'-');
        if !found.bytes().all(|b| b.is_ascii_alphanumeric() || mark(b)) {
            return refuse("letters, digits, dots, underscores and hyphens only");
        }
        let bytes = found.as_bytes();
        if mark(bytes[0]) || mark(bytes[bytes.len() - 1]) {
            return refuse("a letter or digit at both ends");
        }
        if bytes.windows(2).any(|pair| mark(pair[0]) && mark(pair[1])) {
            return refuse("no consecutive dots, underscores or hyphens");
        }
        if found.parse::<Ipv4Addr>().is_ok() {
            return refuse("a name that does not look like an IP address");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["orgtrail", "aws-controltower-BaselineCloudTrail", "a.b_c-d"] {
            assert!(name.parse::<TrailName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_cloudtrail_refuses_are_refused_here() {
        for name in ["ab", "my trail", "-trail", "trail.", "my__trail", "my-.trail", "192.168.5.4"]
        {
            assert!(name.parse::<TrailName>().is_err(), "{name}");
        }
    }
}
