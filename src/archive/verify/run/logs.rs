//! Checks log files: fetched concurrently, decompressed and hashed in batches on blocking
//! threads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Concurrency, FileVerdict, LogTally, Period, Progress};
use crate::archive::blocking::{blocking, or_panic};
use crate::archive::verify::finding::{Finding, FindingKind};
use crate::archive::verify::log_file::{LogClaim, LogFault, VerifiedLog};
use crate::archive::verify::place::ChainScope;
use crate::archive::verify::source::{FetchError, FetchedObject, FolderSource, LastFolder, Source};

/// Files per blocking task.
const BATCH: usize = 32;
/// The maximum size of a batch of fetched files. Units: bytes, as stored.
///
/// Files that wait for a batch stay in memory, so this size times the number of scopes must
/// be far below the memory for objects.
const BATCH_BYTES: usize = 1 << 20;

/// The memory for all digests before their signatures are verified, whatever objects are in
/// their place. Units: KiB.
const INFLATING_KIB: usize = 64 << 10;
const OPENED_KIB: usize = 128 << 10;
/// The number of deferred digests in memory in addition, each of the maximum size.
const DEFERRED_AT_ONCE: usize = 1;

type Checked = Result<Result<VerifiedLog, LogFault>, FetchError>;

thread_local! {
    /// Scratch space: a file's bytes, and the inflater's buffer.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// The limits that all scopes share.
#[derive(Debug)]
pub(super) struct Limits {
    fetches: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    /// The memory for decompressing digests. Units: KiB.
    pub(super) inflating: Semaphore,
    /// The memory for parsed, unproven digests. Units: KiB.
    pub(super) opened: Arc<Semaphore>,
    /// The slots for deferred digests.
    pub(super) fetch_deferred: Semaphore,
    /// The number of busy blocking threads.
    pub(super) threads: usize,
}

impl Limits {
    pub(super) fn new(concurrency: Concurrency) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            fetches: Arc::new(Semaphore::new(concurrency.fetches)),
            batches: Arc::new(Semaphore::new(threads * 2)),
            inflating: Semaphore::new(INFLATING_KIB),
            opened: Arc::new(Semaphore::new(OPENED_KIB)),
            fetch_deferred: Semaphore::new(DEFERRED_AT_ONCE),
            threads,
        }
    }

    /// Acquires a fetch permit; never `None`, since the semaphore is not closed.
    pub(super) async fn fetch(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.fetches.acquire().await.ok()
    }
}

/// The log files of one scope that are being checked.
pub(super) struct LogChecks {
    source: Arc<Source>,
    /// The roots of the bucket: a file that is missing below one may be below another.
    scopes: Arc<[Arc<ChainScope>]>,
    limits: Arc<Limits>,
    progress: Arc<dyn Progress>,
    running: JoinSet<()>,
    results: Arc<Mutex<LogResults>>,
    batch: Vec<LogClaim>,
    fetched: Arc<Mutex<Fetched>>,
}

/// Fetched files that wait for a full batch.
#[derive(Debug, Default)]
struct Fetched {
    files: Vec<(LogClaim, FetchedObject)>,
    bytes: usize,
}

/// The results of checking.
#[derive(Debug, Default)]
pub(super) struct LogResults {
    pub(super) tally: LogTally,
    pub(super) findings: Vec<Finding>,
    pub(super) bad_hours: Vec<Period>,
    /// Findings that apply to many files, reported once.
    noted: BTreeMap<FindingKind, Finding>,
}

