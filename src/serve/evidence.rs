//! Evidence bundles that the service builds in the background.
//!
//! They are files of this replica, in a folder of their own: few, for a limited time, and
//! gone after a restart. They contain logs, so the folder is for the service's user alone.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::app::App;
use crate::local_file;
use crate::names::{AccountId, Region};
use crate::ops::evidence::{Packed, Request, evidence};
use crate::ops::verify::Scope;
use crate::ops::{OpError, Outcome};
use crate::report::contract::Period;
use crate::report::contract::api::{Bundle, BundleState};
use crate::stop::Stop;

/// The most bundles at once; the oldest makes place for a new one.
const MOST: usize = 5;
/// For how long a bundle can be downloaded.
const AGE: SignedDuration = SignedDuration::from_hours(24);
/// The longest time range, so that a bundle fits on a disk.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How bundles end.
const ENDING: &str = ".tar.zst";
/// The file that the process locks that uses a folder.
const LOCK: &str = ".lock";
/// The most processes of one machine with the same folder.
const MOST_PROCESSES: u32 = 16;

/// The bundles of this replica. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bundles(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    bundles: Mutex<VecDeque<Bundle>>,
    /// Locked by this process as long as it lives.
    _lock: fs::File,
}

/// What to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The time range.
    pub period: Period,
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all if empty.
    pub regions: BTreeSet<Region>,
}

/// Why no bundle is built.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Another one is being built.
    #[error("another bundle is being built: {id}")]
    Busy {
        /// Its id.
        id: String,
    },
    /// The time range makes no sense.
    #[error("{0}")]
    Period(String),
}

impl Bundles {
    /// Bundles in a folder of this process below the service's own, which is created. What an
    /// earlier process left there is deleted: nobody knows what it contains.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn open(below: &Path) -> io::Result<Self> {
        for number in 1..=MOST_PROCESSES {
            let folder = below.join(format!("bundles-{number}"));
            local_file::create_folder(&folder)?;
            let lock = fs::File::options().create(true).append(true).open(folder.join(LOCK))?;
            match lock.try_lock() {
                Ok(()) => {
                    delete_all(&folder)?;
                    let bundles = Mutex::default();
                    return Ok(Self(Arc::new(Shared { folder, bundles, _lock: lock })));
                }
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MOST_PROCESSES} processes use folders below it")))
    }

    /// The bundles, the newest first.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<Bundle> {
        self.0.delete_old(now);
        self.0.bundles.lock().iter().cloned().collect()
    }

    /// The file of a bundle that is ready.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn file(&self, id: &str, now: Timestamp) -> Option<io::Result<fs::File>> {
        let bundles = self.list(now);
        let bundle = bundles.iter().find(|it| it.id == id && it.state == BundleState::Ready)?;
        Some(fs::File::open(self.0.path(&bundle.id)))
    }

    /// Starts to build a bundle, in the background.
    ///
    /// # Errors
    /// Another one is being built, or the time range makes no sense.
    pub fn start(&self, app: &App, wanted: Wanted, stop: Stop) -> Result<Bundle, BundleError> {
        let now = app.now();
        let Period { from, to } = wanted.period;
        if from >= to {
            return Err(BundleError::Period(format!("`from` {from} is not before `to` {to}")));
        }
        if to.duration_since(from) > LONGEST {
            let message = "the time range is longer than 31 days: run `orgtrail evidence` for it";
            return Err(BundleError::Period(message.to_owned()));
        }
        self.0.delete_old(now);
        let bundle = {
            let mut bundles = self.0.bundles.lock();
            if let Some(other) = bundles.iter().find(|it| it.state == BundleState::Building) {
                return Err(BundleError::Busy { id: other.id.clone() });
            }
            while bundles.len() >= MOST {
                if let Some(oldest) = bundles.pop_back() {
                    self.0.delete(&oldest);
                }
            }
            let bundle = Bundle {
                id: format!("{}-{:08x}", now.strftime("%Y%m%dt%H%M%Sz"), fastrand::u32(..)),
                requested_at: now,
                period: wanted.period,
                accounts: wanted.accounts.iter().cloned().collect(),
                regions: wanted.regions.iter().cloned().collect(),
                state: BundleState::Building,
                reason: None,
                proven: None,
                files: None,
                size_bytes: None,
                manifest_sha256: None,
                omitted: Vec::new(),
            };
            bundles.push_front(bundle.clone());
            bundle
        };
        let request = Request {
            target: None,
            scope: Scope { accounts: wanted.accounts, regions: wanted.regions, ..Scope::default() },
            from,
            until: to,
            output: self.0.path(&bundle.id),
        };
        let env = app.env_of_round().with_stop(stop);
        let (shared, id) = (Arc::clone(&self.0), bundle.id.clone());
        tokio::spawn(async move {
            // On a thread of its own: packing compresses, and must not delay other tasks.
            let runtime = tokio::runtime::Handle::current();
            let packing = move || runtime.block_on(evidence(&env, &request));
            let packed = match tokio::task::spawn_blocking(packing).await {
                Ok(packed) => packed,
                Err(error) => Err(OpError::new(error, Outcome::Unexpected)),
            };
            shared.finish(&id, packed);
        });
        Ok(bundle)
    }
}

/// Deletes the bundles in a folder.
fn delete_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy() != LOCK && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Shared {
    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}{ENDING}"))
    }

    fn delete_old(&self, now: Timestamp) {
        let mut bundles = self.bundles.lock();
        bundles.retain(|bundle| {
            let is_old = now.duration_since(bundle.requested_at) > AGE;
            let is_kept = !is_old || bundle.state == BundleState::Building;
            if !is_kept {
                self.delete(bundle);
            }
            is_kept
        });
    }

    fn delete(&self, bundle: &Bundle) {
        match fs::remove_file(self.path(&bundle.id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(bundle = bundle.id, %error, "cannot delete an evidence bundle");
            }
            _ => {}
        }
    }

    fn finish(&self, id: &str, packed: Result<Packed, OpError>) {
        let size_bytes = fs::metadata(self.path(id)).map(|about| about.len()).ok();
        let mut bundles = self.bundles.lock();
        let Some(bundle) = bundles.iter_mut().find(|bundle| bundle.id == id) else { return };
        match packed {
            Ok(packed) => {
                let document = packed.document();
                bundle.state = BundleState::Ready;
                bundle.proven = Some(document.proven);
                bundle.files = Some(document.files);
                bundle.size_bytes = size_bytes;
                bundle.manifest_sha256 = Some(document.manifest_sha256);
                bundle.omitted = document.omitted;
                tracing::info!(bundle = id, "built an evidence bundle");
            }
            Err(error) => {
                tracing::warn!(bundle = id, error = error.headline(), "no evidence bundle");
                bundle.state = BundleState::Failed;
                bundle.reason = Some(error.headline());
                self.delete(bundle);
            }
        }
    }
}
