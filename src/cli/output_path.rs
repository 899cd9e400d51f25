//! Files that commands write: tried before AWS is called, and replaced as a whole.

use std::path::{Path, PathBuf};

use super::{Explain, Outcome};
use crate::local_file::{self, Partial, refuse_link};

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub(super) struct NotWritable {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Explain for NotWritable {
    fn hint(&self) -> Option<String> {
        Some("name a file in an existing, writable directory, not a symbolic link".to_owned())
    }

    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

/// Checks that a file at this path can be written, and changes nothing there.
///
/// Call it before AWS is called: hours of work must not end in a report that cannot be
/// written.
///
/// # Errors
/// The path is a directory, its directory does not exist, or it is not writable: usage,
/// with the path.
pub(super) fn check_writable(path: &Path) -> Result<(), NotWritable> {
    let refuse = |source| NotWritable { path: path.to_owned(), source };
    let names_folder = ["/", "/."].iter().any(|end| path.to_string_lossy().ends_with(end));
    if path.file_name().is_none() || names_folder || path.is_dir() {
        return Err(refuse(std::io::Error::other("it is a directory")));
    }
    refuse_link(path).map_err(refuse)?;
    if path.is_file() {
        // Opened so, it is neither changed nor created.
        std::fs::OpenOptions::new().append(true).open(path).map_err(refuse)?;
    }
    if path.is_file() || !path.exists() {
        local_file::partial(path).and_then(Partial::close).map_err(refuse)?;
    }
    // A pipe or a device is not opened: that may wait for its other end.
    Ok(())
}

/// The same for a file that [`replace`] writes.
///
/// # Errors
/// Also a device, which a file would take the place of.
pub(super) fn check_replaceable(path: &Path) -> Result<(), NotWritable> {
    let refuse = |source| NotWritable { path: path.to_owned(), source };
    check_writable(path)?;
    if path.exists() && !path.is_file() {
        return Err(refuse(std::io::Error::other("it is not a regular file")));
    }
    Ok(())
}

/// Writes a file for its owner alone, whole or not at all: a reader finds a whole one,
/// of one of the writers where two end at once.
///
/// # Errors
/// As [`check_writable`], and where the disk is full.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), NotWritable> {
    let written = local_file::replace(path, text);
    written.map_err(|source| NotWritable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::super::OpError;
    use super::*;

    #[test]
    fn a_path_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        check_replaceable(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(&path, "old").unwrap();
        check_replaceable(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        replace(&path, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_a_usage_error_that_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/report.json");
        std::fs::write(folder.path().join("file"), "").unwrap();
        let below_a_file = folder.path().join("file/report.json");
        let trailing = folder.path().join("new/");
        for path in [missing, below_a_file, folder.path().to_owned(), trailing, PathBuf::new()] {
            let error = OpError::from(check_writable(&path).unwrap_err());
            assert_eq!(error.outcome(), Outcome::Usage, "{}", path.display());
            let said = error.render();
            assert!(said.contains(&format!("`{}`", path.display())), "{said}");
        }
    }

    #[test]
    fn a_device_can_be_written_to_and_not_replaced() {
        let device = Path::new("/dev/null");
        if device.exists() {
            check_writable(device).unwrap();
            assert!(check_replaceable(device).is_err());
        }
    }
}
