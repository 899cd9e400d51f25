//! Fetches and parses a scope's digests concurrently, in order.

use std::cell::RefCell;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use tokio::sync::SemaphorePermit;

use super::logs::Limits;
use crate::archive::blocking::blocking;
use crate::archive::key::{ObjectKey, ObjectKind};
use crate::archive::verify::gzip::GzipError;
use crate::archive::verify::parsed_digest::{DigestFault, FetchedDigest, LIMIT, ParsedDigest};
use crate::archive::verify::source::{FetchError, FetchedObject, FolderSource, Source};

/// Digests per blocking task.
const BATCH: usize = 16;
/// Larger digests are parsed as soon as they are fetched, to release memory. Units: bytes,
/// as stored.
const MAX_BATCHED_BYTES: usize = 16 << 10;

/// The maximum compression ratio of deflate.
const EXPANSION: u64 = 1032;

thread_local! {
    /// The inflater's buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A digest that is being fetched.
enum Fetched {
    Small(ObjectKey, Box<FetchedObject>),
    Done(Box<QueuedDigest>),
}

/// A queued digest.
pub(super) enum QueuedDigest {
    Digest(Box<FetchedDigest>),
    /// It did not fit into memory and is fetched when it is needed, see [`fetch_deferred`].
    /// Waiting for memory here could deadlock, since digests in memory may wait for this one.
    Deferred(ObjectKey),
}

impl QueuedDigest {
    pub(super) fn key(&self) -> &ObjectKey {
        match self {
            Self::Digest(digest) => &digest.key,
            Self::Deferred(key) => key,
        }
    }
}

/// Fetches digests and parses them on blocking threads.
pub(super) async fn fetch_all(
    source: &Arc<Source>,
    limits: &Arc<Limits>,
    keys: Vec<ObjectKey>,
) -> Vec<QueuedDigest> {
    let at_once = keys.len().max(1);
    match &**source {
        Source::Folder(folder) => {
            let batches: Vec<Vec<ObjectKey>> = keys.chunks(BATCH).map(<[_]>::to_vec).collect();
            let read = |keys: Vec<ObjectKey>| {
                let (folder, limits) = (folder.clone(), Arc::clone(limits));
                let read = move |key| ready(read(&folder, &limits, key), &limits);
                blocking(move || keys.into_iter().map(read).collect::<Vec<_>>())
            };
            let batches = stream::iter(batches).map(read).buffered(limits.threads);
            batches.collect::<Vec<_>>().await.into_iter().flatten().collect()
        }
        Source::S3(_) => stream::iter(keys)
            .map(|key| fetch(source, limits, key))
            .buffered(at_once)
            .ready_chunks(BATCH)
            .map(|batch| open_batch(source, limits, batch))
            .buffered(limits.threads)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect(),
    }
}

/// Fetches a deferred digest. Other deferred digests wait until the returned permit is
/// dropped.
pub(super) async fn fetch_deferred<'a>(
    source: &Source,
    limits: &'a Arc<Limits>,
    key: ObjectKey,
) -> (FetchedDigest, Option<SemaphorePermit<'a>>) {
    let room = limits.fetch_deferred.acquire().await.ok();
    let permit = limits.fetch().await;
    let fetched = source.fetch(None, &key.to_string()).await;
    drop(permit);
    let digest = match fetched {
        Ok(object) => open_one(source, limits, key, object).await,
        Err(error) => FetchedDigest { key, content: Err(unreadable(&error)) },
    };
    (digest, room)
}

fn read(folder: &FolderSource, limits: &Limits, key: ObjectKey) -> FetchedDigest {
    let content = match folder.object(None, &key.to_string()) {
        Ok(object) => open(&key, &object, limits),
        Err(error) => Err(unreadable(&error)),
    };
    FetchedDigest { key, content }
}

async fn fetch(source: &Source, limits: &Arc<Limits>, key: ObjectKey) -> Fetched {
    let permit = limits.fetch().await;
    let fetched = source.fetch(None, &key.to_string()).await;
    drop(permit);
    match fetched {
        Err(error) => {
            let digest = FetchedDigest { key, content: Err(unreadable(&error)) };
            Fetched::Done(Box::new(QueuedDigest::Digest(Box::new(digest))))
        }
        Ok(mut object) if object.bytes.len() <= MAX_BATCHED_BYTES => {
            object.release();
            Fetched::Small(key, Box::new(object))
        }
        Ok(object) => {
            let digest = open_one(source, limits, key, object).await;
            Fetched::Done(Box::new(ready(digest, limits)))
        }
    }
}

/// Parses the digests of a batch, in order.
async fn open_batch(
    source: &Source,
    limits: &Arc<Limits>,
    batch: Vec<Fetched>,
) -> Vec<QueuedDigest> {
    let of_batch = Arc::clone(limits);
    let opened = blocking(move || {
        let open = |fetched| match fetched {
            Fetched::Small(key, object) => {
                let content = open(&key, &object, &of_batch);
                ready(FetchedDigest { key, content }, &of_batch)
            }
            Fetched::Done(done) => *done,
        };
        batch.into_iter().map(open).collect::<Vec<_>>()
    });
    let mut opened = opened.await;
    for one in &mut opened {
        if let QueuedDigest::Digest(digest) = one
            && is_damaged(digest)
        {
            let again = fetch_and_open_again(source, limits, digest.key.clone()).await;
            *one = ready(again, limits);
        }
    }
    opened
}

