//! Listings of a bucket as streams, in key order, prefetching one page.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{OptionalObjectAttributes, RestoreStatus};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::consolidate::join::Listed;
use super::consolidate::restore::{Archived, Class};
use crate::aws::{At, AwsError, Clients};
use crate::names::{AccountId, BucketName, OrgId, Region, prefix_folder};

/// Pages to prefetch: the next listing is under way while one is being processed, and no
/// more is kept in memory.
const PAGES_AHEAD: usize = 1;

/// Accounts of a bucket whose folders are listed at once.
const ACCOUNTS_AT_ONCE: usize = 16;

/// The most folders of one prefix that are listed: an organization has at most tens of
/// thousands of accounts, and anyone who writes a bucket can make any number.
const MAX_FOLDERS: usize = 100_000;

/// The objects below a prefix, in the order of their keys; their paths are relative to the
/// prefix.
///
/// Starts after the path `after`. Ends at the first error.
pub fn list(
    clients: &Clients,
    bucket: &BucketName,
    prefix: String,
    after: Option<String>,
) -> impl Stream<Item = Result<Listed, AwsError>> + Unpin + use<> {
    let (pages, ahead) = mpsc::channel(PAGES_AHEAD);
    let (clients, bucket) = (clients.clone(), bucket.clone());
    tokio::spawn(async move {
        let mut after = after.map(|path| format!("{prefix}{path}"));
        let mut token = None;
        loop {
            let page = clients
                .s3()
                .list_objects_v2()
                .bucket(bucket.as_str())
                .prefix(&prefix)
                .set_start_after(after.take())
                .set_continuation_token(token.take())
                .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
                .send()
                .await
                .at(&clients, "s3:ListBucket")
                .and_then(|page| whole(&clients, page));
            let next = match &page {
                Ok(page) => page.next_continuation_token().map(str::to_owned),
                Err(_) => None,
            };
            let listed = page.map(|page| {
                let objects = page.contents.unwrap_or_default();
                objects.into_iter().filter_map(|object| listed(&prefix, object)).collect::<Vec<_>>()
            });
            // The receiver was dropped.
            if pages.send(listed).await.is_err() || next.is_none() {
                return;
            }
            token = next;
        }
    });
    let pages = stream::unfold(ahead, |mut ahead| async move {
        let page = ahead.recv().await?;
        Some((page, ahead))
    });
    Box::pin(pages.flat_map(|page| match page {
        Ok(objects) => stream::iter(objects.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    }))
}

/// Checks that a page is complete. The SDK accepts truncated responses, and an incomplete
/// listing would look like a bucket with fewer objects.
pub(crate) fn whole(
    clients: &Clients,
    page: ListObjectsV2Output,
) -> Result<ListObjectsV2Output, AwsError> {
    let entries = page.contents().len() + page.common_prefixes().len();
    let counted = page.key_count().and_then(|count| usize::try_from(count).ok());
    let is_whole = counted.is_some_and(|counted| entries >= counted)
        && (page.is_truncated() != Some(true) || page.next_continuation_token().is_some())
        && page.contents().iter().all(|object| object.key().is_some() && object.size().is_some());
    if is_whole {
        return Ok(page);
    }
    let counted = counted.map_or_else(|| "no count of them".to_owned(), |n| format!("{n} counted"));
    let found =
        format!("a page of the listing with {entries} entries and {counted}: it was truncated");
    Err(clients.malformed("s3:ListBucket", &found))
}

fn listed(prefix: &str, object: aws_sdk_s3::types::Object) -> Option<Listed> {
    // `Some(false)` for a restored object.
    let restoring = object.restore_status().and_then(RestoreStatus::is_restore_in_progress);
    let archived = Class::of(object.storage_class())
        .filter(|_| restoring != Some(false))
        .map(|class| Archived { class, restoring: restoring == Some(true) });
    Some(Listed {
        path: object.key()?.strip_prefix(prefix)?.into(),
        size_bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        archived,
        etag: object.e_tag().map(Into::into),
        modified_at: object
            .last_modified()
            .and_then(|time| Timestamp::from_second(time.secs()).ok()),
    })
}

/// The folders directly below a prefix, without their slashes, and the number of objects
/// next to them.
pub async fn folders(
    clients: &Clients,
    bucket: &BucketName,
    prefix: &str,
) -> Result<(Vec<String>, u64), AwsError> {
    let mut folders = Vec::new();
    let mut beside = 0_u64;
    let mut token = None;
    loop {
        let page = clients
            .s3()
            .list_objects_v2()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .delimiter("/")
            .set_continuation_token(token)
            .send()
            .await
            .at(clients, "s3:ListBucket")
            .and_then(|page| whole(clients, page))?;
        for folder in page.common_prefixes() {
            let name = folder.prefix().and_then(|folder| folder.strip_prefix(prefix));
            folders.extend(name.map(|name| name.trim_end_matches('/').to_owned()));
        }
        // The console marks a folder by an empty object of its own name.
        let objects = page.contents().iter().filter(|object| object.key() != Some(prefix));
        beside += objects.count() as u64;
        if folders.len() > MAX_FOLDERS || beside > MAX_FOLDERS as u64 * 10 {
            let found =
                format!("more than {MAX_FOLDERS} folders below {prefix}: the listing was stopped");
            return Err(clients.malformed("s3:ListBucket", &found));
        }
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok((folders, beside));
        }
    }
}

/// The log prefixes below one prefix of a bucket, and what CloudTrail did not write there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LogPrefixes {
    /// Every folder of an account, kind and Region.
    pub log_prefixes: Vec<super::batches::LogPrefix>,
    /// Folders that CloudTrail does not create, by their full prefix.
    pub unexpected: Vec<String>,
    /// Objects in places where CloudTrail creates only folders.
    pub stray_objects: u64,
    /// Folders of accounts that were not selected: the root, and the account.
    pub others: Vec<(String, AccountId)>,
}

