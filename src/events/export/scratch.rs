use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A temporary folder for its owner alone, which is removed at the end.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    next: AtomicU64,
}

impl Scratch {
    /// A new folder in the machine's temporary directory.
    ///
    /// # Errors
    /// It could not be created.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("orgtrail-").tempdir()?;
        Ok(Self { folder, next: AtomicU64::new(0) })
    }

    /// A path in it that is not used yet.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(number.to_string())
    }
}