async fn open_one(
    source: &Source,
    limits: &Arc<Limits>,
    key: ObjectKey,
    object: FetchedObject,
) -> FetchedDigest {
    let of_one = Arc::clone(limits);
    let opened = blocking(move || {
        let content = open(&key, &object, &of_one);
        FetchedDigest { key, content }
    });
    let opened = opened.await;
    if is_damaged(&opened) {
        fetch_and_open_again(source, limits, opened.key).await
    } else {
        opened
    }
}

fn is_damaged(digest: &FetchedDigest) -> bool {
    match &digest.content {
        // Damage does not cause such a size.
        Ok(_) | Err(DigestFault::Unreadable(_) | DigestFault::Gzip(GzipError::TooLarge { .. })) => {
            false
        }
        Err(_) => true,
    }
}

/// A damaged digest may have been damaged in transit: fetch it again.
async fn fetch_and_open_again(
    source: &Source,
    limits: &Arc<Limits>,
    key: ObjectKey,
) -> FetchedDigest {
    match source.fetch_again(None, &key.to_string()).await {
        Ok(object) => {
            let limits = Arc::clone(limits);
            let open = move || {
                let content = open(&key, &object, &limits);
                FetchedDigest { key, content }
            };
            blocking(open).await
        }
        Err(error) => FetchedDigest { key, content: Err(unreadable(&error)) },
    }
}

/// Parses a digest when memory for decompression is available. Blocks.
fn open(
    key: &ObjectKey,
    object: &FetchedObject,
    limits: &Limits,
) -> Result<ParsedDigest, DigestFault> {
    let most = (object.bytes.len() as u64).saturating_mul(EXPANSION).min(LIMIT);
    // The holder of a permit waits for nothing else, so this cannot deadlock.
    let room = limits.inflating.acquire_many(kib(most));
    let _room = tokio::runtime::Handle::current().block_on(room);
    let backfill = matches!(key.kind(), ObjectKind::Digest { backfill: true, .. });
    let metadata = |name: &str| object.metadata.get(name).map(String::as_str);
    BUFFER.with_borrow_mut(|buffer| ParsedDigest::parse(&object.bytes, metadata, backfill, buffer))
}

/// Queues a parsed digest, or defers it if it does not fit into memory.
fn ready(mut digest: FetchedDigest, limits: &Limits) -> QueuedDigest {
    if let Ok(opened) = &mut digest.content {
        let room = Arc::clone(&limits.opened);
        match room.try_acquire_many_owned(kib(opened.memory as u64)) {
            Ok(held) => opened.held = Some(held),
            Err(_) => return QueuedDigest::Deferred(digest.key),
        }
    }
    QueuedDigest::Digest(Box::new(digest))
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX)
}

fn unreadable(error: &FetchError) -> DigestFault {
    DigestFault::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::archive::verify::run::Concurrency;

    fn write(folder: &std::path::Path, hour: u32) -> ObjectKey {
        let key = format!(
            "AWSLogs/111111111111/CloudTrail-Digest/us-east-1/2026/01/10/\
             111111111111_CloudTrail-Digest_us-east-1_trail_us-east-1_20260110T{hour:02}0000Z.json.gz"
        );
        let text = r#"{"digestStartTime":"2026-01-10T08:00:00Z","digestEndTime":"2026-01-10T09:00:00Z",
            "digestS3Bucket":"b","digestS3Object":"o","digestPublicKeyFingerprint":"f",
            "previousDigestSignature":null,"logFiles":[]}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        let path = folder.join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, gzip.finish().unwrap()).unwrap();
        key.parse().unwrap()
    }

    #[tokio::test]
    async fn digests_that_do_not_fit_into_memory_are_deferred() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<ObjectKey> = (1..=20).map(|hour| write(folder.path(), hour)).collect();
        let source = Arc::new(Source::Folder(FolderSource::new(folder.path().to_owned())));
        let mut limits = Limits::new(Concurrency::default());
        // Room for two.
        limits.opened = Arc::new(Semaphore::new(2));
        let limits = Arc::new(limits);
        let ready = fetch_all(&source, &limits, keys.clone()).await;
        assert_eq!(ready.iter().map(|one| one.key().clone()).collect::<Vec<_>>(), keys);
        let later: Vec<&ObjectKey> = ready
            .iter()
            .filter_map(|one| match one {
                QueuedDigest::Deferred(key) => Some(key),
                QueuedDigest::Digest(_) => None,
            })
            .collect();
        assert_eq!(later.len(), 18);
        for key in later {
            let (digest, room) = fetch_deferred(&source, &limits, key.clone()).await;
            assert!(digest.content.is_ok() && room.is_some(), "{digest:?}");
        }
        // What was followed gives its room back.
        drop(ready);
        assert_eq!(limits.opened.available_permits(), 2);
    }
}
