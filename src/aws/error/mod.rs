//! Errors of AWS calls.

mod source;
mod words;

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use self::source::{below, kind_of_source};
use self::words::{credentials_fault, expected_region, network_fault, one_line};
use super::transport::PlainHttp;
use super::{hint, kind};
use crate::names::{AccountId, Region};
use crate::words::in_one_line;

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// What kind of failure a call met: what decides what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The caller may not do this, or may not know whether the thing exists.
    AccessDenied,
    /// The requested resource does not exist.
    NotFound,
    /// Too many calls, and still so after the retries.
    Throttled,
    /// A conflict: the resource already exists, or is not what the call
    /// expects.
    Conflict,
    /// Another change of the same thing is under way, or the thing is not ready for
    /// one: nothing was done, and the call is worth trying again.
    Busy,
    /// What was written a moment ago is not seen everywhere yet: worth trying
    /// again for a bounded time, see [`super::retry_propagation`].
    Propagating,
    /// No answer in time.
    Timeout,
    /// The credentials ended, are unknown to AWS, or none were found.
    Expired,
    /// No connection, or it broke.
    Network,
    /// Not made, or interrupted: the command was stopped.
    Stopped,
    /// Any other error: see `code` and `message`.
    Other,
}

impl ErrorKind {
    /// The kind in the words of an error message.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access denied",
            Self::NotFound => "not found",
            Self::Throttled => "throttled",
            Self::Conflict => "conflict",
            Self::Busy => "conflicting change in progress",
            Self::Propagating => "not yet propagated",
            Self::Timeout => "timed out",
            Self::Expired => "credentials not accepted",
            Self::Network => "network failure",
            Self::Stopped => "not read",
            Self::Other => "failed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One AWS call that failed: operation, account, Region, principal and cause.
///
/// Its fields are those of [`Failure`]. Cheap to clone, because a failed read
/// ends up in every check that needed it.
#[derive(Debug, Clone)]
pub struct AwsError(Arc<Failure>);

/// The fields of an [`AwsError`].
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was done, as IAM calls it, without the service: `GetBucketVersioning`.
    pub operation: String,
    /// The service by the prefix of its IAM actions: `s3`, `cloudtrail`.
    pub service: String,
    /// The account that the call was meant for; absent before it is known.
    pub account: Option<AccountId>,
    /// The Region that the call went to.
    pub region: Option<Region>,
    /// Whom the call was signed as: a role's or user's ARN.
    pub principal: Option<String>,
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// The error's code as AWS gave it: `AccessDeniedException`.
    pub code: Option<String>,
    /// AWS's message for people, on one line.
    pub message: Option<String>,
    /// AWS's id of the request, which its support asks for.
    pub request_id: Option<String>,
    /// The Region of the call's bucket, if S3 returned it.
    pub bucket_region: Option<Region>,
    /// The cause, if AWS did not respond.
    pub source: Option<Source>,
}

impl std::ops::Deref for AwsError {
    type Target = Failure;
    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl From<Failure> for AwsError {
    fn from(failure: Failure) -> Self {
        Self(Arc::new(failure))
    }
}

/// Where a call was made: what an [`SdkError`] does not know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) action: &'a str,
    pub(super) account: Option<&'a AccountId>,
    pub(super) region: Option<&'a Region>,
    pub(super) principal: Option<&'a str>,
}

