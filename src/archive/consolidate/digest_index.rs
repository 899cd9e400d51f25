//! The log files that a source's digests list: which of them may be copied, and which are
//! held back because their digest is not in the archive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::concurrency::ConcurrencyLimit;
use super::copy::{CopyError, Origin, fetch};
use super::inspect::{Expected, Refusal, by_size, inspect};
use super::join::Listed;
use super::proof::Attester;
use crate::archive::batches::{LogPrefix, day_folder};
use crate::archive::inventory;
use crate::archive::key::{ObjectKey, ObjectKind};
use crate::archive::verify::digest::ListedLog;
use crate::aws::Clients;
use crate::names::BucketName;

/// Digests of a day that are read concurrently.
const READS_AT_ONCE: usize = 16;
/// Log files of digests in memory for one account and Region. A few days are always kept.
const MAX_LISTED: usize = 50_000;
const DAYS_MIN: usize = 3;
/// How far a log file's time may be outside the hour of the digest that lists it.
const HOUR_MARGIN: SignedDuration = SignedDuration::from_mins(15);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The digests of one account and Region of a source.
///
/// Reads a day's digests once, when its first log is looked up.
#[derive(Debug)]
pub(super) struct DigestIndex {
    source: Clients,
    bucket: BucketName,
    source_limit: Arc<ConcurrencyLimit>,
    /// The folder of the digests, with the trailing slash.
    folder: String,
    /// Digests that are not in the archive, by their path below the folder.
    absent: Mutex<BTreeSet<String>>,
    /// What verifies the digests.
    attester: Arc<Attester>,
    days: Mutex<BTreeMap<Date, Arc<OnceCell<DayDigests>>>>,
    cache: Mutex<ListedCache>,
}

/// A log file's name and hash.
type Entry = (Box<str>, Box<str>);

/// The files listed by digests that were copied in this run, so they are not read again.
/// Limited in size.
#[derive(Debug, Default)]
struct ListedCache {
    /// By the digest's path below the folder: names and hashes.
    digests: HashMap<String, Vec<Entry>>,
    logs: usize,
}

/// The files that a day's digests list.
#[derive(Debug, Default)]
struct DayDigests {
    /// By the log file's name.
    listed: HashMap<Box<str>, ListedHashes>,
    /// The ends of the hours of digests that are not in the archive and could not be read.
    unread: Vec<Timestamp>,
}

/// The hashes that digests list for one log file.
#[derive(Debug, Default)]
struct ListedHashes {
    /// The hashes in digests that are in the archive.
    hashes: Vec<Box<str>>,
}

/// Whether a log may be copied.
#[derive(Debug)]
pub(super) enum CopyPermission {
    /// It may be copied if it is as expected.
    Allowed(Expected),
    /// It stays at the source, with the reason.
    HeldBack(&'static str),
}

impl DigestIndex {
    /// The digests of the log prefix's account and Region.
    pub(super) fn new(
        log_prefix: &LogPrefix,
        source: Clients,
        bucket: BucketName,
        source_limit: Arc<ConcurrencyLimit>,
        attester: Arc<Attester>,
    ) -> Self {
        let folder = crate::archive::key::DIGEST_FOLDER.to_owned();
        let folder = LogPrefix { folder, ..log_prefix.clone() }.prefix();
        Self {
            source,
            bucket,
            source_limit,
            folder,
            absent: Mutex::default(),
            attester,
            days: Mutex::default(),
            cache: Mutex::default(),
        }
    }

    /// Adds the files of a digest that is in the archive.
    pub(super) fn add_listed(&self, path: &str, listed: Vec<ListedLog>) {
        let mut cache = self.cache.lock();
        if cache.logs + listed.len() > MAX_LISTED || cache.digests.len() > MAX_LISTED {
            return;
        }
        cache.logs += listed.len();
        cache.digests.insert(path.to_owned(), listed.into_iter().map(entry).collect());
    }

    /// Notes that a digest is not in the archive, so its logs must not be copied.
    pub(super) fn add_absent(&self, path: &str) {
        self.absent.lock().insert(path.to_owned());
    }

    /// Whether a log may be copied.
    ///
    /// # Errors
    /// Its digests could not be listed or read.
    pub(super) async fn permission(
        &self,
        log: &ObjectKey,
        day: Option<Date>,
    ) -> Result<CopyPermission, CopyError> {
        let ObjectKind::Log { class, .. } = log.kind() else {
            return Ok(CopyPermission::HeldBack("it is not a log file"));
        };
        let name = log.file_name();
        let (mut hashes, mut is_listed, mut may_be_listed) = (Vec::new(), false, false);
        // The digest of a day's last hour has the date of the next day.
        for day in day.into_iter().chain(day.and_then(|day| day.tomorrow().ok())) {
            let cell = self.cell(day);
            let read = cell.get_or_try_init(|| self.read(day)).await?;
            if let Some(claim) = read.listed.get(name.as_str()) {
                is_listed = true;
                hashes.extend(claim.hashes.iter().cloned());
            }
            may_be_listed |= read.unread.iter().any(|end| may_list(log.time(), *end));
        }
        self.evict_first_days();
        Ok(if !hashes.is_empty() {
            CopyPermission::Allowed(Expected::Listed(hashes))
        } else if is_listed {
            CopyPermission::HeldBack("the digest that lists it is not in the archive")
        } else if may_be_listed {
            CopyPermission::HeldBack("a digest of its hour is not in the archive and may list it")
        } else {
            CopyPermission::Allowed(Expected::Unlisted(*class))
        })
    }

