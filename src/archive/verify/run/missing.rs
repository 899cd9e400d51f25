//! Classifies missing files: deleted, or not yet copied from their source. After a
//! consolidation that was limited, stopped or killed, later runs copy the remaining digests
//! and log files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Mutex;

use super::{Request, ScopeReport, Source};
use crate::archive::consolidate::ledger::statement;
use crate::archive::consolidate::pending::{RecordedFiles, Unfinished};
use crate::archive::consolidate::record::Segment;
use crate::archive::key::ObjectKey;
use crate::archive::sequence::MAX_STORED_BYTES;
use crate::archive::verify::digest::{DigestDocument, sha256_hex};
use crate::archive::verify::finding::{Finding, FindingKind, Origin, Severity};
use crate::archive::verify::parsed_digest::contents;
use crate::archive::verify::source::FetchError;
use crate::names::AccountId;

/// Concurrently located files.
const AT_ONCE: usize = 64;
/// Concurrently read records.
const RECORDS_AT_ONCE: usize = 4;

/// The state of a missing file at its source.
#[derive(Debug)]
enum SourceState {
    /// It exists there, as do all files that are missing with it.
    Present,
    /// It is missing there too.
    Deleted,
    /// The source could not be read.
    Unreadable(String),
    /// No source can be listed from here.
    NotChecked,
}

/// A missing file, and the files that are missing with it.
struct MissingFiles {
    scope: usize,
    finding: usize,
    state: SourceState,
    /// For each file: its key here, and its original address.
    files: Vec<(String, Origin)>,
}

/// Distinguishes files that were never copied from deleted ones.
///
/// A file is deleted if a run recorded it in the archive, or if it is missing at its source
/// too.
pub(super) async fn classify(request: &Request, reports: &mut [ScopeReport]) {
    let sources = Sources { request, opened: Mutex::default() };
    let mut wanted = Vec::new();
    for (scope, report) in reports.iter().enumerate() {
        for (finding, found) in report.findings.iter().enumerate() {
            if found.kind.concerns_missing_file() && found.origin.is_some() {
                wanted.push((scope, finding, found.clone(), report.account.clone()));
            }
        }
    }
    if wanted.is_empty() {
        return;
    }
    let sources = &sources;
    let missing: Vec<MissingFiles> = stream::iter(wanted)
        .map(async |(scope, finding, found, account)| {
            let (state, files) = sources.locate(&found, &account).await;
            MissingFiles { scope, finding, state, files }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let keys = missing.iter().flat_map(|one| &one.files).map(|(key, _)| key.clone());
    let recorded = recorded(request, keys.collect()).await;
    // Nothing is consolidated into a bucket that is not an archive: files that a copy lacks are
    // missing, wherever else they are.
    if request.declared.is_none() && !recorded.has_records() {
        return;
    }
    // Anyone may have written unauthenticated records: they do not excuse an unreadable source.
    let is_archive = request.declared.is_some() || recorded.has_runs();
    let unfinished = recorded.unfinished();
    for one in missing {
        let found =
            reports.get_mut(one.scope).and_then(|scope| scope.findings.get_mut(one.finding));
        if let Some(found) = found {
            decide(found, &one, &recorded, &unfinished, is_archive);
        }
    }
}

fn decide(
    found: &mut Finding,
    missing: &MissingFiles,
    recorded: &RecordedFiles,
    unfinished: &Unfinished,
    is_archive: bool,
) {
    let is_settled = missing
        .files
        .iter()
        .any(|(key, origin)| recorded.is_settled(key, &origin.bucket, &origin.key));
    let Some(origin) = found.origin.as_ref().filter(|_| !is_settled) else { return };
    let place = format!("s3://{}/{}", origin.bucket, origin.key);
    let may_follow = unfinished.may_still_copy(&origin.bucket, found.account.as_ref());
    let said = match &missing.state {
        SourceState::Present => {
            format!("not here yet: it is at {place}, and no run recorded a copy")
        }
        SourceState::NotChecked if may_follow => {
            format!("not here yet: the last run left files in s3://{}", origin.bucket)
        }
        SourceState::Unreadable(why) if is_archive => {
            format!("nothing here; whether it is still at {place} could not be read: {why}")
        }
        SourceState::Deleted | SourceState::NotChecked | SourceState::Unreadable(_) => return,
    };
    found.kind = FindingKind::NotConsolidated;
    found.severity = Severity::Incomplete;
    found.found = Some(said);
}

/// The source buckets of missing files.
struct Sources<'a> {
    request: &'a Request,
    opened: Mutex<BTreeMap<(String, AccountId), Opened>>,
}

/// A bucket, or why it cannot be read.
type Opened = Result<Arc<Source>, String>;

impl Sources<'_> {
    async fn open(&self, bucket: &str, account: &AccountId) -> Opened {
        if self.request.source.bucket() == Some(bucket) {
            return Ok(Arc::clone(&self.request.source));
        }
        let place = (bucket.to_owned(), account.clone());
        if let Some(known) = self.opened.lock().await.get(&place) {
            return known.clone();
        }
        let opened = self.request.other_buckets.origin(bucket, account).await.map(Arc::new);
        self.opened.lock().await.entry(place).or_insert(opened).clone()
    }

    /// Locates a missing file, and the digests that are missing with it, at its source: all must
    /// exist.
    async fn locate(
        &self,
        found: &Finding,
        account: &AccountId,
    ) -> (SourceState, Vec<(String, Origin)>) {
        let (Some(mut origin), Some(key)) = (found.origin.clone(), found.key.clone()) else {
            return (SourceState::NotChecked, Vec::new());
        };
        let root = key.parse::<ObjectKey>().ok().map(|key| key.root().clone());
        let mut files = vec![(key, origin.clone())];
        if !self.request.other_buckets.has_origins() {
            return (SourceState::NotChecked, files);
        }
        let source = match self.open(&origin.bucket, account).await {
            Ok(source) => source,
            Err(why) => return (SourceState::Unreadable(why), files),
        };
        let is_interval = found.kind == FindingKind::DigestMissing && found.objects > 1;
        if !is_interval {
            return (exists(&source, &origin.key).await, files);
        }
        let from = found.period.map(|period| period.from);
        loop {
            let previous = match before(&source, &origin).await {
                Ok(previous) => previous,
                Err(state) => return (state, files),
            };
            // Digests before the interval are here.
            let time = |key: &str| key.parse::<ObjectKey>().ok().map(|key| key.time());
            let next = previous.filter(|next| next.bucket == origin.bucket).filter(|next| {
                time(&next.key).zip(time(&origin.key)).is_some_and(|(next, now)| next < now)
                    && time(&next.key).zip(from).is_some_and(|(next, from)| next > from)
            });
            let Some(next) = next else { return (SourceState::Present, files) };
            let here = next.key.parse::<ObjectKey>().ok().zip(root.as_ref());
            if let Some((key, root)) = here {
                files.push((key.under(root).to_string(), next.clone()));
            }
            origin = next;
        }
    }
}

