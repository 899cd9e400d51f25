//! How often a conditional write that meets others is tried again.

use std::time::Duration;

use crate::aws::AwsError;

/// How often a write is tried again. Of two writes that meet one wins, so that a
/// write that meets so many others, one after the other, meets something else.
const TRIES: u32 = 20;

/// Whether a conditional write was refused because the key is taken, or has other
/// content by now.
pub(in crate::archive) fn is_taken(error: &AwsError) -> bool {
    error.is_code("PreconditionFailed")
}

/// Whether two conditional writes met: neither may have won yet.
pub(in crate::archive) fn is_write_conflict(error: &AwsError) -> bool {
    error.is_code("ConditionalRequestConflict")
}

/// The attempts that one write has left.
#[derive(Debug)]
pub(in crate::archive) struct Contention {
    left: u32,
}

/// A write that met others until it was given up. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("other runs wrote `{key}` at the same time, {TRIES} times in a row: run again")]
pub struct Contended {
    /// The key in the archive.
    pub key: String,
}

impl Contention {
    /// All attempts.
    pub(in crate::archive) fn new() -> Self {
        Self { left: TRIES }
    }

    /// Waits until a write that met another may be tried again.
    ///
    /// # Errors
    /// No attempt is left.
    pub(in crate::archive) async fn wait(&mut self, key: &str) -> Result<(), Contended> {
        tokio::time::sleep(self.next(key)?).await;
        Ok(())
    }

    /// Takes one attempt, and returns how long to wait before it.
    fn next(&mut self, key: &str) -> Result<Duration, Contended> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(Contended { key: key.to_owned() });
        };
        self.left = left;
        Ok(Duration::from_millis(fastrand::u64(50..250)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_meets_others_is_given_up() {
        let mut contention = Contention::new();
        for _ in 0..TRIES {
            assert!(contention.next("key").unwrap() < Duration::from_secs(1));
        }
        let error = contention.next("key").unwrap_err();
        assert!(error.to_string().contains("`key`"), "{error}");
    }
}
