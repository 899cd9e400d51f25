//! One lane's work: join, cut into days, copy what is missing.

mod days;
mod judge;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream, stream::FuturesOrdered};
use jiff::civil::Date;

use self::days::Units;
use super::{
    copy::{self, Copied, CopyError, Target, WriteTarget},
    inspect::{Expected, Refusal, by_size},
    join::{JoinError, Joined, Listed, join},
    pace::Limit,
    progress::Share,
    proof::Attester,
    quarantine::Budget,
    record::{Counts, ObjectRow, Outcome, Row, UnitRow},
    restore::Restoring,
    server_side::{Route, Wanted, Way},
    vouch::{Standing, Vouchers, is_as_delivered},
};
use crate::{
    archive::{
        accept::Acceptances,
        inventory,
        key::{DIGEST_FOLDER, ObjectKey, Root},
        units::{Lane, UnitId, day_folder},
    },
    aws::{Clients, ErrorKind},
    names::BucketName,
    words::in_one_line,
};

/// How often an object is tried again that was throttled or broke off in its
/// body, before it is given up for this run, beyond what the SDK does: in a storm
/// that gives up soon, and of a body it knows nothing.
const AGAIN: u32 = 4;

/// Entries of days that are begun, up to which the next day of a lane is begun
/// too: enough for every copy that may run, and few beside a page of a listing.
const ENTRIES_AHEAD: usize = 256;

/// The longest wait before the first of these attempts; each next one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A lane and all that its work needs.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) lane: Lane,
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
    /// What proves its digests; of lanes of logs, those beside them.
    pub(super) attester: Arc<Attester>,
    /// What the source may put into quarantine.
    pub(super) budget: Arc<Budget>,
    /// What of the quarantine somebody accepted.
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
    pub(super) limit: Arc<Limit>,
    /// The same for the source alone: one that throttles slows down no other.
    pub(super) pace: Arc<Limit>,
    pub(super) progress: Share,
}

/// What became of one object of the source.
enum Done {
    /// It was in the archive before.
    Present,
    /// An object of its key and size was, of which no more can be told: one of
    /// them lies archived.
    Uncompared,
    /// The run was stopped before it.
    Left,
    /// What the records say of it.
    Told(ObjectRow),
}

/// Why a lane was left before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaneFailure {
    /// Its listings could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The digests beside it were left before their end.
    #[error("not copied: the digests of these log files could not be listed")]
    NoDigests,
}

impl LaneFailure {
    /// What can be done about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Join(error) => error.hint(),
            Self::NoDigests => None,
        }
    }
}

/// What a lane came to.
#[derive(Debug, Default)]
pub(super) struct LaneResult {
    pub(super) counts: Counts,
    /// The last closed day up to which all is in the archive.
    pub(super) proven_through: Option<Date>,
    /// Why the lane was left before its end.
    pub(super) failure: Option<LaneFailure>,
    /// Whether the run was stopped in the middle of it.
    pub(super) stopped: bool,
}

