//! Proof records of the archive: what a verification continues from, and what it leaves.

use super::{Env, OpError, Request, Target, Verified};
use crate::archive::consolidate::copy::WriteTarget;
use crate::archive::proofs::{self, Proofs, Written, next_units};
use crate::aws::WriteAuthority;
use crate::ops::archive;
use crate::ops::trust::trust;

impl Request {
    /// Checks that proof records fit it: they are of the whole archive of the configuration, up
    /// to now, with the public keys that AWS lists.
    ///
    /// # Errors
    /// They do not: usage.
    pub(super) fn check_proofs(&self) -> Result<(), OpError> {
        let option = match (self.incremental, self.record) {
            (true, _) => "--incremental",
            (false, true) => "--record",
            (false, false) => return Ok(()),
        };
        let narrowed = [
            ("TARGET", self.target.is_some()),
            ("--since", self.since.is_some()),
            ("--until", self.until.is_some()),
            ("--trail", !self.scope.trails.is_empty()),
            ("--public-keys", self.scope.public_keys.is_some()),
        ];
        match narrowed.into_iter().find(|(_, is_given)| *is_given) {
            Some((other, _)) => Err(OpError::usage(format!(
                "`{option}` cannot be used with `{other}`"
            ))
            .with_hint("proof records are of the whole archive of the configuration, up to now")),
            None => Ok(()),
        }
    }
}

impl Target {
    /// Reads the newest proof record of the archive, and says what could not be used.
    pub(super) async fn read_proofs(&self, env: &Env) -> Result<Proofs, OpError> {
        let config = env.config()?;
        let (bucket, prefix) = (config.archive.bucket.as_str(), archive::prefix(config));
        let reading = Proofs::read(&self.source, bucket, prefix.as_deref(), &self.trust, self.now);
        let proofs = env.unless_stopped(Box::pin(reading)).await?;
        for (key, reason) in &proofs.skipped {
            env.progress().warn(&format!("s3://{bucket}/{key} is not used: {reason}"));
        }
        Ok(proofs)
    }
}

/// Writes what a verification proved as the archive's next proof record; `None` if nothing was
/// proven, or it was stopped.
///
/// # Errors
/// The record could not be written.
pub async fn record(
    env: &Env,
    verified: &Verified,
    authority: &WriteAuthority,
) -> Result<Option<Written>, OpError> {
    let Verified { subject, verification, was_stopped, earlier } = verified;
    let units = next_units(verification, earlier.as_deref(), subject.at);
    if *was_stopped || units.is_empty() {
        return Ok(None);
    }
    let config = env.config()?;
    let aws = env.aws_of_member().await?;
    let mac_key = trust(env, &aws).await?.mac_key;
    let target = WriteTarget::new(archive::bucket(config, &aws), authority);
    let (prefix, caller) = (archive::prefix(config), aws.caller().arn.to_string());
    let writing = proofs::write(&target, prefix.as_deref(), mac_key, (&caller, subject.at), units);
    Ok(Some(Box::pin(writing).await?))
}
