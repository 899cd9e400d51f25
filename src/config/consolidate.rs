use std::collections::BTreeSet;

use super::section::{choice, section};
use crate::names::{AccountId, BucketName, KeyPrefix, Region};

section! {
    /// What is copied into the archive in addition to what the organization trail writes, and
    /// how.
    pub struct Consolidate {
        /// Buckets with logs that no existing trail names, in addition to those that orgtrail
        /// finds.
        sources: Vec<DeclaredSource> = default(Vec::<DeclaredSource>::new()),
        /// Sources to leave where they are, by name, as printed by `sources`:
        /// `s3://<bucket>[/<prefix>]`. `<account>:s3://<pattern>` excludes only sources that
        /// this account's trails alone write to; `*` matches anything. Without an account, the
        /// name is exact.
        exclude: Vec<String> = default(Vec::<String>::new()),
        /// Former accounts of the organization, which AWS Organizations no longer lists and
        /// whose logs may be in sources.
        former_accounts: Vec<AccountId> = default(Vec::<AccountId>::new()),
        /// How many days after the end of a day late files are expected for it.
        overlap_days: u32 = default(2_u32),
        /// Write copies, records and acceptances also into an archive that another tool manages
        /// (`trail.managed_by`).
        into_managed: bool = default(false),
        /// The storage class of the copies.
        storage_class: CopyStorageClass = default(CopyStorageClass::Standard),
    }
}

section! {
    /// A bucket, or a prefix of one, that contains CloudTrail logs.
    pub struct DeclaredSource {
        /// The bucket.
        bucket: BucketName = required,
        /// The prefix before `AWSLogs/` in its keys.
        prefix: Option<KeyPrefix> = default(None::<KeyPrefix>),
        /// The account whose role reads it; `[roles.accounts]` can name another role for it.
        account: AccountId = required,
        /// The account that owns the bucket, if that is neither `account` nor another account
        /// of the organization.
        owner: Option<AccountId> = default(None::<AccountId>),
        /// The bucket's Region. Default: looked up in S3.
        region: Option<Region> = default(None::<Region>),
        /// Accounts whose objects the bucket may contain, in addition to its
        /// owner's and those of the trails that write to it. Objects of other
        /// accounts are not copied among logs.
        accounts: Vec<AccountId> = default(Vec::<AccountId>::new()),
        /// What to do with objects of other accounts.
        other_accounts: OtherAccounts = default(OtherAccounts::Quarantine),
        /// What to do with digests whose signature is lost, or whose key is older than the keys
        /// that AWS lists.
        unproven_digests: UnprovenDigests = default(UnprovenDigests::Quarantine),
    }
}

choice! {
    /// What to do with objects of accounts that are not bound to the source.
    pub enum OtherAccounts {
        /// Some are quarantined, all are reported, and the run is incomplete until each is
        /// accepted.
        Quarantine = "quarantine",
        /// They stay where they are and are counted.
        Leave = "leave",
    }
}

choice! {
    /// What to do with digests that can no longer be proven.
    pub enum UnprovenDigests {
        /// They are quarantined.
        Quarantine = "quarantine",
        /// They are copied: you trust the bucket's administrator.
        Copy = "copy",
    }
}

choice! {
    /// A storage class with instant access, which verification needs.
    pub enum CopyStorageClass {
        /// Frequent access.
        Standard = "STANDARD",
        /// Infrequent access.
        StandardIa = "STANDARD_IA",
        /// S3 moves objects between tiers by their use.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// Infrequent access in a single Availability Zone; lost if that zone is lost.
        OneZoneIa = "ONEZONE_IA",
        /// Archive with instant access.
        GlacierIr = "GLACIER_IR",
    }
}

impl Consolidate {
    /// Whether a source of that name is left where it is, to which trails of these
    /// accounts write: each of them must be one that an entry is about.
    #[must_use]
    pub fn excludes(&self, name: &str, accounts: &BTreeSet<AccountId>) -> bool {
        let entries = || self.exclude.iter().map(|entry| Exclusion::of(entry));
        let is_excluded =
            |account: Option<&AccountId>| entries().any(|entry| entry.matches(name, account));
        if accounts.is_empty() {
            is_excluded(None)
        } else {
            accounts.iter().all(|account| is_excluded(Some(account)))
        }
    }
}

/// An entry of `exclude`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exclusion<'a> {
    /// Whose trails it is about; without, a name is exact.
    pub account: Option<&'a str>,
    /// The name, or a pattern of names.
    pub pattern: &'a str,
}

impl<'a> Exclusion<'a> {
    /// Takes an entry apart.
    #[must_use]
    pub fn of(entry: &'a str) -> Self {
        match entry.split_once(":s3://") {
            Some((account, _)) => Self {
                account: Some(account),
                pattern: entry.get(account.len() + 1..).unwrap_or_default(),
            },
            None => Self { account: None, pattern: entry },
        }
    }

    fn matches(self, name: &str, account: Option<&AccountId>) -> bool {
        match (self.account, account) {
            // A pattern that is about nobody would let anybody choose a name.
            (None, _) => self.pattern == name,
            (Some(_), None) => false,
            (Some(of), Some(account)) => {
                of == account.as_str() && iam_rs::Arn::wildcard_match(name, self.pattern)
            }
        }
    }
}

/// Whether a name matches one of the patterns, with `*` for anything.
#[must_use]
pub fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| iam_rs::Arn::wildcard_match(name, pattern))
}

impl DeclaredSource {
    /// How reports name it, and patterns mean it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("s3://{}/{prefix}", self.bucket),
            None => format!("s3://{}", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, holds) in [
            ("s3://legacy-a", "s3://legacy-a", true),
            ("s3://legacy-a", "s3://legacy-ab", false),
            ("s3://legacy-*", "s3://legacy-ab", true),
            ("*-ab", "s3://legacy-ab", true),
            ("s3://*-a*b", "s3://legacy-ab", true),
            ("s3://x*", "s3://legacy-ab", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches_any(&[pattern.to_owned()], name), holds, "{pattern} {name}");
        }
    }

    #[test]
    fn an_exclusion_is_about_the_accounts_whose_trails_write_there() {
        let (one, other): (AccountId, AccountId) =
            ("111111111111".parse().unwrap(), "222222222222".parse().unwrap());
        let accounts = |of: &[&AccountId]| of.iter().map(|one| (*one).clone()).collect();
        let consolidate = |exclude: &[&str]| Consolidate {
            exclude: exclude.iter().map(|entry| (*entry).to_owned()).collect(),
            sources: Vec::new(),
            former_accounts: Vec::new(),
            overlap_days: 2,
            into_managed: false,
            storage_class: CopyStorageClass::Standard,
        };
        let scoped = consolidate(&["111111111111:s3://scratch-*"]);
        assert!(scoped.excludes("s3://scratch-a", &accounts(&[&one])));
        assert!(!scoped.excludes("s3://scratch-a", &accounts(&[&other])));
        // A source that another account's trail writes to as well stays.
        assert!(!scoped.excludes("s3://scratch-a", &accounts(&[&one, &other])));
        assert!(!scoped.excludes("s3://scratch-a", &accounts(&[])));
        let exact = consolidate(&["s3://scratch-a"]);
        assert!(exact.excludes("s3://scratch-a", &accounts(&[&other])));
        assert!(!consolidate(&["s3://scratch-*"]).excludes("s3://scratch-a", &accounts(&[&one])));
    }
}
