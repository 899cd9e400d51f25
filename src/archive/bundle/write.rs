use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::frame::FrameWriter;
use super::{BUCKETS, BundleError, FileEntry, MANIFEST, Manifest, OBJECTS};
use crate::archive::verify::digest::sha256_hex;
use crate::archive::verify::source::METADATA_SUFFIX;

/// Writes a bundle, file by file.
///
/// It is written beside its name and put there when it is whole.
pub struct BundleWriter {
    archive: tar::Builder<FrameWriter<BufWriter<File>>>,
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
        if path.exists() {
            return Err(there_already(path).into());
        }
        // Another run may be writing the same.
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{:016x}.partial", fastrand::u64(..)));
        let partial = PathBuf::from(partial);
        let file = File::create_new(&partial)?;
        let partial = Partial(partial);
        let archive = tar::Builder::new(FrameWriter::new(BufWriter::new(file))?);
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
        let text = serde_json::to_vec_pretty(&sorted).map_err(io::Error::other)?;
        self.file(&format!("{path}{METADATA_SUFFIX}"), &text)
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        self.append(path, bytes)?;
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
        let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
        self.append(MANIFEST, &text)?;
        let mut file = self.archive.into_inner()?.finish()?;
        file.flush()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        place(&self.partial.0, &self.path)?;
        Ok(manifest)
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // The same bundle from the same objects: no times, no owners.
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        self.archive.append_data(&mut header, path, bytes)
    }
}

/// Puts a file where none is: the name is taken first, since renaming alone would
/// write over what came there.
fn place(partial: &Path, path: &Path) -> io::Result<()> {
    File::create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => there_already(path),
        _ => error,
    })?;
    fs::rename(partial, path).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

fn there_already(path: &Path) -> io::Error {
    let message = format!("`{}` is there already", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, message)
}
