use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::seal::Hashing;
use super::{BUCKETS, BundleError, BundleFault, FileEntry, MANIFEST, Manifest, OBJECTS};
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::source::METADATA_SUFFIX;
use crate::local_file::create_new;

/// The level of compression: as the zstd tool's own.
const LEVEL: i32 = 3;

/// Writes a bundle, file by file.
///
/// It is written beside its name and put there when it is whole.
pub struct BundleWriter {
    archive: tar::Builder<zstd::Encoder<'static, Hashing<BufWriter<File>>>>,
    files: Vec<FileEntry>,
    path: PathBuf,
    partial: Partial,
}

/// A file beside the bundle's name, which is gone when this is dropped.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // What was put in its place is no longer there.
        let _ = fs::remove_file(&self.0);
    }
}

impl BundleWriter {
    /// Begins a bundle. Fails where the file is there already.
    pub fn create(path: &Path) -> Result<Self, BundleError> {
        Self::begin(path).map_err(|error| BundleFault::from(error).of(path))
    }

    fn begin(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(there_already());
        }
        // Another run may be writing the same.
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{:016x}.partial", fastrand::u64(..)));
        let partial = PathBuf::from(partial);
        let file = create_new(&partial)?;
        let partial = Partial(partial);
        let frame = zstd::Encoder::new(Hashing::new(BufWriter::new(file)), LEVEL)?;
        let archive = tar::Builder::new(frame);
        Ok(Self { archive, files: Vec::new(), path: path.to_owned(), partial })
    }

    /// Adds an object with its metadata: of the bucket that is packed, or of
    /// another.
    pub fn object(
        &mut self,
        other: Option<&str>,
        key: &str,
        bytes: &[u8],
        metadata: &HashMap<String, String>,
    ) -> Result<(), BundleError> {
        let path = match other {
            None => format!("{OBJECTS}/{key}"),
            Some(bucket) => format!("{BUCKETS}/{bucket}/{key}"),
        };
        self.file(&path, bytes)?;
        if metadata.is_empty() {
            return Ok(());
        }
        let sorted: std::collections::BTreeMap<_, _> = metadata.iter().collect();
        let text = serde_json::to_vec_pretty(&sorted)
            .map_err(|error| BundleFault::Io(error.into()).of(&self.path))?;
        self.file(&format!("{path}{METADATA_SUFFIX}"), &text)
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        append(&mut self.archive, path, bytes)
            .map_err(|error| BundleFault::Io(error).of(&self.path))?;
        self.files.push(FileEntry {
            path: path.to_owned(),
            size_bytes: bytes.len() as u64,
            sha256: sha256_hex(bytes),
        });
        Ok(())
    }

    /// Ends the bundle with its manifest, whose `files` are filled in here. Fails
    /// where the file has come to be there meanwhile.
    pub fn finish(mut self, manifest: Manifest) -> Result<Manifest, BundleError> {
        let manifest = Manifest { files: std::mem::take(&mut self.files), ..manifest };
        let path = self.path.clone();
        self.end(&manifest).map_err(|error| BundleFault::Io(error).of(&path))?;
        Ok(manifest)
    }

    fn end(mut self, manifest: &Manifest) -> io::Result<()> {
        append(&mut self.archive, MANIFEST, &serde_json::to_vec_pretty(manifest)?)?;
        let file = self.archive.into_inner()?.finish()?.seal()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        place(&self.partial.0, &self.path)
    }
}

/// Adds a file to a tar archive. The same archive comes of the same files: no times,
/// no owners.
pub(super) fn append<W: io::Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, path, bytes)
}

/// Puts a file where none is: the name is taken first, since renaming alone would
/// write over what came there.
fn place(partial: &Path, path: &Path) -> io::Result<()> {
    create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => there_already(),
        _ => error,
    })?;
    fs::rename(partial, path).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

fn there_already() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "a file of this name is there already")
}
