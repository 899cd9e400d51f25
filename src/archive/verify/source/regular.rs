//! Regular files below an untrusted folder: opened without following links, and only if they
//! are regular files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The maximum number of listed entries that are not files.
const LISTED: usize = 100;

/// A file or folder.
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// Whether it is a folder.
    pub(super) is_folder: bool,
    /// How long it is. Units: bytes.
    pub(super) size_bytes: u64,
}

/// The entries of a folder.
#[derive(Default)]
pub(super) struct Entries {
    /// The regular files and the folders.
    pub(super) files: Vec<Entry>,
    /// The names of other entries, with their types.
    pub(super) others: Vec<(String, &'static str)>,
}

/// An entry that is neither a regular file nor a folder, or whose name cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAFile {
    /// Its path below the folder.
    pub path: String,
    /// What it is.
    pub what: &'static str,
}

/// Finds entries that a mirror of a bucket cannot contain: links, pipes, sockets, devices
/// and names that are not UTF-8. Returns their number and the first ones. Blocks.
///
/// # Errors
/// A folder cannot be read.
pub fn not_files(root: &Path) -> io::Result<(u64, Vec<NotAFile>)> {
    let (mut count, mut found) = (0, Vec::new());
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let Entries { files, others } = entries(root, &folder)?;
        let path = |name: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        count += others.len() as u64;
        let others = others.iter().take(LISTED.saturating_sub(found.len()));
        found.extend(others.map(|(name, what)| NotAFile { path: path(name), what }));
        folders.extend(files.iter().filter(|it| it.is_folder).map(|it| path(&it.name)));
    }
    Ok((count, found))
}

fn is_below(path: &str) -> io::Result<()> {
    if path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0') {
        return Ok(());
    }
    let message = format!("`{}` is not a path below the folder", path.escape_debug());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn not_regular() -> io::Error {
    io::Error::other("it is not a regular file, or is behind a link: such files are never read")
}

#[cfg(unix)]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
    use rustix::io::Errno;

    use super::{Entries, Entry, File, Path, PathBuf, io, is_below, not_regular};

    const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// Opens the folder at a path below `root`. The path of `root` itself may contain links,
    /// since the user chose it.
    fn folder(root: &Path, path: &[&str]) -> io::Result<OwnedFd> {
        let mut folder = openat(CWD, root, FOLDER, Mode::empty())?;
        for part in path {
            folder = openat(&folder, *part, FOLDER | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|error| behind_link(&folder, part, error))?;
        }
        Ok(folder)
    }

    fn behind_link(folder: &OwnedFd, part: &str, error: Errno) -> io::Error {
        let about = statat(folder, part, AtFlags::SYMLINK_NOFOLLOW);
        match about.map(|about| FileType::from_raw_mode(about.st_mode)) {
            // A file in place of a folder: no object has this key.
            Ok(FileType::RegularFile) => io::ErrorKind::NotFound.into(),
            Ok(FileType::Directory) | Err(_) => error.into(),
            Ok(_) => not_regular(),
        }
    }

    /// The folder of the file that was opened last, which the next one is often in: opening
    /// every folder above a file takes longer than reading it.
    #[derive(Debug, Default)]
    pub(in crate::archive::verify) struct LastFolder(Option<(PathBuf, String, OwnedFd)>);

    impl LastFolder {
        fn at(&mut self, root: &Path, path: &str) -> io::Result<&OwnedFd> {
            let is_same =
                |(last_root, last, _): &(PathBuf, String, _)| last_root == root && last == path;
            if !self.0.as_ref().is_some_and(is_same) {
                let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
                self.0 = Some((root.to_owned(), path.to_owned(), folder(root, &parts)?));
            }
            self.0.as_ref().map(|(_, _, folder)| folder).ok_or_else(not_regular)
        }
    }

    /// Opens a regular file below `root`, following no link.
    pub(in super::super) fn open(
        root: &Path,
        path: &str,
        last: &mut LastFolder,
    ) -> io::Result<File> {
        is_below(path)?;
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = last.at(root, parents)?;
        // Do not block if the file was replaced by a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
                match error {
                    Errno::LOOP | Errno::NXIO | Errno::MLINK => not_regular(),
                    error => error.into(),
                }
            })?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(file.into()),
            _ => Err(not_regular()),
        }
    }

    /// What is directly in a folder below `root`.
    pub(in super::super) fn entries(root: &Path, path: &str) -> io::Result<Entries> {
        let parts: Vec<&str> = match path {
            "" => Vec::new(),
            path => {
                is_below(path)?;
                path.split('/').collect()
            }
        };
        let folder = folder(root, &parts)?;
        let mut entries = Entries::default();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(text) = name.to_str() else {
                let shown = name.to_string_lossy().into_owned();
                entries.others.push((shown, "a name that is not UTF-8"));
                continue;
            };
            let about = match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                // It was deleted since the folder was listed.
                Err(Errno::NOENT) => continue,
                about => about?,
            };
            let what = match FileType::from_raw_mode(about.st_mode) {
                kind @ (FileType::RegularFile | FileType::Directory) => {
                    entries.files.push(Entry {
                        name: text.to_owned(),
                        is_folder: kind == FileType::Directory,
                        size_bytes: u64::try_from(about.st_size).unwrap_or_default(),
                    });
                    continue;
                }
                FileType::Symlink => "a symbolic link",
                FileType::Fifo => "a pipe",
                FileType::Socket => "a socket",
                _ => "a device",
            };
            entries.others.push((text.to_owned(), what));
        }
        Ok(entries)
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs;

    use super::{Entries, Entry, File, Path, io, is_below, not_regular};

    #[derive(Debug, Default)]
    pub(in crate::archive::verify) struct LastFolder;

    pub(in super::super) fn open(
        root: &Path,
        path: &str,
        _last: &mut LastFolder,
    ) -> io::Result<File> {
        is_below(path)?;
        let mut place = root.to_owned();
        for part in path.split('/') {
            place.push(part);
            if fs::symlink_metadata(&place)?.is_symlink() {
                return Err(not_regular());
            }
        }
        let file = File::open(&place)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
    }

    pub(in super::super) fn entries(root: &Path, path: &str) -> io::Result<Entries> {
        let mut entries = Entries::default();
        for entry in fs::read_dir(root.join(path))? {
            let entry = entry?;
            let about = fs::symlink_metadata(entry.path())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_name().to_str().is_none() {
                entries.others.push((name, "a name that is not UTF-8"));
            } else if about.is_file() || about.is_dir() {
                let (is_folder, size_bytes) = (about.is_dir(), about.len());
                entries.files.push(Entry { name, is_folder, size_bytes });
            } else {
                entries.others.push((name, "a link or another special file"));
            }
        }
        Ok(entries)
    }
}

pub(in crate::archive::verify) use self::system::LastFolder;
pub(super) use self::system::{entries, open};
