use std::collections::HashMap;
use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::seal::Hashing;
use super::{BUCKETS, BundleError, BundleFault, FileEntry, MANIFEST, Manifest, OBJECTS};
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::source::METADATA_SUFFIX;
use crate::local_file::{Partial, partial};

/// The compression level, as the default of the zstd tool.
const LEVEL: i32 = 3;

/// Writes a bundle, file by file.
///
/// It is written to a temporary file, which is renamed when it is complete.
pub struct BundleWriter {
    archive: tar::Builder<zstd::Encoder<'static, Hashing<BufWriter<Partial>>>>,
    files: Vec<FileEntry>,
    path: PathBuf,
}

impl BundleWriter {
    /// Creates a bundle. Fails if the file exists.
    pub fn create(path: &Path) -> Result<Self, BundleError> {
        Self::begin(path).map_err(|error| BundleFault::from(error).of(path))
    }

    fn begin(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(already_exists());
        }
        let frame = zstd::Encoder::new(Hashing::new(BufWriter::new(partial(path)?)), LEVEL)?;
        let archive = tar::Builder::new(frame);
        Ok(Self { archive, files: Vec::new(), path: path.to_owned() })
    }

    /// Adds an object with its metadata, from the packed bucket or from another.
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

    /// Ends the bundle with its manifest, whose `files` are filled in here. Fails if the file
    /// was created in the meantime.
    pub fn finish(mut self, manifest: Manifest) -> Result<Manifest, BundleError> {
        let manifest = Manifest { files: std::mem::take(&mut self.files), ..manifest };
        let path = self.path.clone();
        self.end(&manifest).map_err(|error| BundleFault::Io(error).of(&path))?;
        Ok(manifest)
    }

    fn end(mut self, manifest: &Manifest) -> io::Result<()> {
        append(&mut self.archive, MANIFEST, &serde_json::to_vec_pretty(manifest)?)?;
        let file = self.archive.into_inner()?.finish()?.seal()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        // Another run may have created the file in the meantime.
        file.persist_noclobber(&self.path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => already_exists(),
            _ => error.error,
        })?;
        Ok(())
    }
}

/// Adds a file to a tar archive. Equal files give equal archives: no times, no owners.
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

fn already_exists() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "a file of this name already exists")
}
