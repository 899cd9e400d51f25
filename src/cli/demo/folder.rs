use std::path::{Path, PathBuf};
use std::{fs, io, process};

use crate::local_file;

/// A temporary directory, deleted when this value is dropped unless it is kept.
#[derive(Debug)]
pub(in crate::cli) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    pub(in crate::cli) fn new(keep: bool) -> io::Result<Self> {
        let place = std::env::temp_dir();
        loop {
            let name = format!("orgtrail-demo-{}-{:08x}", process::id(), fastrand::u32(..));
            let path = place.join(name);
            match local_file::create_new_folder(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self { path, keep }),
            }
        }
    }

    pub(in crate::cli) fn is_kept(&self) -> bool {
        self.keep
    }

    /// Deletes it when it is dropped.
    pub(in crate::cli) fn stop_keeping(&mut self) {
        self.keep = false;
    }

    pub(in crate::cli) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // A leftover in a temporary directory does no harm.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_deleted_with_its_contents() {
        let folder = Folder::new(false).unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_kept_stays() {
        let folder = Folder::new(true).unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(path.exists());
        fs::remove_dir(path).unwrap();
    }
}
