use std::path::PathBuf;
use std::str::FromStr;

use crate::config::s3_location::{S3Location, SCHEME};
use crate::config::text::read_text;
use crate::names::{BucketName, KeyPrefix};

/// Where the service keeps its state.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct StatePlace {
    text: String,
    #[serde(skip)]
    place: Place,
}

/// The same in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory of this machine.
    Directory(PathBuf),
    /// Below a prefix of a bucket.
    Bucket {
        /// The bucket.
        bucket: BucketName,
        /// The prefix; none for the whole bucket.
        prefix: Option<KeyPrefix>,
    },
}

impl StatePlace {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The bucket, where it is one.
    #[must_use]
    pub fn bucket(&self) -> Option<&BucketName> {
        match &self.place {
            Place::Bucket { bucket, .. } => Some(bucket),
            Place::Directory(_) => None,
        }
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for StatePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = match text.strip_prefix(SCHEME) {
            Some(place) => {
                let S3Location { bucket, prefix } = S3Location::of_path(place, STATE)?;
                Place::Bucket { bucket, prefix }
            }
            None if text.is_empty() || text.contains("://") => return Err(STATE.to_owned()),
            None => Place::Directory(PathBuf::from(text)),
        };
        Ok(Self { text: text.to_owned(), place })
    }
}

const STATE: &str = "a directory or s3://BUCKET/PREFIX";

read_text!(StatePlace, STATE, "s3://acme-orgtrail-state/prod");
