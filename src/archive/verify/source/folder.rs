use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use super::regular::{self, Entry, LastFolder};
use super::{Children, FetchError, FetchedObject, ListError, ListedObject, SIZE_LIMIT};
use crate::archive::key::DIGEST_FOLDER;

/// The suffix of the file with an object's metadata: a JSON object, as `aws s3api
/// head-object --query Metadata` prints it.
pub const METADATA_SUFFIX: &str = ".metadata.json";

/// The maximum size of a metadata file: S3 stores 2 KB per object, and JSON may use six
/// bytes for one. Units: bytes.
const METADATA_LIMIT: u64 = 64 << 10;

/// The maximum number of prefetched entries. Units: objects.
const AHEAD: usize = 1024;

/// A folder that mirrors a bucket.
#[derive(Debug, Clone)]
pub struct FolderSource {
    root: PathBuf,
    /// The mirrored bucket, if known.
    bucket: Option<Box<str>>,
    /// A folder with mirrors of other buckets, named by bucket.
    others: Option<PathBuf>,
}

impl FolderSource {
    /// A mirror whose keys begin at `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, bucket: None, others: None }
    }

    /// A mirror of one bucket with metadata, and of other buckets in `others`.
    #[must_use]
    pub fn of_bucket(root: PathBuf, bucket: &str, others: PathBuf) -> Self {
        Self { root, bucket: Some(bucket.into()), others: Some(others) }
    }

    pub(super) fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    pub(super) async fn folders(&self, prefix: &str) -> Result<Vec<String>, ListError> {
        let entries = self.entries(prefix).await?;
        Ok(entries.into_iter().filter_map(|entry| entry.is_folder.then_some(entry.name)).collect())
    }

    async fn entries(&self, prefix: &str) -> Result<Vec<Entry>, ListError> {
        let (root, below) = (self.root.clone(), prefix.to_owned());
        let read = move || entries(&root, &below);
        blocking(read).await.map_err(|error| list_error(prefix, error))
    }

    pub(super) async fn children(&self, prefix: &str) -> Result<Children, ListError> {
        let entries = self.entries(prefix).await?;
        let mut children = Children::default();
        for entry in entries {
            if entry.is_folder {
                children.folders.push(entry.name);
            } else {
                let key = format!("{prefix}{}", entry.name);
                children.objects.push(ListedObject { key, size_bytes: entry.size_bytes });
            }
        }
        Ok(children)
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        start_after: Option<String>,
    ) -> BoxStream<'static, Result<ListedObject, ListError>> {
        let (to, from) = mpsc::channel(AHEAD);
        let (source, prefix) = (self.clone(), prefix.to_owned());
        tokio::task::spawn_blocking(move || {
            let walked = walk(&source.root, &prefix, start_after.as_deref(), &to);
            if let Err(error) = walked {
                // The receiver may have been dropped.
                let _ = to.blocking_send(Err(list_error(&prefix, error)));
            }
        });
        futures::stream::unfold(from, async |mut from| Some((from.recv().await?, from))).boxed()
    }

    pub(super) async fn fetch(
        &self,
        bucket: Option<&str>,
        key: &str,
    ) -> Result<FetchedObject, FetchError> {
        let (source, bucket, key) = (self.clone(), bucket.map(str::to_owned), key.to_owned());
        let read = move || source.object(bucket.as_deref(), &key);
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result,
            Err(error) => Err(FetchError::Failed(error.to_string())),
        }
    }

    /// Reads a file and its metadata. Blocks.
    pub(in crate::archive::verify) fn object(
        &self,
        bucket: Option<&str>,
        key: &str,
    ) -> Result<FetchedObject, FetchError> {
        let mut bytes = Vec::new();
        let (root, path) = self.read(bucket, key, &mut bytes, &mut LastFolder::default())?;
        Ok(FetchedObject::new(bytes.into(), metadata_beside(&root, &path)?))
    }

    /// The content of a file. Blocks.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub fn content(&self, key: &str) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        self.read(None, key, &mut bytes, &mut LastFolder::default())?;
        Ok(bytes)
    }

    /// Reads a file into `bytes`, which is cleared first, and returns its folder and
    /// its path below it. Blocks.
    pub(in crate::archive::verify) fn read(
        &self,
        bucket: Option<&str>,
        key: &str,
        bytes: &mut Vec<u8>,
        last: &mut LastFolder,
    ) -> Result<(PathBuf, String), FetchError> {
        bytes.clear();
        let (mut file, place) = self.open(bucket, key, last)?;
        file.by_ref().take(SIZE_LIMIT + 1).read_to_end(bytes)?;
        if bytes.len() as u64 > SIZE_LIMIT {
            let size_bytes = file.metadata()?.len();
            return Err(FetchError::TooLarge { size_bytes });
        }
        Ok(place)
    }

    /// Opens a file of the mirrored bucket, or of another bucket.
    fn open(
        &self,
        bucket: Option<&str>,
        key: &str,
        last: &mut LastFolder,
    ) -> io::Result<(fs::File, (PathBuf, String))> {
        let mut open = |root: &Path, path: String| {
            Ok((regular::open(root, &path, last)?, (root.to_owned(), path)))
        };
        let beside = || {
            let others = self.others.as_ref()?;
            let bucket = bucket.or(self.bucket.as_deref())?;
            Some((others, format!("{bucket}/{key}")))
        };
        let is_here = bucket.is_none() || self.bucket.is_none() || bucket == self.bucket.as_deref();
        let opened: io::Result<_> = if is_here {
            open(&self.root, key.to_owned())
        } else {
            Err(io::ErrorKind::NotFound.into())
        };
        match (opened, beside()) {
            (Err(error), Some((others, path))) if error.kind() == io::ErrorKind::NotFound => {
                open(others, path)
            }
            (opened, _) => opened,
        }
    }
}

