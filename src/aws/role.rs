//! The session of a role: assumed once, shared, renewed before it ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use tokio::sync::Mutex;

use super::connector::Sent;
use super::{At, AwsError, Clients};
use crate::names::{AccountId, Arn, ExternalId};

/// A session is renewed this long before it ends, or when two thirds of it are
/// over where it is short.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// A session that was begun no longer ago has not ended.
const FRESH: Duration = Duration::from_mins(1);

/// Credentials of a role.
///
/// INVARIANT: the lock is kept while the role is assumed, so that many tasks at once make one
/// call.
#[derive(Debug)]
pub(super) struct RoleSession {
    pub(super) role: Arn,
    /// The role's ARN as text.
    pub(super) principal: Arc<str>,
    pub(super) account: AccountId,
    pub(super) external_id: Option<ExternalId>,
    pub(super) session_name: String,
    /// Whom the role is assumed by.
    pub(super) parent: Clients,
    pub(super) time: SharedTimeSource,
    pub(super) cached: Mutex<Option<CachedCredentials>>,
    /// The token of the session that AWS last said has ended.
    pub(super) ended: parking_lot::Mutex<Option<Arc<str>>>,
}

#[derive(Debug, Clone)]
pub(super) struct CachedCredentials {
    credentials: Credentials,
    /// The ARN of the session, as STS returned it with the credentials.
    arn: Option<Arn>,
    since: SystemTime,
}

impl CachedCredentials {
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
        Ok(self.current().await?.credentials)
    }

    /// The ARN of the session, if it was begun just now.
    pub(super) async fn begin(&self) -> Result<Option<Arn>, CredentialsError> {
        let session = self.current().await?;
        let age = self.time.now().duration_since(session.since);
        Ok(session.arn.filter(|_| age.is_ok_and(|age| age < FRESH)))
    }

    async fn current(&self) -> Result<CachedCredentials, CredentialsError> {
        let mut cached = self.cached.lock().await;
        let now = self.time.now();
        if cached.as_ref().is_some_and(|session| self.has_ended(session)) {
            *cached = None;
        }
        match &*cached {
            Some(session) if !session.is_due(now) => return Ok(session.clone()),
            _ => {}
        }
        match self.assume().await {
            Ok((credentials, arn)) => {
                let session = CachedCredentials { credentials, arn, since: now };
                *cached = Some(session.clone());
                Ok(session)
            }
            // Renewing failed, but what we hold still works.
            Err(error) => match &*cached {
                Some(session) if !session.is_over(now) => {
                    tracing::warn!(role = %self.role, %error, "the session could not be renewed yet");
                    Ok(session.clone())
                }
                _ => Err(CredentialsError::provider_error(error)),
            },
        }
    }

    async fn assume(&self) -> Result<(Credentials, Option<Arn>), AwsError> {
        tracing::debug!(role = %self.role, "assuming the role");
        let answer = self
            .parent
            .sessions()
            .assume_role()
            .role_arn(self.role.to_string())
            .role_session_name(&self.session_name)
            .set_external_id(self.external_id.as_ref().map(ToString::to_string))
            .send()
            .await
            .at(&self.parent, "sts:AssumeRole")
            .map_err(|error| error.meant_for(&self.account))?;
        let Some(given) = answer.credentials else {
            return Err(self.parent.malformed("sts:AssumeRole", "a response without credentials"));
        };
        let arn = answer.assumed_role_user.and_then(|user| user.arn.parse().ok());
        let credentials = Credentials::builder()
            .access_key_id(given.access_key_id)
            .secret_access_key(given.secret_access_key)
            .session_token(given.session_token)
            .expiry(SystemTime::try_from(given.expiration).unwrap_or(SystemTime::UNIX_EPOCH))
            .provider_name("orgtrail role chain")
            .build();
        Ok((credentials, arn))
    }

    /// Takes a session for ended, so that the next call assumes the role anew. One
    /// that has taken its place meanwhile stays.
    fn end(&self, token: &Arc<str>) {
        *self.ended.lock() = Some(Arc::clone(token));
    }

    /// Whether a session is new, as far as known without waiting.
    fn is_fresh(&self, token: &str) -> bool {
        let now = self.time.now();
        self.cached.try_lock().is_ok_and(|cached| {
            cached.as_ref().is_some_and(|session| {
                session.credentials.session_token() == Some(token)
                    && now.duration_since(session.since).is_ok_and(|age| age < FRESH)
            })
        })
    }

    fn has_ended(&self, session: &CachedCredentials) -> bool {
        let ended = self.ended.lock();
        ended.is_some() && ended.as_deref() == session.credentials.session_token()
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
/// orgtrail renews sessions by its own clock. AWS uses its clock, and ends sessions early
/// when they are revoked.
#[derive(Debug)]
pub(super) struct RenewEnded(pub(super) Arc<RoleSession>);

impl ClassifyRetry for RenewEnded {
    fn name(&self) -> &'static str {
        "renew ended session"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(response) = context.response() else { return RetryAction::NoActionIndicated };
        let Some(Sent { token: Some(token), is_head }) = response.extension() else {
            return RetryAction::NoActionIndicated;
        };
        let status = response.status().as_u16();
        let body = response.body().bytes().unwrap_or_default();
        let says_so = matches!(status, 400 | 401 | 403)
            && body.windows(b"ExpiredToken".len()).any(|window| window == b"ExpiredToken");
        // The answer to a HEAD has no body to say it in: S3 answers 400, which can
        // mean a wrong Region too. At worst, one call is repeated without success.
        let may_mean_it = *is_head && status == 400 && !self.0.is_fresh(token);
        if !says_so && !may_mean_it {
            return RetryAction::NoActionIndicated;
        }
        self.0.end(token);
        RetryAction::transient_error()
    }
}
