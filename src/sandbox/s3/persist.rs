//! Keeping buckets across restarts: an index, and every content once in a file
//! named by its SHA-256.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::{
    Store,
    bucket::{Bucket, Settings, State},
    object::{Object, Version, VersionId, Versions},
};
use crate::names::{AccountId, BucketName, Region};

/// What the names of indexes have after their SHA-256.
const INDEX: &str = "-index.";
const BODIES: &str = "bodies";

/// Why buckets are not saved, or not read back.
#[derive(Debug, thiserror::Error)]
pub(in crate::sandbox) enum PersistError {
    #[error("{doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not an index of buckets: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("{} is malformed: its content does not have the SHA-256 in its name", path.display())]
    Damaged { path: PathBuf },
}

#[derive(Serialize, Deserialize)]
struct Index {
    last_number: u64,
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
    /// The object and the SHA-256 of its content, in hexadecimal.
    object: Option<(Object, String)>,
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PersistError + 'a {
    move |source| PersistError::Io { doing, path: path.to_owned(), source }
}

/// All buckets at one moment; contents are shared, not copied.
pub(in crate::sandbox) struct Snapshot {
    last_number: u64,
    buckets: Vec<(Arc<Bucket>, Settings, Objects)>,
}

/// By key; versions newest first.
type Objects = Vec<(Box<str>, Vec<Version>)>;

/// What a snapshot came to on disk.
pub(in crate::sandbox) struct Written {
    /// The index's file name.
    pub(in crate::sandbox) index: String,
    bodies: HashSet<String>,
}

impl Store {
    /// All buckets as they are. Of one moment only while nobody changes any:
    /// while the control plane's write lock is held.
    pub(in crate::sandbox) fn snapshot(&self) -> Snapshot {
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
    /// When the directory cannot be read, or holds something else.
    pub(in crate::sandbox) fn load(dir: &Path, index: &str) -> Result<Self, PersistError> {
        let path = dir.join(index);
        let bytes = fs::read(&path).map_err(failed("reading", &path))?;
        let malformed = |reason: String| PersistError::Malformed { path: path.clone(), reason };
        let index: Index = ciborium::from_reader(bytes.as_slice())
            .map_err(|error| malformed(error.to_string()))?;
        let store = Self::default();
        store.last_number.store(index.last_number, Ordering::Relaxed);
        let bodies = dir.join(BODIES);
        for saved in index.buckets {
            let mut state = State { settings: Arc::new(saved.settings), ..State::default() };
            for (key, versions) in saved.objects {
                let versions = versions.into_iter().map(|version| load_version(version, &bodies));
                let versions: Vec<Version> = versions.collect::<Result<_, _>>()?;
                let versions = Versions::from_newest_first(versions)
                    .ok_or_else(|| malformed(format!("`{key}` has no version")))?;
                state.objects.insert(key, versions);
            }
            let (name, owner) = (saved.name, saved.owner);
            let (region, created) = (saved.region, saved.created);
            let bucket = Bucket { name, owner, region, created, state: RwLock::new(state) };
            if store.insert(bucket).is_err() {
                return Err(malformed("a bucket is there twice".to_owned()));
            }
        }
        Ok(store)
    }
}

impl Snapshot {
    /// Writes the buckets beside what is there already. Uploads under way are not
    /// among them.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(in crate::sandbox) fn write(self, dir: &Path) -> Result<Written, PersistError> {
        let folder = dir.join(BODIES);
        fs::create_dir_all(&folder).map_err(failed("creating", &folder))?;
        let mut bodies = HashSet::new();
        let mut buckets = Vec::with_capacity(self.buckets.len());
        for (bucket, settings, objects) in self.buckets {
            buckets.push(save_bucket(&bucket, settings, objects, &folder, &mut bodies)?);
        }
        sync_names(&folder)?;
        let index = Index { buckets, last_number: self.last_number };
        let mut bytes = Vec::new();
        ciborium::into_writer(&index, &mut bytes).map_err(|error| PersistError::Malformed {
            path: dir.to_owned(),
            reason: error.to_string(),
        })?;
        let index = format!("{}{INDEX}cbor", content_name(&bytes));
        write_whole(&dir.join(&index), &bytes)?;
        sync_names(dir)?;
        Ok(Written { index, bodies })
    }
}