    fn cell(&self, day: Date) -> Arc<OnceCell<DayDigests>> {
        Arc::clone(self.days.lock().entry(day).or_default())
    }

    /// Evicts the first days when the limit is exceeded: log prefixes are processed by day.
    fn evict_first_days(&self) {
        let mut days = self.days.lock();
        let listed = |days: &BTreeMap<Date, Arc<OnceCell<DayDigests>>>| -> usize {
            days.values().filter_map(|day| day.get()).map(|day| day.listed.len()).sum()
        };
        while days.len() > DAYS_MIN && listed(&days) > MAX_LISTED {
            days.pop_first();
        }
    }

    async fn read(&self, day: Date) -> Result<DayDigests, CopyError> {
        let prefix = format!("{}{}", self.folder, day_folder(day));
        let digests: Vec<Listed> =
            inventory::list(&self.source, &self.bucket, prefix.clone(), None).try_collect().await?;
        let mut read = DayDigests::default();
        let mut documents = stream::iter(digests)
            .map(|listed| self.document(&prefix, listed))
            .buffer_unordered(READS_AT_ONCE);
        while let Some((key, is_absent, logs)) = documents.next().await.transpose()? {
            match logs {
                Some(logs) => {
                    for (name, hash) in logs {
                        let claim = read.listed.entry(name).or_default();
                        if !is_absent {
                            claim.hashes.push(hash);
                        }
                    }
                }
                None if is_absent => read.unread.extend(key.map(|key| key.time())),
                // It is in quarantine, or was already in the archive: ignore its list.
                None => {}
            }
        }
        drop(documents);
        Ok(read)
    }

    /// Reads a digest: its key, whether it is absent from the archive, and the names and hashes
    /// that it lists.
    async fn document(
        &self,
        prefix: &str,
        listed: Listed,
    ) -> Result<(Option<ObjectKey>, bool, Option<Vec<Entry>>), CopyError> {
        let key = format!("{prefix}{}", listed.path);
        let path = key.strip_prefix(&self.folder).unwrap_or_default();
        let is_absent = self.absent.lock().contains(path);
        let parsed = key.parse::<ObjectKey>().ok();
        // Each day is read once.
        if let Some(logs) = self.cache.lock().take(path).filter(|_| !is_absent) {
            return Ok((parsed, false, Some(logs)));
        }
        if parsed.is_none() || listed.archived.is_some() || by_size(listed.size_bytes).is_err() {
            return Ok((parsed, is_absent, None));
        }
        let origin = Origin {
            clients: &self.source,
            bucket: &self.bucket,
            key: &key,
            size_bytes: listed.size_bytes,
            etag: None,
        };
        let permit = self.source_limit.permit().await;
        let fetched = fetch(origin, None).await;
        drop(permit);
        let (object, stored) = match fetched {
            Ok(fetched) => fetched,
            // An unreadable digest was not copied either.
            Err(_) if is_absent => return Ok((parsed, is_absent, None)),
            Err(error) => return Err(error),
        };
        let Some(digest) = parsed.clone() else { return Ok((parsed, is_absent, None)) };
        let claim = self.attester.claim(digest).await;
        let expected = Expected::Digest(Box::new(claim));
        // INVARIANT: the list of a refused digest is ignored; otherwise the source's
        // administrator could vouch for logs.
        match inspect(&expected, &stored, object.metadata.as_ref()).await {
            Ok(logs) => Ok((parsed, is_absent, Some(logs.into_iter().map(entry).collect()))),
            Err(Refusal::Undecided(_)) => Ok((parsed, true, None)),
            Err(_) => Ok((parsed, is_absent, None)),
        }
    }
}

impl ListedCache {
    fn take(&mut self, path: &str) -> Option<Vec<Entry>> {
        let logs = self.digests.remove(path)?;
        self.logs -= logs.len();
        Some(logs)
    }
}

fn entry(log: ListedLog) -> Entry {
    let name = log.s3_object.rsplit('/').next().unwrap_or_default();
    (name.into(), log.hash_value.into())
}

/// Whether a digest whose hour ends at `end` may list a log file of this time.
fn may_list(log: Timestamp, end: Timestamp) -> bool {
    let before = end.duration_since(log);
    -HOUR_MARGIN <= before && before <= HOUR + HOUR_MARGIN
}

/// Whether an object was written when CloudTrail delivered it, and not overwritten since. S3
/// sets this time; a writer cannot.
pub(super) fn is_as_delivered(delivered: Timestamp, modified: Option<Timestamp>) -> bool {
    modified.is_some_and(|modified| {
        let later = modified.duration_since(delivered);
        -HOUR_MARGIN <= later && later <= HOUR
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_written_over_later_is_not_as_delivered() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let delivered = at("2026-01-01T10:05:00Z");
        assert!(is_as_delivered(delivered, Some(at("2026-01-01T10:05:40Z"))));
        for other in [None, Some(at("2026-01-01T12:00:00Z")), Some(at("2026-01-01T09:00:00Z"))] {
            assert!(!is_as_delivered(delivered, other), "{other:?}");
        }
    }

    #[test]
    fn a_digest_lists_files_of_its_hour_and_a_little_around() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let end = at("2026-01-01T11:00:00Z");
        for (log, is) in
            [("10:05", true), ("09:50", true), ("11:10", true), ("09:40", false), ("11:20", false)]
        {
            assert_eq!(may_list(at(&format!("2026-01-01T{log}:00Z")), end), is, "{log}");
        }
    }
}
