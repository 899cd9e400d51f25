//! Packing a lane's objects, and those of other buckets that prove it.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::super::{Explain, OpError, Outcome};
use crate::archive::bundle::{BundleWriter, is_canonical};
use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey, ObjectKind};
use crate::archive::verify::digest::DigestDocument;
use crate::archive::verify::parsed_digest::contents;
use crate::archive::verify::run::{OtherBuckets, ScopeReport};
use crate::archive::verify::source::{FetchError, FetchedObject, Source};
use crate::archive::verify::unlisted::HOUR_MARGIN;
use crate::names::TrailName;

/// How many objects are fetched at a time.
const FETCHES: usize = 64;
/// How large an object may be that is fetched before its turn. Units: bytes, as
/// stored.
const SHARE: u64 = 4 << 20;
/// How far around the window log files are taken along.
const MARGIN: SignedDuration = SignedDuration::from_hours(2);

/// Packs objects of a time into a bundle.
pub(super) struct Packer {
    pub(super) bundle: BundleWriter,
    pub(super) source: Arc<Source>,
    pub(super) trails: BTreeSet<TrailName>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// When the last digest's hour ends.
    pub(super) last: Timestamp,
    /// What is packed of other buckets: bucket and key.
    pub(super) beside: BTreeSet<(String, String)>,
    /// What cannot be packed under its name, with the reason.
    pub(super) unpackable: Vec<String>,
}

/// Where a lane's objects come from, and go to.
struct Place<'a> {
    source: &'a Source,
    /// The bucket, where it is another than the one that is packed.
    other: Option<&'a str>,
}

impl Packer {
    /// Packs what proves a lane.
    pub(super) async fn scope(
        &mut self,
        scope: &ScopeReport,
        others: &OtherBuckets,
    ) -> Result<(), OpError> {
        let source = Arc::clone(&self.source);
        match &scope.bucket {
            Some(bucket) if scope.followed => {
                let opened = others.open(bucket, &scope.account).await;
                let opened = opened
                    .map_err(|why| OpError::new(format!("{bucket}: {why}"), Outcome::Incomplete))?;
                let place = Place { source: &opened, other: Some(bucket) };
                let trails = scope.chains.iter().filter_map(|chain| chain.trail.parse().ok());
                let (folder, trails) =
                    (folder(scope, &scope.root, DIGEST_FOLDER), trails.collect());
                let listed = self.digests(&place, scope, &folder, &trails, |_, _| true).await?;
                self.beside(&opened, listed).await
            }
            own => {
                let place = Place { source: &source, other: None };
                for root in &scope.roots {
                    let account = format!("{root}{}/", scope.account);
                    let elsewhere = |bucket: &str, key: &str| {
                        own.as_ref().is_some_and(|own| own != bucket || !key.starts_with(&account))
                    };
                    let trails = self.trails.clone();
                    let folder = folder(scope, root, DIGEST_FOLDER);
                    let listed = self.digests(&place, scope, &folder, &trails, elsewhere).await?;
                    self.logs(&place, scope, root).await?;
                    self.beside(&source, listed).await?;
                }
                Ok(())
            }
        }
    }

    /// Packs digests; returns the bucket and key of each listed log file that is in another
    /// bucket.
    async fn digests(
        &mut self,
        place: &Place<'_>,
        scope: &ScopeReport,
        folder: &str,
        trails: &BTreeSet<TrailName>,
        elsewhere: impl Fn(&str, &str) -> bool,
    ) -> Result<BTreeSet<(String, String)>, OpError> {
        // Those around the window may list files at its edges.
        let around = |time: Timestamp, by| time.checked_add(by).unwrap_or(time);
        let (from, last) = (around(self.from, -HOUR_MARGIN), around(self.last, HOUR_MARGIN));
        let matches_key = |key: &ObjectKey| match key.kind() {
            ObjectKind::Digest { trail, .. } => {
                (trails.is_empty() || trails.contains(trail)) && (from..=last).contains(&key.time())
            }
            ObjectKind::Log { .. } => false,
        };
        let mut listed = BTreeSet::new();
        let on_object = |key: &str, bytes: &[u8]| {
            let logs = logs_of(key, bytes, scope.bucket.as_deref());
            listed.extend(logs.into_iter().filter(|(bucket, key)| elsewhere(bucket, key)));
        };
        self.pack(place, folder, (from, last), matches_key, on_object).await?;
        Ok(listed)
    }

