//! The seal at a bundle's end: the SHA-256 of every byte before it.
//!
//! A zstd frame has unused bits, so checking the decompressed content does not notice every
//! change. The seal covers the file's bytes themselves. It is a skippable frame, which every
//! zstd decoder skips:
//!
//! ```text
//! magic number (4) · length of what follows (4) · label (16) · SHA-256 (32)
//! ```
//!
//! Source: RFC 8878, section 3.1.2.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Take, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::BundleFault;

/// The magic number, the length and the label of a seal.
const HEAD: &[u8; 24] = b"\x50\x2a\x4d\x18\x30\x00\x00\x00orgtrail sha-256";
const HASH_BYTES: usize = 32;
const SEAL_BYTES: u64 = (HEAD.len() + HASH_BYTES) as u64;

/// A reader or writer that hashes the data.
pub(super) struct Hashing<T> {
    inner: T,
    hash: Context,
}

impl<T> Hashing<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hash: Context::new(&SHA256) }
    }

    /// The inner reader or writer, and the SHA-256 of the data.
    pub(super) fn finish(self) -> (T, Vec<u8>) {
        (self.inner, self.hash.finish().as_ref().to_vec())
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.hash.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Write> Hashing<T> {
    /// Writes the seal and returns the inner writer.
    pub(super) fn seal(mut self) -> io::Result<T> {
        self.write_all(HEAD)?;
        let (mut inner, hash) = self.finish();
        inner.write_all(&hash)?;
        Ok(inner)
    }
}

/// The bytes of a bundle before its seal.
pub(super) type Sealed = Hashing<Take<File>>;

/// Opens a bundle, and returns its bytes before the seal with the file's length.
pub(super) fn open(bundle: &Path) -> Result<(Sealed, u64), BundleFault> {
    let file = File::open(bundle)?;
    let size_bytes = file.metadata()?.len();
    let Some(before) = size_bytes.checked_sub(SEAL_BYTES) else {
        return Err(BundleFault::Seal("it is shorter than a seal".to_owned()));
    };
    Ok((Hashing::new(file.take(before)), size_bytes))
}

/// Compares a bundle's bytes, which were read to their end, with its seal.
pub(super) fn check(mut sealed: Sealed) -> Result<(), BundleFault> {
    let mut more = [0];
    if sealed.read(&mut more)? != 0 {
        return Err(BundleFault::Seal("bytes follow the compressed archive".to_owned()));
    }
    sealed.hash.update(HEAD);
    let (rest, hash) = sealed.finish();
    let mut file = rest.into_inner();
    file.seek(SeekFrom::End(-SEAL_BYTES.cast_signed()))?;
    // Read one byte more, to notice that the file has grown.
    let mut seal = Vec::new();
    file.take(SEAL_BYTES + 1).read_to_end(&mut seal)?;
    match seal.strip_prefix(HEAD) {
        None => Err(BundleFault::Seal("it does not end with a seal".to_owned())),
        Some(wanted) if wanted == hash => Ok(()),
        Some(wanted) => Err(BundleFault::Seal(format!(
            "its bytes have SHA-256 {}, its seal says {}",
            hex::encode(hash),
            hex::encode(wanted)
        ))),
    }
}
