//! A consolidation run: copies the log prefixes of all sources concurrently and writes the
//! run records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{StreamExt, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Serialize;
use tokio::sync::mpsc::Sender;

use super::binding::Scope;
use super::concurrency::ConcurrencyLimit;
use super::copy::{Target, WriteTarget};
use super::digest_index::DigestIndex;
use super::find::{SourceReader, expect_logs, find_log_prefixes};
use super::ledger::{Ledger, LedgerEnd, LedgerError};
use super::prefix_copy::{PrefixCopyTask, PrefixFailure, PrefixResult, Proven};
pub use super::progress::{Progress, SourceProgress};
use super::proof::Attester;
use super::quarantine::Contents;
use super::record::{FORMAT_VERSION, Head, Row};
pub(crate) use super::report::add_new;
pub use super::report::{Failure, Report};
use super::restore::{ArchivedTotals, Restore, Restoring};
use super::server_side::ServerSide;
use super::source::Source;
use super::source_stats;
use super::trusted::Trusted;
use super::unbound::{Destination, UnboundObjects};
use super::writer::{Examples, RecordWriter, SEGMENT_EVERY};
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::{Authenticity, RecordTrust};
use crate::archive::batches::LogPrefix;
use crate::archive::key::{DIGEST_FOLDER, Root};
use crate::archive::shard::{Shard, Unit};
use crate::archive::verify::chain::Window;
use crate::archive::verify::run::PublicKeySource;
use crate::archive::verify::source::{S3Source, Source as Objects};
use crate::aws::{AwsError, Clients, WriteAuthority, WriteClients};
use crate::names::{AccountId, Region};
use crate::words::in_one_line;

/// Accounts and Regions that are processed concurrently. Each keeps a listing page of both
/// sides in memory.
pub(super) const PREFIXES_AT_ONCE: usize = 8;

/// Regions whose public keys are listed concurrently.
const REGIONS_AT_ONCE: usize = 32;

/// Sources whose unbound folders are listed concurrently.
const UNBOUND_AT_ONCE: usize = 2;

/// Log prefixes that are sampled concurrently, to estimate the duration.
const FORECASTS_AT_ONCE: usize = 2;

/// The options of a run.
#[derive(Debug, Clone, Serialize)]
pub struct ConsolidateOptions {
    /// The first day; unlimited if absent.
    pub since: Option<Date>,
    /// The last day; unlimited if absent.
    pub until: Option<Date>,
    /// The accounts whose logs are copied; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// The Regions whose logs are copied; all if empty.
    pub regions: BTreeSet<Region>,
    /// Whether to list days again that earlier runs proved.
    pub full: bool,
    /// Whether to skip days that earlier, unauthenticated records state complete.
    pub trust_records: bool,
    /// The sources that may be copied inside S3.
    pub server_side: ServerSide,
    /// How archived objects are restored; they are not restored if absent.
    pub restore: Option<Restore>,
    /// The maximum number of objects to copy.
    pub limit: Option<u64>,
    /// The maximum number of concurrent copies.
    pub concurrency: usize,
    /// The number of days after the end of a day during which late files are expected.
    pub overlap_days: u32,
    /// The excluded sources, for the records.
    pub excluded: Vec<String>,
    /// The shard whose accounts and Regions are copied; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl ConsolidateOptions {
    /// Whether to look at an account that a source is not bound to.
    pub(super) fn wants_unbound(&self, account: &AccountId) -> bool {
        self.chose(account) && self.shard.as_ref().is_none_or(|shard| shard.has_account(account))
    }

    pub(super) fn wants(&self, log_prefix: &LogPrefix) -> bool {
        let LogPrefix { account, region, .. } = log_prefix;
        let unit = Unit { account: account.clone(), region: region.clone() };
        self.chose(account)
            && (self.regions.is_empty() || self.regions.contains(region))
            && self.shard.as_ref().is_none_or(|shard| shard.has(&unit))
    }

    /// Whether to report what belongs to no account.
    pub(super) fn is_first_shard(&self) -> bool {
        self.shard.as_ref().is_none_or(Shard::is_first)
    }

    fn chose(&self, account: &AccountId) -> bool {
        self.accounts.is_empty() || self.accounts.contains(account)
    }
}

/// The identity of a run.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// The run's own name.
    pub id: String,
    /// When it began.
    pub now: Timestamp,
    /// The caller's ARN.
    pub caller: String,
    /// The program and its version.
    pub program: String,
}

/// The sources of a run.
#[derive(Debug)]
pub struct Sources {
    /// Readable sources, with their clients.
    pub readable: Vec<(Source, Clients)>,
    /// Sources whose buckets could not be located; they are failures of the run.
    pub failed: Vec<Failure>,
    /// The accounts and Regions that sources can be bound to.
    pub scope: Scope,
    /// The public keys that digests are checked with.
    pub keys: PublicKeySource,
}

