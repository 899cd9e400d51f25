//! The owner and Region of a bucket: read from AWS, never assumed.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use tokio::sync::OnceCell;

use super::Organization;
use crate::aws::{At, Aws, AwsError, Clients};
use crate::config;
use crate::names::{AccountId, BucketName, Region};

/// Accounts that are queried at once.
const ACCOUNTS_AT_ONCE: usize = 16;

/// How many accounts a reason names.
const NAMED: usize = 5;

/// A page of a listing of buckets: only a paged listing contains their Regions.
const PAGE: i32 = 1000;

/// What is known about a bucket's name.
#[derive(Debug, Clone)]
pub enum BucketState {
    /// The bucket can be read.
    Found(BucketPlace),
    /// No bucket has the name.
    Missing,
    /// A bucket has the name, and no account of the organization owns it: who
    /// took the name of a deleted bucket may have put anything there.
    Outside(Unlocated),
    /// It could not be found out.
    Unknown(Unlocated),
}

/// Whose a bucket is and where, and who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPlace {
    /// The account that is proven to own it; absent where a declaration alone
    /// says who reads it.
    pub owner: Option<AccountId>,
    /// The account with whose credentials it can be read: the owner, where it
    /// can be read.
    pub reader: AccountId,
    /// The bucket's Region.
    pub region: Region,
}

/// Why a bucket cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocated {
    /// In words, on one line.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<&AwsError> for Unlocated {
    fn from(error: &AwsError) -> Self {
        Self { reason: error.in_full(), hint: error.hint() }
    }
}

/// Finds the owners and Regions of buckets.
///
/// The accounts that are likely to own a bucket are queried first; only where none
/// of them does, every account of the organization is queried for its buckets,
/// once for all.
#[derive(Debug)]
pub struct Buckets {
    aws: Aws,
    config: config::Organization,
    known: Option<Organization>,
    listed: OnceCell<Result<Listed, AwsError>>,
}

/// The buckets of all accounts.
#[derive(Debug, Default)]
struct Listed {
    owners: BTreeMap<String, (AccountId, Option<Region>)>,
    /// Accounts that were queried.
    queried: usize,
    /// Accounts that could not be queried, with the error, unless the
    /// configuration or the account's state is the reason.
    not_queried: BTreeMap<AccountId, Option<AwsError>>,
}

impl Buckets {
    /// The buckets of the organization's accounts. The organization is read when
    /// it is needed, where it is not given.
    #[must_use]
    pub fn new(aws: Aws, config: config::Organization, organization: Option<Organization>) -> Self {
        Self { aws, config, known: organization, listed: OnceCell::new() }
    }

