use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use orgtrail_base::cloudtrail::digest::sha256_hex;

use super::{Created, LONGEST, Replaced, StoreError, StoredFile, Version};
use crate::compute::of_reports;
use crate::local_file;

/// The file that is locked while another file is replaced.
const LOCK: &str = ".lock";

/// State in files below a directory, for the processes of one machine.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: Arc<Path>,
}

impl DirectoryStore {
    /// The state below `root`, which is created for its owner alone.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn open(root: &Path) -> io::Result<Self> {
        if !root.is_dir() {
            local_file::create_folder(root)?;
        }
        Ok(Self { root: root.into() })
    }

    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        let path = self.path(key);
        self.run(key, move || {
            let version = version(&bytes);
            create_parent(&path)?;
            let mut file = local_file::partial(&path)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(&path) {
                Ok(_) => Ok(Created::New(version)),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    let is_own = fs::read(&path)? == bytes;
                    Ok(if is_own { Created::New(version) } else { Created::Taken })
                }
                Err(error) => Err(error.error),
            }
        })
        .await
    }

    pub(super) async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &Version,
    ) -> Result<Replaced, StoreError> {
        let (path, lock, expected) = (self.path(key), self.root.join(LOCK), expected.clone());
        self.run(key, move || {
            // Released when the file is closed, also if the process is killed.
            let lock = File::options().create(true).append(true).open(lock)?;
            lock.lock()?;
            let found = match fs::read(&path) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Replaced::Changed);
                }
                Err(error) => return Err(error),
            };
            if version(&found) != expected {
                return Ok(Replaced::Changed);
            }
            local_file::replace(&path, &bytes)?;
            Ok(Replaced::New(version(&bytes)))
        })
        .await
    }

    pub(super) async fn read(&self, key: &str) -> Result<Option<StoredFile>, StoreError> {
        let path = self.path(key);
        self.run(key, move || match local_file::read(&path, LONGEST) {
            Ok(bytes) => {
                let version = version(&bytes);
                Ok(Some(StoredFile { bytes: bytes.into(), version }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    pub(super) async fn list(&self, folder: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let root = Arc::clone(&self.root);
        let name = folder.to_owned();
        self.run(folder, move || {
            let mut keys = Vec::new();
            collect(&root.join(&name), &name, &mut keys)?;
            keys.sort_unstable();
            keys.truncate(limit);
            Ok(keys)
        })
        .await
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    async fn run<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let result = of_reports(work).await.map_err(io::Error::other).flatten();
        result.map_err(|source| StoreError::File { key: key.to_owned(), source })
    }
}

fn create_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.is_dir() => local_file::create_folder(folder),
        _ => Ok(()),
    }
}

fn version(bytes: &[u8]) -> Version {
    Version(sha256_hex(bytes))
}

/// The keys of the files below a folder. Files that are being written are left out.
fn collect(folder: &Path, key: &str, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let key = format!("{}/{name}", key.trim_end_matches('/'));
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &key, keys)?;
        } else {
            keys.push(key);
        }
    }
    Ok(())
}
