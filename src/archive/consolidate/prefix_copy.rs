//! One log prefix's work: join, cut into days, copy what is missing.

mod days;
mod exceptions;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream, stream::FuturesOrdered};
use jiff::civil::Date;

use self::days::DayBatches;
use super::{
    concurrency::ConcurrencyLimit,
    copy::{self, Copied, CopyError, Target, WriteTarget},
    digest_index::{CopyPermission, DigestIndex, is_as_delivered},
    inspect::{Expected, Refusal, by_size},
    join::{JoinEntry, JoinError, Listed, join},
    progress::PrefixProgress,
    proof::Attester,
    quarantine::Budget,
    record::{BatchRow, Counts, ObjectRow, Outcome, Row},
    restore::Restoring,
    server_side::{CopyMethod, CopyRequest, Route},
};
use crate::{
    archive::{
        accept::Acceptances,
        batches::{DayBatch, LogPrefix, day_folder},
        inventory,
        key::{DIGEST_FOLDER, ObjectKey, Root},
    },
    aws::{Clients, ErrorKind},
    names::BucketName,
    words::in_one_line,
};

/// How often an object is tried again that was throttled or broke off in its
/// body, before it is given up for this run, beyond what the SDK does: in a storm
/// that gives up soon, and of a body it knows nothing.
const MAX_RETRIES: u32 = 4;

/// Entries of days that are begun, up to which the next day of a log prefix is begun
/// too: enough for every copy that may run, and few next to a page of a listing.
const MAX_ENTRIES_AHEAD: usize = 256;

/// The longest wait before the first of these attempts; each next one doubles it.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A log prefix and all that its work needs.
#[derive(Debug, Clone)]
pub(super) struct PrefixCopyTask {
    pub(super) log_prefix: LogPrefix,
    pub(super) source: Clients,
    pub(super) bucket: BucketName,
    /// The way that the source's objects go.
    pub(super) route: Arc<Route>,
    pub(super) target: Target,
    /// The same for what writes into it; none of a dry run.
    pub(super) writer: Option<WriteTarget>,
    /// The archive's root: `[prefix/]AWSLogs/<org-id>/`.
    pub(super) archive_root: Root,
    /// The archive's prefix.
    pub(super) archive_prefix: Option<String>,
    /// What proves its digests; of log prefixes of logs, those next to them.
    pub(super) attester: Arc<Attester>,
    /// What the source may put into quarantine.
    pub(super) budget: Arc<Budget>,
    /// What of the quarantine someone accepted.
    pub(super) acceptances: Arc<Acceptances>,
    /// The first day that is looked at.
    pub(super) since: Option<Date>,
    /// The last day that is looked at.
    pub(super) until: Option<Date>,
    /// All up to this day was proven by an earlier run.
    pub(super) proven_through: Option<Date>,
    /// The last day that no late file is expected for.
    pub(super) closed_through: Date,
    /// How archived objects are restored, if at all.
    pub(super) restore: Option<Restoring>,
    /// How many copies run at once, of all sources.
    pub(super) limit: Arc<ConcurrencyLimit>,
    /// The same for the source alone: one that throttles slows down no other.
    pub(super) source_limit: Arc<ConcurrencyLimit>,
    pub(super) progress: PrefixProgress,
}

/// The outcome of one object of the source.
enum EntryOutcome {
    /// It was in the archive before.
    Present,
    /// An object of its key and size was, of which no more can be told: one of
    /// them is archived.
    Uncompared,
    /// The run was stopped before it.
    Left,
    /// What the records say of it.
    Recorded(ObjectRow),
}

/// Why a log prefix was left before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrefixFailure {
    /// Its listings could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The digests next to it were left before their end.
    #[error("not copied: the digests of these log files could not be listed")]
    NoDigests,
}

impl PrefixFailure {
    /// What can be done about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Join(error) => error.hint(),
            Self::NoDigests => None,
        }
    }
}