    /// Finds a bucket that trails of these accounts write to.
    pub async fn find(&self, bucket: &BucketName, trails: &[AccountId]) -> BucketState {
        let mut candidates: Vec<AccountId> = Vec::new();
        let fixed = [&self.config.log_archive_account, &self.config.management_account];
        for account in trails.iter().chain(fixed) {
            if !candidates.contains(account) {
                candidates.push(account.clone());
            }
        }
        let mut refused = Vec::new();
        let mut queried = stream::iter(&candidates)
            .map(|account| async move {
                (account, self.region_as(account, bucket, Some(account)).await)
            })
            .buffered(ACCOUNTS_AT_ONCE);
        let own = self.own_bucket_at_home(bucket, trails.first());
        let (first, own) = futures::join!(queried.next(), own);
        let mut queried = stream::iter(first).chain(queried);
        while let Some((account, answer)) = queried.next().await {
            match answer {
                Ok(region) if own == Some((account, region.clone())) => {
                    return owned_as(account, account.clone(), region);
                }
                Ok(region) => {
                    let reader = self.reader(bucket, account, &region, &candidates).await;
                    return owned_as(account, reader, region);
                }
                // The name is free in the whole partition.
                Err(error) if error.is_not_found() => return BucketState::Missing,
                Err(error) => refused.push(error),
            }
        }
        drop(queried);
        let listed = self.listed.get_or_init(|| self.list()).await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return BucketState::Unknown(error.into()),
        };
        if let Some((owner, listed_region)) = listed.owners.get(bucket.as_str()) {
            return match (self.region_as(owner, bucket, Some(owner)).await, listed_region) {
                (Ok(region), _) => {
                    let reader = self.reader(bucket, owner, &region, &candidates).await;
                    owned_as(owner, reader, region)
                }
                (Err(error), _) if error.is_not_found() => BucketState::Missing,
                (Err(_), Some(region)) => {
                    let reader = self.reader(bucket, owner, region, &candidates).await;
                    owned_as(owner, reader, region.clone())
                }
                (Err(error), None) => BucketState::Unknown((&error).into()),
            };
        }
        self.of_unasked(bucket, &candidates, listed, &refused).await
    }

    /// Finds a bucket as a declaration says that it is read: by `account`, owned by
    /// `owner` where that is declared, else by an account of the organization.
    pub async fn declared(
        &self,
        bucket: &BucketName,
        account: &AccountId,
        owner: Option<&AccountId>,
        region: Option<&Region>,
    ) -> BucketState {
        let found = |owner: &AccountId, there: Region| {
            BucketState::Found(BucketPlace {
                owner: Some(owner.clone()),
                reader: account.clone(),
                region: region.cloned().unwrap_or(there),
            })
        };
        let likely = owner.unwrap_or(account);
        let error = match self.region_as(account, bucket, Some(likely)).await {
            Ok(there) => return found(likely, there),
            Err(error) if error.is_not_found() => return BucketState::Missing,
            Err(error) => error,
        };
        if owner.is_some() {
            return match region {
                // It may still be readable, and S3 compares the owner on reads too.
                Some(region) => found(likely, region.clone()),
                None => BucketState::Unknown((&error).into()),
            };
        }
        let listed = match self.listed.get_or_init(|| self.list()).await {
            Ok(listed) => listed,
            Err(error) => return BucketState::Unknown(error.into()),
        };
        if let Some((owner, there)) = listed.owners.get(bucket.as_str()) {
            return match (
                self.region_as(account, bucket, Some(owner)).await,
                region.or(there.as_ref()),
            ) {
                (Ok(there), _) => found(owner, there),
                (Err(error), _) if error.is_not_found() => BucketState::Missing,
                // It may still be readable.
                (Err(_), Some(region)) => found(owner, region.clone()),
                (Err(error), None) => BucketState::Unknown((&error).into()),
            };
        }
        let readers = [account.clone()];
        match self.of_unasked(bucket, &readers, listed, &[error]).await {
            BucketState::Found(place) => BucketState::Found(BucketPlace {
                region: region.cloned().unwrap_or(place.region),
                ..place
            }),
            BucketState::Outside(why) => BucketState::Outside(Unlocated {
                hint: Some(
                    "if you know and trust its owner, set it as `owner` under [[consolidate.sources]]"
                        .to_owned(),
                ),
                ..why
            }),
            other => other,
        }
    }

    /// Whether an account lists its own bucket, if it is in the home Region as most are.
    async fn own_bucket_at_home<'a>(
        &self,
        bucket: &BucketName,
        account: Option<&'a AccountId>,
    ) -> Option<(&'a AccountId, Region)> {
        let (account, home) = (account?, self.aws.home_region());
        let there = self.aws.clients(account, home).head_bucket(bucket, Some(account)).await;
        Some((account, there.ok()?.unwrap_or_else(|| home.clone())))
    }

    /// Who lists a bucket: its owner, else the first of the candidates that may. Who
    /// administers the owner can deny its own role, and hides nothing by that.
    async fn reader(
        &self,
        bucket: &BucketName,
        owner: &AccountId,
        region: &Region,
        candidates: &[AccountId],
    ) -> AccountId {
        let others = candidates.iter().filter(|account| *account != owner);
        for account in std::iter::once(owner).chain(others) {
            let clients = self.aws.clients(account, region);
            match clients.head_bucket(bucket, Some(owner)).await {
                Ok(_) => return account.clone(),
                Err(error) => {
                    tracing::debug!(%account, %bucket, %error, "trying the next account to read");
                }
            }
        }
        owner.clone()
    }

    /// A bucket of none of the accounts that could be queried. If an account of the
    /// organization may read it, S3 confirms its owner when each of the other accounts is
    /// stated as the owner.
    async fn of_unasked(
        &self,
        bucket: &BucketName,
        candidates: &[AccountId],
        listed: &Listed,
        refused: &[AwsError],
    ) -> BucketState {
        // The owner of a trail that writes there does not decide who reads: the organization's
        // own accounts come first.
        let fixed = [&self.config.log_archive_account, &self.config.management_account];
        let (first, others): (Vec<_>, Vec<_>) =
            candidates.iter().partition(|account| fixed.contains(account));
        for reader in first.into_iter().chain(others) {
            if self.region_as(reader, bucket, None).await.is_err() {
                continue;
            }
            let mut queried =
                stream::iter(listed.not_queried.keys())
                    .map(|owner| async move {
                        (owner, self.region_as(reader, bucket, Some(owner)).await)
                    })
                    .buffer_unordered(ACCOUNTS_AT_ONCE);
            while let Some((owner, answer)) = queried.next().await {
                if let Ok(region) = answer {
                    let (owner, reader) = (Some(owner.clone()), reader.clone());
                    return BucketState::Found(BucketPlace { owner, reader, region });
                }
            }
            return outside(bucket);
        }
        if listed.not_queried.is_empty() {
            return outside(bucket);
        }
        BucketState::Unknown(unknown(listed, refused))
    }

    /// The bucket's Region, as S3 reports it to an account; with an owner, only where
    /// the bucket is that account's.
    async fn region_as(
        &self,
        reader: &AccountId,
        bucket: &BucketName,
        owner: Option<&AccountId>,
    ) -> Result<Region, AwsError> {
        let home = self.aws.home_region();
        let first = match self.aws.clients(reader, home).bucket_region_of(bucket, owner).await {
            Err(error) if !error.is_not_found() && !error.has_no_session() => error,
            answer => return answer,
        };
        // To list a bucket is another permission, and the one that reading needs.
        let mut region = home.clone();
        for _ in 0..2 {
            match self.aws.clients(reader, &region).head_bucket(bucket, owner).await {
                Ok(reported) => return Ok(reported.unwrap_or(region)),
                Err(error) => match &error.bucket_region {
                    Some(there) if *there != region => region = there.clone(),
                    _ => break,
                },
            }
        }
        Err(first)
    }

    async fn list(&self) -> Result<Listed, AwsError> {
        let read;
        let organization = if let Some(known) = &self.known {
            known
        } else {
            let management = &self.config.management_account;
            let clients = self.aws.clients(management, self.aws.home_region());
            read = Organization::read(&clients).await?;
            &read
        };
        let mut listed = Listed::default();
        let (excluded, included): (Vec<_>, Vec<_>) = organization
            .accounts
            .values()
            .partition(|account| organization.exclusion(account, &self.config).is_some());
        listed.not_queried.extend(excluded.into_iter().map(|account| (account.id.clone(), None)));
        let mut answers = stream::iter(included)
            .map(|account| async move {
                let clients = self.aws.clients(&account.id, self.aws.home_region());
                (&account.id, buckets_of(&clients).await)
            })
            .buffer_unordered(ACCOUNTS_AT_ONCE);
        while let Some((account, answer)) = answers.next().await {
            match answer {
                Ok(buckets) => {
                    listed.queried += 1;
                    let owned = |(name, region)| (name, (account.clone(), region));
                    listed.owners.extend(buckets.into_iter().map(owned));
                }
                Err(error) => {
                    listed.not_queried.insert(account.clone(), Some(error));
                }
            }
        }
        drop(answers);
        Ok(listed)
    }
}

