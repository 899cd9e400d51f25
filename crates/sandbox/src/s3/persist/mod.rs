//! Keeping buckets across restarts: an index, and every content once, many of them
//! packed into one file: so a save costs a few files and syncs, however many
//! objects there are.
//!
//! INVARIANT: no file that an index names is written again. A save adds a pack with
//! the contents that no pack has yet and an index; what neither it nor the contents
//! need goes once the new index is the one that will be read back.

mod pack;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fs, io};

use bytes::Bytes;
use jiff::Timestamp;
use orgtrail_base::local_file;
use orgtrail_base::names::{AccountId, BucketName, Region};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

pub(crate) use self::pack::Packs;
use self::pack::{Packer, SavedBody, Sha256, read_packs, sha256_of};
use super::Store;
use super::bucket::{Bucket, Settings, State};
use super::object::{Object, Version, VersionId, Versions};

/// What the names of indexes have after their SHA-256.
const INDEX: &str = "-index.";
const BODIES: &str = "bodies";

/// Why buckets are not saved, or not read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PersistError {
    #[error("{doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not an index of buckets: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("{} is damaged: a content does not have the SHA-256 in the index", path.display())]
    Damaged { path: PathBuf },
}

#[derive(Serialize, Deserialize)]
struct Index {
    last_number: u64,
    bodies: Vec<SavedBody>,
    buckets: Vec<SavedBucket>,
}

#[derive(Serialize, Deserialize)]
struct SavedBucket {
    name: BucketName,
    owner: AccountId,
    region: Region,
    created: Timestamp,
    settings: Settings,
    /// By key; versions newest first.
    objects: Vec<(Box<str>, Vec<SavedVersion>)>,
}

#[derive(Serialize, Deserialize)]
struct SavedVersion {
    id: VersionId,
    modified: Timestamp,
    /// The object, and the number of its content in the index.
    object: Option<(Object, usize)>,
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PersistError + 'a {
    move |source| PersistError::Io { doing, path: path.to_owned(), source }
}

/// All buckets at one moment; contents are shared, not copied.
pub(crate) struct Snapshot {
    last_number: u64,
    buckets: Vec<(Arc<Bucket>, Settings, Objects)>,
}

/// By key; versions newest first.
type Objects = Vec<(Box<str>, Vec<Version>)>;

/// The result of a snapshot on disk.
pub(crate) struct Written {
    /// The index's file name.
    pub(crate) index: String,
    packs: Packs,
}

impl Store {
    /// All buckets as they are. Consistent only while no one changes any:
    /// while the control plane's write lock is held.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let of = |bucket: Arc<Bucket>| {
            let state = bucket.state.read();
            let objects = state.objects.iter().map(|(key, versions)| {
                (key.clone(), versions.iter().cloned().collect::<Vec<Version>>())
            });
            let (settings, objects) = (Settings::clone(&state.settings), objects.collect());
            drop(state);
            (bucket, settings, objects)
        };
        Snapshot {
            buckets: self.all().into_iter().map(of).collect(),
            last_number: self.last_number.load(Ordering::Relaxed),
        }
    }

    /// Reads back what [`Snapshot::write`] wrote under an index.
    ///
    /// # Errors
    /// When the directory cannot be read, or contains something else.
    pub(crate) fn load(dir: &Path, index: &str) -> Result<(Self, Packs), PersistError> {
        let path = dir.join(index);
        let bytes = fs::read(&path).map_err(failed("reading", &path))?;
        let malformed = |reason: String| PersistError::Malformed { path: path.clone(), reason };
        let index: Index = ciborium::from_reader(bytes.as_slice())
            .map_err(|error| malformed(error.to_string()))?;
        let store = Self::default();
        store.last_number.store(index.last_number, Ordering::Relaxed);
        let (bodies, packs) = read_packs(&dir.join(BODIES), &index.bodies)?;
        for saved in index.buckets {
            let mut state = State { settings: Arc::new(saved.settings), ..State::default() };
            for (key, versions) in saved.objects {
                let versions = versions.into_iter().map(|version| {
                    load_version(version, &bodies)
                        .ok_or_else(|| malformed(format!("`{key}` has no content")))
                });
                let versions: Vec<Version> = versions.collect::<Result<_, _>>()?;
                let versions = Versions::from_newest_first(versions)
                    .ok_or_else(|| malformed(format!("`{key}` has no version")))?;
                state.objects.insert(key, versions);
            }
            let (name, owner) = (saved.name, saved.owner);
            let (region, created) = (saved.region, saved.created);
            let bucket = Bucket { name, owner, region, created, state: RwLock::new(state) };
            if store.insert(bucket).is_err() {
                return Err(malformed("a bucket occurs twice".to_owned()));
            }
        }
        Ok((store, packs))
    }
}

