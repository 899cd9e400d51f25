use std::fmt;
use std::str::FromStr;

use super::text::read_text;
use crate::names::{BucketName, KeyPrefix};

/// A bucket, or what is below a prefix of it: `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: BucketName,
    /// The prefix; none for the whole bucket.
    pub prefix: Option<KeyPrefix>,
}

/// The scheme of a location.
pub(super) const SCHEME: &str = "s3://";
const FORM: &str = "s3://BUCKET or s3://BUCKET/PREFIX";

impl S3Location {
    /// Reads what follows the scheme; `expected` is what a message says was expected.
    pub(super) fn of_path(path: &str, expected: &str) -> Result<Self, String> {
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_end_matches('/');
        let prefix = (!prefix.is_empty()).then(|| prefix.parse()).transpose();
        Ok(Self {
            bucket: bucket.parse().map_err(|error| format!("{expected}: {error}"))?,
            prefix: prefix.map_err(|error| format!("{expected}: {error}"))?,
        })
    }
}

impl FromStr for S3Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix(SCHEME).ok_or_else(|| FORM.to_owned())?;
        Self::of_path(path, FORM)
    }
}

/// Without a slash at its end.
impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.bucket)?;
        match &self.prefix {
            Some(prefix) => write!(f, "/{prefix}"),
            None => Ok(()),
        }
    }
}

impl serde::Serialize for S3Location {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

read_text!(S3Location, FORM, "s3://acme-log-archive-athena-results");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_bucket_and_perhaps_a_prefix() {
        for (text, bucket, prefix, shown) in [
            ("s3://acme-results", "acme-results", None, "s3://acme-results"),
            ("s3://acme-results/", "acme-results", None, "s3://acme-results"),
            ("s3://acme-results/a/b/", "acme-results", Some("a/b"), "s3://acme-results/a/b"),
        ] {
            let location: S3Location = text.parse().unwrap();
            assert_eq!(location.bucket.as_str(), bucket);
            assert_eq!(location.prefix.as_ref().map(KeyPrefix::as_str), prefix);
            assert_eq!(location.to_string(), shown);
        }
        for text in ["", "acme", "s3://", "s3://A", "https://acme", "/acme"] {
            assert!(text.parse::<S3Location>().is_err(), "{text}");
        }
    }
}