/// The names of an account's buckets, with their Regions if S3 returns them.
async fn buckets_of(clients: &Clients) -> Result<Vec<(String, Option<Region>)>, AwsError> {
    let listed = clients
        .s3()
        .list_buckets()
        .max_buckets(PAGE)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .at(clients, "s3:ListAllMyBuckets")?;
    let name = |bucket: aws_sdk_s3::types::Bucket| {
        let region = bucket.bucket_region.and_then(|region| region.parse().ok());
        Some((bucket.name?, region))
    };
    Ok(listed.into_iter().filter_map(name).collect())
}

fn owned_as(owner: &AccountId, reader: AccountId, region: Region) -> BucketState {
    BucketState::Found(BucketPlace { owner: Some(owner.clone()), reader, region })
}

fn outside(bucket: &BucketName) -> BucketState {
    BucketState::Outside(Unlocated {
        reason: format!(
            "the bucket {bucket} exists but belongs to no account of the organization, so it was not read"
        ),
        hint: Some(
            "if you know and trust its owner, add it under [[consolidate.sources]] with its `owner` and an `account` that may read it; if the bucket was deleted and someone else took its name, retire the trail, or exclude the source under [consolidate]"
                .to_owned(),
        ),
    })
}

fn unknown(listed: &Listed, refused: &[AwsError]) -> Unlocated {
    let named: Vec<&str> = listed.not_queried.keys().take(NAMED).map(AccountId::as_str).collect();
    let more = match listed.not_queried.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    // An account that could not be queried may own it; one that refused does not.
    let errors = refused.iter().filter(|error| error.has_no_session());
    let reported = errors.chain(listed.not_queried.values().flatten()).chain(refused).next();
    let why = reported.map(|error| format!(": {}", error.in_full())).unwrap_or_default();
    let queried = listed.queried;
    Unlocated {
        reason: format!(
            "its owner is unknown: it belongs to none of the {queried} accounts that could list their \
             buckets; {}{more} could not list theirs{why}",
            named.join(", ")
        ),
        hint: reported.and_then(AwsError::hint).or_else(|| {
            Some("set the `account` that may read it under [[consolidate.sources]]".to_owned())
        }),
    }
}
