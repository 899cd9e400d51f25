use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::seal::{self, Hashing};
use super::write::append;
use super::{
    BUCKETS, BundleError, BundleFault, FileEntry, MANIFEST, Manifest, OBJECTS, PUBLIC_KEYS,
    RECORDS, REPORT_JSON, REPORT_TEXT,
};
use crate::archive::stored;
use crate::archive::verify::digest::sha256_hex;
use crate::local_file;

/// The largest file of a bundle. Units: bytes.
const SIZE_LIMIT: u64 = 1 << 30;
/// How many times its own length a bundle may unpack to: tar headers, padding, metadata and
/// reports compress well; log files and digests do not.
const EXPANSION: u64 = 128;
/// The size that a bundle of any length may unpack to. Units: bytes.
const SMALL: u64 = 64 << 20;
/// The largest window of a frame that is decompressed, as a power of two; the level
/// that bundles are packed with has one of 2 MiB.
const WINDOW_LOG: u32 = 24;

/// An unpacked bundle in its own folder, which is removed on drop.
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    /// The bundle's manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, in hexadecimal: it covers every file of the bundle.
    pub manifest_sha256: String,
}

impl Unpacked {
    /// The path of a file or folder of the bundle.
    #[must_use]
    pub fn path(&self, within: &str) -> PathBuf {
        self.folder.join(within)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // If it cannot be removed, the owner of the parent folder has to.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Unpacks a bundle into a new folder below `into`, and checks every byte against its
/// manifest, its files and its seal.
pub fn unpack(bundle: &Path, into: &Path) -> Result<Unpacked, BundleError> {
    read(bundle, into).map_err(|fault| fault.of(bundle))
}

fn read(bundle: &Path, into: &Path) -> Result<Unpacked, BundleFault> {
    let folder = into.join(format!("orgtrail-bundle-{:016x}", fastrand::u64(..)));
    fs::create_dir_all(into)?;
    local_file::create_new_folder(&folder)?;
    // From here on, the folder is removed if anything fails.
    let mut unpacked = Unpacked {
        folder,
        manifest_sha256: String::new(),
        manifest: Manifest {
            version: 0,
            packed_at: jiff::Timestamp::UNIX_EPOCH,
            source: String::new(),
            from: jiff::Timestamp::UNIX_EPOCH,
            to: jiff::Timestamp::UNIX_EPOCH,
            declared: None,
            org_owner: None,
            bucket: None,
            followed: BTreeSet::new(),
            omitted: Vec::new(),
            regions_without_public_keys: BTreeSet::new(),
            files: Vec::new(),
        },
    };
    let (found, unchecked) = extract(bundle, &unpacked.folder)?;
    let text = fs::read(unpacked.path(MANIFEST))
        .map_err(|error| BundleFault::Manifest(error.to_string()))?;
    unpacked.manifest_sha256 = sha256_hex(&text);
    unpacked.manifest = stored::read(&text, "bundle-manifest", 1)
        .map_err(|fault| BundleFault::Manifest(fault.to_string()))?;
    // Compare the files first, to name the one that was changed.
    compare(&unpacked.manifest.files, &found)?;
    unchecked.check()?;
    Ok(unpacked)
}

/// The checks of a bundle that remain after its files are compared.
struct Unchecked {
    /// SHA-256 of the tar archive: found, and recomputed from its files.
    tar: [Vec<u8>; 2],
    /// The compressed bytes after the frame.
    rest: BufReader<seal::Sealed>,
}

impl Unchecked {
    fn check(mut self) -> Result<(), BundleFault> {
        if self.tar[0] != self.tar[1] {
            return Err(BundleFault::Tar);
        }
        if !self.rest.fill_buf()?.is_empty() {
            let found = "something follows the compressed archive".to_owned();
            return Err(BundleFault::Seal(found));
        }
        seal::check(self.rest.into_inner())
    }
}

/// Writes the bundle's files and returns their lengths and hashes, in order.
fn extract(bundle: &Path, folder: &Path) -> Result<(Vec<FileEntry>, Unchecked), BundleFault> {
    let (sealed, size_bytes) = seal::open(bundle)?;
    let limit = size_bytes.saturating_mul(EXPANSION).saturating_add(SMALL);
    let buffered = BufReader::with_capacity(1 << 17, sealed);
    let mut frame = zstd::Decoder::with_buffer(buffered)?.single_frame();
    frame.window_log_max(WINDOW_LOG)?;
    // The limit stops a decompression bomb.
    let mut stream = Hashing::new(frame.take(limit));
    let mut again = tar::Builder::new(Hashing::new(io::sink()));
    let mut found: Vec<FileEntry> = Vec::new();
    let mut paths = BTreeSet::new();
    for entry in tar::Archive::new(&mut stream).entries()? {
        let mut entry = entry?;
        let named = entry.path_bytes().into_owned();
        let path = String::from_utf8_lossy(&named).escape_debug().to_string();
        let refuse = |found: &str| BundleFault::File {
            path: path.clone(),
            expected: "one regular file within the bundle".to_owned(),
            found: found.to_owned(),
        };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(refuse("another type"));
        }
        // INVARIANT: no two names in a bundle can refer to the same file.
        if let Some(why) = not_canonical(&named) {
            return Err(refuse(why));
        }
        let path = String::from_utf8_lossy(&named).into_owned();
        if !is_known(&path) {
            return Err(refuse("a file that does not belong in a bundle"));
        }
        if !paths.insert(path.clone()) {
            return Err(refuse("a second file"));
        }
        let mut bytes = Vec::new();
        entry.by_ref().take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SIZE_LIMIT {
            return Err(refuse("more than a gibibyte"));
        }
        if bytes.len() as u64 != entry.size() {
            return Err(refuse("truncated content, or a bundle that expands too much"));
        }
        append(&mut again, &path, &bytes)?;
        let to = folder.join(&path);
        if let Some(parent) = to.parent() {
            local_file::create_folder(parent)?;
        }
        // A file system may ignore case or Unicode normalization.
        let created = local_file::create_new(&to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => refuse("a second file"),
            _ => BundleFault::from(error),
        });
        created?.write_all(&bytes)?;
        found.push(FileEntry { size_bytes: bytes.len() as u64, sha256: sha256_hex(&bytes), path });
    }
    // Bytes after the end of the archive count too.
    io::copy(&mut stream, &mut io::sink())?;
    let (frame, as_it_is) = stream.finish();
    if frame.limit() == 0 {
        return Err(BundleFault::Damaged(format!("it unpacks to more than {limit} bytes")));
    }
    let (_, as_packed) = again.into_inner()?.finish();
    Ok((found, Unchecked { tar: [as_it_is, as_packed], rest: frame.into_inner().finish() }))
}