impl Snapshot {
    /// Writes the buckets next to the existing packs. Uploads
    /// under way are not among them.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(crate) fn write(self, dir: &Path, packs: &mut Packs) -> Result<Written, PersistError> {
        let folder = dir.join(BODIES);
        local_file::create_folder(&folder).map_err(failed("creating", &folder))?;
        packs.begin();
        let mut packer = Packer::new(&folder, packs, self.hashes());
        let mut buckets = Vec::with_capacity(self.buckets.len());
        for (bucket, settings, objects) in self.buckets {
            buckets.push(save_bucket(&bucket, settings, objects, &mut packer)?);
        }
        let (bodies, packs) = packer.finish()?;
        sync_names(&folder)?;
        let index = Index { bodies, buckets, last_number: self.last_number };
        let mut bytes = Vec::new();
        ciborium::into_writer(&index, &mut bytes).map_err(|error| PersistError::Malformed {
            path: dir.to_owned(),
            reason: error.to_string(),
        })?;
        let index = format!("{}{INDEX}cbor", hex::encode(sha256_of(&bytes)));
        let path = dir.join(&index);
        local_file::replace(&path, &bytes).map_err(failed("writing", &path))?;
        sync_names(dir)?;
        Ok(Written { index, packs })
    }

    /// The SHA-256 of every content, in the order of the versions.
    fn hashes(&self) -> Vec<Sha256> {
        let bodies: Vec<&Bytes> = self
            .buckets
            .iter()
            .flat_map(|(_, _, objects)| objects)
            .flat_map(|(_, versions)| versions)
            .filter_map(|version| version.object.as_ref().map(|object| &object.body))
            .collect();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let part = bodies.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = bodies
                .chunks(part)
                .map(|part| {
                    scope.spawn(move || part.iter().map(|body| sha256_of(body)).collect::<Vec<_>>())
                })
                .collect();
            // A thread that panics has nothing to say that the others do not.
            parts.into_iter().filter_map(|part| part.join().ok()).flatten().collect()
        })
    }
}

impl Written {
    /// Removes what only other snapshots named, and gives the packs that are left. Not
    /// before this one is the one that will be read back.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file not be removed.
    pub(crate) fn remove_unused(self, dir: &Path) -> Result<Packs, PersistError> {
        let folder = dir.join(BODIES);
        keep_only(&folder, |name| self.packs.has(name))?;
        // Also those that a stopped run did not finish.
        keep_only(dir, |name| !name.contains(INDEX) || name == self.index)?;
        Ok(self.packs)
    }
}

/// Removes the files of a folder that are not to be kept.
fn keep_only(folder: &Path, keep: impl Fn(&str) -> bool) -> Result<(), PersistError> {
    for entry in fs::read_dir(folder).map_err(failed("reading", folder))?.flatten() {
        if entry.file_name().to_str().is_none_or(|name| !keep(name)) {
            let path = entry.path();
            fs::remove_file(&path).map_err(failed("removing", &path))?;
        }
    }
    Ok(())
}

fn save_bucket(
    bucket: &Bucket,
    settings: Settings,
    objects: Objects,
    packer: &mut Packer<'_>,
) -> Result<SavedBucket, PersistError> {
    let mut saved = Vec::with_capacity(objects.len());
    for (key, versions) in objects {
        let mut list = Vec::with_capacity(versions.len());
        for version in versions {
            let object = match &version.object {
                None => None,
                Some(object) => Some((Object::clone(object), packer.put(&object.body)?)),
            };
            list.push(SavedVersion { id: version.id, modified: version.modified, object });
        }
        saved.push((key, list));
    }
    Ok(SavedBucket {
        name: bucket.name.clone(),
        owner: bucket.owner.clone(),
        region: bucket.region.clone(),
        created: bucket.created,
        settings,
        objects: saved,
    })
}

/// A version with its content; nothing where the index has no such content.
fn load_version(saved: SavedVersion, bodies: &[Bytes]) -> Option<Version> {
    let object = match saved.object {
        None => None,
        Some((mut object, number)) => {
            object.body = bodies.get(number)?.clone();
            Some(Arc::new(object))
        }
    };
    Some(Version { id: saved.id, modified: saved.modified, object })
}

