//! Keeping a sandbox's state across restarts.
//!
//! A data directory contains `sandbox.json`: a line that says what it is and the
//! SHA-256 of the rest; a line that names the index of the buckets; the control
//! plane. It is replaced as a whole (written aside, synced, renamed), after the
//! buckets that it names are there and before those that it named go, so that a
//! crash leaves all of the state before or all of the state after.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use aws_lc_rs::digest;
use jiff::Timestamp;
use orgtrail_base::local_file;
use orgtrail_base::names::Region;
use parking_lot::RwLockWriteGuard;
use serde::{Deserialize, Serialize};

use super::s3::{Packs, PersistError, Store};
use super::simulation::{Control, Simulation};

const FILE: &str = "sandbox.json";
/// Where the buckets are kept.
const BUCKETS: &str = "s3";
/// What the first line begins with; the number grows with the format.
const MAGIC: &str = "orgtrail-sandbox 3 ";

/// Why a data directory is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory has files that no sandbox wrote.
    #[error("{} is not a sandbox's data directory: expected an empty one or one with {FILE}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// The buckets were not saved or read.
    #[error("saving the buckets")]
    Buckets(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file is not as it was written.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl From<PersistError> for DataError {
    fn from(source: PersistError) -> Self {
        Self::Buckets(Box::new(source))
    }
}

/// A data directory, and what of it need not be written again.
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    packs: Packs,
}

/// What is kept.
#[derive(Debug, Deserialize)]
pub(super) struct Saved {
    /// What the simulated clock showed.
    pub(super) now: Timestamp,
    pub(super) home_region: Region,
    /// Where the generator of ids goes on.
    pub(super) random: u64,
    pub(super) control: Control,
    #[serde(skip)]
    pub(super) buckets: Store,
}

#[derive(Serialize)]
struct ToSave<'a> {
    now: Timestamp,
    home_region: &'a Region,
    random: u64,
    control: &'a Control,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Io { doing, path, source }
}

impl DataFolder {
    /// Opens a data directory and reads it back; `None` where it is new or empty.
    ///
    /// # Errors
    /// It belongs to another program, is damaged or is unreadable.
    pub(super) fn open(path: PathBuf) -> Result<(Self, Option<Saved>), DataError> {
        let (saved, packs) = load(&path)?.unzip();
        // What saves that were cut off left.
        for entry in fs::read_dir(&path).map_err(failed("reading", &path))?.flatten() {
            if is_unfinished(&entry.file_name()) {
                let path = entry.path();
                fs::remove_file(&path).map_err(failed("removing", &path))?;
            }
        }
        Ok((Self { path, packs: packs.unwrap_or_default() }, saved))
    }

    /// Saves the simulation.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(super) fn save(&mut self, simulation: &Simulation) -> Result<(), DataError> {
        save(simulation, &self.path, &mut self.packs)
    }
}

/// Whether a file is one that was to become [`FILE`].
fn is_unfinished(name: &OsStr) -> bool {
    name.to_str().and_then(|name| name.strip_prefix('.')?.strip_prefix(FILE)).is_some()
}

fn load(folder: &Path) -> Result<Option<(Saved, Packs)>, DataError> {
    local_file::create_folder(folder).map_err(failed("creating", folder))?;
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut entries = fs::read_dir(folder).map_err(failed("reading", folder))?;
            // Of a first save that was cut off.
            let foreign = entries.any(|entry| {
                entry.is_ok_and(|entry| {
                    let name = entry.file_name();
                    !is_unfinished(&name) && name != BUCKETS
                })
            });
            return if foreign {
                Err(DataError::Foreign { path: folder.to_owned() })
            } else {
                Ok(None)
            };
        }
        Err(error) => return Err(failed("reading", &path)(error)),
    };
    let damaged =
        |reason: &str| DataError::Damaged { path: path.clone(), reason: reason.to_owned() };
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(|| damaged("it has no first line"))?;
    let (first, rest) = (&bytes[..end], &bytes[end + 1..]);
    let wanted = std::str::from_utf8(first)
        .ok()
        .and_then(|line| line.strip_prefix(MAGIC))
        .ok_or_else(|| damaged("its first line belongs to another program or version"))?;
    if wanted != checksum(rest) {
        return Err(damaged("its content does not match its checksum"));
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    let index = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
    let index = index.ok_or_else(|| damaged("it does not name an index of buckets"))?;
    let mut saved: Saved = serde_json::from_slice(&rest[index.len()..])
        .map_err(|error| damaged(&error.to_string()))?;
    let (buckets, packs) = Store::load(&folder.join(BUCKETS), index)?;
    saved.buckets = buckets;
    Ok(Some((saved, packs)))
}

