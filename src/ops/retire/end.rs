use super::{Candidate, Examined, record};
use crate::archive::retire::ConditionStatus;
use crate::ops::{Env, OpError, Outcome};
use crate::plan::retire::{Left, Retirement};

/// What became of a trail that was to be retired.
#[derive(Debug)]
pub enum Ending {
    /// It is deleted, and the archive has a record of it.
    Deleted {
        /// The SHA-256 of the record, if nothing authenticates it yet.
        unauthenticated: Option<String>,
    },
    /// It is stopped and not deleted yet: files arrived that are not consolidated.
    Waits,
    /// It is not deleted, because something was unreadable.
    PutBack(Left),
}

impl Candidate {
    /// Stops the trail, examines again what it delivered, deletes it, and records that. If
    /// anything fails on the way, the trail is put back.
    ///
    /// # Errors
    /// A condition is not met, the trail could not be stopped or deleted, or its end could
    /// not be recorded.
    pub async fn retire(&self, env: &Env, examined: &mut Examined) -> Result<Ending, OpError> {
        let (trail, progress) = (&self.trail.arn, env.progress());
        let retirement =
            Retirement::permit(&self.owner, trail, &examined.conditions, self.was_logging)?;
        retirement.stop().await?;
        progress.note(&format!("{trail} is stopped"));
        if !self.without_bucket {
            // What it delivered since it was examined.
            let newer =
                env.unless_stopped(Box::pin(self.contents(env, &examined.log_prefixes))).await;
            let newer = newer.unwrap_or_else(|_| {
                let error = format!("stopped by {}", env.stop().cause());
                Err(OpError::new(error, Outcome::Incomplete)
                    .with_hint("run the same command again"))
            });
            match newer {
                Ok(contents) => examined.update(contents),
                Err(error) => {
                    let left = retirement.put_back().await;
                    progress.warn(&format!("{trail} is not deleted, and {left}"));
                    return Err(error);
                }
            }
        }
        if examined.is_deletable() {
            retirement.delete().await?;
            progress.note(&format!("{trail} is deleted"));
            let unauthenticated = record(env, &self.aws, trail, Some(&self.trail.bucket)).await?;
            return Ok(Ending::Deleted { unauthenticated });
        }
        if examined.conditions.iter().all(|one| one.status != ConditionStatus::Unreadable) {
            return Ok(Ending::Waits);
        }
        Ok(Ending::PutBack(retirement.put_back().await))
    }
}