/// The hint if KMS does not compute or verify MACs.
pub const MAC_HINT: &str =
    "the caller needs kms:GenerateMac and kms:VerifyMac on the key that `records.mac_key` declares";

/// The number of examples in a report; the records list all objects.
pub const EXAMPLES: usize = 20;

/// Adds the estimated number of objects. A log prefix that cannot be listed adds nothing;
/// its copy task reports the failure.
async fn forecast(tasks: Vec<PrefixCopyTask>) {
    stream::iter(tasks)
        .for_each_concurrent(FORECASTS_AT_ONCE, |task| async move {
            let after_proven = task.proven_through.and_then(|day| day.tomorrow().ok());
            let days = (task.since.max(after_proven), task.until);
            let expected =
                source_stats::estimate_objects(&task.source, &task.bucket, &task.log_prefix, days)
                    .await;
            if let Ok(objects) = expected {
                task.progress.source.expected.fetch_add(objects, Ordering::Relaxed);
            }
        })
        .await;
}

/// The archive that a run copies to.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The bucket and clients.
    pub target: Target,
    /// The archive's prefix.
    pub prefix: Option<String>,
    /// How its records are authenticated.
    pub trust: RecordTrust,
    /// The root of its keys: `[prefix/]AWSLogs/<org-id>/`.
    pub root: Root,
}

impl Archive {
    /// Whether a log prefix is already below the archive's root.
    #[must_use]
    pub fn has(&self, log_prefix: &LogPrefix) -> bool {
        log_prefix.bucket == self.target.bucket.as_str() && log_prefix.root == self.root.to_string()
    }
}