impl LogPrefixes {
    /// Adds those below another prefix of the bucket, without duplicates.
    pub(crate) fn extend(&mut self, other: Self) {
        self.log_prefixes.extend(other.log_prefixes);
        self.log_prefixes.sort();
        self.log_prefixes.dedup();
        self.unexpected.extend(other.unexpected);
        self.unexpected.sort();
        self.unexpected.dedup();
        self.stray_objects += other.stray_objects;
        self.others.extend(other.others);
        self.others.sort();
        self.others.dedup();
    }
}

/// Finds the log prefixes below `[prefix/]AWSLogs/`, with and without an
/// organization's folder.
pub async fn log_prefixes(
    clients: &Clients,
    bucket: &BucketName,
    prefix: Option<&str>,
) -> Result<LogPrefixes, AwsError> {
    log_prefixes_of(clients, bucket, prefix, &BTreeSet::new(), |_| true).await
}

/// The same for selected accounts only, so folders of other accounts cannot slow it down. The
/// folders of `likely` accounts are listed at the same time as those above them.
pub async fn log_prefixes_of(
    clients: &Clients,
    bucket: &BucketName,
    prefix: Option<&str>,
    likely: &BTreeSet<AccountId>,
    wants: impl Fn(&AccountId) -> bool,
) -> Result<LogPrefixes, AwsError> {
    let top = format!("{}AWSLogs/", prefix_folder(prefix));
    let top = top.as_str();
    let (found, listed) = futures::join!(
        accounts_below(clients, bucket, top, wants),
        stream::iter(likely)
            .map(|account| async move {
                (account, prefixes_of_account(clients, bucket, top, account).await)
            })
            .buffer_unordered(ACCOUNTS_AT_ONCE)
            .collect::<BTreeMap<_, _>>()
    );
    let ((mut found, accounts), mut ahead) = (found?, listed);
    let mut listed = stream::iter(accounts)
        .map(|(root, account)| {
            let known = if root == top { ahead.remove(&account) } else { None };
            async move {
                match known {
                    Some(Ok(known)) => Ok(known),
                    _ => prefixes_of_account(clients, bucket, &root, &account).await,
                }
            }
        })
        .buffer_unordered(ACCOUNTS_AT_ONCE);
    while let Some(of_account) = listed.next().await {
        let LogPrefixes { log_prefixes, unexpected, stray_objects, .. } = of_account?;
        found.log_prefixes.extend(log_prefixes);
        found.unexpected.extend(unexpected);
        found.stray_objects += stray_objects;
    }
    drop(listed);
    found.log_prefixes.sort();
    found.unexpected.sort();
    Ok(found)
}

/// The wanted accounts below a root and the organizations in it, each with its root, and what
/// else is there.
async fn accounts_below(
    clients: &Clients,
    bucket: &BucketName,
    top: &str,
    wants: impl Fn(&AccountId) -> bool,
) -> Result<(LogPrefixes, Vec<(String, AccountId)>), AwsError> {
    let mut found = LogPrefixes::default();
    let mut accounts = Vec::new();
    let mut roots = vec![top.to_owned()];
    while let Some(root) = roots.pop() {
        let (names, beside) = folders(clients, bucket, &root).await?;
        found.stray_objects += beside;
        for name in names {
            if let Ok(account) = name.parse::<AccountId>() {
                if wants(&account) {
                    accounts.push((root.clone(), account));
                } else {
                    found.others.push((root.clone(), account));
                }
            } else if root == top && name.parse::<OrgId>().is_ok() {
                roots.push(format!("{root}{name}/"));
            } else {
                found.unexpected.push(format!("{root}{name}/"));
            }
        }
    }
    Ok((found, accounts))
}

async fn prefixes_of_account(
    clients: &Clients,
    bucket: &BucketName,
    root: &str,
    account: &AccountId,
) -> Result<LogPrefixes, AwsError> {
    let mut found = LogPrefixes::default();
    let base = format!("{root}{account}/");
    let [events, digests] = [super::key::LogClass::Events.folder(), super::key::DIGEST_FOLDER]
        .map(|usual| format!("{base}{usual}/"));
    // Nearly every account has these folders.
    let (kinds, in_events, in_digests) = futures::join!(
        Box::pin(folders(clients, bucket, &base)),
        Box::pin(folders(clients, bucket, &events)),
        Box::pin(folders(clients, bucket, &digests))
    );
    let mut usual = BTreeMap::from([(events, in_events), (digests, in_digests)]);
    let (kinds, beside) = kinds?;
    found.stray_objects += beside;
    for folder in kinds {
        let known = folder == super::key::DIGEST_FOLDER
            || super::key::LogClass::ALL.iter().any(|class| class.folder() == folder);
        if !known {
            // Config, VPC flow logs and load balancers write next to CloudTrail.
            found.unexpected.push(format!("{base}{folder}/"));
            continue;
        }
        let folder_key = format!("{base}{folder}/");
        let (regions, beside) = match usual.remove(&folder_key) {
            Some(listed) => listed?,
            None => folders(clients, bucket, &folder_key).await?,
        };
        found.stray_objects += beside;
        for region in regions {
            match region.parse::<Region>() {
                Ok(region) => found.log_prefixes.push(super::batches::LogPrefix {
                    bucket: bucket.to_string(),
                    root: root.to_owned(),
                    account: account.clone(),
                    folder: folder.clone(),
                    region,
                }),
                Err(_) => found.unexpected.push(format!("{base}{folder}/{region}/")),
            }
        }
    }
    Ok(found)
}