/// What a log prefix came to.
#[derive(Debug, Default)]
pub(super) struct PrefixResult {
    pub(super) counts: Counts,
    /// The last closed day up to which all is in the archive.
    pub(super) proven_through: Option<Date>,
    /// Why the log prefix was left before its end.
    pub(super) failure: Option<PrefixFailure>,
    /// Whether the run was stopped in the middle of it.
    pub(super) stopped: bool,
}

impl PrefixCopyTask {
    /// Works the log prefix off, handing on rows as units are done.
    pub(super) async fn run(
        self,
        rows: &tokio::sync::mpsc::Sender<Row>,
        digest_index: &DigestIndex,
    ) -> PrefixResult {
        let mut result = PrefixResult { proven_through: self.proven_through, ..Default::default() };
        let after_proven = self.proven_through.and_then(|day| day.tomorrow().ok());
        // A gap between what was proven and what is asked for stays unproven.
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
        // Days end in their order, so that what is proven has no gap; the next ones
        // are in progress in the meantime, where they are small.
        let (mut running, mut ahead) = (FuturesOrdered::new(), 0);
        let mut ended = false;
        loop {
            // What the limit leaves is counted to its end.
            result.stopped |= self.progress.stopped();
            ended |= self.progress.interrupted();
            tokio::select! {
                // A listing that is slow keeps no run from ending.
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
                    // What could not be compared keeps no day open: it stays so until someone
                    // restores it, and all days after it would be compared in each run.
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
                    // The writer ends only after the last log prefix.
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
        let row_by =
            |copy_method: Option<CopyMethod>, outcome, sha256: Option<[u8; 32]>, reason| {
                let row = ObjectRow {
                    key: key.clone(),
                    origin_bucket: self.bucket.to_string(),
                    origin_key: origin_key.clone(),
                    size_bytes: listed.size_bytes,
                    sha256: sha256.map(hex::encode),
                    outcome,
                    reason,
                    copy_method: copy_method.filter(|_| outcome == Outcome::Copied),
                    archived: None,
                    quarantined_as: None,
                };
                self.progress.done(outcome, listed.size_bytes);
                EntryOutcome::Recorded(row)
            };
        let row = |outcome, sha256, reason| row_by(None, outcome, sha256, reason);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return row(Outcome::Unexpected, None, Some(error.to_string())),
        };
        if let Some(archive_bytes) = differs {
            if let Some((refusal, sha256)) =
                self.refused(&parsed, &listed, &origin_key, day, digest_index).await
            {
                let became =
                    self.quarantine_or_plan(&listed, &origin_key, &key, &refusal, &sha256).await;
                return self.quarantine_outcome(became, &refusal, sha256, row);
            }
            if let Some(accepted_in_place) =
                self.accepted_in_place(&listed, &origin_key, &key, row).await
            {
                return accepted_in_place;
            }
            let reason = format!(
                "the object with this key has {archive_bytes} bytes in the archive and {} at the source",
                listed.size_bytes
            );
            return row(Outcome::Conflict, None, Some(reason));
        }
        if let Some(archived) = listed.archived {
            let (archived, reason) = self.restore(archived, &origin_key).await;
            return match row(Outcome::Archived, None, Some(reason)) {
                EntryOutcome::Recorded(row) => {
                    EntryOutcome::Recorded(ObjectRow { archived: Some(archived), ..row })
                }
                other => other,
            };
        }
        // Someone accepted that one of this key stays in quarantine: it may be this.
        let may_be_accepted = !same_size && self.acceptances.may_have_quarantined(&key);
        let is_digest = self.log_prefix.folder == DIGEST_FOLDER;
        if self.writer.is_none() && !same_size && !may_be_accepted && !is_digest {
            let begins = !self.progress.stopped() && self.progress.begin();
            return if begins { row(Outcome::Copied, None, None) } else { EntryOutcome::Left };
        }
        let permission = if same_size {
            None
        } else if self.progress.stopped() {
            return EntryOutcome::Left;
        } else {
            match self.permission(&parsed, day, digest_index).await {
                Ok(CopyPermission::Allowed(expected)) => Some(expected),
                Ok(CopyPermission::HeldBack(reason)) => {
                    return row(Outcome::HeldBack, None, Some(reason.to_owned()));
                }
                Err(error) => {
                    let reason = format!("its digests could not be read: {}", in_one_line(&error));
                    return row(Outcome::Failed, None, Some(reason));
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
                // What may be accepted is looked at beyond the limit too.
                if self.progress.stopped() || !(may_be_accepted || self.progress.begin()) {
                    return EntryOutcome::Left;
                }
                return self.would_copy(&listed, &origin_key, &key, request, row).await;
            }
            (None, _) => None,
        };
        match self.copy(&listed, &origin_key, &key, request).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(why), .. }) => {
                let reason = Refusal::Undecided(why).to_string();
                row(Outcome::HeldBack, None, Some(reason))
            }
            Err(CopyError::Refused { refusal, sha256 }) => {
                let became =
                    self.quarantine_or_plan(&listed, &origin_key, &key, &refusal, &sha256).await;
                self.quarantine_outcome(became, &refusal, sha256, row)
            }
            Ok(Some(Copied { outcome: Outcome::AlreadyThere, .. })) if same_size => {
                self.progress.present();
                EntryOutcome::Present
            }
            Ok(None) => EntryOutcome::Left,
            Ok(Some(mut copied)) => {
                if copied.outcome == Outcome::Conflict
                    && let Some((refusal, sha256)) =
                        self.refused(&parsed, &listed, &origin_key, day, digest_index).await
                {
                    let became = self
                        .quarantine_or_plan(&listed, &origin_key, &key, &refusal, &sha256)
                        .await;
                    return self.quarantine_outcome(became, &refusal, sha256, row);
                }
                if copied.outcome == Outcome::Conflict
                    && let Some(accepted_in_place) =
                        self.accepted_in_place(&listed, &origin_key, &key, row).await
                {
                    return accepted_in_place;
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
                row_by(Some(copied.copy_method), copied.outcome, Some(copied.sha256), reason)
            }
            Err(error) if same_size && (is_archived(&error) || is_uncompared(&error)) => {
                self.progress.present();
                EntryOutcome::Uncompared
            }
            Err(error) if is_archived(&error) => {
                let reason = "the object is in an archive tier: restore it first".to_owned();
                row(Outcome::Archived, None, Some(reason))
            }
            Err(error) => row(Outcome::Failed, None, Some(in_one_line(&error))),
        }
    }