/// The metadata in the file next to an object's file; empty if there is no such file.
fn metadata_beside(root: &Path, path: &str) -> Result<HashMap<String, String>, FetchError> {
    let path = format!("{path}{METADATA_SUFFIX}");
    let file = match regular::open(root, &path, &mut LastFolder::default()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    file.take(METADATA_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > METADATA_LIMIT {
        let wanted = format!("its metadata: more than {METADATA_LIMIT} bytes");
        return Err(FetchError::Failed(wanted));
    }
    serde_json::from_slice(&text)
        .map_err(|error| FetchError::Failed(format!("its metadata: {error}")))
}

/// Whether a file contains only the metadata of an object.
fn is_metadata(root: &Path, path: &str) -> bool {
    let mut text = Vec::new();
    let read = regular::open(root, path, &mut LastFolder::default())
        .and_then(|file| file.take(METADATA_LIMIT + 1).read_to_end(&mut text));
    read.is_ok()
        && text.len() as u64 <= METADATA_LIMIT
        && serde_json::from_slice::<HashMap<String, String>>(&text).is_ok()
}

/// The files and folders directly below a prefix, in the order in which S3 lists keys: a
/// folder sorts as its name with a slash. Other entries are reported by
/// [`not_files`](regular::not_files).
fn entries(root: &Path, prefix: &str) -> io::Result<Vec<Entry>> {
    let mut entries = match regular::entries(root, prefix.trim_end_matches('/')) {
        // S3 has no folders: a missing folder is empty.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?.files,
    };
    let names: HashSet<String> =
        entries.iter().filter(|it| !it.is_folder).map(|it| it.name.clone()).collect();
    entries.retain(|entry| {
        let object = entry.name.strip_suffix(METADATA_SUFFIX).filter(|_| !entry.is_folder);
        // Without its object it is an ordinary file.
        let is_object = |name: &&str| names.contains(*name) && !name.ends_with(METADATA_SUFFIX);
        let Some(object) = object.filter(is_object) else { return true };
        // A digest's metadata is read with the digest.
        !object.contains(DIGEST_FOLDER) && !is_metadata(root, &format!("{prefix}{}", entry.name))
    });
    let sorts_as = |entry: &Entry| {
        let mut name = entry.name.clone();
        name.push_str(if entry.is_folder { "/" } else { "" });
        name
    };
    entries.sort_by_cached_key(sorts_as);
    Ok(entries)
}

fn walk(
    root: &Path,
    prefix: &str,
    start_after: Option<&str>,
    to: &mpsc::Sender<Result<ListedObject, ListError>>,
) -> io::Result<()> {
    for entry in entries(root, prefix)? {
        if entry.is_folder {
            let below = format!("{prefix}{}/", entry.name);
            // All keys below start with the folder's name, so they precede a key that sorts after
            // it and does not start with it.
            let passed = start_after
                .is_some_and(|start| start > below.as_str() && !start.starts_with(&below));
            if !passed {
                walk(root, &below, start_after, to)?;
            }
            continue;
        }
        let key = format!("{prefix}{}", entry.name);
        if start_after.is_some_and(|start| key.as_str() <= start) {
            continue;
        }
        let object = ListedObject { key, size_bytes: entry.size_bytes };
        if to.blocking_send(Ok(object)).is_err() {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads on"));
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn list_error(prefix: &str, error: io::Error) -> ListError {
    ListError { prefix: prefix.to_owned(), source: error.into() }
}

impl From<io::Error> for FetchError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    fn mirror(keys: &[&str]) -> (tempfile::TempDir, FolderSource) {
        let folder = tempfile::tempdir().unwrap();
        for key in keys {
            let path = folder.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        let source = FolderSource::new(folder.path().to_owned());
        (folder, source)
    }

    async fn keys(source: &FolderSource, prefix: &str, after: Option<&str>) -> Vec<String> {
        let listed: Vec<_> =
            source.list(prefix, after.map(str::to_owned)).try_collect().await.unwrap();
        listed.into_iter().map(|object| object.key).collect()
    }

    #[tokio::test]
    async fn files_are_listed_in_the_order_of_keys() {
        let all = ["a-b/1", "a/1", "a/2/3", "a/2x", "b"];
        let (_folder, source) = mirror(&all);
        let mut sorted = all;
        sorted.sort_unstable();
        assert_eq!(keys(&source, "", None).await, sorted);
        for after in all.iter().chain(&["a", "a/", "a/2/", "zz", ""]) {
            let rest: Vec<_> = sorted.iter().filter(|key| key > &after).copied().collect();
            assert_eq!(keys(&source, "", Some(after)).await, rest, "{after}");
        }
        assert_eq!(source.folders("a/").await.unwrap(), ["2"]);
        assert!(keys(&source, "c/", None).await.is_empty());
    }

    #[tokio::test]
    async fn metadata_lies_beside_the_object() {
        let (folder, source) = mirror(&["a/1"]);
        fs::write(folder.path().join("a/1.metadata.json"), r#"{"signature":"ab"}"#).unwrap();
        let object = source.fetch(None, "a/1").await.unwrap();
        assert_eq!(&object.bytes[..], b"a/1");
        assert_eq!(object.metadata["signature"], "ab");
        assert_eq!(keys(&source, "", None).await, ["a/1"]);
        let long = format!(r#"{{"signature":"{}"}}"#, "a".repeat(64 << 10));
        fs::write(folder.path().join("a/1.metadata.json"), long).unwrap();
        assert!(matches!(source.fetch(None, "a/1").await, Err(FetchError::Failed(_))));
    }

    #[tokio::test]
    async fn objects_of_other_buckets_lie_beside() {
        let (folder, _) = mirror(&["objects/a", "buckets/old/b", "buckets/own/c"]);
        let path = |name: &str| folder.path().join(name);
        let source = FolderSource::of_bucket(path("objects"), "own", path("buckets"));
        for (bucket, key, is_there) in [
            (None, "a", true),
            (Some("own"), "a", true),
            (Some("own"), "c", true),
            (Some("old"), "b", true),
            (Some("old"), "a", false),
            (Some("own"), "b", false),
            (Some(".."), "objects/a", false),
        ] {
            let found = source.fetch(bucket, key).await;
            assert_eq!(found.is_ok(), is_there, "{bucket:?} {key}: {found:?}");
        }
    }

    #[tokio::test]
    async fn no_key_leads_out_of_the_folder() {
        let (_folder, source) = mirror(&["a"]);
        for key in ["../a", "/etc/passwd", "a/../../a"] {
            assert!(matches!(source.fetch(None, key).await, Err(FetchError::Failed(_))), "{key}");
        }
        assert!(matches!(source.fetch(None, "b").await, Err(FetchError::NotFound)));
    }
}
