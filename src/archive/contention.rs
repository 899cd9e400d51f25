//! Retries of conditional writes that conflict with other writers.

use std::time::Duration;

use crate::aws::AwsError;

/// How often a write is retried. One of two conflicting writes succeeds, so more conflicts
/// than this have another cause.
const TRIES: u32 = 20;

/// Whether a conditional write failed because the key exists or its content changed.
pub(in crate::archive) fn is_taken(error: &AwsError) -> bool {
    error.is_code("PreconditionFailed")
}

/// Whether two conditional writes conflicted: possibly neither succeeded.
pub(in crate::archive) fn is_write_conflict(error: &AwsError) -> bool {
    error.is_code("ConditionalRequestConflict")
}

/// The attempts that one write has left.
#[derive(Debug)]
pub(in crate::archive) struct Contention {
    left: u32,
}

/// A write that conflicted with other writers until its last attempt. Nothing was written.
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

    /// Waits before retrying a write that conflicted with another.
    ///
    /// # Errors
    /// No attempt is left.
    pub(in crate::archive) async fn wait(&mut self, key: &str) -> Result<(), Contended> {
        tokio::time::sleep(self.next(key)?).await;
        Ok(())
    }

    /// Uses one attempt and returns the delay before it.
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
    fn a_write_that_conflicts_in_every_attempt_fails() {
        let mut contention = Contention::new();
        for _ in 0..TRIES {
            assert!(contention.next("key").unwrap() < Duration::from_secs(1));
        }
        let error = contention.next("key").unwrap_err();
        assert!(error.to_string().contains("`key`"), "{error}");
    }
}