impl LogChecks {
    pub(super) fn new(
        source: &Arc<Source>,
        scopes: &[Arc<ChainScope>],
        limits: &Arc<Limits>,
        progress: &Arc<dyn Progress>,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            scopes: scopes.into(),
            limits: Arc::clone(limits),
            progress: Arc::clone(progress),
            running: JoinSet::new(),
            results: Arc::default(),
            batch: Vec::new(),
            fetched: Arc::default(),
        }
    }

    /// Checks a file when a slot is available.
    pub(super) async fn check(&mut self, claim: LogClaim) {
        match &*self.source {
            Source::Folder(_) => {
                self.batch.push(claim);
                if self.batch.len() >= BATCH {
                    self.check_batch().await;
                }
            }
            Source::S3(_) => self.check_one(claim).await,
        }
        // Remove completed tasks.
        while let Some(done) = self.running.try_join_next() {
            or_panic(done);
        }
    }

    async fn check_one(&mut self, claim: LogClaim) {
        let Ok(permit) = Arc::clone(&self.limits.fetches).acquire_owned().await else { return };
        let (source, results, progress) =
            (Arc::clone(&self.source), Arc::clone(&self.results), Arc::clone(&self.progress));
        let (waiting, scopes) = (Arc::clone(&self.fetched), Arc::clone(&self.scopes));
        self.running.spawn(async move {
            let fetched = source.fetch(claim.bucket(), claim.key()).await;
            match fetched {
                Err(error) => {
                    let elsewhere = match error {
                        FetchError::NotFound => elsewhere(&source, &scopes, &claim).await,
                        _ => None,
                    };
                    match elsewhere {
                        Some(key) => results.lock().elsewhere(&claim, &key, &*progress),
                        None => results.lock().add(&claim, Err(error), &*progress),
                    }
                    drop(permit);
                    progress.logs(1);
                }
                Ok(object) => {
                    drop(permit);
                    let full = waiting.lock().push(claim, object);
                    if let Some(batch) = full {
                        check_fetched(&source, batch, &results, &*progress).await;
                    }
                }
            }
        });
    }

    async fn check_batch(&mut self) {
        let Source::Folder(folder) = &*self.source else { return };
        let Ok(permit) = Arc::clone(&self.limits.batches).acquire_owned().await else { return };
        let batch = std::mem::take(&mut self.batch);
        let (folder, results, progress) =
            (folder.clone(), Arc::clone(&self.results), Arc::clone(&self.progress));
        let scopes = Arc::clone(&self.scopes);
        self.running.spawn_blocking(move || {
            let _permit = permit;
            let count = batch.len() as u64;
            let mut last = LastFolder::default();
            let mut check = |claim: &LogClaim| check_file(&folder, claim, &mut last);
            let checked: Vec<_> = batch.into_iter().map(|claim| (check(&claim), claim)).collect();
            for (result, claim) in checked {
                let mut below = |scope: &Arc<ChainScope>| {
                    let other = claim.below(&scope.root, scope)?;
                    matches!(check(&other), Ok(Ok(_))).then(|| other.key().to_owned())
                };
                let is_missing = matches!(result, Err(FetchError::NotFound));
                match is_missing.then(|| scopes.iter().find_map(&mut below)).flatten() {
                    Some(key) => results.lock().elsewhere(&claim, &key, &*progress),
                    None => results.lock().add(&claim, result, &*progress),
                }
            }
            progress.logs(count);
        });
    }

    /// Waits for all files and returns the results.
    pub(super) async fn finish(mut self) -> LogResults {
        if !self.batch.is_empty() {
            self.check_batch().await;
        }
        while let Some(done) = self.running.join_next().await {
            or_panic(done);
        }
        let rest = std::mem::take(&mut self.fetched.lock().files);
        check_fetched(&self.source, rest, &self.results, &*self.progress).await;
        let mut results = std::mem::take(&mut *self.results.lock());
        results.findings.extend(std::mem::take(&mut results.noted).into_values());
        results
    }
}

/// The key of a missing file below another root of the bucket, if the file there matches the
/// claim.
async fn elsewhere(
    source: &Source,
    scopes: &[Arc<ChainScope>],
    claim: &LogClaim,
) -> Option<String> {
    for scope in scopes {
        let Some(other) = claim.below(&scope.root, scope) else { continue };
        if matches!(check_again(source, &other).await, Ok(Ok(_))) {
            return Some(other.key().to_owned());
        }
    }
    None
}

impl Fetched {
    /// Adds a file and returns the batch when it is full.
    fn push(
        &mut self,
        claim: LogClaim,
        object: FetchedObject,
    ) -> Option<Vec<(LogClaim, FetchedObject)>> {
        self.bytes += object.bytes.len();
        self.files.push((claim, object));
        let is_full = self.files.len() >= BATCH || self.bytes >= BATCH_BYTES;
        is_full.then(|| std::mem::take(self).files)
    }
}