/// Copies every source's objects to the archive.
///
/// A failed source or log prefix does not stop the others: it is added to
/// [`Report::failures`].
///
/// # Errors
/// The records could not be read or written; copied objects remain.
pub async fn consolidate(
    run: &RunInfo,
    options: &ConsolidateOptions,
    archive: &Archive,
    sources: Sources,
    progress: Arc<Progress>,
    authority: Option<&WriteAuthority>,
) -> Result<Report, LedgerError> {
    let writer = authority.map(|authority| WriteTarget::new(archive.target.clone(), authority));
    let Sources { readable: sources, failed, scope, keys } = sources;
    let mut report = Report { failures: failed, ..Report::default() };
    if sources.is_empty() {
        return Ok(report);
    }
    let ledger = Ledger::new(archive.target.clone(), archive.prefix.clone())
        .authenticated_by(archive.trust.mac_key.clone());
    // INVARIANT: checked before anything is copied.
    let mac_key = async {
        match &writer {
            Some(_) => ledger.check_mac_key(&head(run)).await,
            None => Ok(()),
        }
    };
    let objects = S3Source::new(archive.target.clients.clone(), archive.target.bucket.as_str());
    let objects = Arc::new(Objects::S3(objects));
    let contents = Arc::new(Contents::of(archive.prefix.as_deref()));
    let (mac_key, tip, (mut found, unbound_folders), acceptances) = tokio::join!(
        mac_key,
        Box::pin(ledger.end(run.now, options.trust_records)),
        find_log_prefixes(options, archive, sources, &scope, &contents, &progress, &mut report),
        Box::pin(Acceptances::read(objects, archive.prefix.as_deref(), &archive.trust)),
    );
    mac_key?;
    report.failures.extend(acceptances.unreadable.iter().map(|(key, reason)| Failure {
        place: format!("s3://{}/{key}", archive.target.bucket),
        reason: reason.clone(),
        hint: None,
    }));
    let LedgerEnd { tip, last, faults, unchecked } = tip?;
    report.record_faults = faults;
    let not_counted = acceptances.records.iter().filter(|record| !record.counts());
    for record in not_counted {
        let reason = record.authenticated.reason().unwrap_or_default();
        report.record_faults.push((record.record.clone(), format!("it accepts nothing: {reason}")));
    }
    let unknown = acceptances.records.iter().filter_map(|record| match &record.authenticated {
        Authenticity::Unknown { reason } => Some((record.record.clone(), reason.clone())),
        _ => None,
    });
    report.failures.extend(unchecked.into_iter().chain(unknown).map(|(key, reason)| Failure {
        place: format!("s3://{}/{key}", archive.target.bucket),
        reason,
        hint: Some(MAC_HINT.to_owned()),
    }));
    let acceptances = Arc::new(acceptances);
    let closed_through = closed_through(run.now, options.overlap_days);
    // INVARIANT: anyone who can write below `orgtrail/` can write a record, so without
    // `trust_records` no day is skipped because of a record, and none is repeated in this run's
    // record.
    let trusted = if options.trust_records {
        Trusted::of(last, run.now, closed_through)
    } else {
        Trusted::nothing(run.now)
    };
    let Trusted { known, full_listing_at, reason } = trusted;
    report.full_listing = reason;
    expect_logs(&mut found);
    // A legacy trail may write to the archive's bucket; objects below the archive's root are
    // already there.
    found.retain(|(log_prefix, ..)| !archive.has(log_prefix));
    for (log_prefix, ..) in
        found.iter().filter(|(log_prefix, ..)| log_prefix.folder == DIGEST_FOLDER)
    {
        let accounts = report.digest_accounts.entry(log_prefix.region.clone()).or_default();
        accounts.insert(log_prefix.account.clone());
    }
    report.digest_regions = report.digest_accounts.keys().cloned().collect();
    if let PublicKeySource::Api(api) = &keys {
        report
            .digest_accounts
            .iter()
            .for_each(|(region, accounts)| api.add_accounts(region, accounts));
    }
    // The keys are listed while the first digests are. A Region without digests needs none.
    let list_keys = stream::iter(report.digest_regions.clone()).for_each_concurrent(
        REGIONS_AT_ONCE,
        async |region| {
            drop(keys.of(&region, Window::default()).await);
        },
    );

    let (rows, incoming) = tokio::sync::mpsc::channel(1024);
    let limit = Arc::new(ConcurrencyLimit::searched(options.concurrency));
    let task = |(log_prefix, reader): (LogPrefix, SourceReader)| PrefixCopyTask {
        attester: Arc::new(Attester {
            keys: keys.clone(),
            region: log_prefix.region.clone(),
            bucket: reader.bucket.clone(),
            rights: reader.rights.get(&log_prefix.account).copied().unwrap_or_default(),
        }),
        budget: reader.budget,
        progress: progress.of_prefix(&log_prefix),
        proven_through: if options.full { None } else { known.get(&log_prefix.id()).copied() },
        log_prefix,
        bucket: reader.bucket,
        restore: options.restore.zip(authority).map(|(how, authority)| Restoring {
            how,
            clients: WriteClients::new(&reader.clients, authority),
        }),
        source: reader.clients,
        route: reader.route,
        target: archive.target.clone(),
        archive_root: archive.root.clone(),
        archive_prefix: archive.prefix.clone(),
        acceptances: Arc::clone(&acceptances),
        since: options.since,
        until: options.until,
        closed_through,
        writer: writer.clone(),
        limit: Arc::clone(&limit),
        source_limit: reader.source_limit,
    };
    let tasks: Vec<PrefixCopyTask> = found.into_iter().map(task).collect();
    let forecast = progress.forecast.then(|| tokio::spawn(forecast(tasks.clone())));
    let place = Destination {
        target: archive.target.clone(),
        archive_root: archive.root.clone(),
        archive_prefix: archive.prefix.clone(),
        acceptances: Arc::clone(&acceptances),
        limit: Arc::clone(&limit),
        writer: writer.clone(),
    };
    let log_prefixes = async {
        // INVARIANT: the row channel closes after both have ended.
        let rows = rows;
        let ended = stream::iter(by_account_and_region(tasks))
            .map(|tasks| copy_digests_then_logs(tasks, &rows))
            .buffer_unordered(PREFIXES_AT_ONCE);
        let others = stream::iter(unbound_folders)
            .map(|unbound_folders| unbound_folders.run(&place, &rows, &progress))
            .buffer_unordered(UNBOUND_AT_ONCE)
            .collect::<Vec<_>>();
        let (ended, others, ()) = tokio::join!(ended.concat(), others, list_keys);
        (ended, others)
    };
    let mut writer = RecordWriter {
        ledger,
        tip,
        head: head(run),
        target: writer,
        segment_every: SEGMENT_EVERY,
        pending: Vec::new(),
        examples: Examples::default(),
        archived: ArchivedTotals::default(),
    };
    if writer.target.is_some() {
        writer
            .pending
            .push(Row::Begin { options: serde_json::to_value(options).unwrap_or_default() });
    }
    let ((results, others), written) =
        tokio::join!(log_prefixes, writer.write_all_rows(incoming, &progress));
    if let Some(forecast) = forecast {
        forecast.abort();
    }
    written?;
    let proven_through = merge(known, results, &mut report);
    for other in others {
        report.counts.unbound +=
            other.unbound.iter().map(UnboundObjects::open).sum::<u64>() + other.not_listed;
        report.unbound_not_listed += other.not_listed;
        report.unbound.extend(other.unbound);
        let failed = other.failed.into_iter();
        report.failures.extend(failed.map(|(place, error)| failure(place, &error)));
    }
    report.unbound.sort_by(|one, other| one.folder.cmp(&other.folder));
    report.stopped |= progress.stopped();
    report.left_is_lower_bound = progress.interrupted();
    if writer.target.is_some() {
        let (totals, complete) = (report.counts, report.complete());
        let (proven_through, full_listing_at) = match &options.shard {
            // Without it, of shards that end at the same time only the last would be trusted.
            Some(_) if options.trust_records => {
                let own = Trusted { known: proven_through, full_listing_at, reason: None };
                let end = writer.ledger.end(run.now, true).await?;
                own.joined_with(end.last, run.now, closed_through)
            }
            _ => (proven_through, full_listing_at),
        };
        writer.end(Row::End { totals, complete, proven_through, full_listing_at }).await?;
        report.last_record = writer.tip.next.checked_sub(1);
    }
    report.examples = writer.examples.into_rows();
    report.archived = writer.archived;
    Ok(report)
}