impl Work {
    /// Works the lane off, handing on rows as units are done.
    pub(super) async fn run(
        self,
        rows: &tokio::sync::mpsc::Sender<Row>,
        vouchers: &Vouchers,
    ) -> LaneResult {
        let mut result = LaneResult { proven_through: self.proven_through, ..Default::default() };
        let after_proven = self.proven_through.and_then(|day| day.tomorrow().ok());
        // A gap between what was proven and what is asked for stays unproven.
        let mut contiguous = match (after_proven, self.since) {
            (Some(next), Some(since)) => since <= next,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let first = self.since.max(after_proven);
        let after = first.map(day_folder);
        let source = self.lane.prefix();
        let archive = self.lane.folder_below(&self.archive_root);
        let mut units = Units::new(join(
            inventory::list(&self.source, &self.bucket, source, after.clone()),
            inventory::list(&self.target.clients, &self.target.bucket, archive, after),
        ));
        // Days end in their order, so that what is proven has no gap; the next ones
        // are under way meanwhile, where they are small.
        let (mut running, mut ahead) = (FuturesOrdered::new(), 0);
        let mut ended = false;
        loop {
            // What the limit leaves is counted to its end.
            result.stopped |= self.progress.stopped();
            ended |= self.progress.interrupted();
            tokio::select! {
                // A listing that is slow keeps no run from ending.
                () = self.progress.halted(), if !ended => {},
                unit = units.next(), if !ended && ahead < ENTRIES_AHEAD => match unit {
                    Some(Ok((day, _))) if day > self.until && self.until.is_some() => ended = true,
                    Some(Ok((day, entries))) => {
                        ahead += entries.len();
                        running.push_back(self.unit(day, entries, rows, vouchers));
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
                    // What could not be compared keeps no day open: it stays so until somebody
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

    async fn unit(
        &self,
        day: Option<Date>,
        entries: Vec<Joined>,
        rows: &tokio::sync::mpsc::Sender<Row>,
        vouchers: &Vouchers,
    ) -> (Option<Date>, Counts) {
        let mut counts = Counts { source: entries.len() as u64, ..Counts::default() };
        let mut done = stream::iter(entries)
            .map(|entry| self.entry(entry, day, vouchers))
            .buffer_unordered(self.limit.most());
        while let Some(done) = done.next().await {
            match done {
                Done::Present => counts.present += 1,
                Done::Uncompared => {
                    counts.present += 1;
                    counts.uncompared += 1;
                }
                Done::Left => counts.left += 1,
                Done::Told(row) => {
                    counts.add(row.outcome, row.size_bytes, row.way);
                    let is_digest = self.lane.folder == DIGEST_FOLDER;
                    counts.quarantined_digests +=
                        u64::from(is_digest && row.outcome == Outcome::Quarantined);
                    // The writer ends only after the last lane.
                    let _ = rows.send(Row::Object(row)).await;
                }
            }
        }
        drop(done);
        let acted = counts.source != counts.present || counts.uncompared > 0;
        if let Some(day) = day.filter(|_| acted) {
            let unit = UnitId { lane: self.lane.clone(), day };
            let _ = rows.send(Row::Unit(UnitRow { unit, counts })).await;
        }
        (day, counts)
    }

    async fn entry(&self, entry: Joined, day: Option<Date>, vouchers: &Vouchers) -> Done {
        let path = (self.lane.folder == DIGEST_FOLDER).then(|| entry.path().to_owned());
        let done = Box::pin(self.decide(entry, day, vouchers)).await;
        let is_absent = match &done {
            Done::Left => true,
            Done::Present | Done::Uncompared => false,
            Done::Told(row) => matches!(
                row.outcome,
                Outcome::Conflict | Outcome::Failed | Outcome::Archived | Outcome::HeldBack
            ),
        };
        if let Some(path) = path.filter(|_| is_absent) {
            vouchers.left(&path);
        }
        done
    }

    async fn decide(&self, entry: Joined, day: Option<Date>, vouchers: &Vouchers) -> Done {
        let (listed, differs, alike) = match entry {
            Joined::Present(_) | Joined::ArchiveOnly(_) => {
                self.progress.present();
                return Done::Present;
            }
            Joined::Missing(listed) => (listed, None, false),
            Joined::Alike(listed) if listed.archived.is_some() => {
                self.progress.present();
                return Done::Uncompared;
            }
            Joined::Alike(listed) => (listed, None, true),
            Joined::Differs { source, archive_bytes } => (source, Some(archive_bytes), false),
        };
        let origin_key = format!("{}{}", self.lane.prefix(), listed.path);
        let parsed = origin_key.parse::<ObjectKey>();
        let key = match &parsed {
            Ok(parsed) => parsed.under(&self.archive_root).to_string(),
            Err(_) => format!("{}{}", self.lane.folder_below(&self.archive_root), listed.path),
        };
        let row_by = |way: Option<Way>, outcome, sha256: Option<[u8; 32]>, reason| {
            let row = ObjectRow {
                key: key.clone(),
                origin_bucket: self.bucket.to_string(),
                origin_key: origin_key.clone(),
                size_bytes: listed.size_bytes,
                sha256: sha256.map(hex::encode),
                outcome,
                reason,
                way: way.filter(|_| outcome == Outcome::Copied),
                archived: None,
                quarantined_as: None,
            };
            self.progress.done(outcome, listed.size_bytes);
            Done::Told(row)
        };
        let row = |outcome, sha256, reason| row_by(None, outcome, sha256, reason);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return row(Outcome::Foreign, None, Some(error.to_string())),
        };
        if let Some(archive_bytes) = differs {
            if let Some((refusal, sha256)) =
                self.refused(&parsed, &listed, &origin_key, day, vouchers).await
            {
                let became = self.apart(&listed, &origin_key, &key, &refusal, &sha256).await;
                return self.told_apart(became, &refusal, sha256, row);
            }
            if let Some(settled) = self.settled(&listed, &origin_key, &key, row).await {
                return settled;
            }
            let reason = format!(
                "the archive's object of this key has {archive_bytes} bytes, the source's {}",
                listed.size_bytes
            );
            return row(Outcome::Conflict, None, Some(reason));
        }
        if let Some(archived) = listed.archived {
            let (archived, reason) = self.restore(archived, &origin_key).await;
            return match row(Outcome::Archived, None, Some(reason)) {
                Done::Told(row) => Done::Told(ObjectRow { archived: Some(archived), ..row }),
                other => other,
            };
        }
        // Somebody accepted that one of this key stays in quarantine: it may be this.
        let may_be_accepted = !alike && self.acceptances.may_have_quarantined(&key);
        let is_digest = self.lane.folder == DIGEST_FOLDER;
        if self.writer.is_none() && !alike && !may_be_accepted && !is_digest {
            let begins = !self.progress.stopped() && self.progress.begin();
            return if begins { row(Outcome::Copied, None, None) } else { Done::Left };
        }
        let standing = if alike {
            None
        } else if self.progress.stopped() {
            return Done::Left;
        } else {
            match self.standing(&parsed, day, vouchers).await {
                Ok(Standing::May(expected)) => Some(expected),
                Ok(Standing::Stays(reason)) => {
                    return row(Outcome::HeldBack, None, Some(reason.to_owned()));
                }
                Err(error) => {
                    let reason = format!("its digests could not be read: {}", in_one_line(&error));
                    return row(Outcome::Failed, None, Some(reason));
                }
            }
        };
        let wanted = standing.as_ref().map(|expected| Wanted {
            expected,
            may_go_unseen: matches!(expected, Expected::Listed(_))
                && is_as_delivered(parsed.time(), listed.modified_at),
        });
        let wanted = match (wanted, &self.writer) {
            (Some(wanted), Some(writer)) => Some((wanted, writer)),
            (Some(wanted), None) => {
                // What may be accepted is looked at beyond the limit too.
                if self.progress.stopped() || !(may_be_accepted || self.progress.begin()) {
                    return Done::Left;
                }
                return self.would_copy(&listed, &origin_key, &key, wanted, row).await;
            }
            (None, _) => None,
        };
        match self.copy(&listed, &origin_key, &key, wanted).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(why), .. }) => {
                let reason = Refusal::Undecided(why).to_string();
                row(Outcome::HeldBack, None, Some(reason))
            }
            Err(CopyError::Refused { refusal, sha256 }) => {
                let became = self.apart(&listed, &origin_key, &key, &refusal, &sha256).await;
                self.told_apart(became, &refusal, sha256, row)
            }
            Ok(Some(Copied { outcome: Outcome::AlreadyThere, .. })) if alike => {
                self.progress.present();
                Done::Present
            }
            Ok(None) => Done::Left,
            Ok(Some(mut copied)) => {
                if copied.outcome == Outcome::Conflict
                    && let Some((refusal, sha256)) =
                        self.refused(&parsed, &listed, &origin_key, day, vouchers).await
                {
                    let became = self.apart(&listed, &origin_key, &key, &refusal, &sha256).await;
                    return self.told_apart(became, &refusal, sha256, row);
                }
                if copied.outcome == Outcome::Conflict
                    && let Some(settled) = self.settled(&listed, &origin_key, &key, row).await
                {
                    return settled;
                }
                if let Some(logs) = copied.listed.take().filter(|_| {
                    is_digest && matches!(copied.outcome, Outcome::Copied | Outcome::AlreadyThere)
                }) {
                    vouchers.saw(&listed.path, logs);
                }
                let reason = match copied.outcome {
                    Outcome::Conflict => {
                        Some("the archive's object of this key has another content".to_owned())
                    }
                    _ if copied.tags_left => {
                        Some("its tags could not be read and were left".to_owned())
                    }
                    _ => None,
                };
                row_by(Some(copied.way), copied.outcome, Some(copied.sha256), reason)
            }
            Err(error) if alike && (is_archived(&error) || is_uncompared(&error)) => {
                self.progress.present();
                Done::Uncompared
            }
            Err(error) if is_archived(&error) => {
                let reason = "the object lies in an archive tier: restore it first".to_owned();
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
        wanted: Option<(Wanted<'_>, &WriteTarget)>,
    ) -> Result<Option<Copied>, CopyError> {
        let origin = self.origin(listed, origin_key);
        let alike = wanted.is_none();
        let mut attempt = 0;
        loop {
            // Always in this order, so that nobody waits for who waits for him.
            let turns = (self.pace.turn().await, self.limit.turn().await);
            if self.progress.stopped() || !(alike || attempt > 0 || self.progress.begin()) {
                return Ok(None);
            }
            let copying = async {
                match wanted {
                    None => {
                        let size_bytes = origin.size_bytes.min(self.target.part_bytes);
                        let _held = self.limit.hold(size_bytes).await;
                        copy::compare_both(&self.target, origin, key).await
                    }
                    Some((wanted, writer)) => match by_size(origin.size_bytes) {
                        Ok(()) => self.route.copy(&self.limit, writer, origin, key, wanted).await,
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
            drop(turns);
            match result {
                Err(error) if attempt < AGAIN && is_passing(&error) => {
                    self.slow_down(&error);
                    let most = FIRST_WAIT * (1 << attempt);
                    tokio::time::sleep(most.mul_f64(fastrand::f64())).await;
                    attempt += 1;
                }
                Ok(copied) => {
                    self.pace.passed();
                    self.limit.passed();
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
            self.pace.throttled();
        } else {
            self.limit.throttled();
        }
    }
}

fn is_throttled(error: &CopyError) -> bool {
    matches!(error, CopyError::Aws(error) if error.kind() == ErrorKind::Throttled)
}

/// Whether the source's object lies in a tier that no listing shows, as
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
fn is_passing(error: &CopyError) -> bool {
    is_throttled(error) || matches!(error, CopyError::Body { .. })
}

/// Where lanes stand, by their id: what the next run may leave out.
pub(super) type Proven = BTreeMap<String, Date>;
