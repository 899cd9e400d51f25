use aws_smithy_types::error::operation::BuildError;

use super::{Desired, Observed};
use crate::aws::{
    At as _, Aws, AwsError, Clients, Propagation, retry_propagation, retry_until_found,
};
use crate::cli::{Exit, Explain};
use crate::plan::WriteAuthority;

/// What a resource changes the world with. Only who holds a [`WriteAuthority`]
/// can make one.
pub(crate) struct Hands<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    aws: &'a Aws,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// AWS did not do it.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The SDK refused what it was given.
    #[error("a request could not be built")]
    Request(#[from] BuildError),
    /// What an earlier step should have made is not there.
    #[error("{0} was expected to exist by now and does not")]
    Missing(String),
}

impl Explain for StepError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::Request(_) => None,
            Self::Missing(_) => Some("run `orgtrail apply` again".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Aws(error) => error.exit(),
            Self::Request(_) | Self::Missing(_) => Exit::Unexpected,
        }
    }
}

impl<'a> Hands<'a> {
    pub(crate) fn new(
        _authority: &'a WriteAuthority,
        aws: &'a Aws,
        desired: &'a Desired,
        observed: &'a Observed,
    ) -> Self {
        Self { desired, observed, aws }
    }

    /// The clients of the management account in the home Region.
    pub(crate) fn management(&self) -> Clients {
        self.aws.clients(self.desired.management(), self.desired.home_region())
    }

    /// The clients of the log-archive account in the archive's Region.
    pub(crate) fn archive(&self) -> Clients {
        self.aws.clients(self.desired.archive(), &self.desired.config.archive.region)
    }

    /// The clients of another account, in the archive's Region.
    pub(crate) fn account(&self, account: &crate::names::AccountId) -> Clients {
        self.aws.clients(account, &self.desired.config.archive.region)
    }

    /// The clients of an account in a Region.
    pub(crate) fn at(
        &self,
        account: &crate::names::AccountId,
        region: &crate::names::Region,
    ) -> Clients {
        self.aws.clients(account, region)
    }

    /// The key's ARN: as observed, or behind its alias when an earlier step has
    /// made it.
    pub(crate) async fn key_arn(&self) -> Result<String, StepError> {
        if let Some(key) = self.observed.kms_key.present() {
            return Ok(key.arn.to_string());
        }
        let clients = self.archive();
        let alias = self.desired.config.key.alias.as_str();
        let answer = clients.kms().describe_key().key_id(alias).send().await;
        let answer = answer.at(&clients, "kms:DescribeKey")?;
        answer
            .key_metadata
            .and_then(|key| key.arn)
            .ok_or_else(|| StepError::Missing(format!("the key {alias}")))
    }

    /// Tries again while what was written a moment before is not in effect.
    pub(crate) async fn patiently<T, F, Fut>(&self, call: F) -> Result<T, StepError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, AwsError>>,
    {
        Ok(retry_propagation(Propagation::default(), call).await?)
    }

    /// The same, and where what the call is about was made a moment before, while it
    /// is not found.
    pub(crate) async fn patiently_of<T, F, Fut>(
        &self,
        was_just_made: bool,
        call: F,
    ) -> Result<T, StepError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, AwsError>>,
    {
        if !was_just_made {
            return self.patiently(call).await;
        }
        Ok(retry_until_found(Propagation::default(), call).await?)
    }
}
