//! Where legacy logs lie.

use std::collections::BTreeSet;

use crate::{
    archive::inventory::{self, LogPrefixes},
    aws::{Aws, AwsError, Clients},
    names::{AccountId, Arn, BucketName, KeyPrefix, Region},
};

/// A bucket, or a prefix of one, that holds CloudTrail's objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The bucket.
    pub bucket: BucketName,
    /// What stands before `AWSLogs/` in its keys.
    pub prefix: Option<KeyPrefix>,
    /// The account through which it is read: the declared one, or the bucket's
    /// owner. A guess until the source is located.
    pub account: AccountId,
    /// The bucket's Region. A guess until the source is located.
    pub region: Region,
    /// The account that is proven to own the bucket.
    pub owner: Option<AccountId>,
    /// The accounts that it may contain logs of, next to the owner: those of the trails that
    /// write there, and those that the configuration declares.
    pub accounts: BTreeSet<AccountId>,
    /// The trails that write there; none where the source was declared.
    pub trails: Vec<Arn>,
    /// What the configuration says about objects that nothing proves.
    pub policy: Policy,
}

/// What happens with objects of a source that nothing proves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy {
    /// Whether objects of accounts that the source does not cover stay there, and
    /// are only counted.
    pub leave_unbound: bool,
    /// Whether digests are copied though their signature is lost, or their key is
    /// older than those that AWS lists.
    pub copy_unproven: bool,
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

    /// Whether a folder of a bucket leads to this source's `AWSLogs/`: then it is
    /// not unexpected, only another source's.
    #[must_use]
    pub fn lies_below(&self, bucket: &BucketName, folder: &str) -> bool {
        let prefix = self.prefix.as_ref().map_or("", KeyPrefix::as_str);
        self.bucket == *bucket
            && !prefix.is_empty()
            && format!("{prefix}/AWSLogs/").starts_with(folder)
    }

    /// The clients that read it: of its account and Region, for buckets of its owner
    /// alone. Without a proven owner, only for the account's own buckets.
    #[must_use]
    pub fn clients(&self, aws: &Aws) -> Clients {
        let owner = self.owner.as_ref().unwrap_or(&self.account);
        aws.clients(&self.account, &self.region).for_buckets_of(owner)
    }

    /// The log prefixes that it contains.
    pub async fn log_prefixes(&self, clients: &Clients) -> Result<LogPrefixes, AwsError> {
        self.log_prefixes_of(clients, |_| true).await
    }

    /// The log prefixes of the accounts that are wanted; the folders of others are named.
    pub async fn log_prefixes_of(
        &self,
        clients: &Clients,
        wants: impl Fn(&AccountId) -> bool,
    ) -> Result<LogPrefixes, AwsError> {
        let Some(prefix) = &self.prefix else {
            return inventory::log_prefixes_of(clients, &self.bucket, None, &wants).await;
        };
        let mut all = LogPrefixes::default();
        for spelling in prefix.spellings() {
            let spelling = Some(spelling).filter(|spelling| !spelling.is_empty());
            all.extend(inventory::log_prefixes_of(clients, &self.bucket, spelling, &wants).await?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_leads_to_another_source_is_known() {
        let source = |prefix: Option<&str>| Source {
            bucket: "logs".parse().unwrap(),
            prefix: prefix.map(|prefix| prefix.parse().unwrap()),
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            owner: None,
            accounts: BTreeSet::new(),
            trails: Vec::new(),
            policy: Policy::default(),
        };
        let logs = "logs".parse().unwrap();
        assert!(source(Some("AWSLogs")).lies_below(&logs, "AWSLogs/AWSLogs/"));
        assert!(!source(Some("AWSLogs")).lies_below(&logs, "AWSLogs/elb/"));
        assert!(!source(Some("AWSLogs")).lies_below(&"other".parse().unwrap(), "AWSLogs/AWSLogs/"));
        assert!(!source(None).lies_below(&logs, "AWSLogs/"));
    }
}