/// Checks fetched files on a blocking thread; faulty files are fetched again.
async fn check_fetched(
    source: &Source,
    batch: Vec<(LogClaim, FetchedObject)>,
    results: &Mutex<LogResults>,
    progress: &dyn Progress,
) {
    let count = batch.len() as u64;
    for (claim, result) in check_all(batch).await {
        let result = match result {
            Ok(log) => Ok(Ok(log)),
            Err(_) => check_again(source, &claim).await,
        };
        results.lock().add(&claim, result, progress);
    }
    progress.logs(count);
}

async fn check_again(source: &Source, claim: &LogClaim) -> Checked {
    let object = source.fetch_again(claim.bucket(), claim.key()).await?;
    let checked = check_all(vec![(claim.clone(), object)]).await.pop();
    checked.map(|(_, result)| result).ok_or_else(|| FetchError::Failed("not checked".to_owned()))
}

async fn check_all(
    batch: Vec<(LogClaim, FetchedObject)>,
) -> Vec<(LogClaim, Result<VerifiedLog, LogFault>)> {
    // No claim may be lost: it would count as proven.
    blocking(move || {
        let check = |(claim, object): (LogClaim, FetchedObject)| {
            let result = SCRATCH.with_borrow_mut(|(_, buffer)| claim.check(&object.bytes, buffer));
            (claim, result)
        };
        batch.into_iter().map(check).collect()
    })
    .await
}

fn check_file(folder: &FolderSource, claim: &LogClaim, last: &mut LastFolder) -> Checked {
    SCRATCH.with_borrow_mut(|(bytes, buffer)| {
        folder.read(claim.bucket(), claim.key(), bytes, last)?;
        Ok(claim.check(bytes, buffer))
    })
}

impl LogResults {
    fn add(&mut self, claim: &LogClaim, result: Checked, progress: &dyn Progress) {
        let counts = u64::from(!claim.is_copy());
        progress.log_file(
            claim.key(),
            match &result {
                Ok(Ok(_)) => FileVerdict::Proven,
                Ok(Err(_)) | Err(FetchError::NotFound) => FileVerdict::Contradicted,
                Err(_) => FileVerdict::Unreadable,
            },
        );
        let finding = match result {
            Ok(Ok(log)) => {
                self.tally.valid += counts;
                self.tally.inflated_bytes += log.inflated_bytes() * counts;
                if log.is_stored_inflated() {
                    let finding = Finding::new(FindingKind::StoredInflated)
                        .at(claim.bucket(), claim.key())
                        .with_mismatch("log files as gzip streams", "log files stored inflated");
                    self.noted(finding);
                }
                return;
            }
            Ok(Err(fault)) => {
                self.tally.invalid += counts;
                claim.fault(&fault)
            }
            Err(FetchError::NotFound) => {
                self.tally.invalid += counts;
                claim.missing()
            }
            Err(error) => {
                self.tally.unreadable += counts;
                claim.unreadable(&error.to_string())
            }
        };
        self.bad_hours.push(claim.hour());
        self.findings.push(finding);
    }

    /// Counts a file that is below another root instead.
    fn elsewhere(&mut self, claim: &LogClaim, key: &str, progress: &dyn Progress) {
        progress.log_file(key, FileVerdict::Proven);
        self.tally.valid += u64::from(!claim.is_copy());
        self.noted(claim.elsewhere(key));
    }

    /// Merges findings that apply to many files into one, with the first file.
    fn noted(&mut self, finding: Finding) {
        let known = self.noted.remove(&finding.kind);
        let objects = 1 + known.as_ref().map_or(0, |known| known.objects);
        let periods = [known.as_ref().and_then(|known| known.period), finding.period];
        let period = periods.into_iter().flatten().reduce(|one, other| Period {
            from: one.from.min(other.from),
            to: one.to.max(other.to),
        });
        let first = known.into_iter().chain([finding]).min_by(|a, b| a.key.cmp(&b.key));
        let all = first.map(|first| Finding { period, objects, ..first });
        self.noted.extend(all.map(|all| (all.kind, all)));
    }
}