/// Groups tasks by source, account and Region.
fn by_account_and_region(tasks: Vec<PrefixCopyTask>) -> Vec<Vec<PrefixCopyTask>> {
    let mut places = BTreeMap::<_, Vec<PrefixCopyTask>>::new();
    for task in tasks {
        let LogPrefix { bucket, root, account, region, .. } = task.log_prefix.clone();
        places.entry((bucket, root, account, region)).or_default().push(task);
    }
    places.into_values().collect()
}

/// Processes the log prefixes of one account and Region.
///
/// INVARIANT: digests are copied before logs. A digest's logs were delivered before it, so
/// the later listing of logs contains all logs of the copied digests, and only a few newer
/// ones, which verification tolerates.
///
/// INVARIANT: no log is copied whose digest could not be: it would are in the archive
/// without what proves it. So each log is looked up in the source's digests that are in the
/// archive.
async fn copy_digests_then_logs(
    tasks: Vec<PrefixCopyTask>,
    rows: &Sender<Row>,
) -> Vec<(LogPrefix, PrefixResult)> {
    let (digests, logs): (Vec<PrefixCopyTask>, Vec<PrefixCopyTask>) =
        tasks.into_iter().partition(|task| task.log_prefix.folder == DIGEST_FOLDER);
    let mut results: Vec<(LogPrefix, PrefixResult)> = Vec::new();
    let Some(any) = digests.first().or(logs.first()) else { return results };
    let (source, bucket, source_limit) =
        (any.source.clone(), any.bucket.clone(), Arc::clone(&any.source_limit));
    let attester = Arc::clone(&any.attester);
    let digest_index = DigestIndex::new(&any.log_prefix, source, bucket, source_limit, attester);
    for task in digests {
        results.push((task.log_prefix.clone(), task.run(rows, &digest_index).await));
    }
    let all_known = results.iter().all(|(_, result)| result.failure.is_none());
    for task in logs {
        let log_prefix = task.log_prefix.clone();
        let result = if all_known {
            task.run(rows, &digest_index).await
        } else {
            let failure = Some(PrefixFailure::NoDigests);
            let proven_through = task.proven_through;
            PrefixResult { proven_through, failure, ..PrefixResult::default() }
        };
        results.push((log_prefix, result));
    }
    results
}

fn merge(
    mut known: Proven,
    results: Vec<(LogPrefix, PrefixResult)>,
    report: &mut Report,
) -> Proven {
    for (log_prefix, result) in results {
        report.counts += result.counts;
        *report.by_source.entry(log_prefix.source()).or_default() += result.counts;
        report.log_prefixes += 1;
        report.stopped |= result.stopped;
        if let Some(error) = &result.failure {
            let (reason, hint) = (in_one_line(error), error.hint());
            report.failures.push(Failure { place: log_prefix.id(), reason, hint });
        }
        match result.proven_through {
            Some(day) => known.insert(log_prefix.id(), day),
            None => known.remove(&log_prefix.id()),
        };
    }
    known
}

pub(super) fn failure(place: String, error: &AwsError) -> Failure {
    Failure { place, reason: error.in_full(), hint: error.hint() }
}

fn head(run: &RunInfo) -> Head {
    Head {
        version: FORMAT_VERSION,
        number: 0,
        previous_sha256: None,
        run_id: run.id.clone(),
        written_at: run.now,
        written_by: run.caller.clone(),
        written_with: run.program.clone(),
    }
}

/// The last day for which no late files are expected.
fn closed_through(now: Timestamp, overlap_days: u32) -> Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    let back = Span::new().try_days(i64::from(overlap_days) + 1);
    back.and_then(|back| today.checked_sub(back)).unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_is_closed_after_the_overlap() {
        let now = "2026-03-10T01:00:00Z".parse().unwrap();
        assert_eq!(closed_through(now, 0), date(2026, 3, 9));
        assert_eq!(closed_through(now, 2), date(2026, 3, 7));
        assert_eq!(closed_through(now, u32::MAX), Date::MIN);
    }
}