/// Whether a path is canonical: no other spelling refers to the same file.
#[must_use]
pub fn is_canonical(path: &str) -> bool {
    not_canonical(path.as_bytes()).is_none()
}

/// Whether `evidence` puts files at this path.
fn is_known(path: &str) -> bool {
    let folder = path.split_once('/').map(|(folder, _)| folder);
    folder.map_or_else(
        || [PUBLIC_KEYS, REPORT_JSON, REPORT_TEXT, MANIFEST].contains(&path),
        |folder| [OBJECTS, BUCKETS, RECORDS].contains(&folder),
    )
}

/// Why a name is not canonical; `None` if it is.
fn not_canonical(name: &[u8]) -> Option<&'static str> {
    let Ok(name) = std::str::from_utf8(name) else { return Some("a name that is not UTF-8") };
    if name.starts_with('/') {
        return Some("an absolute path");
    }
    if name.contains('\\') || name.chars().any(char::is_control) {
        return Some("a name with a backslash or a control character");
    }
    let mut parts = name.split('/');
    parts
        .any(|part| matches!(part, "" | "." | ".."))
        .then_some("a path that is not canonical: an empty part, `.` or `..`")
}

/// Compares the files with the manifest.
fn compare(wanted: &[FileEntry], found: &[FileEntry]) -> Result<(), BundleFault> {
    let format_entry =
        |entry: &FileEntry| format!("{} bytes, SHA-256 {}", entry.size_bytes, entry.sha256);
    let mut others: BTreeMap<&str, &FileEntry> =
        found.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    others.remove(MANIFEST);
    for entry in wanted {
        let there = others.remove(entry.path.as_str());
        if there != Some(entry) {
            return Err(BundleFault::File {
                path: entry.path.clone(),
                expected: format_entry(entry),
                found: there.map_or_else(|| "nothing".to_owned(), format_entry),
            });
        }
    }
    if let Some(extra) = others.into_values().next() {
        return Err(BundleFault::File {
            expected: "no such file".to_owned(),
            found: format_entry(extra),
            path: extra.path.clone(),
        });
    }
    let in_order =
        found.split_last().is_some_and(|(last, files)| last.path == MANIFEST && files == wanted);
    if in_order {
        return Ok(());
    }
    Err(BundleFault::Manifest("the files are not in the order that it lists".to_owned()))
}
