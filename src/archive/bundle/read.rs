use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Component, Path, PathBuf};

use super::{BundleError, FileEntry, MANIFEST, Manifest};
use crate::archive::verify::digest::sha256_hex;

/// The largest file of a bundle. Units: bytes.
const SIZE_LIMIT: u64 = 1 << 30;
/// How many times its own length a bundle may unpack to: it is written without
/// compression, and what is in it compresses little when somebody adds one.
const EXPANSION: u64 = 32;
/// What a bundle of any length may unpack to. Units: bytes.
const SMALL: u64 = 64 << 20;

/// A bundle's files in a folder of their own, which is removed when this is
/// dropped.
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    /// What the bundle says it is.
    pub manifest: Manifest,
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
        // What cannot be removed is left to whoever owns the folder above.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Unpacks a bundle into a new folder below `into`, and compares every file
/// with the manifest.
pub fn unpack(bundle: &Path, into: &Path) -> Result<Unpacked, BundleError> {
    let folder = into.join(format!("orgtrail-bundle-{:016x}", fastrand::u64(..)));
    fs::create_dir_all(into)?;
    create_private(&folder)?;
    // From here on, the folder goes when anything fails.
    let mut unpacked = Unpacked {
        folder,
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
            left_out: Vec::new(),
            keys_unread: BTreeSet::new(),
            files: Vec::new(),
        },
    };
    let found = extract(bundle, &unpacked.folder)?;
    let text = fs::read(unpacked.path(MANIFEST))
        .map_err(|error| BundleError::Manifest(error.to_string()))?;
    unpacked.manifest =
        serde_json::from_slice(&text).map_err(|error| BundleError::Manifest(error.to_string()))?;
    if unpacked.manifest.version != 1 {
        let found = unpacked.manifest.version;
        return Err(BundleError::Manifest(format!("version {found}, expected 1")));
    }
    compare(&unpacked.manifest.files, found)?;
    Ok(unpacked)
}

/// Makes a folder that nobody else can look into: log files tell who did what.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes the bundle's files, and tells each one's length and hash.
fn extract(bundle: &Path, folder: &Path) -> Result<BTreeMap<String, FileEntry>, BundleError> {
    let file = File::open(bundle)?;
    let limit = file.metadata()?.len().saturating_mul(EXPANSION).saturating_add(SMALL);
    let file = BufReader::with_capacity(1 << 17, file);
    let frame = ruzstd::decoding::StreamingDecoder::new(file)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    // A bomb breaks off here.
    let mut archive = tar::Archive::new(frame.take(limit));
    let mut found = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let refuse = |found: &str| BundleError::File {
            path: path.clone(),
            expected: "a regular file within the bundle, once".to_owned(),
            found: found.to_owned(),
        };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(refuse("another type"));
        }
        if !Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refuse("a path that leads out"));
        }
        let mut bytes = Vec::new();
        entry.by_ref().take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SIZE_LIMIT {
            return Err(refuse("more than a gibibyte"));
        }
        if bytes.len() as u64 != entry.size() {
            return Err(refuse("an end before its own, or far more than such a bundle holds"));
        }
        let to = folder.join(&path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&to, &bytes)?;
        let (size_bytes, sha256) = (bytes.len() as u64, sha256_hex(&bytes));
        let entry = FileEntry { path: path.clone(), size_bytes, sha256 };
        if found.insert(path.clone(), entry).is_some() {
            return Err(refuse("a second file"));
        }
    }
    Ok(found)
}

fn compare(
    wanted: &[FileEntry],
    mut found: BTreeMap<String, FileEntry>,
) -> Result<(), BundleError> {
    let told = |entry: &FileEntry| format!("{} bytes, SHA-256 {}", entry.size_bytes, entry.sha256);
    found.remove(MANIFEST);
    for entry in wanted {
        let there = found.remove(&entry.path);
        if there.as_ref() != Some(entry) {
            return Err(BundleError::File {
                path: entry.path.clone(),
                expected: told(entry),
                found: there.map_or_else(|| "nothing".to_owned(), |there| told(&there)),
            });
        }
    }
    match found.into_values().next() {
        None => Ok(()),
        Some(extra) => Err(BundleError::File {
            expected: "no such file".to_owned(),
            found: told(&extra),
            path: extra.path,
        }),
    }
}