fn checksum(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn save(simulation: &Simulation, folder: &Path, packs: &mut Packs) -> Result<(), DataError> {
    let path = folder.join(FILE);
    let (snapshot, state) = {
        // INVARIANT: the write lock keeps all requests out, so that buckets and
        // control plane are of one moment: this is held as it is until it is written
        // out, while requests to S3 go on.
        let control = simulation.control.write();
        let snapshot = simulation.s3.snapshot();
        let control = RwLockWriteGuard::downgrade(control);
        let state = ToSave {
            now: simulation.clock.now(),
            home_region: &simulation.home_region,
            random: simulation.random_seed(),
            control: &control,
        };
        let state = serde_json::to_vec(&state).map_err(|error| DataError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        (snapshot, state)
    };
    let buckets = folder.join(BUCKETS);
    let written = snapshot.write(&buckets, packs)?;
    let mut body = format!("{}\n", written.index).into_bytes();
    body.extend(state);
    let first = format!("{MAGIC}{}\n", checksum(&body));
    let whole = [first.as_bytes(), &body].concat();
    // INVARIANT: the directory's sync comes after the file has its name: otherwise a
    // crash could leave what was there before, whose buckets are swept below.
    local_file::replace(&path, &whole).map_err(failed("replacing", &path))?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("syncing", folder))?;
    *packs = written.remove_unused(&buckets)?;
    Ok(())
}

/// How long nothing is saved after something was.
const AT_MOST_EVERY: Duration = Duration::from_millis(500);
/// A save may take this part of the time; what is large is saved less often.
const PART: u32 = 5;

/// Saves the simulation whenever it changed, twice a second at most, until it is
/// dropped or `stop` says so; then once more.
///
/// # Errors
/// When what it was at the end could not be saved.
pub(super) async fn keep(
    simulation: Arc<Simulation>,
    mut folder: DataFolder,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> Result<(), DataError> {
    let mut pause = Duration::ZERO;
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = async { drop(stop.wait_for(|stop| *stop).await) } => true,
        };
        pause = AT_MOST_EVERY;
        if simulation.take_changed() {
            let began = tokio::time::Instant::now();
            let (saved, path) = (Arc::clone(&simulation), folder.path.clone());
            let saving = tokio::task::spawn_blocking(move || {
                let done = folder.save(&saved);
                (folder, done)
            });
            let lost = |error| failed("saving into", &path)(io::Error::other(error));
            let (same, done) = saving.await.map_err(lost)?;
            folder = same;
            pause = pause.max(began.elapsed() * (PART - 1));
            if let Err(error) = done {
                tracing::error!(%error, "the sandbox's state was not saved");
                if stopping {
                    return Err(error);
                }
                simulation.touch();
            }
        }
        if stopping {
            return Ok(());
        }
    }
}

/// Makes every later save below `folder` fail, for tests of what happens then.
pub fn keep_from_saving(folder: &Path) {
    // A folder takes the name, unless a save does in between.
    let path = folder.join(FILE);
    loop {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => {
                // Gone, or a save's: either way it is tried again.
                let _ = fs::remove_file(&path);
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use jiff::SignedDuration;

    use super::*;
    use crate::clock::{Clock, Pace};
    use crate::{Options, Sandbox};

    fn options(folder: &Path) -> Options {
        let mut options = Options::new("us-east-1".parse().unwrap());
        options.data = Some(folder.to_owned());
        options
    }

    #[tokio::test]
    async fn a_restart_finds_the_same_organization_and_clock() {
        let folder = tempfile::tempdir().unwrap();
        let first = Sandbox::start(options(folder.path())).await.unwrap();
        first.tick(jiff::SignedDuration::from_hours(100));
        let (id, keys, now) =
            (first.organization_id().unwrap(), first.administrator().unwrap(), first.now());
        first.stop().await.unwrap();
        let mut other = options(folder.path());
        other.seed = 99;
        let second = Sandbox::start(other).await.unwrap();
        assert_eq!(second.organization_id().unwrap(), id);
        assert_eq!(second.administrator().unwrap(), keys);
        assert!(second.now() >= now);
        second.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_last_save_that_fails_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(options(folder.path())).await.unwrap();
        keep_from_saving(folder.path());
        sandbox.tick(SignedDuration::from_hours(1));
        assert!(matches!(sandbox.stop().await, Err(DataError::Io { doing: "replacing", .. })));
    }

    #[test]
    fn buckets_are_saved_as_of_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let region: Region = "us-east-1".parse().unwrap();
        let simulation = Simulation::new(
            Clock::new(Timestamp::UNIX_EPOCH, Pace::Frozen),
            Control::default(),
            Store::default(),
            region,
            fastrand::Rng::with_seed(1),
        );
        let buckets = ["left", "right"];
        for name in buckets {
            simulation.s3.make_raw(name);
        }
        let ended = AtomicBool::new(false);
        let counted = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0_u64;
                while !ended.load(Ordering::Relaxed) {
                    // As a request does that writes into two buckets.
                    let _control = simulation.control.read();
                    for name in buckets {
                        let body = number.to_string().into();
                        simulation.s3.put_raw(name, "count", body, Timestamp::UNIX_EPOCH).unwrap();
                    }
                    number += 1;
                }
            });
            let mut counted = Vec::new();
            let mut packs = Packs::default();
            for _ in 0..10 {
                let saved = save(&simulation, folder.path(), &mut packs);
                let saved = saved.and_then(|()| load(folder.path()));
                counted.push(saved.map(|saved| {
                    let store = saved.map(|(saved, _)| saved.buckets).unwrap_or_default();
                    buckets.map(|name| store.body_raw(name, "count").ok())
                }));
            }
            ended.store(true, Ordering::Relaxed);
            counted
        });
        for saved in counted {
            let [left, right] = saved.unwrap();
            assert_eq!(left, right);
        }
    }

    #[tokio::test]
    async fn foreign_and_damaged_directories_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("thesis.txt");
        fs::write(&other, "words").unwrap();
        assert!(matches!(load(folder.path()), Err(DataError::Foreign { .. })));
        fs::remove_file(&other).unwrap();

        let sandbox = Sandbox::start(options(folder.path())).await.unwrap();
        sandbox.stop().await.unwrap();
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        assert!(load(folder.path()).unwrap().is_some());
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for bytes in [&whole[..whole.len() - 1], b"", b"{}\n", flipped.as_slice()] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(load(folder.path()), Err(DataError::Damaged { .. })));
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
