use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_smithy_types::error::operation::BuildError;

use super::catalogue::{Entry, ObservedJson};
use crate::aws::{At as _, Aws, AwsError, WriteAuthority, WriteClients, is_transient, retry_while};
use crate::resources::change::field_changes;
use crate::resources::{Desired, Observed};

/// What a resource writes to AWS with. It is made with a [`WriteAuthority`].
pub(crate) struct ApplyContext<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    aws: &'a Aws,
    authority: &'a WriteAuthority,
    /// Whether this step, or one that it depends on, created something in this run.
    after_create: AtomicBool,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// A call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A call failed for as long as the effects of earlier ones may take to be visible.
    #[error("{error}; it failed for {} s of retries", waited.as_secs())]
    Late {
        /// The last error.
        error: AwsError,
        /// For how long it was retried.
        waited: Duration,
    },
    /// AWS carried the step out and reported that it failed.
    #[error("{what}")]
    Reported {
        /// What failed, and why.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A stop was requested while AWS carried the step out.
    #[error("the command was stopped")]
    Interrupted,
    /// The SDK rejected the request.
    #[error("building a request")]
    Request(#[from] BuildError),
    /// The resource changed after the plan observed it.
    #[error("it changed after it was observed, and was not written: {0}")]
    Changed(String),
    /// What an earlier step should have created does not exist.
    #[error("{0} does not exist, although an earlier step created it")]
    Missing(String),
}

impl StepError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::Late { error, .. } => error.hint().or_else(|| {
                Some(
                    "new resources have not propagated yet: run `orgtrail apply` again in a few minutes"
                        .to_owned(),
                )
            }),
            Self::Reported { hint, .. } => hint.clone(),
            Self::Request(_) | Self::Interrupted => None,
            Self::Changed(_) => Some(
                "another client is changing it: run `orgtrail plan`, review it, then apply again"
                    .to_owned(),
            ),
            Self::Missing(_) => Some("run `orgtrail apply` again".to_owned()),
        }
    }
}

impl<'a> ApplyContext<'a> {
    pub(crate) fn new(
        authority: &'a WriteAuthority,
        aws: &'a Aws,
        desired: &'a Desired,
        observed: &'a Observed,
    ) -> Self {
        Self { desired, observed, aws, authority, after_create: AtomicBool::new(false) }
    }

    /// The same for one step, which knows whether a step that it depends on created
    /// something in this run.
    pub(crate) fn for_step(&self, after_create: bool) -> Self {
        Self { after_create: AtomicBool::new(after_create), ..*self }
    }

    /// Compares a resource with what the plan observed, immediately before it is written,
    /// so that a guard that was raised meanwhile is not lowered.
    ///
    /// What this run created, and what depends on that, differs from the observation: of
    /// these, only the default retention is compared, which must not become weaker.
    pub(crate) async fn check_unchanged(&self, entry: &Entry) -> Result<(), StepError> {
        let now = Box::pin(super::reread(self.aws, self.desired, self.observed, entry)).await;
        if self.after_create.load(Ordering::Relaxed) {
            let lock = &self.desired.config.archive.object_lock;
            let wanted = super::bucket::ObjectLock::declared(lock);
            return match (wanted, now.object_lock.present()) {
                (Some(wanted), Some(found)) if wanted.is_weaker_than(found) => {
                    Err(StepError::Changed("its default retention was raised".to_owned()))
                }
                _ => Ok(()),
            };
        }
        ensure_unchanged(entry, self.observed, &now)
    }

    /// Records that this step has created something, which its next calls may not find
    /// at once.
    pub(crate) fn mark_created(&self) {
        self.after_create.store(true, Ordering::Relaxed);
    }

    /// The clients of the management account in the home Region.
    pub(crate) fn management(&self) -> WriteClients {
        self.at(self.desired.management(), self.desired.home_region())
    }

    /// The clients of the log-archive account in the archive's Region.
    pub(crate) fn archive(&self) -> WriteClients {
        self.at(self.desired.archive(), &self.desired.config.archive.region)
    }

    /// The clients of another account, in the archive's Region.
    pub(crate) fn account(&self, account: &crate::names::AccountId) -> WriteClients {
        self.at(account, &self.desired.config.archive.region)
    }

    /// The clients of an account in a Region.
    pub(crate) fn at(
        &self,
        account: &crate::names::AccountId,
        region: &crate::names::Region,
    ) -> WriteClients {
        WriteClients::new(&self.aws.clients(account, region), self.authority)
    }

    /// The key's ARN: as observed, or behind its alias if an earlier step created it.
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

    /// Retries a call, for a bounded time, while AWS is busy or what this run created or
    /// wrote is not in effect.
    pub(crate) async fn retry<T, F, Fut>(&self, call: F) -> Result<T, StepError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, AwsError>>,
    {
        let again = |error: &AwsError| self.is_transient(error);
        retry_while(self.aws.propagation(), again, call).await.map_err(|error| {
            if self.is_transient(&error) { self.late(error) } else { error.into() }
        })
    }

    /// The same for a whole step that can be repeated from its start.
    pub(crate) async fn retry_step<F, Fut>(&self, step: F) -> Result<(), StepError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<(), StepError>>,
    {
        let again =
            |error: &StepError| matches!(error, StepError::Aws(error) if self.is_transient(error));
        match retry_while(self.aws.propagation(), again, step).await {
            Err(StepError::Aws(error)) if self.is_transient(&error) => Err(self.late(error)),
            result => result,
        }
    }

    fn is_transient(&self, error: &AwsError) -> bool {
        is_transient(error, self.after_create.load(Ordering::Relaxed))
    }

    fn late(&self, error: AwsError) -> StepError {
        StepError::Late { error, waited: self.aws.propagation().at_most }
    }
}

/// Checks that a resource is as it was observed before.
///
/// # Errors
/// It changed, or could not be read.
pub(crate) fn ensure_unchanged(
    entry: &Entry,
    before: &Observed,
    now: &Observed,
) -> Result<(), StepError> {
    let json = |observed| match (entry.observed_json)(observed) {
        ObservedJson::Known(value) => Ok(value),
        ObservedJson::Unreadable(error) => Err(StepError::Aws(error.clone())),
    };
    let (before, now) = (json(before)?, json(now)?);
    if before == now {
        return Ok(());
    }
    let fields: Vec<String> = field_changes(Some(&before), &now)
        .into_iter()
        .map(|change| {
            let text = |value: Option<serde_json::Value>| {
                value.map_or_else(|| "(none)".to_owned(), |value| value.to_string())
            };
            format!("{}: {} → {}", change.path, text(change.before), text(change.after))
        })
        .collect();
    Err(StepError::Changed(fields.join(", ")))
}
