//! Copies one log prefix: joins the listings, splits them into days and copies what is
//! missing.

mod days;
mod exceptions;
mod object;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesOrdered;
use futures::{StreamExt, stream};
use jiff::civil::Date;

use self::days::DayBatches;
use self::object::SourceObject;
use super::concurrency::ConcurrencyLimit;
use super::copy::{self, Copied, CopyError, Target, WriteTarget};
use super::digest_index::{CopyPermission, DigestIndex, is_as_delivered};
use super::inspect::{Expected, Refusal, by_size};
use super::join::{JoinEntry, JoinError, join};
use super::progress::PrefixProgress;
use super::proof::Attester;
use super::quarantine::Budget;
use super::record::{BatchRow, Counts, ObjectRow, Outcome, Row};
use super::restore::Restoring;
use super::server_side::{CopyRequest, Route};
use crate::archive::accept::Acceptances;
use crate::archive::batches::{DayBatch, LogPrefix, day_folder};
use crate::archive::inventory;
use crate::archive::key::{DIGEST_FOLDER, ObjectKey, Root};
use crate::aws::{Clients, ErrorKind};
use crate::names::BucketName;
use crate::words::in_one_line;

/// Retries of an object after throttling or a truncated body, in addition to the SDK's
/// retries: the SDK gives up early under heavy throttling and does not retry bodies.
const MAX_RETRIES: u32 = 4;

/// The next day is started while fewer entries than this are in progress: enough for all
/// concurrent copies, and few compared with a page of a listing.
const MAX_ENTRIES_AHEAD: usize = 256;

/// The maximum delay before the first retry; it doubles with each retry.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A log prefix and everything needed to copy it.
#[derive(Debug, Clone)]
pub(super) struct PrefixCopyTask {
    pub(super) log_prefix: LogPrefix,
    pub(super) source: Clients,
    pub(super) bucket: BucketName,
    /// How the source's objects are copied.
    pub(super) route: Arc<Route>,
    pub(super) target: Target,
    /// The same with write access; `None` in a dry run.
    pub(super) writer: Option<WriteTarget>,
    /// The archive's root: `[prefix/]AWSLogs/<org-id>/`.
    pub(super) archive_root: Root,
    /// The archive's prefix.
    pub(super) archive_prefix: Option<String>,
    /// Verifies its digests or, for logs, the digests that list them.
    pub(super) attester: Arc<Attester>,
    /// The source's quarantine budget.
    pub(super) budget: Arc<Budget>,
    /// The accepted objects.
    pub(super) acceptances: Arc<Acceptances>,
    /// The first day to copy.
    pub(super) since: Option<Date>,
    /// The last day to copy.
    pub(super) until: Option<Date>,
    /// The last day that an earlier run completed.
    pub(super) proven_through: Option<Date>,
    /// The last closed day.
    pub(super) closed_through: Date,
    /// How archived objects are restored; `None` if they are not.
    pub(super) restore: Option<Restoring>,
    /// The limit of concurrent copies over all sources.
    pub(super) limit: Arc<ConcurrencyLimit>,
    /// The same for this source, so a throttled source does not slow down others.
    pub(super) source_limit: Arc<ConcurrencyLimit>,
    pub(super) progress: PrefixProgress,
}

/// The outcome of one object of the source.
enum EntryOutcome {
    /// It was already in the archive.
    Present,
    /// The archive has an object with its key and size, but one side is in an archive class and
    /// cannot be compared.
    Uncompared,
    /// The run was stopped before its copy.
    Left,
    /// The row to record.
    Recorded(ObjectRow),
}

/// Why a log prefix was not completed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrefixFailure {
    /// Its listings could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its digests were not completed.
    #[error("not copied: the digests of these log files could not be listed")]
    NoDigests,
}

impl PrefixFailure {
    /// A hint for the user.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Join(error) => error.hint(),
            Self::NoDigests => None,
        }
    }
}

/// The result of a log prefix.
#[derive(Debug, Default)]
pub(super) struct PrefixResult {
    pub(super) counts: Counts,
    /// The last closed day up to which everything is in the archive.
    pub(super) proven_through: Option<Date>,
    /// Why the log prefix was not completed.
    pub(super) failure: Option<PrefixFailure>,
    /// Whether the run was stopped before it was completed.
    pub(super) stopped: bool,
}

