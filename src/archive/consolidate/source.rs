//! Where legacy logs lie.

use serde::Serialize;

use crate::{
    archive::inventory::{self, Lanes},
    aws::{AwsError, Clients},
    names::{AccountId, Arn, BucketName, KeyPrefix, Region},
};

/// A bucket, or a prefix of one, that holds CloudTrail's objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Source {
    /// The bucket.
    pub bucket: BucketName,
    /// What stands before `AWSLogs/` in its keys.
    pub prefix: Option<KeyPrefix>,
    /// The account through which it is read: the trail's, or the declared one.
    pub account: AccountId,
    /// The bucket's Region, as far as known: the trail's home Region.
    pub region: Region,
    /// The trails that write there; none where the source was declared.
    pub trails: Vec<Arn>,
}

impl Source {
    /// How reports name it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("s3://{}/{prefix}", self.bucket),
            None => format!("s3://{}", self.bucket),
        }
    }

    /// The lanes that it holds.
    pub async fn lanes(&self, clients: &Clients) -> Result<Lanes, AwsError> {
        inventory::lanes(clients, &self.bucket, self.prefix.as_ref().map(KeyPrefix::as_str)).await
    }
}
