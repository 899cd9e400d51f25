use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::NameError;

/// The name of a general-purpose S3 bucket.
///
/// Shape: 3 to 63 lower-case letters, digits, dots and hyphens; begins and ends
/// with a letter or digit; no consecutive dots; not an IPv4 address; none of
/// the prefixes and suffixes that AWS reserves.
/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Box<str>);

super::string_name!(BucketName, "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$");

const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

impl BucketName {
    fn check(found: &str) -> Result<(), NameError> {
        let refuse = |expected| Err(NameError::new("a bucket name", found, expected));
        if !(3..=63).contains(&found.len()) {
            return refuse("3 to 63 characters");
        }
        let letter_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !found.bytes().all(|b| letter_or_digit(b) || b == b'.' || b == b'-') {
            return refuse("lower-case letters, digits, dots and hyphens only");
        }
        let bytes = found.as_bytes();
        if !letter_or_digit(bytes[0]) || !letter_or_digit(bytes[bytes.len() - 1]) {
            return refuse("a letter or digit at both ends");
        }
        if found.contains("..") {
            return refuse("no consecutive dots");
        }
        if found.parse::<Ipv4Addr>().is_ok() {
            return refuse("a name that does not look like an IP address");
        }
        if RESERVED_PREFIXES.iter().any(|prefix| found.starts_with(prefix))
            || RESERVED_SUFFIXES.iter().any(|suffix| found.ends_with(suffix))
        {
            return refuse(
                "none of the prefixes and suffixes that AWS reserves (xn--, sthree-, amzn-s3-demo-, -s3alias, --ol-s3, .mrap, --x-s3, --table-s3)",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["acme-log-archive", "a.b", "123", &"a".repeat(63)] {
            assert!(name.parse::<BucketName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_aws_refuses_are_refused_here() {
        for name in [
            "ab",
            "Acme",
            "acme_logs",
            "-acme",
            "acme-",
            "a..b",
            "192.168.0.1",
            "xn--acme",
            "acme-s3alias",
            "amzn-s3-demo-bucket",
            &"a".repeat(64),
        ] {
            assert!(name.parse::<BucketName>().is_err(), "{name}");
        }
    }
}