    async fn logs(
        &mut self,
        place: &Place<'_>,
        scope: &ScopeReport,
        root: &str,
    ) -> Result<(), OpError> {
        let around = |time: Timestamp, by| time.checked_add(by).unwrap_or(time);
        let (start, end) = (around(self.from, -MARGIN), around(self.until, MARGIN));
        for class in LogClass::ALL {
            let matches_key = |key: &ObjectKey| (start..=end).contains(&key.time());
            let folder = folder(scope, root, class.folder());
            self.pack(place, &folder, (start, end), matches_key, |_, _| {}).await?;
        }
        Ok(())
    }

    /// Packs the objects of a folder whose keys match `matches_key`.
    async fn pack(
        &mut self,
        place: &Place<'_>,
        folder: &str,
        (from, to): (Timestamp, Timestamp),
        matches_key: impl Fn(&ObjectKey) -> bool,
        mut on_object: impl FnMut(&str, &[u8]),
    ) -> Result<(), OpError> {
        let start = format!("{folder}{}", from.strftime("%Y/%m/%d/"));
        let end = format!("{folder}{}", to.strftime("%Y/%m/%d0"));
        let keys: Vec<(String, u64)> = place
            .source
            .list(folder, Some(start))
            .try_take_while(|object| futures::future::ready(Ok(object.key < end)))
            .try_filter(|object| {
                // Objects of this folder without a CloudTrail key are evidence too.
                let key = object.key.parse().ok().filter(|key| lies_in(key, folder));
                futures::future::ready(key.is_none_or(|key| matches_key(&key)))
            })
            .map_ok(|object| (object.key, object.size_bytes))
            .try_collect()
            .await?;
        let fetch = async |key: &String| place.source.fetch(None, key).await;
        let mut objects = pin!(in_order(keys, fetch, size));
        while let Some((key, object)) = objects.next().await {
            if let Some(bucket) = place.other
                && !self.beside.insert((bucket.to_owned(), key.clone()))
            {
                continue;
            }
            let object = object.map_err(|source| NotPacked { key: key.clone(), source })?;
            on_object(&key, &object.bytes);
            if !is_canonical(&key) {
                self.unpackable.push(unpackable(&key));
                continue;
            }
            self.bundle.object(place.other, &key, &object.bytes, &object.metadata)?;
        }
        Ok(())
    }

    /// Packs objects of other buckets; missing ones are missing in the bundle too.
    async fn beside(
        &mut self,
        source: &Source,
        listed: BTreeSet<(String, String)>,
    ) -> Result<(), OpError> {
        let listed = listed.into_iter().map(|place| (place, 0)).collect();
        let fetch = async |(bucket, key): &(String, String)| source.fetch(Some(bucket), key).await;
        let mut objects = pin!(in_order(listed, fetch, size));
        while let Some(((bucket, key), object)) = objects.next().await {
            if !self.beside.insert((bucket.clone(), key.clone())) {
                continue;
            }
            match object {
                Ok(object) => {
                    self.bundle.object(Some(&bucket), &key, &object.bytes, &object.metadata)?;
                }
                Err(FetchError::NotFound) => {}
                Err(source) => return Err(NotPacked { key, source }.into()),
            }
        }
        Ok(())
    }
}

/// The message about an object that cannot be packed under its name.
pub(super) fn unpackable(key: &str) -> String {
    format!("`{}`: a bundle cannot contain a file with this name", key.escape_debug())
}

/// Fetches many objects at once, and yields them in order.
///
/// An object larger than its share of memory is fetched only when its turn comes: objects
/// fetched early occupy memory, and if they occupied all of it, the next one in order could
/// wait forever. For the same reason the others are still polled meanwhile: memory may have
/// been given to one of them.
fn in_order<K, O, E>(
    keys: Vec<(K, u64)>,
    fetch: impl AsyncFn(&K) -> Result<O, E>,
    size: impl Fn(&mut O) -> u64,
) -> impl Stream<Item = (K, Result<O, E>)> {
    let (fetch, size, turn) = (Arc::new(fetch), Arc::new(size), watch::Sender::new(0));
    let turns = turn.subscribe();
    let fetched = move |(nth, (key, listed)): (usize, (K, u64))| {
        let (fetch, size, mut turns) = (Arc::clone(&fetch), Arc::clone(&size), turns.clone());
        async move {
            if listed <= SHARE {
                let mut object = (*fetch)(&key).await;
                if object.as_mut().map_or(true, |object| (*size)(object) <= SHARE) {
                    return (key, object);
                }
            }
            // The sender is part of the stream that polls this.
            drop(turns.wait_for(|turn| *turn == nth).await);
            let object = (*fetch)(&key).await;
            (key, object)
        }
    };
    stream::iter(keys.into_iter().enumerate())
        .map(fetched)
        .buffered(FETCHES)
        .inspect(move |_| turn.send_modify(|turn| *turn += 1))
}