impl Written {
    /// Removes what only other snapshots named. Not before this one is the one
    /// that will be read back.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file not be removed.
    pub(in crate::sandbox) fn sweep(&self, dir: &Path) -> Result<(), PersistError> {
        keep_only(&dir.join(BODIES), |name| self.bodies.contains(name))?;
        // Also those that a stopped run did not finish.
        keep_only(dir, |name| !name.contains(INDEX) || name == self.index)
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
    bodies: &Path,
    kept: &mut HashSet<String>,
) -> Result<SavedBucket, PersistError> {
    let mut saved = Vec::with_capacity(objects.len());
    for (key, versions) in objects {
        let mut list = Vec::with_capacity(versions.len());
        for version in versions {
            let object = match &version.object {
                None => None,
                Some(object) => {
                    let name = content_name(&object.body);
                    let path = bodies.join(&name);
                    if kept.insert(name.clone()) && !path.exists() {
                        write_whole(&path, &object.body)?;
                    }
                    Some((Object::clone(object), name))
                }
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

fn load_version(saved: SavedVersion, bodies: &Path) -> Result<Version, PersistError> {
    let object = match saved.object {
        None => None,
        Some((mut object, name)) => {
            let path = bodies.join(&name);
            object.body = Bytes::from(fs::read(&path).map_err(failed("reading", &path))?);
            if content_name(&object.body) != name {
                return Err(PersistError::Damaged { path });
            }
            Some(Arc::new(object))
        }
    };
    Ok(Version { id: saved.id, modified: saved.modified, object })
}

/// What the file of a content is called: its SHA-256 in hexadecimal.
fn content_name(body: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, body))
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PersistError> {
    let temporary = path.with_extension("new");
    let mut file = fs::File::create(&temporary).map_err(failed("creating", &temporary))?;
    file.write_all(bytes).map_err(failed("writing", &temporary))?;
    // INVARIANT: before the name, which says that the content is there.
    file.sync_all().map_err(failed("syncing", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("writing", path))
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
    use super::*;
    use crate::sandbox::s3::bucket::Versioning;

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

    fn save(store: &Store, dir: &Path) -> String {
        let written = store.snapshot().write(dir).unwrap();
        written.sweep(dir).unwrap();
        written.index
    }

    #[test]
    fn buckets_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        for body in ["one", "two", "one"] {
            store.put_raw("acme", "a", Bytes::from(body), Timestamp::UNIX_EPOCH).unwrap();
        }
        let index = save(&store, dir.path());
        assert_eq!(fs::read_dir(dir.path().join(BODIES)).unwrap().count(), 2);
        let back = Store::load(dir.path(), &index).unwrap();
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
        store.put_raw("acme", "a", Bytes::from("one"), Timestamp::UNIX_EPOCH).unwrap();
        let first = save(&store, dir.path());
        store.vanish("acme", "a").unwrap();
        let second = store.snapshot().write(dir.path()).unwrap();
        assert_eq!(Store::load(dir.path(), &first).unwrap().version_count("acme"), 1);
        fs::write(dir.path().join("0a-index.new"), "unfinished").unwrap();
        second.sweep(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(fs::read_dir(dir.path().join(BODIES)).unwrap().count(), 0);
        assert!(!dir.path().join(first).exists());
        assert_eq!(Store::load(dir.path(), &second.index).unwrap().version_count("acme"), 0);
    }

    #[test]
    fn garbage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("index"), "garbage").unwrap();
        let loaded = Store::load(dir.path(), "index");
        assert!(matches!(loaded, Err(PersistError::Malformed { .. })));
    }

    #[test]
    fn a_content_that_is_not_what_its_name_says_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = store();
        store.put_raw("acme", "a", Bytes::from("one"), Timestamp::UNIX_EPOCH).unwrap();
        let index = save(&store, dir.path());
        let file = fs::read_dir(dir.path().join(BODIES)).unwrap().next().unwrap().unwrap();
        fs::write(file.path(), "").unwrap();
        assert!(matches!(Store::load(dir.path(), &index), Err(PersistError::Damaged { .. })));
    }
}
