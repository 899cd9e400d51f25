//! Fetching and opening a lane's digests, many at a time, in their order.

use std::cell::RefCell;
use std::sync::Arc;

use futures::{StreamExt as _, stream};

use super::logs::Limits;
use crate::archive::key::{ObjectKey, ObjectKind};
use crate::archive::verify::opened::{DigestFault, FetchedDigest, OpenedDigest};
use crate::archive::verify::source::{FetchError, FetchedObject, FolderSource, Source};

/// How many digests one thread takes at a time.
const BATCH: usize = 16;
/// A larger digest is opened as soon as it is there, and its memory given back.
/// Units: bytes, as stored.
const SMALL: usize = 16 << 10;

thread_local! {
    /// The inflater's buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A digest on its way.
enum Fetched {
    Small(ObjectKey, Box<FetchedObject>),
    Done(Box<FetchedDigest>),
}

/// Fetches digests, and opens them on blocking threads.
pub(super) async fn fetch_all(
    source: &Arc<Source>,
    limits: &Limits,
    keys: Vec<ObjectKey>,
) -> Vec<FetchedDigest> {
    let at_once = keys.len().max(1);
    match &**source {
        Source::Folder(folder) => {
            let batches: Vec<Vec<ObjectKey>> = keys.chunks(BATCH).map(<[_]>::to_vec).collect();
            let read = |keys: Vec<ObjectKey>| {
                let folder = folder.clone();
                blocking(move || keys.into_iter().map(|key| read(&folder, key)).collect::<Vec<_>>())
            };
            let batches = stream::iter(batches).map(read).buffered(limits.threads);
            batches.collect::<Vec<_>>().await.into_iter().flatten().collect()
        }
        Source::S3(_) => stream::iter(keys)
            .map(|key| fetch(source, limits, key))
            .buffered(at_once)
            .ready_chunks(BATCH)
            .map(|batch| open_batch(source, batch))
            .buffered(limits.threads)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn read(folder: &FolderSource, key: ObjectKey) -> FetchedDigest {
    let content = match folder.object(None, &key.to_string()) {
        Ok(object) => open(&key, &object),
        Err(error) => Err(unreadable(&error)),
    };
    FetchedDigest { key, content }
}

async fn fetch(source: &Source, limits: &Limits, key: ObjectKey) -> Fetched {
    let permit = limits.fetch().await;
    let fetched = source.fetch(None, &key.to_string()).await;
    drop(permit);
    match fetched {
        Err(error) => {
            Fetched::Done(Box::new(FetchedDigest { key, content: Err(unreadable(&error)) }))
        }
        Ok(mut object) if object.bytes.len() <= SMALL => {
            object.release();
            Fetched::Small(key, Box::new(object))
        }
        Ok(object) => Fetched::Done(Box::new(open_alone(source, key, object).await)),
    }
}

/// Opens those that are not yet, in their order.
async fn open_batch(source: &Source, batch: Vec<Fetched>) -> Vec<FetchedDigest> {
    let opened = blocking(move || {
        let open = |fetched| match fetched {
            Fetched::Small(key, object) => {
                let content = open(&key, &object);
                FetchedDigest { key, content }
            }
            Fetched::Done(digest) => *digest,
        };
        batch.into_iter().map(open).collect::<Vec<_>>()
    });
    let mut opened = opened.await;
    for digest in &mut opened {
        look_again(source, digest).await;
    }
    opened
}

async fn open_alone(source: &Source, key: ObjectKey, object: FetchedObject) -> FetchedDigest {
    let opened = blocking(move || {
        let content = open(&key, &object);
        FetchedDigest { key, content }
    });
    let mut opened = opened.await;
    look_again(source, &mut opened).await;
    opened
}

/// What is damaged may have been damaged on its way: it is fetched once more.
async fn look_again(source: &Source, digest: &mut FetchedDigest) {
    if matches!(digest.content, Ok(_) | Err(DigestFault::Unreadable(_))) {
        return;
    }
    let key = digest.key.clone();
    digest.content = match source.fetch_again(None, &key.to_string()).await {
        Ok(object) => blocking(move || open(&key, &object)).await,
        Err(error) => Err(unreadable(&error)),
    };
}

fn open(key: &ObjectKey, object: &FetchedObject) -> Result<OpenedDigest, DigestFault> {
    let backfill = matches!(key.kind(), ObjectKind::Digest { backfill: true, .. });
    let metadata = |name: &str| object.metadata.get(name).map(String::as_str);
    BUFFER.with_borrow_mut(|buffer| OpenedDigest::open(&object.bytes, metadata, backfill, buffer))
}

fn unreadable(error: &FetchError) -> DigestFault {
    DigestFault::Unreadable(error.to_string())
}

/// Works on a blocking thread, and passes its panics on: no digest may be lost.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        std::panic::resume_unwind(
            error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string())),
        )
    })
}