/// How long an object is; its share of the source's memory is given back.
fn size(object: &mut FetchedObject) -> u64 {
    object.release();
    object.bytes.len() as u64
}

/// Whether CloudTrail writes a key into a folder itself: not a whole key of its
/// own further down, which is unexpected there.
fn lies_in(key: &ObjectKey, folder: &str) -> bool {
    key.root().folder(key.account(), key.kind().folder(), key.region()) == folder
}

fn folder(scope: &ScopeReport, root: &str, kind: &str) -> String {
    format!("{root}{}/{kind}/{}/", scope.account, scope.region)
}

/// Where the log files are that a digest lists. Of one that was moved here, they
/// were moved with it: below its own root.
fn logs_of(key: &str, stored: &[u8], bucket: Option<&str>) -> Vec<(String, String)> {
    // What is no digest lists nothing; it is packed as it is.
    let text = contents(stored, &mut Vec::new()).ok();
    let document = text.and_then(|(text, _)| DigestDocument::parse(&text).ok());
    let Some(document) = document else { return Vec::new() };
    let in_place = document.digest_s3_object == key
        && bucket.is_none_or(|bucket| bucket == document.digest_s3_bucket);
    let root = key.parse::<ObjectKey>().ok().map(|key| key.root().clone());
    let address = |log: crate::archive::verify::digest::ListedLog| {
        if in_place {
            return Some((log.s3_bucket, log.s3_object));
        }
        let moved = log.s3_object.parse::<ObjectKey>().ok()?.under(root.as_ref()?);
        Some((bucket?.to_owned(), moved.to_string()))
    };
    document.log_files.into_iter().filter_map(address).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("packing `{key}`")]
pub(super) struct NotPacked {
    pub(super) key: String,
    #[source]
    pub(super) source: FetchError,
}

impl Explain for NotPacked {
    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    /// An object with its share of a memory that few of them fill.
    async fn fetched(
        memory: &Arc<Semaphore>,
        key: u64,
        size: u64,
    ) -> Result<(u64, u64, Option<tokio::sync::OwnedSemaphorePermit>), ()> {
        // The first comes last of those that are fetched at once.
        for _ in 0..if key == 0 { 2 * FETCHES } else { 0 } {
            tokio::task::yield_now().await;
        }
        let held = Arc::clone(memory).acquire_owned().await.map_err(|_| ())?;
        Ok((key, size, Some(held)))
    }

    #[tokio::test]
    async fn objects_before_their_turn_do_not_fill_the_memory() {
        for (listed, actual) in [(SHARE + 1, SHARE + 1), (0, SHARE + 1), (1, 1)] {
            let memory = Arc::new(Semaphore::new(8));
            let keys: Vec<(u64, u64)> = (0..200).map(|key| (key, listed)).collect();
            let fetch = async |key: &u64| fetched(&memory, *key, actual).await;
            let objects = in_order(keys, fetch, |(_, size, held)| {
                *held = None;
                *size
            });
            let order = objects.map(|(key, object)| {
                assert_eq!(object.unwrap().0, key);
                key
            });
            let all = tokio::time::timeout(Duration::from_secs(20), order.collect::<Vec<_>>());
            assert_eq!(all.await.unwrap(), (0..200).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_key_further_down_is_unexpected() {
        let key = |root: &str| -> ObjectKey {
            let own = "AWSLogs/111111111111/CloudTrail/us-east-1/2026/01/10/\
                111111111111_CloudTrail_us-east-1_20260110T0805Z_aaaaaaaaaaaaaaaa.json.gz";
            format!("{root}{own}").parse().unwrap()
        };
        let folder = "AWSLogs/111111111111/CloudTrail/us-east-1/";
        assert!(lies_in(&key(""), folder));
        assert!(!lies_in(&key(&format!("{folder}2026/01/10/")), folder));
    }
}
