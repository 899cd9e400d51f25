//! Enabling MFA delete, which only the root user of the bucket's account can do.

use crate::aws::{Aws, Clients};
use crate::config::{Config, MfaDelete as Mode};
use crate::names::{AccountId, Arn, BucketName, Region};
use crate::ops::{Env, Explain, OpError, Outcome, refuse_taken};
use crate::plan::apply::Stale;
use crate::plan::mfa_delete::{describe, enable};
use crate::resources::bucket::runbook;

/// The bucket that has MFA delete by the configuration.
#[derive(Debug)]
pub struct Target {
    account: AccountId,
    bucket: BucketName,
    region: Region,
    /// The setting that names the bucket.
    setting: &'static str,
}

/// The bucket as it was read, with the clients of its root user.
#[derive(Debug)]
pub struct Examined<'a> {
    target: &'a Target,
    aws: Aws,
    state: String,
}

/// The credentials are not those of root.
#[derive(Debug, thiserror::Error)]
#[error("the credentials are those of {caller}, MFA delete needs root of account {account}")]
pub struct NotRoot {
    caller: Arn,
    account: AccountId,
}

impl Explain for NotRoot {
    fn hint(&self) -> Option<String> {
        Some("follow the steps above".to_owned())
    }

    fn outcome(&self) -> Outcome {
        Outcome::Refused
    }
}

impl Target {
    /// The bucket that has MFA delete, by the configured mode.
    ///
    /// # Errors
    /// The mode has none: refused.
    pub fn of(config: &Config) -> Result<Self, OpError> {
        let archive = &config.archive;
        match (archive.mfa_delete, &archive.replication) {
            (Mode::Root, _) => Ok(Self {
                account: config.organization.log_archive_account.clone(),
                bucket: archive.bucket.clone(),
                region: archive.region.clone(),
                setting: "archive.bucket",
            }),
            (Mode::Vault, Some(vault)) => Ok(Self {
                account: vault.account.clone(),
                bucket: vault.bucket.clone(),
                region: vault.region.clone(),
                setting: "archive.replication.bucket",
            }),
            (mode, _) => Err(OpError::new(
                format!("archive.mfa_delete is `{mode}`, expected `root` or `vault`"),
                Outcome::Refused,
            )
            .with_hint("S3 does not allow lifecycle rules with MFA delete, so the configuration must require it")),
        }
    }

    /// The steps for the root user.
    #[must_use]
    pub fn runbook(&self) -> String {
        runbook(&self.account, &self.bucket, &self.region)
    }

    /// Signs in as root, and reads the bucket.
    ///
    /// # Errors
    /// [`NotRoot`] if the credentials are others; the bucket is another account's, or is
    /// unreadable.
    pub async fn examine(&self, env: &Env) -> Result<Examined<'_>, OpError> {
        let aws = env.aws_of_root(&self.region).await?;
        let caller = aws.caller();
        if caller.account != self.account || &*caller.arn.resource != "root" {
            return Err(
                NotRoot { caller: caller.arn.clone(), account: self.account.clone() }.into()
            );
        }
        let state = self.describe(&aws).await?;
        Ok(Examined { target: self, aws, state })
    }

    async fn describe(&self, aws: &Aws) -> Result<String, OpError> {
        refuse_taken(aws, &self.account, &self.bucket, &self.region, self.setting).await?;
        Ok(describe(&self.clients(aws), &self.bucket).await?)
    }

    fn clients(&self, aws: &Aws) -> Clients {
        aws.clients(&self.account, &self.region)
    }
}

impl Examined<'_> {
    /// The bucket, its account and its state, in words.
    #[must_use]
    pub fn description(&self) -> String {
        let Target { account, bucket, .. } = self.target;
        format!("`{bucket}` of account {account}, {}", self.state)
    }

    /// Refuses a bucket that is no longer as it was read: what was confirmed is what was
    /// shown.
    ///
    /// # Errors
    /// It has changed: refused.
    pub async fn check_unchanged(&self) -> Result<(), OpError> {
        if self.target.describe(&self.aws).await? != self.state {
            return Err(Stale { changed: vec![format!("`{}`", self.target.bucket)] }.into());
        }
        Ok(())
    }

    /// Enables MFA delete with a device and its code; the bucket that has it now.
    ///
    /// # Errors
    /// S3 refuses, or does not confirm it.
    pub async fn enable(&self, serial: &str, code: &str) -> Result<&BucketName, OpError> {
        let bucket = &self.target.bucket;
        enable(&self.target.clients(&self.aws), bucket, serial, code).await?;
        Ok(bucket)
    }
}