    /// Copies an object that is wanted; without that, compares it with the archive's.
    ///
    /// `None` when the run was stopped before the object's turn.
    async fn copy(
        &self,
        listed: &Listed,
        origin_key: &str,
        key: &str,
        request: Option<(CopyRequest<'_>, &WriteTarget)>,
    ) -> Result<Option<Copied>, CopyError> {
        let origin = self.origin(listed, origin_key);
        let same_size = request.is_none();
        let mut attempt = 0;
        loop {
            // Always in this order, so that no one waits for who waits for him.
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
                        // All that has no bytes has this hash.
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

    /// Lets fewer copies run where a bucket throttled: the source's where that is
    /// it, else all that go to the archive.
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

/// Whether the source's object is in a tier that no listing shows, as
/// Intelligent-Tiering has them. Of the archive's it is [`CopyError::Uncompared`].
///
/// [`CopyError::Uncompared`]: CopyError::Uncompared
fn is_archived(error: &CopyError) -> bool {
    matches!(error, CopyError::Aws(error) if error.is_code("InvalidObjectState"))
}

fn is_uncompared(error: &CopyError) -> bool {
    matches!(error, CopyError::Uncompared)
}

/// Whether the same copy may succeed a moment later.
fn is_retryable(error: &CopyError) -> bool {
    is_throttled(error) || matches!(error, CopyError::Body { .. })
}

/// Where log prefixes stand, by their id: what the next run may leave out.
pub(super) type Proven = BTreeMap<String, Date>;
