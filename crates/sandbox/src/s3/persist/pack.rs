//! Packs: files that contain the contents of many objects.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bytes::Bytes;
use orgtrail_base::local_file;
use serde::{Deserialize, Serialize};

use super::{PersistError, failed};

/// What the names of packs end with, after their number.
const PACK: &str = ".pack";
/// From so many packs on, small ones are put together.
pub(super) const MANY: usize = 16;
/// Packs from this size on are kept while at least half of them is needed.
const LARGE_BYTES: u64 = 64 << 20;

/// A content: where it is, and what it is.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedBody {
    sha256: Sha256,
    place: Place,
}

pub(super) type Sha256 = [u8; 32];

/// Where in which pack a content is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Place {
    pack: u64,
    at: u64,
    length: u64,
}

/// The packs that the last save left.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    bodies: HashMap<Sha256, Place>,
    /// The bytes of every pack.
    sizes: BTreeMap<u64, u64>,
    /// The highest number that was ever given, also to one that was not finished.
    last: u64,
}

/// Reads all contents, and checks them.
pub(super) fn read_packs(
    folder: &Path,
    saved: &[SavedBody],
) -> Result<(Vec<Bytes>, Packs), PersistError> {
    let mut packs = Packs::default();
    let mut bodies = vec![Bytes::new(); saved.len()];
    // One pack in memory at a time.
    let mut by_pack: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (number, body) in saved.iter().enumerate() {
        by_pack.entry(body.place.pack).or_default().push(number);
    }
    for (number, members) in by_pack {
        let path = pack_path(folder, number);
        let pack = fs::read(&path).map_err(failed("reading", &path))?;
        packs.sizes.insert(number, pack.len() as u64);
        packs.last = number;
        for member in members {
            let SavedBody { sha256, place } = &saved[member];
            let end = place.at.checked_add(place.length);
            let range = usize::try_from(place.at).ok().zip(end.and_then(|end| end.try_into().ok()));
            let body = range.and_then(|(at, end)| pack.get(at..end)).unwrap_or_default();
            if sha256_of(body) != *sha256 {
                return Err(PersistError::Damaged { path });
            }
            packs.bodies.insert(*sha256, *place);
            // Of its own: what is deleted later is to be gone.
            bodies[member] = Bytes::copy_from_slice(body);
        }
    }
    Ok((bodies, packs))
}

/// Finds contents in packs, and writes those that none has into a new one.
pub(super) struct Packer<'a> {
    folder: &'a Path,
    before: &'a Packs,
    hashes: std::vec::IntoIter<Sha256>,
    /// What is left of the packs from before.
    kept: BTreeMap<u64, u64>,
    /// By SHA-256, the number in `bodies`.
    numbers: HashMap<Sha256, usize>,
    bodies: Vec<SavedBody>,
    pack: Option<io::BufWriter<fs::File>>,
    written: u64,
}

impl Packs {
    /// Takes a number that no pack has, for the next save.
    pub(super) fn begin(&mut self) {
        self.last += 1;
    }

    /// Whether a file of their folder is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        let number = name.strip_suffix(PACK).and_then(|number| number.parse().ok());
        number.is_some_and(|number| self.sizes.contains_key(&number))
    }
}

impl<'a> Packer<'a> {
    pub(super) fn new(folder: &'a Path, before: &'a Packs, hashes: Vec<Sha256>) -> Self {
        let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
        let distinct: std::collections::HashSet<&Sha256> = hashes.iter().collect();
        for place in distinct.into_iter().filter_map(|hash| before.bodies.get(hash)) {
            *needed.entry(place.pack).or_default() += place.length;
        }
        let many = before.sizes.len() >= MANY;
        let kept = before.sizes.iter().filter(|(pack, size)| {
            let needed = needed.get(*pack).copied().unwrap_or_default();
            needed > 0 && needed.saturating_mul(2) >= **size && !(many && **size < LARGE_BYTES)
        });
        Self {
            folder,
            before,
            kept: kept.map(|(pack, size)| (*pack, *size)).collect(),
            hashes: hashes.into_iter(),
            numbers: HashMap::new(),
            bodies: Vec::new(),
            pack: None,
            written: 0,
        }
    }

    fn path(&self) -> PathBuf {
        pack_path(self.folder, self.before.last)
    }

    /// The number of the next object's content.
    pub(super) fn put(&mut self, body: &[u8]) -> Result<usize, PersistError> {
        let sha256 = self.hashes.next().unwrap_or_else(|| sha256_of(body));
        if let Some(number) = self.numbers.get(&sha256) {
            return Ok(*number);
        }
        let known = self.before.bodies.get(&sha256);
        let place = match known.filter(|place| self.kept.contains_key(&place.pack)) {
            Some(place) => *place,
            None => self.add(body)?,
        };
        let number = self.bodies.len();
        self.numbers.insert(sha256, number);
        self.bodies.push(SavedBody { sha256, place });
        Ok(number)
    }

    fn add(&mut self, body: &[u8]) -> Result<Place, PersistError> {
        let path = self.path();
        if self.pack.is_none() {
            let file = local_file::create_anew(&path).map_err(failed("creating", &path))?;
            self.pack = Some(io::BufWriter::with_capacity(1 << 20, file));
        }
        if let Some(pack) = &mut self.pack {
            pack.write_all(body).map_err(failed("writing", &path))?;
        }
        let length = body.len() as u64;
        let place = Place { pack: self.before.last, at: self.written, length };
        self.written += length;
        Ok(place)
    }

    pub(super) fn finish(mut self) -> Result<(Vec<SavedBody>, Packs), PersistError> {
        let path = self.path();
        let mut sizes = std::mem::take(&mut self.kept);
        if let Some(pack) = self.pack.take() {
            let file =
                pack.into_inner().map_err(|error| failed("writing", &path)(error.into_error()))?;
            // INVARIANT: before the index, which says that the contents are there.
            file.sync_all().map_err(failed("syncing", &path))?;
            sizes.insert(self.before.last, self.written);
        }
        let bodies = self.bodies.iter().map(|body| (body.sha256, body.place)).collect();
        Ok((self.bodies, Packs { bodies, sizes, last: self.before.last }))
    }
}

pub(super) fn pack_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}{PACK}"))
}

pub(super) fn sha256_of(bytes: &[u8]) -> Sha256 {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sha256
}
