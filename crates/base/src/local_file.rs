//! Files and folders that orgtrail creates: for their owner alone, whole or not at all,
//! and never through a link at their name.
//!
//! They show who did what in an organization, and where its guards are weak.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// A file without its final name.
pub type Partial = tempfile::NamedTempFile;

/// The names of a process's own streams, which are links.
const STREAMS: [&str; 2] = ["/dev/stdout", "/dev/stderr"];

/// Creates a file for its owner alone (0600), where there is nothing of its name.
///
/// # Errors
/// Something has the name already, be it a link that leads nowhere.
pub fn create_new(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The same in place of a file or link that has the name: that is removed, and where a
/// link leads is unchanged.
pub fn create_anew(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create_new(path)
}

/// Reads a file, no longer than `limit` bytes: a device has no end.
///
/// # Errors
/// It is longer, or cannot be read.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// Creates a folder for its owner alone (0700), with those above it. One that is there
/// stays as it is.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a folder for its owner alone, where there is nothing of its name.
pub fn create_new_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file for its owner alone, completely or not at all: it is written next to its name
/// and renamed. A pipe or device is written to as it is.
///
/// # Errors
/// The name is a symbolic link's, see [`refuse_link`].
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    refuse_link(path)?;
    if path.exists() && !path.is_file() {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let mut file = partial(path)?;
    file.write_all(bytes)?;
    // INVARIANT: before the name, which says that the content is there.
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A new file for its owner alone, next to `path`, which is removed unless it gets that
/// name.
pub fn partial(path: &Path) -> io::Result<Partial> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(Path::new(""));
    tempfile::Builder::new().prefix(&format!(".{name}.")).tempfile_in(folder)
}

/// Refuses a symbolic link as the name of a file to write. The process's own streams
/// are links, and are not refused.
pub fn refuse_link(path: &Path) -> io::Result<()> {
    let is_stream = STREAMS.iter().any(|stream| path == Path::new(stream));
    let is_link = fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
    if is_link && !is_stream {
        return Err(io::Error::other("it is a symbolic link, which orgtrail does not follow"));
    }
    Ok(())
}

/// Whether others than its owner can change a file.
pub fn is_writable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(path).is_ok_and(|about| {
        use std::os::unix::fs::PermissionsExt as _;
        about.is_file() && about.permissions().mode() & 0o022 != 0
    });
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_folders_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, below) = (folder.path().join("file"), folder.path().join("a/b"));
        replace(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        // Also one that everybody could read before.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(is_writable_by_others(&path));
        replace(&path, b"two").unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"two".to_vec()));
        assert!(!is_writable_by_others(&path));
        create_anew(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(create_new(&path).is_err());
        create_folder(&below).unwrap();
        assert_eq!([mode(&below), mode(&folder.path().join("a"))], [0o700; 2]);
        assert!(create_new_folder(&below).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
        fs::write(&victim, "mine").unwrap();
        for to in [victim.as_path(), Path::new("nowhere")] {
            symlink(to, &link).unwrap();
            assert!(replace(&link, b"theirs").is_err());
            assert!(create_new(&link).is_err());
            create_anew(&link).unwrap();
            assert!(!link.is_symlink());
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        assert!(!folder.path().join("nowhere").exists());
    }
}
