//! Values that are read from files, and read again when a file changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

/// What is used while the files cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// The value that was read before.
    KeepOld,
    /// Nothing: the old value may allow too much.
    UseNone,
}

/// A value that is read from files. Each look asks for the files' times and sizes only.
#[derive(Debug)]
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    read: fn(&[PathBuf]) -> Result<T, String>,
    on_error: OnError,
    current: Mutex<Current<T>>,
}

#[derive(Debug)]
struct Current<T> {
    stamps: Vec<Option<Stamp>>,
    value: Option<Arc<T>>,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
    mode: u32,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let (inode, mode) = {
            use std::os::unix::fs::MetadataExt as _;
            (about.ino(), about.mode())
        };
        #[cfg(not(unix))]
        let (inode, mode) = (0, 0);
        Some(Self { modified: about.modified().ok(), length: about.len(), inode, mode })
    }
}

impl<T> Watched<T> {
    /// Reads the value for the first time.
    ///
    /// # Errors
    /// The files cannot be read.
    pub(super) fn new(
        files: Vec<PathBuf>,
        read: fn(&[PathBuf]) -> Result<T, String>,
        on_error: OnError,
    ) -> Result<Self, String> {
        let stamps = files.iter().map(|file| Stamp::of(file)).collect();
        let value = Some(Arc::new(read(&files)?));
        Ok(Self { files, read, on_error, current: Mutex::new(Current { stamps, value }) })
    }

    /// The value of the files as they are now.
    pub(super) fn current(&self) -> Option<Arc<T>> {
        // Taken before the files are read: a change in between is seen the next time.
        let stamps: Vec<_> = self.files.iter().map(|file| Stamp::of(file)).collect();
        let mut current = self.current.lock();
        if current.stamps != stamps {
            current.stamps = stamps;
            match (self.read)(&self.files) {
                Ok(value) => {
                    tracing::info!(file = %self.name(), "read a changed file");
                    current.value = Some(Arc::new(value));
                }
                Err(error) => {
                    tracing::error!(file = %self.name(), %error, "cannot use a changed file");
                    if self.on_error == OnError::UseNone {
                        current.value = None;
                    }
                }
            }
        }
        current.value.clone()
    }

    fn name(&self) -> String {
        self.files.first().map(|file| file.display().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[PathBuf]) -> Result<u32, String> {
        let text = fs::read_to_string(&files[0]).map_err(|error| error.to_string())?;
        text.parse().map_err(|_| "no number".to_owned())
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_is_not_used() {
        for (on_error, meanwhile) in [(OnError::KeepOld, Some(2)), (OnError::UseNone, None)] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("value");
            fs::write(&file, "1").unwrap();
            let watched = Watched::new(vec![file.clone()], read, on_error).unwrap();
            let value = || watched.current().map(|value| *value);
            assert_eq!(value(), Some(1));
            // Another length, so that the clock of the file system does not matter.
            fs::write(&file, "02").unwrap();
            assert_eq!(value(), Some(2));
            fs::write(&file, "two").unwrap();
            assert_eq!(value(), meanwhile);
            fs::remove_file(&file).unwrap();
            assert_eq!(value(), meanwhile);
            fs::write(&file, "0003").unwrap();
            assert_eq!(value(), Some(3));
        }
        assert!(Watched::new(vec![PathBuf::from("/nonexistent")], read, OnError::KeepOld).is_err());
    }
}
