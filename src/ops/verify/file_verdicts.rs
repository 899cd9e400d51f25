//! The verdict on each log file of a verification, for those who read the files.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use parking_lot::Mutex;

use crate::archive::verify::run::FileVerdict;

/// The verdicts on log files by their keys.
///
/// A file takes about 20 bytes: its key is kept as a hash with a random seed, so that no
/// writer of the archive can make two keys meet.
#[derive(Debug, Default)]
pub(in crate::ops) struct FileVerdicts {
    hasher: RandomState,
    by_key: Mutex<HashMap<u64, FileVerdict>>,
}

impl FileVerdicts {
    /// Notes a verdict. Of several on one file, the worst counts.
    pub(super) fn note(&self, key: &str, verdict: FileVerdict) {
        let mut by_key = self.by_key.lock();
        let known = by_key.entry(self.hasher.hash_one(key)).or_insert(verdict);
        if rank(verdict) > rank(*known) {
            *known = verdict;
        }
    }

    /// The verdict on a file; `None` if no verified digest lists it.
    pub(in crate::ops) fn of(&self, key: &str) -> Option<FileVerdict> {
        self.by_key.lock().get(&self.hasher.hash_one(key)).copied()
    }
}

fn rank(verdict: FileVerdict) -> u8 {
    match verdict {
        FileVerdict::Proven => 0,
        FileVerdict::Unreadable => 1,
        FileVerdict::Contradicted => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_counts() {
        let files = FileVerdicts::default();
        for verdict in [FileVerdict::Proven, FileVerdict::Contradicted, FileVerdict::Proven] {
            files.note("a", verdict);
        }
        assert_eq!(files.of("a"), Some(FileVerdict::Contradicted));
        assert_eq!(files.of("b"), None);
    }
}
