//! The session of a role: assumed once, shared, renewed before it ends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use tokio::sync::Mutex;

use super::{At, AwsError, Clients};
use crate::names::{AccountId, Arn};

/// A session is renewed this long before it ends, or when two thirds of it are
/// over where it is short.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// Credentials of a role.
///
/// INVARIANT: the lock is held while the role is assumed, so however many tasks
/// ask at once, AWS is asked once.
#[derive(Debug)]
pub(super) struct RoleSession {
    pub(super) role: Arn,
    /// The role's ARN as text.
    pub(super) principal: Arc<str>,
    pub(super) account: AccountId,
    pub(super) external_id: Option<String>,
    pub(super) session_name: String,
    /// Whom the role is assumed by.
    pub(super) parent: Clients,
    pub(super) time: SharedTimeSource,
    pub(super) held: Mutex<Option<Held>>,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    credentials: Credentials,
    since: SystemTime,
}

impl Held {
    fn is_due(&self, now: SystemTime) -> bool {
        let Some(ends) = self.credentials.expiry() else { return false };
        let length = ends.duration_since(self.since).unwrap_or_default();
        now + RENEW_BEFORE.min(length / 3) >= ends
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_some_and(|ends| now >= ends)
    }
}

impl RoleSession {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut held = self.held.lock().await;
        let now = self.time.now();
        match &*held {
            Some(session) if !session.is_due(now) => return Ok(session.credentials.clone()),
            _ => {}
        }
        match self.assume().await {
            Ok(credentials) => {
                *held = Some(Held { credentials: credentials.clone(), since: now });
                Ok(credentials)
            }
            // Renewing failed, but what we hold still works.
            Err(error) => match &*held {
                Some(session) if !session.is_over(now) => {
                    tracing::warn!(role = %self.role, %error, "the session could not be renewed yet");
                    Ok(session.credentials.clone())
                }
                _ => Err(CredentialsError::provider_error(error)),
            },
        }
    }

    async fn assume(&self) -> Result<Credentials, AwsError> {
        tracing::debug!(role = %self.role, "assuming the role");
        let answer = self
            .parent
            .sts()
            .assume_role()
            .role_arn(self.role.to_string())
            .role_session_name(&self.session_name)
            .set_external_id(self.external_id.clone())
            .send()
            .await
            .at(&self.parent, "sts:AssumeRole")
            .map_err(|error| error.meant_for(&self.account))?;
        let Some(given) = answer.credentials else {
            return Err(self.parent.malformed("sts:AssumeRole", "an answer without credentials"));
        };
        Ok(Credentials::builder()
            .access_key_id(given.access_key_id)
            .secret_access_key(given.secret_access_key)
            .session_token(given.session_token)
            .expiry(SystemTime::try_from(given.expiration).unwrap_or(SystemTime::UNIX_EPOCH))
            .provider_name("orgtrail role chain")
            .build())
    }

    /// Drops the session, so that the next call assumes the role anew.
    fn forget(&self) {
        // Held by somebody: then it is being renewed already.
        if let Ok(mut held) = self.held.try_lock() {
            *held = None;
        }
    }
}

impl ProvideCredentials for RoleSession {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// A call that failed because its session ended is tried again with a new one.
///
/// Sessions are renewed in time by our clock; AWS goes by its own, and ends
/// sessions early when somebody revokes them.
#[derive(Debug)]
pub(super) struct RenewEnded(pub(super) Arc<RoleSession>);

impl ClassifyRetry for RenewEnded {
    fn name(&self) -> &'static str {
        "renew ended session"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let ended = context.response().is_some_and(|response| {
            matches!(response.status().as_u16(), 400 | 401 | 403)
                && response.body().bytes().is_some_and(|body| {
                    body.windows(b"ExpiredToken".len()).any(|window| window == b"ExpiredToken")
                })
        });
        if !ended {
            return RetryAction::NoActionIndicated;
        }
        self.0.forget();
        RetryAction::transient_error()
    }
}