impl PrefixCopyTask {
    /// Copies the log prefix and sends a row for each object and batch.
    pub(super) async fn run(
        self,
        rows: &tokio::sync::mpsc::Sender<Row>,
        digest_index: &DigestIndex,
    ) -> PrefixResult {
        let mut result = PrefixResult { proven_through: self.proven_through, ..Default::default() };
        let after_proven = self.proven_through.and_then(|day| day.tomorrow().ok());
        // A gap between the proven days and the requested ones stays unproven.
        let mut contiguous = match (after_proven, self.since) {
            (Some(next), Some(since)) => since <= next,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let first = self.since.max(after_proven);
        let after = first.map(day_folder);
        let source = self.log_prefix.prefix();
        let archive = self.log_prefix.folder_below(&self.archive_root);
        let mut batches = DayBatches::new(join(
            inventory::list(&self.source, &self.bucket, source, after.clone()),
            inventory::list(&self.target.clients, &self.target.bucket, archive, after),
        ));
        // Days complete in order, so the proven period has no gap; the next small days run
        // concurrently.
        let (mut running, mut ahead) = (FuturesOrdered::new(), 0);
        let mut ended = false;
        loop {
            // After the limit is reached, the remaining objects are still counted.
            result.stopped |= self.progress.stopped();
            ended |= self.progress.interrupted();
            tokio::select! {
                // A slow listing must not delay the end of the run.
                () = self.progress.halted(), if !ended => {},
                batch = batches.next(), if !ended && ahead < MAX_ENTRIES_AHEAD => match batch {
                    Some(Ok((day, _))) if day > self.until && self.until.is_some() => ended = true,
                    Some(Ok((day, entries))) => {
                        ahead += entries.len();
                        running.push_back(self.batch(day, entries, rows, digest_index));
                    }
                    Some(Err(error)) => {
                        result.failure = Some(error.into());
                        ended = true;
                    }
                    None => ended = true,
                },
                Some((day, counts)) = running.next(), if !running.is_empty() => {
                    ahead = ahead.saturating_sub(usize::try_from(counts.source).unwrap_or(usize::MAX));
                    result.counts += counts;
                    // Objects that could not be compared do not keep a day open: until they are
                    // restored, each run would compare all later days again.
                    contiguous &= counts.complete() && !self.progress.stopped();
                    if let Some(day) = day.filter(|day| contiguous && *day <= self.closed_through) {
                        result.proven_through = result.proven_through.max(Some(day));
                    }
                },
                else => return result,
            }
        }
    }

    async fn batch(
        &self,
        day: Option<Date>,
        entries: Vec<JoinEntry>,
        rows: &tokio::sync::mpsc::Sender<Row>,
        digest_index: &DigestIndex,
    ) -> (Option<Date>, Counts) {
        let mut counts = Counts { source: entries.len() as u64, ..Counts::default() };
        let mut done = stream::iter(entries)
            .map(|entry| self.entry(entry, day, digest_index))
            .buffer_unordered(self.limit.max());
        while let Some(done) = done.next().await {
            match done {
                EntryOutcome::Present => counts.present += 1,
                EntryOutcome::Uncompared => {
                    counts.present += 1;
                    counts.uncompared += 1;
                }
                EntryOutcome::Left => counts.left += 1,
                EntryOutcome::Recorded(row) => {
                    counts.add(row.outcome, row.size_bytes, row.copy_method);
                    let is_digest = self.log_prefix.folder == DIGEST_FOLDER;
                    counts.quarantined_digests +=
                        u64::from(is_digest && row.outcome == Outcome::Quarantined);
                    // The writer ends after the last log prefix.
                    let _ = rows.send(Row::Object(row)).await;
                }
            }
        }
        drop(done);
        let acted = counts.source != counts.present || counts.uncompared > 0;
        if let Some(day) = day.filter(|_| acted) {
            let batch = DayBatch { log_prefix: self.log_prefix.clone(), day };
            let _ = rows.send(Row::Batch(BatchRow { batch, counts })).await;
        }
        (day, counts)
    }

    async fn entry(
        &self,
        entry: JoinEntry,
        day: Option<Date>,
        digest_index: &DigestIndex,
    ) -> EntryOutcome {
        let path = (self.log_prefix.folder == DIGEST_FOLDER).then(|| entry.path().to_owned());
        let done = Box::pin(self.decide(entry, day, digest_index)).await;
        let is_absent = match &done {
            EntryOutcome::Left => true,
            EntryOutcome::Present | EntryOutcome::Uncompared => false,
            EntryOutcome::Recorded(row) => matches!(
                row.outcome,
                Outcome::Conflict | Outcome::Failed | Outcome::Archived | Outcome::HeldBack
            ),
        };
        if let Some(path) = path.filter(|_| is_absent) {
            digest_index.add_absent(&path);
        }
        done
    }

    async fn decide(
        &self,
        entry: JoinEntry,
        day: Option<Date>,
        digest_index: &DigestIndex,
    ) -> EntryOutcome {
        let (listed, differs, same_size) = match entry {
            JoinEntry::Present(_) | JoinEntry::ArchiveOnly(_) => {
                self.progress.present();
                return EntryOutcome::Present;
            }
            JoinEntry::Missing(listed) => (listed, None, false),
            JoinEntry::SameSize(listed) if listed.archived.is_some() => {
                self.progress.present();
                return EntryOutcome::Uncompared;
            }
            JoinEntry::SameSize(listed) => (listed, None, true),
            JoinEntry::Differs { source, archive_bytes } => (source, Some(archive_bytes), false),
        };
        let origin_key = format!("{}{}", self.log_prefix.prefix(), listed.path);
        let parsed = origin_key.parse::<ObjectKey>();
        let key = match &parsed {
            Ok(parsed) => parsed.under(&self.archive_root).to_string(),
            Err(_) => {
                format!("{}{}", self.log_prefix.folder_below(&self.archive_root), listed.path)
            }
        };
        let object = SourceObject { task: self, listed, origin_key, key };
        let listed = &object.listed;
        let recorded =
            |outcome, reason| EntryOutcome::Recorded(object.row(outcome, None, Some(reason)));
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return recorded(Outcome::Unexpected, error.to_string()),
        };
        if let Some(archive_bytes) = differs {
            if let Some(outcome) = object.instead_of_conflict(&parsed, day, digest_index).await {
                return outcome;
            }
            let reason = format!(
                "the object with this key has {archive_bytes} bytes in the archive and {} at the source",
                listed.size_bytes
            );
            return recorded(Outcome::Conflict, reason);
        }
        if let Some(archived) = listed.archived {
            let (archived, reason) = self.restore(archived, &object.origin_key).await;
            let row = object.row(Outcome::Archived, None, Some(reason));
            return EntryOutcome::Recorded(ObjectRow { archived: Some(archived), ..row });
        }
        // An object with this key was accepted in quarantine: it may be this one.
        let may_be_accepted = !same_size && self.acceptances.may_have_quarantined(&object.key);
        let is_digest = self.log_prefix.folder == DIGEST_FOLDER;
        if self.writer.is_none() && !same_size && !may_be_accepted && !is_digest {
            let begins = !self.progress.stopped() && self.progress.begin();
            return if begins {
                EntryOutcome::Recorded(object.row(Outcome::Copied, None, None))
            } else {
                EntryOutcome::Left
            };
        }
        let permission = if same_size {
            None
        } else if self.progress.stopped() {
            return EntryOutcome::Left;
        } else {
            match self.permission(&parsed, day, digest_index).await {
                Ok(CopyPermission::Allowed(expected)) => Some(expected),
                Ok(CopyPermission::HeldBack(reason)) => {
                    return recorded(Outcome::HeldBack, reason.to_owned());
                }
                Err(error) => {
                    let reason = format!("its digests could not be read: {}", in_one_line(&error));
                    return recorded(Outcome::Failed, reason);
                }
            }
        };
        let request = permission.as_ref().map(|expected| CopyRequest {
            expected,
            may_skip_inspection: matches!(expected, Expected::Listed(_))
                && is_as_delivered(parsed.time(), listed.modified_at),
        });
        let request = match (request, &self.writer) {
            (Some(request), Some(writer)) => Some((request, writer)),
            (Some(request), None) => {
                // Objects that may be accepted are inspected even after the limit.
                if self.progress.stopped() || !(may_be_accepted || self.progress.begin()) {
                    return EntryOutcome::Left;
                }
                return object.would_copy(request).await;
            }
            (None, _) => None,
        };
        match self.copy(&object, request).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(why), .. }) => {
                recorded(Outcome::HeldBack, Refusal::Undecided(why).to_string())
            }
            Err(CopyError::Refused { refusal, sha256 }) => {
                object.quarantined(&refusal, sha256).await
            }
            Ok(Some(Copied { outcome: Outcome::AlreadyThere, .. })) if same_size => {
                self.progress.present();
                EntryOutcome::Present
            }
            Ok(None) => EntryOutcome::Left,
            Ok(Some(mut copied)) => {
                if copied.outcome == Outcome::Conflict
                    && let Some(outcome) =
                        object.instead_of_conflict(&parsed, day, digest_index).await
                {
                    return outcome;
                }
                if let Some(logs) = copied.listed.take().filter(|_| {
                    is_digest && matches!(copied.outcome, Outcome::Copied | Outcome::AlreadyThere)
                }) {
                    digest_index.add_listed(&listed.path, logs);
                }
                let reason = match copied.outcome {
                    Outcome::Conflict => Some(
                        "the object with this key in the archive has different content".to_owned(),
                    ),
                    _ if copied.tags_left => {
                        Some("its tags could not be read and were not copied".to_owned())
                    }
                    _ => None,
                };
                let method = Some(copied.copy_method);
                let copy_method = method.filter(|_| copied.outcome == Outcome::Copied);
                let row = object.row(copied.outcome, Some(copied.sha256), reason);
                EntryOutcome::Recorded(ObjectRow { copy_method, ..row })
            }
            Err(error) if same_size && (is_archived(&error) || is_uncompared(&error)) => {
                self.progress.present();
                EntryOutcome::Uncompared
            }
            Err(error) if is_archived(&error) => {
                let reason = "the object is in an archive tier: restore it first".to_owned();
                recorded(Outcome::Archived, reason)
            }
            Err(error) => object.failed(&error),
        }
    }

    /// Copies an object; without `request`, compares it with the object in the archive.
    ///
    /// `None` if the run was stopped first.
    async fn copy(
        &self,
        object: &SourceObject<'_>,
        request: Option<(CopyRequest<'_>, &WriteTarget)>,
    ) -> Result<Option<Copied>, CopyError> {
        let (origin, key) = (object.origin(), &object.key);
        let same_size = request.is_none();
        let mut attempt = 0;
        loop {
            // Always in this order, to prevent deadlocks.
            let permits = (self.source_limit.permit().await, self.limit.permit().await);
            if self.progress.stopped() || !(same_size || attempt > 0 || self.progress.begin()) {
                return Ok(None);
            }
            let copying = async {
                match request {
                    None => {
                        let size_bytes = origin.size_bytes.min(self.target.part_bytes);
                        let _held = self.limit.reserve(size_bytes).await;
                        copy::compare_with_archive(&self.target, origin, key).await
                    }
                    Some((request, writer)) => match by_size(origin.size_bytes) {
                        Ok(()) => self.route.copy(&self.limit, writer, origin, key, request).await,
                        // The hash of empty content.
                        Err(refusal) => {
                            Err(CopyError::Refused { refusal, sha256: copy::sha256(&[]) })
                        }
                    },
                }
            };
            let result = tokio::select! {
                result = copying => result,
                () = self.progress.over() => return Ok(None),
            };
            drop(permits);
            match result {
                Err(error) if attempt < MAX_RETRIES && is_retryable(&error) => {
                    self.slow_down(&error);
                    let most = FIRST_RETRY_DELAY * (1 << attempt);
                    tokio::time::sleep(most.mul_f64(fastrand::f64())).await;
                    attempt += 1;
                }
                Ok(copied) => {
                    self.source_limit.on_success();
                    self.limit.on_success();
                    return Ok(Some(copied));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reduces concurrency after throttling: of the source if it throttled, otherwise of all
    /// copies to the archive.
    fn slow_down(&self, error: &CopyError) {
        let CopyError::Aws(error) = error else { return };
        if error.kind() != ErrorKind::Throttled {
            return;
        }
        let is_read = error.operation.starts_with("Get");
        if is_read && error.account.as_ref() == self.source.account() {
            self.source_limit.on_throttled();
        } else {
            self.limit.on_throttled();
        }
    }
}

fn is_throttled(error: &CopyError) -> bool {
    matches!(error, CopyError::Aws(error) if error.kind() == ErrorKind::Throttled)
}

/// Whether the source object is in an archive tier that listings do not show
/// (Intelligent-Tiering). For the archive's object, the error is [`CopyError::Uncompared`].
///
/// [`CopyError::Uncompared`]: CopyError::Uncompared
fn is_archived(error: &CopyError) -> bool {
    matches!(error, CopyError::Aws(error) if error.is_code("InvalidObjectState"))
}

fn is_uncompared(error: &CopyError) -> bool {
    matches!(error, CopyError::Uncompared)
}

/// Whether the copy may succeed when retried.
fn is_retryable(error: &CopyError) -> bool {
    is_throttled(error) || matches!(error, CopyError::Body { .. })
}

/// The last proven day by log prefix id; the next run may skip these days.
pub(super) type Proven = BTreeMap<String, Date>;