async fn exists(source: &Source, key: &str) -> SourceState {
    match source.exists(key).await {
        Ok(true) => SourceState::Present,
        Ok(false) => SourceState::Deleted,
        Err(error) => SourceState::Unreadable(error.to_string()),
    }
}

/// The predecessor of a digest at its source. Its content is not proven: it only determines
/// which other objects must exist.
async fn before(source: &Source, origin: &Origin) -> Result<Option<Origin>, SourceState> {
    let object = match source.fetch(None, &origin.key).await {
        Ok(object) => object,
        Err(FetchError::NotFound) => return Err(SourceState::Deleted),
        Err(error) => return Err(SourceState::Unreadable(error.to_string())),
    };
    let text = contents(&object.bytes, &mut Vec::new()).ok();
    let document = text.and_then(|(text, _)| DigestDocument::parse(&text).ok());
    let Some(document) = document else { return Err(SourceState::Deleted) };
    let previous = document.previous_digest_s3_bucket.zip(document.previous_digest_s3_object);
    Ok(previous.map(|(bucket, key)| Origin { bucket, key }))
}

/// What the run records state about files. Unreadable records are ignored, and
/// unauthenticated ones never show that a file may still be copied.
async fn recorded(request: &Request, asked: BTreeSet<String>) -> RecordedFiles {
    let mut recorded = RecordedFiles::of(asked);
    let packed = request.other_buckets.records();
    let source = packed.as_ref().unwrap_or(&request.source);
    let declared = request.declared.as_ref().and_then(|root| root.prefix.as_ref());
    let before = match declared {
        Some(prefix) => format!("{prefix}/"),
        None => request.prefix.split("AWSLogs").next().unwrap_or_default().to_owned(),
    };
    let listed = source.list(&format!("{before}orgtrail/runs/"), None).try_collect::<Vec<_>>();
    let listed = match listed.await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(%error, "the run records could not be listed");
            return recorded;
        }
    };
    // Skip objects that are larger than any record.
    let listed = listed.into_iter().filter(|object| object.size_bytes <= MAX_STORED_BYTES);
    let numbers = listed.filter_map(|object| {
        let name = object.key.rsplit('/').next()?.strip_suffix(".jsonl.gz")?;
        Some((name.parse::<u64>().ok()?, object.key))
    });
    let mut segments = stream::iter(numbers)
        .map(async |(number, key)| {
            let stored = source.fetch(None, &key).await.map_err(|error| error.to_string());
            let stored = match stored {
                Ok(stored) => stored,
                Err(error) => return (key, Err(error)),
            };
            let segment = Segment::decode(number, &stored.bytes).map_err(|error| error.to_string());
            let segment = match segment {
                Ok(segment) => segment,
                Err(error) => return (key, Err(error)),
            };
            let sha256 = sha256_hex(&stored.bytes);
            let as_stored = statement(&key, &segment.head, &sha256);
            let authenticity = request.trust.of(as_stored, &stored.metadata).await;
            (key, Ok((segment, authenticity.is_authenticated())))
        })
        .buffered(RECORDS_AT_ONCE);
    while let Some((key, segment)) = segments.next().await {
        match segment {
            Ok((segment, authenticated)) => recorded.take(segment, authenticated),
            Err(error) => tracing::warn!(%key, %error, "a run record could not be read"),
        }
    }
    recorded
}