/// Makes the names in a directory survive a power loss, where directories can be
/// synced.
fn sync_names(dir: &Path) -> Result<(), PersistError> {
    if cfg!(unix) {
        let file = fs::File::open(dir).map_err(failed("reading", dir))?;
        file.sync_all().map_err(failed("syncing", dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::pack::{MANY, pack_path};
    use super::*;
    use crate::s3::bucket::Versioning;

    fn store() -> Store {
        let store = Store::default();
        let bucket = Bucket::new(
            "acme".parse().unwrap(),
            "111111111111".parse().unwrap(),
            "eu-central-1".parse().unwrap(),
            Timestamp::UNIX_EPOCH,
        );
        let bucket = store.insert(bucket).unwrap();
        Arc::make_mut(&mut bucket.state.write().settings).versioning = Versioning::Enabled;
        store
    }

    fn save(store: &Store, dir: &Path, packs: &mut Packs) -> String {
        let written = store.snapshot().write(dir, packs).unwrap();
        let index = written.index.clone();
        *packs = written.remove_unused(dir).unwrap();
        index
    }

    fn put(store: &Store, key: &str, body: &'static str) {
        store.put_raw("acme", key, Bytes::from(body), Timestamp::UNIX_EPOCH).unwrap();
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn buckets_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        for body in ["one", "two", "one"] {
            put(&store, "a", body);
        }
        let mut packs = Packs::default();
        let index = save(&store, dir.path(), &mut packs);
        let pack = pack_path(&dir.path().join(BODIES), 1);
        assert_eq!(fs::read_to_string(pack).unwrap(), "onetwo");
        let (back, _) = Store::load(dir.path(), &index).unwrap();
        assert_eq!(back.version_count("acme"), 3);
        assert_eq!(back.body_raw("acme", "a").unwrap(), "one");
        let (before, after) = (store.bucket("acme").unwrap(), back.bucket("acme").unwrap());
        assert_eq!(after.region, before.region);
        assert_eq!(after.settings().versioning, Versioning::Enabled);
        assert!(after.settings().blocks(|block| block.block_public_policy));
        assert!(back.next_number() > 3);
    }

    #[test]
    fn an_index_is_whole_until_another_is_the_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        put(&store, "a", "one");
        let mut packs = Packs::default();
        let first = save(&store, dir.path(), &mut packs);
        store.delete_raw("acme", "a").unwrap();
        let second = store.snapshot().write(dir.path(), &mut packs).unwrap();
        let (old, _) = Store::load(dir.path(), &first).unwrap();
        assert_eq!(old.version_count("acme"), 1);
        fs::write(dir.path().join(".0a-index.cbor.x"), "unfinished").unwrap();
        fs::write(pack_path(&dir.path().join(BODIES), 9), "unfinished").unwrap();
        let index = second.index.clone();
        second.remove_unused(dir.path()).unwrap();
        assert_eq!(files(dir.path()), 2);
        assert_eq!(files(&dir.path().join(BODIES)), 0);
        assert!(!dir.path().join(first).exists());
        assert_eq!(Store::load(dir.path(), &index).unwrap().0.version_count("acme"), 0);
    }

    #[test]
    fn a_save_writes_only_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        let mut packs = Packs::default();
        put(&store, "a", "a content that is long");
        save(&store, dir.path(), &mut packs);
        // Also after a restart.
        put(&store, "b", "b");
        let index = save(&store, dir.path(), &mut packs);
        (_, packs) = Store::load(dir.path(), &index).unwrap();
        let bodies = dir.path().join(BODIES);
        assert_eq!(fs::read_to_string(pack_path(&bodies, 2)).unwrap(), "b");
        put(&store, "c", "c");
        save(&store, dir.path(), &mut packs);
        assert_eq!(fs::read_to_string(pack_path(&bodies, 3)).unwrap(), "c");
        assert_eq!(files(&bodies), 3);
        // What is mostly not needed any more is packed anew.
        store.delete_raw("acme", "a").unwrap();
        save(&store, dir.path(), &mut packs);
        assert_eq!(files(&bodies), 2);
    }

    #[test]
    fn many_small_packs_become_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        let mut packs = Packs::default();
        let mut index = String::new();
        for number in 0..3 * MANY {
            let body = Bytes::from(number.to_string());
            store.put_raw("acme", "a", body, Timestamp::UNIX_EPOCH).unwrap();
            index = save(&store, dir.path(), &mut packs);
            assert!(files(&dir.path().join(BODIES)) <= MANY);
        }
        let (back, _) = Store::load(dir.path(), &index).unwrap();
        assert_eq!(back.version_count("acme"), 3 * MANY);
        assert_eq!(back.body_raw("acme", "a").unwrap(), (3 * MANY - 1).to_string());
    }

    #[test]
    fn a_save_that_failed_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        let mut packs = Packs::default();
        put(&store, "a", "one");
        let first = save(&store, dir.path(), &mut packs);
        let obstacle = pack_path(&dir.path().join(BODIES), 2);
        fs::create_dir(&obstacle).unwrap();
        put(&store, "a", "two");
        assert!(store.snapshot().write(dir.path(), &mut packs).is_err());
        assert_eq!(Store::load(dir.path(), &first).unwrap().0.version_count("acme"), 1);
        fs::remove_dir(&obstacle).unwrap();
        let second = save(&store, dir.path(), &mut packs);
        assert_eq!(Store::load(dir.path(), &second).unwrap().0.version_count("acme"), 2);
    }

    #[test]
    fn garbage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("index"), "garbage").unwrap();
        let loaded = Store::load(dir.path(), "index");
        assert!(matches!(loaded, Err(PersistError::Malformed { .. })));
    }

    #[test]
    fn a_content_that_is_not_what_the_index_says_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        put(&store, "a", "one");
        let index = save(&store, dir.path(), &mut Packs::default());
        let pack = pack_path(&dir.path().join(BODIES), 1);
        for damaged in ["", "two", "on"] {
            fs::write(&pack, damaged).unwrap();
            assert!(matches!(Store::load(dir.path(), &index), Err(PersistError::Damaged { .. })));
        }
    }
}