impl AwsError {
    /// Reads an SDK's error.
    pub(super) fn from_sdk<E>(place: Place<'_>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let code = error.code().map(one_line);
        let message = error.message().map(one_line);
        let request_id = error.request_id().map(one_line);
        let bucket_region = error
            .raw_response()
            .and_then(|raw| raw.headers().get("x-amz-bucket-region"))
            .or_else(|| message.as_deref().and_then(expected_region))
            .and_then(|region| region.parse().ok());
        let unread = status.is_some_and(|status| (200..300).contains(&status)) && code.is_none();
        let message = message.or_else(|| unread.then(|| "the response is unreadable".to_owned()));
        let (kind, source) = match &error {
            SdkError::ServiceError(_) => {
                (kind::of_code(code.as_deref(), message.as_deref(), status), None)
            }
            SdkError::TimeoutError(_) => (ErrorKind::Timeout, Some(below(error))),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (ErrorKind::Timeout, Some(below(error)))
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                (ErrorKind::Network, Some(below(error)))
            }
            SdkError::ResponseError(_) => {
                let kind = kind::of_code(None, None, status);
                let kind = if kind == ErrorKind::Other { ErrorKind::Network } else { kind };
                (kind, Some(below(error)))
            }
            _ => {
                let source = below(error);
                (kind_of_source(source.as_ref()), Some(source))
            }
        };
        let (message, source) = match source {
            Some(source) if kind == ErrorKind::Expired && !source.is::<Self>() => {
                (Some(credentials_fault(source.as_ref())), None)
            }
            // The cause is described in the words of libraries.
            Some(source)
                if kind == ErrorKind::Network && !source.is::<Self>() && message.is_none() =>
            {
                (Some(network_fault(source.as_ref())), None)
            }
            source => (message, source),
        };
        let (service, operation) = place.action.split_once(':').unwrap_or(("aws", place.action));
        Failure {
            operation: operation.to_owned(),
            service: service.to_owned(),
            account: place.account.cloned(),
            region: place.region.cloned(),
            principal: place.principal.map(str::to_owned),
            kind,
            code,
            message,
            request_id,
            bucket_region,
            source,
        }
        .into()
    }

    /// An answer that lacks what AWS documents.
    pub(super) fn malformed(place: Place<'_>, found: &str) -> Self {
        let (service, operation) = place.action.split_once(':').unwrap_or(("aws", place.action));
        Failure {
            operation: operation.to_owned(),
            service: service.to_owned(),
            account: place.account.cloned(),
            region: place.region.cloned(),
            principal: place.principal.map(str::to_owned),
            kind: ErrorKind::Other,
            code: None,
            message: Some(format!("found {found}")),
            request_id: None,
            bucket_region: None,
            source: None,
        }
        .into()
    }

    /// An endpoint that may not be called.
    pub(super) fn refused(error: PlainHttp) -> Self {
        Self::before_any_call(Arc::new(error))
    }

    /// Whether an endpoint was refused that is neither encrypted nor on this machine.
    pub(crate) fn is_plain_http(&self) -> bool {
        let source = self.source.as_deref().map(|it| it as &(dyn std::error::Error + 'static));
        std::iter::successors(source, |error| error.source())
            .any(<dyn std::error::Error>::is::<PlainHttp>)
    }

    /// Something that a command does not read.
    pub(crate) fn not_read() -> Self {
        Failure {
            operation: "Observe".into(),
            service: "orgtrail".into(),
            account: None,
            region: None,
            principal: None,
            kind: ErrorKind::Stopped,
            code: None,
            message: None,
            request_id: None,
            bucket_region: None,
            source: None,
        }
        .into()
    }

    /// A name of ours that does not parse.
    pub(super) fn from_name(error: crate::names::NameError) -> Self {
        Self::before_any_call(Arc::new(error))
    }

    fn before_any_call(source: Source) -> Self {
        Failure {
            operation: "GetCallerIdentity".into(),
            service: "sts".into(),
            account: None,
            region: None,
            principal: None,
            kind: ErrorKind::Other,
            code: None,
            message: None,
            request_id: None,
            bucket_region: None,
            source: Some(source),
        }
        .into()
    }

    /// The same failure of a call that was made elsewhere for this account's
    /// sake: assuming its role.
    pub(super) fn meant_for(mut self, account: &AccountId) -> Self {
        Arc::make_mut(&mut self.0).account = Some(account.clone());
        self
    }

    /// The kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether AWS answered with this code.
    #[must_use]
    pub fn is_code(&self, code: &str) -> bool {
        self.0.code.as_deref() == Some(code)
    }

    /// Whether AWS said that the thing does not exist: the default meaning of
    /// absent for [`super::Observation::from_result`].
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// The failure with all its causes, on one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        in_one_line(self)
    }

    /// Whether there was no session to make the call with: the account's role
    /// could not be assumed.
    #[must_use]
    pub fn has_no_session(&self) -> bool {
        nested(self).is_some()
    }

    /// The IAM action that the call needs: of the role that could not be
    /// assumed, where that is why.
    #[must_use]
    pub fn permission(&self) -> String {
        nested(self).map_or_else(|| hint::iam_action(self), Self::permission)
    }

    /// What can be done about it, where something can: one line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        // If the role could not be assumed, its hint is more useful than the call's.
        nested(self).map_or_else(|| hint::of(self), Self::hint)
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            service, operation, account, region, kind, code, message, request_id, ..
        } = &**self;
        write!(f, "{service}:{operation}")?;
        if let Some(account) = account {
            write!(f, " in account {account}")?;
        }
        if let Some(region) = region {
            write!(f, " ({region})")?;
        }
        match kind {
            _ if nested(self).is_some() => return write!(f, ": no session"),
            ErrorKind::Expired if code.is_none() => write!(f, ": no usable credentials")?,
            _ => write!(f, ": {kind}")?,
        }
        match (kind, code, message) {
            (ErrorKind::AccessDenied | ErrorKind::NotFound, _, Some(message))
            | (_, None, Some(message)) => write!(f, ": {message}")?,
            (_, Some(code), Some(message)) => write!(f, ": {code}: {message}")?,
            (_, Some(code), None) => write!(f, ": {code}")?,
            (_, None, None) => {}
        }
        if let Some(id) = request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for AwsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

fn nested(error: &AwsError) -> Option<&AwsError> {
    error.0.source.as_deref()?.downcast_ref()
}
