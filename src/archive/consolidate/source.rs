//! Sources of legacy logs.

use std::collections::BTreeSet;

use crate::archive::inventory::{self, LogPrefixes};
use crate::aws::{Aws, AwsError, Clients};
use crate::names::{AccountId, Arn, BucketName, KeyPrefix, Region};

/// A bucket, or a prefix in it, that contains CloudTrail's objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The bucket.
    pub bucket: BucketName,
    /// The prefix before `AWSLogs/` in its keys.
    pub prefix: Option<KeyPrefix>,
    /// The account that it is read with: the declared one, or the bucket's owner. Provisional
    /// until the source is located.
    pub account: AccountId,
    /// The bucket's Region. Provisional until the source is located.
    pub region: Region,
    /// The proven owner of the bucket.
    pub owner: Option<AccountId>,
    /// The accounts that it is bound to in addition to the owner: those of the trails that write
    /// there, and the declared ones.
    pub accounts: BTreeSet<AccountId>,
    /// The trails that write there; empty for a source that is only declared.
    pub trails: Vec<Arn>,
    /// How to handle unproven objects.
    pub policy: Policy,
}

/// How unproven objects of a source are handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy {
    /// Whether objects of accounts that the source is not bound to remain there and are only
    /// counted.
    pub leave_unbound: bool,
    /// Whether digests are copied although their signature is lost or AWS no longer lists their
    /// key.
    pub copy_unproven: bool,
}

impl Source {
    /// Its name in reports.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("s3://{}/{prefix}", self.bucket),
            None => format!("s3://{}", self.bucket),
        }
    }

    /// Whether a folder of a bucket is a parent of this source's `AWSLogs/`: then it is not
    /// unexpected.
    #[must_use]
    pub fn lies_below(&self, bucket: &BucketName, folder: &str) -> bool {
        let prefix = self.prefix.as_ref().map_or("", KeyPrefix::as_str);
        self.bucket == *bucket
            && !prefix.is_empty()
            && format!("{prefix}/AWSLogs/").starts_with(folder)
    }

    /// The clients that read it: of its account and Region, restricted to buckets of its owner,
    /// or of the account if the owner is not proven.
    #[must_use]
    pub fn clients(&self, aws: &Aws) -> Clients {
        let owner = self.owner.as_ref().unwrap_or(&self.account);
        aws.clients(&self.account, &self.region).for_buckets_of(owner)
    }

    /// Its log prefixes.
    pub async fn log_prefixes(&self, clients: &Clients) -> Result<LogPrefixes, AwsError> {
        self.log_prefixes_of(clients, |_| true).await
    }

    /// Its log prefixes of selected accounts; folders of other accounts are listed separately.
    pub async fn log_prefixes_of(
        &self,
        clients: &Clients,
        wants: impl Fn(&AccountId) -> bool,
    ) -> Result<LogPrefixes, AwsError> {
        let likely = self.trails.iter().filter_map(|trail| trail.account.as_ref());
        let likely = likely.chain(&self.owner).cloned().collect();
        let Some(prefix) = &self.prefix else {
            return inventory::log_prefixes_of(clients, &self.bucket, None, &likely, &wants).await;
        };
        let mut all = LogPrefixes::default();
        for spelling in prefix.spellings() {
            let spelling = Some(spelling).filter(|spelling| !spelling.is_empty());
            let found =
                inventory::log_prefixes_of(clients, &self.bucket, spelling, &likely, &wants)
                    .await?;
            all.extend(found);
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
